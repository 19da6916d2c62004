"""Engines and transactions: one engine per process and database, writing and reading, the database's own clock."""

from __future__ import annotations

import os
import weakref
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from sqlalchemy import Connection, Engine, create_engine, text
from sqlalchemy.engine import URL, make_url
from sqlalchemy.pool import QueuePool

from failpoints import failpoint
from storage import sqlite, touched
from storage.failures import is_conflict, is_unavailable
from storage.journal.writer import Journal
from storage.now import database_time, db_now

__all__ = [
    "database_time",
    "db_now",
    "is_conflict",
    "is_unavailable",
    "make_engine",
    "ping",
    "read",
    "savepoint",
    "write",
]

_READ = {"isolation_level": "AUTOCOMMIT"}
_SNAPSHOT = {"isolation_level": "REPEATABLE READ", "postgresql_readonly": True}


def make_engine(
    url: str | URL,
    *,
    pool_size: int = 5,
    max_overflow: int = 10,
    pool_timeout_s: float = 10,
    pool_pre_ping: bool = True,
) -> Engine:
    """An engine for ``postgresql+psycopg://…`` or ``sqlite:///path``; connects only when first used.

    After a fork the child starts with an empty pool of its own. Raises ValueError for other databases.
    """
    parsed = make_url(url)
    backend = parsed.get_backend_name()
    if backend not in ("postgresql", "sqlite"):
        raise ValueError(f"the database URL begins with {parsed.drivername}: use postgresql+psycopg://… or sqlite:///…")
    if backend == "sqlite" and parsed.database in (None, "", ":memory:"):
        raise ValueError("the SQLite URL names no file: several processes share the database, so use sqlite:///PATH")
    options: dict[str, Any] = {
        "poolclass": QueuePool,
        "pool_size": pool_size,
        "max_overflow": max_overflow,
        "pool_timeout": pool_timeout_s,
        "pool_use_lifo": True,  # the connections that a burst needed grow idle and are not kept warm in turn
        "hide_parameters": True,  # a statement's values never reach a log or an exception's text
    }
    if backend == "sqlite":
        engine = create_engine(parsed, connect_args=sqlite.CONNECT_ARGUMENTS, **options)
        sqlite.prepare(engine)
        _journals[engine] = journal = Journal(Path(str(parsed.database)))
        journal.attach(engine)
    else:
        from storage import postgresql  # the embedded deployment need not pay for its driver

        engine = create_engine(parsed, connect_args=postgresql.connect_arguments(), **options)
        postgresql.prepare(engine, ping_idle=pool_pre_ping)
    _engines.add(engine)
    return engine


@contextmanager
def write(engine: Engine) -> Iterator[Connection]:
    """A transaction that commits at the end of the block and rolls back on an exception (SQLite: BEGIN IMMEDIATE)."""
    with engine.begin() as connection:
        touched.forget(connection)
        yield connection
        failpoint("storage.committing")
        moved = touched.taken(connection)
    journal = _journals.get(engine)
    if journal is not None:
        journal.settle()
    failpoint("storage.committed")
    touched.tell(engine, moved)


@contextmanager
def read(engine: Engine, *, snapshot: bool = False) -> Iterator[Connection]:
    """A connection for reading. ``snapshot``: all statements see one moment (on SQLite they always do)."""
    if engine.dialect.name == "sqlite":
        with engine.connect() as connection:
            yield connection.execution_options(**sqlite.DEFERRED)
    else:
        with engine.connect() as connection:
            # without a snapshot each statement stands alone: no BEGIN and COMMIT, two round trips fewer
            yield connection.execution_options(**(_SNAPSHOT if snapshot else _READ))


def savepoint(connection: Connection) -> Any:
    """A context manager: what fails inside is rolled back, the transaction around it goes on."""
    return connection.begin_nested()


def ping(engine: Engine) -> None:
    """Raise what the driver raises unless the database answers."""
    with read(engine) as connection:
        connection.execute(text("SELECT 1"))


_engines: weakref.WeakSet[Engine] = weakref.WeakSet()
_journals: weakref.WeakKeyDictionary[Engine, Journal] = weakref.WeakKeyDictionary()
#: pools of the parent process, kept so that no child ever closes a connection that the parent is using
_inherited: list[Any] = []


def _forget_inherited_connections() -> None:
    for engine in list(_engines):
        _inherited.append(engine.pool)
        engine.dispose(close=False)


os.register_at_fork(after_in_child=_forget_inherited_connections)
