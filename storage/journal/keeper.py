"""Beginning and ending a journal, and where it stands."""

from __future__ import annotations

import secrets
from datetime import datetime
from pathlib import Path

from sqlalchemy import Connection, Engine, delete, insert, inspect, select, update

from storage.engine import read, write
from storage.journal.files import lay_out, next_chain, segment_path
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
        database = _database(engine)
        chain = next_chain(database, now)
        lay_out(database, chain, 0)  # from here on an earlier chain is known not to tell everything
        head = Head(chain=chain, segment=0, seq=0, digest=secrets.token_hex(32))
        conn.execute(
            insert(journal_head).values(
                id=_THE_ONE, chain=chain, segment=head.segment, segment_after=head.seq, seq=head.seq, digest=head.digest
            )
        )
    return head


def end(engine: Engine, now: datetime) -> None:
    """Keep no journal any more; its files stay until a rotation.

    An empty file of a later chain says that more was committed than they tell, also once the database can't be asked.
    """
    with write(engine) as conn:
        if inspect(conn).has_table(journal_head.name) and head_of(conn) is not None:
            lay_out(_database(engine), next_chain(_database(engine), now), 0)
            conn.execute(delete(journal_head))


def _database(engine: Engine) -> Path:
    return Path(str(engine.url.database))


def next_segment(engine: Engine) -> None:
    """From here on records go to a new file: a backup was made, which has what the earlier ones tell."""
    with write(engine) as conn:
        conn.execute(
            update(journal_head).values(
                segment=journal_head.c.segment + 1, segment_after=journal_head.c.seq, chain=journal_head.c.chain
            )
        )


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
