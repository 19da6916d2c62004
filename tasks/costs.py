"""Costs: what the market did while an order worked is read from its venue and kept, once the order has ended."""

import threading
from collections.abc import Iterator, Sequence
from datetime import datetime, timedelta
from itertools import groupby
from uuid import uuid4

import structlog

from accounting.costs_market import market_of_candles
from exchanges.evidence import Evidence, VenueError
from models.market_data import Candle
from storage.cost_markets import PendingMarket, capture, markets_due, note_ended_orders, put_off, venues_due
from storage.engine import read, write
from storage.leases import end, give_back, take
from storage.venue_states import closed_until
from tasks.app import app
from tasks.heartbeat import heartbeat_of
from tasks.outcomes import MovedOn
from tasks.queues import VENUE
from tasks.reads import note_failed_read
from tasks.runtime import Runtime
from tasks.step import step

log = structlog.get_logger()

#: orders noted in one transaction, and transactions of one look: a backlog is worked off over several looks
BATCH = 200
MOST_BATCHES = 50

#: intervals that one look at a venue fills; with many orders in a symbol they take few requests
INTERVALS_A_LOOK = 1_000
#: requests that one look at a venue makes, so that it holds no worker that orders wait for
REQUESTS_A_LOOK = 10
#: candles that intervals of one symbol are put together for: what most venues show on one page
CANDLES_A_REQUEST = 500

#: A hint that is not taken up within this time is given again, and one behind a busy venue has younger ones behind it.
HINT_MS = 60_000
HINT_EXPIRES_S = 60

FIRST_WAIT = timedelta(minutes=1)
LONGEST_WAIT = timedelta(hours=6)
#: asked so often in vain, over almost two days, the venue is not asked again
MOST_ATTEMPTS = 16


def measure(runtime: Runtime) -> str:
    """Note the orders that have ended, and have each venue asked for what is due. No venue is waited for here."""
    noted = 0
    for _ in range(MOST_BATCHES):
        with write(runtime.engine) as conn:
            fresh = note_ended_orders(conn, runtime.now(), BATCH)
        noted += fresh
        if fresh < BATCH:
            break
    with read(runtime.engine) as conn:
        venues = venues_due(conn, runtime.now())
    for venue in venues:
        with write(runtime.engine) as conn:
            hint = take(conn, _hint(venue), owner=f"{runtime.owner}:{uuid4()}", lease_ms=HINT_MS)
        if hint is not None:
            app.send_task(
                "venues.measure",
                kwargs={"venue": venue},
                queue=VENUE,
                expires=HINT_EXPIRES_S,
                ignore_result=True,
                retry=False,
            )
    return f"{noted} orders have ended, {len(venues)} venues are asked"


def measure_venue(runtime: Runtime, *, venue: str) -> str:
    """Fill in the intervals that are due at one venue, as many as a few requests show. One process at a time."""
    name = f"measure:{venue}"
    with write(runtime.engine) as conn:
        epoch = take(
            conn,
            name,
            owner=f"{runtime.owner}:{threading.get_ident()}",
            lease_ms=runtime.settings.execution.lease_ms,
        )
    if epoch is None:
        return MovedOn("somebody else is asking")
    try:
        with heartbeat_of(runtime).keeping_lease(name, epoch):
            return _ask(runtime, venue)
    finally:
        with write(runtime.engine) as conn:
            give_back(conn, name, epoch)
            end(conn, _hint(venue))


def _hint(venue: str) -> str:
    return f"hint:measure:{venue}"


def _ask(runtime: Runtime, venue: str) -> str:
    with read(runtime.engine) as conn:
        due = markets_due(conn, venue, runtime.now(), INTERVALS_A_LOOK)
    if not due:
        return "nothing is due"
    if venue not in runtime.settings.venues:
        _put_off(runtime, due, f"{venue} is not configured, so it can't be asked")
        return f"{venue} is not configured here"
    # The market is public: any account may ask.
    account = next(iter(runtime.settings.venues[venue].accounts))
    with read(runtime.engine) as conn:
        closed = closed_until(conn, venue, account)
    if closed is not None and closed > runtime.now():
        return f"{venue} wants to be left alone until {closed:%H:%M:%S}"
    filled = 0
    for number, together in enumerate(_together(due)):
        if number >= REQUESTS_A_LOOK:
            break
        first, until = together[0], max(one.span.end_at for one in together)
        try:
            candles = runtime.gateways.get(venue, account).candles(
                first.symbol, first.span.length, first.span.start_at, until
            )
        except VenueError as error:
            note_failed_read(runtime, venue, account, error)
            _put_off(runtime, together, error.message)
            if error.evidence is Evidence.RATE_LIMITED or error.outage:
                return f"{filled} intervals, then the venue could not be asked: {error.message}"
            log.warning("a market could not be measured", venue=venue, symbol=first.symbol, error=error.message)
        else:
            _keep(runtime, together, candles)
            filled += len(together)
    return f"{filled} of {len(due)} intervals"


def _together(due: Sequence[PendingMarket]) -> Iterator[list[PendingMarket]]:
    """Intervals that one request shows: of one symbol and one length of candle, close enough to each other."""

    def kind(one: PendingMarket) -> tuple[str, timedelta]:
        return one.symbol, one.span.length

    for (_, length), of_kind in groupby(sorted(due, key=lambda one: (*kind(one), one.span.start_at)), kind):
        together: list[PendingMarket] = []
        for one in of_kind:
            if together and one.span.end_at - together[0].span.start_at > CANDLES_A_REQUEST * length:
                yield together
                together = []
            together.append(one)
        yield together


def _keep(runtime: Runtime, together: Sequence[PendingMarket], candles: Sequence[Candle]) -> None:
    now = runtime.now()
    with write(runtime.engine) as conn:
        for one in sorted(together, key=lambda one: one.order_id):  # as whoever notes intervals locks them
            inside = [candle for candle in candles if one.span.start_at <= candle.open_at < one.span.end_at]
            problem = None if inside else "the venue shows no candles of the interval"
            capture(conn, one, market_of_candles(inside, one.span), inside, problem=problem, now=now)


def _put_off(runtime: Runtime, together: Sequence[PendingMarket], problem: str) -> None:
    now = runtime.now()
    with write(runtime.engine) as conn:
        for one in sorted(together, key=lambda one: one.order_id):
            put_off(conn, one, problem=problem, until=_next_time(one.attempts, now))


def _next_time(attempts: int, now: datetime) -> datetime | None:
    """Twice as late each time; None after the last."""
    if attempts + 1 >= MOST_ATTEMPTS:
        return None
    return now + min(FIRST_WAIT * (1 << attempts), LONGEST_WAIT)


measure_task = step("orders.measure")(measure)
measure_venue_task = step("venues.measure")(measure_venue)
