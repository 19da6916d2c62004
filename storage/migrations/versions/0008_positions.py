"""Positions and every state that they were ever in."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0008"
down_revision = "0007"
branch_labels = None
depends_on = None

#: as storage.types had them when this was written: a migration does not follow later code
TIME = sa.BigInteger()
ROW_ID = sa.BigInteger().with_variant(sa.Integer(), "sqlite")
EXACT = sa.Numeric().with_variant(sa.Text(), "sqlite")


def upgrade() -> None:
    op.create_table(
        "positions",
        sa.Column("id", ROW_ID, autoincrement=True, nullable=False),
        sa.Column("venue", sa.Text(), nullable=False),
        sa.Column("account", sa.Text(), nullable=False),
        sa.Column("asset", sa.Text(), nullable=False),
        sa.Column("cost_asset", sa.Text(), nullable=False),
        sa.Column("strategy", sa.Text(), nullable=False),
        sa.Column("mode", sa.Text(), nullable=False),
        sa.Column("number", sa.Integer(), nullable=False),
        sa.CheckConstraint("mode IN ('live', 'dry_run', 'sandbox')", name=op.f("ck_positions_mode_known")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_positions")),
        sa.UniqueConstraint("venue", "account", "asset", "cost_asset", "strategy", name="uq_positions_key"),
    )
    op.create_index("ix_positions_asset", "positions", ["asset"])
    op.create_table(
        "position_changes",
        sa.Column("position_id", ROW_ID, nullable=False),
        sa.Column("number", sa.Integer(), nullable=False),
        sa.Column("entry_id", ROW_ID, nullable=False),
        sa.Column("at", TIME, nullable=False),
        sa.Column("traded_at", TIME, nullable=False),
        *(
            sa.Column(name, EXACT, nullable=False)
            for name in (
                "quantity",
                *(
                    f"{method}_{part}"
                    for method in ("average", "fifo")
                    for part in ("cost", "fees", "realized", "realized_fees")
                ),
            )
        ),
        sa.Column("head_number", sa.Integer(), nullable=False),
        *(sa.Column(name, EXACT, nullable=False) for name in ("head_quantity", "head_cost", "head_fees")),
        sa.Column("paid", sa.Text(), nullable=False),
        *(sa.Column(name, EXACT, nullable=True) for name in ("lot_quantity", "lot_cost", "lot_fees")),
        sa.ForeignKeyConstraint(
            ["position_id"], ["positions.id"], name=op.f("fk_position_changes_position_id_positions")
        ),
        sa.ForeignKeyConstraint(
            ["entry_id"], ["ledger_entries.id"], name=op.f("fk_position_changes_entry_id_ledger_entries")
        ),
        sa.PrimaryKeyConstraint("position_id", "number", name=op.f("pk_position_changes")),
        sa.UniqueConstraint("entry_id", name="uq_position_changes_entry_id"),
    )
    op.create_index("ix_position_changes_at", "position_changes", ["position_id", "at", "number"])
    op.create_index(
        "ix_position_changes_lots",
        "position_changes",
        ["position_id", "number"],
        postgresql_where=sa.text("lot_quantity IS NOT NULL"),
        sqlite_where=sa.text("lot_quantity IS NOT NULL"),
    )
