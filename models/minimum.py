"""The smallest order that a venue takes."""

from decimal import Decimal

from models.money import EXACT, MAX_FRACTION_DIGITS, add, multiply, round_up_to

#: stands for the lot of a venue that names none, in base: the smallest quantity that a request can hold
FINEST_LOT = EXACT.scaleb(Decimal(1), -MAX_FRACTION_DIGITS)


def smallest_quantity(lot: Decimal, min_quantity: Decimal, min_notional: Decimal, price: Decimal | None) -> Decimal:
    """In base, the smallest multiple of ``lot`` of at least ``min_quantity``, worth ``min_notional`` at ``price``.

    ``price``, in quote per base: None where none is known; then the notional is left out.
    """
    least = max(lot, round_up_to(min_quantity, lot))
    if price is None or price <= 0 or min_notional <= 0:
        return least
    enough = round_up_to(EXACT.divide(min_notional, price), lot)
    if multiply(enough, price) < min_notional:  # the quotient was rounded down to a multiple of the lot
        enough = add(enough, lot)
    return max(least, enough)
