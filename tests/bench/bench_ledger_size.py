"""Posting against the size of the books, sealing, and what `verify` takes in time and memory.

The books are filled by SQL with the guards off and put back, as the program's own postings would have left them (`verify`
proves that), so that a million fills take a minute. At each size the same posting is timed in a small and in the large
database in turn, by processor time, which other processes hardly disturb. STEADFILL_BENCH_FILLS names the sizes
(``10000,100000,1000000``).
"""

from __future__ import annotations

import os
import statistics
import subprocess
import sys
import time
from collections.abc import Iterator
from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path

import pytest
from sqlalchemy import Connection, Engine, select, text

from accounting.fills import FillPosting
from accounting.legs import AccountKind
from models.money import add
from models.reports import VenueBalance
from models.vocabulary import Side
from storage import schema
from storage.engine import make_engine, read, write
from storage.guards import manifest
from storage.ledger import lock_accounts, open_venue_account, post_fill
from storage.ledger_tables import ledger_accounts
from storage.seals import append, digests, last_seal, waiting_entries

pytestmark = [pytest.mark.bench, pytest.mark.timeout(3_600)]

NOW = datetime(2030, 1, 1, tzinfo=UTC)
SIZES = [int(size) for size in os.environ.get("STEADFILL_BENCH_FILLS", "10000,100000").split(",")]
#: postings of one turn, and turns
TIMED = 100
TURNS = 5
BATCH = 500
ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture(params=["sqlite", pytest.param("postgresql", marks=pytest.mark.postgres)])
def engine(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Engine]:
    url = f"sqlite:///{tmp_path}/books.db" if request.param == "sqlite" else request.getfixturevalue("postgres_url")
    made = _opened(url)
    yield made
    made.dispose()


def _opened(url: str) -> Engine:
    made = make_engine(url)
    schema.upgrade(made)
    with write(made) as conn:
        found = [VenueBalance(asset=asset, free=Decimal(10**9), used=Decimal(0)) for asset in ("USDT", "BTC")]
        open_venue_account(conn, "v", "a", found, at=NOW)
    return made


def _fill(number: int) -> FillPosting:
    return FillPosting(
        key=f"fill:v:a:BTC/USDT:{number}:1", order_id=f"o{number}", venue="v", account="a",
        side=Side.BUY if number % 2 else Side.SELL, base="BTC", quote="USDT", quantity=Decimal("0.01"),
        price=Decimal("50000.01"), cost=Decimal("500.0001"), fee=Decimal("0.5"), fee_asset="USDT",
    )  # fmt: skip


LEGS = """
INSERT INTO ledger_legs (id, entry_id, ordinal, debit_account_id, credit_account_id, asset, amount)
WITH RECURSIVE n(i) AS (SELECT {begin} UNION ALL SELECT i + 1 FROM n WHERE i < {end}),
     leg(k, buy_debit, buy_credit, sell_debit, sell_credit, buy_asset, sell_asset, buy_amount, sell_amount) AS (VALUES
       (1, {clear_q}, {free_q}, {clear_b}, {free_b}, 'USDT', 'BTC', '500.0001', '0.01'),
       (2, {free_b}, {clear_b}, {free_q}, {clear_q}, 'BTC', 'USDT', '0.01', '500.0001'),
       (3, {fee_q}, {free_q}, {fee_q}, {free_q}, 'USDT', 'USDT', '0.5', '0.5'))
SELECT {last_leg} + (i - {begin}) * 3 + k, {last_entry} + i - {begin} + 1, k,
       CASE i % 2 WHEN 1 THEN buy_debit ELSE sell_debit END, CASE i % 2 WHEN 1 THEN buy_credit ELSE sell_credit END,
       CASE i % 2 WHEN 1 THEN buy_asset ELSE sell_asset END,
       CAST(CASE i % 2 WHEN 1 THEN buy_amount ELSE sell_amount END AS {exact}) FROM n CROSS JOIN leg ORDER BY i, k
"""
ENTRIES = """
INSERT INTO ledger_entries (id, key, kind, order_id, detail, leg_count, posted_at)
WITH RECURSIVE n(i) AS (SELECT {begin} UNION ALL SELECT i + 1 FROM n WHERE i < {end})
SELECT {last_entry} + i - {begin} + 1, 'fill:v:a:BTC/USDT:' || i || ':1', 'fill', 'o' || i, '{{}}', 3, 1893456000000000 FROM n
"""


def _fill_up(engine: Engine, begin: int, end: int) -> None:
    """The fills ``begin`` to ``end``, both included."""
    with write(engine) as conn:
        sqlite = conn.dialect.name == "sqlite"
        if not sqlite:
            conn.execute(text("SET LOCAL statement_timeout = 0"))
        manifest.remove(conn)
        lock_accounts(conn, "v", "a", ("USDT", "BTC"), tuple(AccountKind))
        ids = {
            (row.asset, row.kind): row.id for row in conn.execute(text("SELECT id, asset, kind FROM ledger_accounts"))
        }
        last_entry = conn.execute(text("SELECT max(id) FROM ledger_entries")).scalar_one()
        last_leg = conn.execute(text("SELECT max(id) FROM ledger_legs")).scalar_one()
        names = {
            "begin": begin, "end": end, "last_entry": last_entry, "last_leg": last_leg, "exact": "TEXT" if sqlite else "NUMERIC",
            "clear_q": ids["USDT", "clearing"], "clear_b": ids["BTC", "clearing"], "free_q": ids["USDT", "available"],
            "free_b": ids["BTC", "available"], "fee_q": ids["USDT", "fee"],
        }  # fmt: skip
        conn.exec_driver_sql(ENTRIES.format(**names).replace("%", "%" if sqlite else "%%"))
        conn.exec_driver_sql(LEGS.format(**names).replace("%", "%" if sqlite else "%%"))
        conn.execute(
            text("INSERT INTO ledger_unsealed SELECT id FROM ledger_entries WHERE id > :last"), {"last": last_entry}
        )
        _move_balances(conn, ids, begin, end)
        if not sqlite:
            for table in ("ledger_entries", "ledger_legs"):
                conn.exec_driver_sql(f"SELECT setval('{table}_id_seq', (SELECT max(id) FROM {table}))")
        manifest.install(conn)


def _move_balances(conn: Connection, ids: dict[tuple[str, str], int], begin: int, end: int) -> None:
    fills = end - begin + 1
    more_buys = sum(1 if number % 2 else -1 for number in (begin, end)) // 2 if fills % 2 else 0
    base, quote, fees = Decimal("0.01") * more_buys, Decimal("500.0001") * more_buys, Decimal("0.5") * fills
    changes = {
        ("USDT", "available"): -quote - fees, ("USDT", "clearing"): quote, ("USDT", "fee"): fees,
        ("BTC", "available"): base, ("BTC", "clearing"): -base,
    }  # fmt: skip
    newest = "(SELECT max(id) FROM ledger_legs WHERE debit_account_id = :id OR credit_account_id = :id)"
    accounts = ledger_accounts
    for place, change in changes.items():
        where = accounts.c.id == ids[place]
        balance = conn.execute(select(accounts.c.balance).where(where)).scalar_one()
        last = conn.execute(text(f"SELECT {newest}"), {"id": ids[place]}).scalar_one()
        conn.execute(accounts.update().where(where).values(balance=add(balance, change), last_leg_id=last))


def _timed(engine: Engine, begin: int) -> float:
    """Milliseconds of the processor for one posting, in one transaction of many."""
    started = time.process_time()
    with write(engine) as conn:
        for number in range(begin, begin + TIMED):
            post_fill(conn, _fill(number), at=NOW)
    return (time.process_time() - started) / TIMED * 1000


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
import sys, time
from storage.engine import make_engine, read
from storage.verify import verify
from storage.verify.chain import chain_check
from storage.verify.guards import GUARDS
from storage.verify.journal import JOURNAL
def peak_mib():
    # of this program alone: getrusage would count what the process was before it became this one
    with open("/proc/self/status") as status:
        return next(int(line.split()[1]) for line in status if line.startswith("VmHWM")) / 1024
engine = make_engine(sys.argv[1])
before = peak_mib()
started = time.perf_counter()
with read(engine, snapshot=True) as conn:
    report = verify(conn, [GUARDS, chain_check(), JOURNAL])
assert report.failures == [], report.failures
took, cpu = time.perf_counter() - started, time.process_time()
print(f"{took:.1f} s ({cpu:.1f} s of the processor), {before:.0f} MiB before and at most {peak_mib():.0f} MiB while")
"""


def test_posting_and_verifying_against_the_size_of_the_books(
    engine: Engine, request: pytest.FixtureRequest, tmp_path: Path
) -> None:
    """Guards, chain, entries and balances: the checks of the ledger by itself, for there are no orders here."""
    print(f"\n{engine.dialect.name}")
    small = _small(request, tmp_path, engine.dialect.name)
    begin = 1
    for size in SIZES:
        _fill_up(engine, begin, size)
        begin = size + 1
        pairs = [
            (_timed(small, 10**9 + turn * TIMED + size * 10), _timed(engine, 10**9 + turn * TIMED + size * 10))
            for turn in range(TURNS)
        ]
        in_small, in_large = (statistics.median(times) for times in zip(*pairs, strict=True))
        sealed, seal_s = _seal_all(engine)
        url = engine.url.render_as_string(hide_password=False)
        said = subprocess.run(
            [sys.executable, "-c", PROGRAM, url], cwd=ROOT, capture_output=True, text=True, check=False
        )
        print(
            f"  {size:>9,} fills: {in_large:.2f} ms a posting, {in_large / in_small:.2f} of that in empty books; "
            f"{sealed:,} sealed at {sealed / seal_s:,.0f}/s; verify {said.stdout.strip() or said.stderr[-800:]}"
        )
    small.dispose()


def _small(request: pytest.FixtureRequest, folder: Path, dialect: str) -> Engine:
    if dialect == "sqlite":
        url = f"sqlite:///{folder}/small.db"
    else:
        server = request.getfixturevalue("postgres_server")
        url = server.create_database()
    return _opened(url)
