"""When a schedule is planned next: on its row, with a hint for the time."""

from datetime import datetime, timedelta

from sqlalchemy import Connection

from storage.outbox import Kind, enqueue
from storage.schedules import Schedule, get_schedule, look_at
from tasks.queues import VENUE

#: How long a wave that was sent on has before its message counts as lost again, in milliseconds.
PLAN_EVERY_MS = 10_000


#: A slice whose message is lost is sent on this long after its time, at the earliest.
SLICE_PATIENCE = timedelta(seconds=1)


def plan_soon(conn: Connection, order_id: str, now: datetime) -> None:
    """Something ended or was dropped: what is left is planned anew at once. Nothing happens once the schedule is over."""
    schedule = get_schedule(conn, order_id)
    if schedule.is_over:
        return
    if schedule.look_at is None or schedule.look_at > now:  # else it is announced already
        plan_at(conn, schedule, now, now)


def plan_at(conn: Connection, schedule: Schedule, at: datetime, now: datetime) -> None:
    look_at(conn, schedule.order_id, at)
    announce(conn, schedule.order_id, schedule.wave, at, now)


def announce(conn: Connection, order_id: str, wave: int, at: datetime, now: datetime) -> None:
    """A hint for the time; `rescue` reads the row when it is lost. ``wave``: the one that the next one follows."""
    enqueue(conn, Kind.TASK, "orders.plan", VENUE, {"order_id": order_id, "wave": wave}, now=now, due_at=at)
