"""Ends of an order, each in one transaction: what was planned is dropped, what was held is released."""

from collections.abc import Iterable, Sequence
from dataclasses import replace
from datetime import datetime
from decimal import Decimal

from sqlalchemy import Connection

from failpoints import failpoint
from models.lateness import late
from models.money import ZERO, add
from models.order import ChildOrder, Order, Reason
from models.outcome import outcome_of
from models.transitions import ORDER_FINAL, ORDER_UNSENT
from models.vocabulary import ChildStatus, OrderStatus
from storage.children import children_of, move_child
from storage.engine import write
from storage.ledger import release_hold
from storage.orders import lock_order, move_order
from storage.schedules import close_schedule, get_schedule
from tasks.amend_over import settle_amendment
from tasks.runtime import Runtime
from tasks.waited import with_what_it_waited_for

_CHILD_END = {OrderStatus.EXPIRED: ChildStatus.EXPIRED}


def drop_planned(
    conn: Connection, children: Sequence[ChildOrder], status: OrderStatus, reason: Reason, *, cause: str, now: datetime
) -> None:
    """End every child that is not at the venue; the caller holds the parent's lock."""
    for child in children:
        if child.status is ChildStatus.PLANNED:
            end = _CHILD_END.get(status, ChildStatus.CANCELED)
            move_child(conn, child, end, cause=cause, reason=reason, now=now)


def end_unsent(
    conn: Connection, order: Order, status: OrderStatus, reason: Reason, *, cause: str, now: datetime
) -> Order:
    """End an order of which nothing is at a venue: DENIED, CANCELED or EXPIRED, and release its hold."""
    drop_planned(conn, children_of(conn, order.id), status, reason, cause=cause, now=now)
    if order.is_scheduled:
        close_schedule(conn, order.id)
    release_hold(conn, order_id=order.id, at=now)
    return move_order(conn, order, status, cause=cause, reason=reason, now=now)


def expire_unsent(runtime: Runtime, order_id: str) -> str:
    """End an order whose time was over before anything of it was sent."""
    now = runtime.now()
    with write(runtime.engine) as conn:
        order = lock_order(conn, order_id)
        reason = late(order, now, runtime.settings.execution.max_age_s)
        if order.status not in ORDER_UNSENT or reason is None:
            return f"nothing to do: {order.status}"
        reason = with_what_it_waited_for(conn, order, reason, now)
        end_unsent(conn, order, OrderStatus.EXPIRED, reason, cause="time over", now=now)
    return f"expired: {reason.code}"


def follow_children(
    conn: Connection, order: Order, *, cause: str, now: datetime, at_venue: Decimal | None = None
) -> Order:
    """Move the parent to where its booked fills and its children put it; release the hold once it is final.

    ``at_venue``: the size that the venue shows of the newest child, in base.
    """
    children = children_of(conn, order.id)
    filled = add_up(child.filled_quantity for child in children)
    cost = add_up(child.filled_cost for child in children)
    changed = filled != order.filled_quantity or cost != order.filled_cost
    more_to_come = _more_to_come(conn, order, children)
    outcome = outcome_of(_with_fills(order, filled, cost), children, more_to_come=more_to_come)
    if not changed and outcome.status == order.status and outcome.reason == order.reason:
        return order
    quantity, price = order.quantity, order.price
    if outcome.status in ORDER_FINAL:
        if order.status in (OrderStatus.PENDING_AMEND, OrderStatus.PENDING_CANCEL):
            ended = _with_fills(replace(order, reason=outcome.reason), filled, cost)
            quantity, price = settle_amendment(conn, ended, children, outcome.status, at_venue, now)
        if quantity != order.quantity:  # what had filled may be all of what it was for before
            settled = replace(_with_fills(order, filled, cost), quantity=quantity)
            outcome = outcome_of(settled, children, more_to_come=more_to_come)
        release_hold(conn, order_id=order.id, at=now)
        failpoint("settle.hold.released")
    return move_order(
        conn,
        order,
        outcome.status,
        cause=cause,
        reason=outcome.reason,
        now=now,
        filled_quantity=filled,
        filled_cost=cost,
        quantity=quantity,
        price=price,
    )


def _more_to_come(conn: Connection, order: Order, children: Sequence[ChildOrder]) -> bool:
    """Whether its schedule or its fill policy will send more of it."""
    if any(child.is_final and child.act_at is not None for child in children):
        return True
    return order.is_scheduled and order.status not in ORDER_FINAL and not get_schedule(conn, order.id).is_over


def add_up(amounts: Iterable[Decimal]) -> Decimal:
    total = ZERO
    for amount in amounts:
        total = add(total, amount)
    return total


def _with_fills(order: Order, filled: Decimal, cost: Decimal) -> Order:
    return replace(order, filled_quantity=filled, filled_cost=cost)
