"""What stands between this process and its venues: breakers, rates and seats, made from the settings."""

import time
from collections.abc import Callable, Mapping
from datetime import datetime, timedelta

from sqlalchemy import Engine

from exchanges.protection.breakers import Breakers
from exchanges.protection.limiter import Limiter, ReservationStore
from exchanges.protection.local import CarefulReservations, LocalReservations
from exchanges.protection.seats import Seats
from exchanges.protection.turnstile import VenueTurnstile
from risk.breaker import BreakerPolicy
from risk.reservation import RatePlan, Reserved, rate_plan
from settings import Settings, VenueSettings
from storage.breakers import DatabaseBreakers
from storage.rate_reservations import DatabaseReservations
from storage.redis_reservations import RedisReservations, reservations_client
from storage.reservations import Reservations

#: Requests that one probe may make: markets, the venue's clock, and the read itself.
REQUESTS_A_PROBE = 3
#: What a prober does beside, generously; its lease must outlast it.
PROBE_MARGIN = timedelta(seconds=5)

#: venue and account
Place = tuple[str, str]


class Protection:
    """One per process; thread-safe. Connects when it is first used."""

    def __init__(
        self,
        settings: Settings,
        engine: Engine,
        now: Callable[[], datetime],
        *,
        ticks: Callable[[], float] = time.monotonic,
    ) -> None:
        """``now``: the deployment's time; ``ticks``: seconds of this process."""
        self.plans: Mapping[Place, RatePlan] = {place: _plan(venue) for place, venue in _places(settings).items()}
        self.breakers = Breakers(
            DatabaseBreakers(engine),
            {place: _policy(settings, venue) for place, venue in _places(settings).items()},
            now=now,
            ticks=ticks,
        )
        self.seats = Seats(len(settings.venues))
        self._store = _store(settings, engine, ticks)
        self.limiter = Limiter(self._guarded(ticks), self.plans, ticks=ticks)
        self._turnstiles = {
            breaker.place: VenueTurnstile(breaker, self.limiter, self.seats) for breaker in self.breakers
        }

    def turnstile(self, venue: str, account: str) -> VenueTurnstile:
        """Raises UnknownVenue."""
        self.breakers.get(venue, account)
        return self._turnstiles[venue, account]

    def reserved(self, venue: str, account: str) -> tuple[Reserved, int]:
        """What is given out of the rate, and the time (microseconds) by the clock that it is told in.

        Raises what the store does where it is away.
        """
        return self._store.read(venue, account)

    def close(self) -> None:
        if isinstance(self._store, Reservations):
            self._store.close()

    def _guarded(self, ticks: Callable[[], float]) -> ReservationStore:
        if isinstance(self._store, LocalReservations):
            return self._store
        return CarefulReservations(self._store, ticks=ticks)


def _store(settings: Settings, engine: Engine, ticks: Callable[[], float]) -> LocalReservations | Reservations:
    """Without Redis there is the in-process broker only: then this process is the whole deployment."""
    url = settings.redis_client_url
    if url is None:
        return LocalReservations(ticks=ticks)
    return Reservations(RedisReservations(reservations_client(url)), DatabaseReservations(engine), ticks=ticks)


def _places(settings: Settings) -> Mapping[Place, VenueSettings]:
    return {(name, account): venue for name, venue in settings.venues.items() for account in venue.accounts}


def _plan(venue: VenueSettings) -> RatePlan:
    return rate_plan(venue.rate_limit.requests, venue.rate_limit.per_s)


def _policy(settings: Settings, venue: VenueSettings) -> BreakerPolicy:
    request = timedelta(milliseconds=venue.timeout_ms)
    return BreakerPolicy(
        failure_threshold=settings.breaker.failure_threshold,
        recovery_timeout=timedelta(milliseconds=settings.breaker.recovery_timeout_ms),
        probe_lease=REQUESTS_A_PROBE * request + PROBE_MARGIN,
    )
