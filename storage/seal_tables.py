"""Tables of the seals over the books, of the days' heads, and of what was verified. Guards: ``guards/seals.*.sql``."""

from sqlalchemy import CheckConstraint, Column, ForeignKey, Integer, Table, Text, UniqueConstraint

from storage.metadata import metadata
from storage.types import Json, RowId, Timestamp

#: one link of the chain for each entry, made after the entry's commit; append-only
ledger_seals = Table(
    "ledger_seals",
    metadata,
    #: 1, 2, 3 … without a gap: the order in which entries were sealed, which need not be that of their ids
    Column("sequence", RowId, primary_key=True, autoincrement=False),
    Column("entry_id", RowId, ForeignKey("ledger_entries.id"), nullable=False),
    #: SHA-256 of the entry and its legs, see accounting/seals.py
    Column("entry_digest", Text, nullable=False),
    Column("previous_hash", Text, nullable=False),
    Column("hash", Text, nullable=False),
    Column("sealed_at", Timestamp, nullable=False),
    UniqueConstraint("entry_id"),
    CheckConstraint("length(entry_digest) = 64 AND length(previous_hash) = 64 AND length(hash) = 64", name="hashes"),
)

#: Entries that wait for their seal. A trigger writes it with the entry and takes it away with the seal, so that none is
#: passed over, in whatever order transactions commit.
ledger_unsealed = Table(
    "ledger_unsealed",
    metadata,
    Column("entry_id", RowId, ForeignKey("ledger_entries.id"), primary_key=True, autoincrement=False),
)

#: where the chain stood when a day (UTC) began: to be noted outside of this database; append-only
ledger_heads = Table(
    "ledger_heads",
    metadata,
    #: 2030-01-31
    Column("day", Text, primary_key=True),
    Column("sequence", RowId, ForeignKey("ledger_seals.sequence"), nullable=False),
    Column("hash", Text, nullable=False),
    Column("noted_at", Timestamp, nullable=False),
)

#: what each run of `verify` saw that the deployment itself began
ledger_verifications = Table(
    "ledger_verifications",
    metadata,
    Column("id", RowId, primary_key=True, autoincrement=True),
    Column("started_at", Timestamp, nullable=False),
    Column("finished_at", Timestamp, nullable=False),
    Column("entries", Integer, nullable=False),
    #: the head that it verified, ``sequence:hash``; null: nothing was sealed yet
    Column("head", Text),
    #: as `steadfill verify --json` shows them; empty: all is true
    Column("findings", Json, nullable=False),
)
