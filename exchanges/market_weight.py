"""Markets made light: thousands of them stay in every process for good, and most of their weight is never read again."""

import ctypes
import gc
import pickle
from collections.abc import Iterable, Sequence
from functools import cache
from typing import Any

#: what stands for a value among those that are equal: parts of a container by their identity
_Key = tuple[Any, ...]

#: Entries from which on a venue's reply leaves memory that is worth a collection of everything: it stops the process.
MANY_ENTRIES = 300


def lighten(markets: Iterable[dict[str, Any]]) -> None:
    """Shorten, in place, what each of ccxt's markets keeps of the venue's own description, its ``info``, and let equal
    parts of all of them be one.

    Of ``info`` single words and flat lists and tables of them stay, for some classes read those later (the order types
    that a market takes); filters and other tables in tables go, since ccxt has read them. Nothing writes into the parts
    of a market: who learns something new of one puts another part in its place.
    """
    same: dict[_Key, Any] = {}
    for market in markets:
        info = market.get("info")
        if isinstance(info, dict):
            market["info"] = {name: value for name, value in info.items() if _is_flat(value)}
        for name, value in market.items():
            market[name] = _shared(value, same)


def keep_compact(exchange: Any, known: Any, names: Sequence[str]) -> None:
    """What an ``exchange`` has just loaded under ``names``, laid out anew: read beside the whole reply, it lies scattered,
    and the memory between could not be given back. With ``known``, what was there before, what is the same stays that,
    and only what is new is laid out.
    """
    before = {} if known is None else {name: getattr(known, name) for name in names}
    found = {name: getattr(exchange, name) for name in names}
    many = sum(len(value) for value in found.values() if isinstance(value, (dict, list))) >= MANY_ENTRIES
    news = {
        name: _news(before.get(name), value)
        for name, value in found.items()
        if name not in before or before[name] != value
    }
    try:
        packed = pickle.dumps(news)
    except (pickle.PicklingError, TypeError, AttributeError):
        return  # a class that keeps more than plain values there keeps them as they are
    del news, found
    for name in names:
        setattr(exchange, name, before.get(name))
    if many:
        gc.collect()  # what Python itself keeps of small things for the next use lies scattered too
    for name, (keys, new) in pickle.loads(packed).items():  # noqa: S301 - packed above
        setattr(exchange, name, new if keys is None else _together(before[name], keys, new))
    if many:
        give_back()


def give_back() -> None:
    """Hand memory that is free to the system again: what lay between the parts of a long reply. On Linux only."""
    trim = _trim()
    if trim is not None:
        trim(0)


def _news(known: Any, found: Any) -> tuple[list[Any] | None, Any]:
    """The keys of ``found``, and what of it is not as in ``known``; keys None where they are no tables, and all is new."""
    if isinstance(known, dict) and isinstance(found, dict):
        return list(found), {key: value for key, value in found.items() if key not in known or known[key] != value}
    return None, found


def _together(known: dict[Any, Any], keys: list[Any], new: dict[Any, Any]) -> dict[Any, Any]:
    known_keys = {key: key for key in known}
    return {known_keys.get(key, key): new[key] if key in new else known[key] for key in keys}


def _is_flat(value: object) -> bool:
    parts = list(value.values()) if isinstance(value, dict) else value
    return not isinstance(parts, list) or not any(isinstance(part, (dict, list)) for part in parts)


def _shared(value: Any, same: dict[_Key, Any]) -> Any:
    """The first value that equals ``value``, in type and in all of its parts."""
    kind = type(value)
    if kind is str:
        return same.setdefault((kind, value), value)
    if kind is list:
        parts = [_shared(part, same) for part in value]
        return same.setdefault((kind, *map(_identity, parts)), parts)
    if kind is dict:
        table = {_shared(key, same): _shared(part, same) for key, part in value.items()}
        return same.setdefault((kind, *table, *map(_identity, table.values())), table)
    return value


def _identity(part: Any) -> _Key:
    """1, 1.0 and True are equal and are not the same. What was shared already is the same object where it is equal."""
    return (type(part), id(part) if isinstance(part, (str, list, dict)) else repr(part))


@cache
def _trim() -> Any:
    try:
        return ctypes.CDLL(None).malloc_trim
    except (OSError, AttributeError):
        return None
