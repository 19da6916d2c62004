"""Replaying: what the journal tells that a copy of the database does not have yet."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from sqlalchemy import Engine, create_engine, text
from sqlalchemy.pool import StaticPool

from storage import exact
from storage.guards import manifest as guards
from storage.journal.capture import Shape, shapes
from storage.journal.ending import untold
from storage.journal.files import records, segment_path, segments
from storage.journal.record import Record
from storage.journal.writer import Head, read_head


class _Gap(Exception):
    """Records are missing or damaged; what follows can't be joined to what came before."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Replayed:
    #: transactions that were applied
    records: int = 0
    #: number of the last record that the copy has now
    seq: int = 0
    #: what is wrong with the journal, as a sentence; None: the copy has all that was ever answered
    gap: str | None = None


def replay(copy: Path, database: Path, newer: Sequence[Head | None] = ()) -> Replayed:
    """Apply to ``copy``, which nobody has open, what the journal of ``database`` tells since it was made.

    ``newer``: where the journal stood in each later backup, None for one that was made without. The copy keeps no journal afterwards: it is the beginning of another history.
    """
    engine = _plain(copy)
    try:
        with engine.begin() as conn:
            driver = conn.connection.driver_connection
            assert isinstance(driver, sqlite3.Connection)
            head = read_head(driver)
            if head is None:
                return Replayed(
                    gap="the backup was made while no journal was kept, so nothing that came after it is known"
                )
            guards.remove(conn)
            found = _apply_all(driver, head, database)
            if found.gap is None:
                found = replace(found, gap=untold(database, head, found.seq, newer))
            driver.execute("DELETE FROM journal_head")
            guards.install(conn)
            dangling = conn.execute(text("PRAGMA foreign_key_check")).first()
        if dangling is not None:
            raise sqlite3.IntegrityError(
                f"after the replay a row of {dangling[0]} points at a row of {dangling[2]} that is not there"
            )
        return found
    finally:
        engine.dispose()


def broken_at(base: Head, head: Head, database: Path) -> str | None:
    """Why the records from ``base`` to ``head`` could not be replayed; None: each is whole and joined to the one before.

    Others may append meanwhile: what comes after ``head`` is not looked at.
    """
    if head.seq <= base.seq:
        return None
    try:
        for record in _committed(base, database):
            if record.seq == head.seq and record.digest == head.digest:
                return None
    except _Gap as error:
        return str(error)
    return f"its files end before record {head.seq}, at which the database stands"


def _apply_all(driver: sqlite3.Connection, head: Head, database: Path) -> Replayed:
    known = shapes(driver)
    applied, seq, gap = 0, head.seq, None
    try:
        for record in _committed(head, database):
            for_table = _statements(known, record)
            for statement, values in for_table:
                driver.execute(statement, values)
            applied, seq = applied + 1, record.seq
    except _Gap as error:
        gap = str(error)
    return Replayed(records=applied, seq=seq, gap=gap)


def _committed(head: Head, database: Path) -> Iterator[Record]:
    """The records that follow the head, each joined to the one before.

    Of two in a row that follow the same record the first was written for a commit that failed. The last of all may
    have been: it is given all the same, as a COMMIT whose answer was lost may have been done.
    """
    digest, pending, damaged = head.digest, None, ""
    own = segment_path(database, head.chain, head.segment)  # in any other one an earlier record is out of its place
    for path in segments(database, head.chain, head.segment):
        for number, record in enumerate(records(path), start=1):
            if record is None:
                damaged = f"line {number} of {path.name} is damaged or torn"
                continue
            if record.seq <= head.seq and path == own:
                damaged = ""
                continue
            if pending is not None and record.previous == pending.digest:
                yield pending
                digest = pending.digest
            elif record.previous != digest:
                if pending is not None:
                    yield pending
                raise _Gap(
                    f"{damaged or f'records are missing before line {number} of {path.name}'}, so what was committed "
                    f"from record {(pending.seq if pending else head.seq) + 1} on can't be replayed"
                )
            pending, damaged = record, ""
    if pending is not None:
        yield pending
    if damaged:
        raise _Gap(f"{damaged}, at the end of the journal: its last transaction may be missing")


def _statements(known: dict[str, Shape], record: Record) -> list[tuple[str, list[object]]]:
    """First every touched row goes, then those that are there come back: no two of them get in each other's way."""
    gone: list[tuple[str, list[object]]] = []
    there: list[tuple[str, list[object]]] = []
    for table, key, row in record.changes():
        shape = known[table]
        same = " AND ".join(f'"{name}" = ?' for name in shape.key)
        gone.append((f'DELETE FROM "{table}" WHERE {same}', key))  # noqa: S608 - names of our own schema
        if row is not None:
            marks = ", ".join("?" * len(row))
            there.append((f'INSERT INTO "{table}" VALUES ({marks})', row))  # noqa: S608
    return gone + there


def _plain(path: Path) -> Engine:
    """Without foreign keys and without a journal: rows come in an order of their own, and this is no new history."""

    def connect() -> sqlite3.Connection:
        connection = sqlite3.connect(path, check_same_thread=False)
        exact.register(connection)
        return connection

    return create_engine("sqlite://", creator=connect, poolclass=StaticPool, hide_parameters=True)
