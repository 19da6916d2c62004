"""Beginning and ending a journal, and whether its files are still those of the database."""

from __future__ import annotations

import secrets
from datetime import datetime
from pathlib import Path

from sqlalchemy import Connection, Engine, delete, insert, inspect, select, update

from storage.engine import read, write
from storage.journal.files import last_record, segment_path
from storage.journal.writer import Head
from storage.journal_tables import journal_head

_THE_ONE = 1


def head_of(conn: Connection) -> Head | None:
    """Where the journal of a database stands; None where none is kept."""
    row = conn.execute(select(journal_head)).mappings().one_or_none()
    if row is None:
        return None
    return Head(chain=row["chain"], segment=row["segment"], seq=row["seq"], digest=row["digest"])


def begin(engine: Engine, now: datetime) -> Head:
    """Begin a chain where none is kept. It is of use once a backup has been made after this."""
    with write(engine) as conn:
        present = head_of(conn)
        if present is not None:
            return present
        chain = now.strftime("%Y%m%dT%H%M%S.%fZ")
        head = Head(chain=chain, segment=0, seq=0, digest=secrets.token_hex(32))
        conn.execute(
            insert(journal_head).values(
                id=_THE_ONE, chain=chain, segment=head.segment, segment_after=head.seq, seq=head.seq, digest=head.digest
            )
        )
    return head


def end(engine: Engine) -> None:
    """Keep no journal any more; its files stay until a rotation."""
    with write(engine) as conn:
        if inspect(conn).has_table(journal_head.name):
            conn.execute(delete(journal_head))


def next_segment(engine: Engine) -> None:
    """From here on records go to a new file: a backup was made, which has what the earlier ones tell."""
    with write(engine) as conn:
        conn.execute(
            update(journal_head).values(
                segment=journal_head.c.segment + 1, segment_after=journal_head.c.seq, chain=journal_head.c.chain
            )
        )


def is_whole(engine: Engine, database: Path) -> bool:
    """Whether the files end where the database stands; not after a power cut or a person took records away.

    Under the write lock, so that nobody is between a record and its commit.
    """
    with write(engine) as conn:
        row = conn.execute(select(journal_head)).mappings().one_or_none()
        if row is None:
            return False
        last = last_record(segment_path(database, row["chain"], row["segment"]))
        if last is None:
            return bool(row["seq"] == row["segment_after"])
        return row["digest"] in (last.digest, last.previous)


def journal_bytes(engine: Engine, database: Path) -> int:
    """Size of the segment that is being written; 0 where none is kept."""
    with read(engine) as conn:
        head = head_of(conn)
    if head is None:
        return 0
    try:
        return segment_path(database, head.chain, head.segment).stat().st_size
    except FileNotFoundError:
        return 0
