"""Restoring: always a copy that was verified first; what stood there before is set aside, never deleted."""

from __future__ import annotations

import os
import shutil
import sqlite3
import tempfile
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from sqlalchemy import Engine, create_engine, inspect, text
from sqlalchemy.engine import URL, make_url
from sqlalchemy.exc import SQLAlchemyError
from sqlalchemy.pool import NullPool

from failpoints import failpoint
from storage import schema
from storage.alerts import Severity, record_alert
from storage.backup import manifest as manifests
from storage.backup import postgresql_dump, sqlite_copy
from storage.backup.checks import assert_sound, assert_verified, frozen, row_counts
from storage.backup.errors import BackupError, Corrupt
from storage.backup.folder import Kept, name_of
from storage.backup.heads import heads
from storage.backup.make import told_of_disk
from storage.backup.manifest import Manifest
from storage.engine import make_engine, read, write
from storage.halts import ALL, INCOMPLETE_RESTORE, RESTORE, Halt, halt_for_restore
from storage.journal import files
from storage.journal.replay import Replayed, replay

#: what belongs to a SQLite file; the log of an old file beside a new one would be applied to it
_BESIDE = ("", "-wal", "-shm", "-journal")


@dataclass(frozen=True, slots=True, kw_only=True)
class Restored:
    backup: str
    manifest: Manifest
    rows: dict[str, int]
    #: what the journal told of the time after the backup; None for a drill and on PostgreSQL
    replayed: Replayed | None = None
    #: where the earlier file was put; None where there was none
    set_aside: Path | None = None


def drill(kept: Kept, *, server: str | URL | None = None) -> Restored:
    """Prove that a backup can be restored, in a place of its own. Raises Corrupt or BackupError.

    ``server``: for a PostgreSQL dump, a database on a server on which the role may create another one.
    """
    manifest = manifests.verify(kept.path)
    if manifest.database == "sqlite":
        with (
            told_of_disk(Path(tempfile.gettempdir())),
            tempfile.TemporaryDirectory(prefix="steadfill-drill-") as scratch,
        ):
            path = Path(scratch) / sqlite_copy.FILE
            shutil.copyfile(kept.path / sqlite_copy.FILE, path)
            rows = _assert_as_listed(path, kept.name, manifest)
            with frozen(path) as engine:
                assert_verified(engine, f"the backup {kept.name}")
        return Restored(backup=kept.name, manifest=manifest, rows=rows)
    if server is None:
        raise BackupError(
            "a drill of a PostgreSQL dump needs the address of a server: the configured database is no PostgreSQL."
        )
    return _drill_on_server(kept, manifest, make_url(server))


def restore_sqlite(kept: Kept, target: Path, *, now: datetime, reason: str) -> Restored:
    """Put a verified copy where ``target`` is, with what its journal tells since then, halted; the caller sees to it that nothing has the file open.

    Until the very end ``target`` is untouched. Raises Corrupt or BackupError.
    """
    manifest = manifests.verify(kept.path)
    if manifest.database != "sqlite":
        raise BackupError(
            f"{kept.name} is a dump of PostgreSQL. Restore it with --into postgresql://…, an empty database."
        )
    fresh = target.with_name(f"{target.name}.restoring")
    try:
        replayed, rows = _prepared(fresh, kept, manifest, target, now=now, reason=reason)
    except (SQLAlchemyError, sqlite3.Error) as error:
        _remove(fresh)
        why = str(getattr(error, "orig", None) or error).rstrip(".")
        raise BackupError(
            f"{kept.name} and its journal can't be restored: {why}. Nothing was changed. Make room where it is the disk, or "
            "use another backup."
        ) from error
    except BaseException:
        _remove(fresh)
        raise
    failpoint("restore.halted")
    if replayed.gap is not None:
        with told_of_disk(target.parent, "a second name of the journal"):
            files.set_aside(target, _aside(target, now, ".changes"))
    aside = set_aside(target, now)
    failpoint("restore.set_aside")
    fresh.rename(target)
    manifests.sync_folder(target.parent)
    with told_of_disk(target.parent, "a mark in the journal"):
        files.lay_out(
            target, files.next_chain(target, now), 0
        )  # what is committed from here on is in no earlier journal
    return Restored(backup=kept.name, manifest=manifest, rows=rows, replayed=replayed, set_aside=aside)


def _prepared(
    fresh: Path, kept: Kept, manifest: Manifest, target: Path, *, now: datetime, reason: str
) -> tuple[Replayed, dict[str, int]]:
    """Make ``fresh`` from the backup and the journal of ``target``, halted, checked and on disk; its row counts too."""
    with told_of_disk(target.parent, "the restored database"):
        target.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        _remove(fresh)  # of a restore that was killed
        shutil.copyfile(kept.path / sqlite_copy.FILE, fresh)
        fresh.chmod(0o600)
    failpoint("restore.copied")
    _assert_as_listed(fresh, kept.name, manifest)
    replayed = replay(fresh, target, heads(kept.path.parent, after=kept.name))
    failpoint("restore.replayed")
    if replayed.gap is not None:
        reason = f"{reason}; {replayed.gap}"
    engine = make_engine(f"sqlite:///{fresh}")
    try:
        _halt(engine, now, reason, by=RESTORE if replayed.gap is None else INCOMPLETE_RESTORE)
    finally:
        engine.dispose()  # the last connection moves the write-ahead log into the file
    with frozen(fresh) as copy, read(copy) as conn:
        assert_sound(copy, f"what was restored from {kept.name} and its journal")
        rows = row_counts(conn)
    manifests.sync_file(fresh)
    return replayed, rows


def restore_postgresql(kept: Kept, into: str | URL, *, now: datetime, reason: str) -> Restored:
    """Restore a dump into an empty database, halted. Raises Corrupt or BackupError; then the database is as it was."""
    manifest = manifests.verify(kept.path)
    if manifest.database != "postgresql":
        raise BackupError(
            f"{kept.name} is a copy of SQLite, and {_shown(make_url(into))} is not. Restore it without --into."
        )
    database = make_url(into).set(drivername="postgresql+psycopg")
    engine = make_engine(database, pool_size=1)
    try:
        _assert_empty(engine, database)
        postgresql_dump.restore(kept.path / postgresql_dump.FILE, database)
        assert_sound(engine, f"what was restored into {_shown(database)}")
        _halt(engine, now, reason, by=INCOMPLETE_RESTORE)
        with read(engine, snapshot=True) as conn:
            rows = row_counts(conn)
    except SQLAlchemyError as error:
        raise BackupError(
            f"{_shown(database)} does not answer: {str(error).splitlines()[0]}. Create an empty database and name it with --into."
        ) from error
    finally:
        engine.dispose()
    return Restored(backup=kept.name, manifest=manifest, rows=rows)


def set_aside(target: Path, now: datetime) -> Path | None:
    """Rename a SQLite file and what belongs to it, so that nothing is lost and nothing is applied to another file."""
    aside = _aside(target, now)
    found = None
    # the logs first: a file without its log is older, a log without its file is nothing, and neither is wrong
    for suffix in reversed(_BESIDE):
        part = target.with_name(target.name + suffix)
        if part.exists():
            part.rename(aside.with_name(aside.name + suffix))
            found = aside
    manifests.sync_folder(target.parent)
    return found


def _aside(target: Path, now: datetime, suffix: str = "") -> Path:
    return target.with_name(f"{target.name}.set-aside-{name_of(now)}{suffix}")


def _halt(engine: Engine, now: datetime, reason: str, *, by: str) -> None:
    with write(engine) as conn:
        halt_for_restore(conn, Halt(venue=ALL, account=ALL, reason=reason, by=by, since=now))
        record_alert(
            conn, f"restore:{now.isoformat()}", kind="RESTORED", severity=Severity.CRITICAL,
            message=f"{reason}. Nothing is sent before it is reconciled with the venues.", detail={"by": by}, now=now,
        )  # fmt: skip


def _assert_as_listed(path: Path, name: str, manifest: Manifest) -> dict[str, int]:
    """Checks and row counts of a copied file. Raises Corrupt."""
    with frozen(path) as engine:
        _assert_known_schema(engine, name, manifest)
        assert_sound(engine, f"the backup {name}")
        with read(engine) as conn:
            rows = row_counts(conn)
    differing = [
        f"{table} has {rows.get(table)} rows, {count} are listed"
        for table, count in manifest.rows.items()
        if rows.get(table) != count
    ]
    if differing:
        raise Corrupt(f"the backup {name} is not what its manifest lists: {'; '.join(differing)}. Use another backup.")
    return rows


def _assert_known_schema(_: Engine, name: str, manifest: Manifest) -> None:
    if manifest.revision != schema.head():
        raise BackupError(
            f"the backup {name} has schema {manifest.revision}, this version needs {schema.head()}: restore it with the "
            "version of Steadfill that made it, then upgrade."
        )


def _assert_empty(engine: Engine, database: URL) -> None:
    with read(engine) as conn:
        tables = inspect(conn).get_table_names()
    if tables:
        raise BackupError(
            f"{_shown(database)} holds {len(tables)} tables, and a dump is restored into an empty database only, so that "
            "nothing is overwritten. Create one (`createdb NAME`), name it with --into, then point STEADFILL_DATABASE_URL there."
        )


def _drill_on_server(kept: Kept, manifest: Manifest, server: URL) -> Restored:
    """In a database that exists for the drill only."""
    scratch = f"steadfill_drill_{os.getpid()}_{kept.made_at:%Y%m%d%H%M%S}"
    admin = create_engine(server, isolation_level="AUTOCOMMIT", poolclass=NullPool)
    try:
        with admin.connect() as conn:
            conn.execute(text(f'CREATE DATABASE "{scratch}" TEMPLATE template0'))
    except SQLAlchemyError as error:
        raise BackupError(
            f"the drill needs a database of its own on {_shown(server)} and can't create one: "
            f"{str(error.__cause__ or error).splitlines()[0]}. Give the role CREATEDB, or restore into an empty database with --into."
        ) from error
    target = server.set(database=scratch)
    try:
        postgresql_dump.restore(kept.path / postgresql_dump.FILE, target)
        engine = make_engine(target, pool_size=1)
        try:
            assert_sound(engine, f"the backup {kept.name}")
            assert_verified(engine, f"the backup {kept.name}")
            with read(engine, snapshot=True) as conn:
                rows = row_counts(conn)
        finally:
            engine.dispose()
    finally:
        with admin.connect() as conn:
            conn.execute(text(f'DROP DATABASE IF EXISTS "{scratch}" WITH (FORCE)'))
        admin.dispose()
    return Restored(backup=kept.name, manifest=manifest, rows=rows)


def _remove(path: Path) -> None:
    for suffix in _BESIDE:
        path.with_name(path.name + suffix).unlink(missing_ok=True)


def _shown(url: URL) -> str:
    return url.render_as_string(hide_password=True)
