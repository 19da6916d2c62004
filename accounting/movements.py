"""A deposit, withdrawal or transfer as legs. As with a fill, what the venue says happened is always booked."""

from __future__ import annotations

from dataclasses import dataclass
from decimal import Decimal

from accounting.fills import Shortfall
from accounting.legs import AccountKind, AccountRef, Leg
from models.money import ZERO, add, subtract
from models.movement import Movement

_AVAILABLE, _EXTERNAL, _FEE, _SUSPENSE = (
    AccountKind.AVAILABLE,
    AccountKind.EXTERNAL,
    AccountKind.FEE,
    AccountKind.SUSPENSE,
)

#: the accounts that a movement, whatever it is, may touch in its asset
MOVEMENT_KINDS = (_AVAILABLE, _EXTERNAL, _FEE, _SUSPENSE)


@dataclass(frozen=True, slots=True, kw_only=True)
class MovementLegs:
    legs: tuple[Leg, ...]
    #: None: the books covered it
    shortfall: Shortfall | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Explained:
    """What our books took over as a rise or fall before the venue told of the movement; in the movement's sign."""

    #: into or out of what is available
    adopted: Decimal = ZERO
    #: into or out of suspense, by a correction
    corrected: Decimal = ZERO

    @property
    def total(self) -> Decimal:
        return add(self.adopted, self.corrected)


def movement_legs(
    movement: Movement, *, available: Decimal, suspense: Decimal, explained: Explained | None = None
) -> MovementLegs:
    """The legs, in an order in which ``available`` never falls below zero.

    What was ``explained``, no larger than the movement, is taken back, so that the same money is not booked twice.
    """
    purse = _Purse(movement.asset, available, suspense)
    before = explained or Explained()
    if movement.amount > 0:
        purse.receive(movement.amount)
        purse.pay(_FEE, movement.fee)
        purse.take_back(before.corrected)
        purse.pay(_EXTERNAL, subtract(before.total, purse.taken_back))
    else:
        purse.give_back(before.corrected.copy_abs())
        purse.receive(before.adopted.copy_abs())
        purse.pay(_EXTERNAL, movement.amount.copy_abs())
        purse.pay(_FEE, movement.fee)
    short = Shortfall(asset=movement.asset, amount=purse.short) if purse.short else None
    return MovementLegs(legs=tuple(purse.legs), shortfall=short)


class _Purse:
    """What is left of an asset while one movement is taken apart into legs."""

    def __init__(self, asset: str, available: Decimal, suspense: Decimal) -> None:
        self._asset = asset
        self._available = available
        self._suspense = suspense
        self.legs: list[Leg] = []
        self.short = ZERO
        #: out of suspense
        self.taken_back = ZERO

    def receive(self, amount: Decimal) -> None:
        self._available = add(self._available, amount)
        self._move(_AVAILABLE, _EXTERNAL, amount)

    def pay(self, to: AccountKind, amount: Decimal) -> None:
        part = min(amount, self._available)
        self._available = subtract(self._available, part)
        self.short = add(self.short, subtract(amount, part))
        self._move(to, _AVAILABLE, part)
        self._move(to, _SUSPENSE, subtract(amount, part))

    def take_back(self, amount: Decimal) -> None:
        """Out of suspense, as far as a correction's rise still waits there."""
        self.taken_back = min(amount, max(ZERO, self._suspense))
        self._move(_EXTERNAL, _SUSPENSE, self.taken_back)

    def give_back(self, amount: Decimal) -> None:
        """To suspense as far as a correction's fall left a debt there, the rest to what is available."""
        debt = min(amount, max(ZERO, self._suspense.copy_negate()))
        self._move(_SUSPENSE, _EXTERNAL, debt)
        self.receive(subtract(amount, debt))

    def _move(self, to: AccountKind, source: AccountKind, amount: Decimal) -> None:
        if amount > 0:
            leg = Leg(debit=AccountRef(self._asset, to), credit=AccountRef(self._asset, source), amount=amount)
            self.legs.append(leg)


def returned_legs(movement: Movement) -> tuple[Leg, ...]:
    """What left and came back: the withdrawal failed after it was booked."""
    available = AccountRef(movement.asset, _AVAILABLE)
    legs = [Leg(debit=available, credit=AccountRef(movement.asset, _EXTERNAL), amount=movement.amount.copy_abs())]
    if movement.fee > 0:
        legs.append(Leg(debit=available, credit=AccountRef(movement.asset, _FEE), amount=movement.fee))
    return tuple(legs)
