"""A correction as legs: what the books lack or have too much, against the world outside, by way of suspense."""

from decimal import Decimal

from accounting.legs import AccountKind, AccountRef, Leg
from models.money import ZERO, add, subtract


def correction_legs(
    asset: str, amount: Decimal, *, available: Decimal, suspense: Decimal, explained: bool
) -> tuple[Leg, ...]:
    """Legs that change what we own of ``asset`` by ``amount``, which is not zero.

    What is too little in our books comes into suspense, and on to available only where a person has ``explained`` it.
    What is too much is taken from suspense as far as something waits there, then from available, which must never
    promise what the venue does not have, and the rest leaves suspense below zero: holds of orders are not touched.
    """
    outside, waiting, ours = (
        AccountRef(asset, kind) for kind in (AccountKind.EXTERNAL, AccountKind.SUSPENSE, AccountKind.AVAILABLE)
    )
    if amount > 0:
        legs = [Leg(debit=waiting, credit=outside, amount=amount)]
        # A debt in suspense is paid first.
        free = amount if suspense >= 0 else max(ZERO, add(amount, suspense))
        if explained and free > 0:
            legs.append(Leg(debit=ours, credit=waiting, amount=free))
        return tuple(legs)
    size = amount.copy_abs()
    from_available = min(max(ZERO, subtract(size, max(ZERO, suspense))), available)
    moved = [Leg(debit=waiting, credit=ours, amount=from_available)] if from_available > 0 else []
    return (*moved, Leg(debit=outside, credit=waiting, amount=size))
