"""The table of amendments: what was asked to change of an order, and what became of it. Guards: ``guards/orders.*.sql``."""

from sqlalchemy import Column, ForeignKey, Index, Table, Text, text

from models.amendment import AmendmentStatus
from storage.metadata import metadata
from storage.types import Exact, RowId, Timestamp, one_of

_IS_PENDING = text("status = 'PENDING'")

#: Append-only, but for the one decision.
amendments = Table(
    "amendments",
    metadata,
    Column("id", RowId, primary_key=True, autoincrement=True),
    Column("order_id", Text, ForeignKey("orders.id"), nullable=False),
    Column("requested_at", Timestamp, nullable=False),
    #: by which door it came in: http, celery
    Column("source", Text, nullable=False),
    #: the new total; null: unchanged
    Column("quantity", Exact),
    #: null: unchanged
    Column("price", Exact),
    #: as the order had them when it was asked for
    Column("previous_quantity", Exact, nullable=False),
    Column("previous_price", Exact),
    Column("status", Text, nullable=False),
    #: why it was refused
    Column("reason_code", Text),
    Column("reason_message", Text),
    Column("decided_at", Timestamp),
    one_of("status", AmendmentStatus),
    Index("ix_amendments_order_id", "order_id", "id"),
    # One at a time: the next one is asked for when it is known what the order is then.
    Index(
        "uq_amendments_one_pending",
        "order_id",
        unique=True,
        sqlite_where=_IS_PENDING,
        postgresql_where=_IS_PENDING,
    ),
)
