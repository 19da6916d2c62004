"""A journal that does not tell everything says so: files that are gone, a later history, and a halt that only a person lifts."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from datetime import datetime, timedelta
from pathlib import Path

import pytest
from sqlalchemy import Engine

from storage.backup.folder import find, kept
from storage.backup.heads import heads
from storage.backup.make import Made, make_backup
from storage.backup.restore import Restored, restore_sqlite
from storage.engine import make_engine, read, write
from storage.halts import ALL, DAMAGE, INCOMPLETE_RESTORE, RESTORE, Halt, active_halts, lift_halt, set_halt
from storage.journal import keeper
from storage.journal.files import folder_of, segment_path
from storage.journal.state import state_of
from tests.integration.backup.conftest import BOTH, NOW, deposit

pytestmark = pytest.mark.parametrize("database_url", BOTH[:1], indirect=True)

Backup = Callable[[int], Made]


@pytest.fixture
def live(database_url: str) -> Path:
    return Path(database_url.removeprefix("sqlite:///"))


@pytest.fixture
def backup(engine: Engine, database_url: str, folder: Path) -> Backup:
    """Make one so many days after the first, with a journal from there on."""
    assert engine

    def make(day: int) -> Made:
        now = NOW + timedelta(days=day)
        return make_backup(database_url, folder, now=now, keep_daily=9, keep_weekly=0, journal=True)

    return make


def wreck(engine: Engine, live: Path) -> None:
    """Not even the journal's place can be read in it any more."""
    engine.dispose()
    live.write_bytes(b"\x5a" * live.stat().st_size)


def restore(folder: Path, live: Path, name: str | None = None, *, now: datetime = NOW) -> tuple[str | None, str]:
    """What is missing, and who halts then."""
    done: Restored = restore_sqlite(find(folder, name), live, now=now, reason="a test")
    assert done.replayed is not None
    (halt,) = halts_of(live)
    return done.replayed.gap, halt.by


def halts_of(live: Path) -> list[Halt]:
    engine = make_engine(f"sqlite:///{live}")
    with read(engine) as conn:
        found = list(active_halts(conn))
    engine.dispose()
    return found


def test_the_whole_journal_has_no_gap_from_either_backup(
    engine: Engine, live: Path, folder: Path, backup: Backup
) -> None:
    names = []
    for day in range(2):
        names.append(backup(day).backup.name)
        deposit(engine, f"d{day}", "1")
    engine.dispose()
    files = shutil.copytree(folder_of(live), live.with_name("files"))

    for name in names:
        wreck(engine, live)
        shutil.rmtree(folder_of(live))  # with the mark that the restore before has left
        shutil.copytree(files, folder_of(live))
        assert restore(folder, live, name) == (None, RESTORE)


@pytest.mark.parametrize("segment", [0, 1, 2, None])
def test_a_journal_file_that_is_gone_is_a_gap_though_no_record_follows_it(
    engine: Engine, live: Path, folder: Path, backup: Backup, segment: int | None
) -> None:
    first = backup(0).backup.name
    deposit(engine, "d0", "1")
    chain = backup(1).manifest.journal["chain"]  # type: ignore[index]
    deposit(engine, "d1", "1")
    wreck(engine, live)
    if segment is None:
        shutil.rmtree(folder_of(live))
    else:
        segment_path(live, chain, segment).unlink()

    gap, by = restore(folder, live, first)

    assert gap is not None
    assert ".changes" in gap
    assert by == INCOMPLETE_RESTORE


def test_files_that_have_changed_places_are_a_gap(engine: Engine, live: Path, folder: Path, backup: Backup) -> None:
    for day in range(3):
        chain = backup(day).manifest.journal["chain"]  # type: ignore[index]
        deposit(engine, f"d{day}", "1")
    wreck(engine, live)
    one, other = segment_path(live, chain, 1), segment_path(live, chain, 3)
    one.rename(live.with_name("spare"))
    other.rename(one)
    live.with_name("spare").rename(other)

    gap, by = restore(folder, live)

    assert gap is not None
    assert f"records are missing before line 1 of {other.name}" in gap
    assert by == INCOMPLETE_RESTORE


def test_records_cut_off_at_the_end_of_a_line_are_missed_where_the_database_still_says_how_far_it_had_come(
    engine: Engine, live: Path, folder: Path, backup: Backup
) -> None:
    chain = backup(0).manifest.journal["chain"]  # type: ignore[index]
    for number in range(3):
        deposit(engine, f"d{number}", "1")
    engine.dispose()
    path = segment_path(live, chain, 1)
    path.write_bytes(b"".join(path.read_bytes().splitlines(keepends=True)[:2]))

    gap, by = restore(folder, live)

    assert gap == "the database that is set aside had come to record 3, and its journal ends at 2"
    assert by == INCOMPLETE_RESTORE
    backup(1), backup(2)  # after which none of the journal that could not be replayed is needed
    (aside,) = live.parent.glob("steadfill.db.set-aside-*.changes")
    assert len((aside / path.name).read_bytes().splitlines()) == 2
    assert not path.exists()


@pytest.mark.parametrize("how", ["begun anew", "begun anew, and no backup", "switched off", "restored"])
def test_what_a_later_history_has_is_not_taken_for_nothing(
    engine: Engine, live: Path, folder: Path, backup: Backup, how: str
) -> None:
    """The newest backup is damaged, and the one before it knows only the journal that had ended by then."""
    first = backup(0).backup.name
    if how == "restored":
        engine.dispose()
        assert restore(folder, live) == (None, RESTORE)
    elif how == "begun anew, and no backup":
        keeper.end(engine, NOW)
        keeper.begin(engine, NOW)
    else:
        keeper.end(engine, NOW)
    if how == "begun anew":
        newest = backup(1).backup
        assert newest.name != first
        shutil.rmtree(newest.path)
    deposit(engine, "accepted", "1")
    wreck(engine, live)

    gap, by = restore(folder, live, first)

    assert gap is not None
    assert "another one was begun, or none" in gap
    assert by == INCOMPLETE_RESTORE


def test_a_restore_s_own_halt_is_renewed_and_an_incomplete_one_stays_so(
    engine: Engine, live: Path, folder: Path, backup: Backup
) -> None:
    """In the backup stands the halt of an earlier restore, which was lifted since; its reconciliation proves nothing now."""
    with write(engine) as conn:
        set_halt(conn, Halt(venue=ALL, account=ALL, reason="first", by=RESTORE, since=NOW))
    chain = backup(0).manifest.journal["chain"]  # type: ignore[index]
    with write(engine) as conn:
        lift_halt(conn, ALL, ALL)
    wreck(engine, live)
    segment_path(live, chain, 1).unlink()
    later = NOW + timedelta(hours=1)

    _, by = restore(folder, live, now=later)
    (halt,) = halts_of(live)

    assert (by, halt.since) == (INCOMPLETE_RESTORE, later)
    backup(1)  # nobody has looked yet, and everything comes back the next time
    wreck(engine, live)
    gap, by = restore(folder, live, now=later + timedelta(hours=1))
    assert (gap, by) == (None, INCOMPLETE_RESTORE)
    (halt,) = halts_of(live)
    assert "before that: a test; the journal's file" in halt.reason


@pytest.mark.parametrize(("by", "then"), [("a person", "a person"), (DAMAGE, RESTORE)])
def test_a_restore_takes_the_place_of_a_damage_s_halt_and_of_no_person_s(
    engine: Engine, live: Path, folder: Path, backup: Backup, by: str, then: str
) -> None:
    backup(0)
    with write(engine) as conn:
        set_halt(conn, Halt(venue=ALL, account=ALL, reason="stop", by=by, since=NOW))
    wreck(engine, live)

    assert restore(folder, live) == (None, then)


def test_a_file_that_is_removed_under_writers_is_made_again_and_told(
    engine: Engine, live: Path, folder: Path, backup: Backup
) -> None:
    chain = backup(0).manifest.journal["chain"]  # type: ignore[index]
    deposit(engine, "d0", "1")
    path = segment_path(live, chain, 1)
    path.unlink()
    assert problem(engine, live, folder) == f"its file {path.name} is gone"

    deposit(engine, "d1", "1")

    assert problem(engine, live, folder) == f"records 1 to 1 are not in {path.name}"
    wreck(engine, live)
    gap, _ = restore(folder, live)
    assert gap is not None
    assert f"records are missing before line 1 of {path.name}" in gap


def test_a_flipped_bit_in_the_middle_is_seen_by_a_look_at_every_record(
    engine: Engine, live: Path, folder: Path, backup: Backup
) -> None:
    chain = backup(0).manifest.journal["chain"]  # type: ignore[index]
    for number in range(5):
        deposit(engine, f"d{number}", "1")
    assert state_of(engine, live, heads(folder), every_record=True).problem is None
    path = segment_path(live, chain, 1)
    whole = bytearray(path.read_bytes())
    whole[len(whole) // 2] ^= 4
    path.write_bytes(bytes(whole))

    found = state_of(engine, live, heads(folder), every_record=True).problem

    assert found is not None
    assert "line 3 of" in found


def test_what_keeps_no_journal_or_has_no_backup_to_go_on_from_says_so(
    engine: Engine, live: Path, folder: Path, backup: Backup
) -> None:
    assert problem(engine, live, folder) == "none is kept"
    made = backup(0)
    assert problem(engine, live, folder) is None
    made.backup.path.rename(folder / "elsewhere")
    assert problem(engine, live, folder) == "no backup is there that it goes on from"


def problem(engine: Engine, live: Path, folder: Path) -> str | None:
    return state_of(engine, live, heads(folder)).problem


def test_with_a_clock_set_back_the_last_backup_made_is_the_newest(
    engine: Engine, live: Path, folder: Path, backup: Backup
) -> None:
    backup(400)
    deposit(engine, "d0", "1")
    keeper.end(engine, NOW)

    made = [backup(day).backup.name for day in (0, 1, 0)]

    assert [one.name for one in kept(folder)] == made[-2:]  # of one day, so by the rotation no more than these
    deposit(engine, "d1", "1")
    wreck(engine, live)
    assert restore(folder, live) == (None, RESTORE)
    assert find(folder, None).name == made[-1]
