"""Tables of positions: who holds what, and every state that it was ever in. Guards: ``guards/positions.*.sql``."""

from sqlalchemy import Column, ForeignKey, Index, Integer, Table, Text, UniqueConstraint, text

from models.vocabulary import Mode
from storage.metadata import metadata
from storage.types import Exact, Json, RowId, Timestamp, Word, one_of

#: One per venue account, base asset, cost asset and strategy; which of its changes is the last. Only a change moves it.
positions = Table(
    "positions",
    metadata,
    Column("id", RowId, primary_key=True, autoincrement=True),
    Column("venue", Text, nullable=False),
    Column("account", Text, nullable=False),
    Column("asset", Text, nullable=False),
    Column("cost_asset", Text, nullable=False),
    #: the order's tag of that name; empty: it has none
    Column("strategy", Text, nullable=False),
    Column("mode", Word(Mode), nullable=False),
    #: of its last change; 0: none yet
    Column("number", Integer, nullable=False),
    UniqueConstraint("venue", "account", "asset", "cost_asset", "strategy", name="uq_positions_key"),
    one_of("mode", Mode),
    # one asset of one account, among many
    Index("ix_positions_asset", "asset"),
)

#: The whole state after each fill, once per entry of the ledger, from number 1 without a gap; append-only.
position_changes = Table(
    "position_changes",
    metadata,
    Column("position_id", RowId, ForeignKey("positions.id"), primary_key=True),
    Column("number", Integer, primary_key=True),
    #: the fill's entry in the ledger
    Column("entry_id", RowId, ForeignKey("ledger_entries.id"), nullable=False),
    #: when it was booked, never before the change before it
    Column("at", Timestamp, nullable=False),
    #: when the venue says it traded
    Column("traded_at", Timestamp, nullable=False),
    Column("quantity", Exact, nullable=False),
    Column("average_cost", Exact, nullable=False),
    Column("average_fees", Exact, nullable=False),
    Column("average_realized", Exact, nullable=False),
    Column("average_realized_fees", Exact, nullable=False),
    Column("fifo_cost", Exact, nullable=False),
    Column("fifo_fees", Exact, nullable=False),
    Column("fifo_realized", Exact, nullable=False),
    Column("fifo_realized_fees", Exact, nullable=False),
    #: the oldest lot that is open: the number of the change that opened it, and what is left of it
    Column("head_number", Integer, nullable=False),
    Column("head_quantity", Exact, nullable=False),
    Column("head_cost", Exact, nullable=False),
    Column("head_fees", Exact, nullable=False),
    #: every fee ever paid, by its asset
    Column("paid", Json, nullable=False),
    #: the lot that this change opened; null: it only closed
    Column("lot_quantity", Exact),
    Column("lot_cost", Exact),
    Column("lot_fees", Exact),
    UniqueConstraint("entry_id", name="uq_position_changes_entry_id"),
    Index("ix_position_changes_at", "position_id", "at", "number"),
    # what first in first out reads, however many sales stand between
    Index(
        "ix_position_changes_lots",
        "position_id",
        "number",
        postgresql_where=text("lot_quantity IS NOT NULL"),
        sqlite_where=text("lot_quantity IS NOT NULL"),
    ),
)

#: the tag of an order that names the strategy its position belongs to
STRATEGY_TAG = "strategy"
