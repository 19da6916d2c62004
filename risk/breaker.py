"""The breaker of one venue account: closed, open, half-open with one probe. A table of events, without I/O.

```
CLOSED ── failure_threshold failures in the window ──→ OPEN ── a probe is taken, when due ──→ HALF_OPEN
  ↑                                                     ↑                                        │ │
  └──────────── the probe was answered, or a person resets it ─── the probe failed ──────────────┴─┘
```

A probe is a lease: whoever took it and fell silent loses it to the next one, and its word no longer counts.
"""

from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from enum import StrEnum

from risk.lane import Lane

#: A venue that is still away is asked again this often.
PROBE_EVERY = timedelta(seconds=10)


class BreakerStatus(StrEnum):
    CLOSED = "closed"
    OPEN = "open"
    HALF_OPEN = "half_open"


@dataclass(frozen=True, slots=True, kw_only=True)
class BreakerPolicy:
    #: failures within ``window`` that open it
    failure_threshold: int = 5
    window: timedelta = timedelta(seconds=60)
    #: how long after a venue's recovery it is closed again at the latest
    recovery_timeout: timedelta = timedelta(seconds=60)
    #: how long a prober may be silent; longer than one request may take
    probe_lease: timedelta = timedelta(seconds=10)

    @property
    def probe_every(self) -> timedelta:
        return min(PROBE_EVERY, self.first_probe_after)

    @property
    def first_probe_after(self) -> timedelta:
        """A sixth early: a probe takes its time, and the venue may have recovered just as the breaker opened."""
        return self.recovery_timeout * 5 / 6


@dataclass(frozen=True, slots=True, kw_only=True)
class Probe:
    #: rises with each probe of this breaker
    number: int
    #: unique to one taking, so that whoever asked knows whether it got it
    token: str
    #: from then on another may probe
    until: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class Breaker:
    status: BreakerStatus = BreakerStatus.CLOSED
    #: times of the failures in the window, oldest first; none unless it is closed
    failures: tuple[datetime, ...] = ()
    #: None while it is closed
    opened_at: datetime | None = None
    #: when the next probe may be taken; None while it is closed
    probe_due_at: datetime | None = None
    #: set while it is half-open
    probe: Probe | None = None
    #: of the last probe that was taken
    probes: int = 0

    def admits(self, lane: Lane) -> bool:
        return self.status is BreakerStatus.CLOSED or lane is Lane.URGENT

    def is_probe_due(self, now: datetime) -> bool:
        if self.probe is not None:
            return now >= self.probe.until
        return self.probe_due_at is not None and now >= self.probe_due_at

    @property
    def next_look_at(self) -> datetime | None:
        """When it may be closed at the earliest, as far as is known; None while it is closed."""
        return self.probe.until if self.probe is not None else self.probe_due_at


@dataclass(frozen=True, slots=True, kw_only=True)
class Failed:
    """A request failed as it does where a venue is away. What an open breaker hears of this changes nothing."""

    message: str


@dataclass(frozen=True, slots=True, kw_only=True)
class ProbeWanted:
    token: str


@dataclass(frozen=True, slots=True, kw_only=True)
class ProbeEnded:
    """What became of a probe; nothing where its lease has gone to another one."""

    number: int
    answered: bool
    message: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Reset:
    """Closed by hand."""

    by: str


Event = Failed | ProbeWanted | ProbeEnded | Reset


@dataclass(frozen=True, slots=True, kw_only=True)
class Transition:
    before: BreakerStatus
    after: BreakerStatus
    #: a sentence
    cause: str
    at: datetime


def transition(
    breaker: Breaker, event: Event, now: datetime, policy: BreakerPolicy
) -> tuple[Breaker, Transition | None]:
    """The breaker after ``event``, and what goes on record; the same breaker and None where nothing changed."""
    match event:
        case Failed():
            return _failed(breaker, event, now, policy)
        case ProbeWanted():
            return _probe(breaker, event, now, policy)
        case ProbeEnded():
            return _probed(breaker, event, now, policy)
        case Reset():
            return _closed(breaker, f"closed by hand ({event.by})", now)


def _failed(breaker: Breaker, event: Failed, now: datetime, policy: BreakerPolicy) -> tuple[Breaker, Transition | None]:
    if breaker.status is not BreakerStatus.CLOSED:
        return breaker, None
    known = sorted((*breaker.failures, now))
    # Hosts' clocks and locks may bring a failure late: the window ends at the newest one.
    failures = tuple(at for at in known if at > known[-1] - policy.window)[-policy.failure_threshold :]
    if len(failures) < policy.failure_threshold:
        return replace(breaker, failures=failures), None
    opened = replace(
        breaker,
        status=BreakerStatus.OPEN,
        failures=(),
        opened_at=now,
        probe_due_at=now + policy.first_probe_after,
    )
    span_s = (failures[-1] - failures[0]).total_seconds()
    return opened, _move(
        breaker, opened, f"{len(failures)} failures within {span_s:.1f} s; the last: {event.message}", now
    )


def _probe(
    breaker: Breaker, event: ProbeWanted, now: datetime, policy: BreakerPolicy
) -> tuple[Breaker, Transition | None]:
    if breaker.status is BreakerStatus.CLOSED or not breaker.is_probe_due(now):
        return breaker, None
    number = breaker.probes + 1
    probe = Probe(number=number, token=event.token, until=now + policy.probe_lease)
    taken = replace(breaker, status=BreakerStatus.HALF_OPEN, probe=probe, probes=number)
    cause = f"probe {number} is taken"
    if breaker.probe is not None:
        cause += f": whoever took probe {breaker.probe.number} fell silent"
    return taken, _move(breaker, taken, cause, now)


def _probed(
    breaker: Breaker, event: ProbeEnded, now: datetime, policy: BreakerPolicy
) -> tuple[Breaker, Transition | None]:
    if breaker.probe is None or breaker.probe.number != event.number:
        return breaker, None
    if event.answered:
        return _closed(breaker, f"probe {event.number} was answered", now)
    opened = replace(breaker, status=BreakerStatus.OPEN, probe=None, probe_due_at=now + policy.probe_every)
    return opened, _move(breaker, opened, f"probe {event.number} failed: {event.message}", now)


def _closed(breaker: Breaker, cause: str, now: datetime) -> tuple[Breaker, Transition | None]:
    # The probes are counted on, so that one of an earlier opening is never taken for one of this.
    closed = Breaker(probes=breaker.probes)
    if breaker.status is BreakerStatus.CLOSED:
        return (closed, None) if breaker.failures else (breaker, None)
    return closed, _move(breaker, closed, cause, now)


def _move(before: Breaker, after: Breaker, cause: str, now: datetime) -> Transition:
    return Transition(before=before.status, after=after.status, cause=cause, at=now)
