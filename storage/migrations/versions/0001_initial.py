"""The first schema: orders, children, evidence, books and the machinery around them."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None

#: as storage.types had them when this was written: a migration does not follow later code
EXACT = sa.Numeric().with_variant(sa.Text(), "sqlite")
TIME = sa.BigInteger()
ROW_ID = sa.BigInteger().with_variant(sa.Integer(), "sqlite")


def upgrade() -> None:
    _orders()
    _amendments()
    _schedules()
    _costs()
    _events()
    _services()
    _messages()
    _books()


def _only(dialect: str, check: sa.CheckConstraint) -> list[sa.CheckConstraint]:
    """A check that the other database has in another spelling, or needs not."""
    return [check] if op.get_context().dialect.name == dialect else []


def _orders() -> None:
    op.create_table(
        "legal_transitions",
        sa.Column("entity", sa.Text(), nullable=False),
        sa.Column("from_status", sa.Text(), nullable=False),
        sa.Column("to_status", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("entity", "from_status", "to_status", name=op.f("pk_legal_transitions")),
    )
    op.create_table(
        "orders",
        sa.Column("id", sa.Text(), nullable=False),
        sa.Column("client_order_id", sa.Text(), nullable=False),
        sa.Column("account", sa.Text(), nullable=False),
        sa.Column("venue", sa.Text(), nullable=False),
        sa.Column("symbol", sa.Text(), nullable=False),
        sa.Column("base", sa.Text(), nullable=False),
        sa.Column("quote", sa.Text(), nullable=False),
        sa.Column("side", sa.Text(), nullable=False),
        sa.Column("type", sa.Text(), nullable=False),
        sa.Column("quantity", EXACT, nullable=False),
        sa.Column("requested_quantity", EXACT, nullable=False),
        sa.Column("price", EXACT, nullable=True),
        sa.Column("time_in_force", sa.Text(), nullable=False),
        sa.Column("post_only", sa.Boolean(), nullable=False),
        sa.Column("submitted_at", TIME, nullable=False),
        sa.Column("expires_at", TIME, nullable=True),
        sa.Column("decision_price", EXACT, nullable=True),
        sa.Column("algorithm", sa.Text(), nullable=False),
        sa.Column("fill_policy", sa.Text(), nullable=False),
        sa.Column("notify", sa.Text(), nullable=True),
        sa.Column("tags", sa.Text(), nullable=False),
        sa.Column("mode", sa.Text(), nullable=False),
        sa.Column("request", sa.Text(), nullable=False),
        sa.Column("source", sa.Text(), nullable=False),
        sa.Column("status", sa.Text(), nullable=False),
        sa.Column("version", sa.Integer(), nullable=False),
        sa.Column("filled_quantity", EXACT, nullable=False),
        sa.Column("filled_cost", EXACT, nullable=False),
        sa.Column("arrival_price", EXACT, nullable=True),
        sa.Column("reason_code", sa.Text(), nullable=True),
        sa.Column("reason_message", sa.Text(), nullable=True),
        sa.Column("cause", sa.Text(), nullable=False),
        sa.Column("cause_detail", sa.Text(), nullable=True),
        sa.Column("cancel_requested_at", TIME, nullable=True),
        sa.Column("ending", sa.Text(), nullable=True),
        sa.Column("rescue_at", TIME, nullable=True),
        sa.Column("rescues", sa.Integer(), server_default=sa.text("0"), nullable=False),
        sa.Column("created_at", TIME, nullable=False),
        sa.Column("updated_at", TIME, nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_orders")),
        sa.UniqueConstraint("account", "client_order_id", name="uq_orders_account_client_order_id"),
    )
    op.create_index(
        "ix_orders_expires_at",
        "orders",
        ["expires_at"],
        unique=False,
        sqlite_where=sa.text("expires_at IS NOT NULL"),
        postgresql_where=sa.text("expires_at IS NOT NULL"),
    )
    op.create_index(
        "ix_orders_rescue_at",
        "orders",
        ["rescue_at"],
        unique=False,
        sqlite_where=sa.text("rescue_at IS NOT NULL"),
        postgresql_where=sa.text("rescue_at IS NOT NULL"),
    )
    op.create_index("ix_orders_status", "orders", ["status", "id"], unique=False)
    op.create_table(
        "transitions",
        sa.Column("id", ROW_ID, autoincrement=True, nullable=False),
        sa.Column("at", TIME, nullable=False),
        sa.Column("order_id", sa.Text(), nullable=False),
        sa.Column("entity", sa.Text(), nullable=False),
        sa.Column("entity_id", sa.Text(), nullable=False),
        sa.Column("version", sa.Integer(), nullable=False),
        sa.Column("from_status", sa.Text(), nullable=True),
        sa.Column("to_status", sa.Text(), nullable=False),
        sa.Column("filled_quantity", EXACT, nullable=False),
        sa.Column("cause", sa.Text(), nullable=False),
        sa.Column("detail", sa.Text(), nullable=True),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_transitions")),
        sa.UniqueConstraint("entity", "entity_id", "version", name="uq_transitions_entity_version"),
    )
    op.create_index("ix_transitions_order_id", "transitions", ["order_id", "id"], unique=False)
    op.create_table(
        "child_orders",
        sa.Column("id", sa.Text(), nullable=False),
        sa.Column("order_id", sa.Text(), nullable=False),
        sa.Column("venue", sa.Text(), nullable=False),
        sa.Column("account", sa.Text(), nullable=False),
        sa.Column("symbol", sa.Text(), nullable=False),
        sa.Column("slice", sa.Integer(), nullable=False),
        sa.Column("attempt", sa.Integer(), nullable=False),
        sa.Column("status", sa.Text(), nullable=False),
        sa.Column("version", sa.Integer(), nullable=False),
        sa.Column("epoch", sa.Integer(), server_default=sa.text("0"), nullable=False),
        sa.Column("lease_owner", sa.Text(), nullable=True),
        sa.Column("lease_until", TIME, nullable=True),
        sa.Column("venue_client_order_id", sa.Text(), nullable=False),
        sa.Column("venue_order_id", sa.Text(), nullable=True),
        sa.Column("quantity", EXACT, nullable=False),
        sa.Column("price", EXACT, nullable=True),
        sa.Column("display", EXACT, nullable=True),
        sa.Column("filled_quantity", EXACT, nullable=False),
        sa.Column("filled_cost", EXACT, nullable=False),
        sa.Column("due_at", TIME, nullable=False),
        sa.Column("sent_at", TIME, nullable=True),
        sa.Column("deadline", TIME, nullable=True),
        sa.Column("sends", sa.Integer(), server_default=sa.text("0"), nullable=False),
        sa.Column("lookups", sa.Integer(), server_default=sa.text("0"), nullable=False),
        sa.Column("attend_at", TIME, nullable=True),
        sa.Column("act_at", TIME, nullable=True),
        sa.Column("reason_code", sa.Text(), nullable=True),
        sa.Column("reason_message", sa.Text(), nullable=True),
        sa.Column("cause", sa.Text(), nullable=False),
        sa.Column("cause_detail", sa.Text(), nullable=True),
        sa.Column("created_at", TIME, nullable=False),
        sa.Column("updated_at", TIME, nullable=False),
        sa.ForeignKeyConstraint(["order_id"], ["orders.id"], name=op.f("fk_child_orders_order_id_orders")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_child_orders")),
        sa.UniqueConstraint("order_id", "slice", "attempt", name="uq_child_orders_order_id_slice_attempt"),
        sa.UniqueConstraint("venue", "account", "symbol", "venue_order_id", name="uq_child_orders_venue_order_id"),
        sa.UniqueConstraint("venue", "account", "venue_client_order_id", name="uq_child_orders_venue_client_order_id"),
    )
    op.create_index(
        "ix_child_orders_act_at",
        "child_orders",
        ["act_at"],
        unique=False,
        sqlite_where=sa.text("act_at IS NOT NULL"),
        postgresql_where=sa.text("act_at IS NOT NULL"),
    )
    op.create_index(
        "ix_child_orders_attend_at",
        "child_orders",
        ["attend_at"],
        unique=False,
        sqlite_where=sa.text("attend_at IS NOT NULL"),
        postgresql_where=sa.text("attend_at IS NOT NULL"),
    )
    op.create_index(
        "ix_child_orders_in_flight",
        "child_orders",
        ["status"],
        unique=False,
        sqlite_where=sa.text("status = 'SUBMITTING'"),
        postgresql_where=sa.text("status = 'SUBMITTING'"),
    )
    op.create_index(
        "ix_child_orders_live",
        "child_orders",
        ["venue", "account", "symbol"],
        unique=False,
        sqlite_where=sa.text("status NOT IN ('FILLED', 'CANCELED', 'EXPIRED', 'REJECTED')"),
        postgresql_where=sa.text("status NOT IN ('FILLED', 'CANCELED', 'EXPIRED', 'REJECTED')"),
    )
    op.create_index(
        "uq_child_orders_one_live_attempt",
        "child_orders",
        ["order_id", "slice"],
        unique=True,
        sqlite_where=sa.text("status NOT IN ('FILLED', 'CANCELED', 'EXPIRED', 'REJECTED')"),
        postgresql_where=sa.text("status NOT IN ('FILLED', 'CANCELED', 'EXPIRED', 'REJECTED')"),
    )
    op.create_table(
        "order_tags",
        sa.Column("order_id", sa.Text(), nullable=False),
        sa.Column("key", sa.Text(), nullable=False),
        sa.Column("value", sa.Text(), nullable=False),
        sa.ForeignKeyConstraint(["order_id"], ["orders.id"], name=op.f("fk_order_tags_order_id_orders")),
        sa.PrimaryKeyConstraint("order_id", "key", name=op.f("pk_order_tags")),
    )
    op.create_index("ix_order_tags_key_value", "order_tags", ["key", "value"], unique=False)
    op.create_table(
        "fills",
        sa.Column("venue", sa.Text(), nullable=False),
        sa.Column("account", sa.Text(), nullable=False),
        sa.Column("symbol", sa.Text(), nullable=False),
        sa.Column("venue_order_id", sa.Text(), nullable=False),
        sa.Column("venue_trade_id", sa.Text(), nullable=False),
        sa.Column("child_id", sa.Text(), nullable=False),
        sa.Column("order_id", sa.Text(), nullable=False),
        sa.Column("side", sa.Text(), nullable=False),
        sa.Column("quantity", EXACT, nullable=False),
        sa.Column("price", EXACT, nullable=False),
        sa.Column("cost", EXACT, nullable=False),
        sa.Column("fee", EXACT, nullable=False),
        sa.Column("fee_asset", sa.Text(), nullable=True),
        sa.Column("liquidity", sa.Text(), nullable=True),
        sa.Column("traded_at", TIME, nullable=False),
        sa.Column("booked_at", TIME, nullable=False),
        sa.ForeignKeyConstraint(["child_id"], ["child_orders.id"], name=op.f("fk_fills_child_id_child_orders")),
        sa.ForeignKeyConstraint(["order_id"], ["orders.id"], name=op.f("fk_fills_order_id_orders")),
        sa.PrimaryKeyConstraint(
            "venue", "account", "symbol", "venue_order_id", "venue_trade_id", name=op.f("pk_fills")
        ),
    )
    op.create_index("ix_fills_booked_at", "fills", ["venue", "symbol", "booked_at"], unique=False)
    op.create_index("ix_fills_child_id", "fills", ["child_id"], unique=False)
    op.create_index("ix_fills_order_id", "fills", ["order_id"], unique=False)
    op.create_table(
        "reports",
        sa.Column("id", ROW_ID, autoincrement=True, nullable=False),
        sa.Column("child_id", sa.Text(), nullable=False),
        sa.Column("order_id", sa.Text(), nullable=False),
        sa.Column("source", sa.Text(), nullable=False),
        sa.Column("body", sa.Text(), nullable=False),
        sa.Column("received_at", TIME, nullable=False),
        sa.Column("applied_at", TIME, nullable=True),
        sa.ForeignKeyConstraint(["child_id"], ["child_orders.id"], name=op.f("fk_reports_child_id_child_orders")),
        sa.ForeignKeyConstraint(["order_id"], ["orders.id"], name=op.f("fk_reports_order_id_orders")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_reports")),
    )
    op.create_index("ix_reports_child_id", "reports", ["child_id"], unique=False)
    op.create_index(
        "ix_reports_unapplied",
        "reports",
        ["order_id"],
        unique=False,
        sqlite_where=sa.text("applied_at IS NULL"),
        postgresql_where=sa.text("applied_at IS NULL"),
    )
    op.create_table(
        "sends",
        sa.Column("child_id", sa.Text(), nullable=False),
        sa.Column("number", sa.Integer(), nullable=False),
        sa.Column("epoch", sa.Integer(), nullable=False),
        sa.Column("owner", sa.Text(), nullable=False),
        sa.Column("timestamp", TIME, nullable=False),
        sa.Column("window_ms", sa.Integer(), nullable=False),
        sa.Column("intended_at", TIME, nullable=False),
        sa.Column("answered_at", TIME, nullable=True),
        sa.Column("outcome", sa.Text(), nullable=True),
        sa.Column("message", sa.Text(), nullable=True),
        sa.ForeignKeyConstraint(["child_id"], ["child_orders.id"], name=op.f("fk_sends_child_id_child_orders")),
        sa.PrimaryKeyConstraint("child_id", "number", name=op.f("pk_sends")),
    )


def _amendments() -> None:
    op.create_table(
        "amendments",
        sa.Column("id", ROW_ID, autoincrement=True, nullable=False),
        sa.Column("order_id", sa.Text(), nullable=False),
        sa.Column("requested_at", TIME, nullable=False),
        sa.Column("source", sa.Text(), nullable=False),
        sa.Column("quantity", EXACT, nullable=True),
        sa.Column("price", EXACT, nullable=True),
        sa.Column("previous_quantity", EXACT, nullable=False),
        sa.Column("previous_price", EXACT, nullable=True),
        sa.Column("status", sa.Text(), nullable=False),
        sa.Column("reason_code", sa.Text(), nullable=True),
        sa.Column("reason_message", sa.Text(), nullable=True),
        sa.Column("decided_at", TIME, nullable=True),
        sa.CheckConstraint("status IN ('PENDING', 'DONE', 'REFUSED')", name=op.f("ck_amendments_status_known")),
        sa.ForeignKeyConstraint(["order_id"], ["orders.id"], name=op.f("fk_amendments_order_id_orders")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_amendments")),
    )
    op.create_index("ix_amendments_order_id", "amendments", ["order_id", "id"], unique=False)
    op.create_index(
        "uq_amendments_one_pending",
        "amendments",
        ["order_id"],
        unique=True,
        sqlite_where=sa.text("status = 'PENDING'"),
        postgresql_where=sa.text("status = 'PENDING'"),
    )


def _schedules() -> None:
    op.create_table(
        "schedules",
        sa.Column("order_id", sa.Text(), nullable=False),
        sa.Column("start_at", TIME, nullable=True),
        sa.Column("wave", sa.Integer(), nullable=False),
        sa.Column("next_slice", sa.Integer(), nullable=False),
        sa.Column("next_slot", sa.Integer(), nullable=False),
        sa.Column("looked_at", TIME, nullable=True),
        sa.Column("look_at", TIME, nullable=True),
        sa.Column("is_over", sa.Boolean(), nullable=False),
        sa.Column("notes", sa.Text(), nullable=False),
        sa.ForeignKeyConstraint(["order_id"], ["orders.id"], name=op.f("fk_schedules_order_id_orders")),
        sa.PrimaryKeyConstraint("order_id", name=op.f("pk_schedules")),
    )
    op.create_index(
        "ix_schedules_look_at",
        "schedules",
        ["look_at"],
        unique=False,
        sqlite_where=sa.text("look_at IS NOT NULL"),
        postgresql_where=sa.text("look_at IS NOT NULL"),
    )


def _costs() -> None:
    op.create_table(
        "order_markets",
        sa.Column("order_id", sa.Text(), nullable=False),
        sa.Column("venue", sa.Text(), nullable=False),
        sa.Column("symbol", sa.Text(), nullable=False),
        sa.Column("order_version", sa.Integer(), nullable=False),
        sa.Column("start_at", TIME, nullable=False),
        sa.Column("end_at", TIME, nullable=False),
        sa.Column("candle_s", sa.Integer(), nullable=False),
        sa.Column("due_at", TIME, nullable=True),
        sa.Column("attempts", sa.Integer(), server_default=sa.text("0"), nullable=False),
        sa.Column("captured_at", TIME, nullable=True),
        sa.Column("problem", sa.Text(), nullable=True),
        sa.Column("volume", EXACT, nullable=True),
        sa.Column("vwap", EXACT, nullable=True),
        sa.Column("twap", EXACT, nullable=True),
        sa.Column("first_price", EXACT, nullable=True),
        sa.Column("last_price", EXACT, nullable=True),
        sa.Column("path", sa.Text(), nullable=True),
        sa.ForeignKeyConstraint(["order_id"], ["orders.id"], name=op.f("fk_order_markets_order_id_orders")),
        sa.PrimaryKeyConstraint("order_id", name=op.f("pk_order_markets")),
    )
    op.create_index(
        "ix_order_markets_due_at",
        "order_markets",
        ["due_at"],
        unique=False,
        sqlite_where=sa.text("due_at IS NOT NULL"),
        postgresql_where=sa.text("due_at IS NOT NULL"),
    )
    op.create_table(
        "cost_cursor",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("transition_id", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_cost_cursor")),
    )


def _events() -> None:
    op.create_table(
        "order_events",
        sa.Column("id", ROW_ID, autoincrement=True, nullable=False),
        sa.Column("order_id", sa.Text(), nullable=False),
        sa.Column("version", sa.Integer(), nullable=False),
        sa.Column("at", TIME, nullable=False),
        sa.Column("changes", sa.Text(), nullable=False),
        sa.Column("position", sa.BigInteger(), nullable=True),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_order_events")),
        sa.UniqueConstraint("order_id", "version", name="uq_order_events_order_id_version"),
    )
    op.create_index(
        "ix_order_events_unnumbered",
        "order_events",
        ["id"],
        unique=False,
        sqlite_where=sa.text("position IS NULL"),
        postgresql_where=sa.text("position IS NULL"),
    )
    op.create_index(
        "uq_order_events_position",
        "order_events",
        ["position"],
        unique=True,
        sqlite_where=sa.text("position IS NOT NULL"),
        postgresql_where=sa.text("position IS NOT NULL"),
    )
    op.create_table(
        "event_head",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("feed", sa.Text(), nullable=False),
        sa.Column("position", sa.BigInteger(), nullable=False),
        sa.Column("forgotten", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_event_head")),
    )


def _services() -> None:
    op.create_table(
        "alerts",
        sa.Column("id", ROW_ID, autoincrement=True, nullable=False),
        sa.Column("key", sa.Text(), nullable=False),
        sa.Column("kind", sa.Text(), nullable=False),
        sa.Column("severity", sa.Text(), nullable=False),
        sa.Column("message", sa.Text(), nullable=False),
        sa.Column("detail", sa.Text(), nullable=False),
        sa.Column("count", sa.Integer(), nullable=False),
        sa.Column("first_at", TIME, nullable=False),
        sa.Column("last_at", TIME, nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_alerts")),
        sa.UniqueConstraint("key", name="uq_alerts_key"),
    )
    op.create_table(
        "deployment",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("prefix", sa.Text(), nullable=False),
        sa.Column("created_at", TIME, nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_deployment")),
    )
    op.create_table(
        "early_cancels",
        sa.Column("account", sa.Text(), nullable=False),
        sa.Column("client_order_id", sa.Text(), nullable=False),
        sa.Column("received_at", TIME, nullable=False),
        sa.Column("until", TIME, nullable=False),
        sa.PrimaryKeyConstraint("account", "client_order_id", name=op.f("pk_early_cancels")),
    )
    op.create_table(
        "halts",
        sa.Column("venue", sa.Text(), nullable=False),
        sa.Column("account", sa.Text(), nullable=False),
        sa.Column("reason", sa.Text(), nullable=False),
        sa.Column("by", sa.Text(), nullable=False),
        sa.Column("since", TIME, nullable=False),
        sa.PrimaryKeyConstraint("venue", "account", name=op.f("pk_halts")),
    )
    op.create_table(
        "instrument_sets",
        sa.Column("venue", sa.Text(), nullable=False),
        sa.Column("body", sa.Text(), nullable=False),
        sa.Column("fetched_at", TIME, nullable=False),
        sa.PrimaryKeyConstraint("venue", name=op.f("pk_instrument_sets")),
    )
    op.create_table(
        "leases",
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("owner", sa.Text(), nullable=False),
        sa.Column("epoch", sa.Integer(), nullable=False),
        sa.Column("until", TIME, nullable=False),
        sa.PrimaryKeyConstraint("name", name=op.f("pk_leases")),
    )
    op.create_table(
        "outbox",
        sa.Column("id", ROW_ID, autoincrement=True, nullable=False),
        sa.Column("kind", sa.Text(), nullable=False),
        sa.Column("task", sa.Text(), nullable=False),
        sa.Column("queue", sa.Text(), nullable=False),
        sa.Column("kwargs", sa.Text(), nullable=False),
        sa.Column("headers", sa.Text(), nullable=True),
        sa.Column("due_at", TIME, nullable=False),
        sa.Column("attempts", sa.Integer(), server_default=sa.text("0"), nullable=False),
        sa.Column("created_at", TIME, nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_outbox")),
        sqlite_autoincrement=True,
    )
    op.create_index("ix_outbox_due_at", "outbox", ["due_at", "id"], unique=False)
    op.create_table(
        "track_cursors",
        sa.Column("venue", sa.Text(), nullable=False),
        sa.Column("account", sa.Text(), nullable=False),
        sa.Column("symbol", sa.Text(), nullable=False),
        sa.Column("since", TIME, nullable=False),
        sa.PrimaryKeyConstraint("venue", "account", "symbol", name=op.f("pk_track_cursors")),
    )
    op.create_table(
        "venue_states",
        sa.Column("venue", sa.Text(), nullable=False),
        sa.Column("account", sa.Text(), nullable=False),
        sa.Column("closed_until", TIME, nullable=True),
        sa.Column("last_error", sa.Text(), nullable=True),
        sa.Column("last_error_at", TIME, nullable=True),
        sa.Column("last_success_at", TIME, nullable=True),
        sa.Column("latency_ms", sa.Integer(), nullable=True),
        sa.PrimaryKeyConstraint("venue", "account", name=op.f("pk_venue_states")),
    )


def _messages() -> None:
    op.create_table(
        "messages",
        sa.Column("id", sa.Text(), nullable=False),
        sa.Column("task", sa.Text(), nullable=False),
        sa.Column("queue", sa.Text(), nullable=False),
        sa.Column("order_id", sa.Text(), nullable=True),
        sa.Column("child_id", sa.Text(), nullable=True),
        sa.Column("subject", sa.Text(), nullable=True),
        sa.Column("status", sa.Text(), nullable=False),
        sa.Column("attempts", sa.Integer(), nullable=False),
        sa.Column("first_at", TIME, nullable=False),
        sa.Column("published_at", TIME, nullable=True),
        sa.Column("received_at", TIME, nullable=True),
        sa.Column("started_at", TIME, nullable=True),
        sa.Column("ended_at", TIME, nullable=True),
        sa.Column("status_at", TIME, nullable=False),
        sa.Column("worker", sa.Text(), nullable=True),
        sa.Column("run_ms", sa.Integer(), nullable=True),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_messages")),
    )
    op.create_index("ix_messages_first_at", "messages", ["first_at"], unique=False)
    op.create_index(
        "ix_messages_order_id",
        "messages",
        ["order_id", "first_at"],
        unique=False,
        sqlite_where=sa.text("order_id IS NOT NULL"),
        postgresql_where=sa.text("order_id IS NOT NULL"),
    )
    op.create_table(
        "message_events",
        sa.Column("id", ROW_ID, autoincrement=True, nullable=False),
        sa.Column("message_id", sa.Text(), nullable=False),
        sa.Column("event", sa.Text(), nullable=False),
        sa.Column("at", TIME, nullable=False),
        sa.Column("worker", sa.Text(), nullable=True),
        sa.Column("pid", sa.Integer(), nullable=True),
        sa.Column("detail", sa.Text(), nullable=True),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_message_events")),
    )
    op.create_index("ix_message_events_message_id", "message_events", ["message_id"], unique=False)
    op.create_table(
        "dead_letters",
        sa.Column("id", ROW_ID, autoincrement=True, nullable=False),
        sa.Column("task", sa.Text(), nullable=False),
        sa.Column("queue", sa.Text(), nullable=True),
        sa.Column("message_id", sa.Text(), nullable=True),
        sa.Column("order_id", sa.Text(), nullable=True),
        sa.Column("child_id", sa.Text(), nullable=True),
        sa.Column("body", sa.Text(), nullable=False),
        sa.Column("kept", sa.Text(), nullable=False),
        sa.Column("code", sa.Text(), nullable=False),
        sa.Column("message", sa.Text(), nullable=False),
        sa.Column("errors", sa.Text(), nullable=False),
        sa.Column("deliveries", sa.Integer(), nullable=True),
        sa.Column("count", sa.Integer(), nullable=False),
        sa.Column("created_at", TIME, nullable=False),
        sa.Column("status", sa.Text(), nullable=False),
        sa.Column("decided_at", TIME, nullable=True),
        sa.Column("decided_by", sa.Text(), nullable=True),
        sa.Column("note", sa.Text(), nullable=True),
        sa.Column("outcome", sa.Text(), nullable=True),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_dead_letters")),
        sa.UniqueConstraint("message_id", name="uq_dead_letters_message_id"),
    )
    op.create_index("ix_dead_letters_status", "dead_letters", ["status", "id"], unique=False)
    op.create_table(
        "unfinished_deliveries",
        sa.Column("task", sa.Text(), nullable=False),
        sa.Column("subject", sa.Text(), nullable=False),
        sa.Column("deliveries", sa.Integer(), nullable=False),
        sa.Column("last_at", TIME, nullable=False),
        sa.PrimaryKeyConstraint("task", "subject", name=op.f("pk_unfinished_deliveries")),
    )
    op.create_table(
        "parked_orders",
        sa.Column("order_id", sa.Text(), nullable=False),
        sa.Column("task", sa.Text(), nullable=False),
        sa.Column("dead_letter_id", ROW_ID, nullable=False),
        sa.Column("parked_at", TIME, nullable=False),
        sa.PrimaryKeyConstraint("order_id", name=op.f("pk_parked_orders")),
    )


def _books() -> None:
    op.create_table(
        "ledger_accounts",
        sa.Column("id", ROW_ID, autoincrement=True, nullable=False),
        sa.Column("venue", sa.Text(), nullable=False),
        sa.Column("account", sa.Text(), nullable=False),
        sa.Column("asset", sa.Text(), nullable=False),
        sa.Column("kind", sa.Text(), nullable=False),
        sa.Column("balance", EXACT, server_default=sa.text("'0'"), nullable=False),
        sa.Column("last_leg_id", ROW_ID, server_default=sa.text("0"), nullable=False),
        *_only(
            "postgresql",
            sa.CheckConstraint(
                "kind NOT IN ('available', 'hold') OR balance >= 0", name=op.f("ck_ledger_accounts_not_negative")
            ),
        ),
        *_only(
            "postgresql",
            sa.CheckConstraint("balance > -1e38 AND balance < 1e38", name=op.f("ck_ledger_accounts_balance_bounded")),
        ),
        *_only(
            "sqlite",
            sa.CheckConstraint(
                "kind NOT IN ('available', 'hold') OR balance NOT LIKE '-%'",
                name=op.f("ck_ledger_accounts_not_negative"),
            ),
        ),
        sa.CheckConstraint(
            "kind IN ('available', 'hold', 'clearing', 'fee', 'realized', 'external', 'suspense')",
            name=op.f("ck_ledger_accounts_kind_known"),
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_ledger_accounts")),
        sa.UniqueConstraint(
            "venue", "account", "asset", "kind", name=op.f("uq_ledger_accounts_venue_account_asset_kind")
        ),
    )
    op.create_table(
        "ledger_entries",
        sa.Column("id", ROW_ID, autoincrement=True, nullable=False),
        sa.Column("key", sa.Text(), nullable=False),
        sa.Column("kind", sa.Text(), nullable=False),
        sa.Column("order_id", sa.Text(), nullable=True),
        sa.Column("detail", sa.Text(), nullable=False),
        sa.Column("leg_count", sa.Integer(), nullable=False),
        sa.Column("posted_at", TIME, nullable=False),
        sa.CheckConstraint(
            "kind IN ('opening', 'deposit', 'hold', 'release', 'fill', 'correction')",
            name=op.f("ck_ledger_entries_kind_known"),
        ),
        sa.CheckConstraint("leg_count BETWEEN 1 AND 1000", name=op.f("ck_ledger_entries_leg_count_bounded")),
        sa.CheckConstraint("length(key) BETWEEN 1 AND 500", name=op.f("ck_ledger_entries_key_bounded")),
        sa.ForeignKeyConstraint(
            ["id", "leg_count"],
            ["ledger_legs.entry_id", "ledger_legs.ordinal"],
            name="fk_ledger_entries_complete",
            initially="DEFERRED",
            deferrable=True,
            use_alter=True,
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_ledger_entries")),
        sa.UniqueConstraint("key", name=op.f("uq_ledger_entries_key")),
    )
    op.create_index(
        "ix_ledger_entries_order_id",
        "ledger_entries",
        ["order_id"],
        unique=False,
        postgresql_where=sa.text("order_id IS NOT NULL"),
        sqlite_where=sa.text("order_id IS NOT NULL"),
    )
    op.create_table(
        "venue_accounts",
        sa.Column("venue", sa.Text(), nullable=False),
        sa.Column("account", sa.Text(), nullable=False),
        sa.Column("opened_at", TIME, nullable=False),
        sa.PrimaryKeyConstraint("venue", "account", name=op.f("pk_venue_accounts")),
    )
    op.create_table(
        "ledger_legs",
        sa.Column("id", ROW_ID, autoincrement=True, nullable=False),
        sa.Column("entry_id", ROW_ID, nullable=False),
        sa.Column("ordinal", sa.Integer(), nullable=False),
        sa.Column("debit_account_id", ROW_ID, nullable=False),
        sa.Column("credit_account_id", ROW_ID, nullable=False),
        sa.Column("asset", sa.Text(), nullable=False),
        sa.Column("amount", EXACT, nullable=False),
        *_only(
            "postgresql",
            sa.CheckConstraint(
                "amount > 0 AND amount < 1e38 AND scale(amount) <= 40", name=op.f("ck_ledger_legs_amount_positive")
            ),
        ),
        *_only(
            "sqlite",
            sa.CheckConstraint(
                "typeof(amount) = 'text' AND amount <> '0' AND amount NOT LIKE '-%'",
                name=op.f("ck_ledger_legs_amount_positive"),
            ),
        ),
        sa.CheckConstraint("debit_account_id <> credit_account_id", name=op.f("ck_ledger_legs_two_accounts")),
        sa.ForeignKeyConstraint(
            ["credit_account_id"], ["ledger_accounts.id"], name=op.f("fk_ledger_legs_credit_account_id_ledger_accounts")
        ),
        sa.ForeignKeyConstraint(
            ["debit_account_id"], ["ledger_accounts.id"], name=op.f("fk_ledger_legs_debit_account_id_ledger_accounts")
        ),
        sa.ForeignKeyConstraint(
            ["entry_id"], ["ledger_entries.id"], name=op.f("fk_ledger_legs_entry_id_ledger_entries")
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_ledger_legs")),
        sa.UniqueConstraint("entry_id", "ordinal", name=op.f("uq_ledger_legs_entry_id_ordinal")),
    )
    op.create_index("ix_ledger_legs_credit_account_id", "ledger_legs", ["credit_account_id", "id"], unique=False)
    op.create_index("ix_ledger_legs_debit_account_id", "ledger_legs", ["debit_account_id", "id"], unique=False)
    op.create_table(
        "order_holds",
        sa.Column("order_id", sa.Text(), nullable=False),
        sa.Column("account_id", ROW_ID, nullable=False),
        sa.Column("amount", EXACT, nullable=False),
        sa.Column("last_leg_id", ROW_ID, nullable=False),
        *_only(
            "postgresql", sa.CheckConstraint("amount >= 0 AND amount < 1e38", name=op.f("ck_order_holds_not_negative"))
        ),
        *_only(
            "sqlite",
            sa.CheckConstraint(
                "typeof(amount) = 'text' AND amount NOT LIKE '-%'", name=op.f("ck_order_holds_not_negative")
            ),
        ),
        sa.ForeignKeyConstraint(
            ["account_id"], ["ledger_accounts.id"], name=op.f("fk_order_holds_account_id_ledger_accounts")
        ),
        sa.PrimaryKeyConstraint("order_id", "account_id", name=op.f("pk_order_holds")),
    )
    op.create_index("ix_order_holds_account_id", "order_holds", ["account_id"], unique=False)
    if op.get_context().dialect.name == "postgresql":
        # Entries and legs refer to each other: SQLite has the key in its table, here it needs both tables first.
        op.create_foreign_key(
            "fk_ledger_entries_complete",
            "ledger_entries",
            "ledger_legs",
            ["id", "leg_count"],
            ["entry_id", "ordinal"],
            initially="DEFERRED",
            deferrable=True,
        )
