"""Request weight per address and minute: 429 past the limit, and 418 for whoever does not stop."""

import math
from dataclasses import dataclass

from exchanges.paper.errors import Refused

MINUTE_MS = 60_000
#: requests past the limit that are answered 429 before the address is banned
PATIENCE = 20
#: Binance bans from two minutes up
BAN_MS = 120_000
#: addresses remembered; this venue has one or a few clients
MAX_ADDRESSES = 1000


@dataclass(slots=True)
class _Used:
    minute: int = -1
    weight: int = 0
    #: answered 429 in this minute
    refused: int = 0
    banned_until_ms: int = 0


class WeightLimiter:
    """``limit`` is weight per minute; 0 counts but never refuses."""

    def __init__(self, limit: int) -> None:
        self.limit = limit
        self._used: dict[str, _Used] = {}

    def used(self, address: str) -> int:
        used = self._used.get(address)
        return used.weight if used else 0

    def spend(self, address: str, weight: int, now_ms: int) -> None:
        """Count a request. Raises Refused (-1003) with 429 or 418 and how long to stay away."""
        if len(self._used) > MAX_ADDRESSES:
            self._used.clear()
        used = self._used.setdefault(address, _Used())
        if now_ms < used.banned_until_ms:
            raise self._banned(used.banned_until_ms, now_ms)
        minute = now_ms // MINUTE_MS
        if minute != used.minute:
            used.minute, used.weight, used.refused = minute, 0, 0
        used.weight += weight
        if not self.limit or used.weight <= self.limit:
            return
        used.refused += 1
        if used.refused > PATIENCE:
            used.banned_until_ms = now_ms + BAN_MS
            raise self._banned(used.banned_until_ms, now_ms)
        raise too_many(self.limit, math.ceil((MINUTE_MS - now_ms % MINUTE_MS) / 1000))

    def _banned(self, until_ms: int, now_ms: int) -> Refused:
        return banned(until_ms, math.ceil((until_ms - now_ms) / 1000))


def too_many(limit: int, retry_after_s: int) -> Refused:
    text = (
        f"Too much request weight used; current limit is {limit} request weight per 1 MINUTE. "
        "Please use WebSocket Streams for live updates to avoid polling the API."
    )
    return Refused(-1003, text, status=429, retry_after_s=retry_after_s)


def banned(until_ms: int, retry_after_s: int) -> Refused:
    text = (
        f"Way too much request weight used; IP banned until {until_ms}. "
        "Please use WebSocket Streams for live updates to avoid bans."
    )
    return Refused(-1003, text, status=418, retry_after_s=retry_after_s)
