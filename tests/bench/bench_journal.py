"""What the journal costs: the same postings to two SQLite files side by side, one with a journal."""

from __future__ import annotations

import statistics
import time
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path

import pytest
from sqlalchemy import Engine

from models.reports import VenueBalance
from storage import schema
from storage.backup.make import make_backup
from storage.engine import make_engine, write
from storage.ledger import adopt_deposit, open_venue_account

pytestmark = pytest.mark.bench

NOW = datetime(2030, 1, 1, tzinfo=UTC)
ROUNDS = 15
POSTINGS = 20
THREADS = 8


def test_the_journal_is_one_more_write_to_disk(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    plain, journaled = (books(tmp_path / name) for name in ("plain", "journaled"))
    make_backup(journaled.url, tmp_path / "backups", now=NOW, keep_daily=1, keep_weekly=0, journal=True)
    taken: dict[tuple[str, int], list[float]] = {}
    for number in range(ROUNDS):
        for name, engine in (("plain", plain), ("journaled", journaled)):
            for threads in (1, THREADS):
                taken.setdefault((name, threads), []).append(timed(engine, f"{number}-{threads}", threads))
    with capsys.disabled():
        for threads in (1, THREADS):
            ours, base = (statistics.median(taken[name, threads]) * 1000 / POSTINGS for name in ("journaled", "plain"))
            print(f"\n{threads} threads: {base:.2f} ms a posting, with the journal {ours:.2f} ms: × {ours / base:.2f}")
    for engine in (plain, journaled):
        engine.dispose()


def books(folder: Path) -> Engine:
    engine = make_engine(f"sqlite:///{folder}/steadfill.db", pool_size=THREADS)
    schema.upgrade(engine)
    with write(engine) as conn:
        open_venue_account(conn, "v", "a", [VenueBalance(asset="USDT", free=Decimal(1000), used=Decimal(0))], at=NOW)
    return engine


def timed(engine: Engine, name: str, threads: int) -> float:
    def deposit(number: int) -> None:
        with write(engine) as conn:
            key = f"{name}-{number}"
            adopt_deposit(conn, venue="v", account="a", asset="USDT", amount=Decimal(1), key=key, at=NOW)

    started = time.perf_counter()
    with ThreadPoolExecutor(threads) as pool:
        list(pool.map(deposit, range(POSTINGS)))
    return time.perf_counter() - started
