"""The breakers of this process: what is shared is kept for a moment, so that admitting costs next to nothing."""

import threading
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from datetime import datetime
from typing import Protocol
from uuid import uuid4

import structlog

from exchanges.evidence import Evidence, VenueError
from exchanges.protection.refused import breaker_open
from exchanges.registry import UnknownVenue
from risk.breaker import Breaker, BreakerPolicy, BreakerStatus, Event, Failed, ProbeEnded, ProbeWanted, Reset
from risk.lane import Lane

log = structlog.get_logger()

#: What other processes have found out is known here this much later, at most.
KEPT_S = 0.2

#: venue and account
Place = tuple[str, str]

_CLOSED = Breaker()


class BreakerStore(Protocol):
    """Shared by all processes; events at one breaker take turns."""

    def all(self) -> Mapping[Place, Breaker]: ...

    def apply(self, venue: str, account: str, event: Event, *, policy: BreakerPolicy, now: datetime) -> Breaker: ...


class Breakers:
    """The registry: one breaker for each configured venue account. Thread-safe."""

    def __init__(
        self,
        store: BreakerStore,
        policies: Mapping[Place, BreakerPolicy],
        *,
        now: Callable[[], datetime],
        ticks: Callable[[], float] = time.monotonic,
    ) -> None:
        """``now``: the deployment's time; ``ticks``: seconds of this process, for what is kept."""
        self._store = store
        self._now = now
        self._ticks = ticks
        self._lock = threading.Lock()
        self._known: Mapping[Place, Breaker] = {}
        self._read_at: float | None = None
        self._breakers = {place: VenueBreaker(self, place, policy) for place, policy in policies.items()}

    def get(self, venue: str, account: str = "main") -> "VenueBreaker":
        """Raises UnknownVenue."""
        found = self._breakers.get((venue, account))
        if found is None:
            raise UnknownVenue(f"no credentials are configured for account {account!r} of venue {venue!r}")
        return found

    def __iter__(self) -> Iterator["VenueBreaker"]:
        return iter(self._breakers.values())

    def now(self) -> datetime:
        return self._now()

    def state(self, place: Place) -> Breaker:
        """As it was within the last KEPT_S; while the store can't be read, as it was when it last could.

        A store that is away must not make a request's outcome doubtful: steps can't begin without it anyway.
        """
        if not self._is_fresh():
            with self._lock:
                if not self._is_fresh():
                    asked_at = self._ticks()
                    try:
                        self._known = self._store.all()
                    except Exception as error:  # noqa: BLE001 - whatever it is, what was known last holds on
                        log.warning("the breakers could not be read; they are taken as they were", error=_name(error))
                        asked_at = self._ticks()  # it may have taken long: the next request does not ask again at once
                    self._read_at = asked_at
        return self._known.get(place, _CLOSED)

    def apply(self, place: Place, event: Event, policy: BreakerPolicy) -> Breaker:
        breaker = self._store.apply(*place, event, policy=policy, now=self._now())
        with self._lock:
            self._known = {**self._known, place: breaker}
        return breaker

    def _is_fresh(self) -> bool:
        return self._read_at is not None and self._ticks() - self._read_at < KEPT_S


def _name(error: Exception) -> str:
    return type(error).__name__


def _is_an_answer(error: VenueError) -> bool:
    """Whether the venue itself said no. What our own rate, seats or lines held back says nothing of it."""
    return not error.outage and (error.evidence is not Evidence.NOT_SENT or error.status is not None)


class VenueBreaker:
    """The breaker of one venue account: ``with breaker.guarding(): …``, or ``@breaker.guarding()`` over a function."""

    def __init__(self, breakers: Breakers, place: Place, policy: BreakerPolicy) -> None:
        self._breakers = breakers
        self.place = place
        self.policy = policy

    def state(self) -> Breaker:
        """What is known of it, at most KEPT_S old."""
        return self._breakers.state(self.place)

    def admit(self, lane: Lane = Lane.ORDINARY) -> None:
        """Raises BreakerOpen. Urgent requests pass, and read nothing."""
        if lane is Lane.URGENT:
            return
        breaker = self.state()
        if breaker.admits(lane):
            return
        next_look_at = breaker.next_look_at or self._breakers.now()
        retry_after_s = max(0.0, (next_look_at - self._breakers.now()).total_seconds())
        raise breaker_open(*self.place, breaker.status.value, retry_after_s, since=breaker.opened_at)

    @contextmanager
    def guarding(self, lane: Lane = Lane.ORDINARY) -> Iterator[None]:
        """Raises BreakerOpen before the block; a failure of the venue in the block is counted and goes on."""
        self.admit(lane)
        try:
            yield
        except VenueError as error:
            self.note(error)
            raise

    def note(self, error: VenueError) -> None:
        """Count it if it says that the venue is away. What a working venue refuses is none of it."""
        if not error.outage:
            return
        try:
            if self.state().status is BreakerStatus.CLOSED:
                self._breakers.apply(self.place, Failed(message=error.message), self.policy)
        except Exception:
            # What the venue has done matters more to the caller than that it was not counted.
            log.exception("a failure of a venue could not be counted", venue=self.place[0], account=self.place[1])

    def probe(self, ask: Callable[[], object]) -> str:
        """``ask`` the venue something harmless, if that is due and nobody else does it; says what came of it.

        Any answer closes the breaker, a refusal too; what never left us is none. A process that ends within leaves the
        probe to another one.
        """
        if not self.state().is_probe_due(self._breakers.now()):
            return "no probe is due"
        token = uuid4().hex
        probe = self._breakers.apply(self.place, ProbeWanted(token=token), self.policy).probe
        if probe is None or probe.token != token:
            return "somebody else probes"
        answered, message = True, "answered"
        try:
            ask()
        except VenueError as error:
            answered, message = _is_an_answer(error), error.message
        except Exception as error:
            self._end(probe.number, f"it could not be asked ({type(error).__name__})", answered=False)
            raise
        self._end(probe.number, message, answered=answered)
        return "answered: closed" if answered else f"still away: {message}"

    def reset(self, by: str) -> Breaker:
        """Close it by hand; ``by`` goes on record."""
        return self._breakers.apply(self.place, Reset(by=by), self.policy)

    def _end(self, number: int, message: str, *, answered: bool) -> None:
        self._breakers.apply(self.place, ProbeEnded(number=number, answered=answered, message=message), self.policy)
