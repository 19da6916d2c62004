"""The protocol of one connection to a venue account's streams, and what is heard on it."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

from models.market_data import OrderBook
from models.reports import OrderReport, Trade


class StreamBroken(Exception):
    """The connection is of no use any more, or never was. What happened since the last event is not known."""


@dataclass(frozen=True, slots=True, kw_only=True)
class OrderNews:
    """Something happened to an order: a reason to look at it, and no more than that."""

    symbol: str
    venue_order_id: str
    #: what the venue says it is; None where that can't be read
    report: OrderReport | None


class Sink(Protocol):
    """Who hears of it. Waits for nothing; called on the loop's thread."""

    def live(self) -> None:
        """Everything is subscribed. What happened before is for polling to find."""
        ...

    def heard(self) -> None:
        """A message came, whatever it says; pings and their answers are none."""
        ...

    def trades(self, trades: Sequence[Trade]) -> None: ...

    def orders(self, news: Sequence[OrderNews]) -> None: ...

    def book(self, book: OrderBook) -> None: ...


class StreamSource(Protocol):
    """One connection, used once."""

    async def run(self, sink: Sink) -> None:
        """Connect, subscribe and tell the sink until it breaks. Raises StreamBroken, whose text holds no secret; never returns."""
        ...

    async def close(self) -> None:
        """Let go of everything; also after ``run`` has ended."""
        ...
