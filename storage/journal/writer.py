"""The journal in the way of every commit of a SQLite database.

Under the write lock, before COMMIT, the transaction's rows are appended; after it, before anybody hears of it, they are
on disk. So what was answered, and what is about to be sent, is in the journal. A record that was written for a commit
that then failed is followed by one with the same number, or is the last: replaying it does what a COMMIT whose answer
was lost would have done.
"""

from __future__ import annotations

import os
import sqlite3
import threading
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from sqlalchemy import Connection, Engine, event

from failpoints import failpoint
from storage.journal.capture import Capture
from storage.journal.files import Appender, segment_path
from storage.journal.record import digest_of, line

_HEAD = "SELECT chain, segment, seq, digest FROM journal_head"
_MOVE = "UPDATE journal_head SET seq = ?, digest = ?"


@dataclass(frozen=True, slots=True, kw_only=True)
class Head:
    chain: str
    segment: int
    seq: int
    digest: str


class Journal:
    """Of one engine in one process."""

    def __init__(self, database: Path) -> None:
        self._database = database
        self._pid = os.getpid()
        self._appender: Appender | None = None
        self._lock = threading.Lock()
        self._local = threading.local()

    def attach(self, engine: Engine) -> None:
        event.listen(engine, "begin", self._begun)
        event.listen(engine, "commit", self._committing)
        event.listen(engine, "rollback", _rolled_back)

    def settle(self) -> None:
        """After a commit of this thread: its record is on disk once this returns."""
        pending = getattr(self._local, "pending", None)
        if pending is None:
            return
        self._local.pending = None
        appender, end = pending
        try:
            appender.sync(end)
        except OSError as error:
            raise _unavailable(f"the journal {appender.path} can't be put on disk: {error.strerror}") from error
        failpoint("journal.synced")

    def _begun(self, connection: Connection) -> None:
        self._local.pending = None
        if connection.info.pop("journal_installing", False):
            _capture(connection).look(_driver(connection))  # a failed COMMIT took them back, which no rollback told
        if connection.get_execution_options().get("sqlite_begin", "IMMEDIATE") != "IMMEDIATE":
            return
        driver, capture = _driver(connection), _capture(connection)
        head = read_head(driver)
        if (head.chain if head else None) != capture.chain:
            capture.remove(driver) if head is None else capture.install(driver, head.chain)
            connection.info["journal_installing"] = True
        connection.info["journal_head"] = head

    def _committing(self, connection: Connection) -> None:
        head: Head | None = connection.info.pop("journal_head", None)
        if head is None:
            return
        driver = _driver(connection)
        rows = _capture(connection).take(driver)
        if rows is None:
            return
        seq = head.seq + 1
        digest = digest_of(head.digest, seq, rows)
        driver.execute(_MOVE, (seq, digest))
        appender = self._appender_of(head)
        try:
            end = appender.append(line(seq, digest, head.digest, rows))
        except OSError as error:
            raise _unavailable(f"the journal {appender.path} can't be written: {error.strerror}") from error
        failpoint("journal.written")
        self._local.pending = (appender, end)

    def _appender_of(self, head: Head) -> Appender:
        path = segment_path(self._database, head.chain, head.segment)
        with self._lock:
            present = self._appender
            if present is None or present.path != path or self._pid != os.getpid() or not present.is_there():
                # the earlier one is left to the garbage: a thread may still be about to put its record on disk
                self._appender, self._pid = Appender(path), os.getpid()
            assert self._appender is not None
            return self._appender


def read_head(driver: sqlite3.Connection) -> Head | None:
    """Where the journal stands; None where none is kept, and in a database of an older schema."""
    try:
        row = driver.execute(_HEAD).fetchone()
    except sqlite3.OperationalError as error:
        if "no such table" in str(error):
            return None
        raise
    return None if row is None else Head(chain=row[0], segment=row[1], seq=row[2], digest=row[3])


def _rolled_back(connection: Connection) -> None:
    if connection.invalidated:
        return  # it is gone, with its triggers
    connection.info.pop("journal_head", None)
    if connection.info.pop("journal_installing", False):
        _capture(connection).chain = None  # the rollback took the triggers back, or brought them back: make them anew


def _capture(connection: Connection) -> Capture:
    found: Capture = connection.info.setdefault("journal_capture", Capture())
    return found


def _driver(connection: Connection) -> sqlite3.Connection:
    found: Any = connection.connection.driver_connection
    assert isinstance(found, sqlite3.Connection)
    return found


def _unavailable(message: str) -> sqlite3.OperationalError:
    """As a full or failing disk under the database itself: callers know what to do with that."""
    error = sqlite3.OperationalError(message)
    error.sqlite_errorcode = sqlite3.SQLITE_IOERR
    return error
