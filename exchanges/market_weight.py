"""Markets made light: thousands of them stay in every process for good, and most of their weight is never read again."""

import pickle
from collections.abc import Iterable, Sequence
from typing import Any, TypeVar

T = TypeVar("T")


def lighten(markets: Iterable[dict[str, Any]]) -> None:
    """Shorten, in place, what each of ccxt's markets keeps of the venue's own description, its ``info``.

    Single words and flat lists and tables of them stay, for some classes read those later (the order types that a
    market takes); filters and other tables in tables go, since ccxt has read them. Equal lists become one.
    """
    same: dict[tuple[Any, ...], list[Any]] = {}
    for market in markets:
        info = market.get("info")
        if isinstance(info, dict):
            market["info"] = {name: _shared(value, same) for name, value in info.items() if _is_flat(value)}


def keep_compact(exchange: Any, known: Any, names: Sequence[str]) -> None:
    """What an ``exchange`` has just loaded under ``names``, laid out anew: read beside the whole reply, it lies scattered,
    and the memory between could not be given back. With ``known``, what was there before, what is the same stays that.
    """
    if known is not None:
        for name in names:
            setattr(exchange, name, unchanged(getattr(known, name), getattr(exchange, name)))
        return
    try:
        packed = pickle.dumps({name: getattr(exchange, name) for name in names})
    except (pickle.PicklingError, TypeError, AttributeError):
        return  # a class that keeps more than plain values there keeps them as they are
    for name in names:
        setattr(exchange, name, None)
    for name, value in pickle.loads(packed).items():  # noqa: S301 - packed two lines above
        setattr(exchange, name, value)


def unchanged(known: T, found: T) -> T:
    """``found``, with every entry that equals the one in ``known`` being that one; ``known`` itself where all do.

    What is read anew and says the same is let go as a whole: kept here and there, it would pin the memory around it.
    """
    if known == found:
        return known
    if isinstance(known, dict) and isinstance(found, dict):
        for key, value in found.items():
            if key in known and known[key] == value:
                found[key] = known[key]
    return found


def _is_flat(value: object) -> bool:
    parts = list(value.values()) if isinstance(value, dict) else value
    return not isinstance(parts, list) or not any(isinstance(part, (dict, list)) for part in parts)


def _shared(value: Any, same: dict[tuple[Any, ...], list[Any]]) -> Any:
    if not isinstance(value, list):
        return value
    # 1 and True are equal and are not the same: the type counts too.
    return same.setdefault(tuple((type(part), part) for part in value), value)
