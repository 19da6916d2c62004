"""Commit: intent, send, confirm. The only step that sends."""

import time
from datetime import datetime, timedelta

import structlog
from sqlalchemy import Connection

from exchanges.client_ids import UnfitClientId
from exchanges.evidence import Evidence, VenueError
from exchanges.gateway import Gateway, NotRounded
from exchanges.protection.lanes import admitted
from exchanges.protection.refused import NotAdmitted
from failpoints import failpoint
from models.lateness import late
from models.order import NOT_SENDABLE, ChildOrder, Order, Reason
from models.promise import PromiseBroken
from models.reports import OrderReport
from models.vocabulary import ChildStatus, OrderStatus
from storage.alerts import Severity, record_alert
from storage.children import answer, children_of, get_child, move_child, release
from storage.engine import read, write
from storage.orders import Stale, get_order, lock_order
from storage.outbox import Kind, enqueue
from storage.reports import keep_report
from storage.venue_states import closed_until, note_success, note_trouble
from tasks.admission import one_of, sends_admitted, wait_for_gate, wait_for_turn
from tasks.ending import drop_planned, expire_unsent, follow_children
from tasks.heartbeat import heartbeat_of
from tasks.intent import Intent, drop_slice, end_planned, is_due, next_to_send, stop_if_over, write_intent
from tasks.plan import plan
from tasks.plan_soon import plan_soon
from tasks.postpone import alert_unreachable, named, send_on_at, try_again_later
from tasks.queues import URGENT
from tasks.runtime import Runtime
from tasks.settle import settle
from tasks.step import patiently, retry_delay_s, step, trouble_of
from tasks.timers import after_end

log = structlog.get_logger()

CAUSE = "commit"

#: how the outcome of a send begins that the venue has acknowledged
ACCEPTED = "accepted as"

#: an earlier step of its chain has not been done
NOT_READY = frozenset({OrderStatus.RECEIVED, OrderStatus.PREPARED})

#: A slice that comes early by less than this waits for its time in its slot: RabbitMQ delays by whole seconds.
LONGEST_WAIT_S = 1.2

#: How soon the venue is first asked about a send without an answer.
FIRST_LOOKUP_S = 0.2

#: How soon an order is tried again that surely was not sent, once the policy's quick retries are used up.
SLOW_RETRY_S = 5.0

#: How long a venue is left alone that limits without saying for how long.
DEFAULT_RETRY_AFTER_S = 2.0


def commit(runtime: Runtime, *, order_id: str, child_id: str | None = None, tries: int = 0) -> str:
    """VALIDATED → WORKING: send the planned child once, and put on record what is known of it then.

    ``child_id`` names a slice of a schedule, or a further attempt: its message comes at its time, and what the venue
    answers is settled at once, since no chain follows.
    """
    if child_id is not None:
        return _send_slice(runtime, order_id, child_id, tries)
    with read(runtime.engine) as conn:
        order = get_order(conn, order_id)
    if order.status in NOT_READY:
        # Its chain goes on behind a step that was put off. That step's row has its time: a second one from here would make
        # two of each, again and again, for as long as the order waits.
        return f"nothing to send: {order.status}"
    if order.is_scheduled and order.status is OrderStatus.VALIDATED:
        if late(order, runtime.now(), runtime.settings.execution.max_age_s):
            return expire_unsent(runtime, order_id)
        return plan(runtime, order_id=order_id, tries=tries)
    return _commit(runtime, order_id, None, tries)


def _send_slice(runtime: Runtime, order_id: str, child_id: str, tries: int) -> str:
    with read(runtime.engine) as conn:
        child = get_child(conn, child_id)
        order = get_order(conn, order_id)
    if child.status is not ChildStatus.PLANNED:
        return f"nothing to send: {child.status}"
    early_s = (child.due_at - runtime.now()).total_seconds()
    if early_s > LONGEST_WAIT_S:
        with write(runtime.engine) as conn:
            send_on_at(conn, order_id, child.due_at, tries=tries, now=runtime.now(), child_id=child_id)
        return f"comes {early_s:.1f} s before its time; again then"
    if not is_due(order, child, runtime.now()):
        time.sleep(early_s)
    said = _commit(runtime, order_id, child_id, tries)
    if said.startswith(ACCEPTED):
        settle(runtime, order_id=order_id)
    return said


def _commit(runtime: Runtime, order_id: str, child_id: str | None, tries: int) -> str:
    with read(runtime.engine) as conn:
        order = get_order(conn, order_id)
        closed = closed_until(conn, order.venue, order.account)
    failpoint("commit.begun")
    now = runtime.now()
    if order.ending is not None or late(order, now, runtime.settings.execution.max_age_s):
        over = stop_if_over(runtime, order_id, child_id)
        if over is not None:
            return over
    if closed is not None and closed > now:
        return wait_for_gate(runtime, order, closed, tries, child_id=child_id)
    gateway = runtime.gateways.get(order.venue, order.account)
    try:
        with one_of(runtime, order, tries):
            return _begin(runtime, gateway, order, child_id, tries)
    except NotAdmitted as refused:
        return wait_for_turn(runtime, order, refused, tries, child_id=child_id)
    except VenueError as error:
        return try_again_later(runtime, order, trouble_of(error), tries, error.message, child_id=child_id)


def _begin(runtime: Runtime, gateway: Gateway, order: Order, child_id: str | None, tries: int) -> str:
    """Breaker and rate first, then the intent. Raises VenueError, and NotAdmitted of these, before anything is written."""
    venue_time = gateway.estimated_time()
    sends_admitted(runtime, gateway, order)
    failpoint("commit.timed")
    try:
        intent = write_intent(runtime, order.id, venue_time, tries, child_id)
    except PromiseBroken as error:
        return _do_not_send(runtime, order.id, child_id, str(error))
    if isinstance(intent, str):
        return intent
    return _send(runtime, gateway, intent)


def _do_not_send(runtime: Runtime, order_id: str, child_id: str | None, why: str) -> str:
    """More than the order's quantity could trade: a fill has turned up late, or there is a bug. A person hears of it."""
    now = runtime.now()
    reason = Reason(code="NOTHING_LEFT", message=f"{why}; nothing was sent")
    with write(runtime.engine) as conn:
        order = lock_order(conn, order_id)
        child = next_to_send(order, children_of(conn, order_id), child_id, now)
        if child is not None:
            move_child(conn, child, ChildStatus.CANCELED, cause="nothing is left to send", reason=reason, now=now)
        record_alert(
            conn,
            f"promise:{order_id}:{child_id}",
            kind="NOTHING_LEFT",
            severity=Severity.WARNING,
            message=f"{why}. Nothing was sent. Compare the order's fills with the venue's.",
            detail={"order_id": order_id, "child_id": child_id},
            now=now,
        )
        if order.is_scheduled:
            plan_soon(conn, order_id, now)
        follow_children(conn, order, cause=CAUSE, now=now)
    log.error("alert", kind="NOTHING_LEFT", message=why, order_id=order_id)
    return f"not sent: {why}"


def _send(runtime: Runtime, gateway: Gateway, intent: Intent) -> str:
    if not intent.claim.is_sure():
        # Stopped between the intent and here: somebody else may have taken the child over by now.
        return "stalled before the send; left to lookup"
    started = time.perf_counter()
    with heartbeat_of(runtime).keeping(intent.claim):
        failpoint("commit.sending")
        try:
            with admitted():
                report = gateway.create_order(intent.new_order)
        except VenueError as error:
            failpoint("commit.failed")
            said = _conclude_failure(runtime, gateway, intent, error)
            failpoint("commit.concluded")
            return said
        except (NotRounded, UnfitClientId) as error:
            return _refuse_ourselves(runtime, intent, str(error))
        except Exception:
            log.exception("the gateway failed in a way that proves nothing", child_id=intent.claim.child.id)
            unread = VenueError(Evidence.AMBIGUOUS, "the answer could not be read")
            return _conclude_failure(runtime, gateway, intent, unread)
        failpoint("commit.answered")
        latency_ms = round((time.perf_counter() - started) * 1000)
        return _confirm(runtime, intent, report, latency_ms)


@patiently
def _confirm(runtime: Runtime, intent: Intent, report: OrderReport, latency_ms: int) -> str:
    """The venue has it. What it said is kept even if the child is somebody else's by now."""
    child, now = intent.claim.child, runtime.now()
    with write(runtime.engine) as conn:
        lock_order(conn, child.order_id)  # nobody plans this child anew between our word and the venue's
        keep_report(conn, child, report, source="send", now=now)
        failpoint("commit.reported")
        answer(conn, child.id, intent.number, outcome="answered", message=None, now=now)
        try:
            move_child(
                conn,
                child,
                ChildStatus.ACCEPTED,
                cause="acknowledged",
                detail={"venue_order_id": report.venue_order_id},
                venue_order_id=report.venue_order_id,
                now=now,
            )
            release(conn, child, owner=runtime.owner)
        except Stale:
            return "acknowledged after the claim was lost; the report is kept for settle"
        if runtime.is_news((child.venue, child.account)):
            note_success(conn, child.venue, child.account, latency_ms=latency_ms, now=now)
    failpoint("commit.confirmed")
    return f"{ACCEPTED} {report.venue_order_id}"


@patiently
def _conclude_failure(runtime: Runtime, gateway: Gateway, intent: Intent, error: VenueError) -> str:
    child, now = intent.claim.child, runtime.now()
    with write(runtime.engine) as conn:
        order = lock_order(conn, child.order_id)
        answer(conn, child.id, intent.number, outcome=error.evidence.value, message=error.message, now=now)
        evidence = _weigh(error, gateway)
        if evidence is Evidence.REJECTED or evidence is Evidence.CREDENTIALS:
            return _reject(conn, runtime, order, child, error, now)
        if evidence in (Evidence.NOT_SENT, Evidence.RATE_LIMITED, Evidence.CLOCK):
            return _plan_again(conn, runtime, order, intent, error, now)
        return _doubt(conn, runtime, child, error, now)


@patiently
def _refuse_ourselves(runtime: Runtime, intent: Intent, why: str) -> str:
    """The gateway refused to send it, since it does not fit the venue's steps any more: nothing left."""
    child, now = intent.claim.child, runtime.now()
    reason = Reason(code=NOT_SENDABLE, message=f"{why}. The venue may have changed the instrument: send a new order")
    with write(runtime.engine) as conn:
        order = lock_order(conn, child.order_id)
        answer(conn, child.id, intent.number, outcome=Evidence.NOT_SENT.value, message=why, now=now)
        child = move_child(conn, child, ChildStatus.PLANNED, cause="not sendable", now=now, never_left=intent.is_first)
        release(conn, child, owner=runtime.owner)
        if order.is_scheduled and order.ending is None:
            return drop_slice(conn, order, child, reason, now)
        first = intent.is_first and child.attempt == 1
        status = order.ending or (OrderStatus.DENIED if first else OrderStatus.CANCELED)
        return end_planned(conn, order, children_of(conn, order.id), status, reason, now)


def _weigh(error: VenueError, gateway: Gateway) -> Evidence:
    """A limit is proof of absence only where the venue counts before it matches."""
    if error.evidence is Evidence.RATE_LIMITED and not gateway.capabilities.rate_limit_is_rejection:
        return Evidence.AMBIGUOUS
    return error.evidence


def _reject(
    conn: Connection, runtime: Runtime, order: Order, child: ChildOrder, error: VenueError, now: datetime
) -> str:
    code = "VENUE_REJECTED"
    if error.evidence is Evidence.CREDENTIALS:
        code = "VENUE_CREDENTIALS"
        record_alert(
            conn,
            f"credentials:{child.venue}:{child.account}",
            kind="VENUE_CREDENTIALS",
            severity=Severity.CRITICAL,
            message=f"{child.venue} refuses the key of account {child.account}: {error.message}. No order gets through.",
            detail={"venue": child.venue, "account": child.account, "code": error.code},
            now=now,
        )
    reason = Reason(code=code, message=error.message)
    child = move_child(conn, child, ChildStatus.REJECTED, cause="rejected by the venue", reason=reason, now=now)
    release(conn, child, owner=runtime.owner)
    after_end(conn, order, child, now)
    follow_children(conn, order, cause="rejected by the venue", now=now)
    return f"rejected: {error.message}"


def _plan_again(
    conn: Connection, runtime: Runtime, order: Order, intent: Intent, error: VenueError, now: datetime
) -> str:
    """This copy surely was not taken: the same attempt goes out again, later."""
    child = intent.claim.child
    delay_s = retry_delay_s(runtime, trouble_of(error), child.sends - 1)
    if delay_s is None:
        delay_s = SLOW_RETRY_S
        alert_unreachable(conn, child.venue, child.account, error.message, now)
    if error.evidence is Evidence.RATE_LIMITED:
        delay_s = error.retry_after_s or DEFAULT_RETRY_AFTER_S
        closed = now + timedelta(seconds=delay_s)
        note_trouble(conn, child.venue, child.account, message=error.message, now=now, closed=closed)
    due_at = now + timedelta(seconds=delay_s)
    child = move_child(
        conn,
        child,
        ChildStatus.PLANNED,
        cause=f"surely not taken: {error.evidence}",
        detail={"error": error.message},
        now=now,
        never_left=intent.is_first,
        attend_at=due_at + timedelta(seconds=SLOW_RETRY_S),
    )
    release(conn, child, owner=runtime.owner)
    if order.ending is not None:
        follow_planned_end(conn, order, child, now)
        return "not taken, and it is to end: ended"
    send_on_at(conn, order.id, due_at, tries=0, now=now, child_id=named(order, child))
    return f"not taken ({error.evidence}); again in {delay_s:.2f} s"


def follow_planned_end(conn: Connection, order: Order, child: ChildOrder, now: datetime) -> None:
    """A child that is back to PLANNED while its order is to end: it ends unsent."""
    assert order.ending is not None
    reason = order.reason or Reason(code="CANCEL_REQUESTED", message="canceled before it was sent")
    drop_planned(conn, [child], order.ending, reason, cause="to end", now=now)
    follow_children(conn, order, cause="to end", now=now)


def _doubt(conn: Connection, runtime: Runtime, child: ChildOrder, error: VenueError, now: datetime) -> str:
    """No proof either way. From here on only evidence moves the child."""
    due_at = now + timedelta(seconds=FIRST_LOOKUP_S)
    reason = Reason(code="NO_ANSWER", message=error.message)
    child = move_child(
        conn,
        child,
        ChildStatus.UNKNOWN,
        cause=f"no proof: {error.evidence}",
        reason=reason,
        now=now,
        attend_at=due_at,
    )
    release(conn, child, owner=runtime.owner)
    closed = now + timedelta(seconds=error.retry_after_s) if error.retry_after_s else None
    note_trouble(conn, child.venue, child.account, message=error.message, now=now, closed=closed)
    enqueue(conn, Kind.TASK, "orders.lookup", URGENT, {"child_id": child.id}, now=now, due_at=due_at)
    return f"unknown: {error.message}"


commit_task = step("orders.commit")(commit)
