"""Quantities as whole lots and back, exactly."""

from decimal import Decimal

from algorithms.parent import Rules
from models.money import EXACT, multiply


def in_lots(quantity: Decimal, rules: Rules) -> int:
    """Whole lots in a quantity that is not below 0; what is less than a lot is left out."""
    return int(EXACT.divide_int(quantity, rules.lot))


def of_lots(lots: int, rules: Rules) -> Decimal:
    return multiply(Decimal(lots), rules.lot)
