"""The process that streams: a connection for each venue account that wants one, and a thread for what it hears."""

import asyncio
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress

import structlog

from exchanges.config import VenueConfig
from exchanges.registry import OtherMode
from exchanges.streams.ccxt_source import CcxtSource, Markets
from exchanges.streams.keeper import Keeper
from exchanges.streams.source import OrderNews, StreamSource
from models.market_data import OrderBook
from models.reports import Quote, Trade
from tasks.runtime import Runtime
from tasks.stream_worker import Place, Pushed, StreamWorker

log = structlog.get_logger()

#: how often it is looked which accounts are this process's to stream
LOOK_S = 0.5
#: what the thread gets to end the event that it is at
WORKER_ENDS_S = 5.0

Make = Callable[[VenueConfig, Sequence[str], Markets], StreamSource]


def from_ccxt(config: VenueConfig, books: Sequence[str], markets: Markets) -> StreamSource:
    return CcxtSource(config, books=books, markets=markets)


class Ear:
    """What one account's keeper tells goes on to the worker; a queue that is full is a gap."""

    def __init__(self, runtime: Runtime, worker: StreamWorker, place: Place) -> None:
        self._worker = worker
        self._place = place
        self._shown = runtime.gateways.shown()[place]
        self.keeper: Keeper | None = None

    def live(self) -> None:
        self._worker.look_at_all(self._place)

    def heard(self) -> None:
        """Counted by the keeper."""

    def gap(self, why: str) -> None:
        log.info("events may be missing; the account is polled at once", place=self._place, why=why)
        self._worker.look_at_all(self._place)

    def trades(self, trades: Sequence[Trade]) -> None:
        self._push(Pushed(place=self._place, trades=tuple(trades)))

    def orders(self, news: Sequence[OrderNews]) -> None:
        self._push(Pushed(place=self._place, news=tuple(news)))

    def book(self, book: OrderBook) -> None:
        """To look at, with the age since it came; nothing that decides reads it."""
        asked_at = self._shown.asking()
        self._shown.note(book, asked_at)
        best = [side[0][0] if side else None for side in (book.bids, book.asks)]
        self._shown.note(Quote(symbol=book.symbol, bid=best[0], ask=best[1], at=book.at), asked_at)

    def _push(self, pushed: Pushed) -> None:
        if not self._worker.push(pushed) and self.keeper is not None:
            self.keeper.lost("more events came than could be worked on")


class Streaming:
    """``run`` until ``stop`` is set. Accounts that another process streams are left to it until it is gone."""

    def __init__(self, runtime: Runtime, worker: StreamWorker, *, make: Make = from_ccxt) -> None:
        self._runtime = runtime
        self._worker = worker
        self._make = make
        self._configs = {
            (config.name, config.account): config
            for config in runtime.venue_configs()
            if runtime.settings.venues[config.name].streams
        }
        self._markets: Mapping[str, Markets] = {name: {} for name, _ in self._configs}
        self._keeping: dict[Place, asyncio.Task[None]] = {}
        worker.places = sorted(self._configs)

    async def run(self, stop: asyncio.Event) -> None:
        asyncio.get_running_loop().set_exception_handler(_unhandled)
        self._worker.start()
        try:
            while not stop.is_set():
                await self._follow()
                with suppress(TimeoutError):
                    await asyncio.wait_for(stop.wait(), LOOK_S)
        finally:
            await self._end(list(self._keeping))
            self._worker.stop()
            await asyncio.to_thread(self._worker.join, WORKER_ENDS_S)
            with suppress(Exception):  # a database that is away finds out by itself, in a few seconds
                await asyncio.to_thread(self._worker.say_goodbye)

    async def _follow(self) -> None:
        """Keep the streams that are this process's, and no others."""
        ours = self._worker.ours
        await self._end([place for place in self._keeping if place not in ours])
        for place in sorted(ours - self._keeping.keys()):
            if await self._may(place):
                self._begin(place)

    async def _may(self, place: Place) -> bool:
        try:
            await asyncio.to_thread(self._runtime.admit, self._configs[place])
        except OtherMode as error:
            log.warning("an account is not streamed", place=place, why=str(error))
            return False
        return True

    def _begin(self, place: Place) -> None:
        config = self._configs[place]
        books = self._runtime.settings.venues[config.name].stream_books if place == self._first_of(config.name) else ()
        ear = Ear(self._runtime, self._worker, place)
        keeper = Keeper(
            place,
            lambda: self._make(config, books, self._markets[config.name]),
            ear,
            now=self._runtime.now,
            chance=self._runtime.chance,
        )
        ear.keeper = keeper
        self._worker.keepers = {**self._worker.keepers, place: keeper}
        self._keeping[place] = asyncio.create_task(keeper.keep(), name=f"stream {place}")

    def _first_of(self, venue: str) -> Place:
        """One account's connection is enough for what everybody may see."""
        return min(place for place in self._configs if place[0] == venue)

    async def _end(self, places: Sequence[Place]) -> None:
        ending = [self._keeping.pop(place) for place in places]
        for task in ending:
            task.cancel()
        await asyncio.gather(*ending, return_exceptions=True)


def _unhandled(_: asyncio.AbstractEventLoop, context: dict[str, object]) -> None:
    """By its name only: what the library's own tasks raise may hold the address of a stream, and that a key."""
    log.warning("a task of a stream's library failed", error=type(context.get("exception")).__name__)
