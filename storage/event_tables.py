"""Tables of the feed of changes: what each version of an order was, and the place that a reader gave it."""

from sqlalchemy import BigInteger, Column, Index, Integer, Table, Text, UniqueConstraint, text

from storage.metadata import metadata
from storage.types import Json, RowId, Timestamp

_NUMBERED = text("position IS NOT NULL")
_UNNUMBERED = text("position IS NULL")

#: One row per version of an order, written with the change itself.
order_events = Table(
    "order_events",
    metadata,
    #: In the order of the versions of one order, and of nothing else: PostgreSQL counts it up before the commit.
    Column("id", RowId, primary_key=True, autoincrement=True),
    Column("order_id", Text, nullable=False),
    Column("version", Integer, nullable=False),
    Column("at", Timestamp, nullable=False),
    #: the part of the document that may differ between versions, as this one left it
    Column("changes", Json, nullable=False),
    #: Its place in the feed, from 1 without gaps; null until a reader has come by.
    Column("position", BigInteger),
    UniqueConstraint("order_id", "version", name="uq_order_events_order_id_version"),
    Index("uq_order_events_position", "position", unique=True, sqlite_where=_NUMBERED, postgresql_where=_NUMBERED),
    Index("ix_order_events_unnumbered", "id", sqlite_where=_UNNUMBERED, postgresql_where=_UNNUMBERED),
)

#: One row: how far the feed is numbered and forgotten. Whoever numbers holds its lock.
event_head = Table(
    "event_head",
    metadata,
    Column("id", Integer, primary_key=True),
    #: tells this feed from that of another database, whose positions mean other changes
    Column("feed", Text, nullable=False),
    #: the last one given
    Column("position", BigInteger, nullable=False),
    #: the last one deleted; 0 while all are there
    Column("forgotten", BigInteger, nullable=False),
)
