"""Settle: what the venue said becomes fills, ledger legs and statuses, in one transaction per report."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from decimal import Decimal

import structlog
from sqlalchemy import Connection

from accounting.fills import FillPosting
from exchanges.evidence import VenueError
from exchanges.protection.lanes import in_lane
from failpoints import failpoint
from models.amendment import AMENDED
from models.applying import lacks_trades, status_after
from models.money import add
from models.order import ChildOrder, Order, Reason
from models.reports import OrderReport, Trade, VenueStatus
from models.transitions import CHILD_IN_DOUBT
from models.vocabulary import ChildStatus
from risk.lane import Lane
from storage.alerts import Severity, record_alert
from storage.children import get_child, move_child
from storage.engine import read, write
from storage.fills import ContradictoryFill, cost_of, fill_key, insert_fill
from storage.ledger import FILL_KINDS, lock_accounts, post_fill
from storage.orders import lock_order
from storage.outbox import Kind, enqueue
from storage.position_posting import move_position
from storage.reports import keep_report, mark_applied, unapplied_reports
from tasks.ending import add_up, follow_children
from tasks.queues import URGENT
from tasks.runtime import Runtime
from tasks.step import patiently, step
from tasks.timers import after_end

log = structlog.get_logger()

#: when an order is taken back that should not be there: at once, and again in case the message is lost
RECALL_AT = (timedelta(0), timedelta(seconds=30), timedelta(minutes=5))

#: what rests at the venue is watched by `track`; these are looked at by their own time
UNATTENDED_BY_TRACK = CHILD_IN_DOUBT | {ChildStatus.PLANNED}

_ENDED_BY_US = (ChildStatus.PENDING_CANCEL, ChildStatus.CANCELED)

#: How long before the send trades are searched where a venue can't filter them by order.
TRADE_SEARCH_MARGIN = timedelta(minutes=5)


@dataclass(frozen=True, slots=True, kw_only=True)
class Applied:
    child: ChildOrder
    #: the venue tells of fills that it has not shown yet
    lacks_trades: bool


def settle(runtime: Runtime, *, order_id: str) -> str:
    """Apply every report of the order that nothing was concluded from yet."""
    with read(runtime.engine) as conn:
        waiting = unapplied_reports(conn, order_id)
    failpoint("settle.begun")
    for kept in waiting:
        with read(runtime.engine) as conn:
            child = get_child(conn, kept.child_id)
        report = with_all_trades(runtime, child, kept.report)
        failpoint("settle.completed")
        apply_report(runtime, child.id, report, source=kept.source, kept_as=kept.id)
    return f"{len(waiting)} reports applied"


@in_lane(Lane.URGENT)
def with_all_trades(runtime: Runtime, child: ChildOrder, report: OrderReport) -> OrderReport:
    """As ``completed``, in the lane of lookups: what has filled must be known."""
    return completed(runtime, child, report)


def completed(runtime: Runtime, child: ChildOrder, report: OrderReport) -> OrderReport:
    """The report with every trade it tells of, asked from the venue where some are missing.

    What the venue does not show now stays missing, and the child live: tracking goes on.
    """
    all_booked = child.venue_order_id == report.venue_order_id and child.filled_quantity >= report.filled_quantity
    if all_booked or _told(report) >= report.filled_quantity:
        return report
    since = (child.sent_at or runtime.now()) - TRADE_SEARCH_MARGIN
    try:
        gateway = runtime.gateways.get(child.venue, child.account)
        trades = gateway.order_trades(child.symbol, report.venue_order_id, since)
    except VenueError as error:
        log.info("trades could not be read; tracking goes on", child_id=child.id, error=error.message)
        return report
    return replace(report, trades=merged(report.trades, trades))


def _told(report: OrderReport) -> Decimal:
    """What the trades that came with a report add up to."""
    return add_up(trade.quantity for trade in report.trades)


def merged(first: Sequence[Trade], second: Sequence[Trade]) -> tuple[Trade, ...]:
    """Both, each trade once."""
    by_id = {trade.venue_trade_id: trade for trade in (*second, *first)}
    return tuple(sorted(by_id.values(), key=lambda trade: (trade.traded_at, trade.venue_trade_id)))


@patiently
def apply_report(
    runtime: Runtime, child_id: str, report: OrderReport, *, source: str, kept_as: int | None = None
) -> Applied:
    """Book what is new in a report and move child and parent to where it puts them; all of it or nothing.

    ``kept_as`` names a report that is on record already. One that changes nothing leaves no row.
    """
    now = runtime.now()
    with write(runtime.engine) as conn:
        order_id = get_child(conn, child_id).order_id
        order = lock_order(conn, order_id)
        child = get_child(conn, child_id)
        if kept_as is None and _says_nothing_new(child, report):
            return Applied(child=child, lacks_trades=False)
        if kept_as is None:
            kept_as = keep_report(conn, child, report, source=source, now=now)
        if not mark_applied(conn, kept_as, now):
            return Applied(child=child, lacks_trades=False)  # settled twice at a time: the other one was first
        failpoint("settle.marked")
        was_final = child.is_final
        child, short = _book(conn, order, child, report, source=source, now=now)
        failpoint("settle.child.moved")
        if child.is_final and not was_final:
            child = after_end(conn, order, child, now)
        at_venue = report.quantity if child.venue_order_id == report.venue_order_id else None
        order = follow_children(conn, order, cause=f"{source}: {report.status}", now=now, at_venue=at_venue)
        if order.ending is not None and child.is_live and child.status is not ChildStatus.PENDING_CANCEL:
            # It was in doubt when its end was decided; now that it is found, the cancel goes out.
            enqueue(conn, Kind.TASK, "orders.withdraw", URGENT, {"order_id": order.id}, now=now, due_at=now)
    failpoint("settle.committed")
    return Applied(child=child, lacks_trades=short)


def _says_nothing_new(child: ChildOrder, report: OrderReport) -> bool:
    return (
        child.venue_order_id == report.venue_order_id
        and child.filled_quantity >= max(report.filled_quantity, _told(report))
        and status_after(child, report, child.filled_quantity) == child.status
    )


def _book(
    conn: Connection, order: Order, child: ChildOrder, report: OrderReport, *, source: str, now: datetime
) -> tuple[ChildOrder, bool]:
    _lock_accounts(conn, order, report)
    filled, cost = child.filled_quantity, child.filled_cost
    new_trades = []
    for trade in report.trades:
        if _is_new(conn, order, child, trade, now):
            filled, cost = add(filled, trade.quantity), add(cost, cost_of(trade))
            new_trades.append(trade.venue_trade_id)
    known_as = child.venue_order_id or report.venue_order_id
    is_stray = _is_stray(conn, order, child, report, now)
    if known_as == report.venue_order_id:
        status, short = status_after(child, report, filled), lacks_trades(report, filled)
    else:  # another order under our id: its trades are booked, its end is not this one's
        status, short = (ChildStatus.FILLED if filled >= child.quantity else child.status), False
        if new_trades and child.is_live and child.venue_order_id is not None:
            # What the stray traded is the customer's: the first must not trade it once more.
            _recall(conn, child.id, child.venue_order_id, now)
    reason = _reason(child, report, status)
    if status != child.status or new_trades or child.venue_order_id != known_as or reason != child.reason:
        child = move_child(
            conn,
            child,
            status,
            cause=f"{source}: {report.status}",
            detail={"venue_order_id": report.venue_order_id, "trades": new_trades, "stray": is_stray},
            reason=reason,
            now=now,
            attend_at=child.attend_at if status in UNATTENDED_BY_TRACK else None,
            venue_order_id=known_as,
            filled_quantity=filled,
            filled_cost=cost,
        )
    return child, short


def _lock_accounts(conn: Connection, order: Order, report: OrderReport) -> None:
    """Every account that the report's trades may touch, at once and in one order, so that no two settles deadlock."""
    if len(report.trades) > 1:  # posting a single one locks all of its own at once
        assets = {order.base, order.quote} | {trade.fee_asset for trade in report.trades if trade.fee_asset}
        lock_accounts(conn, order.venue, order.account, assets, FILL_KINDS)


def _is_stray(conn: Connection, order: Order, child: ChildOrder, report: OrderReport, now: datetime) -> bool:
    """Whether the venue has an order of ours that should not be there: it is told loudly, and taken back."""
    second = child.venue_order_id not in (None, report.venue_order_id)
    after_end = child.is_final and child.venue_order_id is None
    if not (second or after_end):
        return False
    record_alert(
        conn,
        f"stray:{child.id}:{report.venue_order_id}",
        kind="STRAY_ORDER",
        severity=Severity.CRITICAL,
        message=(
            f"{child.venue} has order {report.venue_order_id} under the id of child {child.id}, which "
            f"{f'is order {child.venue_order_id} there' if second else f'had ended as {child.status}'}. "
            "It is taken back now and what it traded is booked; compare the position."
        ),
        detail={"order_id": order.id, "child_id": child.id, "venue_order_id": report.venue_order_id},
        now=now,
    )
    log.error("alert", kind="STRAY_ORDER", child_id=child.id, venue_order_id=report.venue_order_id)
    if report.status is VenueStatus.OPEN:
        _recall(conn, child.id, report.venue_order_id, now)
    return True


def _recall(conn: Connection, child_id: str, venue_order_id: str, now: datetime) -> None:
    """Take an order back at the venue; more than one row, since a broker may lose what it was given."""
    kwargs = {"child_id": child_id, "venue_order_id": venue_order_id}
    for later in RECALL_AT:
        enqueue(conn, Kind.TASK, "orders.recall", URGENT, kwargs, now=now, due_at=now + later)


def _is_new(conn: Connection, order: Order, child: ChildOrder, trade: Trade, now: datetime) -> bool:
    """Insert the fill, post its entry and move its position; False when all that is there already."""
    try:
        if not insert_fill(conn, child, trade, now=now):
            return False
    except ContradictoryFill as error:
        _alert_contradiction(conn, order, child, trade, str(error), now)
        return False
    failpoint("settle.fill.inserted")
    posting = FillPosting(
        key=fill_key(child, trade),
        order_id=order.id,
        venue=child.venue,
        account=child.account,
        base=order.base,
        quote=order.quote,
        side=trade.side,
        quantity=trade.quantity,
        price=trade.price,
        cost=cost_of(trade),
        fee=trade.fee,
        fee_asset=trade.fee_asset,
    )
    posted = post_fill(conn, posting, at=now)
    if posted.new:
        move_position(conn, posting, entry_id=posted.entry_id, mode=order.mode, traded_at=trade.traded_at, at=now)
    failpoint("settle.fill.posted")
    for shortfall in posted.shortfalls:
        record_alert(
            conn,
            f"shortfall:{fill_key(child, trade)}:{shortfall.asset}",
            kind="BOOKS_SHORT",
            severity=Severity.CRITICAL,
            message=(
                f"fill {trade.venue_trade_id} of order {order.id} took {shortfall.amount} {shortfall.asset} more than "
                f"the books of {child.venue} ({child.account}) hold; booked against suspense. Compare the balances."
            ),
            detail={"order_id": order.id, "asset": shortfall.asset, "amount": str(shortfall.amount)},
            now=now,
        )
    return True


def _alert_contradiction(
    conn: Connection, order: Order, child: ChildOrder, trade: Trade, sentence: str, now: datetime
) -> None:
    record_alert(
        conn,
        f"contradiction:{fill_key(child, trade)}",
        kind="CONTRADICTORY_FILL",
        severity=Severity.CRITICAL,
        message=f"{sentence}. The first stands in the books; compare order {order.id} with the venue.",
        detail={"order_id": order.id, "child_id": child.id, "venue_trade_id": trade.venue_trade_id},
        now=now,
    )
    log.error("alert", kind="CONTRADICTORY_FILL", message=sentence, order_id=order.id)


def _reason(child: ChildOrder, report: OrderReport, status: ChildStatus) -> Reason | None:
    """What the venue gave as its ground for an end; a child that is found again has no reason any more.

    One that was ended for an amendment keeps that as its reason: by it what is left goes on.
    """
    if child.reason is not None and child.reason.code == AMENDED and status in _ENDED_BY_US:
        return child.reason
    if status is ChildStatus.REJECTED and child.status is not ChildStatus.REJECTED:
        return Reason(code="VENUE_REJECTED", message=report.message or f"{child.venue} rejected it")
    if status is ChildStatus.EXPIRED and report.status is VenueStatus.EXPIRED and child.status is not status:
        return Reason(code="VENUE_EXPIRED", message=report.message or f"{child.venue} ended what did not fill")
    if status is ChildStatus.CANCELED and report.status is VenueStatus.CANCELED and child.status is not status:
        return Reason(code="VENUE_CANCELED", message=report.message or f"canceled at {child.venue}")
    if status in (ChildStatus.REJECTED, ChildStatus.EXPIRED, ChildStatus.CANCELED):
        return child.reason
    return None


settle_task = step("orders.settle")(settle)
