"""Amend: carry out a change to an order that is at work; whatever fills on the way, never more than the new total."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from sqlalchemy import Connection

from exchanges.capabilities import Amend, AmendSize
from failpoints import failpoint
from models.amend_step import Conclude, InPlace, Refuse, Step, Wait, Withdraw, next_step
from models.amendment import AMENDED, Amendment
from models.instrument import Instrument
from models.order import ChildOrder, Order, Reason
from models.vocabulary import ChildStatus, OrderStatus, OrderType, TimeInForce
from storage.alerts import Severity, record_alert
from storage.amendments import pending_amendment
from storage.attention import leave_to
from storage.children import children_of
from storage.engine import read, write
from storage.halts import halt_meeting
from storage.orders import get_order, lock_order
from storage.outbox import Kind, enqueue
from storage.reports import has_unapplied_reports
from storage.schedules import get_schedule
from storage.venue_states import closed_until
from tasks.amend_end import conclude, refuse
from tasks.amend_in_place import NotInPlace, amend_in_place
from tasks.instruments import instrument_of
from tasks.postpone import RESCUED, STEP_PATIENCE
from tasks.queues import URGENT
from tasks.runtime import Runtime
from tasks.step import step
from tasks.stops import ACCOUNT_FROZEN, freeze_of
from tasks.withdraw import withdraw_child

#: Pauses between tries while a send is in doubt, the venue does not answer, or it has not ended the order yet.
FIRST_PAUSE_S = 0.3
LONGEST_PAUSE_S = 10.0

#: After so many tries, about half a minute, a person hears of it.
TRIES_BEFORE_ALERT = 7

#: Steps that one message takes: ask or end, then conclude. One more for what ends meanwhile.
MOST_STEPS = 4


@dataclass(frozen=True, slots=True, kw_only=True)
class _Later:
    """It can't go on now."""

    why: str
    pause_s: float = 0.0
    not_before: datetime | None = None
    #: somebody else holds the child, or died with it: the delivery of the next message is counted (tasks/poison.py)
    rescued: bool = False


def amend_working(runtime: Runtime, *, order_id: str, tries: int = 0) -> str:
    """PENDING_AMEND → the new values, or as before. Doing it again goes on from where the rows stand."""
    with read(runtime.engine) as conn:
        order = get_order(conn, order_id)
    if order.status is not OrderStatus.PENDING_AMEND:
        return f"nothing to do: {order.status}"
    instrument = instrument_of(runtime, order.venue, order.symbol)
    later: _Later | None = None
    if instrument is None:
        return _try_again(runtime, order, tries, _Later(why=f"{order.symbol} is not known at present"))
    in_place = True
    for _ in range(MOST_STEPS):
        decided = _decide(runtime, order_id, instrument, try_in_place=in_place)
        if isinstance(decided, str):
            return decided
        failpoint("amend.begun")
        try:
            later = _carry_out(runtime, order, *decided, instrument)
        except NotInPlace:
            in_place = False
        if later is not None:
            return _try_again(runtime, order, tries, later)
    return _try_again(runtime, order, tries, _Later(why="it moved on while it was amended"))


def _carry_out(
    runtime: Runtime,
    order: Order,
    amendment: Amendment,
    todo: InPlace | Wait | Withdraw,
    closed: datetime | None,
    instrument: Instrument,
) -> _Later | None:
    """What has to be done at the venue before anything can be concluded; None once it is. Raises NotInPlace."""
    if isinstance(todo, Wait):
        return _Later(why=f"child {todo.child.id} is {todo.child.status}: first what became of it")
    if closed is not None:
        return _Later(why=f"{order.venue} wants to be left alone", not_before=closed)
    if isinstance(todo, InPlace):
        pause_s = amend_in_place(runtime, order.id, todo, instrument)
        return None if pause_s is None else _Later(why="the venue has not said whether it took it", pause_s=pause_s)
    outcomes = [withdraw_child(runtime, child, reason=amendment.ended_for_it) for child in todo.children]
    failpoint("amend.withdrawn")
    if all(outcomes):
        return None
    return _Later(why="the venue has not ended it yet", rescued=None in outcomes)


def _decide(
    runtime: Runtime, order_id: str, instrument: Instrument, *, try_in_place: bool
) -> str | tuple[Amendment, InPlace | Wait | Withdraw, datetime | None]:
    """End the amendment if it can be ended now; else what has to be done at the venue, and until when that is closed."""
    now = runtime.now()
    with write(runtime.engine) as conn:
        order = lock_order(conn, order_id)
        amendment = pending_amendment(conn, order_id)
        if order.status is not OrderStatus.PENDING_AMEND or amendment is None:
            return f"nothing to do: {order.status}"
        children = children_of(conn, order_id)
        todo = _todo(conn, runtime, order, amendment, children, instrument, now, try_in_place=try_in_place)
        if isinstance(todo, Refuse):
            said = refuse(conn, runtime, order, amendment, todo.reason, instrument, now)
        elif isinstance(todo, Conclude):
            unsettled = _unsettled(conn, todo.drop)
            if unsettled is not None:
                return amendment, Wait(child=unsettled), None
            said = conclude(conn, runtime, order, amendment, todo, instrument, now)
        else:
            closed = closed_until(conn, order.venue, order.account)
            return amendment, todo, closed if closed is not None and closed > now else None
    failpoint("amend.decided")
    return said


def _unsettled(conn: Connection, children: Sequence[ChildOrder]) -> ChildOrder | None:
    """One of which the venue has said something that nothing was concluded from yet: it may be there after all."""
    return next((child for child in children if has_unapplied_reports(conn, child.id)), None)


def _todo(
    conn: Connection,
    runtime: Runtime,
    order: Order,
    amendment: Amendment,
    children: Sequence[ChildOrder],
    instrument: Instrument,
    now: datetime,
    *,
    try_in_place: bool,
) -> Step:
    todo = next_step(
        order,
        amendment,
        children,
        instrument,
        now,
        in_place=try_in_place and _can_in_place(runtime, order, children),
        is_over=order.is_scheduled and get_schedule(conn, order.id).is_over,
    )
    if isinstance(todo, (InPlace, Withdraw)) and not _has_begun(children):
        halt = halt_meeting(conn, order.venue, order.account)
        if halt is not None:  # what is ended now could not be sent again
            return Refuse(reason=Reason(code="HALTED", message=f"{halt.sentence()}; what rests stays as it is"))
        freeze = freeze_of(conn, order)
        if freeze is not None:
            return Refuse(reason=Reason(code=ACCOUNT_FROZEN, message=f"{freeze.sentence()}; what rests stays as it is"))
    return todo


def _has_begun(children: Sequence[ChildOrder]) -> bool:
    """Whether something of it was ended, or is being changed, at the venue already: then only going on leads to an end."""
    newest = {child.slice: child for child in children}.values()
    return any(
        child.status is ChildStatus.PENDING_AMEND or (child.reason is not None and child.reason.code == AMENDED)
        for child in newest
    )


def _can_in_place(runtime: Runtime, order: Order, children: Sequence[ChildOrder]) -> bool:
    """An iceberg shows a part that another size may no longer fit, and what is immediate is gone by then.

    Where no deadline holds, a copy of a request could change the order after its refusal was believed.
    """
    can = runtime.gateways.get(order.venue, order.account).capabilities
    if can.amend is not Amend.IN_PLACE or can.amend_size is AmendSize.NONE or not can.amend_keeps_id:
        return False
    if not (can.enforces_deadline or can.amend_deadline):
        return False
    resting = order.type is OrderType.LIMIT and order.time_in_force is TimeInForce.GTC
    return resting and children[-1].display is None


def _try_again(runtime: Runtime, order: Order, tries: int, later: _Later) -> str:
    now = runtime.now()
    pause_s = max(later.pause_s, min(FIRST_PAUSE_S * 2.0 ** min(tries, 10), LONGEST_PAUSE_S))
    due_at = now + timedelta(seconds=pause_s)
    due_at = max(due_at, later.not_before or due_at)
    again = {"order_id": order.id, "tries": tries + 1, **(RESCUED if later.rescued else {})}
    with write(runtime.engine) as conn:
        if tries == TRIES_BEFORE_ALERT:
            _alert(conn, order, later.why, now)
        leave_to(conn, order.id, due_at + STEP_PATIENCE)
        enqueue(conn, Kind.TASK, "orders.amend_working", URGENT, again, now=now, due_at=due_at)
    failpoint("amend.postponed")
    return f"again in {(due_at - now).total_seconds():.1f} s: {later.why}"


def _alert(conn: Connection, order: Order, why: str, now: datetime) -> None:
    record_alert(
        conn,
        f"amend-stands:{order.id}:{order.version}",
        kind="AMEND_STANDS",
        severity=Severity.WARNING,
        message=(
            f"The amendment of order {order.id} at {order.venue} stands after {TRIES_BEFORE_ALERT} tries: {why}. Trying "
            f"goes on, and nothing new of the order is sent meanwhile. `steadfill order cancel {order.id}` ends it instead."
        ),
        detail={"order_id": order.id},
        now=now,
    )


amend_working_task = step("orders.amend_working")(amend_working)
