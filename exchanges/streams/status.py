"""How one venue account's stream is, as others may know it."""

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum


class StreamState(StrEnum):
    #: on its way up, for the first time or again
    CONNECTING = "connecting"
    #: subscribed, and nothing was heard against it
    LIVE = "live"
    #: broken; the next try is waited for
    DOWN = "down"


@dataclass(frozen=True, slots=True, kw_only=True)
class StreamStatus:
    state: StreamState
    #: since when it has been so
    since: datetime
    #: when a message came last, whatever it said
    heard_at: datetime | None
    #: messages, and connections that came up again, since the process began
    messages: int
    reconnects: int
    #: times after which events may be missing: the account is polled at once
    gaps: int
    #: fills that it told of first
    fills: int
    #: milliseconds from the last trade to its event, by two clocks
    lag_ms: int | None
    #: what broke it last
    error: str | None
