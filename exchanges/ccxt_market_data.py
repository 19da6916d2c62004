"""A venue's candles and order books through ccxt. Its public trades are in ``ccxt_public_trades``."""

from collections.abc import Mapping
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any

from exchanges.ccxt_call import Caller, Unreadable
from exchanges.ccxt_parse import number, required
from exchanges.ccxt_session import Exchange
from exchanges.evidence import Evidence, VenueError
from exchanges.market_shown import market_shown
from models.clock import from_milliseconds, milliseconds
from models.market_data import BookSide, Candle, OrderBook

#: requests of one look at candles; more would hold a worker, and spend the venue's patience, for too long
MAX_PAGES = 100
#: longer candles begin at different days at different venues
LONGEST_INTERVAL = timedelta(days=1)


class MarketData:
    def __init__(self, caller: Caller) -> None:
        self._caller = caller
        self._shown = market_shown(caller.config.ccxt_id)

    def candles(self, symbol: str, interval: timedelta, since: datetime, until: datetime) -> list[Candle]:
        span_ms = interval // timedelta(milliseconds=1)
        timeframe = self._timeframe(interval)
        # The clock is read first, so that no candle that still grows passes for ended.
        now_ms = self._caller.time_ms()
        first_ms = -(-milliseconds(since) // span_ms) * span_ms
        end_ms = min(milliseconds(until), now_ms) // span_ms * span_ms
        if self._shown.candles_kept is not None:
            first_ms = max(first_ms, (now_ms // span_ms - self._shown.candles_kept) * span_ms)
        page_ms = self._shown.candles_a_page * span_ms
        pages = range(first_ms, end_ms, page_ms)
        if len(pages) > MAX_PAGES:
            raise VenueError(
                Evidence.REJECTED,
                f"{len(pages) * self._shown.candles_a_page} candles of {self._caller.config.name} were asked for at "
                f"once, and at most {MAX_PAGES * self._shown.candles_a_page} are read: ask for longer candles or a "
                "shorter time; nothing was sent",
                code="TOO_MANY_CANDLES",
            )
        found: dict[datetime, Candle] = {}
        for begin_ms in pages:
            for candle in self._page(symbol, timeframe, begin_ms, min(begin_ms + page_ms, end_ms), span_ms):
                found[candle.open_at] = candle
        return [found[open_at] for open_at in sorted(found)]

    def order_book(self, symbol: str, levels: int) -> OrderBook:
        if levels < 1:
            raise ValueError(f"levels must be 1 or more, not {levels}")

        def read(exchange: Exchange) -> OrderBook:
            at = from_milliseconds(self._caller.clock.now_ms())
            book = exchange.fetch_order_book(symbol, self._levels(levels))
            return order_book(book, symbol, at, levels)

        places = (self._shown.book_at,) if self._shown.book_at is not None else ()
        return self._caller.call(read, signed=False, lists=places)

    def _page(self, symbol: str, timeframe: str, begin_ms: int, end_ms: int, span_ms: int) -> list[Candle]:
        """Those that open from ``begin_ms`` on and end by ``end_ms``."""
        params = {"until": end_ms - 1} if self._shown.candles_until else {}
        limit = (end_ms - begin_ms) // span_ms

        def read(exchange: Exchange) -> list[Candle]:
            rows = exchange.fetch_ohlcv(symbol, timeframe, begin_ms, limit, params)
            return [candle(row) for row in rows if begin_ms <= opened_ms(row) <= end_ms - span_ms]

        return self._caller.call(read, signed=False, lists=self._shown.lists)

    def _timeframe(self, interval: timedelta) -> str:
        """The class's word for the interval. Raises VenueError(REJECTED) for one that the venue does not have."""

        def read(exchange: Exchange) -> dict[timedelta, str]:
            if exchange.has.get("fetchOHLCV") is not True:
                return {}
            words = {timedelta(seconds=exchange.parse_timeframe(word)): word for word in exchange.timeframes or {}}
            return {length: word for length, word in words.items() if length <= LONGEST_INTERVAL}

        words = self._caller.call(read, signed=False)
        if interval not in words:
            has = ", ".join(words[length] for length in sorted(words)) or "none"
            raise VenueError(
                Evidence.REJECTED,
                f"{self._caller.config.name} shows no candles of {interval}: it has {has}; nothing was sent",
                code="NO_SUCH_INTERVAL",
            )
        return words[interval]

    def _levels(self, wanted: int) -> int:
        """How many to ask for: the fewest allowed that are enough, else the most."""
        allowed = self._shown.book_levels
        if len(allowed) == 1:
            return min(wanted, allowed[0])
        return next((levels for levels in allowed if levels >= wanted), allowed[-1])


def opened_ms(row: list[Any]) -> int:
    if not row or not isinstance(row[0], int):
        raise Unreadable("it shows a candle without its time")
    return row[0]


def candle(row: list[Any]) -> Candle:
    """From ccxt's row: milliseconds, open, high, low, close, volume."""
    opening, high, low, close = (
        required(value, f"{name} of a candle")
        for name, value in zip(("open", "high", "low", "close"), row[1:5], strict=True)
    )
    return Candle(
        open_at=from_milliseconds(opened_ms(row)),
        open=opening,
        high=high,
        low=low,
        close=close,
        volume=required(row[5] if len(row) > 5 else None, "volume of a candle"),
    )


def order_book(book: Mapping[str, Any], symbol: str, at: datetime, levels: int) -> OrderBook:
    """``at`` where the venue does not say when it stood so."""
    said = book.get("timestamp")
    return OrderBook(
        symbol=symbol,
        bids=_side(book.get("bids"), levels),
        asks=_side(book.get("asks"), levels),
        at=from_milliseconds(said) if isinstance(said, int) and said > 0 else at,
    )


def _side(found: object, levels: int) -> BookSide:
    if not isinstance(found, list):
        raise Unreadable("it shows no order book")
    pairs = [_level(entry) for entry in found]
    return tuple((price, quantity) for price, quantity in pairs if quantity)[:levels]


def _level(entry: list[Any]) -> tuple[Decimal, Decimal]:
    price, quantity = required(entry[0], "price in its book"), number(entry[1], "quantity in its book")
    if price <= 0 or quantity is None or quantity < 0:
        raise Unreadable("it shows a level without its price or quantity")
    return price, quantity
