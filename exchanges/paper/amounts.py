"""Money inside the venue: whole numbers of 1e-8, as Binance counts. Exact, and untouched by any decimal context."""

import re
from decimal import Decimal

#: units in one whole: every price, quantity, amount and rate is an ``int`` of 1e-8 (names end in ``_e8``)
E8 = 10**8
#: digits after the point
SCALE = 8

_PLAIN = re.compile(r"([0-9]{1,20})(?:\.([0-9]{1,20}))?", re.ASCII)


def parse_e8(text: str) -> int:
    """``"1.5"`` is 150000000. Raises ValueError for what is no plain decimal or has more than eight digits."""
    match = _PLAIN.fullmatch(text)
    if match is None:
        raise ValueError(f"{text!r} is no plain decimal such as 1.5")
    whole, fraction = match[1], (match[2] or "").rstrip("0")
    if len(fraction) > SCALE:
        raise ValueError(f"{text!r} has more than {SCALE} digits after the point")
    return int(whole) * E8 + int(fraction.ljust(SCALE, "0"))


def text_e8(amount_e8: int) -> str:
    """Eight digits after the point, always: ``"1.50000000"``."""
    sign = "-" if amount_e8 < 0 else ""
    whole, fraction = divmod(abs(amount_e8), E8)
    return f"{sign}{whole}.{fraction:08d}"


def decimal_e8(amount_e8: int) -> Decimal:
    """The same number as a ``Decimal`` with eight digits, built from its digits, so no context can round it."""
    return Decimal(text_e8(amount_e8))


def product_e8(left_e8: int, right_e8: int) -> int:
    """The product, cut to 1e-8. Price times quantity is exact: an instrument's tick times its lot is a multiple of 1e-8."""
    return left_e8 * right_e8 // E8


def floor_to(amount: int, step: int) -> int:
    return amount - amount % step
