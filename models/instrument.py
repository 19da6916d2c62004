"""What can be traded at a venue, and in which steps."""

from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal

from models.money import round_down_to, round_up_to
from models.vocabulary import Side


@dataclass(frozen=True, slots=True, kw_only=True)
class Instrument:
    venue: str
    #: ccxt's unified symbol, ``BTC/USDT``
    symbol: str
    base: str
    quote: str
    #: price step, in quote per base
    tick: Decimal
    #: quantity step, in base
    lot: Decimal
    min_quantity: Decimal = Decimal(0)
    #: None: the venue names no bound
    max_quantity: Decimal | None = None
    #: bound of a market order where the venue names one of its own
    max_market_quantity: Decimal | None = None
    min_price: Decimal | None = None
    max_price: Decimal | None = None
    #: quantity × price at least this, in quote
    min_notional: Decimal = Decimal(0)
    max_notional: Decimal | None = None
    #: fee rates as fractions (0.001 is ten basis points); negative is a rebate
    maker_fee: Decimal = Decimal(0)
    taker_fee: Decimal = Decimal(0)
    spot: bool = True
    #: the venue takes orders for it at present
    active: bool = True
    #: when the venue said so
    fetched_at: datetime

    def round_quantity(self, quantity: Decimal) -> Decimal:
        """Down to the lot: never more than was asked for."""
        return round_down_to(quantity, self.lot)

    def round_price(self, price: Decimal, side: Side) -> Decimal:
        """In the customer's favour: a buy never pays more, a sell never takes less than was asked."""
        return round_down_to(price, self.tick) if side is Side.BUY else round_up_to(price, self.tick)
