"""Tables of cleanup: what it removed, how far it has come, and where archived histories are. Guards: ``guards/archive.*.sql``."""

from sqlalchemy import BigInteger, CheckConstraint, Column, ForeignKey, Index, Integer, Table, Text

from storage.metadata import metadata
from storage.types import RowId, Timestamp

#: A row per table and transaction that removed something, written in that transaction. Append-only.
cleanup_runs = Table(
    "cleanup_runs",
    metadata,
    Column("id", RowId, primary_key=True, autoincrement=True),
    #: one name for all that one run removed
    Column("run", Text, nullable=False),
    Column("at", Timestamp, nullable=False),
    #: the table, or ``table.column`` where only a column was emptied
    Column("what", Text, nullable=False),
    Column("count", Integer, nullable=False),
    #: times of the oldest and newest row among them; null where the rows have none
    Column("oldest", Timestamp),
    Column("newest", Timestamp),
    #: the archive's file that has them; null: they are gone
    Column("file", Text),
    CheckConstraint("count > 0", name="count_positive"),
)

#: How far each kind of cleanup has looked; it begins anew at the end.
cleanup_cursors = Table(
    "cleanup_cursors",
    metadata,
    Column("name", Text, primary_key=True),
    Column("position", Text, nullable=False),
)

#: Files of the archive, each on disk and read back before its row is written. Append-only.
archive_files = Table(
    "archive_files",
    metadata,
    Column("name", Text, primary_key=True),
    #: of the file as it is on disk, in hexadecimal
    Column("sha256", Text, nullable=False),
    Column("bytes", BigInteger, nullable=False),
    Column("orders", Integer, nullable=False),
    #: whose disk it was written to
    Column("host", Text, nullable=False),
    Column("written_at", Timestamp, nullable=False),
    CheckConstraint("length(sha256) = 64", name="sha256_whole"),
)

#: One row per order and version whose history is in a file: only then may its history leave the database. Append-only.
archived_orders = Table(
    "archived_orders",
    metadata,
    Column("order_id", Text, ForeignKey("orders.id"), primary_key=True),
    #: of the order when it was archived; a late fill makes a new version, which is archived in its turn
    Column("version", Integer, primary_key=True),
    Column("file", Text, ForeignKey("archive_files.name"), nullable=False),
    #: from 1
    Column("line", Integer, nullable=False),
    #: of the line without its end
    Column("sha256", Text, nullable=False),
    #: the file has all rows of the order up to these; 0: it had none
    Column("last_transition_id", BigInteger, nullable=False),
    Column("last_report_id", BigInteger, nullable=False),
    Column("last_amendment_id", BigInteger, nullable=False),
    Column("archived_at", Timestamp, nullable=False),
    CheckConstraint("length(sha256) = 64", name="sha256_whole"),
    Index("ix_archived_orders_file", "file"),
)
