"""One pass over all entries: each is what its seal says and has its legs, and all together make the balances."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Sequence
from decimal import Decimal, InvalidOperation
from itertools import groupby
from typing import Any

from sqlalchemy import Connection, Row, func, literal, select, text

from accounting.legs import NEVER_NEGATIVE, AccountKind
from accounting.seals import entry_digest
from models.money import ZERO, add, plain, subtract
from storage.ledger_tables import ledger_accounts, order_holds
from storage.seals import ENTRY_COLUMNS, Accounts, entry_of
from storage.types import Exact, exact_sum
from storage.verify.findings import Advice, Check, Finding

#: entries of one look
PAGE = 1_000

_EVIDENCE = "halt (`steadfill halt`), keep a copy of the database as evidence, and compare the row with a backup"

_ADVICE = {
    "entries": Advice(
        proves="every entry is word for word what was sealed, with all its legs between accounts of one asset",
        means="an entry or its legs were changed after they were posted, past the database's guards",
        todo=_EVIDENCE,
    ),
    "balances": Advice(
        proves="every balance is the sum of its legs, and none that may not is below zero",
        means="a balance was moved without a leg, so that orders are judged by money that is not there, or not by all",
        todo=f"{_EVIDENCE}; the legs are the truth, and a correction by an entry puts the balance right",
    ),
    "zero": Advice(
        proves="all accounts of an asset sum to zero",
        means="money of this asset came from nowhere or went there",
        todo=_EVIDENCE,
    ),
    "waiting": Advice(
        proves="whatever has no seal waits for one",
        means="an entry was taken out of the queue of the sealer, and would never be sealed",
        todo=_EVIDENCE,
    ),
}


def _run(conn: Connection) -> Iterator[Finding]:
    accounts = Accounts(conn)
    sums: dict[int, Decimal] = defaultdict(lambda: ZERO)
    sealed = after = 0
    while until := conn.execute(_END, {"after": after, "most": PAGE}).scalar_one():
        rows = conn.execute(_PAGE, {"after": after, "until": until}).all()
        for _, group in groupby(rows, key=lambda row: row[0]):
            legs = list(group)
            sealed += legs[0].sequence is not None
            yield from _entry(legs, accounts, sums)
        after = until
    yield from _without_entry(conn, sealed)
    yield from _balances(conn, sums)


def _entry(rows: Sequence[Row[Any]], accounts: Accounts, sums: dict[int, Decimal]) -> Iterator[Finding]:
    first = rows[0]
    name = f"entry {first.id} ({first.key})"
    legs = [row for row in rows if row.leg_id is not None]
    problem = None
    if [row.ordinal for row in legs] != list(range(1, first.leg_count + 1)):
        problem = f"it has the legs {[row.ordinal for row in legs]} and should have {first.leg_count}"
    for row in legs:
        debit, credit = accounts.get(row.debit_account_id), accounts.get(row.credit_account_id)
        if debit[1:4] != credit[1:4] or debit[3] != row.asset or debit[0] == credit[0]:
            problem = (
                problem or f"its leg {row.ordinal} is not between two accounts of {row.asset} of one venue account"
            )
        amount = _amount(row.amount)
        if amount is None or amount <= 0:
            problem = problem or f"its leg {row.ordinal} moves {row.amount!r}, which is no amount above zero"
        else:
            sums[row.debit_account_id] = add(sums[row.debit_account_id], amount)
            sums[row.credit_account_id] = subtract(sums[row.credit_account_id], amount)
    if first.sequence is not None:
        digest = entry_digest(entry_of(rows, accounts))
        if digest != first.entry_digest:
            problem = problem or f"it is {digest} now and was {first.entry_digest} when seal {first.sequence} was made"
    elif first.queued is None:
        yield Finding(check="waiting", row=name, problem="it has no seal and does not wait for one")
    if problem:
        yield Finding(check="entries", row=name, problem=problem)


def _without_entry(conn: Connection, sealed: int) -> Iterator[Finding]:
    """Seals whose entry is gone; looked for only where the numbers differ."""
    if conn.execute(_SEALS).scalar_one() == sealed:
        return
    for row in conn.execute(_WITHOUT_ENTRY):
        yield Finding(
            check="entries", row=f"entry {row.entry_id}", problem=f"seal {row.sequence} is of it, and it is gone"
        )


def _balances(conn: Connection, sums: dict[int, Decimal]) -> Iterator[Finding]:
    totals: dict[str, Decimal] = defaultdict(lambda: ZERO)
    for row in conn.execute(_ACCOUNTS):
        name = f"account {row.id} ({row.venue} {row.account} {row.asset} {row.kind})"
        moved = sums.pop(row.id, ZERO)
        balance = _amount(row.balance)
        if balance is None:
            yield Finding(check="balances", row=name, problem=f"its balance is {row.balance!r}, which is no number")
            continue
        totals[row.asset] = add(totals[row.asset], balance)
        if balance != moved:
            yield Finding(
                check="balances",
                row=name,
                problem=(
                    f"its balance is {plain(balance)} and its legs sum to {plain(moved)}: "
                    f"difference {plain(subtract(balance, moved))}"
                ),
            )
        if balance < 0 and row.kind in _NEVER_NEGATIVE:
            yield Finding(check="balances", row=name, problem=f"it is below zero: {plain(balance)}")
    for account_id in sorted(sums):
        yield Finding(check="balances", row=f"account {account_id}", problem="legs move it, and it is gone")
    for asset, total in sorted(totals.items()):
        if total != 0:
            yield Finding(check="zero", row=asset, problem=f"all its accounts together sum to {plain(total)}")
    for row in conn.execute(_HOLDS):
        if row.balance != row.held:
            yield Finding(
                check="balances",
                row=f"account {row.id} ({row.venue} {row.account} {row.asset} hold)",
                problem=(
                    f"it has {plain(row.balance)} and the holds of its orders sum to {plain(row.held)}: "
                    f"difference {plain(subtract(row.balance, row.held))}"
                ),
            )


def _amount(value: object) -> Decimal | None:
    """SQLite hands out whatever stands in the row."""
    try:
        number = value if isinstance(value, Decimal) else Decimal(str(value))
    except InvalidOperation:
        return None
    return number if number.is_finite() else None


_NEVER_NEGATIVE = frozenset(kind.value for kind in NEVER_NEGATIVE)

_END = text(
    "SELECT coalesce(max(id), 0) FROM (SELECT id FROM ledger_entries WHERE id > :after ORDER BY id LIMIT :most) page"
)
#: Each table has both bounds: by those of the entries alone PostgreSQL reads the others from their beginning, page by page.
_PAGE_OF = """
SELECT {columns}, s.sequence, s.entry_digest, q.entry_id AS queued
  FROM ledger_entries e
  LEFT JOIN ledger_seals s ON s.entry_id = e.id AND s.entry_id > :after AND s.entry_id <= :until
  LEFT JOIN ledger_unsealed q ON q.entry_id = e.id AND q.entry_id > :after AND q.entry_id <= :until
  LEFT JOIN ledger_legs l ON l.entry_id = e.id AND l.entry_id > :after AND l.entry_id <= :until
 WHERE e.id > :after AND e.id <= :until ORDER BY e.id, l.ordinal
"""
_PAGE = text(_PAGE_OF.format(columns=ENTRY_COLUMNS))
_SEALS = text("SELECT count(*) FROM ledger_seals")
_WITHOUT_ENTRY = text(
    "SELECT s.sequence, s.entry_id FROM ledger_seals s LEFT JOIN ledger_entries e ON e.id = s.entry_id "
    "WHERE e.id IS NULL ORDER BY s.sequence"
)
_ACCOUNTS = text("SELECT id, venue, account, asset, kind, balance FROM ledger_accounts ORDER BY id")
_HELD = (
    select(order_holds.c.account_id, exact_sum(order_holds.c.amount).label("held"))
    .where(order_holds.c.amount != ZERO)
    .group_by(order_holds.c.account_id)
    .subquery("held")
)
_HOLDS = (
    select(
        ledger_accounts.c.id,
        ledger_accounts.c.venue,
        ledger_accounts.c.account,
        ledger_accounts.c.asset,
        ledger_accounts.c.balance,
        func.coalesce(_HELD.c.held, literal(ZERO, Exact())).label("held"),
    )
    .join(_HELD, _HELD.c.account_id == ledger_accounts.c.id, isouter=True)
    .where(ledger_accounts.c.kind == AccountKind.HOLD)
    .order_by(ledger_accounts.c.id)
)

JOURNAL = Check(advice=_ADVICE, run=_run)
