"""Tables of anomalies: what is remembered of each series, how far it was read, and what was found. Guards: ``guards/anomalies.*.sql``."""

from sqlalchemy import BigInteger, Column, Index, Integer, Table, Text

from accounting.anomalies.series import SeriesKind
from storage.metadata import metadata
from storage.types import Exact, Json, RowId, Timestamp, Word, one_of

#: One row per series, of a size that does not grow with its points.
anomaly_series = Table(
    "anomaly_series",
    metadata,
    Column("kind", Word(SeriesKind), primary_key=True),
    Column("venue", Text, primary_key=True),
    Column("account", Text, primary_key=True),
    #: a symbol, a symbol and a liquidity; empty: the account
    Column("subject", Text, primary_key=True),
    Column("state", Json, nullable=False),
    #: of the latest point
    Column("last_at", Timestamp, nullable=False),
)

#: One row: up to where points were read.
anomaly_cursor = Table(
    "anomaly_cursor",
    metadata,
    Column("id", Integer, primary_key=True),
    #: of orders and children that ended
    Column("transition_id", BigInteger, nullable=False),
    #: of second looks of reconciliation
    Column("look_at", Timestamp, nullable=False),
)

#: What was found. Append-only.
anomalies = Table(
    "anomalies",
    metadata,
    Column("id", RowId, primary_key=True, autoincrement=True),
    Column("found_at", Timestamp, nullable=False),
    Column("kind", Word(SeriesKind), nullable=False),
    Column("venue", Text, nullable=False),
    Column("account", Text, nullable=False),
    Column("subject", Text, nullable=False),
    #: `up` or `down`
    Column("direction", Text, nullable=False),
    #: in the unit of the series, as the next three
    Column("median", Exact, nullable=False),
    Column("scale", Exact, nullable=False),
    Column("drift", Exact, nullable=False),
    Column("tolerance", Exact, nullable=False),
    #: in scales
    Column("cusum", Exact, nullable=False),
    #: points of the run, and of them those beyond the tolerance
    Column("points", Integer, nullable=False),
    Column("beyond", Integer, nullable=False),
    Column("first_at", Timestamp, nullable=False),
    Column("last_at", Timestamp, nullable=False),
    #: the order whose point told
    Column("order_id", Text, nullable=False),
    one_of("kind", SeriesKind),
    Index("ix_anomalies_kind", "kind", "venue", "account"),
)
