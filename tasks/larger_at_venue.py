"""An order that rests at its venue with more than we know of: it is told loudly, and withdrawn."""

from datetime import datetime, timedelta

from sqlalchemy import Connection

from exchanges.gateway import Gateway
from exchanges.protection.lanes import in_lane
from models.money import plain
from models.order import ChildOrder, Order, Reason, unless_in_doubt
from models.reports import OrderReport, VenueStatus
from models.vocabulary import ChildStatus, OrderStatus
from risk.lane import Lane
from storage.alerts import Severity, record_alert
from storage.amendments import latest_amendment
from storage.children import get_child
from storage.engine import read, write
from storage.orders import lock_order, move_order
from storage.outbox import Kind, enqueue
from tasks.postpone import STEP_PATIENCE
from tasks.queues import URGENT
from tasks.runtime import Runtime

#: at the venue, with nothing of ours under way that would change it
_AT_REST = (ChildStatus.ACCEPTED, ChildStatus.PARTIALLY_FILLED)


def is_larger(child: ChildOrder, report: OrderReport) -> bool:
    """Whether the venue shows an open limit order of ours with more than the child's whole quantity.

    Limit orders only: of a market order some venues show the amount of quote where its quantity should be.
    """
    if report.status is not VenueStatus.OPEN or report.quantity is None or child.price is None:
        return False
    return child.status in _AT_REST and report.quantity > child.quantity


@in_lane(Lane.URGENT)
def withdraw_if_larger(runtime: Runtime, gateway: Gateway, child_id: str) -> bool:
    """End the order if a second look says so too; True if it does. Raises VenueError.

    The report that raised the suspicion may be older than an amendment which made the order smaller. So the venue is
    asked once more, and what it shows counts only while the child is as it was before that, and no amendment of it
    was decided so short a time ago that the venue may still show what was before.
    """
    with read(runtime.engine) as conn:
        before = get_child(conn, child_id)
    asked_at = runtime.now()
    report = gateway.fetch_order(before.symbol, before.venue_order_id or "")
    if not is_larger(before, report):
        return False
    lag = timedelta(milliseconds=runtime.settings.venues[before.venue].visibility_lag_ms)
    now = runtime.now()
    with write(runtime.engine) as conn:
        order = lock_order(conn, before.order_id)
        child = get_child(conn, child_id)
        if order.is_final or order.status is OrderStatus.PENDING_AMEND or not is_larger(child, report):
            return False
        last = latest_amendment(conn, order.id)
        if last is not None and (last.decided_at is None or asked_at < last.decided_at + lag):
            return False
        _alert(conn, order, child, report, now)
        if order.ending is None:
            _end(conn, order, child, report, now)
    return True


def _sentence(child: ChildOrder, report: OrderReport) -> str:
    assert report.quantity is not None
    return (
        f"{child.venue} has order {child.venue_order_id} for {plain(report.quantity)}, and {plain(child.quantity)} are "
        "what we asked for"
    )


def _end(conn: Connection, order: Order, child: ChildOrder, report: OrderReport, now: datetime) -> None:
    reason = Reason(code="LARGER_AT_VENUE", message=f"{_sentence(child, report)}; what rests is withdrawn")
    move_order(
        conn,
        order,
        OrderStatus.PENDING_CANCEL,
        cause="larger at the venue",
        reason=unless_in_doubt(order, reason),
        now=now,
        ending=OrderStatus.CANCELED,
        rescue_at=now + STEP_PATIENCE,
    )
    enqueue(conn, Kind.TASK, "orders.withdraw", URGENT, {"order_id": order.id}, now=now, due_at=now)


def _alert(conn: Connection, order: Order, child: ChildOrder, report: OrderReport, now: datetime) -> None:
    record_alert(
        conn,
        f"larger-at-venue:{child.id}",
        kind="LARGER_AT_VENUE",
        severity=Severity.CRITICAL,
        message=(
            f"{_sentence(child, report)}: more of order {order.id} could trade than was wanted. It is withdrawn now, and "
            "what it traded is booked. Compare the position, and send what is still wanted as a new order."
        ),
        detail={"order_id": order.id, "child_id": child.id, "venue_order_id": child.venue_order_id},
        now=now,
    )
