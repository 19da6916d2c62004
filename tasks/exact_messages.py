"""JSON messages whose fractions keep their digits: kombu's own reader passes them through a binary float."""

import json
from decimal import Decimal
from typing import Any, Self

from kombu.serialization import register
from kombu.utils.json import dumps, object_hook


class Fraction(float):
    """A float that remembers how it was written. Celery's own events compute with it as with any other."""

    __slots__ = ("digits",)
    digits: str

    def __new__(cls, digits: str) -> Self:
        fraction = super().__new__(cls, digits)
        fraction.digits = digits
        return fraction


def loads(text: str | bytes | bytearray | memoryview) -> Any:
    """Read a message's body."""
    if isinstance(text, memoryview):
        text = text.tobytes()
    return json.loads(text, object_hook=object_hook, parse_float=Fraction)


def exact(value: Any) -> Any:
    """The same with every fraction as the Decimal that its digits say."""
    if isinstance(value, Fraction):
        return Decimal(value.digits)
    if isinstance(value, dict):
        return {key: exact(item) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [exact(item) for item in value]
    return value


def install() -> None:
    """Read every JSON body of this process so."""
    register("json", dumps, loads, content_type="application/json", content_encoding="utf-8")
