"""Slots that one process gives itself: where it is the whole deployment, and while no shared store gives any."""

import threading
import time
from collections.abc import Callable
from functools import lru_cache

import structlog

from exchanges.protection.limiter import ReservationStore
from risk.lane import Lane
from risk.reservation import SECOND_US, UNITS, RatePlan, Reserved, Slot, close, hold, rate_plan, reserve

log = structlog.get_logger()

#: A store that did not answer is left alone for so long: each try may cost its caller seconds.
AWAY_S = 5.0
#: One process takes such a part of the rate while nobody knows what the others take: more of them than this are seldom.
PART = 8

#: venue and account
Place = tuple[str, str]


class LocalReservations:
    """In memory; thread-safe."""

    def __init__(self, *, ticks: Callable[[], float] = time.monotonic) -> None:
        self._ticks = ticks
        self._lock = threading.Lock()
        self._reserved: dict[Place, Reserved] = {}

    def reserve(self, venue: str, account: str, plan: RatePlan, lane: Lane, weight: int, *, within_us: int) -> Slot:
        """See ``ReservationStore``; the clock is this process's."""
        with self._lock:
            now_us = self._now_us()
            before = self._reserved.get((venue, account), Reserved())
            after, slot = reserve(before, plan, lane, weight, now_us=now_us, latest_us=now_us + within_us)
            self._reserved[venue, account] = after
        return slot

    def shut(self, venue: str, account: str, *, for_us: int, ordinary_only: bool = False) -> None:
        with self._lock:
            before, until_us = self._reserved.get((venue, account), Reserved()), self._now_us() + for_us
            self._reserved[venue, account] = hold(before, until_us) if ordinary_only else close(before, until_us)

    def read(self, venue: str, account: str) -> tuple[Reserved, int]:
        """What is given out, and the time by the clock that it is told in."""
        with self._lock:
            return self._reserved.get((venue, account), Reserved()), self._now_us()

    def _now_us(self) -> int:
        return round(self._ticks() * SECOND_US)


class CarefulReservations:
    """Slots from a shared store; while that fails, from this process itself, at a small part of the rate.

    A limiter that fails must never lose what a venue has to say: a request is not refused for it, no look at an order
    becomes doubtful by it, and cancels go on. Many requests can't come of that, since no step begins without a database.
    """

    def __init__(self, shared: ReservationStore, *, ticks: Callable[[], float] = time.monotonic) -> None:
        self._shared = shared
        self._local = LocalReservations(ticks=ticks)
        self._ticks = ticks
        self._away_until = 0.0

    def reserve(self, venue: str, account: str, plan: RatePlan, lane: Lane, weight: int, *, within_us: int) -> Slot:
        if self._ticks() >= self._away_until:
            try:
                return self._shared.reserve(venue, account, plan, lane, weight, within_us=within_us)
            except Exception as error:  # noqa: BLE001 - whatever it is, the request is not its victim
                self._note_away(error)
        return self._local.reserve(venue, account, _part(plan), lane, weight, within_us=within_us)

    def shut(self, venue: str, account: str, *, for_us: int, ordinary_only: bool = False) -> None:
        """Here in any case, so that the venue is left alone although the others can't be told. Raises what the store does."""
        self._local.shut(venue, account, for_us=for_us, ordinary_only=ordinary_only)
        self._shared.shut(venue, account, for_us=for_us, ordinary_only=ordinary_only)

    def _note_away(self, error: Exception) -> None:
        self._away_until = self._ticks() + AWAY_S
        log.warning(
            "no shared store gives slots; each process goes on with a part of the rate until one is back",
            part=f"1/{PART}",
            error=type(error).__name__,
        )


@lru_cache(maxsize=256)
def _part(plan: RatePlan) -> RatePlan:
    return rate_plan(max(1, plan.limit // UNITS // PART), plan.window_us // SECOND_US)
