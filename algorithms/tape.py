"""Trades of the past in memory: what a venue had shown by any time, and nothing of what came after it."""

from array import array
from bisect import bisect_left
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from itertools import accumulate

from models.clock import from_micros, micros
from models.money import EXACT

#: in ``Tape.takers``
SOLD, BOUGHT, NOT_SAID = 0, 1, 2


@dataclass(frozen=True, slots=True, kw_only=True)
class Tape:
    """At least one trade, oldest first. Whole numbers, since a million trades are compared and added up: 40 MB."""

    #: microseconds since the Unix epoch; never falls
    at: Sequence[int]
    #: quote per base, in units of 10^-digits
    prices: Sequence[int]
    #: base, in units of 10^-digits
    quantities: Sequence[int]
    digits: int
    #: for each trade which side took, SOLD, BOUGHT or NOT_SAID
    takers: bytes
    #: what had traded before each trade, and after the last one, in units of 10^-digits
    traded: Sequence[int]

    @classmethod
    def of(
        cls, at: Sequence[int], prices: Sequence[int], quantities: Sequence[int], *, digits: int, takers: bytes = b""
    ) -> "Tape":
        """``takers`` may be left out. Raises ValueError for no trade at all."""
        if not at:
            raise ValueError("a tape has at least one trade")
        takers = takers or bytes([NOT_SAID]) * len(at)
        if not len(at) == len(prices) == len(quantities) == len(takers):
            raise ValueError("a tape's columns are equally long")
        traded = _packed(lambda: accumulate(quantities, initial=0))
        return cls(at=at, prices=prices, quantities=quantities, digits=digits, takers=takers, traded=traded)

    @property
    def first_at(self) -> datetime:
        return from_micros(self.at[0])

    @property
    def last_at(self) -> datetime:
        return from_micros(self.at[-1])

    def seen(self, at: datetime) -> int:
        """How many trades there were before ``at``."""
        return bisect_left(self.at, micros(at))

    def last_price(self, at: datetime) -> Decimal | None:
        """Of the last trade before ``at``; None where there was none."""
        seen = self.seen(at)
        return self.decimal(self.prices[seen - 1]) if seen else None

    def volume(self, since: datetime, until: datetime) -> Decimal:
        """Base that traded from ``since`` on and before ``until``."""
        return self.decimal(self.traded[self.seen(until)] - self.traded[self.seen(since)])

    def decimal(self, units: int) -> Decimal:
        """A price, a quantity or a sum of them, exactly."""
        return EXACT.scaleb(Decimal(units), -self.digits)

    def units(self, value: Decimal) -> Decimal:
        """A price or a quantity in the units of the columns, exactly; finer than them it has digits after the point."""
        return EXACT.scaleb(value, self.digits)


def _packed(numbers: Callable[[], Iterable[int]]) -> Sequence[int]:
    """As 8 bytes each where all of them fit."""
    try:
        return array("q", numbers())
    except OverflowError:
        return list(numbers())
