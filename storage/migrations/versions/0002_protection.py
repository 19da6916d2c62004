"""Breakers with their transitions, and the slots of each venue account's rate."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None

#: as storage.types had them when this was written: a migration does not follow later code
TIME = sa.BigInteger()
ROW_ID = sa.BigInteger().with_variant(sa.Integer(), "sqlite")


def upgrade() -> None:
    op.create_table(
        "breakers",
        sa.Column("venue", sa.Text(), nullable=False),
        sa.Column("account", sa.Text(), nullable=False),
        sa.Column("status", sa.Text(), nullable=False),
        sa.Column("failures", sa.Text(), nullable=False),
        sa.Column("opened_at", TIME, nullable=True),
        sa.Column("probe_due_at", TIME, nullable=True),
        sa.Column("probe_token", sa.Text(), nullable=True),
        sa.Column("probe_until", TIME, nullable=True),
        sa.Column("probes", sa.Integer(), nullable=False),
        sa.CheckConstraint("status IN ('closed', 'open', 'half_open')", name=op.f("ck_breakers_status_known")),
        sa.PrimaryKeyConstraint("venue", "account", name=op.f("pk_breakers")),
    )
    op.create_table(
        "breaker_transitions",
        sa.Column("id", ROW_ID, autoincrement=True, nullable=False),
        sa.Column("venue", sa.Text(), nullable=False),
        sa.Column("account", sa.Text(), nullable=False),
        sa.Column("at", TIME, nullable=False),
        sa.Column("from_status", sa.Text(), nullable=False),
        sa.Column("to_status", sa.Text(), nullable=False),
        sa.Column("cause", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_breaker_transitions")),
    )
    op.create_index("ix_breaker_transitions_venue_account_id", "breaker_transitions", ["venue", "account", "id"])
    op.create_table(
        "rate_reservations",
        sa.Column("venue", sa.Text(), nullable=False),
        sa.Column("account", sa.Text(), nullable=False),
        sa.Column("ordinary_us", sa.BigInteger(), server_default=sa.text("0"), nullable=False),
        sa.Column("urgent_us", sa.BigInteger(), server_default=sa.text("0"), nullable=False),
        sa.Column("held_until_us", sa.BigInteger(), server_default=sa.text("0"), nullable=False),
        sa.Column("closed_until_us", sa.BigInteger(), server_default=sa.text("0"), nullable=False),
        sa.PrimaryKeyConstraint("venue", "account", name=op.f("pk_rate_reservations")),
    )
