"""What a copy must pass before it counts as a backup, and again in a drill."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

from sqlalchemy import Connection, Engine, create_engine, func, select, text
from sqlalchemy.exc import DatabaseError
from sqlalchemy.pool import StaticPool

from storage import exact
from storage.all_tables import metadata
from storage.backup.errors import Corrupt
from storage.engine import read
from storage.guards import manifest as guards
from storage.ledger_invariants import invariants
from storage.legal_moves import legal_move_differences
from storage.verify import verify

#: sentences that one check may add to a message: the first names the row, the rest is counted
_MOST_SHOWN = 3


def _integrity(conn: Connection) -> list[str]:
    if conn.dialect.name != "sqlite":
        return []
    found = [str(row[0]) for row in conn.execute(text("PRAGMA integrity_check"))]
    return [] if found == ["ok"] else found


def _foreign_keys(conn: Connection) -> list[str]:
    if conn.dialect.name != "sqlite":
        return []  # the server holds them, and a restored dump adds them again over all rows
    rows = conn.execute(text("PRAGMA foreign_key_check")).all()
    return [f"row {row[1]} of {row[0]} points at a row of {row[2]} that is not there" for row in rows]


def _guards(conn: Connection) -> list[str]:
    return guards.differences(conn) + legal_move_differences(conn)


#: by name, in the order of running; each gives a sentence per violation
CHECKS: Mapping[str, Callable[[Connection], list[str]]] = {
    "integrity": _integrity,
    "foreign keys": _foreign_keys,
    "guards": _guards,
    "books": invariants,
}


def assert_sound(engine: Engine, what: str) -> tuple[str, ...]:
    """Run every check on a copy; returns their names. Raises Corrupt with the first that fails."""
    try:
        with read(engine, snapshot=True) as conn:
            _take_all_time(conn)
            for name, check in CHECKS.items():
                found = check(conn)
                if found:
                    more = f" (and {len(found) - _MOST_SHOWN} more)" if len(found) > _MOST_SHOWN else ""
                    raise Corrupt(f"{what} fails the check of its {name}: {'; '.join(found[:_MOST_SHOWN])}{more}.")
    except DatabaseError as error:
        raise Corrupt(f"{what} can't be read: {error.orig}.") from error
    return tuple(CHECKS)


def assert_verified(engine: Engine, what: str) -> None:
    """Whatever `steadfill verify` proves, for a drill: it reads every row. Raises Corrupt with the first row that fails."""
    with read(engine, snapshot=True) as conn:
        failures = verify(conn).failures
    if failures:
        first = failures[0].first
        more = f" (and {len(failures) - 1} checks more)" if len(failures) > 1 else ""
        raise Corrupt(f"{what} fails `steadfill verify`: {first.row}: {first.problem}{more}.")


def row_counts(conn: Connection) -> dict[str, int]:
    """Rows of every table of the schema. On PostgreSQL of a snapshot, and for as long as it takes."""
    _take_all_time(conn)
    return {
        name: conn.execute(select(func.count()).select_from(table)).scalar_one()
        for name, table in sorted(metadata.tables.items())
    }


def _take_all_time(conn: Connection) -> None:
    if conn.dialect.name == "postgresql":
        from storage import postgresql

        postgresql.take_all_time(conn)


@contextmanager
def frozen(path: Path) -> Iterator[Engine]:
    """An engine that reads one SQLite file that nobody writes, and leaves every byte and no file beside it."""

    def connect() -> sqlite3.Connection:
        connection = sqlite3.connect(f"{path.resolve().as_uri()}?immutable=1", uri=True, check_same_thread=False)
        exact.register(connection)
        return connection

    engine = create_engine("sqlite://", creator=connect, poolclass=StaticPool, hide_parameters=True)
    try:
        yield engine
    finally:
        engine.dispose()
