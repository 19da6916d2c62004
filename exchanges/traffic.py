"""What goes over the connections of one venue account in this process: how many, how long, and what went wrong."""

import threading
from bisect import bisect_left
from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass

#: Upper bounds of the latencies, in seconds: a venue in the same rack answers in 1 ms, timeouts end at 5 s by default.
LATENCY_BOUNDS_S = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0)


@dataclass(frozen=True, slots=True, kw_only=True)
class Connections:
    """At this moment."""

    #: connections that stand, used or not
    open: int = 0
    #: requests under way
    busy: int = 0
    #: requests that wait until one of those has ended
    waiting: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Happened:
    """Since it was taken last."""

    #: calls that failed, by what the failure proves
    errors: Mapping[str, int]
    #: replies by how long they took: one count per bound of LATENCY_BOUNDS_S, and one of those above all
    replies: tuple[int, ...]
    #: microseconds of all replies together
    took_us: int

    def __bool__(self) -> bool:
        return bool(self.errors) or any(self.replies)


class Traffic:
    """Thread-safe; outlives the gateway whose requests it counts."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._read: Callable[[], Connections] = Connections
        self._errors: Counter[str] = Counter()
        self._replies = [0] * (len(LATENCY_BOUNDS_S) + 1)
        self._took_us = 0

    def watch(self, read: Callable[[], Connections]) -> None:
        """Where the present state is read from, from now on."""
        self._read = read

    def connections(self) -> Connections:
        return self._read()

    def replied(self, seconds: float) -> None:
        """A reply was complete ``seconds`` after its request began, connecting included."""
        bucket = bisect_left(LATENCY_BOUNDS_S, seconds)
        with self._lock:
            self._replies[bucket] += 1
            self._took_us += round(seconds * 1_000_000)

    def failed(self, evidence: str) -> None:
        with self._lock:
            self._errors[evidence] += 1

    def take(self) -> Happened:
        """What happened since the last ``take``."""
        with self._lock:
            happened = Happened(errors=dict(self._errors), replies=tuple(self._replies), took_us=self._took_us)
            self._errors.clear()
            self._replies = [0] * len(self._replies)
            self._took_us = 0
        return happened

    def give_back(self, happened: Happened) -> None:
        """What was taken could not be written down: it is taken again next time."""
        with self._lock:
            self._errors.update(happened.errors)
            self._replies = [now + before for now, before in zip(self._replies, happened.replies, strict=True)]
            self._took_us += happened.took_us
