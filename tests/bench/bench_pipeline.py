"""How fast orders go from POST to FILLED through real processes, 100 in flight at once, and what the workers weigh."""

from __future__ import annotations

import os
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import psutil
import pytest

from tests.acceptance.client import FINAL
from tests.acceptance.deployment import Deployment
from tests.support.servers.postgres import PostgresServer
from tests.support.waiting import eventually

pytestmark = [pytest.mark.bench, pytest.mark.postgres, pytest.mark.redis]

ORDERS = int(os.environ.get("STEADFILL_BENCH_ORDERS", "400"))
IN_FLIGHT = 100
ALONE = 30
#: resident memory that a worker child may take, in MiB
CHILD_MIB = 150


@pytest.fixture
def deployment(postgres_server: PostgresServer, redis_url: str, tmp_path: Path) -> Iterator[Deployment]:
    url = postgres_server.create_database()
    env = {
        "STEADFILL_HOME": str(tmp_path / "home"),
        "STEADFILL_DATABASE_URL": url,
        "STEADFILL_BROKER_URL": redis_url,
        "STEADFILL_REDIS_URL": redis_url,
    }
    made = Deployment(tmp_path / "deployment", stack="postgres-redis", env=env, servers={})
    made.start()
    yield made
    made.stop()
    postgres_server.drop_database(url)


def test_orders_go_through_and_workers_stay_small(deployment: Deployment, capsys: pytest.CaptureFixture[str]) -> None:
    client = deployment.client
    _until_final(deployment, [client.place()["id"]])  # opens the books, connects everything

    alone_ms = []
    for _ in range(ALONE):
        started = time.perf_counter()
        _until_final(deployment, [client.place()["id"]], pause_s=0.002)
        alone_ms.append((time.perf_counter() - started) * 1000)

    before = _cpu_s(deployment)
    started = time.perf_counter()
    with ThreadPoolExecutor(IN_FLIGHT) as pool:
        placed = list(pool.map(lambda _: client.place(quantity="0.0001")["id"], range(ORDERS)))
    placed_s = time.perf_counter() - started
    statuses = _until_final(deployment, placed)
    filled_s = time.perf_counter() - started

    after = _cpu_s(deployment)
    heaviest = _children_mib(deployment)
    with capsys.disabled():
        print(f"\n{ORDERS} orders, {IN_FLIGHT} clients at once, PostgreSQL and Redis")
        print(f"alone, POST to FILLED: p50 {sorted(alone_ms)[ALONE // 2]:.0f} ms")
        print(
            f"placed in {placed_s:.2f} s ({ORDERS / placed_s:.0f}/s), all final after {filled_s:.2f} s ({ORDERS / filled_s:.0f}/s)"
        )
        spent = ", ".join(f"{name} {(after[name] - before[name]) / ORDERS * 1000:.1f}" for name in after)
        print(f"CPU ms an order: {spent}")
        print("resident MiB: " + ", ".join(f"{name} {mib:.0f}" for name, mib in heaviest.items()))
    assert set(statuses) == {"FILLED"}
    assert all(mib < CHILD_MIB for name, mib in heaviest.items() if "worker" in name)


def _until_final(deployment: Deployment, ids: list[str], pause_s: float = 0.05) -> list[str]:
    found: dict[str, str] = {}

    def all_final() -> bool:
        for order_id in ids:
            if found.get(order_id) not in FINAL:
                found[order_id] = deployment.client.http.get(f"/v1/orders/{order_id}/status").json()["status"]
                if found[order_id] not in FINAL:
                    time.sleep(pause_s)
                    return False
        return True

    eventually(all_final, within_s=120, describe=lambda: f"{ids} are final: {found}")
    return list(found.values())


def _cpu_s(deployment: Deployment) -> dict[str, float]:
    """CPU seconds of each piece and its children so far."""
    spent = {}
    pids = {name: process.pid for name, process in deployment.processes.items()} | {"venue": deployment.venue.pid}
    for name, pid in pids.items():
        parent = psutil.Process(pid)
        times = [member.cpu_times() for member in (parent, *parent.children(recursive=True))]
        spent[name] = sum(time.user + time.system for time in times)
    return spent


def _children_mib(deployment: Deployment) -> dict[str, float]:
    """Resident memory of each piece's heaviest process."""
    sizes = {}
    for name, process in deployment.processes.items():
        parent = psutil.Process(process.pid)
        tree = [parent, *parent.children(recursive=True)]
        sizes[name] = max(member.memory_info().rss for member in tree) / 2**20
    return sizes
