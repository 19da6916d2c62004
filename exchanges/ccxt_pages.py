"""Long lists of a venue, read to their end or not at all."""

from collections.abc import Callable, Mapping
from typing import Any

from exchanges.capabilities import Paging
from exchanges.ccxt_call import Unreadable

Entry = Mapping[str, Any]
#: (since in milliseconds or None, further params) -> one page
Fetch = Callable[[int | None, dict[str, object]], list[Entry]]

#: pages of one look: a bound that no honest look reaches
MAX_PAGES = 200
#: a venue that does not say how long its pages are may have cut one of this length
SMALLEST_FULL_PAGE = 50


def pages(fetch: Fetch, since_ms: int | None, limit: int, paging: Paging, id_param: str) -> list[Entry]:
    """Every entry from ``since_ms`` on, each once. Raises Unreadable when the end can't be reached."""
    found: dict[object, Entry] = {}
    page = fetch(since_ms, {})
    if paging is Paging.SINGLE:
        limit = min(limit, SMALLEST_FULL_PAGE)
    for number in range(2, MAX_PAGES + 2):
        new = [entry for entry in page if _key(entry) not in found]
        found.update((_key(entry), entry) for entry in page)
        if len(page) < limit:
            return list(found.values())
        if paging is Paging.SINGLE or not new:
            break
        if paging is Paging.BY_PAGE:
            page = fetch(since_ms, {"page": number})
        elif paging is Paging.BY_OFFSET:
            page = fetch(since_ms, {"ofs": len(found)})
        else:
            page = _next(fetch, found, since_ms, paging, id_param)
    raise Unreadable("it holds more than can be read to the end")


def _next(
    fetch: Fetch, found: Mapping[object, Entry], since_ms: int | None, paging: Paging, id_param: str
) -> list[Entry]:
    if paging is Paging.BY_ID:
        # Exact where a thousand entries share a millisecond; the venue takes no time beside an id.
        return fetch(None, {id_param: max(int(entry["id"]) for entry in found.values()) + 1})
    times = [entry["timestamp"] for entry in found.values()]
    if paging is Paging.FORWARD:
        return fetch(max(times), {})
    # What is of the same millisecond comes again: some venues count finer than ccxt tells.
    return fetch(since_ms, {"until": min(times) + 1})


def _key(entry: Entry) -> tuple[object, object]:
    return entry.get("order"), entry.get("id")
