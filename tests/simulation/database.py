"""The database of a schedule: the real schema with all its guards on SQLite in memory, put back after each schedule.

The real statements run on the real tables and triggers. What is simulated:

* One connection serves every worker, one transaction at a time: transactions are serializable and never wait for each
  other, as SQLite's writers are. A worker may die, or its connection break, inside a transaction; it rolls back.
* A schedule is one outer transaction, each of its transactions a savepoint, so that taking everything back costs
  nothing. What SQLite checks at a commit only (one deferred foreign key of the ledger) is checked by the oracle.
* Nothing is lost at a crash of the database, since nothing is on a disk: durability is proven elsewhere.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Callable
from functools import lru_cache
from typing import Any

from sqlalchemy import Connection, Engine, StaticPool, create_engine, event
from sqlalchemy.exc import OperationalError

from storage import exact, schema
from tests.simulation.quick_sql import QuickConnection

#: SQLite's own checks that storage.sqlite switches on
_PRAGMAS = ("foreign_keys=1", "recursive_triggers=1", "trusted_schema=1")
#: Settings that change no answer: what is deleted need not be written over with zeros, and small pages are less to copy,
#: since a savepoint keeps the whole of each page that is written to.
_QUICK = ("secure_delete=0", "page_size=1024")


class Broken(OperationalError):
    """The connection went away; what it says about a transaction that was being committed is nothing."""

    def __init__(self, what: str) -> None:
        error = sqlite3.OperationalError(what)
        error.sqlite_errorcode = sqlite3.SQLITE_IOERR
        super().__init__(what, {}, error)


class _Remembering:
    """Makes functions of SQL that do not work out again what they were asked before, where equal values mean equal answers."""

    def __init__(self, raw: sqlite3.Connection) -> None:
        self._raw = raw

    def create_function(
        self, name: str, count: int, function: Callable[..., Any], *, deterministic: bool = False
    ) -> None:
        if deterministic:
            function = lru_cache(maxsize=8_192, typed=True)(function)
        self._raw.create_function(name, count, function, deterministic=deterministic)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._raw, name)


class Database:
    """Made once for many schedules."""

    def __init__(self, now_micros: Callable[[], int], *, quick: bool = True) -> None:
        self.raw = sqlite3.connect(":memory:", isolation_level=None, check_same_thread=False, cached_statements=1000)
        exact.register(_Remembering(self.raw))  # type: ignore[arg-type]  # only functions are made there
        self.raw.create_function("now_micros", 0, now_micros)
        for pragma in (*_PRAGMAS, *_QUICK):
            self.raw.execute(f"PRAGMA {pragma}")
        self._engine = create_engine("sqlite://", poolclass=StaticPool, creator=lambda: self.raw)
        event.listen(self._engine, "begin", _begin)
        schema.upgrade(self._engine)
        plain = self._engine.connect()
        self._plain = plain
        #: one for all looks and savepoints, since each is read to its end at once
        self.cursor: Any = self.raw.cursor()
        #: what the workers are given; `quick` or not is the same but for the time it takes
        self.connection: Any = QuickConnection(plain, self.raw) if quick else plain
        self._outer: Any = None
        #: what `unchanged_rows` saw, and how much had been written then
        self._seen: dict[str, tuple[int, list[tuple[Any, ...]]]] = {}

    def begin(self) -> None:
        """Start a schedule."""
        if self._outer is None:
            self._outer = self._plain.begin()
        else:  # for SQLAlchemy it is the first one still
            self.cursor.execute("BEGIN IMMEDIATE")

    def keep(self) -> None:
        """Keep what was written: every later schedule starts from it."""
        self._outer.commit()
        self._outer = None

    def reset(self) -> None:
        """Take back everything that the schedule wrote."""
        self.cursor.execute("ROLLBACK")
        self._seen.clear()

    def close(self) -> None:
        if self._outer is not None:
            self.raw.execute("BEGIN")  # the one that SQLAlchemy is going to roll back
        self._plain.close()
        self._engine.dispose()
        self.raw.close()

    @property
    def writes(self) -> int:
        """Grows with each row that is written, taken back or not."""
        return self.raw.total_changes

    @property
    def dialect(self) -> Any:
        return self._engine.dialect

    def rows(self, statement: str, *values: Any) -> list[tuple[Any, ...]]:
        """A look of the simulation itself, past SQLAlchemy."""
        found: list[tuple[Any, ...]] = self.cursor.execute(statement, values).fetchall()
        return found

    def unchanged_rows(self, statement: str) -> list[tuple[Any, ...]]:
        """The same, not asked again as long as nobody has written anything; between transactions only."""
        writes = self.raw.total_changes
        found = self._seen.get(statement)
        if found is None or found[0] != writes:
            found = self._seen[statement] = (writes, self.rows(statement))
        return found[1]


def _begin(connection: Connection) -> None:
    connection.exec_driver_sql("BEGIN IMMEDIATE")


class _Transaction:
    """A savepoint; begun where its block begins."""

    __slots__ = ("_database", "_ended", "_leave")

    def __init__(self, database: Database, leave: Callable[[], tuple[bool, bool]], ended: Callable[[], None]) -> None:
        self._database = database
        self._leave = leave
        self._ended = ended

    def __enter__(self) -> Any:
        self._database.cursor.execute("SAVEPOINT step")
        return self._database.connection

    def __exit__(self, kind: type[BaseException] | None, *_: object) -> None:
        if kind is not None:
            self._take_back()
            return
        try:
            happens, heard = self._leave()
        except BaseException:
            self._take_back()
            raise
        if not happens:
            self._take_back()
            raise Broken("the connection broke before the commit")
        self._database.cursor.execute("RELEASE step")
        self._ended()
        if not heard:
            raise Broken("the connection broke in the commit")

    def _take_back(self) -> None:
        cursor = self._database.cursor
        cursor.execute("ROLLBACK TO step")
        cursor.execute("RELEASE step")
        self._ended()


class _Look:
    """A connection that only reads."""

    __slots__ = ("_connection",)

    def __init__(self, connection: Any) -> None:
        self._connection = connection

    def __enter__(self) -> Any:
        return self._connection

    def __exit__(self, *_: object) -> None:
        pass


class SimulatedEngine:
    """What a worker takes for its engine: `storage.engine.write` and `read` work on it as on any other.

    ``enter`` is called before a transaction begins (is it to write?) and may raise instead; ``leave`` after its last
    statement, and says whether the commit happens and whether the caller hears of it; ``ended`` when it is over.
    """

    def __init__(
        self,
        database: Database,
        enter: Callable[[bool], None],
        leave: Callable[[], tuple[bool, bool]],
        ended: Callable[[], None],
    ) -> None:
        self._database = database
        self._enter = enter
        self._leave = leave
        self._ended = ended
        self.dialect = database.dialect

    def begin(self) -> _Transaction:
        self._enter(True)
        return _Transaction(self._database, self._leave, self._ended)

    def connect(self) -> _Look:
        self._enter(False)
        return _Look(self._database.connection)

    def dispose(self) -> None:
        pass


def as_engine(engine: SimulatedEngine) -> Engine:
    return engine  # type: ignore[return-value]  # the part of an engine that storage.engine uses


__all__ = ["Broken", "Database", "SimulatedEngine", "as_engine"]
