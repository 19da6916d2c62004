"""Backups: consistent while others write, checked before they count, and nothing is lost when one can't be made."""

from __future__ import annotations

import random
import shutil
import subprocess
import sys
import threading
from decimal import Decimal
from pathlib import Path

import pytest
from sqlalchemy import Engine, text

from storage.backup import manifest
from storage.backup.checks import frozen
from storage.backup.errors import BackupError, Corrupt
from storage.backup.folder import find, kept
from storage.backup.make import make_backup
from storage.backup.restore import drill
from storage.engine import read, write
from storage.ledger import balances, place_hold
from storage.seals import append, digests, waiting_entries
from tests.integration.backup.conftest import BOTH, NOW, Keep, deposit
from tests.support.processes import ROOT
from tests.support.small_disk import mounted
from tests.support.waiting import eventually

ON_SQLITE = pytest.mark.parametrize("database_url", BOTH[:1], indirect=True)


def test_a_backup_can_be_restored_with_every_row(engine: Engine, database_url: str, folder: Path, keep: Keep) -> None:
    deposit(engine, "d1", "5")

    made = keep()
    deposit(engine, "d2", "7")  # after it, so not in it

    restored = drill(find(folder, None), server=database_url)
    assert restored.backup == made.backup.name
    assert restored.rows["ledger_entries"] == 2


def test_a_drill_reads_every_row_of_the_books(engine: Engine, database_url: str, folder: Path, keep: Keep) -> None:
    """A forged link of the chain breaks no sum and no guard: the copy is made, and the drill names the row."""
    deposit(engine, "d1", "5")
    with write(engine) as conn:
        (entry,) = digests(conn, waiting_entries(conn, 1))
        append(conn, None, [(entry[0], "0" * 64)], at=NOW)
    keep()

    with pytest.raises(Corrupt, match=rf"fails `steadfill verify`: .*{entry[0]}"):
        drill(find(folder, None), server=database_url)


@ON_SQLITE
def test_a_backup_under_load_is_one_moment_of_the_books(engine: Engine, folder: Path, keep: Keep) -> None:
    """Two writers post all the time; each copy passes every check, and what it holds adds up."""
    stop, written = threading.Event(), [0, 0]

    def work(number: int) -> None:
        while not stop.is_set():
            key = f"{number}-{written[number]}"
            with write(engine) as conn:  # one transaction: a copy that has one half has the other
                place_hold(conn, order_id=key, venue="v", account="a", asset="USDT", amount=Decimal("0.01"), at=NOW)
            deposit(engine, f"d{key}", "0.02")
            written[number] += 1

    writers = [threading.Thread(target=work, args=(number,)) for number in (0, 1)]
    for writer in writers:
        writer.start()
    try:
        for _ in range(3):
            before = sum(written)
            eventually(lambda so_far=before: sum(written) > so_far + 2, within_s=60, describe="the writers go on")
            keep()
    finally:
        stop.set()
        for writer in writers:
            writer.join()

    for one in kept(folder):
        listed = manifest.verify(one.path)
        with frozen(one.path / "steadfill.db") as copy, read(copy) as conn:
            (usdt,) = balances(conn)
            entries = conn.execute(text("SELECT kind, count(*) FROM ledger_entries GROUP BY kind")).all()
        counted = dict(tuple(row) for row in entries)
        assert usdt.held == Decimal("0.01") * counted["hold"]
        assert usdt.total == 1000 + Decimal("0.02") * counted["deposit"]
        assert listed.rows["order_holds"] == counted["hold"]


@ON_SQLITE
def test_a_flipped_bit_anywhere_in_a_backup_is_noticed(engine: Engine, folder: Path, keep: Keep) -> None:
    path = keep().backup.path
    dice = random.Random(7)
    for name in ("steadfill.db", manifest.NAME):
        file = path / name
        sound = file.read_bytes()
        for _ in range(60):
            place, bit = dice.randrange(len(sound)), dice.randrange(8)
            broken = bytearray(sound)
            broken[place] ^= 1 << bit
            file.write_bytes(bytes(broken))
            with pytest.raises((Corrupt, BackupError)):
                manifest.verify(path)
        file.write_bytes(sound)
    manifest.verify(path)


@ON_SQLITE
def test_older_ones_go_only_after_a_newer_one_is_checked(
    engine: Engine, database_url: str, folder: Path, keep: Keep, monkeypatch: pytest.MonkeyPatch
) -> None:
    names = [keep().backup.name for _ in range(4)]
    assert [one.name for one in kept(folder)] == names[1:]

    monkeypatch.setattr("storage.backup.checks.CHECKS", {"luck": lambda _: ["row 7 is not what it was"]})
    with pytest.raises(Corrupt, match="fails the check of its luck: row 7 is not what it was"):
        keep()

    assert [one.name for one in kept(folder)] == names[1:]
    assert not list(folder.glob("*.partial"))


@ON_SQLITE
def test_a_damaged_database_is_not_copied_over_good_backups(
    engine: Engine, database_url: str, folder: Path, keep: Keep
) -> None:
    name = keep().backup.name
    engine.dispose()
    live = Path(database_url.removeprefix("sqlite:///"))
    size = live.stat().st_size
    with live.open("r+b") as file:
        for page in range(1, size // 4096, 2):
            file.seek(page * 4096)
            file.write(b"\xa5" * 4096)

    with pytest.raises(Corrupt, match="is damaged"):
        keep()

    assert [one.name for one in kept(folder)] == [name]


FILL = """
import sys; from datetime import datetime, UTC; from pathlib import Path
from storage.backup.errors import BackupError; from storage.backup.folder import find, kept
from storage.backup.make import make_backup; from storage.backup.restore import drill
folder = Path(sys.argv[2])
for day in (1, 2):
    try:
        make_backup(sys.argv[1], folder, now=datetime(2031, 1, day, tzinfo=UTC), keep_daily=3, keep_weekly=0)
    except BackupError as error:
        print("refused:", error)
drill(find(folder, None))
print("kept:", [one.name for one in kept(folder)], "partial:", list(folder.glob("*.partial")))
"""


@ON_SQLITE
def test_a_full_disk_leaves_what_there_was_and_says_so(engine: Engine, database_url: str, tmp_path: Path) -> None:
    disk = tmp_path / "disk"
    disk.mkdir()

    ended = subprocess.run(
        mounted(disk, 1, [sys.executable, "-c", FILL, database_url, str(disk)]),
        cwd=ROOT, env={"PATH": "/usr/bin:/bin:/usr/sbin:/sbin", "PYTHONPATH": str(ROOT)},
        capture_output=True, text=True, check=False, timeout=180,
    )  # fmt: skip

    assert "refused: there is no room for a backup" in ended.stdout, ended.stderr
    assert "kept: ['20310101T000000.000000Z'] partial: []" in ended.stdout, ended.stderr


@ON_SQLITE
def test_two_at_a_time_are_refused_and_a_missing_database_too(engine: Engine, folder: Path, keep: Keep) -> None:
    from storage.backup.folder import alone

    with alone(folder), pytest.raises(BackupError, match="another process is making a backup"):
        keep()
    shutil.rmtree(folder)
    with pytest.raises(BackupError, match="there is no database at"):
        make_backup("sqlite:////nowhere/steadfill.db", folder, now=NOW, keep_daily=1, keep_weekly=0)
    with pytest.raises(BackupError, match="holds no backup"):
        find(folder, None)
