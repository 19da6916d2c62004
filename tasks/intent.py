"""The durable intent: in one transaction the last checks, the claim, and the row that says a send may follow."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from sqlalchemy import Connection, func, select, text

from failpoints import failpoint
from models.algorithm import Adaptive, Twap, Vwap, slots_of
from models.canonical_parts import algorithm_from_json
from models.clock import milliseconds
from models.lateness import late
from models.order import ChildOrder, Order, Reason
from models.promise import assert_one_effect
from models.reports import NewOrder
from models.retry import RetryPolicy
from models.transitions import ORDER_FINAL
from models.vocabulary import ChildStatus, OrderStatus
from storage.children import children_of, claim, intend, move_child
from storage.engine import write
from storage.halts import halt_meeting
from storage.order_tables import child_orders
from storage.orders import lock_order, move_order
from storage.reports import has_unapplied_reports
from storage.schedules import reopen_schedule
from tasks.clock import seconds_since_boot
from tasks.ending import drop_planned, end_unsent, follow_children
from tasks.heartbeat import Claim
from tasks.plan_soon import plan_soon
from tasks.postpone import named, send_on_at
from tasks.runtime import Runtime
from tasks.stops import ACCOUNT_FROZEN, freeze_of
from tasks.timers import after_send
from tasks.waited import with_what_it_waited_for

CAUSE = "commit"

#: A window shorter than this would have run out on the way: nothing is sent into it.
SHORTEST_WINDOW_MS = 50

#: A slice may be sent this much before its time: clocks of hosts differ a little.
EARLY = timedelta(milliseconds=20)

#: how soon an order is looked at again that waits for the end of a restore
RESTORE_PAUSE = timedelta(seconds=1)

#: its quantity is planned anew, since its time is over
LATE_SLICE = "LATE_SLICE"

#: Seconds after its time from which a slice is dropped if the next one is due: what a busy worker may take is no lateness.
OVERTAKEN_S = 1.0

#: How soon an order is tried again that found `max_concurrent_orders` requests in flight.
CROWDED = RetryPolicy(base_s=0.25, cap_s=5.0, max_retries=None)

OVER_BEFORE_SENT = Reason(code="EXPIRED", message="its time was over before it could be sent")

_IN_FLIGHT = select(func.count()).select_from(child_orders).where(text("status = 'SUBMITTING'"))


@dataclass(frozen=True, slots=True, kw_only=True)
class Intent:
    """A send that is on record and has not left yet."""

    order: Order
    claim: Claim
    number: int
    #: no copy of the child can have reached the venue before this one
    is_first: bool
    new_order: NewOrder


def write_intent(
    runtime: Runtime, order_id: str, venue_time: datetime, tries: int = 0, child_id: str | None = None
) -> Intent | str:
    """Claim a planned child and put the send on record; or say why nothing is to be sent.

    ``child_id`` names a slice; without it the first child that is due is taken. ``venue_time`` is the venue's clock now: it is signed into the request, so that the venue itself refuses
    a copy that comes later than the window.
    """
    claimed_at = seconds_since_boot()
    now = runtime.now()
    execution = runtime.settings.execution
    with write(runtime.engine) as conn:
        order = lock_order(conn, order_id)
        children = children_of(conn, order_id)
        child = next_to_send(order, children, child_id, now)
        stop = _reason_to_stop(conn, runtime, order, children, child, now)
        if stop is not None:
            return stop
        assert child is not None
        window_ms = _window_ms(runtime, order, venue_time)
        if window_ms < SHORTEST_WINDOW_MS:
            over = with_what_it_waited_for(conn, order, OVER_BEFORE_SENT, now)
            return end_planned(conn, order, children, OrderStatus.EXPIRED, over, now)
        if conn.execute(_IN_FLIGHT).scalar_one() >= execution.max_concurrent_orders:
            delay_s = CROWDED.delay_s(tries, runtime.chance())
            send_on_at(conn, order.id, now + timedelta(seconds=delay_s), tries=tries + 1, now=now, child_id=child_id)
            return f"{execution.max_concurrent_orders} requests are in flight; again in {delay_s:.2f} s"
        assert_one_effect(order, children, child)
        number = child.sends + 1
        deadline = venue_time + timedelta(milliseconds=window_ms)
        first_sent_at = child.sent_at
        child = claim(conn, child, owner=runtime.owner, lease_ms=execution.lease_ms)
        failpoint("commit.claimed")
        child = move_child(
            conn,
            child,
            ChildStatus.SUBMITTING,
            cause=CAUSE,
            detail={"send": number, "epoch": child.epoch},
            now=now,
            sent_at=child.sent_at or now,
            deadline=max(deadline, child.deadline or deadline),
            sends=number,
            attend_at=now + timedelta(milliseconds=execution.lease_ms),
        )
        intend(
            conn,
            child,
            number=number,
            owner=runtime.owner,
            timestamp=venue_time,
            window_ms=window_ms,
            now=now,
        )
        child = after_send(conn, order, child, now)
        failpoint("commit.intended")
        if order.status is OrderStatus.VALIDATED:
            order = move_order(conn, order, OrderStatus.WORKING, cause=CAUSE, now=now)
    failpoint("commit.intent.committed")
    return Intent(
        order=order,
        is_first=first_sent_at is None,
        claim=Claim(child, claimed_at, execution.lease_ms / 1000),
        number=number,
        new_order=_new_order(order, child, venue_time, window_ms),
    )


def stop_if_over(runtime: Runtime, order_id: str, child_id: str | None = None) -> str | None:
    """End an order that may not be sent any more, without asking the venue anything; None while it may."""
    now = runtime.now()
    with write(runtime.engine) as conn:
        order = lock_order(conn, order_id)
        children = children_of(conn, order_id)
        child = next_to_send(order, children, child_id, now)
        return _reason_to_stop(conn, runtime, order, children, child, now)


def next_to_send(
    order: Order, children: Sequence[ChildOrder], child_id: str | None, now: datetime
) -> ChildOrder | None:
    """The planned child that the message names, or the first one that is due."""
    for child in children:
        if child.status is not ChildStatus.PLANNED or child_id not in (None, child.id):
            continue
        if child_id is None and not is_due(order, child, now):
            continue
        return child
    return None


def is_due(order: Order, child: ChildOrder, now: datetime) -> bool:
    """Whether its time has come; an order that is sent whole is due from the start."""
    if child.attempt == 1 and not order.is_scheduled:
        return True
    return child.due_at <= now + EARLY


def _reason_to_stop(
    conn: Connection,
    runtime: Runtime,
    order: Order,
    children: Sequence[ChildOrder],
    child: ChildOrder | None,
    now: datetime,
) -> str | None:
    if child is None or order.status not in (
        OrderStatus.VALIDATED,
        OrderStatus.WORKING,
        OrderStatus.PARTIALLY_FILLED,
        OrderStatus.PENDING_CANCEL,
    ):
        return f"nothing to send: {order.status}"
    if order.ending is not None:
        reason = order.reason or Reason(code="CANCEL_REQUESTED", message="canceled before it was sent")
        return end_planned(conn, order, children, order.ending, reason, now)
    if has_unapplied_reports(conn, child.id):
        return "the venue has said something of it that is not settled yet"
    if order.is_scheduled:
        return _reason_to_drop(conn, runtime, order, children, child, now)
    was_sent = child.sent_at is not None
    # Another attempt has a time of its own; one that only takes the place of what never arrived is as old as the order.
    earlier = [other for other in children if other.slice == child.slice and other.attempt < child.attempt]
    was_there = any(other.venue_order_id is not None for other in earlier)
    meant_for = child.due_at if was_there else order.submitted_at
    too_late = late(order, now, runtime.settings.execution.max_age_s, sent=was_sent, meant_for=meant_for)
    if too_late is not None:
        too_late = with_what_it_waited_for(conn, order, too_late, now)
        return end_planned(conn, order, children, OrderStatus.EXPIRED, too_late, now)
    halt = halt_meeting(conn, order.venue, order.account)
    if halt is not None and halt.ends_nothing:
        send_on_at(conn, order.id, now + RESTORE_PAUSE, tries=0, now=now, child_id=named(order, child))
        return f"{halt.sentence()}; again in {RESTORE_PAUSE.total_seconds():g} s"
    if halt is not None:
        reason = Reason(code="HALTED", message=f"{halt.sentence()}; nothing of it is at the venue")
        first = not was_sent and child.attempt == 1
        return end_planned(conn, order, children, OrderStatus.DENIED if first else OrderStatus.CANCELED, reason, now)
    freeze = freeze_of(conn, order)
    if freeze is not None:
        reason = Reason(code=ACCOUNT_FROZEN, message=f"{freeze.sentence()}; nothing of it is at the venue")
        first = not was_sent and child.attempt == 1
        return end_planned(conn, order, children, OrderStatus.DENIED if first else OrderStatus.CANCELED, reason, now)
    return None


def _reason_to_drop(
    conn: Connection,
    runtime: Runtime,
    order: Order,
    children: Sequence[ChildOrder],
    child: ChildOrder,
    now: datetime,
) -> str | None:
    """Why this slice is not sent at its time: it is dropped, and the schedule plans its quantity anew."""
    late_s = runtime.settings.execution.late_slice_s
    late_by_s = (now - child.due_at).total_seconds()
    if order.has_expired(now):
        reason = OVER_BEFORE_SENT
    elif late_by_s > late_s:
        message = f"{late_by_s:.1f} s after its time, and {late_s:g} s are allowed; its quantity is planned anew"
        reason = Reason(code=LATE_SLICE, message=message)
    elif late_by_s > OVERTAKEN_S and _is_overtaken(children, child, now):
        message = f"{late_by_s:.1f} s after its time, and the next slice is due; its quantity is planned anew"
        reason = Reason(code=LATE_SLICE, message=message)
    elif (halt := halt_meeting(conn, order.venue, order.account)) is not None:
        reason = Reason(code="HALTED", message=f"{halt.sentence()}; its quantity is planned anew after the halt")
    elif (freeze := freeze_of(conn, order)) is not None:
        reason = Reason(code=ACCOUNT_FROZEN, message=f"{freeze.sentence()}; its quantity is planned anew after that")
    else:
        return None
    return drop_slice(conn, order, child, reason, now)


def _is_overtaken(children: Sequence[ChildOrder], child: ChildOrder, now: datetime) -> bool:
    """A later slice is due as well: sent together they would be a burst."""
    return any(
        other.status is ChildStatus.PLANNED and other.slice > child.slice and other.due_at <= now for other in children
    )


def drop_slice(conn: Connection, order: Order, child: ChildOrder, reason: Reason, now: datetime) -> str:
    """End one planned slice unsent, and have its quantity planned anew while the schedule's time lasts."""
    failpoint("slice.dropped")
    move_child(conn, child, ChildStatus.CANCELED, cause="not sent at its time", reason=reason, now=now)
    algorithm = algorithm_from_json(order.algorithm)
    if isinstance(algorithm, Twap | Vwap | Adaptive):
        reopen_schedule(conn, order.id, slots_of(algorithm) - 1)
    if not order.has_expired(now):
        plan_soon(conn, order.id, now)
    follow_children(conn, order, cause=CAUSE, now=now)
    return f"dropped: {reason.code}"


def end_planned(
    conn: Connection, order: Order, children: Sequence[ChildOrder], status: OrderStatus, reason: Reason, now: datetime
) -> str:
    """End what was not sent; an order with other children at the venue goes on with those."""
    if any(child.is_live for child in children) or order.filled_quantity > 0:
        drop_planned(conn, children, status, reason, cause=CAUSE, now=now)
        follow_children(conn, order, cause=CAUSE, now=now)
    elif order.status not in ORDER_FINAL:
        end_unsent(conn, order, status, reason, cause=CAUSE, now=now)
    return f"{status}: {reason.code}"


def _window_ms(runtime: Runtime, order: Order, venue_time: datetime) -> int:
    """The venue's window for this send, never beyond the order's own end."""
    window_ms = runtime.settings.venues[order.venue].recv_window_ms
    if order.expires_at is None:
        return window_ms
    return min(window_ms, milliseconds(order.expires_at) - milliseconds(venue_time))


def _new_order(order: Order, child: ChildOrder, timestamp: datetime, window_ms: int) -> NewOrder:
    return NewOrder(
        symbol=order.symbol,
        side=order.side,
        type=order.type,
        quantity=child.quantity,
        price=child.price,
        time_in_force=order.time_in_force,
        post_only=order.post_only,
        display_quantity=child.display,
        client_order_id=child.venue_client_order_id,
        timestamp=timestamp,
        window_ms=window_ms,
    )
