"""The state of each venue account's stream, written by the process that keeps it up."""

from sqlalchemy import BigInteger, Column, Table, Text

from storage.metadata import metadata
from storage.types import Timestamp

streams = Table(
    "streams",
    metadata,
    Column("venue", Text, primary_key=True),
    Column("account", Text, primary_key=True),
    #: the process that streams it
    Column("owner", Text, nullable=False),
    #: connecting, live or down
    Column("state", Text, nullable=False),
    Column("since", Timestamp, nullable=False),
    #: when that process wrote this last
    Column("told_at", Timestamp, nullable=False),
    #: until then its word counts: polling may be slower while it says live
    Column("healthy_until", Timestamp),
    Column("heard_at", Timestamp),
    Column("messages", BigInteger, nullable=False),
    Column("reconnects", BigInteger, nullable=False),
    Column("gaps", BigInteger, nullable=False),
    Column("fills", BigInteger, nullable=False),
    Column("lag_ms", BigInteger),
    Column("error", Text),
)
