"""Tables of what protects a venue account: its breaker, what that went through, and the slots of its rate."""

from sqlalchemy import BigInteger, Column, Index, Integer, Table, Text, text

from risk.breaker import BreakerStatus
from storage.metadata import metadata
from storage.types import Json, RowId, Timestamp, Word, one_of

breakers = Table(
    "breakers",
    metadata,
    Column("venue", Text, primary_key=True),
    Column("account", Text, primary_key=True),
    Column("status", Word(BreakerStatus), nullable=False),
    #: times of the failures in the window, in microseconds since the epoch, oldest first
    Column("failures", Json, nullable=False),
    Column("opened_at", Timestamp),
    Column("probe_due_at", Timestamp),
    #: the probe under way: its token and the end of its lease
    Column("probe_token", Text),
    Column("probe_until", Timestamp),
    #: number of the last probe taken
    Column("probes", Integer, nullable=False),
    one_of("status", BreakerStatus),
)

#: Append-only.
breaker_transitions = Table(
    "breaker_transitions",
    metadata,
    Column("id", RowId, primary_key=True, autoincrement=True),
    Column("venue", Text, nullable=False),
    Column("account", Text, nullable=False),
    Column("at", Timestamp, nullable=False),
    Column("from_status", Word(BreakerStatus), nullable=False),
    Column("to_status", Word(BreakerStatus), nullable=False),
    Column("cause", Text, nullable=False),
    Index("ix_breaker_transitions_venue_account_id", "venue", "account", "id"),
)

#: Where no Redis gives the slots. Times in microseconds since the epoch, as in risk/reservation.py.
rate_reservations = Table(
    "rate_reservations",
    metadata,
    Column("venue", Text, primary_key=True),
    Column("account", Text, primary_key=True),
    *(
        Column(name, BigInteger, nullable=False, server_default=text("0"))
        for name in ("ordinary_us", "urgent_us", "held_until_us", "closed_until_us")
    ),
)
