"""Retry policies as data: how often, how long apart, by kind of trouble. Decided here and nowhere else."""

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum

#: share by which a delay is spread, so that what failed together does not come back together
JITTER = 0.25


class Backoff(StrEnum):
    EXPONENTIAL = "exponential"
    LINEAR = "linear"
    FIXED = "fixed"


class Trouble(StrEnum):
    """What kept a step from being done. Only trouble is retried; a no is an answer."""

    #: the connection to the venue was never made
    NOT_SENT = "not_sent"
    #: the venue wants to be left alone
    RATE_LIMITED = "rate_limited"
    #: a read at the venue failed
    VENUE_READ = "venue_read"
    #: our copy fell outside the venue's time window
    CLOCK = "clock"
    #: the database refused for now: a lock, a serialization failure, a restart
    DATABASE = "database"


@dataclass(frozen=True, slots=True, kw_only=True)
class RetryPolicy:
    backoff: Backoff = Backoff.EXPONENTIAL
    #: first delay, in seconds
    base_s: float = 0.1
    #: no delay is longer, jitter included
    cap_s: float = 5.0
    #: retries after the first try; None: without end (until age or expiry ends the order)
    max_retries: int | None = 3

    def allows(self, retries: int) -> bool:
        """Whether another retry may follow after ``retries`` of them."""
        return self.max_retries is None or retries < self.max_retries

    def delay_s(self, retries: int, chance: float) -> float:
        """Seconds to wait before retry number ``retries`` + 1; ``chance`` in [0, 1) spreads it by ±25 %."""
        steps = {
            Backoff.EXPONENTIAL: 2.0 ** min(retries, 30),
            Backoff.LINEAR: retries + 1.0,
            Backoff.FIXED: 1.0,
        }[self.backoff]
        delay_s = self.base_s * steps
        if delay_s >= self.cap_s:  # at the cap spread downward: what failed together must not come back together
            return self.cap_s * (1 - JITTER * chance)
        return min(self.cap_s, delay_s * (1 - JITTER + 2 * JITTER * chance))


def policies(max_retries: int, base_s: float, cap_s: float) -> Mapping[Trouble, RetryPolicy]:
    """The policy for each trouble, from the three configured numbers."""
    usual = RetryPolicy(base_s=base_s, cap_s=cap_s, max_retries=max_retries)
    return {
        Trouble.NOT_SENT: usual,
        Trouble.RATE_LIMITED: RetryPolicy(backoff=Backoff.FIXED, base_s=1.0, cap_s=cap_s, max_retries=None),
        Trouble.VENUE_READ: usual,
        Trouble.CLOCK: RetryPolicy(backoff=Backoff.LINEAR, base_s=base_s, cap_s=cap_s, max_retries=max_retries),
        Trouble.DATABASE: RetryPolicy(base_s=base_s, cap_s=cap_s, max_retries=max(max_retries, 5)),
    }
