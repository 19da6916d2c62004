"""Looks at what rests at the venues: when one is due, and the hint that starts it."""

from uuid import uuid4

from risk.reservation import SECOND_US, UNITS
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


#: Beat has each symbol looked at so often, where the rate allows it; in seconds.
EVERY_S = 1.0

#: Plain requests that one look takes: open orders and trades, as Binance weighs them, and a page of one order.
LOOK_WEIGHT = 6.0
#: What looks may take of the ordinary lane: the rest is for orders and what is read for them.
SHARE_OF_RATE = 0.5


def hint_of(place: Watched) -> str:
    return f"hint:{place.venue}:{place.account}:{place.symbol}"


def is_due(runtime: Runtime, place: Watched, *, symbols: int = 1) -> bool:
    """Whether polling in its own rhythm looks at this place now: always, but for one whose stream is healthy, and where
    looks at so many symbols of its account would take more of the rate than their share.
    """
    venue = runtime.settings.venues.get(place.venue)
    if venue is None:
        return True
    pace_s = _pace_s(runtime, place, symbols)
    if pace_s > EVERY_S and not _is_first(runtime, f"pace:{_named(place)}", round(pace_s * 1000)):
        return False
    if not venue.streams or not venue.stream_poll_ms:
        return True
    with read(runtime.engine) as conn:
        until = healthy_until(conn, place.venue, place.account)
    if until is None or until <= runtime.now():
        return True
    return _is_first(runtime, f"slow:{_named(place)}", venue.stream_poll_ms)


def _is_first(runtime: Runtime, name: str, lease_ms: int) -> bool:
    """A lease that nobody gives back: one look in its time, whoever asks."""
    with write(runtime.engine) as conn:
        return take(conn, name, owner=f"{runtime.owner}:{uuid4()}", lease_ms=lease_ms) is not None


def _named(place: Watched) -> str:
    return f"{place.venue}:{place.account}:{place.symbol}"


def _pace_s(runtime: Runtime, place: Watched, symbols: int) -> float:
    """How far two looks at one symbol are apart, so that all of an account take at most their share of its rate."""
    plan = runtime.protection.plans.get((place.venue, place.account))
    if plan is None:
        return 0.0  # an account that is configured no more; its look says so
    a_second = plan.ordinary.limit / UNITS / (plan.window_us / SECOND_US)
    return symbols * LOOK_WEIGHT / (SHARE_OF_RATE * a_second)


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
