"""Tables of the books: accounts, entries and their legs, holds per order. Guards: ``guards/ledger.*.sql``."""

from __future__ import annotations

from enum import StrEnum

from sqlalchemy import (
    CheckConstraint,
    Column,
    ForeignKey,
    ForeignKeyConstraint,
    Index,
    Integer,
    Table,
    Text,
    UniqueConstraint,
)
from sqlalchemy import text as sql

from accounting.legs import AccountKind
from storage.metadata import metadata
from storage.types import Exact, Json, RowId, Timestamp, Word, one_of


class EntryKind(StrEnum):
    """Why an entry was posted."""

    OPENING = "opening"
    DEPOSIT = "deposit"
    HOLD = "hold"
    RELEASE = "release"
    FILL = "fill"
    CORRECTION = "correction"


#: an account's balance = its debits - its credits; only a leg moves it
ledger_accounts = Table(
    "ledger_accounts",
    metadata,
    Column("id", RowId, primary_key=True, autoincrement=True),
    Column("venue", Text, nullable=False),
    Column("account", Text, nullable=False),
    Column("asset", Text, nullable=False),
    Column("kind", Word(AccountKind), nullable=False),
    Column("balance", Exact, nullable=False, server_default=sql("'0'")),
    #: the leg that moved the balance last; legs apply in the order of their ids, each once
    Column("last_leg_id", RowId, nullable=False, server_default=sql("0")),
    UniqueConstraint("venue", "account", "asset", "kind"),
    one_of("kind", AccountKind),
    CheckConstraint("balance > -1e38 AND balance < 1e38", name="balance_bounded").ddl_if(dialect="postgresql"),
    # What is ours to give can't be given twice. SQLite keeps canonical text, whose first letter is the sign.
    CheckConstraint("kind NOT IN ('available', 'hold') OR balance >= 0", name="not_negative").ddl_if(
        dialect="postgresql"
    ),
    CheckConstraint("kind NOT IN ('available', 'hold') OR balance NOT LIKE '-%'", name="not_negative").ddl_if(
        dialect="sqlite"
    ),
)

#: what happened, once per key; append-only
ledger_entries = Table(
    "ledger_entries",
    metadata,
    Column("id", RowId, primary_key=True, autoincrement=True),
    #: idempotency: ``fill:…``, ``hold:<order>…``
    Column("key", Text, nullable=False),
    Column("kind", Word(EntryKind), nullable=False),
    #: whose hold it moves; NULL: holds of orders that are not ours
    Column("order_id", Text),
    #: what was posted, in the words of the cause: compared when the key comes again
    Column("detail", Json, nullable=False),
    Column("leg_count", Integer, nullable=False),
    Column("posted_at", Timestamp, nullable=False),
    UniqueConstraint("key"),
    # An entry that lacks legs can't commit: its last leg must exist by then, and legs come in order (see the guards).
    ForeignKeyConstraint(
        ["id", "leg_count"],
        ["ledger_legs.entry_id", "ledger_legs.ordinal"],
        name="fk_ledger_entries_complete",
        deferrable=True,
        initially="DEFERRED",
        use_alter=True,
    ),
    one_of("kind", EntryKind),
    CheckConstraint("leg_count BETWEEN 1 AND 1000", name="leg_count_bounded"),
    CheckConstraint("length(key) BETWEEN 1 AND 500", name="key_bounded"),
    Index(
        "ix_ledger_entries_order_id",
        "order_id",
        postgresql_where=sql("order_id IS NOT NULL"),
        sqlite_where=sql("order_id IS NOT NULL"),
    ),
)

#: one debit account, one credit account, one asset, one positive amount: balanced by construction; append-only
ledger_legs = Table(
    "ledger_legs",
    metadata,
    Column("id", RowId, primary_key=True, autoincrement=True),
    Column("entry_id", RowId, ForeignKey("ledger_entries.id"), nullable=False),
    #: from 1
    Column("ordinal", Integer, nullable=False),
    Column("debit_account_id", RowId, ForeignKey("ledger_accounts.id"), nullable=False),
    Column("credit_account_id", RowId, ForeignKey("ledger_accounts.id"), nullable=False),
    Column("asset", Text, nullable=False),
    Column("amount", Exact, nullable=False),
    UniqueConstraint("entry_id", "ordinal"),
    CheckConstraint("debit_account_id <> credit_account_id", name="two_accounts"),
    # NaN and Infinity are above every number in PostgreSQL; the bounds are those of storage.exact.
    CheckConstraint("amount > 0 AND amount < 1e38 AND scale(amount) <= 40", name="amount_positive").ddl_if(
        dialect="postgresql"
    ),
    CheckConstraint(
        "typeof(amount) = 'text' AND amount <> '0' AND amount NOT LIKE '-%'", name="amount_positive"
    ).ddl_if(dialect="sqlite"),
    Index("ix_ledger_legs_debit_account_id", "debit_account_id", "id"),
    Index("ix_ledger_legs_credit_account_id", "credit_account_id", "id"),
)

#: what is left of each order's hold: the legs into and out of ``hold`` accounts, by the entry's order
order_holds = Table(
    "order_holds",
    metadata,
    #: ``foreign`` for what is locked at the venue by orders that are not ours
    Column("order_id", Text, primary_key=True),
    Column("account_id", RowId, ForeignKey("ledger_accounts.id"), primary_key=True),
    Column("amount", Exact, nullable=False),
    Column("last_leg_id", RowId, nullable=False),
    CheckConstraint("amount >= 0 AND amount < 1e38", name="not_negative").ddl_if(dialect="postgresql"),
    CheckConstraint("typeof(amount) = 'text' AND amount NOT LIKE '-%'", name="not_negative").ddl_if(dialect="sqlite"),
    Index("ix_order_holds_account_id", "account_id"),
)

#: venue accounts whose balances were taken over; one that is missing here has no books yet
venue_accounts = Table(
    "venue_accounts",
    metadata,
    Column("venue", Text, primary_key=True),
    Column("account", Text, primary_key=True),
    Column("opened_at", Timestamp, nullable=False),
)

#: order_id in order_holds of what is held by orders that are not ours
FOREIGN = "foreign"
