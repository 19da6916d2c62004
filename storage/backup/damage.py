"""Whether a SQLite database is what was committed to it, as far as that can be seen."""

from __future__ import annotations

import sqlite3
from pathlib import Path

from storage import exact
from storage.journal.files import last_record, segment_path
from storage.journal.writer import read_head

#: Up to this size `integrity_check` reads everything (it saw 36 of 40 flipped bits); above, `quick_check` (4 of 40) has
#: to do at a start, and the nightly backup reads the rest.
FULL_CHECK_BYTES = 2 << 30

_DAMAGE = (sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB)
_BUSY_S = 10.0


def damage_of(path: Path) -> str | None:
    """What is wrong with the file, as a sentence; None where nothing can be seen, or where it can't be looked at now."""
    size = path.stat().st_size
    check = "integrity_check" if size <= FULL_CHECK_BYTES else "quick_check"
    try:
        connection = sqlite3.connect(
            f"{path.resolve().as_uri()}?mode=rw", uri=True, timeout=_BUSY_S, isolation_level=None
        )
        try:
            exact.register(connection)
            found = [str(row[0]) for row in connection.execute(f"PRAGMA {check}(3)")]
            if found != ["ok"]:
                return "; ".join(" ".join(sentence.split()) for sentence in found)
            if connection.execute("SELECT count(*) FROM sqlite_master").fetchone()[0] == 0:
                return "it is empty"
            return _behind_its_journal(connection, path)
        finally:
            connection.close()
    except sqlite3.DatabaseError as error:
        code = (getattr(error, "sqlite_errorcode", None) or 0) & 0xFF
        return f"{error}" if code in _DAMAGE else None


def _behind_its_journal(connection: sqlite3.Connection, path: Path) -> str | None:
    """A commit is in the journal before it is done. Two that the database lacks were committed once, and are gone.

    Under the write lock: nobody is between a record and its commit.
    """
    connection.execute("BEGIN IMMEDIATE")
    try:
        head = read_head(connection)
        last = None if head is None else last_record(segment_path(path, head.chain, head.segment))
    finally:
        connection.execute("ROLLBACK")
    if head is None:
        return None
    if last is None or last.seq <= head.seq or last.previous == head.digest:
        return None
    return f"it ends at transaction {head.seq} of its journal, which has {last.seq}"
