"""An online copy of a SQLite database: one moment of it, while others write."""

from __future__ import annotations

import os
import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from storage import exact
from storage.backup.errors import BackupError, Corrupt

FILE = "steadfill.db"

#: Codes that mean damage. Everything else that goes wrong with a copy is the disk or the permissions.
_DAMAGE = (sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB)

_BUSY_S = 10.0


def copy(source: Path, target: Path) -> None:
    """Write all of ``source`` as of one moment to the new file ``target``; writers go on meanwhile.

    ``VACUUM INTO`` reads every table row by row and builds indexes anew, so damage to the structure shows here instead
    of being copied. Raises Corrupt, or BackupError when the copy can't be written; ``target`` may be half there then.
    """
    os.close(os.open(target, os.O_CREAT | os.O_EXCL | os.O_RDWR, 0o600))  # VACUUM INTO takes an empty file
    with _opened(source) as connection, told(source, target):
        connection.execute("VACUUM INTO ?", (str(target),))


@contextmanager
def told(source: Path, target: Path) -> Iterator[None]:
    """What SQLite says of a copy, in sentences."""
    try:
        yield
    except sqlite3.DatabaseError as error:
        code = (getattr(error, "sqlite_errorcode", None) or 0) & 0xFF
        if code in _DAMAGE:
            raise Corrupt(
                f"the database {source} is damaged: {error}. Nothing was copied; earlier backups are untouched. "
                "Stop Steadfill and start it again: `steadfill up` sets the file aside and restores the newest backup."
            ) from error
        if code == sqlite3.SQLITE_FULL:
            raise BackupError(
                f"there is no room for a backup in {target.parent.parent}. What was written of it is removed, earlier "
                "backups are untouched. Make room, or name another folder in [backup] folder."
            ) from error
        raise BackupError(
            f"the database {source} can't be copied to {target.parent.parent}: {error}. Earlier backups are untouched. "
            "Check the disk and the permissions of both folders."
        ) from error


@contextmanager
def _opened(path: Path) -> Iterator[sqlite3.Connection]:
    if not path.exists():
        raise BackupError(
            f"there is no database at {path} yet. `steadfill up` makes it; then there is something to keep."
        )
    connection = sqlite3.connect(f"{path.resolve().as_uri()}?mode=rw", uri=True, timeout=_BUSY_S, isolation_level=None)
    exact.register(connection)
    try:
        yield connection
    finally:
        connection.close()
