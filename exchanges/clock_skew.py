"""How far a venue's clock is from this machine's, as far as one question can prove it."""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

_ZERO = timedelta()
_SECOND = timedelta(seconds=1)


@dataclass(frozen=True, slots=True, kw_only=True)
class Skew:
    #: theirs minus ours, by the middle of what is possible
    offset: timedelta
    #: the clocks are surely this far apart, whatever the answer took on its way
    at_least: timedelta
    #: what the question took
    took: timedelta

    @property
    def apart_ms(self) -> int:
        return round(abs(self.offset) / timedelta(milliseconds=1))


def measure_skew(ask: Callable[[], datetime], now: Callable[[], datetime] = lambda: datetime.now(UTC)) -> Skew:
    """``ask`` reads the venue's clock; what it raises comes out."""
    before = now()
    theirs = ask()
    after = now()
    # The venue read its clock somewhere between; one that tells whole seconds was anywhere within its second.
    width = _SECOND if theirs.microsecond == 0 else _ZERO
    lowest, highest = theirs - after, theirs + width - before
    surely_apart = max(lowest, -highest, _ZERO)
    return Skew(offset=(lowest + highest) / 2, at_least=surely_apart, took=after - before)
