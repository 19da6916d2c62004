"""What a posting costs on both databases: hold, fill and release, one transaction each, beside an empty transaction."""

from __future__ import annotations

import os
import statistics
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path

import pytest
from sqlalchemy import Connection, Engine, text

from accounting.fills import FillPosting
from models.reports import VenueBalance
from models.vocabulary import Side
from storage import schema
from storage.engine import make_engine, read, write
from storage.ledger import invariants, open_venue_account, place_hold, post_fill, release_hold

pytestmark = pytest.mark.bench

NOW = datetime(2030, 1, 1, tzinfo=UTC)
WARM_UP = 30
ROUNDS = int(os.environ.get("STEADFILL_BENCH_ROUNDS", "500"))
#: clients at a time, each on venue accounts of its own
THREADS = 4


@pytest.fixture(params=["sqlite", pytest.param("postgresql", marks=pytest.mark.postgres)])
def engine(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Engine]:
    url = f"sqlite:///{tmp_path}/books.db" if request.param == "sqlite" else request.getfixturevalue("postgres_url")
    made = make_engine(url)
    schema.upgrade(made)
    with write(made) as connection:
        for account in ("a", *(f"a{thread}" for thread in range(THREADS))):
            found = [VenueBalance(asset="USDT", free=Decimal(10**9), used=Decimal(0))]
            open_venue_account(connection, "v", account, found, at=NOW)
    yield made
    with read(made, snapshot=True) as connection:
        assert invariants(connection) == []
    made.dispose()


def _steps(account: str, number: int) -> dict[str, Callable[[Connection], object]]:
    order_id = f"{account}-{number}"
    fill = FillPosting(
        key=f"fill:{order_id}", order_id=order_id, venue="v", account=account, side=Side.BUY, base="BTC", quote="USDT",
        quantity=Decimal("0.01"), price=Decimal("50000.01"), cost=Decimal("500.0001"),
        fee=Decimal("0.00001"), fee_asset="BTC",
    )  # fmt: skip
    return {
        "an empty transaction": lambda connection: connection.execute(text("SELECT 1")),
        "hold": lambda connection: place_hold(
            connection, order_id=order_id, venue="v", account=account, asset="USDT", amount=Decimal(510), at=NOW
        ),
        "fill (three legs)": lambda connection: post_fill(connection, fill, at=NOW),
        "release": lambda connection: release_hold(connection, order_id=order_id, at=NOW),
    }


def _order(engine: Engine, account: str, number: int) -> dict[str, float]:
    spent = {}
    for name, step in _steps(account, number).items():
        started = time.perf_counter()
        with write(engine) as connection:
            step(connection)
        spent[name] = time.perf_counter() - started
    return spent


def test_postings(engine: Engine) -> None:
    rounds = [_order(engine, "a", number) for number in range(WARM_UP + ROUNDS)][WARM_UP:]
    print(f"\n{engine.dialect.name}, one client, {ROUNDS} orders")
    for name in rounds[0]:
        took = sorted(spent[name] * 1000 for spent in rounds)
        print(f"  {name:22} p50 {statistics.median(took):6.2f} ms   p99 {took[int(len(took) * 0.99)]:6.2f} ms")

    def client(thread: int) -> None:
        for number in range(ROUNDS // THREADS):
            _order(engine, f"a{thread}", number)

    started = time.perf_counter()
    with ThreadPoolExecutor(THREADS) as pool:
        list(pool.map(client, range(THREADS)))
    postings = 3 * (ROUNDS // THREADS) * THREADS
    print(f"  {THREADS} clients: {postings / (time.perf_counter() - started):.0f} postings/s")
