"""A full disk: nothing is committed without its record, and what can't be written leaves what there was, and a sentence."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest
from sqlalchemy import Engine

from tests.integration.backup.conftest import BOTH, Keep, deposit
from tests.support.processes import ROOT
from tests.support.small_disk import mounted

pytestmark = pytest.mark.parametrize("database_url", BOTH[:1], indirect=True)

HEAD = """
import sys; from datetime import datetime, UTC; from pathlib import Path
disk = Path(sys.argv[1])
def fill(but=0):
    with (disk / "filler").open("ab", buffering=0) as file:
        for size in (1 << 20, 1 << 12, 1):
            try:
                while True:
                    file.write(b"x" * size)
            except OSError:
                pass
        file.truncate(file.tell() - but)
def make_room():
    (disk / "filler").unlink()
"""

JOURNAL = """
from storage.backup.folder import find; from storage.backup.make import make_backup; from storage.backup.restore import restore_sqlite
from storage.engine import is_unavailable, make_engine, read; from storage.ledger import balances
from tests.integration.backup.conftest import NOW, deposit
url, folder = sys.argv[2:]
database = Path(url.removeprefix("sqlite:///"))
engine = make_engine(url)
make_backup(url, Path(folder), now=NOW, keep_daily=3, keep_weekly=0, journal=True)
deposit(engine, "before", "1")
def total():
    with read(engine) as conn:
        return str(balances(conn)[0].total)
taken = 0
for times in range(3):
    fill()
    while True:  # what is left of the file's last page takes a record or two, and a part of the next one
        try:
            deposit(engine, f"full-{times}-{taken}", "1")
            taken += 1
        except Exception as error:
            said = str(error).splitlines()[0]
            print("refused:", is_unavailable(error), "No space left on device" in said, total() == str(1001 + taken))
            break
    make_room()
deposit(engine, "after", "1")
print("then:", total() == str(1002 + taken))
engine.dispose()
database.write_bytes(b"\\x5a" * database.stat().st_size)
done = restore_sqlite(find(Path(folder), None), database, now=datetime(2031, 1, 1, tzinfo=UTC), reason="a test")
print("restored:", done.replayed.records == taken + 2, done.replayed.gap, total() == str(1002 + taken))
"""

RESTORE = """
from storage.backup.errors import BackupError; from storage.backup.folder import find; from storage.backup.restore import restore_sqlite
folder = sys.argv[2]
target = disk / "steadfill.db"
def restore():
    return restore_sqlite(find(Path(folder), None), target, now=datetime(2031, 1, 1, tzinfo=UTC), reason="a test")
target.write_bytes(b"the present one")
size = (find(Path(folder), None).path / "steadfill.db").stat().st_size
for room in (0, size // 2, size + 8192):  # none, for half of the copy, and for the copy without what is done to it
    fill(but=room)
    try:
        restore()
    except BackupError as error:
        print("refused:", error)
    print("left:", sorted(path.name for path in disk.iterdir()), target.read_bytes()[:15])
    make_room()
print("restored:", restore().set_aside.name[:22])
"""

ARCHIVE = """
import os; from storage.archive_files import ArchiveProblem, manifests, verify_file, write_file
def history(number):
    document = {"id": f"o{number}", "version": 1, "client_order_id": "c", "account": "main", "noise": os.urandom(50_000).hex()}
    return {"document": document}
first = write_file(disk, [history(0)])
for room in (0, 100_000):
    fill(but=room)
    try:
        write_file(disk, [history(number) for number in range(1, 9)])
    except ArchiveProblem as error:
        print("refused:", error)
    make_room()
    print("left:", len(list(disk.iterdir())), [file.name for file in manifests(disk)] == [first.name])
verify_file(disk, first)
"""


def said(program: str, disk: Path, megabytes: int, *arguments: str) -> str:
    """What the program says, which sees ``disk`` as a small one of its own."""
    disk.mkdir(parents=True, exist_ok=True)
    ended = subprocess.run(
        mounted(disk, megabytes, [sys.executable, "-c", HEAD + program, str(disk), *arguments]),
        cwd=ROOT, env={"PATH": "/usr/bin:/bin:/usr/sbin:/sbin", "PYTHONPATH": str(ROOT)},
        capture_output=True, text=True, check=False, timeout=180,
    )  # fmt: skip
    assert ended.returncode == 0, ended.stderr
    return ended.stdout


def test_nothing_is_committed_that_the_journal_has_no_room_for(engine: Engine, database_url: str, folder: Path) -> None:
    engine.dispose()
    live = Path(database_url.removeprefix("sqlite:///"))

    told = said(JOURNAL, live.with_name("steadfill.db.changes"), 1, database_url, str(folder))

    assert told.count("refused: True True True") == 3, told
    assert "then: True" in told
    assert "restored: True None True" in told  # a line that was cut off is no loss


def test_a_restore_that_finds_no_room_leaves_the_database_as_it_was(
    engine: Engine, folder: Path, keep: Keep, tmp_path: Path
) -> None:
    deposit(engine, "d1", "5")
    keep()

    told = said(RESTORE, tmp_path / "disk", 3, str(folder))

    assert told.count("left: ['filler', 'steadfill.db'] b'the present one'") == 3, told
    assert told.count("refused: there is no room for the restored database in ") == 2, told
    assert "and its journal can't be restored: " in told
    assert "Nothing was changed. Make room where it is the disk" in told
    assert "restored: steadfill.db.set-aside" in told


def test_an_archive_that_finds_no_room_leaves_no_piece_and_the_files_before_it(tmp_path: Path, engine: Engine) -> None:
    assert engine

    told = said(ARCHIVE, tmp_path / "disk", 1)

    assert told.count("refused: ") == 2, told
    assert told.count("left: 2 True") == 2, told  # a file and its manifest
