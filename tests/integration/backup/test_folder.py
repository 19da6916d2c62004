"""The folder of backups as it may be found: not writable, a file, with foreign things in it, or another one than before."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from sqlalchemy import Engine

from ops.doctor import machine
from settings import Settings
from storage.backup import manifest
from storage.backup.errors import BackupError
from storage.backup.folder import alone, find, kept, name_of
from storage.backup.heads import journal_state
from storage.backup.make import make_backup
from storage.backup.restore import drill, restore_sqlite
from tests.integration.backup.conftest import BOTH, NOW, Keep, deposit

ON_SQLITE = pytest.mark.parametrize("database_url", BOTH[:1], indirect=True)


@ON_SQLITE
def test_what_is_not_ours_is_neither_taken_for_a_backup_nor_removed(
    engine: Engine, database_url: str, folder: Path, keep: Keep
) -> None:
    for name in ("mine.partial", "20310101T000000.000000Z.partial", "20290101T000000.000000Z", "photos"):
        (folder / name).mkdir(parents=True)
        (folder / name / "one").write_text("1")
    (folder / "20280101T000000.000000Z").write_text("a file")

    made = keep()

    assert sorted(path.name for path in folder.iterdir() if path.is_dir()) == [
        "20290101T000000.000000Z", made.backup.name, "mine.partial", "photos"
    ]  # fmt: skip
    assert find(folder, None).name == made.backup.name
    for name in ("nonsense", "", "../backups", f"{folder}", "20290101T000000.000000Z/../x"):
        with pytest.raises(BackupError, match="holds no backup named"):
            find(folder, name)
    with pytest.raises(BackupError, match=r"holds no manifest\.json, so it is no finished backup"):
        drill(find(folder, "20290101T000000.000000Z"))


@ON_SQLITE
def test_a_manifest_that_is_damaged_does_not_make_the_next_backup_fail(
    engine: Engine, database_url: str, folder: Path
) -> None:
    for day in range(3):
        now = NOW + timedelta(days=day)
        made = make_backup(database_url, folder, now=now, keep_daily=9, keep_weekly=0, journal=True)
        if day == 1:
            (made.backup.path / manifest.NAME).write_text("{}")

    assert len(kept(folder)) == 3
    deposit(engine, "d1", "1")
    engine.dispose()
    live = Path(database_url.removeprefix("sqlite:///"))
    live.write_bytes(b"\x5a" * live.stat().st_size)
    done = restore_sqlite(kept(folder)[0], live, now=NOW, reason="a test")  # the second newest that can be read
    assert done.replayed is not None
    assert (done.replayed.records, done.replayed.gap) == (1, None)


@ON_SQLITE
def test_a_single_backup_elsewhere_leaves_the_journal_to_the_folder_that_it_began_in(
    engine: Engine, database_url: str, folder: Path, tmp_path: Path
) -> None:
    make_backup(database_url, folder, now=NOW, keep_daily=9, keep_weekly=0, journal=True)
    deposit(engine, "d1", "1")

    later = NOW + timedelta(days=1)
    make_backup(database_url, tmp_path / "stick", now=later, keep_daily=9, keep_weekly=0, journal=True)
    deposit(engine, "d2", "1")

    for place in (folder, tmp_path / "stick"):
        assert journal_state(engine, place, every_record=True).problem is None


@ON_SQLITE
def test_nothing_is_restored_while_a_backup_is_made(
    engine: Engine, database_url: str, folder: Path, keep: Keep, tmp_path: Path
) -> None:
    from ops.backup import bring_back

    keep()
    engine.dispose()
    settings = Settings(home=tmp_path, database_url=database_url, broker_url="memory://", backup={"folder": folder})

    with alone(folder), pytest.raises(BackupError, match="another process is making a backup"):
        bring_back(settings, None, into=None, confirmed=True)

    assert bring_back(settings, None, into=None, confirmed=True)["set_aside"]


@pytest.mark.parametrize("database_url", BOTH[1:], indirect=True)
def test_without_postgresql_s_tools_a_sentence_says_what_to_install(
    engine: Engine, database_url: str, folder: Path, keep: Keep, monkeypatch: pytest.MonkeyPatch
) -> None:
    made = keep()
    monkeypatch.setenv("PATH", "/nowhere")

    with pytest.raises(BackupError, match=r"pg_dump is not on this machine.*postgresql-client"):
        keep()
    with pytest.raises(BackupError, match=r"pg_restore is not on this machine.*postgresql-client"):
        drill(made.backup, server=database_url)

    assert [one.name for one in kept(folder)] == [made.backup.name]
    assert not list(folder.glob("*.partial"))


def test_the_doctor_looks_at_the_folder(tmp_path: Path) -> None:
    folder = tmp_path / "backups"
    settings = Settings(home=tmp_path, database_url="sqlite:////x", broker_url="memory://", backup={"folder": folder})

    def said() -> tuple[str, str]:
        (found,) = machine.backups(settings)
        return found.state, found.message

    assert said() == ("warn", f"{folder} holds no backup.")
    for days, state, part in ((3, "warn", "3 days old"), (0, "ok", "the newest of 2"), (-4, "warn", "ahead of")):
        (folder / name_of(datetime.now(UTC) - timedelta(days=days))).mkdir(parents=True)
        assert said()[0] == state
        assert part in said()[1]
    folder.rename(tmp_path / "moved")
    folder.write_text("a file")
    assert said() == ("warn", f"no backup can be made in {folder}: {folder} is no folder that can be written to.")
