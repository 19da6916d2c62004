"""An order of a dry run: what a simulated venue account knows of it, beside the real market."""

from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal

from models.money import ZERO
from models.reports import VenueStatus
from models.vocabulary import OrderType, Side


@dataclass(frozen=True, slots=True, kw_only=True)
class DryRunOrder:
    #: unique in its venue account, as the client id is
    id: str
    client_order_id: str
    symbol: str
    base: str
    quote: str
    side: Side
    type: OrderType
    #: base
    quantity: Decimal
    #: quote per base; None for market orders
    price: Decimal | None
    status: VenueStatus
    filled_quantity: Decimal = ZERO
    #: quote, fees apart
    filled_cost: Decimal = ZERO
    #: quantity step, in base: fills are multiples of it
    lot: Decimal
    #: fee rates as fractions, as they were when it was placed
    maker_fee: Decimal
    taker_fee: Decimal
    #: the asset of the fee: ``received``, ``quote`` or ``base``
    fee_in: str
    #: base that stood in the book at its price or better when it was last looked at: only what is added fills it
    crossed: Decimal = ZERO
    #: public trades up to here, on the venue's clock, have been counted
    seen_until: datetime
    created_at: datetime

    @property
    def is_open(self) -> bool:
        return self.status is VenueStatus.OPEN
