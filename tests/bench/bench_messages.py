"""What tracking messages costs: an event in the process that sees it, a batch in the database, and orders end to end.

The last one runs two deployments that differ in `[messages] track` only, in turns, so that whatever else the machine does
falls on both alike.
"""

from __future__ import annotations

import os
import statistics
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from pathlib import Path

import pytest

from storage import schema
from storage.engine import make_engine, write
from storage.messages import Happened, What, record
from tasks.runtime import Runtime
from tasks.tracking import Tracker
from tests.acceptance.client import FINAL
from tests.acceptance.deployment import Deployment
from tests.support.runtime import make_settings
from tests.support.servers.postgres import PostgresServer
from tests.support.servers.redis import start_private
from tests.support.waiting import eventually

pytestmark = [pytest.mark.bench, pytest.mark.postgres, pytest.mark.redis]

EVENTS = 30_000
ORDERS = int(os.environ.get("STEADFILL_BENCH_ORDERS", "60"))
ROUNDS = int(os.environ.get("STEADFILL_BENCH_ROUNDS", "5"))
IN_FLIGHT = 20


def _items(count: int, base: int = 0) -> list[Happened]:
    """Three events a message, as an ordinary one has."""
    now = datetime.now(UTC)
    kinds = (What.PUBLISHED, What.RECEIVED, What.SUCCEEDED)
    return [
        Happened(
            message_id=f"m{base + index // 3}", what=kinds[index % 3], at=now, task="t", queue="q", order_id="o",
            worker="w@h", pid=1,
        )
        for index in range(count)
    ]  # fmt: skip


@pytest.mark.parametrize("database", ["sqlite", "postgresql"])
def test_events_and_batches(
    database: str, request: pytest.FixtureRequest, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    url = f"sqlite:///{tmp_path}/bench.db" if database == "sqlite" else request.getfixturevalue("postgres_url")
    schema.upgrade(url)
    engine = make_engine(url)
    started = time.perf_counter()
    for batch in range(10):
        with write(engine) as conn:
            record(conn, _items(300, batch * 1000))
    batch_ms = (time.perf_counter() - started) * 100
    engine.dispose()

    runtime = Runtime(make_settings(tmp_path, "http://127.0.0.1:1", database_url=url))
    tracker = Tracker(runtime, flush_s=0.15)
    items = _items(EVENTS, 1_000_000)
    started = time.perf_counter()
    for item in items:
        tracker.record(item)
    seen_us = (time.perf_counter() - started) / EVENTS * 1e6
    tracker.stop(120)
    written_s = time.perf_counter() - started
    with capsys.disabled():
        print(
            f"\n{database}: an event {seen_us:.1f} µs in its process; 300 events of 100 messages {batch_ms:.1f} ms in one "
            f"transaction; {EVENTS / written_s:.0f} events/s ({EVENTS / written_s / 3:.0f} messages/s) on record"
        )


@pytest.fixture
def pair(postgres_server: PostgresServer, tmp_path: Path) -> Iterator[dict[str, Deployment]]:
    made: dict[str, Deployment] = {}
    caches = []
    for name in ("on", "off"):
        cache = start_private()
        caches.append(cache)
        env = {
            "STEADFILL_HOME": str(tmp_path / name / "home"),
            "STEADFILL_DATABASE_URL": postgres_server.create_database(),
            "STEADFILL_BROKER_URL": cache.url,
            "STEADFILL_REDIS_URL": cache.url,
            "STEADFILL_MESSAGES__TRACK": str(name == "on").lower(),
        }
        made[name] = Deployment(tmp_path / name / "deployment", stack="postgres-redis", env=env, servers={})
        made[name].start()
    yield made
    for deployment in made.values():
        deployment.stop()
    for cache in caches:
        cache.close()


@pytest.mark.timeout(900)
def test_orders_with_and_without(pair: dict[str, Deployment], capsys: pytest.CaptureFixture[str]) -> None:
    for deployment in pair.values():
        _round(deployment, 10)  # opens the books, connects everything
    seconds: dict[str, list[float]] = {"on": [], "off": []}
    for number in range(ROUNDS):
        for name in ("on", "off") if number % 2 else ("off", "on"):
            seconds[name].append(_round(pair[name], ORDERS))
    rates = {name: ORDERS / statistics.median(taken) for name, taken in seconds.items()}
    with capsys.disabled():
        print(
            f"\n{ROUNDS} rounds of {ORDERS} orders in turns, PostgreSQL and Redis: tracked {rates['on']:.1f} orders/s, "
            f"untracked {rates['off']:.1f}: ratio {rates['on'] / rates['off']:.2f}; "
            f"all seconds: {', '.join(f'{name} {[round(one, 2) for one in taken]}' for name, taken in seconds.items())}"
        )


def _round(deployment: Deployment, count: int) -> float:
    client = deployment.client
    started = time.perf_counter()
    with ThreadPoolExecutor(IN_FLIGHT) as pool:
        ids = list(pool.map(lambda _: client.place(quantity="0.0001")["id"], range(count)))
    left = set(ids)

    def all_final() -> bool:
        left.difference_update([one for one in list(left)[:5] if client.status(one)["status"] in FINAL])
        return not left

    eventually(all_final, within_s=200, describe=lambda: f"{len(left)} orders are final")
    return time.perf_counter() - started
