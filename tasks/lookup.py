"""Lookup: a send without an answer is resolved by what the venue shows, and by nothing else."""

from datetime import datetime, timedelta

import structlog
from sqlalchemy import Connection

from exchanges.evidence import VenueError
from exchanges.protection.lanes import in_lane
from failpoints import failpoint
from models.clock import format_time
from models.order import ChildOrder, Order, Reason
from models.vocabulary import ChildStatus, OrderStatus
from risk.lane import Lane
from storage.alerts import Severity, record_alert
from storage.children import attend, claim, first_send_at, get_child, move_child, release
from storage.engine import is_unavailable, read, write
from storage.orders import Stale, lock_order, move_order
from storage.outbox import Kind, enqueue
from storage.reports import has_unapplied_reports
from storage.venue_states import closed_until
from tasks.clock import seconds_since_boot
from tasks.ending import drop_planned, follow_children
from tasks.heartbeat import Claim, heartbeat_of
from tasks.outcomes import MovedOn
from tasks.postpone import send_on_at
from tasks.queues import URGENT, VENUE
from tasks.reads import note_failed_read
from tasks.runtime import Runtime
from tasks.settle import apply_report, with_all_trades
from tasks.step import step

log = structlog.get_logger()

CAUSE = "lookup"

#: Pauses between looks: the first answers come within a second, an outage should not be hammered.
FIRST_PAUSE_S = 0.5
LONGEST_PAUSE_S = 10.0

#: A venue that can't prove absence is still asked this often: the order may turn up.
PAUSE_WHEN_STUCK_S = 60.0

#: Looks in vain, for a ground of ours, before a person hears of it: some half a minute.
LOOKS_BEFORE_ALERT = 7

#: where a venue's own figures are not configured any more
DEFAULT_SLACK_MS = 5_000
LONGEST_SEND = timedelta(seconds=60)

#: A look may begin this much before its time: clocks of hosts differ a little.
EARLY = timedelta(seconds=0.1)

#: statuses of an order of which a send may be in doubt
_AT_WORK = (
    OrderStatus.WORKING,
    OrderStatus.PARTIALLY_FILLED,
    OrderStatus.PENDING_CANCEL,
    OrderStatus.PENDING_AMEND,
)

#: How much earlier than our own note of the send the venue's record of it may be dated.
SEARCH_MARGIN = timedelta(minutes=1)


@in_lane(Lane.URGENT)
def lookup(runtime: Runtime, *, child_id: str) -> str:
    """UNKNOWN → what the venue shows; or PLANNED again, once its absence is proven for good."""
    started = seconds_since_boot()
    lease_ms = runtime.settings.execution.lease_ms
    with write(runtime.engine) as conn:
        child = get_child(conn, child_id)
        if not child.is_in_doubt:
            return f"nothing to do: {child.status}"
        if child.attend_at is not None and child.attend_at > runtime.now() + EARLY:
            return "not due yet: another message looks"
        child = claim(conn, child, owner=runtime.owner, lease_ms=lease_ms)
        if child.status is ChildStatus.SUBMITTING:
            child = sender_is_gone(conn, child, runtime.now())
    failpoint("lookup.claimed")
    with heartbeat_of(runtime).keeping(Claim(child, started, lease_ms / 1000)):
        try:
            return _look(runtime, child)
        except Exception as error:
            if isinstance(error, Stale) or is_unavailable(error):
                raise
            log.exception("a look failed for a ground of ours; it proves nothing", child_id=child.id)
            return _could_not_look(runtime, child, type(error).__name__)


def sender_is_gone(conn: Connection, child: ChildOrder, now: datetime) -> ChildOrder:
    """SUBMITTING → UNKNOWN, to be looked at now: for whoever claimed a child after its sender's lease ran out."""
    reason = Reason(code="NO_ANSWER", message="the process that sent it ended before an answer was on record")
    return move_child(
        conn, child, ChildStatus.UNKNOWN, cause="its sender is gone", reason=reason, now=now, attend_at=now
    )


def _look(runtime: Runtime, child: ChildOrder) -> str:
    gateway = runtime.gateways.get(child.venue, child.account)
    with read(runtime.engine) as conn:
        closed = closed_until(conn, child.venue, child.account)
        # By the venue's clock, as the venue dates its own records.
        sent_at = first_send_at(conn, child.id) or child.sent_at or runtime.now()
    if closed is not None and closed > runtime.now():
        pause_s = (closed - runtime.now()).total_seconds()
        return _look_again(runtime, child, pause_s, f"{child.venue} wants to be left alone")
    try:
        # The clock is read BEFORE the look: what it proves is that nothing can have arrived after.
        venue_time = gateway.time()
        failpoint("lookup.timed")
        report = gateway.find_order(child.symbol, child.venue_client_order_id, sent_at - SEARCH_MARGIN)
    except VenueError as error:
        note_failed_read(runtime, child.venue, child.account, error)
        pause_s = max(_pause_s(child), error.retry_after_s or 0.0)
        return _look_again(runtime, child, pause_s, f"the venue could not be asked: {error.message}")
    if report is not None:
        failpoint("lookup.found")
        applied = apply_report(runtime, child.id, with_all_trades(runtime, child, report), source="lookup")
        _let_go(runtime, applied.child)
        return f"found as {report.venue_order_id}: {report.status}"
    proven_at = _absence_is_proven_at(runtime, child)
    if venue_time <= proven_at:
        pause_s = min((proven_at - venue_time).total_seconds() + 0.05, LONGEST_PAUSE_S)
        return _look_again(runtime, child, min(pause_s, max(_pause_s(child), 0.1)), "no trace yet")
    if not gateway.capabilities.enforces_deadline:
        return _wait_for_a_person(runtime, child)
    failpoint("lookup.absent")
    said = _plan_again(runtime, child, venue_time)
    failpoint("lookup.planned")
    return said


def _absence_is_proven_at(runtime: Runtime, child: ChildOrder) -> datetime:
    """The venue's time after which a look without a trace is proof."""
    venue = runtime.settings.venues[child.venue]
    assert child.deadline is not None
    return child.deadline + timedelta(milliseconds=venue.clock_skew_ms + venue.visibility_lag_ms)


def _pause_s(child: ChildOrder) -> float:
    return min(FIRST_PAUSE_S * 2.0 ** min(child.lookups, 10), LONGEST_PAUSE_S)


def _look_again(runtime: Runtime, child: ChildOrder, pause_s: float, why: str) -> str:
    now = runtime.now()
    due_at = now + timedelta(seconds=pause_s)
    with write(runtime.engine) as conn:
        attend(conn, child, due_at, looked=True)
        release(conn, child, owner=runtime.owner)
        enqueue(conn, Kind.TASK, "orders.lookup", URGENT, {"child_id": child.id}, now=now, due_at=due_at)
    failpoint("lookup.again")
    return f"{why}; again in {pause_s:.2f} s"


def _could_not_look(runtime: Runtime, child: ChildOrder, why: str) -> str:
    """We can't ask: a venue that is configured no more, or a bug. Asking goes on; before long a person hears of it."""
    said = _look_again(runtime, child, _pause_s(child), f"it could not be looked at ({why})")
    if child.lookups < LOOKS_BEFORE_ALERT or runtime.now() <= _nothing_can_arrive_after(runtime, child):
        return said
    message = (
        f"Order {child.order_id} (sent to {child.venue} as {child.venue_client_order_id}) can't be looked up: {why}. "
        "Nothing more is sent for it; see the log of the workers and the configuration of the venue. Look at the venue, "
        f"then say what you found: `steadfill order resolve {child.order_id} --child {child.id} --outcome absent|exists`."
    )
    now = runtime.now()
    with write(runtime.engine) as conn:
        order = lock_order(conn, child.order_id)
        fresh = get_child(conn, child.id)
        if fresh.epoch != child.epoch or fresh.status is not ChildStatus.UNKNOWN:
            return MovedOn(f"moved on: {fresh.status}")
        _mark_unknown(conn, order, message, now)
        _alert_unknown(conn, child, message, now)
    return said


def _nothing_can_arrive_after(runtime: Runtime, child: ChildOrder) -> datetime:
    """By the deployment's clock and generously: no copy that the venue would take is under way any more."""
    venue = runtime.settings.venues.get(child.venue)
    slack_ms = DEFAULT_SLACK_MS if venue is None else venue.clock_skew_ms + venue.visibility_lag_ms
    return (child.deadline or runtime.now()) + timedelta(milliseconds=slack_ms) + LONGEST_SEND


def _let_go(runtime: Runtime, child: ChildOrder) -> None:
    with write(runtime.engine) as conn:
        release(conn, child, owner=runtime.owner)


def _plan_again(runtime: Runtime, child: ChildOrder, venue_time: datetime) -> str:
    """No copy of it exists, and the venue refuses every one that could still arrive: it may be sent again."""
    now = runtime.now()
    with write(runtime.engine) as conn:
        order = lock_order(conn, child.order_id)
        fresh = get_child(conn, child.id)
        if fresh.epoch != child.epoch or fresh.status is not ChildStatus.UNKNOWN:
            return f"moved on: {fresh.status}"
        if has_unapplied_reports(conn, child.id):
            enqueue(conn, Kind.TASK, "orders.settle", VENUE, {"order_id": order.id}, now=now, due_at=now)
            release(conn, fresh, owner=runtime.owner)
            return "the venue has said something of it meanwhile; settled first"
        assert child.deadline is not None
        planned = move_child(
            conn,
            fresh,
            ChildStatus.PLANNED,
            cause="proven absent",
            detail={"venue_time": format_time(venue_time), "deadline": format_time(child.deadline)},
            now=now,
            attend_at=now + timedelta(seconds=5),
        )
        release(conn, planned, owner=runtime.owner)
        if order.ending is not None:
            reason = order.reason or Reason(code="CANCEL_REQUESTED", message="canceled; the send never arrived")
            drop_planned(conn, [planned], order.ending, reason, cause="proven absent", now=now)
            follow_children(conn, order, cause="proven absent", now=now)
            return "proven absent; the order was to end and has ended"
        follow_children(conn, order, cause="proven absent", now=now)
        send_on_at(conn, order.id, now, tries=0, now=now)
    return "proven absent; goes out again"


def _wait_for_a_person(runtime: Runtime, child: ChildOrder) -> str:
    """The venue shows nothing and enforces no deadline: a copy could still turn up, so nothing is sent."""
    now = runtime.now()
    message = (
        f"{child.venue} shows no trace of order {child.order_id} (sent as {child.venue_client_order_id}), and can't "
        "prove that it will not turn up. Nothing more is sent for it. Look at the venue, then say what you found."
    )
    with write(runtime.engine) as conn:
        order = lock_order(conn, child.order_id)
        fresh = get_child(conn, child.id)
        if fresh.epoch != child.epoch or not fresh.is_in_doubt:
            return f"moved on: {fresh.status}"  # this look stood still, and another one has found it since
        _mark_unknown(conn, order, message, now)
        _alert_unknown(conn, child, message, now)
        due_at = now + timedelta(seconds=PAUSE_WHEN_STUCK_S)
        attend(conn, child, due_at, looked=True)
        release(conn, child, owner=runtime.owner)
    failpoint("lookup.stuck")
    log.error("alert", kind="SEND_UNKNOWN", message=message, order_id=child.order_id)
    return "the venue can't account for it; a person must"


def _alert_unknown(conn: Connection, child: ChildOrder, message: str, now: datetime) -> None:
    record_alert(
        conn,
        f"send-unknown:{child.id}",
        kind="SEND_UNKNOWN",
        severity=Severity.CRITICAL,
        message=message,
        detail={"order_id": child.order_id, "child_id": child.id},
        now=now,
    )


def _mark_unknown(conn: Connection, order: Order, message: str, now: datetime) -> None:
    if order.reason is not None and order.reason.code == "SEND_UNKNOWN":
        return
    if order.status in _AT_WORK:
        reason = Reason(code="SEND_UNKNOWN", message=message)
        move_order(conn, order, order.status, cause=CAUSE, reason=reason, now=now)


lookup_task = step("orders.lookup")(lookup)
