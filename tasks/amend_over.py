"""What came of an amendment that was under way when its order ended: what the venue had in the end says so."""

from collections.abc import Sequence
from datetime import datetime
from decimal import Decimal

from sqlalchemy import Connection

from models.amend_step import filled_of, is_raised
from models.amendment import Amendment, AmendmentStatus
from models.money import add, subtract
from models.order import ChildOrder, Order, Reason
from models.vocabulary import ChildStatus, OrderStatus
from storage.amendments import decide_amendment, pending_amendment
from storage.children import move_child


def settle_amendment(
    conn: Connection,
    order: Order,
    children: Sequence[ChildOrder],
    ended_as: OrderStatus,
    at_venue: Decimal | None,
    now: datetime,
) -> tuple[Decimal, Decimal | None]:
    """Decide what is pending as its order ends; returns the quantity and price that the order ends with.

    ``order``: with every fill, and the reason of its end. ``at_venue``: the size that the venue shows of the newest
    child, in base; None where it shows none: then only fills beyond the earlier size tell that it was raised.
    """
    amendment = pending_amendment(conn, order.id)
    if amendment is None:
        return order.quantity, order.price
    if is_raised(order, amendment) and _was_taken(order, amendment, children, at_venue):
        decide_amendment(conn, order.id, AmendmentStatus.DONE, now=now)
        return order.quantity, amendment.target_price
    decide_amendment(conn, order.id, AmendmentStatus.REFUSED, now=now, reason=_why(order, ended_as))
    if is_raised(order, amendment):
        _restore(conn, children[-1], subtract(order.quantity, amendment.previous_quantity), now)
    return amendment.previous_quantity, order.price


def _was_taken(order: Order, amendment: Amendment, children: Sequence[ChildOrder], at_venue: Decimal | None) -> bool:
    if order.filled_quantity > amendment.previous_quantity:
        return True  # so much could fill only since the venue took it
    return at_venue is not None and add(at_venue, filled_of(children[:-1])) > amendment.previous_quantity


def _why(order: Order, ended_as: OrderStatus) -> Reason:
    code = order.reason.code if order.ending is not None and order.reason is not None else "ORDER_ENDED"
    return Reason(code=code, message=f"the order was {ended_as} before it could be amended")


def _restore(conn: Connection, child: ChildOrder, more: Decimal, now: datetime) -> None:
    """The venue never had it larger than before."""
    quantity = subtract(child.quantity, more)
    status = ChildStatus.FILLED if child.filled_quantity >= quantity else child.status
    reason = None if status is ChildStatus.FILLED else child.reason
    move_child(conn, child, status, cause="amendment refused", reason=reason, now=now, quantity=quantity)
