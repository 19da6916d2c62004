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


def movement_legs(movement: Movement, *, available: Decimal, explained: Decimal = ZERO) -> MovementLegs:
    """The legs, in an order in which ``available`` never falls below zero.

    ``explained``, of the movement's sign and no larger: what our books took over as an unexplained rise or fall before
    the venue told of this movement. It is taken back, so that the same money is not booked twice.
    """
    asset, legs, short = movement.asset, list[Leg](), ZERO

    def move(to: AccountKind, source: AccountKind, amount: Decimal) -> None:
        if amount > 0:
            legs.append(Leg(debit=AccountRef(asset, to), credit=AccountRef(asset, source), amount=amount))

    def pay(to: AccountKind, amount: Decimal) -> None:
        nonlocal available, short
        part = min(amount, available)
        available = subtract(available, part)
        short = add(short, subtract(amount, part))
        move(to, _AVAILABLE, part)
        move(to, _SUSPENSE, subtract(amount, part))

    if movement.amount > 0:
        move(_AVAILABLE, _EXTERNAL, movement.amount)
        available = add(available, movement.amount)
        pay(_FEE, movement.fee)
        pay(_EXTERNAL, explained)
    else:
        given_back = explained.copy_abs()
        move(_AVAILABLE, _EXTERNAL, given_back)
        available = add(available, given_back)
        pay(_EXTERNAL, movement.amount.copy_abs())
        pay(_FEE, movement.fee)
    return MovementLegs(legs=tuple(legs), shortfall=Shortfall(asset=asset, amount=short) if short else None)


def returned_legs(movement: Movement) -> tuple[Leg, ...]:
    """What left and came back: the withdrawal failed after it was booked."""
    available = AccountRef(movement.asset, _AVAILABLE)
    legs = [Leg(debit=available, credit=AccountRef(movement.asset, _EXTERNAL), amount=movement.amount.copy_abs())]
    if movement.fee > 0:
        legs.append(Leg(debit=available, credit=AccountRef(movement.asset, _FEE), amount=movement.fee))
    return tuple(legs)
