"""What a failed read at a venue leaves behind: its trouble on record, and the gate closed if it asked for that."""

from datetime import timedelta

from exchanges.evidence import Evidence, VenueError
from exchanges.protection.refused import NotAdmitted
from storage.engine import write
from storage.venue_states import note_trouble
from tasks.runtime import Runtime

#: how long a venue is left alone that limits without saying for how long
DEFAULT_RETRY_AFTER_S = 2.0


def note_failed_read(runtime: Runtime, venue: str, account: str, error: VenueError) -> None:
    if isinstance(error, NotAdmitted):
        return  # we held it back: no trouble of the venue's
    now = runtime.now()
    closed = None
    if error.evidence is Evidence.RATE_LIMITED:
        closed = now + timedelta(seconds=error.retry_after_s or DEFAULT_RETRY_AFTER_S)
    with write(runtime.engine) as conn:
        note_trouble(conn, venue, account, message=error.message, now=now, closed=closed)
