"""Looks at what rests at the venues: when one is due, and the hint that starts it."""

from uuid import uuid4

from storage.attention import Watched
from storage.engine import read, write
from storage.leases import take
from storage.streams import healthy_until
from tasks.app import app
from tasks.queues import VENUE
from tasks.runtime import Runtime

#: A hint that is not taken up within this time is given again.
HINT_MS = 3_000

#: Behind a venue that hangs hints would pile up; one this old has many younger ones behind it.
HINT_EXPIRES_S = 30


def hint_of(place: Watched) -> str:
    return f"hint:{place.venue}:{place.account}:{place.symbol}"


def is_due(runtime: Runtime, place: Watched) -> bool:
    """Whether polling in its own rhythm looks at this place now: always, but for one whose stream is healthy."""
    venue = runtime.settings.venues.get(place.venue)
    if venue is None or not venue.streams or not venue.stream_poll_ms:
        return True
    with read(runtime.engine) as conn:
        until = healthy_until(conn, place.venue, place.account)
    if until is None or until <= runtime.now():
        return True
    with write(runtime.engine) as conn:
        # A lease that nobody gives back: one look in its time, whoever asks.
        name = f"slow:{place.venue}:{place.account}:{place.symbol}"
        return take(conn, name, owner=f"{runtime.owner}:{uuid4()}", lease_ms=venue.stream_poll_ms) is not None


def look_now(runtime: Runtime, place: Watched) -> bool:
    """Have this place looked at; False where a look is under way, which may have begun before what one wants to see."""
    with write(runtime.engine) as conn:
        # One hint at a time: behind a venue that hangs they would pile up.
        hint = take(conn, hint_of(place), owner=f"{runtime.owner}:{uuid4()}", lease_ms=HINT_MS)
    if hint is None:
        return False
    kwargs = {"venue": place.venue, "account": place.account, "symbol": place.symbol}
    app.send_task("orders.track", kwargs=kwargs, queue=VENUE, expires=HINT_EXPIRES_S, ignore_result=True, retry=False)
    return True
