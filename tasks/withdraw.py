"""Withdraw: take back what rests at the venue, and learn what had filled by then."""

from datetime import datetime, timedelta

from sqlalchemy import Connection

from exchanges.evidence import Evidence, VenueError
from exchanges.gateway import Gateway
from exchanges.protection.lanes import in_lane
from failpoints import failpoint
from models.order import ChildOrder, Order, Reason
from models.reports import OrderReport
from models.vocabulary import ChildStatus, OrderStatus
from risk.lane import Lane
from storage.alerts import Severity, record_alert
from storage.attention import leave_to
from storage.children import children_of, claim, get_child, move_child, release
from storage.engine import write
from storage.orders import Stale, lock_order
from storage.outbox import Kind, enqueue
from storage.reports import has_unapplied_reports
from storage.venue_states import closed_until
from tasks.clock import seconds_since_boot
from tasks.ending import drop_planned, follow_children
from tasks.heartbeat import Claim, heartbeat_of
from tasks.outcomes import MovedOn
from tasks.postpone import RESCUED, STEP_PATIENCE
from tasks.queues import URGENT
from tasks.reads import note_failed_read
from tasks.runtime import Runtime
from tasks.settle import apply_report, with_all_trades
from tasks.step import step

CAUSE = "withdraw"

#: Pauses between tries while the venue does not answer, or has not ended the order yet.
FIRST_PAUSE_S = 0.3
LONGEST_PAUSE_S = 10.0

#: After so many tries, about half a minute, a person hears of it.
TRIES_BEFORE_ALERT = 7


def withdraw(runtime: Runtime, *, order_id: str, tries: int = 0) -> str:
    """End an order that was told to end: what is planned at once, what is live through the venue.

    A child in doubt is resolved by lookup first; it comes back here once it is found.
    """
    now = runtime.now()
    with write(runtime.engine) as conn:
        order = lock_order(conn, order_id)
        if order.ending is None or order.is_final:
            return f"nothing to do: {order.status}"
        reason = order.reason or Reason(code="CANCEL_REQUESTED", message="canceled")
        children = children_of(conn, order_id)
        unsettled = {child.id for child in children if not child.is_final and has_unapplied_reports(conn, child.id)}
        # One that the venue has said something of may be there after all: it is settled first, and taken back then.
        unsent = [child for child in children if child.id not in unsettled]
        drop_planned(conn, unsent, order.ending, reason, cause=CAUSE, now=now)
        order = follow_children(conn, order, cause=CAUSE, now=now)
        children = children_of(conn, order_id)
        live = [child for child in children if child.is_live]
        waits = any(child.status is ChildStatus.PLANNED for child in children)
        closed = closed_until(conn, order.venue, order.account)
    failpoint("withdraw.begun")
    in_doubt = sum(child.is_in_doubt for child in live)
    if closed is not None and closed > now:
        _try_again(runtime, order, tries, not_before=closed)
        return f"{order.venue} wants to be left alone until {closed:%H:%M:%S}"
    outcomes = [withdraw_child(runtime, child) for child in live if not child.is_in_doubt]
    refused = outcomes.count(None)
    if waits or not all(outcomes):
        _try_again(runtime, order, tries, rescued=refused > 0)
    if outcomes and refused == len(outcomes):
        return MovedOn("somebody else is taking it back")
    return f"{outcomes.count(True)} of {len(outcomes)} ended at the venue, {in_doubt} in doubt"


@in_lane(Lane.URGENT)
def withdraw_child(
    runtime: Runtime, child: ChildOrder, *, reason: Reason | None = None, by_timer: bool = False
) -> bool | None:
    """True once the child is final; None while somebody else holds it, or has died with it a moment ago.

    ``reason`` stays with the child: by it whoever goes on knows why it was ended. ``by_timer``: only for its fill policy,
    and not if that timer was set anew meanwhile, or its order is being amended or is to end: None then, too.
    """
    started = seconds_since_boot()
    lease_ms = runtime.settings.execution.lease_ms
    try:
        with write(runtime.engine) as conn:
            if by_timer and not _still_rings(conn, child):
                return None
            child = claim(conn, get_child(conn, child.id), owner=runtime.owner, lease_ms=lease_ms)
            if child.is_final:
                return True
            if child.status is not ChildStatus.PENDING_CANCEL or (reason is not None and child.reason != reason):
                to = ChildStatus.PENDING_CANCEL
                child = move_child(conn, child, to, cause=CAUSE, reason=reason, now=runtime.now())
    except Stale:
        return None
    failpoint("withdraw.claimed")
    gateway = runtime.gateways.get(child.venue, child.account)
    with heartbeat_of(runtime).keeping(Claim(child, started, lease_ms / 1000)):
        try:
            report = _cancel_and_read(gateway, child)
        except VenueError as error:
            note_failed_read(runtime, child.venue, child.account, error)
            report = None
        final = False
        if report is not None:
            report = with_all_trades(runtime, child, report)
            failpoint("withdraw.read")
            final = apply_report(runtime, child.id, report, source="cancel").child.is_final
            failpoint("withdraw.booked")
        with write(runtime.engine) as conn:
            release(conn, child, owner=runtime.owner)
    return final


def _still_rings(conn: Connection, child: ChildOrder) -> bool:
    """Whether its fill policy is to act on it now as it was when it was read; locks the order."""
    order = lock_order(conn, child.order_id)
    if order.is_final or order.ending is not None or order.status is OrderStatus.PENDING_AMEND:
        return False
    return get_child(conn, child.id).act_at == child.act_at


def _cancel_and_read(gateway: Gateway, child: ChildOrder) -> OrderReport:
    """Cancel, then ask for the truth: the answer to a cancel, whatever it is, is no evidence of what filled."""
    assert child.venue_order_id is not None
    try:
        gateway.cancel_order(child.symbol, child.venue_order_id)
    except VenueError as error:
        if error.evidence in (Evidence.NOT_SENT, Evidence.RATE_LIMITED):
            raise
    failpoint("withdraw.canceled")
    return gateway.fetch_order(child.symbol, child.venue_order_id)


def _try_again(
    runtime: Runtime, order: Order, tries: int, not_before: datetime | None = None, *, rescued: bool = False
) -> None:
    now = runtime.now()
    due_at = now + timedelta(seconds=min(FIRST_PAUSE_S * 2.0 ** min(tries, 10), LONGEST_PAUSE_S))
    due_at = max(due_at, not_before or due_at)
    with write(runtime.engine) as conn:
        if tries == TRIES_BEFORE_ALERT:
            _alert(conn, order, now)
        leave_to(conn, order.id, due_at + STEP_PATIENCE)
        enqueue(
            conn,
            Kind.TASK,
            "orders.withdraw",
            URGENT,
            {"order_id": order.id, "tries": tries + 1, **(RESCUED if rescued else {})},
            now=now,
            due_at=due_at,
        )
    failpoint("withdraw.postponed")


def _alert(conn: Connection, order: Order, now: datetime) -> None:
    record_alert(
        conn,
        f"cancel-not-taken:{order.id}",
        kind="CANCEL_NOT_TAKEN",
        severity=Severity.CRITICAL,
        message=(
            f"{order.venue} has not ended order {order.id} after {TRIES_BEFORE_ALERT} tries; it may still trade. "
            "Trying goes on. Look at the venue, and cancel it there by hand if it has to go now."
        ),
        detail={"order_id": order.id},
        now=now,
    )


withdraw_task = step("orders.withdraw")(withdraw)
