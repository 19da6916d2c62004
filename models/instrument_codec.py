"""Instruments as JSON-ready dictionaries and back: decimals as plain strings, times as RFC 3339."""

from collections.abc import Mapping
from dataclasses import fields
from decimal import Decimal
from typing import Any

from models.clock import format_time, parse_time
from models.instrument import Instrument
from models.money import plain

_NAMES = tuple(field.name for field in fields(Instrument))
_DECIMALS = frozenset(field.name for field in fields(Instrument) if "Decimal" in str(field.type))


def instrument_to_dict(instrument: Instrument) -> dict[str, Any]:
    values = {name: getattr(instrument, name) for name in _NAMES}
    return {name: _written(value) for name, value in values.items()} | {
        "fetched_at": format_time(instrument.fetched_at)
    }


def instrument_from_dict(values: Mapping[str, Any]) -> Instrument:
    """Fields that are not known are left out, those that are missing get their default: rolling deployments read both.

    Raises TypeError, ValueError or ArithmeticError for what is no instrument.
    """
    known: dict[str, Any] = {name: values[name] for name in _NAMES if name in values}
    for name in _DECIMALS & known.keys():
        known[name] = None if known[name] is None else Decimal(known[name])
    known["fetched_at"] = parse_time(values.get("fetched_at"))
    return Instrument(**known)


def _written(value: object) -> object:
    if isinstance(value, Decimal):
        return f"-{plain(-value)}" if value < 0 else plain(value)
    return value
