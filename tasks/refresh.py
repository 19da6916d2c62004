"""Refresh: the venues' instruments are read again, so that limits, steps and fees stay true; their clocks are compared."""

from exchanges.evidence import VenueError
from storage.engine import write
from storage.outbox import Kind, enqueue
from tasks.clock_skew import check_clock
from tasks.queues import VENUE
from tasks.runtime import Runtime
from tasks.step import step


def refresh_all(runtime: Runtime) -> str:
    """One message per venue, so that one that hangs delays no other."""
    now = runtime.now()
    with write(runtime.engine) as conn:
        for venue in runtime.settings.venues:
            enqueue(conn, Kind.TASK, "venues.refresh", VENUE, {"venue": venue}, now=now, due_at=now)
    return f"{len(runtime.settings.venues)} venues"


def refresh(runtime: Runtime, *, venue: str) -> str:
    if venue not in runtime.settings.venues:
        return f"{venue} is not configured here"
    try:
        found = len(runtime.instruments.refresh(venue))
        return f"{found} instruments; {_compare_clocks(runtime, venue)}"
    except VenueError as error:
        return f"{venue} could not be asked: {error.message}"


def _compare_clocks(runtime: Runtime, venue: str) -> str:
    account = next(iter(runtime.settings.venues[venue].accounts))
    return check_clock(runtime, runtime.gateways.get(venue, account))


refresh_all_task = step("venues.refresh_all")(refresh_all)
refresh_task = step("venues.refresh")(refresh)
