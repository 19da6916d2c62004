"""Reconciliation: runs and their looks, breaks, freezes and corrections; fills by when they were booked, per account."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0006"
down_revision = "0005"
branch_labels = None
depends_on = None

#: as storage.types had them when this was written: a migration does not follow later code
TIME = sa.BigInteger()
ROW_ID = sa.BigInteger().with_variant(sa.Integer(), "sqlite")
EXACT = sa.Numeric().with_variant(sa.Text(), "sqlite")


def upgrade() -> None:
    op.create_table(
        "reconciliations",
        sa.Column("id", sa.Text(), nullable=False),
        sa.Column("slot", sa.Text(), nullable=True),
        sa.Column("scope", sa.Text(), nullable=False),
        sa.Column("status", sa.Text(), nullable=False),
        sa.Column("started_by", sa.Text(), nullable=False),
        sa.Column("started_at", TIME, nullable=False),
        sa.Column("finished_at", TIME, nullable=True),
        sa.CheckConstraint("scope IN ('full', 'orders')", name=op.f("ck_reconciliations_scope_known")),
        sa.CheckConstraint("status IN ('running', 'done', 'failed')", name=op.f("ck_reconciliations_status_known")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_reconciliations")),
        sa.UniqueConstraint("slot", name="uq_reconciliations_slot"),
    )
    op.create_table(
        "reconciliation_accounts",
        sa.Column("run_id", sa.Text(), nullable=False),
        sa.Column("venue", sa.Text(), nullable=False),
        sa.Column("account", sa.Text(), nullable=False),
        sa.Column("stage", sa.Text(), nullable=False),
        sa.Column("due_at", TIME, nullable=True),
        sa.Column("attempts", sa.Integer(), server_default=sa.text("0"), nullable=False),
        sa.Column("message", sa.Text(), server_default=sa.text("''"), nullable=False),
        sa.Column("looked_at", TIME, nullable=True),
        sa.Column("updated_at", TIME, nullable=False),
        sa.CheckConstraint(
            "stage IN ('pending', 'looked', 'done', 'failed', 'skipped')",
            name=op.f("ck_reconciliation_accounts_stage_known"),
        ),
        sa.ForeignKeyConstraint(
            ["run_id"], ["reconciliations.id"], name="fk_reconciliation_accounts_run_id_reconciliations"
        ),
        sa.PrimaryKeyConstraint("run_id", "venue", "account", name=op.f("pk_reconciliation_accounts")),
    )
    op.create_index(
        "ix_reconciliation_accounts_due_at",
        "reconciliation_accounts",
        ["due_at"],
        sqlite_where=sa.text("due_at IS NOT NULL"),
        postgresql_where=sa.text("due_at IS NOT NULL"),
    )
    op.create_index("ix_reconciliation_accounts_place", "reconciliation_accounts", ["venue", "account", "stage"])
    op.create_table(
        "reconciliation_looks",
        sa.Column("run_id", sa.Text(), nullable=False),
        sa.Column("venue", sa.Text(), nullable=False),
        sa.Column("account", sa.Text(), nullable=False),
        sa.Column("number", sa.Integer(), nullable=False),
        sa.Column("body", sa.Text(), nullable=False),
        sa.Column("at", TIME, nullable=False),
        sa.ForeignKeyConstraint(
            ["run_id", "venue", "account"],
            ["reconciliation_accounts.run_id", "reconciliation_accounts.venue", "reconciliation_accounts.account"],
            name="fk_reconciliation_looks_account",
        ),
        sa.PrimaryKeyConstraint("run_id", "venue", "account", "number", name=op.f("pk_reconciliation_looks")),
    )
    op.create_table(
        "breaks",
        sa.Column("id", sa.Text(), nullable=False),
        sa.Column("run_id", sa.Text(), nullable=False),
        sa.Column("kind", sa.Text(), nullable=False),
        sa.Column("venue", sa.Text(), nullable=False),
        sa.Column("account", sa.Text(), nullable=False),
        sa.Column("key", sa.Text(), nullable=False),
        sa.Column("asset", sa.Text(), nullable=True),
        sa.Column("symbol", sa.Text(), nullable=True),
        sa.Column("order_id", sa.Text(), nullable=True),
        sa.Column("child_id", sa.Text(), nullable=True),
        sa.Column("venue_order_id", sa.Text(), nullable=True),
        sa.Column("ours", EXACT, nullable=True),
        sa.Column("cached", EXACT, nullable=True),
        sa.Column("theirs", EXACT, nullable=True),
        sa.Column("difference", EXACT, nullable=True),
        sa.Column("severity", sa.Text(), nullable=False),
        sa.Column("action", sa.Text(), nullable=False),
        sa.Column("status", sa.Text(), nullable=False),
        sa.Column("message", sa.Text(), nullable=False),
        sa.Column("found_at", TIME, nullable=False),
        sa.Column("seen_at", TIME, nullable=False),
        sa.Column("decided_at", TIME, nullable=True),
        sa.Column("decided_by", sa.Text(), nullable=True),
        sa.Column("note", sa.Text(), nullable=True),
        sa.CheckConstraint("action IN ('correct', 'wait', 'freeze', 'report')", name=op.f("ck_breaks_action_known")),
        sa.CheckConstraint("kind IN ('balance', 'order', 'position')", name=op.f("ck_breaks_kind_known")),
        sa.CheckConstraint("severity IN ('dust', 'tolerance', 'critical')", name=op.f("ck_breaks_severity_known")),
        sa.CheckConstraint(
            "status IN ('open', 'corrected', 'accepted', 'posted', 'ignored', 'gone')",
            name=op.f("ck_breaks_status_known"),
        ),
        sa.ForeignKeyConstraint(["run_id"], ["reconciliations.id"], name="fk_breaks_run_id_reconciliations"),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_breaks")),
    )
    op.create_index("ix_breaks_key", "breaks", ["venue", "account", "key"])
    op.create_index("ix_breaks_status", "breaks", ["status", "found_at"])
    op.create_index(
        "uq_breaks_open",
        "breaks",
        ["venue", "account", "key"],
        unique=True,
        sqlite_where=sa.text("status = 'open'"),
        postgresql_where=sa.text("status = 'open'"),
    )
    op.create_table(
        "reconciliation_findings",
        sa.Column("run_id", sa.Text(), nullable=False),
        sa.Column("break_id", sa.Text(), nullable=False),
        sa.Column("is_new", sa.Integer(), nullable=False),
        sa.Column("ours", EXACT, nullable=True),
        sa.Column("cached", EXACT, nullable=True),
        sa.Column("theirs", EXACT, nullable=True),
        sa.Column("difference", EXACT, nullable=True),
        sa.Column("severity", sa.Text(), nullable=False),
        sa.Column("action", sa.Text(), nullable=False),
        sa.Column("message", sa.Text(), nullable=False),
        sa.Column("found_at", TIME, nullable=False),
        sa.CheckConstraint(
            "action IN ('correct', 'wait', 'freeze', 'report')",
            name=op.f("ck_reconciliation_findings_action_known"),
        ),
        sa.CheckConstraint(
            "severity IN ('dust', 'tolerance', 'critical')",
            name=op.f("ck_reconciliation_findings_severity_known"),
        ),
        sa.ForeignKeyConstraint(["break_id"], ["breaks.id"], name="fk_reconciliation_findings_break_id_breaks"),
        sa.ForeignKeyConstraint(
            ["run_id"], ["reconciliations.id"], name="fk_reconciliation_findings_run_id_reconciliations"
        ),
        sa.PrimaryKeyConstraint("run_id", "break_id", name=op.f("pk_reconciliation_findings")),
    )
    op.create_table(
        "freezes",
        sa.Column("break_id", sa.Text(), nullable=False),
        sa.Column("asset", sa.Text(), nullable=False),
        sa.Column("venue", sa.Text(), nullable=False),
        sa.Column("account", sa.Text(), nullable=False),
        sa.Column("since", TIME, nullable=False),
        sa.Column("lifted_at", TIME, nullable=True),
        sa.ForeignKeyConstraint(["break_id"], ["breaks.id"], name="fk_freezes_break_id_breaks"),
        sa.PrimaryKeyConstraint("break_id", "asset", name=op.f("pk_freezes")),
    )
    op.create_index(
        "ix_freezes_standing",
        "freezes",
        ["venue", "account", "asset"],
        sqlite_where=sa.text("lifted_at IS NULL"),
        postgresql_where=sa.text("lifted_at IS NULL"),
    )
    op.create_table(
        "corrections",
        sa.Column("id", ROW_ID, autoincrement=True, nullable=False),
        sa.Column("break_id", sa.Text(), nullable=False),
        sa.Column("entry_id", ROW_ID, nullable=False),
        sa.Column("venue", sa.Text(), nullable=False),
        sa.Column("account", sa.Text(), nullable=False),
        sa.Column("asset", sa.Text(), nullable=False),
        sa.Column("amount", EXACT, nullable=False),
        sa.Column("automatic", sa.Integer(), nullable=False),
        sa.Column("posted_by", sa.Text(), nullable=False),
        sa.Column("reason", sa.Text(), nullable=False),
        sa.Column("posted_at", TIME, nullable=False),
        sa.ForeignKeyConstraint(["break_id"], ["breaks.id"], name="fk_corrections_break_id_breaks"),
        sa.ForeignKeyConstraint(["entry_id"], ["ledger_entries.id"], name="fk_corrections_entry_id_ledger_entries"),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_corrections")),
        sa.UniqueConstraint("entry_id", name="uq_corrections_entry_id"),
    )
    op.create_index("ix_corrections_break_id", "corrections", ["break_id"])
    op.create_index("ix_corrections_day", "corrections", ["venue", "account", "asset", "posted_at"])
    op.create_index("ix_fills_account_booked_at", "fills", ["venue", "account", "booked_at"])
