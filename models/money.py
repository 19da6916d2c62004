"""Exact decimals: reading, rounding to a step with a named direction, and plain notation."""

import re
from decimal import ROUND_CEILING, ROUND_FLOOR, Context, Decimal, InvalidOperation

#: More digits than any venue uses; a bound keeps a hostile number from costing memory or time.
MAX_INTEGER_DIGITS = 20
MAX_FRACTION_DIGITS = 18
LONGEST_TEXT = MAX_INTEGER_DIGITS + 1 + MAX_FRACTION_DIGITS

#: ccxt changes the thread's decimal context, so every operation that could round names its own.
EXACT = Context(prec=80)

ZERO = Decimal(0)

_PLAIN = re.compile(r"[0-9]+(\.[0-9]+)?", re.ASCII)


class NotADecimal(ValueError):
    """The value is no positive plain decimal within the bounds; the message is the rule that it breaks."""


def parse_decimal(value: object) -> Decimal:
    """Read a decimal string such as ``"0.0015"``, or a JSON number that was parsed as ``Decimal`` or ``int``.

    Raises NotADecimal; binary floats are refused because their digits are not what the sender wrote.
    """
    if isinstance(value, bool) or not isinstance(value, (str, int, Decimal)):
        raise NotADecimal("must be a decimal string")
    if isinstance(value, str) and (len(value) > LONGEST_TEXT or not _PLAIN.fullmatch(value)):
        raise NotADecimal(
            f"must be a plain decimal string of at most {MAX_INTEGER_DIGITS} digits "
            f"before and {MAX_FRACTION_DIGITS} after the point"
        )
    try:
        number = Decimal(value)
    except (InvalidOperation, ValueError) as error:
        raise NotADecimal("must be a decimal string") from error
    if not number.is_finite() or number.is_signed():
        raise NotADecimal("must be a positive, finite number")
    if number.adjusted() >= MAX_INTEGER_DIGITS or fraction_digits(number) > MAX_FRACTION_DIGITS:
        raise NotADecimal(
            f"must have at most {MAX_INTEGER_DIGITS} digits before and {MAX_FRACTION_DIGITS} after the point"
        )
    return number


def fraction_digits(number: Decimal) -> int:
    """How many digits stand after the point, trailing zeros left out; bounded work for any exponent."""
    _, digits, exponent = number.as_tuple()
    if not number or not isinstance(exponent, int) or exponent >= 0:
        return 0
    trailing = 0
    for digit in reversed(digits):
        if digit or trailing == -exponent:
            break
        trailing += 1
    return -exponent - trailing


def plain(number: Decimal) -> str:
    """Plain notation, no exponent and no trailing zeros: ``Decimal("1.50E+2")`` is ``"150"``."""
    if number == 0:
        return "0"
    text = format(number, "f")
    return text.rstrip("0").rstrip(".") if "." in text else text


def plain_or_none(number: Decimal | None) -> str | None:
    return None if number is None else plain(number)


def round_down_to(number: Decimal, step: Decimal) -> Decimal:
    """The largest multiple of ``step`` that is not above ``number``."""
    return _multiple(number, step, ROUND_FLOOR)


def round_up_to(number: Decimal, step: Decimal) -> Decimal:
    """The smallest multiple of ``step`` that is not below ``number``."""
    return _multiple(number, step, ROUND_CEILING)


def _multiple(number: Decimal, step: Decimal, rounding: str) -> Decimal:
    if step <= 0:
        return number
    # Divide at a precision at which the quotient's integer part is exact, then round that to a whole number.
    quotient = EXACT.divide(number, step)
    return EXACT.multiply(quotient.to_integral_value(rounding=rounding, context=EXACT), step)


def add(left: Decimal, right: Decimal) -> Decimal:
    return EXACT.add(left, right)


def subtract(left: Decimal, right: Decimal) -> Decimal:
    return EXACT.subtract(left, right)


def multiply(left: Decimal, right: Decimal) -> Decimal:
    return EXACT.multiply(left, right)


def average(cost: Decimal, quantity: Decimal) -> Decimal | None:
    """Average price to 18 significant digits, or None when nothing was traded."""
    if quantity == 0:
        return None
    return Context(prec=18).divide(cost, quantity)
