"""Where the journal of a SQLite database stands; on PostgreSQL, whose own log does that work, the table is empty."""

from sqlalchemy import BigInteger, CheckConstraint, Column, Integer, Table, Text

from storage.metadata import metadata

#: One row while a journal is kept. It moves in the transaction that a record tells of, so that a backup knows which
#: records it has, and a record that was written for nothing is told from one that was committed.
journal_head = Table(
    "journal_head",
    metadata,
    Column("id", Integer, primary_key=True),
    #: begun with a backup; records of another chain are of another history
    Column("chain", Text, nullable=False),
    #: the file that records go to: `{chain}-{segment}.changes`
    Column("segment", Integer, nullable=False),
    #: the number of the last record before this segment
    Column("segment_after", BigInteger, nullable=False),
    #: number and digest of the last committed record
    Column("seq", BigInteger, nullable=False),
    Column("digest", Text, nullable=False),
    CheckConstraint("id = 1", name="one_row"),
)
