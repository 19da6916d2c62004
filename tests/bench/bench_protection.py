"""What admitting a request costs: the breaker from what is kept, and a slot of the rate from each store."""

from __future__ import annotations

import os
import time
from collections.abc import Callable
from contextlib import ExitStack
from datetime import UTC, datetime
from pathlib import Path

import pytest
from redis import Redis

from exchanges.protection.breakers import Breakers
from exchanges.protection.limiter import Limiter, ReservationStore
from exchanges.protection.turnstile import VenueTurnstile
from risk.breaker import BreakerPolicy
from risk.reservation import rate_plan
from storage import schema
from storage.breakers import DatabaseBreakers
from storage.engine import make_engine, write
from storage.rate_reservations import DatabaseReservations
from storage.redis_reservations import RedisReservations
from storage.venue_states import note_success

pytestmark = pytest.mark.bench

TIMES = int(os.environ.get("STEADFILL_BENCH_ADMISSIONS", "2000"))
#: the promise for a breaker; a slot of a rate is one write, and takes what that takes on the machine
MOST_MS = 1.0
NOW = datetime(2030, 1, 1, tzinfo=UTC)
PLACE = ("paper", "main")
#: so much that nobody waits
PLAN = rate_plan(1_000_000, 1)


def median_ms(work: Callable[[], object]) -> tuple[float, float]:
    """Of TIMES runs, and the 99th of a hundred."""
    took = []
    for _ in range(TIMES):
        started = time.perf_counter()
        work()
        took.append((time.perf_counter() - started) * 1000)
    took.sort()
    return took[TIMES // 2], took[TIMES * 99 // 100]


@pytest.mark.parametrize(
    "kind",
    [
        pytest.param("redis", marks=pytest.mark.redis),
        "sqlite",
        pytest.param("postgresql", marks=pytest.mark.postgres),
    ],
)
def test_what_admitting_costs(
    kind: str, request: pytest.FixtureRequest, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    url = request.getfixturevalue("postgres_url") if kind == "postgresql" else f"sqlite:///{tmp_path}/steadfill.db"
    schema.upgrade(url)
    with ExitStack() as opened:
        engine = make_engine(url)
        opened.callback(engine.dispose)
        breakers = Breakers(DatabaseBreakers(engine), {PLACE: BreakerPolicy()}, now=lambda: datetime.now(UTC))
        store: ReservationStore = DatabaseReservations(engine)
        if kind == "redis":
            client = opened.enter_context(Redis.from_url(request.getfixturevalue("redis_url"), decode_responses=True))
            store = RedisReservations(client)
        turnstile = VenueTurnstile(breakers.get(*PLACE), Limiter(store, {PLACE: PLAN}))

        def plain_write() -> None:
            if kind == "redis":
                client.set("bench", "1")
            else:
                with write(engine) as conn:
                    note_success(conn, *PLACE, latency_ms=1, now=NOW)

        plain, breaker, both = (
            median_ms(work) for work in (plain_write, breakers.get(*PLACE).admit, lambda: turnstile.enter(1.0))
        )
    with capsys.disabled():
        print(
            f"\n{kind}: a breaker admits in {breaker[0]:.4f} ms (99 %: {breaker[1]:.4f}), breaker and slot together take "
            f"{both[0]:.3f} ms (99 %: {both[1]:.3f}): {both[0] / plain[0]:.2f} times one plain durable write"
        )
    assert breaker[0] < MOST_MS
