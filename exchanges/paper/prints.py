"""The public record of one symbol: its last trades, and candles of a second and a minute. Bounded, and in memory only."""

from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass

from exchanges.paper.amounts import product_e8

#: trades kept per symbol: an hour or two of the walk, and what an answer holds is less
MAX_PRINTS = 20_000
SECOND_MS, MINUTE_MS = 1000, 60_000
#: candles kept: two days of minutes; what is older is made up by ``history``
MAX_MINUTES = 2880
MAX_SECONDS = 1000


@dataclass(frozen=True, slots=True)
class Print:
    """One public trade."""

    id: int
    at_ms: int
    price_e8: int
    quantity_e8: int
    taker_buys: bool


@dataclass(slots=True)
class Candle:
    """Open, high, low, close and volumes of a span of time."""

    opens_ms: int
    open_e8: int
    high_e8: int
    low_e8: int
    close_e8: int
    volume_e8: int = 0
    quote_e8: int = 0
    trades: int = 0
    bought_e8: int = 0
    bought_quote_e8: int = 0

    def join(self, later: "Candle") -> None:
        """Extend by a candle that follows."""
        self.high_e8 = max(self.high_e8, later.high_e8)
        self.low_e8 = min(self.low_e8, later.low_e8)
        self.close_e8 = later.close_e8
        self.volume_e8 += later.volume_e8
        self.quote_e8 += later.quote_e8
        self.trades += later.trades
        self.bought_e8 += later.bought_e8
        self.bought_quote_e8 += later.bought_quote_e8


class Prints:
    """Public trades are numbered on their own, background trades included; customers' trade ids are another count."""

    def __init__(self) -> None:
        self.trades: deque[Print] = deque(maxlen=MAX_PRINTS)
        self.minutes: deque[Candle] = deque(maxlen=MAX_MINUTES)
        self.seconds: deque[Candle] = deque(maxlen=MAX_SECONDS)
        self._count = 0

    def since(self, *, first_id: int = 0, first_ms: int = 0) -> Sequence[Print]:
        """Those from an id and a time on, oldest first; looks at no others."""
        found: deque[Print] = deque()
        for print_ in reversed(self.trades):
            if print_.id < first_id or print_.at_ms < first_ms:
                break
            found.appendleft(print_)
        return tuple(found)

    @property
    def last_e8(self) -> int | None:
        return self.trades[-1].price_e8 if self.trades else None

    def add(self, at_ms: int, price_e8: int, quantity_e8: int, *, taker_buys: bool) -> None:
        self._count += 1
        self.trades.append(Print(self._count, at_ms, price_e8, quantity_e8, taker_buys))
        value_e8 = product_e8(price_e8, quantity_e8)
        bought_e8, bought_quote_e8 = (quantity_e8, value_e8) if taker_buys else (0, 0)
        for candles, span_ms in ((self.seconds, SECOND_MS), (self.minutes, MINUTE_MS)):
            opens_ms = at_ms - at_ms % span_ms
            prices = (price_e8, price_e8, price_e8, price_e8)
            candle = Candle(opens_ms, *prices, quantity_e8, value_e8, 1, bought_e8, bought_quote_e8)
            if candles and candles[-1].opens_ms >= opens_ms:
                candles[-1].join(candle)
            else:
                candles.append(candle)
