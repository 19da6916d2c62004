"""A damaged file is seen: at a start, hourly, and where transactions are missing that the journal has."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest
from sqlalchemy import Engine

from ops.doctor.services import database
from settings import Settings
from storage.alerts import list_alerts
from storage.backup.damage import damage_of
from storage.backup.folder import kept
from storage.engine import read
from storage.halts import DAMAGE, active_halts
from storage.journal.files import folder_of
from tasks import backup as tasks_backup
from tasks.runtime import Runtime
from tests.integration.backup.conftest import BOTH, deposit

pytestmark = pytest.mark.parametrize("database_url", BOTH[:1], indirect=True)


@pytest.fixture
def runtime(engine: Engine, database_url: str, folder: Path, tmp_path: Path) -> Iterator[Runtime]:
    made = Runtime(
        Settings(home=tmp_path, database_url=database_url, broker_url="memory://", backup={"folder": folder})
    )
    yield made
    made.close()


@pytest.fixture
def live(database_url: str) -> Path:
    return Path(database_url.removeprefix("sqlite:///"))


def test_a_sound_database_is_left_alone_and_a_large_journal_gets_a_backup(
    runtime: Runtime, live: Path, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert tasks_backup.examine(runtime).startswith("a journal begins: ")
    deposit(runtime.engine, "d1", "5")
    assert damage_of(live) is None
    assert tasks_backup.examine(runtime).startswith("sound; a journal of ")
    assert len(kept(folder)) == 1

    monkeypatch.setattr(tasks_backup, "JOURNAL_BYTES", 10)

    assert tasks_backup.examine(runtime).startswith("a journal of ")
    assert len(kept(folder)) == 2
    assert tasks_backup.examine(runtime) == "sound; a journal of 0 bytes"


def test_damage_is_an_alert_and_so_is_a_backup_that_can_t_be_made(
    runtime: Runtime, engine: Engine, live: Path, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder.write_text("in the way")
    assert tasks_backup.backup(runtime).startswith("BACKUP_FAILED: ")

    monkeypatch.setattr(tasks_backup, "damage_of", lambda _: "row 3 missing from index")
    assert tasks_backup.examine(runtime).startswith("DATABASE_CORRUPT: ")

    with read(engine) as conn:
        found = {(alert["kind"], alert["severity"]) for alert in list_alerts(conn)}
        assert [halt.by for halt in active_halts(conn)] == [DAMAGE]  # nothing new is sent from a damaged file
    assert found == {("BACKUP_FAILED", "warning"), ("DATABASE_CORRUPT", "critical")}


def test_overwritten_pages_an_empty_file_and_lost_commits_are_seen(
    runtime: Runtime, engine: Engine, live: Path
) -> None:
    tasks_backup.backup(runtime)
    runtime.engine.dispose()
    engine.dispose()  # the last connection moves the write-ahead log into the file
    earlier = live.read_bytes()
    for number in range(3):
        deposit(engine, f"d{number}", "1")
    engine.dispose()
    whole = live.read_bytes()

    live.write_bytes(earlier)  # as where somebody took the log away
    assert damage_of(live) == "it ends at transaction 0 of its journal, which has 3"
    live.write_bytes(whole[:8192] + b"\x5a" * 4096 * 4 + whole[8192 + 4096 * 4 :])
    assert damage_of(live)
    live.write_bytes(b"\x5a" * len(whole))
    assert damage_of(live) == "file is not a database"
    live.write_bytes(b"")
    assert damage_of(live) == "it is empty"
    for beside in live.parent.glob("steadfill.db-*"):
        beside.unlink()
    live.write_bytes(whole)
    assert damage_of(live) is None
    shutil.rmtree(live.with_name("steadfill.db.changes"))  # records that are gone are no damage of the database
    assert damage_of(live) is None


def test_a_journal_that_could_not_be_replayed_is_told_and_begun_anew(
    runtime: Runtime, live: Path, folder: Path
) -> None:
    tasks_backup.backup(runtime)
    deposit(runtime.engine, "d1", "5")
    assert finding(runtime) == ("ok", "")
    shutil.rmtree(folder_of(live))
    state, message = finding(runtime)
    assert state == "warn"
    assert ".changes is gone." in message

    told = tasks_backup.examine(runtime)

    assert told.startswith("JOURNAL_BROKEN: its file ")
    assert len(kept(folder)) == 2
    assert finding(runtime) == ("ok", "")
    with read(runtime.engine) as conn:
        assert [(alert["kind"], alert["severity"]) for alert in list_alerts(conn)] == [("JOURNAL_BROKEN", "critical")]
    assert tasks_backup.examine(runtime).startswith("sound; ")


def test_a_journal_that_nobody_wants_is_no_alert_and_the_doctor_warns(
    engine: Engine, database_url: str, tmp_path: Path
) -> None:
    off = {"journal": False}
    runtime = Runtime(Settings(home=tmp_path, database_url=database_url, broker_url="memory://", backup=off))

    assert tasks_backup.examine(runtime) == "sound; no journal is wanted"

    assert finding(runtime) == ("warn", "off, by [backup] journal = false.")
    runtime.close()


def finding(runtime: Runtime) -> tuple[str, str]:
    """What `steadfill doctor` says of it; the sentence only where something is wrong."""
    (found,) = (one for one in database(runtime.settings) if one.check == "journal")
    return found.state, "" if found.state == "ok" else found.message
