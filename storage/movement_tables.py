"""What our books took over from a venue's balance before the venue told why. Guards: ``guards/movements.*.sql``."""

from sqlalchemy import Column, ForeignKey, Index, Table, Text, text

from storage.metadata import metadata
from storage.types import Exact, RowId, Timestamp

unexplained_moves = Table(
    "unexplained_moves",
    metadata,
    #: the entry that took it over
    Column("entry_id", RowId, ForeignKey("ledger_entries.id"), primary_key=True, autoincrement=False),
    Column("venue", Text, nullable=False),
    Column("account", Text, nullable=False),
    Column("asset", Text, nullable=False),
    #: above zero: the venue had more than our books; below zero: less
    Column("amount", Exact, nullable=False),
    #: what of it no movement has explained yet; only ever comes closer to 0
    Column("unexplained", Exact, nullable=False),
    Column("taken_at", Timestamp, nullable=False),
    Index(
        "ix_unexplained_moves_open", "venue", "account", "asset", "taken_at",
        sqlite_where=text("unexplained <> '0'"), postgresql_where=text("unexplained <> 0"),
    ),
)  # fmt: skip
