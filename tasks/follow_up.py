"""Follow-up: what a fill policy does with a child at its timeout, and with what a child left when it ended."""

from datetime import datetime, timedelta

from sqlalchemy import Connection

from exchanges.evidence import VenueError
from failpoints import failpoint
from models.canonical_parts import fill_policy_from_json
from models.fill_policy import CancelAndRetry, FillPolicy, Reprice, Then, WaitForComplete
from models.money import plain, subtract
from models.next_attempt import delay_before_next, is_sendable, next_price
from models.order import ChildOrder, Order, Reason, unless_in_doubt
from models.promise import spoken_for
from models.reports import Quote
from models.vocabulary import ChildStatus, OrderStatus
from storage.amendments import refuse_amendment
from storage.children import act_on, children_of, get_child, insert_child
from storage.engine import read, write
from storage.orders import get_order, lock_order, move_order
from storage.outbox import Kind, enqueue
from tasks.ending import follow_children
from tasks.instruments import instrument_of
from tasks.new_child import new_child
from tasks.plan_soon import SLICE_PATIENCE, plan_soon
from tasks.postpone import STEP_PATIENCE, send_slice_at
from tasks.queues import URGENT
from tasks.reads import note_failed_read
from tasks.runtime import Runtime
from tasks.step import step
from tasks.timers import amended_before, set_timer
from tasks.withdraw import withdraw_child

CAUSE = "fill policy"

#: A timer may ring this early: clocks of hosts differ a little.
EARLY = timedelta(milliseconds=50)

#: Pauses while a child is in doubt, or the venue does not answer.
FIRST_PAUSE_S = 0.5
LONGEST_PAUSE_S = 10.0

#: at the venue, and known to be
_RESTING = (ChildStatus.ACCEPTED, ChildStatus.PARTIALLY_FILLED, ChildStatus.PENDING_CANCEL)


def follow_up(runtime: Runtime, *, child_id: str, tries: int = 0) -> str:
    """Act on a child whose timer has rung. Doing it again finds the timer gone, or set anew."""
    now = runtime.now()
    with read(runtime.engine) as conn:
        child = get_child(conn, child_id)
        order = get_order(conn, child.order_id)
    if child.act_at is None or child.act_at > now + EARLY:
        return "nothing to do: its timer was set anew, or is gone"
    policy = fill_policy_from_json(order.fill_policy)
    if order.is_final or order.ending is not None:
        return _leave(runtime, child, "its order is to end")
    if order.status is OrderStatus.PENDING_AMEND:
        return _later(runtime, child, tries, "its order is being amended")
    if child.is_final:
        return _send_the_rest(runtime, order, child, policy, tries)
    if child.status not in _RESTING:
        return _later(runtime, child, tries, f"it is {child.status}: first what became of it")
    if isinstance(policy, WaitForComplete) and not _goes_on_without(order, policy):
        return _end_order(runtime, order, policy)
    failpoint("policy.timeout")
    if withdraw_child(runtime, child, by_timer=True):
        return "its time was over; it has ended at the venue"
    return _later(runtime, child, tries, "the venue has not ended it yet")


def _goes_on_without(order: Order, policy: WaitForComplete) -> bool:
    """A schedule that accepts a part goes on: the rest of one slice is planned anew. An iceberg has no later slices that
    would wait less."""
    return order.is_scheduled and policy.then is Then.ACCEPT and order.algorithm["name"] != "iceberg"


def _leave(runtime: Runtime, child: ChildOrder, why: str) -> str:
    with write(runtime.engine) as conn:
        order = lock_order(conn, child.order_id)
        act_on(conn, get_child(conn, child.id), None)
        follow_children(conn, order, cause=CAUSE, now=runtime.now())
    return f"left as it is: {why}"


def _later(runtime: Runtime, child: ChildOrder, tries: int, why: str) -> str:
    now = runtime.now()
    pause_s = min(FIRST_PAUSE_S * 2.0 ** min(tries, 10), LONGEST_PAUSE_S)
    with write(runtime.engine) as conn:
        lock_order(conn, child.order_id)
        fresh = get_child(conn, child.id)
        if fresh.act_at != child.act_at:
            return "its timer was set anew meanwhile"
        set_timer(conn, fresh, now + timedelta(seconds=pause_s), now, tries + 1)
    return f"again in {pause_s:.1f} s: {why}"


def _end_order(runtime: Runtime, order: Order, policy: WaitForComplete) -> str:
    """The rest of the whole order is cancelled."""
    now = runtime.now()
    with write(runtime.engine) as conn:
        order = lock_order(conn, order.id)
        if order.is_final or order.ending is not None:
            return f"nothing to do: {order.status}"
        refuse_amendment(conn, order.id, "ORDER_ENDED", "its fill policy ended the order meanwhile", now)
        code = "PARTIAL_ACCEPTED" if policy.then is Then.ACCEPT else "TIMEOUT"
        message = f"it was not complete {plain(policy.timeout_s)} s after it was sent; the rest was cancelled"
        move_order(
            conn,
            order,
            OrderStatus.PENDING_CANCEL,
            cause=CAUSE,
            reason=unless_in_doubt(order, Reason(code=code, message=message)),
            now=now,
            ending=OrderStatus.CANCELED,
            rescue_at=now + STEP_PATIENCE,
        )
        for child in children_of(conn, order.id):
            if child.act_at is not None:
                act_on(conn, child, None)
        enqueue(conn, Kind.TASK, "orders.withdraw", URGENT, {"order_id": order.id}, now=now, due_at=now)
        failpoint("policy.over")
    return f"its time was over: {code}"


def _send_the_rest(runtime: Runtime, order: Order, child: ChildOrder, policy: FillPolicy, tries: int) -> str:
    """Attempt n is proven final, and what it left goes out as attempt n + 1."""
    instrument = instrument_of(runtime, order.venue, order.symbol)
    if instrument is None:
        return _later(runtime, child, tries, f"{order.symbol} is not known at present")
    quote: Quote | None = None
    if isinstance(policy, CancelAndRetry) and policy.reprice is not Reprice.KEEP:
        try:
            quote = runtime.gateways.get(order.venue, order.account).quote(order.symbol)
        except VenueError as error:
            note_failed_read(runtime, order.venue, order.account, error)
            return _later(runtime, child, tries, error.message)
    failpoint("policy.quoted")
    now = runtime.now()
    with write(runtime.engine) as conn:
        order = lock_order(conn, order.id)
        child = get_child(conn, child.id)
        children = children_of(conn, order.id)
        if child.act_at is None:
            return "nothing to do: another message was faster"
        if order.status is OrderStatus.PENDING_AMEND:
            set_timer(conn, child, now + timedelta(seconds=FIRST_PAUSE_S), now, tries + 1)
            return "its order is being amended"
        act_on(conn, child, None)
        newest = max(other.attempt for other in children if other.slice == child.slice)
        if newest != child.attempt or _is_over(conn, policy, order, child) or order.has_expired(now):
            _give_back(conn, order, now)
            return "nothing of it is to be sent again"
        quantity = min(child.remaining_quantity, subtract(order.quantity, spoken_for(children)))
        price = next_price(policy, order, child, quote, instrument)
        if not is_sendable(quantity, price, instrument):
            _give_back(conn, order, now)
            return f"{plain(quantity)} {order.base} are below what {order.venue} takes; they stay unsent"
        attempt = new_child(
            conn,
            runtime,
            order,
            slice_number=child.slice,
            attempt=child.attempt + 1,
            quantity=quantity,
            price=price,
            due_at=now,
            now=now,
            attend_at=now + SLICE_PATIENCE,
        )
        insert_child(conn, attempt, cause=CAUSE, now=now)
        failpoint("policy.planned")
        send_slice_at(conn, order.id, attempt.id, now, now=now)
    return f"attempt {attempt.attempt} with {plain(quantity)} {order.base}"


def _is_over(conn: Connection, policy: FillPolicy, order: Order, child: ChildOrder) -> bool:
    return delay_before_next(policy, order, child, amended=amended_before(conn, child)) is None


def _give_back(conn: Connection, order: Order, now: datetime) -> None:
    follow_children(conn, order, cause=CAUSE, now=now)
    if order.waits_for_ends:
        plan_soon(conn, order.id, now)


follow_up_task = step("orders.follow_up")(follow_up)
