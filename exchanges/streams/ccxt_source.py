"""A venue account's streams by ccxt's streaming classes."""

import asyncio
import re
from collections.abc import Awaitable, Callable, Coroutine, Mapping, Sequence
from contextlib import suppress
from datetime import UTC, datetime
from typing import Any

from exchanges.config import VenueConfig
from exchanges.market_weight import lighten
from exchanges.redact import redact
from exchanges.streams.ccxt_streaming import CACHE_LIMIT, Exchange, learn_time, make_streaming
from exchanges.streams.parse import pushed_book, pushed_orders, pushed_trades
from exchanges.streams.source import Sink, StreamBroken

#: A stream that stood so long after its last connection came up without a word against it counts as subscribed: few
#: venues' classes hand the answer to a subscription on.
SETTLE_S = 1.0
#: all that connecting, logging in and subscribing may take
CONNECT_S = 30.0
#: levels of each side that are shown of a book
BOOK_LEVELS = 50
#: how long letting go of a connection may take
CLOSE_S = 5.0

#: how long a book that could not be followed is left alone
BOOK_RETRY_S = 2.0
#: listen keys and tokens: shorter than what is cut from other texts, since no order's id stands in these
_KEY_LIKE = re.compile(r"[A-Za-z0-9+/_=-]{24,}")

#: the markets of a venue, kept from one connection to the next
Markets = dict[str, Any]


class CcxtSource:
    """See ``StreamSource``. One instance of ccxt's class, thrown away with the connection: a broken one keeps odd states."""

    def __init__(self, config: VenueConfig, *, books: Sequence[str] = (), markets: Markets | None = None) -> None:
        """``books``: symbols whose order books are watched too. ``markets`` is filled by the first, and spares the next the request."""
        self._config = config
        self._books = tuple(books)
        self._markets = markets if markets is not None else {}
        self._exchange: Exchange | None = None
        self._sink: Sink | None = None

    async def run(self, sink: Sink) -> None:
        self._sink = sink
        watching: list[asyncio.Task[None]] = []
        try:
            async with asyncio.timeout(CONNECT_S):
                exchange = await self._ready()
                watching = [asyncio.create_task(watch) for watch in self._watches(exchange, sink)]
                await self._subscribed(exchange, watching)
            sink.live()
            await _first_to_end(watching)
        except (StreamBroken, asyncio.CancelledError):
            raise
        except TimeoutError:
            raise StreamBroken(f"the venue's streams did not come up within {CONNECT_S:.0f} s") from None
        except Exception as error:  # noqa: BLE001 - whatever ccxt or aiohttp raises
            raise StreamBroken(self._told(error)) from None
        finally:
            for task in watching:
                task.cancel()
            await asyncio.gather(*watching, return_exceptions=True)

    async def close(self) -> None:
        exchange, self._exchange = self._exchange, None
        if exchange is not None:
            exchange.timeout_on_exit = 0
            with suppress(Exception):
                async with asyncio.timeout(CLOSE_S):
                    await exchange.close()

    async def _ready(self) -> Exchange:
        exchange = self._exchange = make_streaming(self._config, self._heard)
        if self._markets:
            exchange.set_markets(self._markets["markets"], self._markets["currencies"])
        else:
            await exchange.load_markets()
            lighten(exchange.markets.values())
            self._markets.update(markets=exchange.markets, currencies=exchange.currencies)
        await learn_time(exchange, self._config)
        return exchange

    def _heard(self) -> None:
        if self._sink is not None:
            self._sink.heard()

    def _watches(self, exchange: Exchange, sink: Sink) -> list[Coroutine[Any, Any, None]]:
        can: Mapping[str, Any] = exchange.has
        watches: list[Coroutine[Any, Any, None]] = []
        if can.get("watchMyTrades"):
            watches.append(_watch(exchange.watch_my_trades, lambda found: _tell_trades(sink, found)))
        if can.get("watchOrders"):
            watches.append(_watch(exchange.watch_orders, lambda found: sink.orders(pushed_orders(_all_of(found)))))
        if not watches:
            raise StreamBroken(
                f"ccxt's {self._config.ccxt_id} streams neither orders nor trades: remove streams = true"
            )
        if can.get("watchOrderBook"):
            watches += [_watch_book(exchange, symbol, sink) for symbol in self._books]
        return watches

    async def _subscribed(self, exchange: Exchange, watching: Sequence["asyncio.Task[None]"]) -> None:
        """Until every connection stands and has for a while; raises what ended one of the watches."""
        steady_since: float | None = None
        loop = asyncio.get_running_loop()
        while steady_since is None or loop.time() - steady_since < SETTLE_S:
            clients = list((exchange.clients or {}).values())
            up = bool(clients) and all(client.isConnected or not client.connecting for client in clients)
            up = up and any(client.isConnected for client in clients)
            steady_since = (steady_since or loop.time()) if up else None
            done, _ = await asyncio.wait(watching, timeout=SETTLE_S / 10, return_when=asyncio.FIRST_COMPLETED)
            for task in done:
                task.result()

    def _told(self, error: BaseException) -> str:
        """One line without a secret. The keys that a venue gives for a stream are known by their length alone."""
        while isinstance(error, KeyError) and error.__context__ is not None:
            error = error.__context__  # the library stumbled over itself when it was refused
        return f"{type(error).__name__}: {_KEY_LIKE.sub('***', redact(str(error), self._config.secrets()))}"


async def _first_to_end(watching: Sequence["asyncio.Task[None]"]) -> None:
    done, _ = await asyncio.wait(watching, return_when=asyncio.FIRST_COMPLETED)
    for task in done:
        task.result()
    raise StreamBroken("a stream ended")


async def _watch(ask: Callable[[], Awaitable[Any]], tell: Callable[[Sequence[Mapping[str, Any]]], None]) -> None:
    while True:
        tell(await ask())


async def _watch_book(exchange: Exchange, symbol: str, sink: Sink) -> None:
    """A book that can't be followed is begun anew by itself: what is only looked at ends no connection."""
    while True:
        try:
            sink.book(pushed_book(await exchange.watch_order_book(symbol), symbol, BOOK_LEVELS, datetime.now(UTC)))
        except Exception:  # noqa: BLE001 - whatever ccxt raises: a lost order of changes, a checksum, a connection
            await asyncio.sleep(BOOK_RETRY_S)


def _tell_trades(sink: Sink, found: Sequence[Mapping[str, Any]]) -> None:
    trades, unread = pushed_trades(_all_of(found))
    if trades:
        sink.trades(trades)
    if unread:
        sink.orders(unread)


def _all_of(found: Sequence[Mapping[str, Any]]) -> Sequence[Mapping[str, Any]]:
    """Raises StreamBroken where as many came at once as the class keeps: there may have been more."""
    if len(found) >= CACHE_LIMIT:
        raise StreamBroken(f"{len(found)} events came at once, and more may be lost")
    return found
