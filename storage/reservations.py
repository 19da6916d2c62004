"""Slots from Redis, and from the database while Redis is away."""

import time
from collections.abc import Callable

import structlog
from redis.exceptions import RedisError

from risk.lane import Lane
from risk.reservation import RatePlan, Reserved, Slot
from storage.rate_reservations import DatabaseReservations
from storage.redis_reservations import RedisReservations

log = structlog.get_logger()

#: Redis is left alone for so long once it has not answered: each try costs its caller half a second.
AWAY_S = 5.0


class Reservations:
    """While only some processes reach Redis, two books are kept and the venue may see up to twice the rate.

    Its own 429 then closes the gate in both. Standing still instead would cost more than that.
    """

    def __init__(
        self,
        redis: RedisReservations,
        database: DatabaseReservations,
        *,
        ticks: Callable[[], float] = time.monotonic,
    ) -> None:
        self._redis = redis
        self._database = database
        self._ticks = ticks
        self._away_until = 0.0

    def reserve(self, venue: str, account: str, plan: RatePlan, lane: Lane, weight: int, *, within_us: int) -> Slot:
        """As ``DatabaseReservations.reserve``."""
        if self._ticks() >= self._away_until:
            try:
                return self._redis.reserve(venue, account, plan, lane, weight, within_us=within_us)
            except RedisError as error:
                self._note_away(error)
        return self._database.reserve(venue, account, plan, lane, weight, within_us=within_us)

    def shut(self, venue: str, account: str, *, for_us: int, ordinary_only: bool = False) -> None:
        """In both, so that a Redis that forgets or goes away opens nothing early for those who see its end."""
        try:
            self._redis.shut(venue, account, for_us=for_us, ordinary_only=ordinary_only)
        except RedisError as error:
            self._note_away(error)
        self._database.shut(venue, account, for_us=for_us, ordinary_only=ordinary_only)

    def read(self, venue: str, account: str) -> tuple[Reserved, int]:
        """What is given out by the store in use, and the time (microseconds) by its clock."""
        if self._ticks() >= self._away_until:
            try:
                return self._redis.read(venue, account), self._redis.now_us()
            except RedisError as error:
                self._note_away(error)
        return self._database.read(venue, account), self._database.now_us()

    def close(self) -> None:
        self._redis.close()

    def _note_away(self, error: RedisError) -> None:
        self._away_until = self._ticks() + AWAY_S
        log.warning(
            "Redis gives no slots; the database does, until it is back. Requests may leave faster for a moment",
            error=type(error).__name__,
        )
