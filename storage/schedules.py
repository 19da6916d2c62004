"""Schedules of large orders: one row each, moved on by whoever plans the next wave."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from sqlalchemy import Connection, and_, bindparam, insert, select, update

from models.transitions import ORDER_FINAL
from models.vocabulary import OrderStatus
from storage.messages_unfinished import is_parked
from storage.order_tables import orders
from storage.orders import Stale
from storage.schedule_tables import schedules
from storage.types import Timestamp

_OPEN = [status.value for status in OrderStatus if status not in ORDER_FINAL]

_BY_ORDER = select(schedules).where(schedules.c.order_id == bindparam("order_id"))
_INSERT = insert(schedules)
_MOVE = (
    update(schedules)
    .where(schedules.c.order_id == bindparam("the_order"), schedules.c.wave == bindparam("expected_wave"))
    .values(
        start_at=bindparam("start_at"),
        wave=bindparam("wave"),
        next_slice=bindparam("next_slice"),
        next_slot=bindparam("next_slot"),
        looked_at=bindparam("looked_at"),
        look_at=bindparam("look_at"),
        is_over=bindparam("is_over"),
        notes=bindparam("notes"),
    )
    .execution_options(preserve_rowcount=True)
)
_POSTPONE = (
    update(schedules)
    .where(schedules.c.order_id == bindparam("the_order"), schedules.c.is_over.is_(False))
    .values(look_at=bindparam("at"))
    .execution_options(preserve_rowcount=True)
)
_CLOSE = (
    update(schedules)
    .where(schedules.c.order_id == bindparam("the_order"), schedules.c.is_over.is_(False))
    .values(is_over=True, look_at=None)
)
_REOPEN = (
    update(schedules)
    .where(schedules.c.order_id == bindparam("the_order"), schedules.c.next_slot > bindparam("slot"))
    .values(is_over=False, next_slot=bindparam("slot"))
)
#: A schedule whose wave should have been planned by then, and that runs on.
SCHEDULE_STANDS = and_(
    schedules.c.look_at.is_not(None),
    schedules.c.look_at <= bindparam("slack", type_=Timestamp()),
    schedules.c.is_over.is_(False),
    select(orders.c.id)
    .where(
        orders.c.id == schedules.c.order_id,
        orders.c.status.in_(_OPEN),
        orders.c.ending.is_(None),
        ~is_parked(orders.c.id),
    )
    .exists(),
)
_STANDING = select(schedules.c.order_id).where(SCHEDULE_STANDS).order_by(schedules.c.look_at).limit(bindparam("limit"))
_TAKE = (
    update(schedules)
    .where(schedules.c.order_id == bindparam("the_order"), SCHEDULE_STANDS)
    .values(look_at=bindparam("next", type_=Timestamp()))
    .execution_options(preserve_rowcount=True)
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Schedule:
    """How far an order's slices are planned."""

    order_id: str
    start_at: datetime | None = None
    #: waves planned so far
    wave: int = 0
    #: the number of the next slice
    next_slice: int = 0
    #: the first place of the grid that nothing was planned for
    next_slot: int = 0
    looked_at: datetime | None = None
    #: when the next wave is planned; None: when something ends at the venue
    look_at: datetime | None = None
    is_over: bool = False
    notes: Mapping[str, Any] = field(default_factory=dict)


def insert_schedule(conn: Connection, schedule: Schedule) -> None:
    conn.execute(_INSERT, {"order_id": schedule.order_id, "wave": schedule.wave, **_values(schedule)})


def get_schedule(conn: Connection, order_id: str) -> Schedule:
    """Raises NoResultFound for an order without one."""
    row = conn.execute(_BY_ORDER, {"order_id": order_id}).mappings().one()
    return Schedule(**row)


def move_schedule(conn: Connection, schedule: Schedule, *, follows: int) -> None:
    """Write a plan that follows wave ``follows``. Raises Stale when another one has planned since."""
    parameters = {"the_order": schedule.order_id, "expected_wave": follows, "wave": schedule.wave, **_values(schedule)}
    if conn.execute(_MOVE, parameters).rowcount != 1:
        raise Stale(f"another wave of order {schedule.order_id} has been planned since wave {follows}")


def look_at(conn: Connection, order_id: str, at: datetime) -> bool:
    """Say when the next wave is planned; False for a schedule that is over."""
    return conn.execute(_POSTPONE, {"the_order": order_id, "at": at}).rowcount == 1


def close_schedule(conn: Connection, order_id: str) -> None:
    """Its order has ended, in whatever way: nothing is planned any more."""
    conn.execute(_CLOSE, {"the_order": order_id})


def reopen_schedule(conn: Connection, order_id: str, slot: int) -> None:
    """A slice was dropped when everything was planned: the place ``slot`` of the grid is to be planned once more."""
    conn.execute(_REOPEN, {"the_order": order_id, "slot": slot})


def standing_schedules(conn: Connection, before: datetime, limit: int) -> Sequence[str]:
    """Orders whose next wave should have been planned at ``before``."""
    return list(conn.execute(_STANDING, {"slack": before, "limit": limit}).scalars())


def take_schedule(conn: Connection, order_id: str, before: datetime, next_at: datetime) -> bool:
    """Say that a standing schedule is planned at ``next_at``; False when another process was faster."""
    return conn.execute(_TAKE, {"the_order": order_id, "slack": before, "next": next_at}).rowcount == 1


def _values(schedule: Schedule) -> dict[str, Any]:
    return {
        "start_at": schedule.start_at,
        "next_slice": schedule.next_slice,
        "next_slot": schedule.next_slot,
        "looked_at": schedule.looked_at,
        "look_at": schedule.look_at,
        "is_over": schedule.is_over,
        "notes": dict(schedule.notes),
    }
