"""How often a step began on a subject without coming to an end, and the orders that were parked for it."""

from collections.abc import Sequence
from datetime import datetime

from sqlalchemy import Connection, bindparam, delete, select, update
from sqlalchemy.sql.elements import ColumnElement

from storage.message_tables import parked_orders, unfinished_deliveries
from storage.upsert import upsert

_FIND = select(unfinished_deliveries.c.deliveries, unfinished_deliveries.c.last_at).where(
    unfinished_deliveries.c.task == bindparam("the_task"),
    unfinished_deliveries.c.subject == bindparam("the_subject"),
)
_FINISH = delete(unfinished_deliveries).where(
    unfinished_deliveries.c.task == bindparam("the_task"),
    unfinished_deliveries.c.subject == bindparam("the_subject"),
)

_TAKE_BACK = (
    update(unfinished_deliveries)
    .where(
        unfinished_deliveries.c.task == bindparam("the_task"),
        unfinished_deliveries.c.subject == bindparam("the_subject"),
    )
    .values(deliveries=unfinished_deliveries.c.deliveries - 1)
)

_FINISH_ALL = delete(unfinished_deliveries).where(
    unfinished_deliveries.c.subject.in_(bindparam("the_subjects", expanding=True))
)
_UNPARK = (
    delete(parked_orders)
    .where(parked_orders.c.order_id == bindparam("the_order"))
    .execution_options(preserve_rowcount=True)
)


def find_unfinished(conn: Connection, task: str, subject: str) -> tuple[int, datetime] | None:
    """``(deliveries, last begun)`` of a step that began and did not end; None when there is nothing of the kind."""
    row = conn.execute(_FIND, {"the_task": task, "the_subject": subject}).one_or_none()
    return None if row is None else (row.deliveries, row.last_at)


def count_delivery(conn: Connection, task: str, subject: str, *, earlier: int, now: datetime) -> int:
    """Count that a step begins on a subject; returns the number of this delivery.

    ``earlier``: deliveries that nobody counted, where this is the first that is.
    """
    insert = upsert(conn, unfinished_deliveries).values(task=task, subject=subject, deliveries=earlier + 1, last_at=now)
    statement = insert.on_conflict_do_update(
        index_elements=["task", "subject"],
        set_={"deliveries": unfinished_deliveries.c.deliveries + 1, "last_at": now},
    ).returning(unfinished_deliveries.c.deliveries)
    number: int = conn.execute(statement).scalar_one()
    return number


def finish(conn: Connection, task: str, subject: str) -> None:
    """The step came to an end: what it began before is no longer held against it."""
    conn.execute(_FINISH, {"the_task": task, "the_subject": subject})


def take_back(conn: Connection, task: str, subject: str) -> None:
    """This delivery did nothing: it does not count, and those before it still do."""
    conn.execute(_TAKE_BACK, {"the_task": task, "the_subject": subject})


def forget_unfinished(conn: Connection, before: datetime) -> int:
    """Forget steps that last began before ``before``; returns how many."""
    return conn.execute(
        delete(unfinished_deliveries)
        .where(unfinished_deliveries.c.last_at < before)
        .execution_options(preserve_rowcount=True)
    ).rowcount


def park(conn: Connection, order_id: str, task: str, letter_id: int, now: datetime) -> bool:
    """Keep rescue away from an order; False when it is parked already."""
    statement = (
        upsert(conn, parked_orders)
        .values(order_id=order_id, task=task, dead_letter_id=letter_id, parked_at=now)
        .on_conflict_do_nothing()
        .returning(parked_orders.c.order_id)
    )
    return conn.execute(statement).one_or_none() is not None


def unpark(conn: Connection, order_id: str, *subjects: str) -> bool:
    """Let rescue take the order up again, with a clean sheet for its steps; False when it was not parked.

    ``subjects``: what its steps are counted under beside its own id, the ids of its children.
    """
    conn.execute(_FINISH_ALL, {"the_subjects": [order_id, *subjects]})
    return conn.execute(_UNPARK, {"the_order": order_id}).rowcount == 1


def parked_task(conn: Connection, order_id: str) -> str | None:
    """The task that an order is parked for; None when it is not."""
    found: str | None = conn.execute(
        select(parked_orders.c.task).where(parked_orders.c.order_id == order_id)
    ).scalar_one_or_none()
    return found


def list_parked(conn: Connection, limit: int = 1000) -> Sequence[str]:
    """The ids of parked orders."""
    return list(conn.execute(select(parked_orders.c.order_id).limit(limit)).scalars())


def is_parked(order_id: ColumnElement[str]) -> ColumnElement[bool]:
    """For a statement about orders: whether the order of that column is parked."""
    return select(parked_orders.c.order_id).where(parked_orders.c.order_id == order_id).exists()
