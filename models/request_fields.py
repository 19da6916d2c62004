"""Reading the fields of one JSON object: every rule that is broken is kept, none stops the others."""

import re
from collections.abc import Collection, Mapping
from datetime import datetime
from decimal import Decimal
from difflib import get_close_matches
from enum import StrEnum
from typing import Final, Self, TypeVar

from models.clock import parse_time
from models.errors import FieldError, InvalidRequest, shown
from models.exact_json import UnreadableNumber, json_shown
from models.money import (
    EXACT,
    MAX_FRACTION_DIGITS,
    MAX_INTEGER_DIGITS,
    ZERO,
    NotADecimal,
    fraction_digits,
    parse_decimal,
    plain,
    round_down_to,
)

#: unknown fields that are named; a hostile object may have a hundred thousand
MAX_UNKNOWN_NAMED = 20

#: a longer name has no neighbour worth the search
_LONGEST_NAME_COMPARED = 64

_DIGITS = f"must have at most {MAX_INTEGER_DIGITS} digits before and {MAX_FRACTION_DIGITS} after the point"

_MISSING: Final = object()

Word = TypeVar("Word", bound=StrEnum)


def nearest(word: str, words: Collection[str]) -> str | None:
    """The one of ``words`` that ``word`` was probably meant to be, whatever its case."""
    if len(word) > _LONGEST_NAME_COMPARED:
        return None
    by_folded = {known.casefold(): known for known in words}
    found = get_close_matches(word.casefold(), by_folded, n=1, cutoff=0.6)
    return by_folded[found[0]] if found else None


def alternatives(words: Collection[str]) -> str:
    """``buy or sell``; ``GTC, IOC or FOK``."""
    *first, last = words
    return f"{', '.join(first)} or {last}" if first else last


class Fields:
    """The fields of one object. A reader returns a placeholder for a field that breaks its rule; ``finish`` raises.

    JSON's null is what it is in the order document: the absence of an optional value.
    """

    def __init__(self, data: Mapping[str, object], known: Collection[str]) -> None:
        self._data = data
        self._known = known
        self._path = ""
        self.errors: list[FieldError] = []
        self._refuse_unknown()

    def part(self, name: str, data: Mapping[str, object], known: Collection[str]) -> Self:
        """The fields of an object within this one: their errors are kept here, under ``name.field``."""
        part = object.__new__(type(self))
        part._data, part._known = data, known
        part._path = f"{self._path}{name}."
        part.errors = self.errors
        part._refuse_unknown()
        return part

    def given(self, name: str) -> bool:
        return self._data.get(name) is not None

    def broken(self, name: str) -> bool:
        return any(error.field == self._path + name for error in self.errors)

    def knows(self, name: str) -> bool:
        return name in self._known

    def value(self, name: str) -> object:
        return self._data.get(name)

    def refuse(self, name: str, rule: str, value: object = _MISSING, *, instead: str | None = None) -> None:
        """Keep an error; ``value`` defaults to what the field holds, None to nothing being shown."""
        if value is _MISSING:
            value = self._data.get(name)
        self.errors.append(
            FieldError(
                field=self._path + name if name else self._path.rstrip("."),
                rule=rule,
                value=None if value is None else json_shown(value),
                nearest=instead,
            )
        )

    def text(self, name: str, pattern: re.Pattern[str], rule: str, *, default: str | None = None) -> str:
        """A string that ``pattern`` matches whole; without ``default`` it is required."""
        value = self._present(name, required=default is None)
        if value is _MISSING:
            return default or ""
        if not isinstance(value, str) or not pattern.fullmatch(value):
            self.refuse(name, rule)
            return ""
        return value

    def word(self, name: str, words: type[Word], *, default: Word | None = None) -> Word:
        placeholder = default or next(iter(words))
        value = self._present(name, required=default is None)
        if value is _MISSING:
            return placeholder
        if isinstance(value, str) and value in list(words):
            return words(value)
        instead = nearest(value, list(words)) if isinstance(value, str) else None
        self.refuse(name, f"must be {alternatives(list(words))}", instead=instead)
        return placeholder

    def positive(self, name: str, *, instead_of_zero: str | None = None) -> Decimal:
        number = self.positive_or_none(name, instead_of_zero=instead_of_zero)
        if number is None:
            self._present(name, required=True)
            return ZERO
        return number

    def positive_or_none(self, name: str, *, instead_of_zero: str | None = None) -> Decimal | None:
        value = self._data.get(name)
        if value is None:
            return None
        number = self._decimal(name, value)
        if number is None:
            return ZERO
        if number == 0:
            self.refuse(name, "must be greater than 0", instead=instead_of_zero)
        return number

    def between(
        self, name: str, least: Decimal, most: Decimal, *, digits: int = MAX_FRACTION_DIGITS, default: Decimal | None
    ) -> Decimal:
        """A decimal within two bounds, both allowed, of at most ``digits`` after the point; required without default."""
        value = self._present(name, required=default is None)
        if value is _MISSING:
            return least if default is None else default
        number = self._decimal(name, value)
        if number is None:
            return least
        rule = f"must be from {plain(least)} to {plain(most)}"
        if not least <= number <= most:
            self.refuse(name, rule, instead=plain(min(max(number, least), most)))
            return least
        if fraction_digits(number) > digits:
            wording = f"must have at most {digits} digits after the point" if digits else "must be a whole number"
            fits = min(max(round_down_to(number, EXACT.scaleb(Decimal(1), -digits)), least), most)
            self.refuse(name, wording, instead=plain(fits))
        return number

    def whole(self, name: str, least: int, most: int, *, default: int | None) -> int:
        """A whole number within two bounds, both allowed; required without default."""
        number = self.between(
            name, Decimal(least), Decimal(most), digits=0, default=None if default is None else Decimal(default)
        )
        return int(number)

    def time_or_none(self, name: str) -> datetime | None:
        value = self._data.get(name)
        if value is None:
            return None
        try:
            return parse_time(value)
        except ValueError as error:
            self.refuse(name, str(error))
            return None

    def flag(self, name: str, *, default: bool) -> bool:
        value = self._data.get(name)
        if value is None:
            return default
        if not isinstance(value, bool):
            self.refuse(name, "must be true or false")
            return default
        return value

    def object_or_none(self, name: str, example: str) -> Mapping[str, object] | None:
        value = self._data.get(name)
        if value is None:
            return None
        if not isinstance(value, Mapping):
            self.refuse(name, f"must be an object such as {example}")
            return None
        return value

    def finish(self) -> None:
        """Raise InvalidRequest with every error that was kept, if any was: known fields first, in their own order."""
        if self.errors:
            place = {name: index for index, name in enumerate(self._known)}
            raise InvalidRequest(
                sorted(self.errors, key=lambda error: place.get(error.field.split(".")[0], len(place)))
            )

    def _decimal(self, name: str, value: object) -> Decimal | None:
        """A number that is not negative; None where it was refused."""
        if isinstance(value, UnreadableNumber):
            self.refuse(name, _DIGITS)
            return None
        try:
            return parse_decimal(value)
        except NotADecimal as error:
            self.refuse(name, str(error))
            return None

    def _present(self, name: str, *, required: bool) -> object:
        value = self._data.get(name)
        if value is not None:
            return value
        if required:
            self.refuse(name, "is required", "null" if name in self._data else None)
        return _MISSING

    def _refuse_unknown(self) -> None:
        unknown = [name for name in self._data if name not in self._known]
        for name in unknown[:MAX_UNKNOWN_NAMED]:
            value = self._data[name]
            self.refuse(
                shown(name), "is unknown", "null" if value is None else value, instead=nearest(str(name), self._known)
            )
        if len(unknown) > MAX_UNKNOWN_NAMED:
            self.refuse("", f"has {len(unknown) - MAX_UNKNOWN_NAMED} further unknown fields", None)
