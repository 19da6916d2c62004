"""Posting an entry: the accounts locked in one order, the entry once per key, its legs in one statement."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from typing import Any

from sqlalchemy import Connection, bindparam, select, text

from accounting.legs import AccountKind, AccountRef, Leg, assert_balanced
from storage.ledger_tables import EntryKind, ledger_accounts, ledger_entries
from storage.touched import TouchedBalance, touch
from storage.types import Exact, Timestamp, compact_json


class EntryConflict(Exception):
    """An entry's key was posted before with other content. Nothing was posted; ``existing`` and ``posted`` tell both."""

    def __init__(self, key: str, existing: Mapping[str, Any], posted: Mapping[str, Any]) -> None:
        super().__init__(
            f"the entry {key} is in the books with other content: {compact_json(existing)} there, "
            f"{compact_json(posted)} now; one of the two is wrong, and a person must look"
        )
        self.key = key
        self.existing = existing
        self.posted = posted


@dataclass(frozen=True, slots=True, kw_only=True)
class NewEntry:
    key: str
    kind: EntryKind
    #: None: not of an order of ours
    order_id: str | None
    #: what is posted, JSON; the same key with other detail is a conflict
    detail: Mapping[str, Any]
    legs: Sequence[Leg]


@dataclass(frozen=True, slots=True, kw_only=True)
class Posted:
    entry_id: int
    #: False: the key was in the books already, with the same content
    new: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class LockedAccount:
    id: int
    balance: Decimal


Locked = dict[AccountRef, LockedAccount]


def lock_accounts(
    connection: Connection, venue: str, account: str, assets: Collection[str], kinds: Collection[AccountKind]
) -> Locked:
    """The accounts of these assets and kinds, locked until the transaction ends, made where they are missing.

    Rows are locked in the order of their ids, so that two postings never wait for each other. A transaction that
    posts several times should first lock everything that it will touch, with one call.
    """
    wanted = {
        "venue": venue,
        "account": account,
        "assets": sorted(assets),
        "kinds": sorted(kind.value for kind in kinds),
    }
    touch(connection, *(TouchedBalance(venue, account, asset) for asset in assets))
    found = _lock(connection, wanted)
    if len(found) < len(assets) * len(kinds):
        _create(connection, venue, account, assets)
        found = _lock(connection, wanted)
    return found


def post(connection: Connection, entry: NewEntry, accounts: Locked, *, at: datetime) -> Posted:
    """Post an entry whose accounts are locked. Raises EntryConflict when its key is there with other content."""
    assert_balanced(entry.legs)
    values = {
        "key": entry.key,
        "kind": entry.kind.value,
        "order_id": entry.order_id,
        "detail": compact_json(entry.detail),
        "leg_count": len(entry.legs),
        "posted_at": at,
    }
    insert_entry = _insert_sqlite if connection.dialect.name == "sqlite" else _insert_postgresql
    entry_id = insert_entry(connection, values, entry.legs, accounts)
    if entry_id is not None:
        return Posted(entry_id=entry_id, new=True)
    known = find_same(connection, entry)
    if known is None:
        raise LookupError(
            f"the entry {entry.key} was refused as known and is not there: was it posted to another schema?"
        )
    return Posted(entry_id=known, new=False)


def find_same(connection: Connection, entry: NewEntry) -> int | None:
    """The id of the entry with this key, None where there is none. Raises EntryConflict when its content differs."""
    row = connection.execute(_BY_KEY, {"entry_key": entry.key}).one_or_none()
    if row is None:
        return None
    existing = {"kind": row.kind.value, "order_id": row.order_id, **row.detail}
    posted = {"kind": entry.kind.value, "order_id": entry.order_id, **entry.detail}
    if existing != posted:
        raise EntryConflict(entry.key, existing, posted)
    entry_id: int = row.id
    return entry_id


def _lock(connection: Connection, wanted: dict[str, Any]) -> Locked:
    if connection.dialect.name == "sqlite":  # the writer's transaction is the lock
        wanted = wanted | {name: compact_json(wanted[name]) for name in ("assets", "kinds")}
        rows = connection.execute(_ACCOUNTS_SQLITE, wanted)
    else:
        rows = connection.execute(_ACCOUNTS_POSTGRESQL, wanted)
    return {AccountRef(row.asset, AccountKind(row.kind)): LockedAccount(id=row.id, balance=row.balance) for row in rows}


def _create(connection: Connection, venue: str, account: str, assets: Collection[str]) -> None:
    """All kinds of the assets at once: this is the first time that they are seen."""
    rows = [
        {"venue": venue, "account": account, "asset": asset, "kind": kind.value}
        for asset in sorted(assets)
        for kind in AccountKind
    ]
    connection.execute(_CREATE_SQLITE if connection.dialect.name == "sqlite" else _CREATE_POSTGRESQL, rows)


def _insert_postgresql(
    connection: Connection, values: dict[str, Any], legs: Sequence[Leg], accounts: Locked
) -> int | None:
    parts = {
        "debits": [accounts[leg.debit].id for leg in legs],
        "credits": [accounts[leg.credit].id for leg in legs],
        "assets": [leg.asset for leg in legs],
        "amounts": [leg.amount for leg in legs],
    }
    return connection.execute(_POST_POSTGRESQL, values | parts).scalars().first()


def _insert_sqlite(connection: Connection, values: dict[str, Any], legs: Sequence[Leg], accounts: Locked) -> int | None:
    entry_id: int | None = connection.execute(_POST_SQLITE, values).scalar_one_or_none()
    if entry_id is not None:
        rows = [
            {
                "entry_id": entry_id,
                "ordinal": ordinal,
                "debit_account_id": accounts[leg.debit].id,
                "credit_account_id": accounts[leg.credit].id,
                "asset": leg.asset,
                "amount": leg.amount,
            }
            for ordinal, leg in enumerate(legs, start=1)
        ]
        connection.execute(_LEGS_SQLITE, rows)
    return entry_id


_ACCOUNT_COLUMNS = (ledger_accounts.c.id, ledger_accounts.c.asset, ledger_accounts.c.kind, ledger_accounts.c.balance)

_ACCOUNTS_POSTGRESQL = text(
    "SELECT id, asset, kind, balance FROM ledger_accounts "
    "WHERE venue = :venue AND account = :account AND asset = ANY(:assets) AND kind = ANY(:kinds) "
    "ORDER BY id FOR NO KEY UPDATE"
).columns(*_ACCOUNT_COLUMNS)

_ACCOUNTS_SQLITE = text(
    "SELECT id, asset, kind, balance FROM ledger_accounts "
    "WHERE venue = :venue AND account = :account AND asset IN (SELECT value FROM json_each(:assets)) "
    "AND kind IN (SELECT value FROM json_each(:kinds)) ORDER BY id"
).columns(*_ACCOUNT_COLUMNS)

_CREATE_POSTGRESQL = text(
    "INSERT INTO ledger_accounts (venue, account, asset, kind) VALUES (:venue, :account, :asset, :kind) "
    "ON CONFLICT (venue, account, asset, kind) DO NOTHING"
)
# A trigger refuses what exists already before SQLite looks at a conflict clause.
_CREATE_SQLITE = text(
    "INSERT INTO ledger_accounts (venue, account, asset, kind) SELECT :venue, :account, :asset, :kind "
    "WHERE NOT EXISTS (SELECT 1 FROM ledger_accounts "
    "WHERE venue = :venue AND account = :account AND asset = :asset AND kind = :kind)"
)

# One round trip; the guards number the legs, move the balances and the order's hold.
_POST_POSTGRESQL = text(
    "WITH entry AS ("
    "INSERT INTO ledger_entries (key, kind, order_id, detail, leg_count, posted_at) "
    "VALUES (:key, :kind, :order_id, :detail, :leg_count, :posted_at) ON CONFLICT (key) DO NOTHING RETURNING id) "
    "INSERT INTO ledger_legs (entry_id, ordinal, debit_account_id, credit_account_id, asset, amount) "
    "SELECT entry.id, leg.ordinal, leg.debit, leg.credit, leg.asset, leg.amount FROM entry CROSS JOIN "
    "unnest(CAST(:debits AS BIGINT[]), CAST(:credits AS BIGINT[]), CAST(:assets AS TEXT[]), CAST(:amounts AS NUMERIC[])) "
    "WITH ORDINALITY AS leg(debit, credit, asset, amount, ordinal) ORDER BY leg.ordinal RETURNING entry_id"
).bindparams(bindparam("posted_at", type_=Timestamp()))

_POST_SQLITE = text(
    "INSERT INTO ledger_entries (key, kind, order_id, detail, leg_count, posted_at) "
    "SELECT :key, :kind, :order_id, :detail, :leg_count, :posted_at "
    "WHERE NOT EXISTS (SELECT 1 FROM ledger_entries WHERE key = :key) RETURNING id"
).bindparams(bindparam("posted_at", type_=Timestamp()))
_LEGS_SQLITE = text(
    "INSERT INTO ledger_legs (entry_id, ordinal, debit_account_id, credit_account_id, asset, amount) "
    "VALUES (:entry_id, :ordinal, :debit_account_id, :credit_account_id, :asset, :amount)"
).bindparams(bindparam("amount", type_=Exact()))

_BY_KEY = select(ledger_entries.c.id, ledger_entries.c.kind, ledger_entries.c.order_id, ledger_entries.c.detail).where(
    ledger_entries.c.key == bindparam("entry_key")
)
