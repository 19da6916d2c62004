"""Tables of what the market did while orders worked: what their cost is measured against."""

from sqlalchemy import BigInteger, Column, ForeignKey, Index, Integer, Table, Text, text

from storage.metadata import metadata
from storage.types import Exact, Json, Timestamp

#: One row for each order that has ended, but for those that we denied. What is null was not asked for yet, or the venue
#: did not show it.
order_markets = Table(
    "order_markets",
    metadata,
    Column("order_id", Text, ForeignKey("orders.id"), primary_key=True),
    Column("venue", Text, nullable=False),
    Column("symbol", Text, nullable=False),
    #: of the order, when the interval was taken from it: a late fill makes a new version, and a new interval
    Column("order_version", Integer, nullable=False),
    #: the interval, made of whole candles
    Column("start_at", Timestamp, nullable=False),
    Column("end_at", Timestamp, nullable=False),
    #: length of a candle, in seconds
    Column("candle_s", Integer, nullable=False),
    #: when the venue is asked; null: it was, or is not asked any more
    Column("due_at", Timestamp),
    #: how often it was asked in vain
    Column("attempts", Integer, nullable=False, server_default=text("0")),
    #: when the venue showed what stands here
    Column("captured_at", Timestamp),
    #: why nothing stands here
    Column("problem", Text),
    #: base, everybody's
    Column("volume", Exact),
    #: quote per base, as the others
    Column("vwap", Exact),
    Column("twap", Exact),
    Column("first_price", Exact),
    Column("last_price", Exact),
    #: the candles as [microseconds since 1970, close, volume]
    Column("path", Json),
    Index(
        "ix_order_markets_due_at",
        "due_at",
        sqlite_where=text("due_at IS NOT NULL"),
        postgresql_where=text("due_at IS NOT NULL"),
    ),
)

#: One row: up to which transition the orders that ended are noted in `order_markets`.
cost_cursor = Table(
    "cost_cursor",
    metadata,
    Column("id", Integer, primary_key=True),
    Column("transition_id", BigInteger, nullable=False),
)
