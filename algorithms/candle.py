"""What traded in one stretch of time, as venues tell it."""

from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal


@dataclass(frozen=True, slots=True, kw_only=True)
class Candle:
    opened_at: datetime
    #: last price of the stretch, in quote per base
    close: Decimal
    #: base
    volume: Decimal
