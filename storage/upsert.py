"""INSERT with ON CONFLICT, which both databases have and SQLAlchemy spells per dialect."""

from collections.abc import Callable, Mapping

from sqlalchemy import Connection, Table
from sqlalchemy.dialects import postgresql, sqlite


def upsert(conn: Connection, table: Table) -> postgresql.Insert:
    """The dialect's INSERT; SQLite's has the same ``on_conflict_*`` methods, so one type stands for both."""
    if conn.dialect.name == "sqlite":
        return sqlite.insert(table)  # type: ignore[return-value]
    return postgresql.insert(table)


def upserts(table: Table, finish: Callable[[postgresql.Insert], postgresql.Insert]) -> Mapping[str, postgresql.Insert]:
    """The same INSERT finished for each dialect, by its name: put together once, not again for each execution."""
    return {
        "postgresql": finish(postgresql.insert(table)),
        "sqlite": finish(sqlite.insert(table)),  # type: ignore[arg-type]  # as above
    }
