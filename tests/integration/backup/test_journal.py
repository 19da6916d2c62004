"""The journal: with a backup it gives every row back that was ever answered for, whatever happened between."""

from __future__ import annotations

import os
import random
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import Engine, delete, insert, text, update

from failpoints import set_hook
from storage import schema
from storage.all_tables import metadata
from storage.backup.checks import frozen
from storage.backup.folder import find
from storage.backup.heads import heads
from storage.backup.make import make_backup
from storage.backup.restore import Restored, restore_sqlite
from storage.engine import make_engine, read, savepoint, write
from storage.journal import keeper
from storage.journal.capture import UNJOURNALED
from storage.journal.files import records, segments
from storage.journal.state import state_of
from storage.service_tables import alerts, halts, outbox
from tests.integration.backup.conftest import BOTH, NOW, deposit
from tests.support.processes import ROOT

pytestmark = pytest.mark.parametrize("database_url", BOTH[:1], indirect=True)

Dump = dict[str, list[tuple[Any, ...]]]


@pytest.fixture
def live(database_url: str) -> Path:
    return Path(database_url.removeprefix("sqlite:///"))


@pytest.fixture
def journaled(engine: Engine, database_url: str, folder: Path) -> Engine:
    """Books with a backup, and a journal from there on."""
    make_backup(database_url, folder, now=NOW, keep_daily=3, keep_weekly=0, journal=True)
    return engine


@pytest.fixture
def restore(live: Path, folder: Path, engine: Engine) -> Callable[[], tuple[Restored, Dump]]:
    """Restore over the live file; returns what was done and every journaled row, without the restore's own halt and alert."""

    def run() -> tuple[Restored, Dump]:
        engine.dispose()
        done = restore_sqlite(find(folder, None), live, now=NOW, reason="a test")
        found = rows(live)
        found["halts"] = [row for row in found["halts"] if not {"restore", "incomplete restore"} & set(row)]
        found["alerts"] = [row for row in found["alerts"] if "RESTORED" not in row]
        return done, found

    return run


def rows(path: Path) -> Dump:
    """Every row that the journal is about."""
    with frozen(path) as copy, read(copy) as conn:
        return {
            name: sorted((tuple(row) for row in conn.execute(text(f'SELECT * FROM "{name}"'))), key=repr)
            for name in metadata.tables
            if name not in UNJOURNALED
        }


def as_it_was(engine: Engine, live: Path) -> Dump:
    engine.dispose()  # the last connection moves the write-ahead log into the file
    return rows(live)


def test_every_kind_of_statement_comes_back(
    journaled: Engine, live: Path, restore: Callable[[], tuple[Restored, Dump]]
) -> None:
    deposit(journaled, "d1", "5")
    halt = {"venue": "v", "account": "a", "reason": "ü \n\x01 'quoted' \"too\"", "by": "me", "since": NOW}
    with write(journaled) as conn:
        conn.execute(insert(halts), [halt, {**halt, "account": "b"}, {**halt, "account": "c"}])
    with write(journaled) as conn:
        conn.execute(update(halts).where(halts.c.account == "a").values(account="z"))  # its very key
        conn.execute(delete(halts).where(halts.c.account == "b"))
        conn.execute(text("INSERT OR REPLACE INTO halts SELECT venue, account, 'replaced', by, since FROM halts"))
        point = savepoint(conn)
        conn.execute(delete(halts))
        point.rollback()
    with write(journaled) as conn:  # two rows change places: neither state between them is allowed
        alert = {
            "kind": "K",
            "severity": "warning",
            "message": "",
            "detail": {},
            "count": 2**62,
            "first_at": NOW,
            "last_at": NOW,
        }
        conn.execute(insert(alerts), [{**alert, "key": "one"}, {**alert, "key": "two"}])
    with write(journaled) as conn:
        for old, new in (("one", "spare"), ("two", "one"), ("spare", "two")):
            conn.execute(update(alerts).where(alerts.c.key == old).values(key=new))
    fails_at("storage.committing", lambda: deposit(journaled, "rolled back", "1"))
    message = {"task": "t", "queue": "q", "kwargs": {"a": "b"}, "due_at": NOW, "created_at": NOW}
    with write(journaled) as conn:
        conn.execute(insert(outbox), [{**message, "kind": "notify"}, {**message, "kind": "task"}])
    before = as_it_was(journaled, live)

    done, after = restore()

    assert done.replayed is not None
    assert done.replayed.gap is None
    hints = [row for row in before["outbox"] if row[1] != "notify"]
    assert len(hints) == 1  # made again from the rows of orders, so it need not come back
    before["outbox"].remove(hints[0])
    assert after == before


def test_nothing_is_written_for_what_may_be_lost(journaled: Engine, live: Path) -> None:
    from storage.leases import take

    with write(journaled) as conn:
        take(conn, "look:1", owner="me", lease_ms=1000)

    assert journal_lines(live) == []


def test_a_record_without_its_commit_is_done_if_it_was_the_last_and_not_if_it_was_not(
    journaled: Engine, live: Path, restore: Callable[[], tuple[Restored, Dump]]
) -> None:
    deposit(journaled, "d1", "5")
    fails_at("journal.written", lambda: deposit(journaled, "failed", "100"))
    deposit(journaled, "d2", "7")
    before = as_it_was(journaled, live)
    fails_at("journal.written", lambda: deposit(journaled, "in doubt", "1000"))

    done, after = restore()

    assert done.replayed is not None
    assert (done.replayed.records, done.replayed.gap) == (3, None)
    keys = {row[1] for row in after["ledger_entries"]}
    assert keys - {row[1] for row in before["ledger_entries"]} == {"in doubt"}  # as a COMMIT whose answer was lost
    assert "failed" not in keys


def test_a_connection_whose_first_commit_fails_is_journaled_by_its_next(
    journaled: Engine, live: Path, restore: Callable[[], tuple[Restored, Dump]]
) -> None:
    """What a transaction made for the journal is gone with it, also where no rollback was asked for: a full disk."""
    journaled.dispose()  # its next connection is a new one, which has no triggers yet
    fails_at("journal.written", lambda: deposit(journaled, "failed", "100"))
    deposit(journaled, "d1", "5")
    before = as_it_was(journaled, live)

    _, after = restore()

    assert after == before


def test_a_torn_end_is_dropped_and_damage_before_it_is_told(
    journaled: Engine, live: Path, restore: Callable[[], tuple[Restored, Dump]], folder: Path
) -> None:
    for number in range(6):
        deposit(journaled, f"d{number}", "1")
    path = written_segment(live, chain_of(journaled))
    whole = path.read_bytes()
    dice = random.Random(3)
    starts = [0, *[place + 1 for place, byte in enumerate(whole) if byte == 10]]
    for cut in [starts[-2] + dice.randrange(1, len(whole) - starts[-2]) for _ in range(4)]:
        path.write_bytes(whole[:cut])
        assert [record is not None for record in records(path)] == [True] * 5 + [False]

    broken = bytearray(whole)
    broken[starts[3] + 90] ^= 4
    path.write_bytes(bytes(broken))
    done, after = restore()

    assert done.replayed is not None
    assert done.replayed.records == 3
    assert "line 4 of" in (done.replayed.gap or "")
    assert "from record 4 on can't be replayed" in (done.replayed.gap or "")
    assert sum("deposit" in row for row in after["ledger_entries"]) == 3


def test_a_writer_goes_on_after_one_that_died_in_the_middle_of_a_line(
    journaled: Engine, live: Path, restore: Callable[[], tuple[Restored, Dump]]
) -> None:
    deposit(journaled, "d1", "5")
    path = written_segment(live, chain_of(journaled))
    with path.open("ab") as file:
        file.write(b"2 0123456789abcdef half a rec")
    deposit(journaled, "d2", "7")
    before = as_it_was(journaled, live)

    done, after = restore()

    assert done.replayed is not None
    assert (done.replayed.records, done.replayed.gap) == (2, None)
    assert after == before


WORK = """
import sys; from tests.integration.backup.conftest import deposit; from storage.engine import make_engine
engine = make_engine(sys.argv[1])
for number in range(int(sys.argv[3])):
    deposit(engine, f"{sys.argv[2]}-{number}", "0.5")
"""


def test_processes_that_write_together_and_one_that_is_killed_leave_one_history(
    journaled: Engine, database_url: str, live: Path, folder: Path, restore: Callable[[], tuple[Restored, Dump]]
) -> None:
    def start(name: str, count: int, failpoints: str = "") -> subprocess.Popen[bytes]:
        env = {"STEADFILL_FAILPOINTS": failpoints, "PATH": os.environ["PATH"], "PYTHONPATH": str(ROOT)}
        return subprocess.Popen([sys.executable, "-c", WORK, database_url, name, str(count)], cwd=ROOT, env=env)

    doomed = start("killed", 100, "journal.written=4*off->kill")
    others = [start(name, 12) for name in ("one", "two")]
    assert [other.wait(timeout=120) for other in others] == [0, 0]
    assert doomed.wait(timeout=120) == -signal.SIGKILL
    deposit(journaled, "after", "1")
    make_backup(database_url, folder, now=NOW.replace(day=2), keep_daily=3, keep_weekly=0, journal=True)
    deposit(journaled, "later", "1")
    before = as_it_was(journaled, live)
    broken = find(folder, None).path / "steadfill.db"
    broken.unlink()  # the newest is lost, so the one before it goes on over both segments
    find(folder, None).path.rename(folder / "lost")

    done, after = restore()

    assert done.replayed is not None
    assert (done.replayed.records, done.replayed.gap) == (2 * 12 + 4 + 2, None)
    assert after == before


def test_an_upgrade_or_missing_records_begin_another_history(
    journaled: Engine, database_url: str, live: Path, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    deposit(journaled, "d1", "5")
    assert problem(journaled, live, folder) is None
    path = written_segment(live, chain_of(journaled))
    whole = path.read_bytes()
    path.write_bytes(b"")
    assert problem(journaled, live, folder)
    path.write_bytes(whole)
    assert problem(journaled, live, folder) is None

    monkeypatch.setattr(schema, "current", lambda _: "0001")
    schema.upgrade(journaled)

    assert problem(journaled, live, folder)
    deposit(journaled, "d2", "5")  # the connection that had noted keys for the journal notes none any more
    assert path.read_bytes() == whole
    make_backup(database_url, folder, now=NOW.replace(day=2), keep_daily=3, keep_weekly=0, journal=True)
    deposit(journaled, "d3", "5")
    assert problem(journaled, live, folder) is None
    assert len(journal_lines(live, chain_of(journaled))) == 1


@pytest.fixture(autouse=True)
def _no_hook() -> Iterator[None]:
    yield
    set_hook(None)


def fails_at(stage: str, action: Callable[[], object]) -> None:
    def hook(name: str) -> None:
        if name == stage:
            raise ZeroDivisionError

    set_hook(hook)
    with pytest.raises(ZeroDivisionError):
        action()
    set_hook(None)


def problem(engine: Engine, live: Path, folder: Path) -> str | None:
    return state_of(engine, live, heads(folder), every_record=True).problem


def written_segment(live: Path, chain: str) -> Path:
    """The one file that has records."""
    (path,) = (path for path in segments(live, chain) if path.stat().st_size)
    return path


def chain_of(engine: Engine) -> str:
    with read(engine) as conn:
        head = keeper.head_of(conn)
    assert head is not None
    return head.chain


def journal_lines(live: Path, chain: str | None = None) -> list[object]:
    if chain is None:
        engine = make_engine(f"sqlite:///{live}")
        chain = chain_of(engine)
        engine.dispose()
    return [record for path in segments(live, chain) for record in records(path)]
