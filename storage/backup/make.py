"""Making a backup: copy, check the copy, list it, give it its name; only then may older ones go."""

from __future__ import annotations

import errno
import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from datetime import datetime
from pathlib import Path

from alembic.runtime.migration import MigrationContext
from sqlalchemy.engine import URL, make_url

from failpoints import failpoint
from models.clock import format_time
from storage.backup import folder as folders
from storage.backup import manifest as manifests
from storage.backup import postgresql_dump, sqlite_copy
from storage.backup.checks import assert_sound, frozen, row_counts
from storage.backup.errors import BackupError
from storage.backup.folder import PARTIAL, Kept, name_of
from storage.backup.heads import heads
from storage.backup.manifest import Manifest
from storage.backup.rotation import ALWAYS_KEPT
from storage.engine import make_engine, read
from storage.journal import keeper
from storage.journal.files import lay_out, remove_unneeded

#: what a full disk and a used-up quota say
_NO_ROOM = (errno.ENOSPC, errno.EDQUOT)


@dataclass(frozen=True, slots=True, kw_only=True)
class Made:
    backup: Kept
    manifest: Manifest
    #: names of those that the rotation removed
    removed: tuple[str, ...]


def make_backup(
    url: str | URL, folder: Path, *, now: datetime, keep_daily: int, keep_weekly: int, journal: bool = False
) -> Made:
    """A checked copy of the database in ``folder``, then the rotation.

    ``journal``: on SQLite what is committed from here on is kept beside the database as well (decision 27).
    Raises BackupError: then nothing is left of it, and earlier backups are untouched.
    """
    database = make_url(url)
    with told_of_disk(folder), folders.alone(folder):
        folders.remove_partial(folder)
        made_at = folders.after_all(folder, now)
        name = name_of(made_at)
        final, partial = folder / name, folder / f"{name}{PARTIAL}"
        partial.mkdir(mode=0o700)
        try:
            if journal and database.get_backend_name() == "sqlite":
                _keep_journal(database, now)
            manifest = _copied(database, partial, now)
            partial.rename(final)
            manifests.sync_folder(folder)
        except BaseException:
            shutil.rmtree(partial, ignore_errors=True)
            raise
        failpoint("backup.kept")
        if manifest.journal is not None:
            _next_segment(database, folder)
        removed = folders.rotate(folder, keep_daily=keep_daily, keep_weekly=keep_weekly)
    return Made(backup=Kept(name=name, made_at=made_at, path=final), manifest=manifest, removed=tuple(removed))


def _copied(database: URL, partial: Path, now: datetime) -> Manifest:
    if database.get_backend_name() == "sqlite":
        manifest = _sqlite(Path(str(database.database)), partial, now)
    else:
        manifest = _postgresql(database, partial, now)
    manifests.write(partial, manifest)
    failpoint("backup.manifest")
    return manifest


def _sqlite(source: Path, partial: Path, now: datetime) -> Manifest:
    path = partial / sqlite_copy.FILE
    sqlite_copy.copy(source, path)
    manifests.sync_file(path)
    failpoint("backup.copied")
    with frozen(path) as engine:
        checks = assert_sound(engine, f"the copy of {source}")
        with read(engine) as conn:
            rows = row_counts(conn)
            revision = MigrationContext.configure(conn).get_current_revision()
            head = keeper.head_of(conn)
    if head is not None:
        lay_out(source, head.chain, head.segment + 1)  # before the backup counts: its absence will be a loss
    return Manifest(
        database="sqlite",
        journal=asdict(head) if head is not None else None,
        made_at=format_time(now),
        revision=revision or "",
        files={path.name: manifests.described(path)},
        rows=rows,
        checks=checks,
    )


def _postgresql(database: URL, partial: Path, now: datetime) -> Manifest:
    engine = make_engine(database, pool_size=1)
    try:
        with read(engine) as conn:
            revision = MigrationContext.configure(conn).get_current_revision()
    finally:
        engine.dispose()
    path = partial / postgresql_dump.FILE
    os.close(os.open(path, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o600))
    postgresql_dump.dump(database, path)
    manifests.sync_file(path)
    failpoint("backup.copied")
    postgresql_dump.listed(path)
    return Manifest(
        database="postgresql",
        made_at=format_time(now),
        revision=revision or "",
        files={path.name: manifests.described(path)},
        rows={},  # what a dump holds is counted when it is restored: `steadfill restore --drill`
        checks=("listed",),
    )


def _keep_journal(database: URL, now: datetime) -> None:
    _assert_there(Path(str(database.database)))
    engine = make_engine(database, pool_size=1)
    try:
        keeper.begin(engine, now)
    finally:
        engine.dispose()


def _next_segment(database: URL, folder: Path) -> None:
    """Records of what the two newest backups have are of no use any more."""
    engine = make_engine(database, pool_size=1)
    try:
        keeper.next_segment(engine)
    finally:
        engine.dispose()
    newest = heads(folder)[-ALWAYS_KEPT:]
    if len(newest) < ALWAYS_KEPT:
        return  # the first in this folder: those in another one may still be what a restore begins from
    needed: dict[str, int] = {}
    for head in newest:
        if head is not None:
            needed[head.chain] = min(needed.get(head.chain, head.segment), head.segment)
    remove_unneeded(Path(str(database.database)), needed)


def _assert_there(path: Path) -> None:
    if not path.exists():
        raise BackupError(
            f"there is no database at {path} yet. `steadfill up` makes it; then there is something to keep."
        )


@contextmanager
def told_of_disk(folder: Path, what: str = "a backup") -> Iterator[None]:
    """What the disk says of ``what``, in sentences."""
    elsewhere = ", or name another folder in [backup] folder" if what == "a backup" else ""
    try:
        yield
    except OSError as error:
        if error.errno in _NO_ROOM:
            raise BackupError(
                f"there is no room for {what} in {folder}. What was written of it is removed, earlier backups are "
                f"untouched. Make room{elsewhere}."
            ) from error
        raise BackupError(
            f"{what} can't be written to {folder}: {error.strerror}. Earlier backups are untouched. "
            "Check the folder's permissions and its disk."
        ) from error
