"""The mode of each venue account, and the orders, trades and balances of dry runs."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0003"
down_revision = "0002"
branch_labels = None
depends_on = None

#: as storage.types had them when this was written: a migration does not follow later code
TIME = sa.BigInteger()
ROW_ID = sa.BigInteger().with_variant(sa.Integer(), "sqlite")
EXACT = sa.Numeric().with_variant(sa.Text(), "sqlite")


def upgrade() -> None:
    op.create_table(
        "venue_modes",
        sa.Column("venue", sa.Text(), nullable=False),
        sa.Column("account", sa.Text(), nullable=False),
        sa.Column("mode", sa.Text(), nullable=False),
        sa.Column("since", TIME, nullable=False),
        sa.CheckConstraint("mode IN ('live', 'dry_run', 'sandbox')", name=op.f("ck_venue_modes_mode_known")),
        sa.PrimaryKeyConstraint("venue", "account", name=op.f("pk_venue_modes")),
    )
    # Until now every order was live.
    op.execute(
        "INSERT INTO venue_modes (venue, account, mode, since) "
        "SELECT venue, account, 'live', MIN(created_at) FROM orders GROUP BY venue, account"
    )
    op.create_table(
        "dry_run_orders",
        sa.Column("venue", sa.Text(), nullable=False),
        sa.Column("account", sa.Text(), nullable=False),
        sa.Column("id", sa.Text(), nullable=False),
        sa.Column("client_order_id", sa.Text(), nullable=False),
        sa.Column("symbol", sa.Text(), nullable=False),
        sa.Column("base", sa.Text(), nullable=False),
        sa.Column("quote", sa.Text(), nullable=False),
        sa.Column("side", sa.Text(), nullable=False),
        sa.Column("type", sa.Text(), nullable=False),
        sa.Column("quantity", EXACT, nullable=False),
        sa.Column("price", EXACT, nullable=True),
        sa.Column("status", sa.Text(), nullable=False),
        sa.Column("filled_quantity", EXACT, nullable=False),
        sa.Column("filled_cost", EXACT, nullable=False),
        sa.Column("lot", EXACT, nullable=False),
        sa.Column("maker_fee", EXACT, nullable=False),
        sa.Column("taker_fee", EXACT, nullable=False),
        sa.Column("fee_in", sa.Text(), nullable=False),
        sa.Column("crossed", EXACT, nullable=False),
        sa.Column("seen_until", TIME, nullable=False),
        sa.Column("created_at", TIME, nullable=False),
        sa.CheckConstraint("side IN ('buy', 'sell')", name=op.f("ck_dry_run_orders_side_known")),
        sa.CheckConstraint("type IN ('market', 'limit')", name=op.f("ck_dry_run_orders_type_known")),
        sa.CheckConstraint(
            "status IN ('open', 'filled', 'canceled', 'expired', 'rejected')",
            name=op.f("ck_dry_run_orders_status_known"),
        ),
        sa.PrimaryKeyConstraint("venue", "account", "id", name=op.f("pk_dry_run_orders")),
        sa.UniqueConstraint("venue", "account", "client_order_id", name="uq_dry_run_orders_client_order_id"),
    )
    op.create_index("ix_dry_run_orders_status", "dry_run_orders", ["venue", "account", "status"])
    op.create_table(
        "dry_run_trades",
        sa.Column("id", ROW_ID, autoincrement=True, nullable=False),
        sa.Column("venue", sa.Text(), nullable=False),
        sa.Column("account", sa.Text(), nullable=False),
        sa.Column("order_id", sa.Text(), nullable=False),
        sa.Column("venue_trade_id", sa.Text(), nullable=False),
        sa.Column("symbol", sa.Text(), nullable=False),
        sa.Column("side", sa.Text(), nullable=False),
        sa.Column("quantity", EXACT, nullable=False),
        sa.Column("price", EXACT, nullable=False),
        sa.Column("fee", EXACT, nullable=False),
        sa.Column("fee_asset", sa.Text(), nullable=True),
        sa.Column("liquidity", sa.Text(), nullable=False),
        sa.Column("traded_at", TIME, nullable=False),
        sa.CheckConstraint("side IN ('buy', 'sell')", name=op.f("ck_dry_run_trades_side_known")),
        sa.CheckConstraint("liquidity IN ('maker', 'taker')", name=op.f("ck_dry_run_trades_liquidity_known")),
        sa.ForeignKeyConstraint(
            ["venue", "account", "order_id"],
            ["dry_run_orders.venue", "dry_run_orders.account", "dry_run_orders.id"],
            name="fk_dry_run_trades_order",
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_dry_run_trades")),
        sa.UniqueConstraint("venue", "account", "order_id", "venue_trade_id", name="uq_dry_run_trades_venue_trade_id"),
    )
    op.create_index("ix_dry_run_trades_symbol", "dry_run_trades", ["venue", "account", "symbol", "traded_at"])
    op.create_table(
        "dry_run_changes",
        sa.Column("venue", sa.Text(), nullable=False),
        sa.Column("account", sa.Text(), nullable=False),
        sa.Column("asset", sa.Text(), nullable=False),
        sa.Column("change", EXACT, nullable=False),
        sa.PrimaryKeyConstraint("venue", "account", "asset", name=op.f("pk_dry_run_changes")),
    )
