"""How long `steadfill simulate` takes for a million trades: reading the file, and each algorithm's run."""

from __future__ import annotations

import random
import resource
import time
from decimal import Decimal
from pathlib import Path

import pytest

from cli.simulate_run import ALGORITHMS, simulate
from cli.simulate_setting import Wanted
from cli.simulate_tape import read_tape

TRADES = 1_000_000


@pytest.fixture(scope="module")
def million(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """About a day of a busy symbol."""
    dice, price, at_ms = random.Random(1), 6_000_000, 1_893_456_000_000
    file = tmp_path_factory.mktemp("trades") / "million.csv"
    with file.open("w") as out:
        out.write("ts_ms,trade_id,price,qty,taker_side\n")
        for number in range(TRADES):
            at_ms += dice.randrange(0, 170)
            buys = dice.random() < 0.5
            price += dice.choice((-30, -1, 0, 0, 1, 30))
            side = "buy" if buys else "sell"
            out.write(f"{at_ms},{number},{(price + buys) / 100:.8f},{dice.randrange(1, 50_000) / 100_000:.8f},{side}\n")
    return file


@pytest.mark.bench
@pytest.mark.parametrize("limit", [None, "60030", "58500"], ids=["market", "limit near the market", "limit far below"])
def test_a_million_trades(million: Path, limit: str | None) -> None:
    began, cpu = time.perf_counter(), time.process_time()
    file = read_tape(str(million))
    read_s, read_cpu_s = time.perf_counter() - began, time.process_time() - cpu

    names = [name for name in ALGORITHMS if limit is not None or name != "iceberg"]
    request = {
        "symbol": "BTC/USDT", "side": "buy", "type": "limit" if limit else "market", "quantity": "20",
        "time_in_force": "GTC", "fill_policy": {"name": "accept_partial"}, **({"price": limit} if limit else {}),
    }  # fmt: skip
    print(
        f"\n{TRADES:,} trades, {'market' if limit is None else f'limit {limit}'}: read in {read_s:.2f} s ({read_cpu_s:.2f} s of CPU)"
    )
    for name in names:
        began, cpu = time.perf_counter(), time.process_time()
        run = simulate(file, Wanted(request=request, algorithms=(name,), duration_s=Decimal(40_000))).runs[0]
        told = f"{len(run.run.children)} slices, {len(run.run.fills)} fills"
        print(f"  {name:9} {time.perf_counter() - began:5.2f} s ({time.process_time() - cpu:5.2f} s of CPU), {told}")
    print(f"  largest size {resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024} MB")
    assert len(file.tape.at) == TRADES
