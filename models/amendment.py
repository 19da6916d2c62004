"""A change to an order's quantity or price, from the wish to what became of it."""

from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from enum import StrEnum

from models.order import Reason

#: the reason's code of a child that we ended since its order was amended: its rest goes on as the next attempt
AMENDED = "AMENDED"


class AmendmentStatus(StrEnum):
    PENDING = "PENDING"
    DONE = "DONE"
    REFUSED = "REFUSED"


@dataclass(frozen=True, slots=True, kw_only=True)
class Change:
    """What somebody asks for, in absolute values; None: stays as it is."""

    #: base: the new total, fills included
    quantity: Decimal | None
    #: quote per base
    price: Decimal | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Amendment:
    """One change on record. Decided once, and never edited after."""

    id: int
    order_id: str
    requested_at: datetime
    #: by which door it came in: http, celery
    source: str
    #: base: the new total, rounded down to the lot; None: unchanged
    quantity: Decimal | None
    #: quote per base, rounded in the customer's favour; None: unchanged
    price: Decimal | None
    #: as the order had them when it was asked for: what a refusal restores
    previous_quantity: Decimal
    previous_price: Decimal | None
    status: AmendmentStatus
    #: why it was refused
    reason: Reason | None
    decided_at: datetime | None

    @property
    def target_quantity(self) -> Decimal:
        return self.previous_quantity if self.quantity is None else self.quantity

    @property
    def target_price(self) -> Decimal | None:
        return self.previous_price if self.price is None else self.price

    @property
    def ended_for_it(self) -> Reason:
        """The reason of a child that was ended at the venue for this amendment, and for no other."""
        message = f"amendment {self.id} of the order: what was left goes on as the next attempt"
        return Reason(code=AMENDED, message=message)

    def asks_for(self, change: Change) -> bool:
        """Whether it is what ``change``, in the venue's steps, asks for: then asking again changes nothing."""
        return change.quantity in (None, self.target_quantity) and change.price in (None, self.target_price)
