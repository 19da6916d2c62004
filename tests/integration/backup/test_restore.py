"""Restoring: verified first, halted, the earlier file set aside; a kill anywhere leaves a database or a clear sentence."""

from __future__ import annotations

import signal
import subprocess
import sys
from pathlib import Path

import pytest
from sqlalchemy import Connection, Engine, create_engine, text

from ops.backup import assert_no_cut_restore, assert_unused
from settings import Settings
from storage.backup.checks import row_counts
from storage.backup.errors import BackupError, Corrupt
from storage.backup.folder import find, kept
from storage.backup.restore import drill, restore_postgresql, restore_sqlite
from storage.engine import make_engine, read, write
from storage.halts import active_halts
from storage.ledger import balances, invariants
from storage.postgresql import BoundedConnection
from tests.integration.backup.conftest import BOTH, NOW, Keep, deposit
from tests.support.processes import ROOT
from tests.support.servers.postgres import PostgresServer

ON_SQLITE = pytest.mark.parametrize("database_url", BOTH[:1], indirect=True)
ON_POSTGRESQL = pytest.mark.parametrize("database_url", BOTH[1:], indirect=True)

MAKE = """
import sys; from datetime import datetime, UTC; from pathlib import Path
from storage.backup.make import make_backup
make_backup(sys.argv[1], Path(sys.argv[2]), now=datetime(2031, 1, 1, tzinfo=UTC), keep_daily=1, keep_weekly=0)
"""
RESTORE = """
import sys; from datetime import datetime, UTC; from pathlib import Path
from storage.backup.folder import find; from storage.backup.restore import restore_sqlite
restore_sqlite(find(Path(sys.argv[2]), None), Path(sys.argv[1].removeprefix("sqlite:///")),
               now=datetime(2031, 1, 1, tzinfo=UTC), reason="a test")
"""


def killed_at(stage: str, program: str, *arguments: str) -> None:
    """Run a program that is killed at a stage."""
    ended = subprocess.run(
        [sys.executable, "-c", program, *arguments],
        cwd=ROOT, env={"STEADFILL_FAILPOINTS": f"{stage}=kill", "PATH": "/usr/bin:/bin"}, check=False, timeout=120,
    )  # fmt: skip
    assert ended.returncode == -signal.SIGKILL


def totals(engine: Engine) -> dict[str, str]:
    with read(engine) as conn:
        assert invariants(conn) == []
        return {found.asset: str(found.total) for found in balances(conn)}


@ON_SQLITE
def test_what_is_restored_is_halted_and_the_earlier_file_is_kept(
    engine: Engine, database_url: str, folder: Path, keep: Keep
) -> None:
    keep()
    deposit(engine, "later", "5")
    engine.dispose()
    live = Path(database_url.removeprefix("sqlite:///"))

    restored = restore_sqlite(find(folder, None), live, now=NOW, reason="a test")

    assert totals(engine) == {"USDT": "1000"}
    with read(engine) as conn:
        (halt,) = active_halts(conn)
    assert (halt.venue, halt.account, halt.by) == ("", "", "incomplete restore")
    assert (
        halt.reason == "a test; the backup was made while no journal was kept, so nothing that came after it is known"
    )
    assert restored.set_aside is not None
    aside = make_engine(f"sqlite:///{restored.set_aside}")
    assert totals(aside) == {"USDT": "1005"}
    aside.dispose()


@ON_SQLITE
def test_a_broken_backup_changes_nothing(engine: Engine, database_url: str, folder: Path, keep: Keep) -> None:
    path = keep().backup.path / "steadfill.db"
    with path.open("r+b") as file:
        file.seek(300_000)
        file.write(b"\xff")
    deposit(engine, "later", "5")
    live = Path(database_url.removeprefix("sqlite:///"))

    with pytest.raises(Corrupt, match="is not what was written"):
        restore_sqlite(find(folder, None), live, now=NOW, reason="a test")

    assert totals(engine) == {"USDT": "1005"}
    assert [file.name for file in live.parent.iterdir() if "aside" in file.name or "restoring" in file.name] == []


@ON_SQLITE
@pytest.mark.parametrize("stage", ["backup.copied", "backup.manifest", "backup.kept"])
def test_a_kill_while_a_backup_is_made_leaves_good_ones(
    stage: str, engine: Engine, database_url: str, folder: Path, keep: Keep
) -> None:
    first = keep().backup.name

    killed_at(stage, MAKE, database_url, str(folder))

    finished = ["20310101T000000.000000Z"] if stage == "backup.kept" else []
    assert [one.name for one in kept(folder)] == [first, *finished]
    for one in kept(folder):
        drill(one)
    after = keep()  # clears what was left
    assert after.backup.name in [one.name for one in kept(folder)]
    assert not list(folder.glob("*.partial"))


@ON_SQLITE
@pytest.mark.parametrize("stage", ["restore.copied", "restore.replayed", "restore.halted", "restore.set_aside"])
def test_a_kill_while_restoring_leaves_a_database_or_a_sentence(
    stage: str, engine: Engine, database_url: str, folder: Path, keep: Keep, tmp_path: Path
) -> None:
    keep()
    deposit(engine, "later", "5")
    engine.dispose()
    live = Path(database_url.removeprefix("sqlite:///"))
    settings = Settings(home=tmp_path, database_url=database_url, broker_url="memory://")

    killed_at(stage, RESTORE, database_url, str(folder))

    if stage == "restore.set_aside":
        with pytest.raises(BackupError, match="a restore was cut short"):
            assert_no_cut_restore(settings)
    else:
        assert_no_cut_restore(settings)
        assert totals(engine) == {"USDT": "1005"}
        engine.dispose()
    restore_sqlite(find(folder, None), live, now=NOW, reason="again")
    assert totals(engine) == {"USDT": "1000"}
    assert_no_cut_restore(settings)


@ON_SQLITE
def test_a_database_that_is_open_is_not_replaced(engine: Engine, database_url: str) -> None:
    live = Path(database_url.removeprefix("sqlite:///"))
    with write(engine), pytest.raises(BackupError, match="is open in 1 processes"):
        assert_unused(live)
    engine.dispose()

    assert_unused(live)


@ON_POSTGRESQL
def test_checks_of_a_large_restore_are_not_cut_short(
    engine: Engine, database_url: str, folder: Path, keep: Keep, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Sums over millions of rows take longer than any step of an order may."""
    limits = []

    def look(conn: Connection) -> list[str]:
        driver = conn.connection.driver_connection
        assert isinstance(driver, BoundedConnection)
        limits.append((conn.execute(text("SHOW statement_timeout")).scalar_one(), driver.answer_timeout_s))
        return []

    monkeypatch.setattr("storage.backup.checks.CHECKS", {"limits": look})
    keep()

    drill(find(folder, None), server=database_url)

    assert limits == [("0", None)]
    with read(engine, snapshot=True) as conn:
        row_counts(conn)
        look(conn)
    with read(engine) as conn:
        look(conn)
    assert limits[1] == ("0", None)
    assert limits[2][0] != "0"
    assert limits[2][1] is not None


@ON_POSTGRESQL
def test_a_dump_goes_into_an_empty_database_only_and_is_halted(
    engine: Engine, database_url: str, folder: Path, keep: Keep, postgres_server: PostgresServer
) -> None:
    keep()
    deposit(engine, "later", "5")
    with pytest.raises(BackupError, match="into an empty database only"):
        restore_postgresql(find(folder, None), database_url, now=NOW, reason="a test")
    assert totals(engine) == {"USDT": "1005"}

    url = postgres_server.create_database()
    try:
        restore_postgresql(find(folder, None), url, now=NOW, reason="a test")
        restored = create_engine(url)
        assert totals(restored) == {"USDT": "1000"}
        with read(restored) as conn:
            assert [halt.by for halt in active_halts(conn)] == ["incomplete restore"]
        restored.dispose()
    finally:
        postgres_server.drop_database(url)
