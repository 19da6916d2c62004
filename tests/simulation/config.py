"""What a schedule may do, and how the deployment and the venue of a schedule are made."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum


class Dedupe(StrEnum):
    #: Binance: a client id is taken again once its order is no longer open
    OPEN = "open"
    ALWAYS = "always"
    NEVER = "never"


class FeeTaken(StrEnum):
    RECEIVED = "received"
    QUOTE = "quote"
    #: in a third asset, as Binance takes BNB
    THIRD = "third"


@dataclass(frozen=True, slots=True)
class VenueModel:
    dedupe: Dedupe
    enforces_deadline: bool
    rate_limit_is_rejection: bool
    fee: FeeTaken
    #: how far its clock is from the true one
    clock_off_us: int
    #: how long what it did may be missing from its answers
    lag_us: int


# Short windows, so that a schedule needs few virtual seconds. All of them are configuration of the product.
LEASE_MS = 600
TIMEOUT_MS = 1_000
WINDOW_MS = 1_500
SKEW_MS = 150
LAG_MS = 400
MAX_AGE_S = 30

#: one way to the venue
LATENCY_US = 4_000
#: what the workers' wait for a message costs at the least
BROKER_US = 1_000

#: when a schedule's faults end, in virtual seconds from its start
FAULTS_END_S = 12.0
#: when an order that still rests is cancelled, so that every order can end
LAST_CALL_S = 16.0
#: a schedule that has not come to rest by then has lost something
PATIENCE_S = 400.0
#: picks of one schedule: more are a loop that never ends
MOST_PICKS = 6_000

#: the chance that a decision is not the plain one, by the part of its label before the colon. A seed scales each kind
#: of fault by a factor of its own, so that some schedules are all deaths and others all lost answers
CHANCES: Mapping[str, float] = {
    "scene": 0.5,
    "venue": 0.6,
    "pick": 0.12,
    "who": 0.3,
    "at": 0.02,
    "in": 0.008,
    "net": 0.08,
    "net:create": 0.35,
    "net:cancel": 0.2,
    "lag": 0.25,
    "db": 0.01,
    "message": 0.05,
    "how": 0.5,
}
#: kinds whose chance is scaled, and by what: the third is drawn most rarely
SCALED = ("pick", "at", "in", "net", "net:create", "net:cancel", "lag", "db", "message")
FACTORS = (1.0, 0.0, 0.3, 3.0)


@dataclass(frozen=True, slots=True, kw_only=True)
class Config:
    """The same config and the same seed make the same schedule."""

    chances: Mapping[str, float] = field(default_factory=lambda: CHANCES)
    #: decisions of a seed that are not the plain ones, at most
    budget: int = 60
    #: statements by the short way; False: through SQLAlchemy's own connection, to compare
    quick: bool = True
    #: the name of a seeded bug, see mutants.py
    mutant: str | None = None
    #: keep the lines of the trace, not only their digest
    trace: bool = True
