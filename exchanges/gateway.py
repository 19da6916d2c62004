"""The protocol that every venue is spoken to by. One instance per process and venue account."""

from collections.abc import Sequence
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Protocol

from exchanges.capabilities import Capabilities
from exchanges.config import DEFAULT_RECV_WINDOW_MS
from models.instrument import Instrument
from models.market_data import Candle, OrderBook, PublicTrades
from models.money import ZERO
from models.movement import Movement
from models.reports import NewOrder, OrderReport, Quote, Trade, VenueBalance
from models.vocabulary import OrderType, Side


class NotRounded(AssertionError):
    """Quantity or price is no multiple of the venue's step: a defect of whoever sends. Nothing was sent."""


class Gateway(Protocol):
    """Every method makes one request or a few, under a deadline of ours, and raises only VenueError.

    Calls are safe from several threads at once.
    """

    @property
    def venue(self) -> str: ...

    @property
    def account(self) -> str: ...

    @property
    def capabilities(self) -> Capabilities: ...

    def client_id(self, common_id: str) -> str:
        """The client id as this venue takes it: what is stored before the send. Shaping twice changes nothing."""
        ...

    def instruments(self) -> Sequence[Instrument]:
        """Every spot instrument, as the venue describes it now."""
        ...

    def time(self) -> datetime:
        """The venue's clock, read now: what it said, which is never later than it is."""
        ...

    def estimated_time(self) -> datetime:
        """The venue's clock by the offset measured last; asks the venue only when that is old or missing."""
        ...

    def quote(self, symbol: str) -> Quote: ...

    def candles(self, symbol: str, interval: timedelta, since: datetime, until: datetime) -> Sequence[Candle]:
        """The ended candles that open at ``since`` or later and end by ``until``, oldest first, all pages.

        Gaps are as the venue has them: some leave out a span in which nothing traded, and some keep only the newest.
        Raises VenueError(REJECTED) for an interval that the venue does not have, or for too many at once.
        """
        ...

    def public_trades(self, symbol: str, since: datetime) -> PublicTrades:
        """Everybody's trades from ``since`` on, oldest first, each once; ``complete_from`` tells how far back none is missing.

        Raises VenueError(REJECTED) where there are more than one look reads.
        """
        ...

    def order_book(self, symbol: str, levels: int) -> OrderBook:
        """The best ``levels`` of each side; fewer where fewer stand, or where the venue shows no more."""
        ...

    def balances(self) -> Sequence[VenueBalance]: ...

    def movements(self, since: datetime) -> Sequence[Movement]:
        """Deposits, withdrawals and transfers that began at ``since`` or later, oldest first, all pages.

        Empty where ``capabilities.tells_movements`` is false: the venue's lists are not known, or there are none.
        """
        ...

    def create_order(self, order: NewOrder) -> OrderReport:
        """Send it once. A reply without an order id raises VenueError(AMBIGUOUS).

        With a ``display_quantity`` it is the venue's own iceberg; VenueError(REJECTED) where the venue has none.
        Raises NotRounded, and sends nothing, where quantity or price is no multiple of the venue's step.
        """
        ...

    def fetch_order(self, symbol: str, venue_order_id: str) -> OrderReport:
        """Raises VenueError(NOT_FOUND) when the venue does not know it."""
        ...

    def find_order(self, symbol: str, client_order_id: str, since: datetime) -> OrderReport | None:
        """Look everywhere the venue allows: by client id, open orders, closed orders, trades since ``since``.

        None means that every one of these looks worked and none showed a trace; whether that proves
        absence is the caller's to judge, by the venue's clock. A look that fails raises.
        """
        ...

    def open_orders(self, symbol: str) -> Sequence[OrderReport]: ...

    def all_open_orders(self) -> Sequence[OrderReport]:
        """Those of every spot symbol, whoever placed them. Ask only where ``capabilities.lists_all_open`` is true.

        The symbol is as the venue writes it where nobody knows its market any more.
        """
        ...

    def order_trades(self, symbol: str, venue_order_id: str, since: datetime) -> Sequence[Trade]:
        """Every trade of one order; ``since`` bounds the search where the venue can't filter by order."""
        ...

    def trades_since(self, symbol: str, since: datetime) -> Sequence[Trade]:
        """Every trade of the account in one symbol from ``since`` on, oldest first, all pages."""
        ...

    def cancel_order(self, symbol: str, venue_order_id: str) -> None:
        """Ask for the cancel. Raises VenueError(NOT_FOUND) when there is nothing open to cancel."""
        ...

    def amend_order(
        self,
        symbol: str,
        venue_order_id: str,
        *,
        side: Side,
        type: OrderType,  # noqa: A002 - the order's own word
        quantity: Decimal,
        price: Decimal,
        filled_quantity: Decimal = ZERO,
        post_only: bool = False,
        timestamp: datetime | None = None,
        window_ms: int = DEFAULT_RECV_WINDOW_MS,
    ) -> OrderReport | None:
        """Give a resting limit order another quantity (the new total, fills included) and price, in its place.

        Both are absolute, so asking twice is harmless; ``timestamp`` and ``window_ms`` bound how late a copy may still
        take effect, as a create's do. ``filled_quantity`` counts only where the venue means the remaining quantity.
        Returns the order as it stands, or None where the venue only acknowledged and did not show it: read it then.

        Raises NotAmendable, and sends nothing, where the venue would cancel and replace, or where nobody says what its
        quantity means: cancel, read the final filled quantity, send the rest. Otherwise VenueError as from a create:
        REJECTED and NOT_FOUND leave the order as it was or as it ended, AMBIGUOUS is amended or not. A quantity not
        above what has filled is a cancel at some venues: never ask for it. Raises NotRounded as ``create_order`` does.
        """
        ...

    def close(self) -> None: ...
