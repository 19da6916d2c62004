"""What was taken over from a venue's balance before the venue told why."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0010"
down_revision = "0009"
branch_labels = None
depends_on = None

#: as storage.types had them when this was written: a migration does not follow later code
TIME = sa.BigInteger()
ROW_ID = sa.BigInteger().with_variant(sa.Integer(), "sqlite")
EXACT = sa.Numeric().with_variant(sa.Text(), "sqlite")


def upgrade() -> None:
    op.create_table(
        "unexplained_moves",
        sa.Column("entry_id", ROW_ID, autoincrement=False, nullable=False),
        sa.Column("venue", sa.Text(), nullable=False),
        sa.Column("account", sa.Text(), nullable=False),
        sa.Column("asset", sa.Text(), nullable=False),
        sa.Column("amount", EXACT, nullable=False),
        sa.Column("unexplained", EXACT, nullable=False),
        sa.Column("taken_at", TIME, nullable=False),
        sa.ForeignKeyConstraint(
            ["entry_id"], ["ledger_entries.id"], name=op.f("fk_unexplained_moves_entry_id_ledger_entries")
        ),
        sa.PrimaryKeyConstraint("entry_id", name=op.f("pk_unexplained_moves")),
    )
    op.create_index(
        "ix_unexplained_moves_open",
        "unexplained_moves",
        ["venue", "account", "asset", "taken_at"],
        sqlite_where=sa.text("unexplained <> '0'"),
        postgresql_where=sa.text("unexplained <> 0"),
    )
