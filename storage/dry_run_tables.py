"""Tables of modes and dry runs: how each venue account is traded, and what simulated venue accounts hold."""

from sqlalchemy import Column, ForeignKeyConstraint, Index, Table, Text, UniqueConstraint

from models.reports import VenueStatus
from models.vocabulary import Liquidity, Mode, OrderType, Side
from storage.metadata import metadata
from storage.types import Exact, RowId, Timestamp, Word, one_of

#: The mode that a venue account has had since its first order, for ever: its books are of one kind of money.
venue_modes = Table(
    "venue_modes",
    metadata,
    Column("venue", Text, primary_key=True),
    Column("account", Text, primary_key=True),
    Column("mode", Word(Mode), nullable=False),
    Column("since", Timestamp, nullable=False),
    one_of("mode", Mode),
)

dry_run_orders = Table(
    "dry_run_orders",
    metadata,
    Column("venue", Text, primary_key=True),
    Column("account", Text, primary_key=True),
    Column("id", Text, primary_key=True),
    Column("client_order_id", Text, nullable=False),
    Column("symbol", Text, nullable=False),
    Column("base", Text, nullable=False),
    Column("quote", Text, nullable=False),
    Column("side", Word(Side), nullable=False),
    Column("type", Word(OrderType), nullable=False),
    Column("quantity", Exact, nullable=False),
    Column("price", Exact),
    Column("status", Word(VenueStatus), nullable=False),
    Column("filled_quantity", Exact, nullable=False),
    Column("filled_cost", Exact, nullable=False),
    Column("lot", Exact, nullable=False),
    Column("maker_fee", Exact, nullable=False),
    Column("taker_fee", Exact, nullable=False),
    Column("fee_in", Text, nullable=False),
    Column("crossed", Exact, nullable=False),
    Column("seen_until", Timestamp, nullable=False),
    Column("created_at", Timestamp, nullable=False),
    one_of("side", Side),
    one_of("type", OrderType),
    one_of("status", VenueStatus),
    # The simulated venue takes a client id once.
    UniqueConstraint("venue", "account", "client_order_id", name="uq_dry_run_orders_client_order_id"),
    Index("ix_dry_run_orders_status", "venue", "account", "status"),
)

dry_run_trades = Table(
    "dry_run_trades",
    metadata,
    Column("id", RowId, primary_key=True, autoincrement=True),
    Column("venue", Text, nullable=False),
    Column("account", Text, nullable=False),
    Column("order_id", Text, nullable=False),
    Column("venue_trade_id", Text, nullable=False),
    Column("symbol", Text, nullable=False),
    Column("side", Word(Side), nullable=False),
    Column("quantity", Exact, nullable=False),
    Column("price", Exact, nullable=False),
    Column("fee", Exact, nullable=False),
    Column("fee_asset", Text),
    Column("liquidity", Word(Liquidity), nullable=False),
    Column("traded_at", Timestamp, nullable=False),
    one_of("side", Side),
    one_of("liquidity", Liquidity),
    ForeignKeyConstraint(
        ["venue", "account", "order_id"],
        ["dry_run_orders.venue", "dry_run_orders.account", "dry_run_orders.id"],
        name="fk_dry_run_trades_order",
    ),
    UniqueConstraint("venue", "account", "order_id", "venue_trade_id", name="uq_dry_run_trades_venue_trade_id"),
    Index("ix_dry_run_trades_symbol", "venue", "account", "symbol", "traded_at"),
)

#: By asset, what all trades of a simulated account together have added to what it began with.
dry_run_changes = Table(
    "dry_run_changes",
    metadata,
    Column("venue", Text, primary_key=True),
    Column("account", Text, primary_key=True),
    Column("asset", Text, primary_key=True),
    Column("change", Exact, nullable=False),
)
