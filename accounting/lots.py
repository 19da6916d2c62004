"""Lots: what was bought (or sold short) at one time and is not closed yet, taken away oldest first."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from decimal import ROUND_DOWN, Context, Decimal

from models.money import ZERO, add, subtract

#: Shares of a cost are cut to this step of the cost asset: the finest that a request or a venue can name.
FINEST = Decimal("1e-18")

#: digits enough for the exact product of any two stored numbers, so that a share is cut once and not twice
_WIDE = Context(prec=200)


@dataclass(frozen=True, slots=True, kw_only=True)
class Lot:
    #: of the change that opened it; later lots have higher ones
    number: int
    #: base, never below zero; zero: used up, and the next one is the first with a higher number
    quantity: Decimal
    #: in the cost asset: what was paid for it, or received for one that was sold short
    cost: Decimal
    #: in the cost asset: the fees paid to open it; below zero is a rebate
    fees: Decimal


@dataclass(frozen=True, slots=True, kw_only=True)
class Taken:
    cost: Decimal
    fees: Decimal
    #: the oldest lot after that; one of zero quantity where it was just used up
    head: Lot


#: the lots with a higher number, oldest first; asked only where the oldest is not enough
LotsAfter = Callable[[int], Iterator[Lot]]

NO_LOT = Lot(number=0, quantity=ZERO, cost=ZERO, fees=ZERO)


def share_towards_zero(amount: Decimal, part: Decimal, whole: Decimal) -> Decimal:
    """``amount`` × ``part`` / ``whole``, cut to FINEST towards zero; all of it where part and whole are equal.

    What is cut off stays with the rest, so shares and rest always add up to the amount exactly.
    """
    if part == whole:
        return amount
    exact = _WIDE.divide(_WIDE.multiply(amount, part), whole)
    return exact.quantize(FINEST, rounding=ROUND_DOWN, context=_WIDE)


def take_oldest(head: Lot, lots_after: LotsAfter, quantity: Decimal) -> Taken:
    """Take ``quantity`` (base) away, oldest first. Raises LookupError where the lots hold less: the books are wrong."""
    cost, fees, left = ZERO, ZERO, quantity
    later = None
    while left > 0:
        if head.quantity == 0:
            later = lots_after(head.number) if later is None else later
            following = next(later, None)
            if following is None:
                raise LookupError(f"{left} are to be taken from lots that are used up")
            head = following
        part = min(left, head.quantity)
        part_cost = share_towards_zero(head.cost, part, head.quantity)
        part_fees = share_towards_zero(head.fees, part, head.quantity)
        cost, fees, left = add(cost, part_cost), add(fees, part_fees), subtract(left, part)
        head = Lot(
            number=head.number,
            quantity=subtract(head.quantity, part),
            cost=subtract(head.cost, part_cost),
            fees=subtract(head.fees, part_fees),
        )
    return Taken(cost=cost, fees=fees, head=head)
