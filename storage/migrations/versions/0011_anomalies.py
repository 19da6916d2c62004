"""What is remembered of each watched series, how far it was read, and the anomalies that were found."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0011"
down_revision = "0010"
branch_labels = None
depends_on = None

#: as storage.types had them when this was written: a migration does not follow later code
EXACT = sa.Numeric().with_variant(sa.Text(), "sqlite")
TIME = sa.BigInteger()
ROW_ID = sa.BigInteger().with_variant(sa.Integer(), "sqlite")


def upgrade() -> None:
    op.create_table(
        "anomaly_series",
        sa.Column("kind", sa.Text(), nullable=False),
        sa.Column("venue", sa.Text(), nullable=False),
        sa.Column("account", sa.Text(), nullable=False),
        sa.Column("subject", sa.Text(), nullable=False),
        sa.Column("state", sa.Text(), nullable=False),
        sa.Column("last_at", TIME, nullable=False),
        sa.PrimaryKeyConstraint("kind", "venue", "account", "subject", name=op.f("pk_anomaly_series")),
    )
    op.create_table(
        "anomaly_cursor",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("transition_id", sa.BigInteger(), nullable=False),
        sa.Column("look_at", TIME, nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_anomaly_cursor")),
    )
    op.create_table(
        "anomalies",
        sa.Column("id", ROW_ID, autoincrement=True, nullable=False),
        sa.Column("found_at", TIME, nullable=False),
        *(sa.Column(name, sa.Text(), nullable=False) for name in ("kind", "venue", "account", "subject", "direction")),
        *(sa.Column(name, EXACT, nullable=False) for name in ("median", "scale", "drift", "tolerance", "cusum")),
        sa.Column("points", sa.Integer(), nullable=False),
        sa.Column("beyond", sa.Integer(), nullable=False),
        sa.Column("first_at", TIME, nullable=False),
        sa.Column("last_at", TIME, nullable=False),
        sa.Column("order_id", sa.Text(), nullable=False),
        sa.CheckConstraint(
            "kind IN ('fee_bps', 'slippage_bps', 'ack_ms', 'fill_ms', 'balance_bps')",
            name=op.f("ck_anomalies_kind_known"),
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_anomalies")),
    )
    op.create_index("ix_anomalies_kind", "anomalies", ["kind", "venue", "account"], unique=False)
