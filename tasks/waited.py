"""What an order waited for whose time was over before it could be sent: its end names it."""

from datetime import datetime

from sqlalchemy import Connection

from exchanges.protection.refused import BreakerOpen, BudgetSpent, GateClosed, NoSeat
from models.clock import format_time
from models.order import Order, Reason
from risk.breaker import BreakerStatus
from storage.breakers import breaker_of
from storage.venue_states import closed_until

#: codes of the reason that an order bears while it waits
WAITING = frozenset(kind.code_of_wait for kind in (BreakerOpen, BudgetSpent, GateClosed, NoSeat))


def with_what_it_waited_for(conn: Connection, order: Order, ended: Reason, now: datetime) -> Reason:
    """The reason of an order whose time was over before it was sent, and what kept it from being sent, where that is known."""
    waited = _waited_for(conn, order, now)
    return ended if waited is None else Reason(code=ended.code, message=f"{ended.message}; it waited: {waited}")


def _waited_for(conn: Connection, order: Order, now: datetime) -> str | None:
    if order.reason is not None and order.reason.code in WAITING:
        return order.reason.message
    breaker = breaker_of(conn, order.venue, order.account)
    if breaker.status is not BreakerStatus.CLOSED and breaker.opened_at is not None:
        return f"the breaker of {order.venue} (account {order.account}) is open since {format_time(breaker.opened_at)}"
    closed = closed_until(conn, order.venue, order.account)
    if closed is not None and closed > now:
        return f"{order.venue} wants to be left alone until {format_time(closed)}"
    return None
