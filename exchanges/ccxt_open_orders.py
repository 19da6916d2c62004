"""The open orders of a venue, all of them or none: an order that is left out would pass for one that is not there."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from itertools import count, pairwise
from typing import Any

from exchanges.capability import Capabilities
from exchanges.ccxt_call import Unreadable
from exchanges.ccxt_pages import MAX_PAGES, Entry

#: looks at a list of numbered pages; two in a row that show the same orders end it
MAX_LOOKS = 4


@dataclass(frozen=True, slots=True)
class OpenPage:
    entries: Sequence[Entry]
    #: there may be more behind it
    full: bool
    #: as the venue sent it
    reply: object


#: further ``params`` -> the page that they lead to
Fetch = Callable[[Mapping[str, object]], OpenPage]


def every_open_order(fetch: Fetch, can: Capabilities) -> list[Entry]:
    """Each once. Raises Unreadable where the venue has more of them than it can be asked for, or they won't stand still."""
    first = fetch({})
    if not first.full:
        return list(first.entries)
    if can.open_orders_page_param:
        return _settled(fetch, first, can.open_orders_page_param)
    if can.open_orders_next is None:
        raise Unreadable("it shows only the first of the open orders")
    return list(_after_each_other(fetch, first, *can.open_orders_next).values())


def _after_each_other(fetch: Fetch, page: OpenPage, name: str, path: str) -> dict[object, Entry]:
    """By a mark in each page that the next one begins after: what ends meanwhile moves no other out of sight."""
    found = _by_id(page)
    for _ in range(MAX_PAGES):
        if not page.full:
            return found
        known, mark = len(found), _mark(page.reply, path)
        if not mark:
            break
        page = fetch({name: mark})
        found |= _by_id(page)
        if page.full and len(found) == known:
            break
    raise Unreadable("it shows only the first of the open orders")


def _settled(fetch: Fetch, first: OpenPage, name: str) -> list[Entry]:
    """By page numbers: what ends meanwhile moves those behind it up, and one of them from a page to come to one that was read.

    The order that ended was seen by this look and is missing from the next. So two looks in a row that see the same
    orders are taken to have seen all.
    """
    before = _numbered(fetch, first, name)
    for _ in range(MAX_LOOKS - 1):
        now = _numbered(fetch, fetch({}), name)
        if now.keys() == before.keys():
            return list(now.values())
        before = now
    raise Unreadable("its open orders change faster than their pages can be read")


def _numbered(fetch: Fetch, page: OpenPage, name: str) -> dict[object, Entry]:
    found = _by_id(page)
    for number in count(2):
        if not page.full:
            return found
        if number > MAX_PAGES:
            break
        page = fetch({name: number})
        found |= _by_id(page)
    raise Unreadable("it shows only the first of the open orders")


def _by_id(page: OpenPage) -> dict[object, Entry]:
    return {entry.get("id"): entry for entry in page.entries}


def _mark(reply: object, path: str) -> Any:
    """What stands there, dotted; ``-1`` is the last entry of a list, whose ids must fall: the next page begins below it."""
    listed_at, last, name = path.partition(".-1.")
    if not last:
        return _at(reply, path)
    ids = [_at(entry, name) for entry in _at(reply, listed_at) or ()]
    if not all(_is_below(after, before) for before, after in pairwise(ids)):
        raise Unreadable("its open orders are in no order by which they could be read on")
    return ids[-1] if ids else None


def _is_below(one: object, other: object) -> bool:
    texts = (str(one), str(other))
    return all(text.isascii() and text.isdigit() for text in texts) and int(texts[0]) < int(texts[1])


def _at(value: Any, path: str) -> Any:
    for key in path.split("."):
        value = value.get(key) if isinstance(value, dict) else None
    return value
