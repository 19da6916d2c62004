"""What cleanup removed, put on record in the transaction that removes it, and how far it has looked."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import Connection, insert, select

from storage.cleanup_tables import cleanup_cursors, cleanup_runs
from storage.upsert import upsert

_INSERT = insert(cleanup_runs)


@dataclass(frozen=True, slots=True, kw_only=True)
class CleanupRecord:
    """One run of cleanup, which notes what it removes."""

    #: any name that no other run has
    run: str
    at: datetime

    def removed(
        self,
        conn: Connection,
        what: str,
        count: int,
        *,
        oldest: datetime | None = None,
        newest: datetime | None = None,
        file: str | None = None,
    ) -> None:
        """``count`` rows of the table ``what`` go with this transaction; nothing is noted where it is 0."""
        if count:
            row = {"run": self.run, "at": self.at, "what": what, "count": count}
            conn.execute(_INSERT, {**row, "oldest": oldest, "newest": newest, "file": file})


def list_removals(conn: Connection, limit: int) -> Sequence[Mapping[str, Any]]:
    """What was removed, the latest first."""
    statement = select(cleanup_runs).order_by(cleanup_runs.c.id.desc()).limit(limit)
    return [dict(row) for row in conn.execute(statement).mappings()]


def cursor_of(conn: Connection, name: str) -> str:
    """How far this cleanup has looked; empty at the beginning."""
    statement = select(cleanup_cursors.c.position).where(cleanup_cursors.c.name == name)
    return conn.execute(statement).scalar_one_or_none() or ""


def move_cursor(conn: Connection, name: str, position: str) -> None:
    """Go on from there next time; the empty position begins anew."""
    statement = upsert(conn, cleanup_cursors).values(name=name, position=position)
    conn.execute(statement.on_conflict_do_update(index_elements=["name"], set_={"position": position}))
