"""What a venue says, as values: order reports, trades, balances, quotes. Made by gateways, read by everyone."""

from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from enum import StrEnum

from models.money import EXACT, add
from models.vocabulary import Liquidity, OrderType, Side, TimeInForce


class VenueStatus(StrEnum):
    """What the venue says of an order, in five words."""

    OPEN = "open"
    FILLED = "filled"
    CANCELED = "canceled"
    EXPIRED = "expired"
    REJECTED = "rejected"


@dataclass(frozen=True, slots=True, kw_only=True)
class NewOrder:
    """One send: everything a gateway needs to create an order, already rounded to the venue's steps."""

    symbol: str
    side: Side
    type: OrderType
    quantity: Decimal
    #: None for market orders
    price: Decimal | None
    time_in_force: TimeInForce
    post_only: bool
    client_order_id: str
    #: the intent's time on the venue's clock: signed, so that the venue refuses a late copy
    timestamp: datetime
    #: how long after ``timestamp`` the venue may accept it, in milliseconds
    window_ms: int
    #: base that the book may show of it at a time, where the venue has icebergs; None: all of it
    display_quantity: Decimal | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Trade:
    """One fill as the venue tells it."""

    venue_trade_id: str
    venue_order_id: str
    symbol: str
    side: Side
    quantity: Decimal
    price: Decimal
    #: quote that changed hands as the venue states it; None: quantity × price
    cost: Decimal | None = None
    #: may be negative (a rebate)
    fee: Decimal
    #: None only when the fee is zero
    fee_asset: str | None
    liquidity: Liquidity | None
    traded_at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class OrderReport:
    """The state of one order at the venue at one time."""

    symbol: str
    #: never empty: a reply without an id is an ambiguous failure, not a report
    venue_order_id: str
    #: None where the venue does not echo it
    client_order_id: str | None
    status: VenueStatus
    quantity: Decimal | None
    filled_quantity: Decimal
    #: quote spent or received so far, fees apart; None where the venue does not say
    filled_cost: Decimal | None
    price: Decimal | None
    #: the trades that came with the report; may be fewer than ``filled_quantity`` tells
    trades: tuple[Trade, ...] = ()
    #: the venue's own words for a rejection or an end
    message: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class VenueBalance:
    asset: str
    free: Decimal
    #: locked by open orders, ours and others'
    used: Decimal

    @property
    def total(self) -> Decimal:
        return add(self.free, self.used)


@dataclass(frozen=True, slots=True, kw_only=True)
class Quote:
    """The best prices of one instrument; None on an empty side of the book."""

    symbol: str
    bid: Decimal | None
    ask: Decimal | None
    at: datetime

    @property
    def mid(self) -> Decimal | None:
        if self.bid is None or self.ask is None:
            return self.bid if self.ask is None else self.ask
        return EXACT.divide(add(self.bid, self.ask), Decimal(2))
