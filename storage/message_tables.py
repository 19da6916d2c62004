"""Tables of messages: what became of each, those that could not be worked off, and what their steps have cost."""

from sqlalchemy import Column, Index, Integer, Table, Text, UniqueConstraint, text

from storage.metadata import metadata
from storage.types import Json, RowId, Timestamp

#: One row per message; its history is in `message_events`. Written in batches, so it may lag by a flush.
messages = Table(
    "messages",
    metadata,
    #: Celery's task id
    Column("id", Text, primary_key=True),
    Column("task", Text, nullable=False),
    Column("queue", Text, nullable=False),
    Column("order_id", Text),
    Column("child_id", Text),
    #: what else it is about: a client order id, a venue, a market
    Column("subject", Text),
    Column("status", Text, nullable=False),
    #: deliveries to a worker
    Column("attempts", Integer, nullable=False),
    #: when it was first heard of
    Column("first_at", Timestamp, nullable=False),
    Column("published_at", Timestamp),
    Column("received_at", Timestamp),
    #: when its task first began
    Column("started_at", Timestamp),
    Column("ended_at", Timestamp),
    #: when it came to its status
    Column("status_at", Timestamp, nullable=False),
    #: who had it last
    Column("worker", Text),
    #: milliseconds that its task ran, the last time
    Column("run_ms", Integer),
    Index("ix_messages_first_at", "first_at"),
    Index(
        "ix_messages_order_id",
        "order_id",
        "first_at",
        sqlite_where=text("order_id IS NOT NULL"),
        postgresql_where=text("order_id IS NOT NULL"),
    ),
)

#: What happened to a message, append-only; forgotten together with the message, never before it.
message_events = Table(
    "message_events",
    metadata,
    Column("id", RowId, primary_key=True, autoincrement=True),
    Column("message_id", Text, nullable=False),
    Column("event", Text, nullable=False),
    #: on the clock of the process that saw it
    Column("at", Timestamp, nullable=False),
    Column("worker", Text),
    Column("pid", Integer),
    Column("detail", Json),
    Index("ix_message_events_message_id", "message_id"),
)

#: Messages that can't be accepted or that kill their worker, kept with the reason until a person decides.
dead_letters = Table(
    "dead_letters",
    metadata,
    Column("id", RowId, primary_key=True, autoincrement=True),
    Column("task", Text, nullable=False),
    Column("queue", Text),
    #: Celery's task id; a digest of the content where there is none, so that one read twice is one row
    Column("message_id", Text),
    Column("order_id", Text),
    Column("child_id", Text),
    #: redacted and bounded, see `kept`
    Column("body", Json, nullable=False),
    #: `whole`, or why the body is not what was sent: `cut`, `redacted`, `unreadable`
    Column("kept", Text, nullable=False),
    Column("code", Text, nullable=False),
    Column("message", Text, nullable=False),
    Column("errors", Json, nullable=False),
    #: how often a worker began on it, where that is why
    Column("deliveries", Integer),
    #: how often it was read; more than once where the same content came again
    Column("count", Integer, nullable=False),
    Column("created_at", Timestamp, nullable=False),
    #: `open`, `replayed`, `discarded`: decided once, by whom, why and with what outcome
    Column("status", Text, nullable=False),
    Column("decided_at", Timestamp),
    Column("decided_by", Text),
    Column("note", Text),
    Column("outcome", Text),
    UniqueConstraint("message_id", name="uq_dead_letters_message_id"),
    Index("ix_dead_letters_status", "status", "id"),
)

#: How often a step began on a subject without coming to an end; forgotten when it does.
unfinished_deliveries = Table(
    "unfinished_deliveries",
    metadata,
    Column("task", Text, primary_key=True),
    #: the id of an order, of a child, of a message; the name of a market; empty for a task without any
    Column("subject", Text, primary_key=True),
    Column("deliveries", Integer, nullable=False),
    Column("last_at", Timestamp, nullable=False),
)

#: Orders that rescue leaves alone, since a step of theirs kills its worker.
parked_orders = Table(
    "parked_orders",
    metadata,
    Column("order_id", Text, primary_key=True),
    Column("task", Text, nullable=False),
    Column("dead_letter_id", RowId, nullable=False),
    Column("parked_at", Timestamp, nullable=False),
)
