"""Tables of orders, their children, and all that a venue said of them."""

from sqlalchemy import Boolean, Column, ForeignKey, Index, Integer, Table, Text, UniqueConstraint, text

from storage.metadata import metadata
from storage.types import Exact, Json, RowId, Timestamp

orders = Table(
    "orders",
    metadata,
    Column("id", Text, primary_key=True),
    Column("client_order_id", Text, nullable=False),
    Column("account", Text, nullable=False),
    Column("venue", Text, nullable=False),
    Column("symbol", Text, nullable=False),
    Column("base", Text, nullable=False),
    Column("quote", Text, nullable=False),
    Column("side", Text, nullable=False),
    Column("type", Text, nullable=False),
    Column("quantity", Exact, nullable=False),
    Column("requested_quantity", Exact, nullable=False),
    Column("price", Exact),
    Column("time_in_force", Text, nullable=False),
    Column("post_only", Boolean, nullable=False),
    Column("submitted_at", Timestamp, nullable=False),
    Column("expires_at", Timestamp),
    Column("decision_price", Exact),
    Column("algorithm", Json, nullable=False),
    Column("fill_policy", Json, nullable=False),
    Column("notify", Json),
    Column("tags", Json, nullable=False),
    Column("mode", Text, nullable=False),
    #: the request with defaults filled in, to tell a repeat from another order under the same id
    Column("request", Text, nullable=False),
    #: by which door it came in: http, celery, file
    Column("source", Text, nullable=False),
    Column("status", Text, nullable=False),
    Column("version", Integer, nullable=False),
    Column("filled_quantity", Exact, nullable=False),
    Column("filled_cost", Exact, nullable=False),
    Column("arrival_price", Exact),
    Column("reason_code", Text),
    Column("reason_message", Text),
    #: why the latest version came about; the database copies both into `transitions`
    Column("cause", Text, nullable=False),
    Column("cause_detail", Json),
    Column("cancel_requested_at", Timestamp),
    #: the status it ends in once nothing of it is live: CANCELED when asked to, EXPIRED when its time is over
    Column("ending", Text),
    #: when `rescue` takes the order up if no step has moved it by then; null once it is final
    Column("rescue_at", Timestamp),
    Column("rescues", Integer, nullable=False, server_default=text("0")),
    Column("created_at", Timestamp, nullable=False),
    Column("updated_at", Timestamp, nullable=False),
    UniqueConstraint("account", "client_order_id", name="uq_orders_account_client_order_id"),
    Index(
        "ix_orders_rescue_at",
        "rescue_at",
        sqlite_where=text("rescue_at IS NOT NULL"),
        postgresql_where=text("rescue_at IS NOT NULL"),
    ),
    Index("ix_orders_status", "status", "id"),
    Index(
        "ix_orders_expires_at",
        "expires_at",
        sqlite_where=text("expires_at IS NOT NULL"),
        postgresql_where=text("expires_at IS NOT NULL"),
    ),
)

order_tags = Table(
    "order_tags",
    metadata,
    Column("order_id", Text, ForeignKey("orders.id"), primary_key=True),
    Column("key", Text, primary_key=True),
    Column("value", Text, nullable=False),
    Index("ix_order_tags_key_value", "key", "value"),
)

_LIVE_ATTEMPT = text("status NOT IN ('FILLED', 'CANCELED', 'EXPIRED', 'REJECTED')")

#: Spelled out and not bound: only so can PostgreSQL see that the partial index on live children answers it.
AT_VENUE = text("child_orders.status IN ('ACCEPTED', 'PARTIALLY_FILLED', 'PENDING_CANCEL', 'PENDING_AMEND')")

child_orders = Table(
    "child_orders",
    metadata,
    Column("id", Text, primary_key=True),
    Column("order_id", Text, ForeignKey("orders.id"), nullable=False),
    Column("venue", Text, nullable=False),
    Column("account", Text, nullable=False),
    Column("symbol", Text, nullable=False),
    Column("slice", Integer, nullable=False),
    Column("attempt", Integer, nullable=False),
    Column("status", Text, nullable=False),
    Column("version", Integer, nullable=False),
    Column("epoch", Integer, nullable=False, server_default=text("0")),
    Column("lease_owner", Text),
    #: on the database's clock
    Column("lease_until", Timestamp),
    Column("venue_client_order_id", Text, nullable=False),
    Column("venue_order_id", Text),
    Column("quantity", Exact, nullable=False),
    Column("price", Exact),
    #: what the venue's own iceberg shows of it; null: an ordinary order
    Column("display", Exact),
    Column("filled_quantity", Exact, nullable=False),
    Column("filled_cost", Exact, nullable=False),
    Column("due_at", Timestamp, nullable=False),
    Column("sent_at", Timestamp),
    #: on the venue's clock: no copy of any send can be accepted after it
    Column("deadline", Timestamp),
    Column("sends", Integer, nullable=False, server_default=text("0")),
    Column("lookups", Integer, nullable=False, server_default=text("0")),
    #: when somebody must look at this row again; null when nothing is to be done
    Column("attend_at", Timestamp),
    #: when the fill policy acts on it: its timeout while it is live, its next attempt once it has ended; null: never
    Column("act_at", Timestamp),
    Column("reason_code", Text),
    Column("reason_message", Text),
    Column("cause", Text, nullable=False),
    Column("cause_detail", Json),
    Column("created_at", Timestamp, nullable=False),
    Column("updated_at", Timestamp, nullable=False),
    UniqueConstraint("order_id", "slice", "attempt", name="uq_child_orders_order_id_slice_attempt"),
    UniqueConstraint("venue", "account", "venue_client_order_id", name="uq_child_orders_venue_client_order_id"),
    UniqueConstraint("venue", "account", "symbol", "venue_order_id", name="uq_child_orders_venue_order_id"),
    # Attempt n + 1 exists only after attempt n is final: the database holds it too.
    Index(
        "uq_child_orders_one_live_attempt",
        "order_id",
        "slice",
        unique=True,
        sqlite_where=_LIVE_ATTEMPT,
        postgresql_where=_LIVE_ATTEMPT,
    ),
    Index(
        "ix_child_orders_attend_at",
        "attend_at",
        sqlite_where=text("attend_at IS NOT NULL"),
        postgresql_where=text("attend_at IS NOT NULL"),
    ),
    Index(
        "ix_child_orders_act_at",
        "act_at",
        sqlite_where=text("act_at IS NOT NULL"),
        postgresql_where=text("act_at IS NOT NULL"),
    ),
    Index(
        "ix_child_orders_in_flight",
        "status",
        sqlite_where=text("status = 'SUBMITTING'"),
        postgresql_where=text("status = 'SUBMITTING'"),
    ),
    Index(
        "ix_child_orders_live", "venue", "account", "symbol", sqlite_where=_LIVE_ATTEMPT, postgresql_where=_LIVE_ATTEMPT
    ),
)

#: The durable intents: a row is committed before a request to create an order leaves the process.
sends = Table(
    "sends",
    metadata,
    Column("child_id", Text, ForeignKey("child_orders.id"), primary_key=True),
    #: from 1
    Column("number", Integer, primary_key=True),
    Column("epoch", Integer, nullable=False),
    Column("owner", Text, nullable=False),
    #: on the venue's clock, signed into the request
    Column("timestamp", Timestamp, nullable=False),
    Column("window_ms", Integer, nullable=False),
    Column("intended_at", Timestamp, nullable=False),
    Column("answered_at", Timestamp),
    #: `answered` or the evidence that a failure gave; null while nothing is known
    Column("outcome", Text),
    Column("message", Text),
)

#: What the venue said of an order, word for word as we understood it. Never edited.
reports = Table(
    "reports",
    metadata,
    Column("id", RowId, primary_key=True, autoincrement=True),
    Column("child_id", Text, ForeignKey("child_orders.id"), nullable=False),
    Column("order_id", Text, ForeignKey("orders.id"), nullable=False),
    #: which question it answers: send, lookup, track, cancel
    Column("source", Text, nullable=False),
    Column("body", Json, nullable=False),
    Column("received_at", Timestamp, nullable=False),
    Column("applied_at", Timestamp),
    Index("ix_reports_child_id", "child_id"),
    Index(
        "ix_reports_unapplied",
        "order_id",
        sqlite_where=text("applied_at IS NULL"),
        postgresql_where=text("applied_at IS NULL"),
    ),
)

fills = Table(
    "fills",
    metadata,
    Column("venue", Text, primary_key=True),
    Column("account", Text, primary_key=True),
    Column("symbol", Text, primary_key=True),
    Column("venue_order_id", Text, primary_key=True),
    Column("venue_trade_id", Text, primary_key=True),
    Column("child_id", Text, ForeignKey("child_orders.id"), nullable=False),
    Column("order_id", Text, ForeignKey("orders.id"), nullable=False),
    Column("side", Text, nullable=False),
    Column("quantity", Exact, nullable=False),
    Column("price", Exact, nullable=False),
    Column("cost", Exact, nullable=False),
    Column("fee", Exact, nullable=False),
    Column("fee_asset", Text),
    Column("liquidity", Text),
    Column("traded_at", Timestamp, nullable=False),
    Column("booked_at", Timestamp, nullable=False),
    Index("ix_fills_order_id", "order_id"),
    Index("ix_fills_child_id", "child_id"),
    #: what of a market's volume was ours
    Index("ix_fills_booked_at", "venue", "symbol", "booked_at"),
    #: whether anything of an account was booked since a moment
    Index("ix_fills_account_booked_at", "venue", "account", "booked_at"),
)

#: Every change of parents and children, written by triggers, never edited.
transitions = Table(
    "transitions",
    metadata,
    Column("id", RowId, primary_key=True, autoincrement=True),
    Column("at", Timestamp, nullable=False),
    Column("order_id", Text, nullable=False),
    #: `order` or `child`
    Column("entity", Text, nullable=False),
    Column("entity_id", Text, nullable=False),
    Column("version", Integer, nullable=False),
    Column("from_status", Text),
    Column("to_status", Text, nullable=False),
    Column("filled_quantity", Exact, nullable=False),
    Column("cause", Text, nullable=False),
    Column("detail", Json),
    UniqueConstraint("entity", "entity_id", "version", name="uq_transitions_entity_version"),
    Index("ix_transitions_order_id", "order_id", "id"),
)

#: The rows of models.transitions, so that the database can refuse the others.
legal_transitions = Table(
    "legal_transitions",
    metadata,
    Column("entity", Text, primary_key=True),
    Column("from_status", Text, primary_key=True),
    Column("to_status", Text, primary_key=True),
)
