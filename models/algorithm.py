"""The execution algorithms of contract 1.1 and their parameters, as values."""

from collections.abc import Mapping
from dataclasses import dataclass, fields
from datetime import datetime, timedelta
from decimal import Decimal

from models.clock import format_time
from models.money import EXACT, ZERO, multiply, plain

#: names of contract 1.1; those not available are refused with that sentence
ALGORITHMS = ("single", "twap", "vwap", "iceberg", "pov", "adaptive")

#: what intake takes today. The one switch: a name is added here once what executes it is built.
AVAILABLE_ALGORITHMS = frozenset(ALGORITHMS)

#: rows of one order, which each send adds up once more; 2,000 is a slice every 43 s for a day
MAX_SLICES = 2_000

#: longest schedule, in seconds: funds are held for all of it
MAX_DURATION_S = Decimal(31 * 86_400)

#: shortest schedule, in seconds
MIN_DURATION_S = Decimal("0.1")

#: shortest POV schedule, in seconds: it looks at the market once a second at most, and answers what has traded since
MIN_POV_DURATION_S = Decimal(2)

#: shortest time between two slices, in seconds: what a venue's round trip takes
MIN_INTERVAL_S = Decimal("0.1")

MAX_JITTER = Decimal("0.5")

DEFAULT_LOOKBACK_DAYS = 7
MAX_LOOKBACK_DAYS = 90


@dataclass(frozen=True, slots=True, kw_only=True)
class Single:
    """The whole order at once."""

    name: str = "single"


@dataclass(frozen=True, slots=True, kw_only=True)
class Twap:
    """Equal slices on a grid of equal intervals."""

    name: str = "twap"
    #: seconds from the first slice to the end, which is one interval after the last slice
    duration_s: Decimal
    #: exactly one of ``slices`` and ``interval_s`` is given
    slices: int | None = None
    interval_s: Decimal | None = None
    #: None: when work on the order begins
    start_at: datetime | None = None
    #: 0 to 0.5: share by which a slice's time (of half an interval) and size may be off
    jitter: Decimal = ZERO


@dataclass(frozen=True, slots=True, kw_only=True)
class Vwap:
    """Slices on the grid of ``Twap``, each as large as the volume that is expected around its time."""

    name: str = "vwap"
    duration_s: Decimal
    slices: int | None = None
    interval_s: Decimal | None = None
    start_at: datetime | None = None
    jitter: Decimal = ZERO
    #: one weight per slice; None: the venue's history, written ``"history"``
    profile: tuple[Decimal, ...] | None = None
    #: days of candles that the history is made of; None with given weights
    lookback_days: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Iceberg:
    """One slice at a time rests in the book; the next one follows when it has filled."""

    name: str = "iceberg"
    #: base; what the book may see at a time
    display_quantity: Decimal
    #: 0 to 0.5: share by which a shown quantity may be off
    jitter: Decimal = ZERO
    #: use the venue's own iceberg where it has one
    native: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Pov:
    """A fixed share of what trades at the venue."""

    name: str = "pov"
    #: own / (own + others), above 0 and below 1
    participation: Decimal
    duration_s: Decimal
    #: base; None: the venue's minimum
    min_slice: Decimal | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Adaptive:
    """The Almgren-Chriss trajectory: faster the more the order's owner minds risk."""

    name: str = "adaptive"
    duration_s: Decimal
    slices: int
    #: lambda of Almgren and Chriss, per quote: how much variance is worth in expected cost; 0 is a twap
    risk_aversion: Decimal


Algorithm = Single | Twap | Vwap | Iceberg | Pov | Adaptive

#: those that send on a grid of slots
Scheduled = Twap | Vwap | Adaptive


def slots_of(algorithm: Scheduled) -> int:
    """Slots of the grid. An interval that does not divide the duration is stretched, so that the last slice is still
    one interval before the end: 10 s by 3 s is 3 slots of 3.33 s."""
    if algorithm.slices is not None:
        return algorithm.slices
    if isinstance(algorithm, Vwap) and algorithm.profile is not None and algorithm.interval_s is None:
        return len(algorithm.profile)
    assert isinstance(algorithm, (Twap, Vwap))
    assert algorithm.interval_s is not None
    return int(EXACT.divide_int(algorithm.duration_s, algorithm.interval_s))


def seconds(value: Decimal) -> timedelta:
    """A duration in seconds of at most six decimals, exactly."""
    return timedelta(microseconds=int(multiply(value, Decimal(1_000_000))))


def algorithm_to_json(algorithm: Algorithm) -> Mapping[str, object]:
    """The canonical form, defaults filled in: decimals as plain strings, times as RFC 3339, absent values left out."""
    written = {field.name: _written(getattr(algorithm, field.name)) for field in fields(algorithm)}
    if isinstance(algorithm, Vwap) and algorithm.profile is None:
        written["profile"] = "history"
    return {name: value for name, value in written.items() if value is not None}


def _written(value: object) -> object:
    if isinstance(value, Decimal):
        return plain(value)
    if isinstance(value, datetime):
        return format_time(value)
    if isinstance(value, tuple):
        return [_written(item) for item in value]
    return value
