"""Slots while Redis is away: the database gives them, and what a venue asked for is kept in both."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from redis import Redis
from redis.exceptions import ConnectionError as RedisIsAway
from sqlalchemy import Engine

from risk.lane import Lane
from risk.reservation import SECOND_US, UNITS, Reserved, rate_plan
from storage.rate_reservations import DatabaseReservations
from storage.redis_reservations import RedisReservations, reservations_client
from storage.reservations import AWAY_S, Reservations

pytestmark = [pytest.mark.integration, pytest.mark.redis]

PLACE = ("paper", "main")
PLAN = rate_plan(1200, 60)


class Clock:
    def __init__(self) -> None:
        self.seconds = 1_000.0

    def __call__(self) -> float:
        return self.seconds


class Switched(RedisReservations):
    """A Redis behind a connection that can be cut."""

    cut = False
    asked = 0

    def reserve(self, *args: object, **kwargs: object) -> object:  # type: ignore[override]
        self.asked += 1
        if self.cut:
            raise RedisIsAway("cut")
        return super().reserve(*args, **kwargs)  # type: ignore[arg-type]

    def shut(self, *args: object, **kwargs: object) -> None:  # type: ignore[override]
        if self.cut:
            raise RedisIsAway("cut")
        super().shut(*args, **kwargs)  # type: ignore[arg-type]


@pytest.fixture
def redis(redis_url: str) -> Iterator[Switched]:
    with Redis.from_url(redis_url, socket_timeout=60, decode_responses=True) as client:
        yield Switched(client)


def reserve(store: Reservations) -> None:
    assert store.reserve(*PLACE, PLAN, Lane.ORDINARY, UNITS, within_us=0).granted


def test_the_database_gives_slots_until_redis_is_back(redis: Switched, engine: Engine) -> None:
    clock, database = Clock(), DatabaseReservations(engine)
    store = Reservations(redis, database, ticks=clock)

    reserve(store)
    untouched = database.read(*PLACE)
    redis.cut = True
    reserve(store)
    reserve(store)
    asked_while_away = redis.asked
    clock.seconds += AWAY_S
    redis.cut = False
    before = redis.read(*PLACE)
    reserve(store)

    assert untouched == Reserved()
    assert database.read(*PLACE).ordinary_us > 0
    assert asked_while_away == 2, "each try costs its caller half a second"
    assert redis.read(*PLACE) != before


def test_what_is_shut_stays_shut_when_redis_goes_away_or_forgets(redis: Switched, engine: Engine) -> None:
    database = DatabaseReservations(engine)
    store = Reservations(redis, database)

    store.shut(*PLACE, for_us=60 * SECOND_US)
    in_both = (redis.read(*PLACE).closed_until_us > 0, database.read(*PLACE).closed_until_us > 0)
    redis.cut = True
    slot = store.reserve(*PLACE, PLAN, Lane.URGENT, UNITS, within_us=0)
    store.shut(*PLACE, for_us=90 * SECOND_US)

    assert in_both == (True, True)
    assert (slot.granted, slot.closed) == (False, True)
    assert database.read(*PLACE).closed_until_us > redis.read(*PLACE).closed_until_us


def test_a_server_that_is_not_there_is_given_up_at_once_and_asked_once() -> None:
    client = reservations_client("redis://127.0.0.1:1/0")
    with pytest.raises(RedisIsAway):
        RedisReservations(client).reserve(*PLACE, PLAN, Lane.ORDINARY, UNITS, within_us=0)
    assert client.connection_pool.connection_kwargs["retry"]._retries == 0
    client.close()
