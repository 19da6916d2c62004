"""Positions: what moving one adds to booking a fill, and how long reads take among ten thousand of them."""

from __future__ import annotations

import os
import statistics
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import replace
from pathlib import Path

import pytest
from sqlalchemy import Engine

from accounting.position_figures import FeesIn, Method
from settings import load_settings
from storage import schema
from storage.engine import make_engine, read, write
from storage.position_proof import prove_equal
from storage.position_reads import PositionFilter
from storage.redis_reservations import reservations_client
from tasks.hot_books import copy_everything, hot_positions
from tasks.positions import PositionQuery, positions_document
from tasks.runtime import Runtime
from tests.support.order_values import NOW, make_trade
from tests.support.position_books import PositionBooks

pytestmark = [pytest.mark.bench, pytest.mark.timeout(3_600)]

POSITIONS = int(os.environ.get("STEADFILL_BENCH_POSITIONS", "10000"))
ROUNDS = int(os.environ.get("STEADFILL_BENCH_ROUNDS", "500"))
WARM_UP = 20
#: venue accounts that the positions are spread over
ACCOUNTS = 10
#: positions made in one transaction
AT_ONCE = 250
#: milliseconds for one position
PROMISED_MS = 2.0


@pytest.fixture(params=["sqlite", pytest.param("postgresql", marks=pytest.mark.postgres)])
def engine(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Engine]:
    url = f"sqlite:///{tmp_path}/books.db" if request.param == "sqlite" else request.getfixturevalue("postgres_url")
    made = make_engine(url)
    schema.upgrade(made)
    yield made
    made.dispose()


def _line(name: str, took_s: list[float]) -> str:
    took = sorted(seconds * 1000 for seconds in took_s)
    return f"  {name:44} p50 {statistics.median(took):7.2f} ms   p99 {took[int(len(took) * 0.99)]:7.2f} ms"


def _timed(act: Callable[[], object]) -> float:
    started = time.perf_counter()
    act()
    return time.perf_counter() - started


def test_booking_with_and_without_the_position(engine: Engine) -> None:
    """In one run and in turns, buys and sells; and whether the thousandth fill of a position costs more than the first."""
    books = {"with": PositionBooks(engine), "without": PositionBooks(engine, with_positions=False)}
    took: Mapping[str, list[float]] = {name: [] for name in books}
    for number in range(WARM_UP + ROUNDS):
        for name, one in books.items():
            fill = one.sell if number % 4 == 3 else one.buy
            took[name].append(_timed(lambda: fill("0.3", "50000.01", fee="0.0003", fee_asset="BTC", account=name)))  # noqa: B023
    print(f"\n{engine.dialect.name}, one client, {ROUNDS} fills")
    for name, times in took.items():
        print(_line(f"booking a fill {name} its position", times[WARM_UP:]))
    ratio = statistics.median(took["with"][WARM_UP:]) / statistics.median(took["without"][WARM_UP:])
    tenth = max(ROUNDS // 10, 1)
    growth = statistics.median(took["with"][-tenth:]) / statistics.median(took["with"][WARM_UP : WARM_UP + tenth])
    base = statistics.median(took["without"][-tenth:]) / statistics.median(took["without"][WARM_UP : WARM_UP + tenth])
    print(f"  ratio {ratio:.2f}; last tenth against first: {growth:.2f} with, {base:.2f} without")


@pytest.mark.redis
def test_reads_among_many(engine: Engine, redis_url: str, tmp_path: Path) -> None:
    books = PositionBooks(engine)
    started = time.perf_counter()
    for account in range(ACCOUNTS):
        order, child = books.order(account=f"a{account}")
        for start in range(0, POSITIONS // ACCOUNTS, AT_ONCE):
            with write(engine) as conn:
                for coin in range(start, min(start + AT_ONCE, POSITIONS // ACCOUNTS)):
                    symbol = f"C{coin}/USDT"
                    trade = make_trade(f"{account}-{coin}", symbol=symbol)
                    books.book(
                        conn, replace(order, base=f"C{coin}", symbol=symbol), replace(child, symbol=symbol), trade, NOW
                    )
    print(f"\n{engine.dialect.name}: {POSITIONS} positions made in {time.perf_counter() - started:.0f} s")
    environ = {
        "STEADFILL_CONFIG": os.devnull, "STEADFILL_HOME": str(tmp_path), "STEADFILL_BROKER_URL": redis_url,
        "STEADFILL_DATABASE_URL": engine.url.render_as_string(hide_password=False),
    }  # fmt: skip
    runtime = Runtime(load_settings(environ))
    print(f"  copied whole in {_timed(lambda: copy_everything(runtime)):.2f} s")

    def asked(hot: bool = False, **wanted: str) -> Callable[[], object]:
        query = PositionQuery(
            wanted=PositionFilter(**wanted), at=None, method=Method.AVERAGE, fees=FeesIn.INCLUDED, hot=hot
        )
        return lambda: positions_document(runtime, query)

    reads = {
        "one position, from the database": asked(venue="paper", account="a3", asset="C50"),
        "one asset at all accounts, from the database": asked(asset="C50"),
        "one account's, from the hot copy, as values": lambda: hot_positions(runtime, "paper", "a3"),
        "one account's, from the database": asked(venue="paper", account="a3"),
        "all of them, from the database": asked(),
    }
    for name, read_them in reads.items():
        rounds = ROUNDS if name.startswith(("one position", "one asset")) else 5
        times = [_timed(read_them) for _ in range(WARM_UP if rounds > WARM_UP else 1)]
        times = [_timed(read_them) for _ in range(rounds)]
        print(_line(name, times))
        if name.startswith("one position"):
            kept = statistics.median(times) * 1000 <= PROMISED_MS
            print(f"    promised: {PROMISED_MS} ms, {'kept' if kept else 'NOT KEPT'}")
    client = reservations_client(redis_url)
    times = [_timed(client.ping) for _ in range(ROUNDS)]
    print(_line("a bare PING of that Redis", times))
    with read(engine, snapshot=True) as conn:
        spent = time.perf_counter()
        assert prove_equal(conn) == []
        print(f"  proven against the ledger in {time.perf_counter() - spent:.1f} s")
    client.close()
    runtime.close()
