"""Keeps one venue account's stream up, and knows how it is."""

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from contextlib import suppress
from datetime import datetime, timedelta
from typing import Protocol

import structlog

from exchanges.streams.backoff import reconnect_delay_s
from exchanges.streams.source import OrderNews, Sink, StreamBroken, StreamSource
from exchanges.streams.status import StreamState, StreamStatus
from models.market_data import OrderBook
from models.reports import Trade

log = structlog.get_logger()

#: A connection that stood so long begins anew with the shortest wait.
STEADY_S = 60.0


class Hearer(Sink, Protocol):
    """A sink that is told of gaps too."""

    def gap(self, why: str) -> None:
        """Events may be missing from here back to the last one."""
        ...


class Keeper:
    """The sink of one connection after another. On one event loop; ``status`` may be read from any thread."""

    def __init__(
        self,
        place: tuple[str, str],
        make: Callable[[], StreamSource],
        hearer: Hearer,
        *,
        now: Callable[[], datetime],
        chance: Callable[[], float],
        sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
    ) -> None:
        self.place = place
        self._make = make
        self._hearer = hearer
        self._now = now
        self._chance = chance
        self._sleep = sleep
        self._state, self._since = StreamState.CONNECTING, now()
        self._heard_at: datetime | None = None
        self._messages = self._reconnects = self._gaps = 0
        self._lag_ms: int | None = None
        self._error: str | None = None
        self._was_live = False

    async def keep(self) -> None:
        """Until cancelled: connect, listen, and after a break come back with growing waits."""
        failures = 0
        while True:
            self._move(StreamState.CONNECTING)
            source = self._make()
            try:
                await source.run(self)
            except StreamBroken as error:
                failures = 1 if self._stood_long() else failures + 1
                self._break(str(error))
            finally:
                with suppress(Exception):
                    await source.close()
            await self._sleep(reconnect_delay_s(failures, self._chance()))

    def lost(self, why: str) -> None:
        """Events were told and could not be kept."""
        self._gaps += 1
        self._hearer.gap(why)

    def status(self, *, fills: int = 0) -> StreamStatus:
        return StreamStatus(
            state=self._state,
            since=self._since,
            heard_at=self._heard_at,
            messages=self._messages,
            reconnects=self._reconnects,
            gaps=self._gaps,
            fills=fills,
            lag_ms=self._lag_ms,
            error=self._error,
        )

    # ----------------------------------------------------------------------------------------------- as a sink

    def live(self) -> None:
        if self._was_live:
            self._reconnects += 1
        self._was_live = True
        self._move(StreamState.LIVE)
        self._error = None
        log.info("a stream is up", venue=self.place[0], account=self.place[1])
        self._hearer.live()

    def heard(self) -> None:
        self._messages += 1
        self._heard_at = self._now()

    def trades(self, trades: Sequence[Trade]) -> None:
        lag = self._now() - max(trade.traded_at for trade in trades)
        self._lag_ms = max(0, lag // timedelta(milliseconds=1))
        self._hearer.trades(trades)

    def orders(self, news: Sequence[OrderNews]) -> None:
        self._hearer.orders(news)

    def book(self, book: OrderBook) -> None:
        self._hearer.book(book)

    # --------------------------------------------------------------------------------------------------- inside

    def _break(self, why: str) -> None:
        was_live = self._state is StreamState.LIVE
        self._error = why
        self._move(StreamState.DOWN)
        log.warning("a stream broke; polling goes on", venue=self.place[0], account=self.place[1], error=why)
        if was_live:
            self.lost(why)

    def _stood_long(self) -> bool:
        return self._state is StreamState.LIVE and self._now() - self._since >= timedelta(seconds=STEADY_S)

    def _move(self, state: StreamState) -> None:
        if state is StreamState.CONNECTING and self._state is StreamState.DOWN:
            return  # "down" until it is live again, so that one can see since when
        if state is StreamState.DOWN and self._state is StreamState.DOWN:
            return
        self._state, self._since = state, self._now()
