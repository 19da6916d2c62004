"""What a venue shows of its market: candles, public trades, the order book. Made by gateways, read by planners."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from typing import overload

from models.vocabulary import Side


@dataclass(frozen=True, slots=True, kw_only=True)
class Candle:
    """What traded in one span of time. Whether a span without trades has a candle is the venue's choice."""

    #: the span begins here, in UTC; how long it is, whoever asked for it knows
    open_at: datetime
    #: prices in quote per base
    open: Decimal
    high: Decimal
    low: Decimal
    close: Decimal
    #: base that changed hands
    volume: Decimal


@dataclass(frozen=True, slots=True, kw_only=True)
class PublicTrade:
    """One trade of anybody's. Some venues show what one order took at one price as one trade."""

    #: the venue's, unique in its symbol
    id: str
    #: quote per base
    price: Decimal
    #: base
    quantity: Decimal
    at: datetime
    #: the side that met a resting order; None where the venue does not say
    taker: Side | None


@dataclass(frozen=True, slots=True, kw_only=True)
class PublicTrades(Sequence[PublicTrade]):
    """Public trades, oldest first, each once, and how far back they are complete."""

    trades: tuple[PublicTrade, ...]
    #: what was asked for: none of them is older
    since: datetime
    #: from here on none is missing; later than ``since`` where the venue shows fewer than were asked for
    complete_from: datetime

    @property
    def is_complete(self) -> bool:
        return self.complete_from <= self.since

    def __len__(self) -> int:
        return len(self.trades)

    @overload
    def __getitem__(self, index: int) -> PublicTrade: ...

    @overload
    def __getitem__(self, index: slice) -> tuple[PublicTrade, ...]: ...

    def __getitem__(self, index: int | slice) -> PublicTrade | tuple[PublicTrade, ...]:
        return self.trades[index]


#: (price, quantity) of one side of a book, best price first; quote per base, and base
BookSide = tuple[tuple[Decimal, Decimal], ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class OrderBook:
    """The best levels of a book. A side without orders is empty."""

    symbol: str
    bids: BookSide
    asks: BookSide
    #: when the venue says it stood so; the venue's clock at the request where it does not say
    at: datetime
