"""Rescue: whatever stands longer than its step may take is sent on from its last recovery point.

A thread of every worker with threads looks twice a second (`RescueThread`), so that it does not matter which process was
killed; beat starts it as well, and every worker once when it is ready. A look at a quiet database is one statement.
"""

import threading
import time
from collections.abc import Callable, Iterable
from datetime import datetime, timedelta
from typing import TypeVar
from uuid import uuid4

import structlog
from sqlalchemy import Connection

from failpoints import failpoint
from models.order import Reason, unless_in_doubt
from models.transitions import ORDER_UNSENT
from models.vocabulary import ChildStatus, OrderStatus
from storage.alerts import Severity, record_alert
from storage.amendments import refuse_amendment
from storage.attention import (
    LOOK_LEASE,
    PLAN_LEASE,
    SETTLE_LEASE,
    TIMER_LEASE,
    StandingChild,
    StandingOrder,
    anything_stands,
    orders_whose_time_is_over,
    orders_with_unapplied_reports,
    parked_unsent,
    postpone_attention,
    postpone_rescue,
    standing_children,
    standing_orders,
    standing_policies,
    take_policy,
)
from storage.children import children_of, claim, get_child, release
from storage.engine import is_unavailable, read, write
from storage.leases import take
from storage.messages_unfinished import unpark
from storage.orders import FIRST_PATIENCE_S, Stale, lock_order, move_order
from storage.outbox import Kind, enqueue
from storage.schedules import standing_schedules, take_schedule
from tasks.ending import expire_unsent
from tasks.lookup import sender_is_gone
from tasks.plan_soon import PLAN_EVERY_MS
from tasks.postpone import RESCUED, send_slice_at, start_again
from tasks.probe import look_at_breakers
from tasks.queues import URGENT, VENUE
from tasks.runtime import Runtime
from tasks.step import step
from tasks.track import watch

log = structlog.get_logger()

Row = TypeVar("Row")

#: rows of each kind in one run; the next run takes the rest
BATCH = 200

#: how long a report may stand before it is begun again
PATIENCE = timedelta(seconds=4)

#: the reports of one order are given to settle at most once in this time
SETTLE_EVERY_MS = 30_000

#: one timer is rung again at most once in this time
TIMER_EVERY_MS = 10_000

#: two looks at one child are sent for at least so far apart in the end
LONGEST_PAUSE_S = 60.0

#: rescues of one order in vain, about two minutes, after which a person hears of it
RESCUES_BEFORE_ALERT = 6

#: how long after its time a look at a child may begin before its message counts as lost
SLACK = timedelta(seconds=2)

#: seconds between two looks of a thread. After the kill of a sender its lease (3 s), this and a message are what passes
#: until the venue is asked.
LOOK_EVERY_S = 0.5

#: Beat has what rests looked at each second; this is the net under a beat that stands still.
WATCH_EVERY_S = 5.0
WATCH_LEASE = "watch"


def rescue(runtime: Runtime) -> str:
    """Send on what stands; each row is taken by a guarded update, so any number of these may run at once."""
    counts = {
        "orders": _orders(runtime),
        "parked": _parked(runtime),
        "children": _children(runtime),
        "expired": _expired(runtime),
        "reports": _reports(runtime),
        "schedules": _schedules(runtime),
        "timers": _timers(runtime),
    }
    return ", ".join(f"{count} {name}" for name, count in counts.items() if count) or "nothing stands"


def _one_by_one(rows: Iterable[Row], take: Callable[[Row], bool]) -> int:
    """Take each row up; one that can't be taken up keeps nobody from the others. Returns how many were."""
    count = 0
    for row in rows:
        failpoint("rescue.found")
        try:
            count += take(row)
            failpoint("rescue.sent_on")
        except Stale:
            continue
        except Exception as error:
            if is_unavailable(error):
                raise
            log.exception("a standing row could not be taken up", row=row)
    return count


def _orders(runtime: Runtime) -> int:
    """Orders that were not sent yet: their chain starts again from where they stand, or their time is over."""
    with read(runtime.engine) as conn:
        standing = standing_orders(conn, runtime.now(), BATCH)
    return _one_by_one(standing, lambda order: _send_order_on(runtime, order))


def _parked(runtime: Runtime) -> int:
    """A parked order of which nothing was sent still ends with its time."""
    with read(runtime.engine) as conn:
        parked = parked_unsent(conn, BATCH)
    return _one_by_one(parked, lambda order_id: expire_unsent(runtime, order_id).startswith("expired"))


def _send_order_on(runtime: Runtime, order: StandingOrder) -> bool:
    now = runtime.now()
    limit_s = runtime.settings.execution.order_timeout_ms / 1000
    patience_s = min(FIRST_PATIENCE_S * 2.0 ** min(order.rescues + 1, 10), limit_s)
    with write(runtime.engine) as conn:
        if not postpone_rescue(conn, order, now, now + timedelta(seconds=patience_s)):
            return False
        if order.rescues == RESCUES_BEFORE_ALERT:
            _alert_standing(conn, order, now)
        if order.status is OrderStatus.PENDING_CANCEL:
            again = RESCUED if order.rescues else {}
            enqueue(conn, Kind.TASK, "orders.withdraw", URGENT, {"order_id": order.id, **again}, now=now, due_at=now)
        elif order.status is OrderStatus.PENDING_AMEND:
            again = RESCUED if order.rescues else {}
            kwargs = {"order_id": order.id, **again}
            enqueue(conn, Kind.TASK, "orders.amend_working", URGENT, kwargs, now=now, due_at=now)
        else:
            start_again(conn, order.id, now, rescued=order.rescues > 0)
    if order.status in ORDER_UNSENT:
        expire_unsent(runtime, order.id)
    return True


def _alert_standing(conn: Connection, order: StandingOrder, now: datetime) -> None:
    message = (
        f"Order {order.id} has stood at {order.status} for minutes, though it was sent on {RESCUES_BEFORE_ALERT} times. "
        f"Trying goes on. See `steadfill messages list --order {order.id}` and the log of the workers; "
        f"`steadfill order cancel {order.id}` ends it."
    )
    record_alert(
        conn,
        f"standing:{order.id}",
        kind="ORDER_STANDS",
        severity=Severity.CRITICAL,
        message=message,
        detail={"order_id": order.id, "status": order.status.value},
        now=now,
    )
    log.error("alert", kind="ORDER_STANDS", message=message, order_id=order.id)


def _children(runtime: Runtime) -> int:
    now = runtime.now()
    with read(runtime.engine) as conn:
        standing = standing_children(conn, now, SLACK, BATCH)

    def take_up(child: StandingChild) -> bool:
        with write(runtime.engine) as conn:
            if child.status is ChildStatus.SUBMITTING:
                _take_from_sender(conn, runtime, child.id, now)
            elif not (postpone_attention(conn, child, now, SLACK) and _may_look(conn, runtime, child, now)):
                return False
            _send_child_on(conn, child, now)
            return True

    return _one_by_one(standing, take_up)


def _may_look(conn: Connection, runtime: Runtime, child: StandingChild, now: datetime) -> bool:
    """One look at a time is sent for, the longer the child has stood the more seldom: what is away is not flooded."""
    pause_s = min(max((now - child.updated_at).total_seconds() / 2, SLACK.total_seconds()), LONGEST_PAUSE_S)
    return _is_first(conn, runtime, LOOK_LEASE + child.id, round(pause_s * 1000))


def _take_from_sender(conn: Connection, runtime: Runtime, child_id: str, now: datetime) -> None:
    """The lease of a send has run out: from here on it is in doubt, and its sender can't write to it. Raises Stale."""
    lease_ms = runtime.settings.execution.lease_ms
    child = claim(conn, get_child(conn, child_id), owner=runtime.owner, lease_ms=lease_ms)
    if child.status is not ChildStatus.SUBMITTING:
        raise Stale(f"child {child_id} moved on to {child.status}")
    release(conn, sender_is_gone(conn, child, now), owner=runtime.owner)


def _send_child_on(conn: Connection, child: StandingChild, now: datetime) -> None:
    if child.status is ChildStatus.PLANNED and child.is_only_one:
        start_again(conn, child.order_id, now)
    elif child.status is ChildStatus.PLANNED:
        send_slice_at(conn, child.order_id, child.id, now, now=now)
    elif child.status in (ChildStatus.SUBMITTING, ChildStatus.UNKNOWN):
        # The first look at a send whose sender is gone is nothing out of the ordinary.
        again = RESCUED if child.status is ChildStatus.UNKNOWN else {}
        enqueue(conn, Kind.TASK, "orders.lookup", URGENT, {"child_id": child.id, **again}, now=now, due_at=now)
    else:
        settle = {"order_id": child.order_id, **RESCUED}
        enqueue(conn, Kind.TASK, "orders.settle", VENUE, settle, now=now, due_at=now)


def _expired(runtime: Runtime) -> int:
    """Orders whose `expires_at` has come: nothing more is sent, and what rests is withdrawn."""
    with read(runtime.engine) as conn:
        over = orders_whose_time_is_over(conn, runtime.now(), BATCH)
    return _one_by_one(over, lambda order_id: _expire(runtime, order_id))


def _expire(runtime: Runtime, order_id: str) -> bool:
    now = runtime.now()
    with write(runtime.engine) as conn:
        order = lock_order(conn, order_id)
        if order.is_final or order.ending is not None:
            return False
        if order.status not in ORDER_UNSENT:
            reason = Reason(code="EXPIRED", message="its time is over; what rests is withdrawn")
            refuse_amendment(conn, order_id, "EXPIRED", "the order's time was over meanwhile", now)
            move_order(
                conn,
                order,
                OrderStatus.PENDING_CANCEL,
                cause="time over",
                reason=unless_in_doubt(order, reason),
                now=now,
                ending=OrderStatus.EXPIRED,
                rescue_at=now + PATIENCE,
            )
            # a new aim, as with a cancel
            unpark(conn, order_id, *(child.id for child in children_of(conn, order_id)))
            enqueue(conn, Kind.TASK, "orders.withdraw", URGENT, {"order_id": order_id}, now=now, due_at=now)
            failpoint("rescue.expired")
            return True
    expire_unsent(runtime, order_id)
    return True


def _schedules(runtime: Runtime) -> int:
    """Schedules whose next wave nobody has planned: a hint, or a chord's callback, was lost."""
    now = runtime.now()
    with read(runtime.engine) as conn:
        standing = standing_schedules(conn, now - SLACK, BATCH)

    def take_up(order_id: str) -> bool:
        with write(runtime.engine) as conn:
            if not _is_first(conn, runtime, PLAN_LEASE + order_id, PLAN_EVERY_MS):
                return False
            if not take_schedule(conn, order_id, now - SLACK, now):
                return False
            # No wave is named: whichever was planned last, what is left is planned now.
            _send(conn, "orders.plan", VENUE, now, order_id=order_id)
            return True

    return _one_by_one(standing, take_up)


def _timers(runtime: Runtime) -> int:
    """Fill policies that should have acted: their hint was lost."""
    now = runtime.now()
    with read(runtime.engine) as conn:
        standing = standing_policies(conn, now - SLACK, BATCH)

    def take_up(child_id: str) -> bool:
        with write(runtime.engine) as conn:
            if not _is_first(conn, runtime, TIMER_LEASE + child_id, TIMER_EVERY_MS):
                return False
            if not take_policy(conn, child_id, now - SLACK, now):
                return False
            _send(conn, "orders.follow_up", URGENT, now, child_id=child_id)
            return True

    return _one_by_one(standing, take_up)


def _reports(runtime: Runtime) -> int:
    now = runtime.now()
    with read(runtime.engine) as conn:
        waiting = orders_with_unapplied_reports(conn, now - PATIENCE, BATCH)

    def take_up(order_id: str) -> bool:
        with write(runtime.engine) as conn:
            if not _is_first(conn, runtime, SETTLE_LEASE + order_id, SETTLE_EVERY_MS):
                return False
            _send(conn, "orders.settle", VENUE, now, order_id=order_id)
            return True

    return _one_by_one(waiting, take_up)


def _is_first(conn: Connection, runtime: Runtime, lease: str, every_ms: int) -> bool:
    """Whether nobody sent for it within the time: the lease is of this one look, and is left to run out."""
    return take(conn, lease, owner=f"{runtime.owner}:{uuid4()}", lease_ms=every_ms) is not None


def _send(conn: Connection, task: str, queue: str, now: datetime, **kwargs: str) -> None:
    enqueue(conn, Kind.TASK, task, queue, {**kwargs, **RESCUED}, now=now, due_at=now)


class RescueThread(threading.Thread):
    """Looks as long as the process lives. Any number of them may run, in any process."""

    def __init__(self, runtime: Runtime) -> None:
        super().__init__(name="rescue", daemon=True)
        self._runtime = runtime
        self._stopping = threading.Event()
        self._watches_at = time.monotonic() + WATCH_EVERY_S

    def stop(self) -> None:
        self._stopping.set()

    def run(self) -> None:
        while not self._stopping.wait(LOOK_EVERY_S * (0.75 + self._runtime.chance() / 2)):
            try:
                self._watch()
                if self._anything_stands():
                    log.info("orders.rescue", outcome=rescue(self._runtime))
            except Exception as error:
                if not is_unavailable(error):
                    log.exception("rescue stumbled; it goes on")

    def _watch(self) -> None:
        """What rests is followed even when beat stands still; one thread of the deployment at a time sees to it."""
        now = time.monotonic()
        if now < self._watches_at:
            return
        self._watches_at = now + WATCH_EVERY_S
        with write(self._runtime.engine) as conn:
            turn = take(conn, WATCH_LEASE, owner=f"{self._runtime.owner}:watch", lease_ms=round(WATCH_EVERY_S * 900))
        if turn is not None:
            watch(self._runtime)
            look_at_breakers(self._runtime)

    def _anything_stands(self) -> bool:
        with read(self._runtime.engine) as conn:
            return anything_stands(conn, self._runtime.now(), slack=SLACK, patience=PATIENCE)


rescue_task = step("orders.rescue")(rescue)
