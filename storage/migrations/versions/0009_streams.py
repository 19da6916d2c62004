"""The state of each venue account's stream."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0009"
down_revision = "0008"
branch_labels = None
depends_on = None

#: as storage.types had it when this was written: a migration does not follow later code
TIME = sa.BigInteger()


def upgrade() -> None:
    op.create_table(
        "streams",
        sa.Column("venue", sa.Text(), nullable=False),
        sa.Column("account", sa.Text(), nullable=False),
        sa.Column("owner", sa.Text(), nullable=False),
        sa.Column("state", sa.Text(), nullable=False),
        sa.Column("since", TIME, nullable=False),
        sa.Column("told_at", TIME, nullable=False),
        sa.Column("healthy_until", TIME, nullable=True),
        sa.Column("heard_at", TIME, nullable=True),
        sa.Column("messages", sa.BigInteger(), nullable=False),
        sa.Column("reconnects", sa.BigInteger(), nullable=False),
        sa.Column("gaps", sa.BigInteger(), nullable=False),
        sa.Column("fills", sa.BigInteger(), nullable=False),
        sa.Column("lag_ms", sa.BigInteger(), nullable=True),
        sa.Column("error", sa.Text(), nullable=True),
        sa.PrimaryKeyConstraint("venue", "account", name=op.f("pk_streams")),
    )
