"""How SQLite is opened here: WAL, every commit on disk, foreign keys, writers that queue instead of failing."""

from __future__ import annotations

import os
import sqlite3
import time
from hashlib import sha256
from pathlib import Path
from typing import Any

from sqlalchemy import Connection, Engine, event

from storage import exact

#: how long a writer waits for the one before it
BUSY_TIMEOUT_S = 10.0

CONNECT_ARGUMENTS: dict[str, Any] = {"timeout": BUSY_TIMEOUT_S, "check_same_thread": False}

#: execution options of a connection that only reads
DEFERRED = {"sqlite_begin": "DEFERRED"}

#: what every connection must answer, or it is not used
_PRAGMAS = {
    "foreign_keys": 1,
    "recursive_triggers": 1,  # else INSERT OR REPLACE deletes a row past the triggers that forbid it
    "trusted_schema": 1,  # the triggers call the functions of storage.exact
    "temp_store": 2,  # MEMORY: what the journal's triggers note is nothing for a disk
    "synchronous": 2,  # FULL: a commit that returned is on disk
}


def register_functions(connection: sqlite3.Connection) -> None:
    """Give a connection every function that triggers and statements call."""
    exact.register(connection)
    connection.create_function("sha256_hex", 1, _sha256_hex, deterministic=True)


def prepare(engine: Engine) -> None:
    event.listen(engine, "do_connect", _create_file)
    event.listen(engine, "connect", _configure)
    event.listen(engine, "begin", _begin)


def _create_file(_dialect: Any, _record: Any, arguments: tuple[Any, ...], _options: dict[str, Any]) -> None:
    """Orders are nobody else's business: the file, and what SQLite puts beside it, is the owner's alone."""
    path = Path(arguments[0])
    if arguments[0].startswith("file:") or path.exists():
        return
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    os.close(os.open(path, os.O_CREAT | os.O_RDWR, 0o600))


def _configure(connection: sqlite3.Connection, _record: Any) -> None:
    connection.isolation_level = None  # BEGIN is ours, see _begin
    register_functions(connection)
    _use_wal(connection)
    for pragma, value in _PRAGMAS.items():
        connection.execute(f"PRAGMA {pragma}={value}")
        found = connection.execute(f"PRAGMA {pragma}").fetchone()
        if found is None or found[0] != value:
            raise RuntimeError(
                f"this SQLite {sqlite3.sqlite_version} does not take PRAGMA {pragma}={value}: use a newer one"
            )


def _sha256_hex(text: object) -> str | None:
    """As PostgreSQL's; NULL for what is no text."""
    return sha256(text.encode()).hexdigest() if isinstance(text, str) else None


def _use_wal(connection: sqlite3.Connection) -> None:
    """Switch the file once; while several processes start at a time the busy timeout does not cover the switch."""
    deadline = time.monotonic() + BUSY_TIMEOUT_S
    while True:
        try:
            if connection.execute("PRAGMA journal_mode").fetchone()[0] == "wal":
                return
            if connection.execute("PRAGMA journal_mode=WAL").fetchone()[0] == "wal":
                return
            raise RuntimeError(
                "the file system of the SQLite database can't hold a write-ahead log: put it on a local disk"
            )
        except sqlite3.OperationalError:
            if time.monotonic() > deadline:
                raise
            time.sleep(0.01)


def _begin(connection: Connection) -> None:
    # A transaction that reads first and writes later would fail at once where another wrote in between.
    mode = connection.get_execution_options().get("sqlite_begin", "IMMEDIATE")
    connection.exec_driver_sql(f"BEGIN {mode}")
