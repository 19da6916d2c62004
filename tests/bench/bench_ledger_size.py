"""Posting against the size of the books, sealing, and what `verify` takes in time and memory.

The books are filled by the program's own postings, several in a transaction, so that only the fill itself is short. At each
size the same posting is timed, one transaction each, with every other size's beside it as a ratio. STEADFILL_BENCH_FILLS
names the sizes (``10000,100000,1000000``); the last one takes an hour on two cores.
"""

from __future__ import annotations

import os
import resource
import statistics
import subprocess
import sys
import time
from collections.abc import Iterator
from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path

import pytest
from sqlalchemy import Engine

from accounting.fills import FillPosting
from models.reports import VenueBalance
from models.vocabulary import Side
from storage import schema
from storage.engine import make_engine, read, write
from storage.ledger import open_venue_account, post_fill
from storage.seals import append, digests, last_seal, waiting_entries

pytestmark = pytest.mark.bench

NOW = datetime(2030, 1, 1, tzinfo=UTC)
SIZES = [int(size) for size in os.environ.get("STEADFILL_BENCH_FILLS", "5000,20000").split(",")]
TIMED = 300
BATCH = 500
ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture(params=["sqlite", pytest.param("postgresql", marks=pytest.mark.postgres)])
def engine(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Engine]:
    url = f"sqlite:///{tmp_path}/books.db" if request.param == "sqlite" else request.getfixturevalue("postgres_url")
    made = make_engine(url)
    schema.upgrade(made)
    with write(made) as conn:
        found = [VenueBalance(asset=asset, free=Decimal(10**9), used=Decimal(0)) for asset in ("USDT", "BTC")]
        open_venue_account(conn, "v", "a", found, at=NOW)
    yield made
    made.dispose()


def _fill(number: int) -> FillPosting:
    return FillPosting(
        key=f"fill:v:a:BTC/USDT:{number}:1", order_id=f"o{number}", venue="v", account="a",
        side=Side.BUY if number % 2 else Side.SELL, base="BTC", quote="USDT", quantity=Decimal("0.01"),
        price=Decimal("50000.01"), cost=Decimal("500.0001"), fee=Decimal("0.5"), fee_asset="USDT",
    )  # fmt: skip


def _fill_up(engine: Engine, begin: int, end: int) -> float:
    started = time.perf_counter()
    for first in range(begin, end, BATCH):
        with write(engine) as conn:
            for number in range(first, min(first + BATCH, end)):
                post_fill(conn, _fill(number), at=NOW)
    return time.perf_counter() - started


def _timed(engine: Engine, begin: int) -> float:
    """Median milliseconds of one posting in a transaction of its own."""
    spent = []
    for number in range(begin, begin + TIMED):
        started = time.perf_counter()
        with write(engine) as conn:
            post_fill(conn, _fill(number), at=NOW)
        spent.append(time.perf_counter() - started)
    return statistics.median(spent) * 1000


def _seal_all(engine: Engine) -> tuple[int, float]:
    started, count = time.perf_counter(), 0
    while True:
        with read(engine) as conn:
            last, found = last_seal(conn), digests(conn, waiting_entries(conn, BATCH))
        if not found:
            return count, time.perf_counter() - started
        with write(engine) as conn:
            append(conn, last, found, at=NOW)
        count += len(found)


PROGRAM = """
import resource, sys, time
from storage.engine import make_engine, read
from storage.verify import verify
from storage.verify.chain import chain_check
from storage.verify.guards import GUARDS
from storage.verify.journal import JOURNAL
engine = make_engine(sys.argv[1])
before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
started = time.perf_counter()
with read(engine, snapshot=True) as conn:
    report = verify(conn, [GUARDS, chain_check(), JOURNAL])
assert report.failures == [], report.failures
took, peak = time.perf_counter() - started, resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
print(f"{took:.1f} s, {before / 1024:.0f} MiB before and at most {peak / 1024:.0f} MiB while")
"""


def test_posting_and_verifying_against_the_size_of_the_books(engine: Engine) -> None:
    """Guards, chain, entries and balances: the checks of the ledger by itself, for there are no orders here."""
    print(f"\n{engine.dialect.name}")
    _timed(engine, 10**9)
    begin, first_ms = 1, None
    for size in SIZES:
        took = _fill_up(engine, begin, size)
        per_posting = _timed(engine, 10**9 + size)
        first_ms = first_ms or per_posting
        sealed, seal_s = _seal_all(engine)
        url = engine.url.render_as_string(hide_password=False)
        said = subprocess.run(
            [sys.executable, "-c", PROGRAM, url], cwd=ROOT, capture_output=True, text=True, check=False
        )
        print(
            f"  {size:>9,} fills: {per_posting:.2f} ms a posting ({per_posting / first_ms:.2f} of the first size), filled up at "
            f"{(size - begin) / took:,.0f}/s, sealed at {sealed / seal_s:,.0f}/s, verify {said.stdout.strip() or said.stderr[-500:]}"
        )
        begin = size
    print(f"  this process: {resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024:.0f} MiB at most")
