"""The venue's clock by an offset to ours, measured by round trip; a jump of the local wall clock does not shift it."""

import threading
import time
from collections.abc import Callable

#: how long an offset is trusted: a bad quartz drifts a few milliseconds in that time
MAX_AGE_S = 60.0
#: how much longer when the venue did not tell it anew
KEEP_S = 10.0


def ticks_s() -> float:
    """Seconds that pass also while the machine sleeps, where the system can tell."""
    return time.clock_gettime(_CLOCK) if _CLOCK is not None else time.monotonic()


_CLOCK: int | None = getattr(time, "CLOCK_BOOTTIME", None)


class VenueClock:
    """Thread-safe. Times are milliseconds since the epoch."""

    def __init__(self, ticks: Callable[[], float] = ticks_s) -> None:
        self._ticks = ticks
        self._lock = threading.Lock()
        #: venue milliseconds minus our ticks in milliseconds, and when it was measured
        self._measured: tuple[float, float] | None = None
        self._last_nonce = 0

    def measure(self, read: Callable[[], int]) -> int:
        """Ask the venue by ``read``; returns what it said, which is never later than its clock is now."""
        before = self._ticks()
        theirs = read()
        after = self._ticks()
        # The venue read its clock somewhere between: the middle is wrong by half the round trip at most.
        self._measured = (theirs - (before + after) * 500.0, after)
        return theirs

    def fresh(self) -> bool:
        measured = self._measured
        return measured is not None and self._ticks() - measured[1] <= MAX_AGE_S

    def known(self) -> bool:
        return self._measured is not None

    def keep(self) -> None:
        """The venue did not answer: trust the old offset a little longer, rather than ask before every request."""
        if self._measured is not None:
            self._measured = (self._measured[0], self._ticks() - MAX_AGE_S + KEEP_S)

    def forget(self) -> None:
        """The venue said that our time is wrong: ask it before anything more is signed."""
        self._measured = None

    def now_ms(self) -> int:
        """The estimate; the local wall clock while nothing was measured."""
        measured = self._measured
        return int(time.time() * 1000) if measured is None else int(self._ticks() * 1000.0 + measured[0])

    def nonce_us(self) -> int:
        """Above every one given before, in microseconds. Of our own clock: what processes of one machine measured of the
        venue's differs by up to a second, and the one behind would be refused; two in a millisecond would be equal.
        """
        with self._lock:
            self._last_nonce = max(self._last_nonce + 1, time.time_ns() // 1000)
            return self._last_nonce
