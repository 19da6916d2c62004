"""Ends of an amendment, each in the transaction of whoever decides: its values are the order's, or everything is as before."""

from collections.abc import Sequence
from datetime import datetime
from decimal import Decimal

from sqlalchemy import Connection

from failpoints import failpoint
from models.amend_step import Attempt, Conclude, filled_of, is_raised
from models.amendment import AMENDED, Amendment, AmendmentStatus
from models.instrument import Instrument
from models.money import ZERO, plain, plain_or_none, subtract
from models.order import SEND_UNKNOWN, ChildOrder, Order, Reason
from models.vocabulary import ChildStatus, OrderStatus
from storage.amendments import decide_amendment
from storage.children import act_on, children_of, insert_child, move_child
from storage.ledger import release_hold
from storage.orders import move_order
from tasks.amend_hold import hold_wanted, lower_to
from tasks.ending import follow_children
from tasks.new_child import new_child
from tasks.plan_soon import SLICE_PATIENCE, plan_soon
from tasks.postpone import send_slice_at
from tasks.runtime import Runtime

CAUSE = "amend"

_BEFORE_IT_WAS_SENT = Reason(code=AMENDED, message="the order was amended before this was sent")


def conclude(
    conn: Connection,
    runtime: Runtime,
    order: Order,
    amendment: Amendment,
    step: Conclude,
    instrument: Instrument,
    now: datetime,
) -> str:
    """The order gets its new values and goes on, or ends with what has traded. The caller holds the order's lock."""
    children = {child.id: child for child in children_of(conn, order.id)}
    for child in step.drop:
        move_child(conn, children[child.id], ChildStatus.CANCELED, cause=CAUSE, reason=_BEFORE_IT_WAS_SENT, now=now)
    for child in step.keep:
        _plan_with(conn, children[child.id], child.quantity, child.price, now)
    for attempt in step.send:
        _plan_next(conn, runtime, order, attempt, now)
    failpoint("amend.planned")
    decide_amendment(conn, order.id, AmendmentStatus.DONE, now=now)
    filled = filled_of(list(children.values()))
    detail = {"amendment": amendment.id, "quantity": plain(step.quantity), "price": plain_or_none(step.price)}
    status = OrderStatus.CANCELED if step.short is not None and filled < step.quantity else _open(filled, step.quantity)
    order = move_order(
        conn,
        order,
        status,
        cause="amended",
        detail=detail,
        reason=step.short if status is OrderStatus.CANCELED else _doubt_of(order, list(children.values())),
        now=now,
        quantity=step.quantity,
        price=step.price,
    )
    if order.is_final:
        for child in children.values():
            if child.act_at is not None:
                act_on(conn, child, None)
        release_hold(conn, order_id=order.id, at=now)
        return f"amended, and {order.status}"
    _go_on(conn, runtime, order, amendment, instrument, now)
    return f"amended to {plain(order.quantity)} at {plain_or_none(order.price)}"


def refuse(
    conn: Connection,
    runtime: Runtime,
    order: Order,
    amendment: Amendment,
    reason: Reason,
    instrument: Instrument,
    now: datetime,
) -> str:
    """Everything is as it was before, or as the order ended meanwhile. The caller holds the order's lock."""
    decide_amendment(conn, order.id, AmendmentStatus.REFUSED, now=now, reason=reason)
    failpoint("amend.refused")
    more = subtract(order.quantity, amendment.previous_quantity) if is_raised(order, amendment) else ZERO
    children = children_of(conn, order.id)
    for child in children:
        _restore(conn, child, more if child is children[-1] else ZERO, now)
    status = _open(order.filled_quantity, amendment.previous_quantity)
    told = Reason(code="AMEND_REFUSED", message=f"it was not amended, and stands as before: {reason.message}")
    order = move_order(
        conn,
        order,
        status,
        cause=f"amendment refused: {reason.code}",
        detail={"amendment": amendment.id, "reason": reason.message},
        reason=None if status is OrderStatus.FILLED else _doubt_of(order, children) or told,
        now=now,
        quantity=amendment.previous_quantity,
    )
    if order.is_final:
        release_hold(conn, order_id=order.id, at=now)
    else:
        _go_on(conn, runtime, order, amendment, instrument, now)
    return f"refused: {reason.code}: {reason.message}"


def _restore(conn: Connection, child: ChildOrder, more: Decimal, now: datetime) -> None:
    """A child that the venue did not amend: back to its status, and by ``more`` to its size."""
    quantity = subtract(child.quantity, more)
    status = child.status
    if status is ChildStatus.PENDING_AMEND:
        status = ChildStatus.PARTIALLY_FILLED if child.filled_quantity else ChildStatus.ACCEPTED
    if more and child.is_final and child.filled_quantity >= quantity:
        status = ChildStatus.FILLED
    if (status, quantity) != (child.status, child.quantity):
        move_child(conn, child, status, cause="amendment refused", reason=child.reason, now=now, quantity=quantity)


def _go_on(
    conn: Connection, runtime: Runtime, order: Order, amendment: Amendment, instrument: Instrument, now: datetime
) -> None:
    """Start again what stood still meanwhile; give back what is held beyond the need."""
    children = children_of(conn, order.id)
    for child in children:
        if child.status is ChildStatus.PLANNED:
            send_slice_at(conn, order.id, child.id, max(child.due_at, now), now=now)
    if order.is_scheduled:
        plan_soon(conn, order.id, now)
    order = follow_children(conn, order, cause=CAUSE, now=now)
    if not order.is_final and not any(child.is_in_doubt for child in children):
        hold = hold_wanted(conn, runtime, order, instrument, quantity=order.quantity, price=order.price)
        lower_to(conn, order, hold, amendment, now)


def _plan_with(conn: Connection, child: ChildOrder, quantity: Decimal, price: Decimal | None, now: datetime) -> None:
    if (quantity, price) != (child.quantity, child.price):
        move_child(
            conn,
            child,
            ChildStatus.PLANNED,
            cause=CAUSE,
            detail={"quantity": plain(quantity), "price": plain_or_none(price)},
            now=now,
            attend_at=child.attend_at,
            quantity=quantity,
            price=price,
        )


def _plan_next(conn: Connection, runtime: Runtime, order: Order, attempt: Attempt, now: datetime) -> None:
    after = attempt.after
    if after.act_at is not None:
        act_on(conn, after, None)
    shown = after.display if after.display is not None and after.display < attempt.quantity else None
    child = new_child(
        conn,
        runtime,
        order,
        slice_number=after.slice,
        attempt=after.attempt + 1,
        quantity=attempt.quantity,
        price=attempt.price,
        due_at=attempt.due_at,
        now=now,
        attend_at=attempt.due_at + SLICE_PATIENCE,
        display=shown,
    )
    insert_child(conn, child, cause=CAUSE, now=now)


def _open(filled: Decimal, quantity: Decimal) -> OrderStatus:
    """Where an order stands that nothing has ended but its fills."""
    if filled >= quantity:
        return OrderStatus.FILLED
    return OrderStatus.PARTIALLY_FILLED if filled > ZERO else OrderStatus.WORKING


def _doubt_of(order: Order, children: Sequence[ChildOrder]) -> Reason | None:
    """SEND_UNKNOWN, as long as it stands."""
    if order.reason is None or order.reason.code != SEND_UNKNOWN or not any(child.is_in_doubt for child in children):
        return None
    return order.reason
