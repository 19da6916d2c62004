"""The chain of seals: which entries wait, what they are hashed from, the next links, and the days' heads.

Entries are sealed after their commit, in an order of the chain's own, so that no posting waits for it. What waits is a
table of its own, filled by a trigger with the entry: an id that is drawn early and committed late is not passed over.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from itertools import groupby
from typing import Any

from sqlalchemy import Connection, Row, bindparam, func, insert, select, text

from accounting.seals import Seal, SealedAccount, SealedEntry, SealedLeg, entry_digest, next_seal
from models.clock import from_micros, micros
from models.money import plain
from storage.ledger_tables import ledger_entries
from storage.seal_tables import ledger_heads, ledger_seals, ledger_unsealed
from storage.types import compact_json
from storage.upsert import upsert


class ChainMoved(Exception):
    """Somebody else has sealed meanwhile: nothing was written, and the next look goes on from there."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ChainState:
    """How far the chain has come."""

    #: None: nothing is sealed yet
    head: Seal | None
    #: entries that wait for their seal
    waiting: int
    #: when the oldest of them was posted
    oldest_at: datetime | None


def chain_state(conn: Connection) -> ChainState:
    waiting, oldest = conn.execute(_WAITING).one()
    return ChainState(head=last_seal(conn), waiting=waiting, oldest_at=oldest)


def last_seal(conn: Connection) -> Seal | None:
    row = conn.execute(_LAST).one_or_none()
    return None if row is None else seal_of(row)


def waiting_entries(conn: Connection, most: int) -> Sequence[int]:
    """The ids of entries without a seal, the lowest first."""
    return conn.execute(_WAITING_IDS, {"most": most}).scalars().all()


def digests(conn: Connection, entry_ids: Sequence[int]) -> list[tuple[int, str]]:
    """What each of these entries is, hashed; by id."""
    rows = conn.execute(_ENTRIES[conn.dialect.name], {"ids": _list(conn, entry_ids)})
    return [(entry.id, entry_digest(entry)) for entry in sealed_entries(conn, rows)]


def append(conn: Connection, last: Seal | None, entries: Iterable[tuple[int, str]], *, at: datetime) -> Seal | None:
    """Seal ``(id, digest)`` after ``last``; returns the new head. Raises ChainMoved where another seal is the last one.

    The caller holds the sealers' lease; a sealer that has lost it meets the database, which takes one seal per place.
    """
    if last_seal(conn) != last:
        raise ChainMoved
    head, rows, sealed_at = last, [], micros(at)
    for entry_id, digest in entries:
        head = next_seal(head, entry_id, digest, sealed_at=sealed_at)
        rows.append(_row(head))
    if rows:
        conn.execute(_APPEND, rows)
    return head


def note_head(conn: Connection, head: Seal, at: datetime) -> bool:
    """Keep where the chain stands as the head of this day; False where the day has one already."""
    values = {"day": f"{at:%Y-%m-%d}", "sequence": head.sequence, "hash": head.hash, "noted_at": at}
    if conn.execute(_HEAD_OF_DAY, {"of_day": values["day"]}).one_or_none() is not None:
        return False
    noted = conn.execute(
        upsert(conn, ledger_heads).values(values).on_conflict_do_nothing().returning(ledger_heads.c.day)
    )
    return noted.one_or_none() is not None


def noted_heads(conn: Connection, most: int) -> Sequence[Row[Any]]:
    """``(day, sequence, hash, noted_at)``, the newest first."""
    return conn.execute(_HEADS, {"most": most}).all()


def seal_of(row: Row[Any]) -> Seal:
    """From a row with the columns of ``ledger_seals``."""
    return Seal(
        sequence=row.sequence,
        entry_id=row.entry_id,
        entry_digest=row.entry_digest,
        previous_hash=row.previous_hash,
        hash=row.hash,
        sealed_at=micros(row.sealed_at),
    )


class Accounts:
    """What each ledger account stands for, as the database says; there are few, so they are read once."""

    def __init__(self, conn: Connection) -> None:
        self._conn = conn
        self._known: dict[int, SealedAccount] = {}

    def get(self, account_id: int) -> SealedAccount:
        if account_id not in self._known:
            self._known = {row[0]: tuple(row) for row in self._conn.execute(_ACCOUNTS)}
        return self._known.get(account_id, (account_id, "", "", "", ""))


def sealed_entries(
    conn: Connection, rows: Iterable[Sequence[Any]], accounts: Accounts | None = None
) -> Iterator[SealedEntry]:
    """Entries from rows of one leg each that begin with ENTRY_COLUMNS, ordered by entry and ordinal."""
    known = accounts or Accounts(conn)
    for _, group in groupby(rows, key=lambda row: row[0]):
        legs = list(group)
        yield entry_of(legs, known)


def entry_of(rows: Sequence[Sequence[Any]], accounts: Accounts) -> SealedEntry:
    """One entry from the rows of its legs; an entry without legs has one row whose leg is NULL."""
    first = rows[0]
    return SealedEntry(
        id=first[0],
        key=first[1],
        kind=first[2],
        order_id=first[3],
        detail=first[4],
        leg_count=first[5],
        posted_at=first[6],
        legs=[_leg(row, accounts) for row in rows if row[7] is not None],
    )


def _leg(row: Sequence[Any], accounts: Accounts) -> SealedLeg:
    amount = row[12]
    return (
        row[7],
        row[8],
        accounts.get(row[9]),
        accounts.get(row[10]),
        row[11],
        plain(amount) if isinstance(amount, Decimal) else str(amount),
    )


def _row(seal: Seal) -> dict[str, Any]:
    return {
        "sequence": seal.sequence,
        "entry_id": seal.entry_id,
        "entry_digest": seal.entry_digest,
        "previous_hash": seal.previous_hash,
        "hash": seal.hash,
        "sealed_at": from_micros(seal.sealed_at),
    }


def _list(conn: Connection, ids: Sequence[int]) -> Any:
    return compact_json(list(ids)) if conn.dialect.name == "sqlite" else list(ids)


#: the columns that an entry is hashed from, as they stand in the rows: no type of ours reads them
ENTRY_COLUMNS = (
    "e.id, e.key, e.kind, e.order_id, e.detail, e.leg_count, e.posted_at, "
    "l.id AS leg_id, l.ordinal, l.debit_account_id, l.credit_account_id, l.asset, l.amount"
)
_OF_IDS = """
SELECT {columns} FROM ledger_entries e LEFT JOIN ledger_legs l ON l.entry_id = e.id WHERE e.id {within} ORDER BY e.id, l.ordinal
"""
_ENTRIES = {
    "postgresql": text(_OF_IDS.format(columns=ENTRY_COLUMNS, within="= ANY(CAST(:ids AS BIGINT[]))")),
    "sqlite": text(_OF_IDS.format(columns=ENTRY_COLUMNS, within="IN (SELECT value FROM json_each(:ids))")),
}
_ACCOUNTS = text("SELECT id, venue, account, asset, kind FROM ledger_accounts")
_LAST = select(ledger_seals).order_by(ledger_seals.c.sequence.desc()).limit(1)
_WAITING = select(func.count(), func.min(ledger_entries.c.posted_at)).select_from(
    ledger_unsealed.join(ledger_entries, ledger_entries.c.id == ledger_unsealed.c.entry_id)
)
_WAITING_IDS = select(ledger_unsealed.c.entry_id).order_by(ledger_unsealed.c.entry_id).limit(bindparam("most"))
_APPEND = insert(ledger_seals)
_HEAD_OF_DAY = select(ledger_heads.c.day).where(ledger_heads.c.day == bindparam("of_day"))
_HEADS = select(ledger_heads).order_by(ledger_heads.c.day.desc()).limit(bindparam("most"))
