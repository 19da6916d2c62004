"""Tables of the machinery around orders: outbox, leases, halts, alerts, shared caches."""

from sqlalchemy import Column, Index, Integer, Table, Text, UniqueConstraint, text

from storage.metadata import metadata
from storage.types import Json, RowId, Timestamp

#: What must be published, written in the transaction that makes it necessary and deleted once the broker has it.
outbox = Table(
    "outbox",
    metadata,
    Column("id", RowId, primary_key=True, autoincrement=True),
    #: `task`: one message; `order`: the chain of an order from where it stands; `notify`: a document for a caller
    Column("kind", Text, nullable=False),
    Column("task", Text, nullable=False),
    Column("queue", Text, nullable=False),
    Column("kwargs", Json, nullable=False),
    #: what joins the message to the trace of the request that caused it; null when nothing is traced
    Column("headers", Json),
    #: not published by the relay before this
    Column("due_at", Timestamp, nullable=False),
    Column("attempts", Integer, nullable=False, server_default=text("0")),
    Column("created_at", Timestamp, nullable=False),
    Index("ix_outbox_due_at", "due_at", "id"),
    # SQLite would give a deleted row's id to a new one, and who deletes late would delete that.
    sqlite_autoincrement=True,
)

leases = Table(
    "leases",
    metadata,
    Column("name", Text, primary_key=True),
    Column("owner", Text, nullable=False),
    Column("epoch", Integer, nullable=False),
    #: on the database's clock
    Column("until", Timestamp, nullable=False),
)

#: Stops on new sends; an empty venue or account means all of them.
halts = Table(
    "halts",
    metadata,
    Column("venue", Text, primary_key=True),
    Column("account", Text, primary_key=True),
    Column("reason", Text, nullable=False),
    Column("by", Text, nullable=False),
    Column("since", Timestamp, nullable=False),
)

#: Cancels that came before their order.
early_cancels = Table(
    "early_cancels",
    metadata,
    Column("account", Text, primary_key=True),
    Column("client_order_id", Text, primary_key=True),
    Column("received_at", Timestamp, nullable=False),
    Column("until", Timestamp, nullable=False),
)

alerts = Table(
    "alerts",
    metadata,
    Column("id", RowId, primary_key=True, autoincrement=True),
    #: one alert per key while it stands: a repeat raises `count`
    Column("key", Text, nullable=False),
    Column("kind", Text, nullable=False),
    Column("severity", Text, nullable=False),
    Column("message", Text, nullable=False),
    Column("detail", Json, nullable=False),
    Column("count", Integer, nullable=False),
    Column("first_at", Timestamp, nullable=False),
    Column("last_at", Timestamp, nullable=False),
    UniqueConstraint("key", name="uq_alerts_key"),
)

#: All instruments of a venue as one document, shared by every process.
instrument_sets = Table(
    "instrument_sets",
    metadata,
    Column("venue", Text, primary_key=True),
    Column("body", Text, nullable=False),
    Column("fetched_at", Timestamp, nullable=False),
)

#: What is known of a venue account: until when it wants to be left alone, and its last trouble.
venue_states = Table(
    "venue_states",
    metadata,
    Column("venue", Text, primary_key=True),
    Column("account", Text, primary_key=True),
    Column("closed_until", Timestamp),
    Column("last_error", Text),
    Column("last_error_at", Timestamp),
    Column("last_success_at", Timestamp),
    Column("latency_ms", Integer),
)

#: Where reading a symbol's trades goes on, with an overlap.
track_cursors = Table(
    "track_cursors",
    metadata,
    Column("venue", Text, primary_key=True),
    Column("account", Text, primary_key=True),
    Column("symbol", Text, primary_key=True),
    Column("since", Timestamp, nullable=False),
)

#: One row: what tells this deployment's orders from another's at the same venue account.
deployment = Table(
    "deployment",
    metadata,
    Column("id", Integer, primary_key=True),
    Column("prefix", Text, nullable=False),
    Column("created_at", Timestamp, nullable=False),
)
