"""Exact decimals as the database keeps them: bounds, the canonical text of SQLite, and its functions."""

from __future__ import annotations

import re
import sqlite3
import time
from collections.abc import Callable
from decimal import Decimal
from functools import lru_cache

from models.money import EXACT, fraction_digits, plain

#: digits of a stored number. A product of two wire decimals has up to 40 before and 36 after the point; sums of
#: many stay within EXACT's 80 digits with room for carries.
MAX_STORED_INTEGER_DIGITS = 38
MAX_STORED_FRACTION_DIGITS = 40

_CANONICAL = re.compile(
    rf"-?(0|[1-9][0-9]{{0,{MAX_STORED_INTEGER_DIGITS - 1}}})(\.[0-9]{{0,{MAX_STORED_FRACTION_DIGITS - 1}}}[1-9])?",
    re.ASCII,
)


class NotExact(ValueError):
    """The value is no finite Decimal within the digits that the database keeps."""


def checked(value: object) -> Decimal:
    """The number if it may be stored. Raises NotExact for floats, NaN, infinities and too many digits."""
    if isinstance(value, bool) or not isinstance(value, (Decimal, int)):
        raise NotExact(f"an exact decimal must be a Decimal, got a {type(value).__name__}")
    number = Decimal(value)
    if not number.is_finite():
        raise NotExact(f"{number} is no finite number")
    if number and number.adjusted() >= MAX_STORED_INTEGER_DIGITS:
        raise NotExact(f"a stored number has at most {MAX_STORED_INTEGER_DIGITS} digits before the point")
    if fraction_digits(number) > MAX_STORED_FRACTION_DIGITS:
        raise NotExact(f"a stored number has at most {MAX_STORED_FRACTION_DIGITS} digits after the point")
    return number


def is_canonical(text: object) -> bool:
    return isinstance(text, str) and _CANONICAL.fullmatch(text) is not None and text != "-0"


@lru_cache(maxsize=1_024)  # the same few amounts are added up and compared again and again
def _number(text: object) -> Decimal:
    if not is_canonical(text):
        raise NotExact("not a canonical decimal text")
    return Decimal(text)  # type: ignore[arg-type]  # is_canonical has seen that it is text


def _add(left: object, right: object) -> str:
    return plain(checked(EXACT.add(_number(left), _number(right))))


def _sub(left: object, right: object) -> str:
    return plain(checked(EXACT.subtract(_number(left), _number(right))))


def _cmp(left: object, right: object) -> int:
    return int(EXACT.compare(_number(left), _number(right)))


def _ok(text: object) -> int:
    return int(is_canonical(text))


class _Sum:
    def __init__(self) -> None:
        self.total = Decimal(0)

    def step(self, text: object) -> None:
        if text is not None:
            self.total = EXACT.add(self.total, _number(text))

    def finalize(self) -> str:
        return plain(self.total)


def _nulls(function: Callable[[object, object], str | int]) -> Callable[[object, object], str | int | None]:
    """As SQL has it: NULL in, NULL out."""

    def wrapped(left: object, right: object) -> str | int | None:
        return None if left is None or right is None else function(left, right)

    return wrapped


def register(connection: sqlite3.Connection) -> None:
    """Give a SQLite connection the functions that triggers and statements use."""
    for name, function in (("exact_add", _add), ("exact_sub", _sub), ("exact_cmp", _cmp)):
        connection.create_function(name, 2, _nulls(function), deterministic=True)
    connection.create_function("exact_ok", 1, _ok, deterministic=True)
    connection.create_aggregate("exact_sum", 1, _Sum)  # type: ignore[arg-type]  # finalize returns text
    connection.create_function("now_micros", 0, lambda: time.time_ns() // 1000)
