"""JSON read by its literal digits: no binary float on the way, and no reading that another parser might not share."""

import json
from collections.abc import Iterable
from decimal import Decimal, InvalidOperation

from models.errors import FieldError, Malformed, shown

#: levels of objects and lists; a request has three
MAX_DEPTH = 16

#: longest literal that becomes an int: its conversion is quadratic, a Decimal's is not
_MAX_INT_LENGTH = 40

#: powers of ten that are read; the widest field spans 20 digits before the point and 18 after
_MAX_EXPONENT = 60


class UnreadableNumber:
    """A number far beyond what any field takes, kept as it was written so that the refusal can show it."""

    __slots__ = ("literal",)

    def __init__(self, literal: str) -> None:
        self.literal = literal

    def __str__(self) -> str:
        return self.literal


class _NotJson:
    """NaN or Infinity, which Python's reader lets through; kept until its place is known."""

    __slots__ = ("literal",)

    def __init__(self, literal: str) -> None:
        self.literal = literal


def loads_exact(body: bytes) -> dict[str, object]:
    """The JSON object in ``body``: strings, bools, None, ints, Decimals, lists and dicts.

    Raises Malformed for everything else: other encodings than UTF-8, a byte order mark, NaN and Infinity,
    doubled names, more than MAX_DEPTH levels, a top level that is no object.
    """
    try:
        text = body.decode("utf-8")
    except UnicodeDecodeError as error:
        raise _malformed("must be UTF-8", f"byte {error.start} is 0x{body[error.start]:02x}") from None
    if text.startswith("\ufeff"):
        raise _malformed("must begin without a byte order mark", None)
    if not text.strip():
        raise _malformed("must be a JSON object", "nothing")
    try:
        value = _DECODER.decode(text)
    except json.JSONDecodeError as error:
        raise _malformed(f"must be JSON: {error.msg} at character {error.pos}", text) from None
    except RecursionError:
        raise _malformed(f"must nest at most {MAX_DEPTH} levels", None) from None
    _walk(value, "", 1)
    if not isinstance(value, dict):
        raise _malformed("must be a JSON object", text)
    return value


def json_shown(value: object) -> str:
    """A value that was read from JSON as an error repeats it: JSON's own notation, shortened."""
    if isinstance(value, str):
        return shown(value)
    if isinstance(value, (Decimal, UnreadableNumber)):
        return shown(str(value))
    if isinstance(value, int) and not isinstance(value, bool):
        return shown(value)
    try:
        return shown(json.dumps(value, default=str, ensure_ascii=False))
    except (TypeError, ValueError, RecursionError):
        return f"a value of type {type(value).__name__}"


def _whole_number(literal: str) -> int | Decimal | UnreadableNumber:
    return int(literal) if len(literal) <= _MAX_INT_LENGTH else _decimal(literal)


def _decimal(literal: str) -> Decimal | UnreadableNumber:
    try:
        number = Decimal(literal)
    except InvalidOperation:
        return UnreadableNumber(literal)
    return number if abs(number.adjusted()) < _MAX_EXPONENT else UnreadableNumber(literal)


def _object(pairs: Iterable[tuple[str, object]]) -> dict[str, object]:
    read: dict[str, object] = {}
    for name, value in pairs:
        if name in read:
            raise _malformed("must be named once", json_shown(value), field=shown(name))
        read[name] = value
    return read


def _walk(value: object, path: str, depth: int) -> None:
    if isinstance(value, _NotJson):
        raise _malformed("must be a JSON value", value.literal, field=path)
    if not isinstance(value, (dict, list)):
        return
    if depth > MAX_DEPTH:
        raise _malformed(f"must nest at most {MAX_DEPTH} levels", None)
    named = value.items() if isinstance(value, dict) else ((str(index), item) for index, item in enumerate(value))
    for name, item in named:
        if isinstance(item, (dict, list, _NotJson)):
            _walk(item, f"{path}.{shown(name)}" if path else shown(name), depth + 1)


def _malformed(rule: str, value: str | None, *, field: str = "body") -> Malformed:
    error = FieldError(field=field, rule=rule, value=None if value is None else shown(value))
    return Malformed(f"The body can't be read: {error.sentence()}.", (error,))


_DECODER = json.JSONDecoder(
    parse_float=_decimal, parse_int=_whole_number, parse_constant=_NotJson, object_pairs_hook=_object
)
