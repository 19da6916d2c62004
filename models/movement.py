"""Deposits, withdrawals and transfers as a venue tells of them."""

from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from enum import StrEnum

from models.money import ZERO


class MovementKind(StrEnum):
    DEPOSIT = "deposit"
    WITHDRAWAL = "withdrawal"
    #: between this account and another of the same customer at the venue
    TRANSFER = "transfer"


class MovementStatus(StrEnum):
    PENDING = "pending"
    DONE = "done"
    #: refused, canceled, returned: what had left is there again
    FAILED = "failed"


@dataclass(frozen=True, slots=True, kw_only=True)
class Movement:
    """What came into an account or left it, other than by a trade."""

    #: the venue's, unique among its movements of one kind and account
    venue_id: str
    kind: MovementKind
    asset: str
    #: above zero: it came in; below zero: it left, the fee not counted
    amount: Decimal
    #: what the venue took in addition, in the same asset; never negative
    fee: Decimal = ZERO
    status: MovementStatus
    #: when it began, on the venue's clock
    begun_at: datetime
    #: when it was credited; None where the venue does not say
    settled_at: datetime | None = None

    def __post_init__(self) -> None:
        if self.amount == 0 or self.fee < 0:
            raise ValueError(
                f"{self.venue_id}: a movement has an amount and no negative fee, got {self.amount}, {self.fee}"
            )

    @property
    def counts(self) -> bool:
        """Whether the venue's balance shows it: what leaves is gone at once, what comes in is there when it is done."""
        if self.kind is MovementKind.WITHDRAWAL:
            return self.status is not MovementStatus.FAILED
        return self.status is MovementStatus.DONE

    def is_before(self, opened_at: datetime) -> bool:
        """Whether balances that were read at ``opened_at`` held it already, as far as the venue tells.

        Of what came in, the moment of the credit decides; where it is not told, the beginning does.
        """
        moment = self.begun_at if self.amount < 0 else (self.settled_at or self.begun_at)
        return moment < opened_at
