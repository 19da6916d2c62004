"""What cleanup removed, how far it has come, and where the histories of archived orders are."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0004"
down_revision = "0003"
branch_labels = None
depends_on = None

#: as storage.types had them when this was written: a migration does not follow later code
TIME = sa.BigInteger()
ROW_ID = sa.BigInteger().with_variant(sa.Integer(), "sqlite")


def upgrade() -> None:
    op.create_table(
        "cleanup_runs",
        sa.Column("id", ROW_ID, autoincrement=True, nullable=False),
        sa.Column("run", sa.Text(), nullable=False),
        sa.Column("at", TIME, nullable=False),
        sa.Column("what", sa.Text(), nullable=False),
        sa.Column("count", sa.Integer(), nullable=False),
        sa.Column("oldest", TIME, nullable=True),
        sa.Column("newest", TIME, nullable=True),
        sa.Column("file", sa.Text(), nullable=True),
        sa.CheckConstraint("count > 0", name=op.f("ck_cleanup_runs_count_positive")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_cleanup_runs")),
    )
    op.create_table(
        "cleanup_cursors",
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("position", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("name", name=op.f("pk_cleanup_cursors")),
    )
    op.create_table(
        "archive_files",
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("sha256", sa.Text(), nullable=False),
        sa.Column("bytes", sa.BigInteger(), nullable=False),
        sa.Column("orders", sa.Integer(), nullable=False),
        sa.Column("host", sa.Text(), nullable=False),
        sa.Column("written_at", TIME, nullable=False),
        sa.CheckConstraint("length(sha256) = 64", name=op.f("ck_archive_files_sha256_whole")),
        sa.PrimaryKeyConstraint("name", name=op.f("pk_archive_files")),
    )
    op.create_table(
        "archived_orders",
        sa.Column("order_id", sa.Text(), nullable=False),
        sa.Column("version", sa.Integer(), nullable=False),
        sa.Column("file", sa.Text(), nullable=False),
        sa.Column("line", sa.Integer(), nullable=False),
        sa.Column("sha256", sa.Text(), nullable=False),
        sa.Column("last_transition_id", sa.BigInteger(), nullable=False),
        sa.Column("last_report_id", sa.BigInteger(), nullable=False),
        sa.Column("last_amendment_id", sa.BigInteger(), nullable=False),
        sa.Column("archived_at", TIME, nullable=False),
        sa.CheckConstraint("length(sha256) = 64", name=op.f("ck_archived_orders_sha256_whole")),
        sa.ForeignKeyConstraint(["order_id"], ["orders.id"], name=op.f("fk_archived_orders_order_id_orders")),
        sa.ForeignKeyConstraint(["file"], ["archive_files.name"], name=op.f("fk_archived_orders_file_archive_files")),
        sa.PrimaryKeyConstraint("order_id", "version", name=op.f("pk_archived_orders")),
    )
    op.create_index("ix_archived_orders_file", "archived_orders", ["file"], unique=False)
