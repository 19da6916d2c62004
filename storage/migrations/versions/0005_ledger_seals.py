"""Seals over the books: the chain, what waits for it, the days' heads, and what was verified."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0005"
down_revision = "0004"
branch_labels = None
depends_on = None

#: as storage.types had them when this was written: a migration does not follow later code
TIME = sa.BigInteger()
ROW_ID = sa.BigInteger().with_variant(sa.Integer(), "sqlite")


def upgrade() -> None:
    op.create_table(
        "ledger_seals",
        sa.Column("sequence", ROW_ID, autoincrement=False, nullable=False),
        sa.Column("entry_id", ROW_ID, nullable=False),
        sa.Column("entry_digest", sa.Text(), nullable=False),
        sa.Column("previous_hash", sa.Text(), nullable=False),
        sa.Column("hash", sa.Text(), nullable=False),
        sa.Column("sealed_at", TIME, nullable=False),
        sa.CheckConstraint(
            "length(entry_digest) = 64 AND length(previous_hash) = 64 AND length(hash) = 64",
            name=op.f("ck_ledger_seals_hashes"),
        ),
        sa.ForeignKeyConstraint(
            ["entry_id"], ["ledger_entries.id"], name=op.f("fk_ledger_seals_entry_id_ledger_entries")
        ),
        sa.PrimaryKeyConstraint("sequence", name=op.f("pk_ledger_seals")),
        sa.UniqueConstraint("entry_id", name=op.f("uq_ledger_seals_entry_id")),
    )
    op.create_table(
        "ledger_unsealed",
        sa.Column("entry_id", ROW_ID, autoincrement=False, nullable=False),
        sa.ForeignKeyConstraint(
            ["entry_id"], ["ledger_entries.id"], name=op.f("fk_ledger_unsealed_entry_id_ledger_entries")
        ),
        sa.PrimaryKeyConstraint("entry_id", name=op.f("pk_ledger_unsealed")),
    )
    # What was posted before there were seals is sealed now, as it stands.
    op.execute("INSERT INTO ledger_unsealed (entry_id) SELECT id FROM ledger_entries")
    op.create_table(
        "ledger_heads",
        sa.Column("day", sa.Text(), nullable=False),
        sa.Column("sequence", ROW_ID, nullable=False),
        sa.Column("hash", sa.Text(), nullable=False),
        sa.Column("noted_at", TIME, nullable=False),
        sa.ForeignKeyConstraint(
            ["sequence"], ["ledger_seals.sequence"], name=op.f("fk_ledger_heads_sequence_ledger_seals")
        ),
        sa.PrimaryKeyConstraint("day", name=op.f("pk_ledger_heads")),
    )
    op.create_table(
        "ledger_verifications",
        sa.Column("id", ROW_ID, autoincrement=True, nullable=False),
        sa.Column("started_at", TIME, nullable=False),
        sa.Column("finished_at", TIME, nullable=False),
        sa.Column("entries", sa.Integer(), nullable=False),
        sa.Column("head", sa.Text(), nullable=True),
        sa.Column("findings", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_ledger_verifications")),
    )
