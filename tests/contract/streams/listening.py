"""A sink that keeps what it is told, and a connection that is kept open while a test looks."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager, suppress

from exchanges.streams.source import OrderNews, StreamBroken, StreamSource
from models.market_data import OrderBook
from models.reports import Trade

#: a net under hangs, in seconds
SOON_S = 60.0


class Ear:
    def __init__(self) -> None:
        self.is_live = False
        self.messages = 0
        self.told: list[Trade] = []
        self.news: list[OrderNews] = []
        self.books: list[OrderBook] = []

    def live(self) -> None:
        self.is_live = True

    def heard(self) -> None:
        self.messages += 1

    def trades(self, trades: Sequence[Trade]) -> None:
        self.told += trades

    def orders(self, news: Sequence[OrderNews]) -> None:
        self.news += news

    def book(self, book: OrderBook) -> None:
        self.books.append(book)


class Listening:
    def __init__(self, ear: Ear, running: asyncio.Task[None]) -> None:
        self.ear = ear
        self._running = running

    async def until(self, true: Callable[[], object]) -> None:
        """Wait; raises what ended the connection, if that comes first."""
        async with asyncio.timeout(SOON_S):
            while not true():
                if self._running.done():
                    self._running.result()
                await asyncio.sleep(0.01)

    async def broken(self) -> str:
        """Wait until the connection breaks; why."""
        async with asyncio.timeout(SOON_S):
            try:
                await self._running
            except StreamBroken as error:
                return str(error)
        raise AssertionError("a connection ended without a word")


@asynccontextmanager
async def listening(source: StreamSource, *, live: bool = True) -> AsyncIterator[Listening]:
    ear = Ear()
    running = asyncio.create_task(source.run(ear))
    found = Listening(ear, running)
    try:
        if live:
            await found.until(lambda: ear.is_live)
        yield found
    finally:
        running.cancel()
        with suppress(asyncio.CancelledError, StreamBroken):
            await running
        await source.close()
