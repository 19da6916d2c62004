"""Timers of fill policies: set when a child is sent and when it ends, in the transaction in which that happens."""

from datetime import datetime

from sqlalchemy import Connection

from failpoints import failpoint
from models.amendment import AMENDED
from models.canonical_parts import fill_policy_from_json
from models.next_attempt import delay_before_next, timeout_of
from models.order import ChildOrder, Order
from storage.children import act_on, children_of
from storage.outbox import Kind, enqueue
from tasks.plan_soon import plan_soon
from tasks.queues import URGENT


def after_send(conn: Connection, order: Order, child: ChildOrder, now: datetime) -> ChildOrder:
    """In the transaction of an intent: a child that may not take for ever gets its timeout."""
    timeout = timeout_of(fill_policy_from_json(order.fill_policy))
    return child if timeout is None else set_timer(conn, child, now + timeout, now)


def after_end(conn: Connection, order: Order, child: ChildOrder, now: datetime) -> ChildOrder:
    """In the transaction in which a child ends: set the timer of its next attempt, or have its schedule plan the rest."""
    delay = delay_before_next(
        fill_policy_from_json(order.fill_policy), order, child, amended=amended_before(conn, child)
    )
    if delay is None:
        if child.act_at is not None:
            child = act_on(conn, child, None)
        if order.waits_for_ends and order.ending is None and not order.is_final:
            plan_soon(conn, order.id, now)
        return child
    failpoint("policy.ended")
    return set_timer(conn, child, now + delay, now)


def amended_before(conn: Connection, child: ChildOrder) -> int:
    """Earlier attempts at the child's slice that were ended for an amendment."""
    if child.attempt == 1:
        return 0
    return sum(
        other.slice == child.slice
        and other.attempt < child.attempt
        and other.reason is not None
        and other.reason.code == AMENDED
        for other in children_of(conn, child.order_id)
    )


def set_timer(conn: Connection, child: ChildOrder, at: datetime, now: datetime, tries: int = 0) -> ChildOrder:
    """Have the fill policy act on a child at ``at``: on its row, with a hint for the time."""
    kwargs = {"child_id": child.id, "tries": tries}
    enqueue(conn, Kind.TASK, "orders.follow_up", URGENT, kwargs, now=now, due_at=at)
    return act_on(conn, child, at)
