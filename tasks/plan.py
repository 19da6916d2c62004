"""Plan: what is left of a large order becomes the slices of its next wave, and the time of the wave after it."""

from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime, timedelta
from decimal import Decimal

import structlog
from sqlalchemy import Connection

from algorithms.parent import Market, Parent, Plan, Rules
from algorithms.plan import plan as next_wave
from exchanges.evidence import VenueError
from failpoints import failpoint
from models.algorithm import Algorithm, seconds
from models.canonical_parts import algorithm_from_json
from models.clock import format_time
from models.instrument import Instrument
from models.money import ZERO, add, plain
from models.order import NOT_SENDABLE, ChildOrder, Order
from models.retry import RetryPolicy
from models.vocabulary import ChildStatus, OrderStatus
from storage.children import children_of, insert_child
from storage.engine import read, write
from storage.halts import halt_meeting
from storage.orders import get_order, lock_order, move_order
from storage.outbox import Kind, enqueue
from storage.schedules import Schedule, close_schedule, get_schedule, look_at, move_schedule
from storage.venue_states import closed_until
from tasks.ending import add_up, follow_children
from tasks.instruments import instrument_of
from tasks.market import market_for
from tasks.new_child import new_child
from tasks.outcomes import MovedOn
from tasks.plan_soon import SLICE_PATIENCE, announce, plan_at
from tasks.queues import VENUE
from tasks.reads import note_failed_read
from tasks.runtime import Runtime
from tasks.step import step
from tasks.stops import freeze_of

log = structlog.get_logger()

CAUSE = "plan"

#: Slices due within this time are planned and handed to the broker; the others stay unplanned, and no message waits for
#: longer. A quarter of what Redis keeps a message for before it gives it to somebody else.
AHEAD = timedelta(seconds=30)

#: How long before the first slice of a wave the wave is planned, so that the market may be asked at leisure.
LEAD = timedelta(seconds=2)

#: How soon a schedule that met a halt looks whether it may go on.
HALTED_PAUSE = timedelta(seconds=5)

#: So many slices in a row that the venue rejects end a schedule: it will reject the next one too.
REJECTIONS_IN_A_ROW = 3

#: Pauses while the market can't be asked.
UNSEEN = RetryPolicy(base_s=0.5, cap_s=5.0, max_retries=None)

#: A hint may come this early: clocks of hosts differ a little.
EARLY = timedelta(milliseconds=50)

#: A schedule that waits for something to end at the venue is looked at this often in any case, by rescue.
NET = timedelta(seconds=60)

PLANNING = (OrderStatus.VALIDATED, OrderStatus.WORKING, OrderStatus.PARTIALLY_FILLED)


def plan(runtime: Runtime, *, order_id: str, wave: int | None = None, tries: int = 0) -> str:
    """Plan the wave that is due: rows first, messages after. Doing it again finds nothing left to plan.

    ``wave``: the number of the wave that it follows; a message that comes late or twice finds another one planned.
    """
    with read(runtime.engine) as conn:
        order = get_order(conn, order_id)
        if not order.is_scheduled or order.status not in PLANNING or order.ending is not None:
            return f"nothing to plan: {order.status}"
        schedule = get_schedule(conn, order_id)
        closed = closed_until(conn, order.venue, order.account)
        halt = halt_meeting(conn, order.venue, order.account)
        freeze = freeze_of(conn, order)
    now = runtime.now()
    if wave is not None and wave != schedule.wave:
        return MovedOn(f"wave {schedule.wave} is planned already")
    if schedule.look_at is not None and schedule.look_at > now + EARLY:
        # So that a chord's callback is no look out of turn, and of many messages for one wave one goes on.
        return MovedOn("another message comes at its time")
    algorithm = algorithm_from_json(order.algorithm)
    if schedule.start_at is not None and now >= end_of(algorithm, schedule.start_at):
        return _end(runtime, order_id)
    if halt is not None:
        return _look_at(runtime, schedule, now + HALTED_PAUSE, halt.sentence())
    if freeze is not None:
        return _look_at(runtime, schedule, now + HALTED_PAUSE, freeze.sentence())
    if closed is not None and closed > now:
        return _look_at(runtime, schedule, closed, f"{order.venue} wants to be left alone")
    instrument = instrument_of(runtime, order.venue, order.symbol)
    if instrument is None:
        return _look_later(runtime, order, schedule, tries, f"{order.symbol} is not known at present")
    seen_at = runtime.now()
    try:
        market = market_for(runtime, order, algorithm, schedule, now=seen_at)
    except VenueError as error:
        note_failed_read(runtime, order.venue, order.account, error)
        return _look_later(runtime, order, schedule, tries, error.message)
    failpoint("plan.looked")
    said = _plan(runtime, order_id, schedule.wave, algorithm, instrument, market, seen_at)
    failpoint("plan.committed")
    return said


def _plan(
    runtime: Runtime,
    order_id: str,
    follows: int,
    algorithm: Algorithm,
    instrument: Instrument,
    market: Market,
    seen_at: datetime,
) -> str:
    now = runtime.now()
    with write(runtime.engine) as conn:
        order = lock_order(conn, order_id)
        schedule = get_schedule(conn, order_id)
        if order.status not in PLANNING or order.ending is not None:
            return f"nothing to plan: {order.status}"
        if order.has_expired(now):
            return "nothing to plan: its time is over"
        if schedule.wave != follows:
            return MovedOn(f"wave {schedule.wave} was planned meanwhile")
        children = children_of(conn, order_id)
        if schedule.is_over or _is_refused(children):
            wanted = Plan(is_over=True, next_slot=schedule.next_slot, notes=schedule.notes)
        else:
            late = timedelta(seconds=runtime.settings.execution.late_slice_s)
            parent = _parent(order, schedule, algorithm, children, now)
            native = runtime.gateways.get(order.venue, order.account).capabilities.native_iceberg
            rules = Rules.of(instrument, native_iceberg=native)
            wanted = next_wave(algorithm, parent, rules, market, now, ahead=AHEAD, late_slice=late)
        return _write(conn, runtime, order, schedule, algorithm, wanted, seen_at, now)


def _end(runtime: Runtime, order_id: str) -> str:
    """Its time is over: nothing of the market need be known, and no halt keeps it from ending."""
    now = runtime.now()
    with write(runtime.engine) as conn:
        order = lock_order(conn, order_id)
        if order.status not in PLANNING or order.ending is not None:
            return f"nothing to plan: {order.status}"
        close_schedule(conn, order_id)
        follow_children(conn, order, cause=CAUSE, now=now)
    return "its time is over: nothing more is planned"


def _write(
    conn: Connection,
    runtime: Runtime,
    order: Order,
    schedule: Schedule,
    algorithm: Algorithm,
    wanted: Plan,
    seen_at: datetime,
    now: datetime,
) -> str:
    slices = []
    for number, planned in enumerate(wanted.slices, start=schedule.next_slice):
        child = new_child(
            conn,
            runtime,
            order,
            slice_number=number,
            attempt=1,
            quantity=planned.quantity,
            price=planned.price,
            display=planned.display,
            due_at=planned.due_at,
            now=now,
            attend_at=max(planned.due_at, now) + SLICE_PATIENCE,
        )
        insert_child(conn, child, cause=CAUSE, now=now)
        slices.append(child)
    failpoint("plan.planned")
    moved = replace(
        schedule,
        start_at=schedule.start_at or start_of(algorithm, now),
        wave=schedule.wave + 1,
        next_slice=schedule.next_slice + len(slices),
        next_slot=wanted.next_slot,
        looked_at=seen_at,
        look_at=None if wanted.is_over else wanted.look_again_at or now + NET,
        is_over=wanted.is_over,
        notes=wanted.notes,
    )
    move_schedule(conn, moved, follows=schedule.wave)
    if order.status is OrderStatus.VALIDATED:
        order = move_order(conn, order, OrderStatus.WORKING, cause=CAUSE, now=now)
    if slices:
        enqueue(
            conn,
            Kind.WAVE,
            "orders.commit",
            VENUE,
            {
                "order_id": order.id,
                "wave": moved.wave,
                "slices": [[child.id, format_time(child.due_at)] for child in slices],
            },
            now=now,
            due_at=now,
        )
    if wanted.look_again_at is not None and not wanted.is_over:
        announce(conn, order.id, moved.wave, wanted.look_again_at, now)
    if moved.is_over:
        follow_children(conn, order, cause=CAUSE, now=now)
    total = plain(add_up(child.quantity for child in slices))
    return f"wave {moved.wave}: {len(slices)} slices of {total} in all" + (", the last" if moved.is_over else "")


def _parent(
    order: Order, schedule: Schedule, algorithm: Algorithm, children: Sequence[ChildOrder], now: datetime
) -> Parent:
    live = ZERO
    for child in children:
        if not child.is_final or child.act_at is not None:
            live = add(live, child.remaining_quantity)
    return Parent(
        order_id=order.id,
        side=order.side,
        price=order.price,
        quantity=order.quantity,
        filled=order.filled_quantity,
        live=live,
        next_slice=schedule.next_slice,
        next_slot=schedule.next_slot,
        start_at=schedule.start_at or start_of(algorithm, now),
        looked_at=schedule.looked_at,
        notes=schedule.notes,
    )


def start_of(algorithm: Algorithm, now: datetime) -> datetime:
    """When its time begins: as the request says, or when its first wave is planned."""
    start_at: datetime | None = getattr(algorithm, "start_at", None)
    return start_at or now


def end_of(algorithm: Algorithm, start_at: datetime) -> datetime:
    """When its time is over; for ever where an algorithm has none."""
    duration_s: Decimal | None = getattr(algorithm, "duration_s", None)
    return datetime.max.replace(tzinfo=start_at.tzinfo) if duration_s is None else start_at + seconds(duration_s)


def _is_refused(children: Sequence[ChildOrder]) -> bool:
    """Whether the latest slices were refused one after the other, by the venue or by its gateway."""
    tried = [child for child in children if child.sent_at is not None or _is_unsendable(child)][-REJECTIONS_IN_A_ROW:]
    return len(tried) == REJECTIONS_IN_A_ROW and all(
        child.status is ChildStatus.REJECTED or _is_unsendable(child) for child in tried
    )


def _is_unsendable(child: ChildOrder) -> bool:
    return child.reason is not None and child.reason.code == NOT_SENDABLE


def _look_at(runtime: Runtime, schedule: Schedule, at: datetime, why: str) -> str:
    now = runtime.now()
    with write(runtime.engine) as conn:
        if not _is_still(conn, schedule):
            return MovedOn("another message has found the same")
        plan_at(conn, schedule, at, now)
    return f"again in {(at - now).total_seconds():.1f} s: {why}"


def _look_later(runtime: Runtime, order: Order, schedule: Schedule, tries: int, why: str) -> str:
    now = runtime.now()
    pause_s = UNSEEN.delay_s(tries, runtime.chance())
    at = now + timedelta(seconds=pause_s)
    kwargs = {"order_id": order.id, "wave": schedule.wave, "tries": tries + 1}
    with write(runtime.engine) as conn:
        if not _is_still(conn, schedule):
            return MovedOn("another message has found the same")
        look_at(conn, order.id, at)
        enqueue(conn, Kind.TASK, "orders.plan", VENUE, kwargs, now=now, due_at=at)
    return f"again in {pause_s:.2f} s: {why}"


def _is_still(conn: Connection, seen: Schedule) -> bool:
    """Nobody has planned it, or put it off, since it was read: else each message would have a successor for ever."""
    lock_order(conn, seen.order_id)
    fresh = get_schedule(conn, seen.order_id)
    return (fresh.wave, fresh.look_at, fresh.is_over) == (seen.wave, seen.look_at, False)


plan_task = step("orders.plan")(plan)
