"""What must hold of the books at any moment, checked against every leg; each violation with ids and difference."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from sqlalchemy import Connection, TextualSelect, text

from models.money import plain, subtract
from storage.types import Exact


def invariants(conn: Connection) -> list[str]:
    """Every violation as a sentence; empty when the books balance. Use ``read(engine, snapshot=True)``."""
    return list(_violations(conn))


def _violations(conn: Connection) -> Iterator[str]:
    for row in conn.execute(_UNBALANCED[conn.dialect.name]):
        yield f"{row.asset}: all accounts together sum to {plain(row.difference)} instead of 0"
    for row in conn.execute(_BALANCES[conn.dialect.name]):
        yield (
            f"account {row.id} ({row.venue} {row.account} {row.asset} {row.kind}) has a balance of {plain(row.balance)}, "
            f"its legs sum to {plain(row.moved)}: difference {plain(subtract(row.balance, row.moved))}"
        )
    for row in conn.execute(_HOLDS[conn.dialect.name]):
        yield (
            f"hold account {row.id} ({row.venue} {row.account} {row.asset}) has {plain(row.balance)}, the holds of its "
            f"orders sum to {plain(row.held)}: difference {plain(subtract(row.balance, row.held))}"
        )
    for row in conn.execute(_ORDER_HOLDS[conn.dialect.name]):
        yield (
            f"order {row.order_id} holds {plain(row.amount)} on account {row.account_id}, its legs sum to "
            f"{plain(row.moved)}: difference {plain(subtract(row.amount, row.moved))}"
        )
    for row in conn.execute(_INCOMPLETE[conn.dialect.name]):
        yield f"entry {row.id} ({row.key}) has {row.legs} legs and should have {row.leg_count}"
    for row in conn.execute(_NEGATIVE[conn.dialect.name]):
        yield f"account {row.id} ({row.venue} {row.account} {row.asset} {row.kind}) is below zero: {plain(row.balance)}"


#: every leg twice: what it adds to one account and takes from the other
_MOVES = """
  SELECT entry_id, debit_account_id AS account_id, amount FROM ledger_legs
  UNION ALL SELECT entry_id, credit_account_id, {} FROM ledger_legs
"""

_SPELLING = {
    "postgresql": {"SUM": "sum", "ZERO": "0", "MOVES": _MOVES.format("-amount"), "BELOW_ZERO": "balance < 0"},
    "sqlite": {
        "SUM": "exact_sum",
        "ZERO": "'0'",
        "MOVES": _MOVES.format("exact_sub('0', amount)"),
        "BELOW_ZERO": "balance LIKE '-%'",
    },
}


def _spelled(statement: str, **types: type[Exact]) -> Mapping[str, TextualSelect]:
    """A query that is written once, by dialect, with the words in braces spelled as each database has them."""
    return {dialect: text(statement.format(**words)).columns(**types) for dialect, words in _SPELLING.items()}


_UNBALANCED = _spelled(
    """
SELECT asset, {SUM}(balance) AS difference FROM ledger_accounts GROUP BY asset HAVING {SUM}(balance) <> {ZERO} ORDER BY asset
""",
    difference=Exact,
)

_BALANCES = _spelled(
    """
SELECT a.id, a.venue, a.account, a.asset, a.kind, a.balance, coalesce(m.moved, {ZERO}) AS moved
  FROM ledger_accounts a LEFT JOIN (SELECT account_id, {SUM}(amount) AS moved FROM ({MOVES}) x GROUP BY account_id) m
    ON m.account_id = a.id
 WHERE a.balance <> coalesce(m.moved, {ZERO}) ORDER BY a.id
""",
    balance=Exact,
    moved=Exact,
)

_HOLDS = _spelled(
    """
SELECT a.id, a.venue, a.account, a.asset, a.balance, coalesce(h.held, {ZERO}) AS held
  FROM ledger_accounts a LEFT JOIN (SELECT account_id, {SUM}(amount) AS held FROM order_holds GROUP BY account_id) h
    ON h.account_id = a.id
 WHERE a.kind = 'hold' AND a.balance <> coalesce(h.held, {ZERO}) ORDER BY a.id
""",
    balance=Exact,
    held=Exact,
)

_ORDER_HOLDS = _spelled(
    """
SELECT h.order_id, h.account_id, h.amount, coalesce(m.moved, {ZERO}) AS moved
  FROM order_holds h LEFT JOIN (
         SELECT coalesce(e.order_id, 'foreign') AS order_id, x.account_id, {SUM}(x.amount) AS moved
           FROM ({MOVES}) x JOIN ledger_entries e ON e.id = x.entry_id
          GROUP BY coalesce(e.order_id, 'foreign'), x.account_id) m
    ON m.order_id = h.order_id AND m.account_id = h.account_id
 WHERE h.amount <> coalesce(m.moved, {ZERO}) ORDER BY h.order_id, h.account_id
""",
    amount=Exact,
    moved=Exact,
)

_INCOMPLETE = _spelled("""
SELECT e.id, e.key, e.leg_count, count(l.id) AS legs FROM ledger_entries e LEFT JOIN ledger_legs l ON l.entry_id = e.id
 GROUP BY e.id, e.key, e.leg_count HAVING count(l.id) <> e.leg_count ORDER BY e.id
""")

_NEGATIVE = _spelled(
    """
SELECT id, venue, account, asset, kind, balance FROM ledger_accounts
 WHERE kind IN ('available', 'hold') AND {BELOW_ZERO} ORDER BY id
""",
    balance=Exact,
)
