"""Positions made again from the ledger's entries: to prove that the kept ones are those, and to put them back."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from decimal import Decimal, InvalidOperation
from typing import Any

from sqlalchemy import Connection, Engine, and_, bindparam, delete, func, insert, literal, select

from accounting.fills import FillPosting
from accounting.lots import Lot
from accounting.positions import Position, moved, movement_of
from models.money import plain
from models.vocabulary import Mode, Side
from storage.engine import write
from storage.guards import manifest
from storage.ledger_tables import EntryKind, ledger_entries
from storage.order_tables import fills, order_tags, orders
from storage.position_reads import PositionKey
from storage.position_rows import state_values
from storage.position_tables import STRATEGY_TAG, position_changes, positions

#: findings told; beyond it their number is enough
MOST_FINDINGS = 100
#: entries of one look
PAGE = 1_000
#: changes written at a time when positions are made again
_BATCH = 500

#: what is compared, column by column
_COMPARED = tuple(column.name for column in position_changes.c if column.name not in ("position_id", "entry_id"))


@dataclass(slots=True, kw_only=True)
class _Standing:
    position: Position = field(default_factory=Position)
    at: datetime | None = None
    #: not used up yet
    lots: list[Lot] = field(default_factory=list)

    def after(self, number: int) -> Iterator[Lot]:
        return (lot for lot in self.lots if lot.number > number)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Replayed:
    key: PositionKey
    mode: Mode
    entry_id: int
    entry_key: str
    #: the columns of its change, None where the entry lacks its fill or order
    values: Mapping[str, Any] | None
    #: the row that the database has with them
    kept: Any


def prove_equal(conn: Connection) -> list[str]:
    """A sentence for each change that is not what the ledger's entries make of it; empty when all are.

    Use ``read(engine, snapshot=True)``: fills that come in meanwhile would look like differences. Takes time with the
    number of fills, memory with the number of positions.
    """
    findings: list[str] = []
    more = 0
    for row, problem in differences(conn):
        sentence = f"{row}: {problem}"
        if len(findings) < MOST_FINDINGS:
            findings.append(sentence)
        else:
            more += 1
    return [*findings, f"and {more} more differences between positions and ledger"] if more else findings


def rebuild(engine: Engine) -> int:
    """Make all positions again from the ledger, in one transaction; returns the number of changes.

    The guards are off inside that transaction only. Fills that come in meanwhile wait, or are tried again.
    """
    with write(engine) as conn:
        manifest.remove(conn)
        conn.execute(delete(position_changes))
        conn.execute(delete(positions))
        ids: dict[PositionKey, int] = {}
        last: dict[int, int] = {}
        rows: list[dict[str, Any]] = []
        count = 0
        for replayed in _replay(conn):
            if replayed.values is None:
                continue
            position_id = ids.get(replayed.key)
            if position_id is None:
                position_id = ids[replayed.key] = _begin(conn, replayed)
            rows.append({**replayed.values, "position_id": position_id, "entry_id": replayed.entry_id})
            last[position_id] = replayed.values["number"]
            count += 1
            if len(rows) == _BATCH:
                conn.execute(insert(position_changes), rows)
                rows = []
        if rows:
            conn.execute(insert(position_changes), rows)
        for position_id, number in last.items():
            conn.execute(positions.update().where(positions.c.id == position_id).values(number=number))
        manifest.install(conn)
    return count


def _begin(conn: Connection, replayed: _Replayed) -> int:
    key = replayed.key
    names = ("venue", "account", "asset", "cost_asset", "strategy")
    values = {**{name: getattr(key, name) for name in names}, "mode": replayed.mode, "number": 0}
    position_id: int = conn.execute(insert(positions).returning(positions.c.id), values).scalar_one()
    return position_id


def differences(conn: Connection) -> Iterator[tuple[str, str]]:
    """(the row, what stands there and what should) for each difference, inside of one snapshot."""
    seen = 0
    numbers: dict[PositionKey, int] = {}
    for replayed in _replay(conn):
        row = f"position {_named(replayed.key)}"
        if replayed.values is None:
            yield (
                row,
                f"the ledger's entry {replayed.entry_key} is a fill without its row or its content, so it can't be proven",
            )
            continue
        numbers[replayed.key] = replayed.values["number"]
        kept = replayed.kept
        if kept.number is None:
            yield row, f"lacks the fill of the ledger's entry {replayed.entry_key}: `steadfill positions --rebuild`"
            continue
        seen += 1
        kept_key = PositionKey(
            venue=kept.kept_venue,
            account=kept.kept_account,
            asset=kept.kept_asset,
            cost_asset=kept.kept_cost_asset,
            strategy=kept.kept_strategy,
        )
        if kept_key != replayed.key:
            yield row, f"the fill of the ledger's entry {replayed.entry_key} is in that of {_named(kept_key)}"
        for column in _COMPARED:
            ours, theirs = getattr(kept, column), replayed.values[column]
            if ours != theirs:
                yield (
                    f"{row}, change {replayed.values['number']}",
                    f"{column} is {_shown(ours)}, the ledger makes it {_shown(theirs)} (entry {replayed.entry_key})",
                )
    total = conn.execute(select(func.count()).select_from(position_changes)).scalar_one()
    if total != seen:
        yield "position_changes", f"{total - seen} changes of positions belong to no fill in the ledger"
    for kept in conn.execute(select(positions)):
        key = PositionKey(
            venue=kept.venue, account=kept.account, asset=kept.asset, cost_asset=kept.cost_asset, strategy=kept.strategy
        )
        if kept.number != numbers.get(key, 0):
            yield f"position {_named(key)}", f"stands at change {kept.number}, the ledger makes {numbers.get(key, 0)}"


def _replay(conn: Connection) -> Iterator[_Replayed]:
    """Every fill of the ledger in the order in which it was posted, which within a position is that of its changes."""
    standing: dict[PositionKey, _Standing] = {}
    for row in _entries(conn):
        posting = _posting(row)
        key = PositionKey(
            venue=row.venue or "?",
            account=row.account or "?",
            asset="?" if posting is None else posting.base,
            cost_asset="?" if posting is None else posting.quote,
            strategy=row.strategy,
        )
        values = None
        if posting is not None and row.venue is not None and row.fill_traded_at is not None:
            values = _apply(standing.setdefault(key, _Standing()), posting, row)
        yield _Replayed(
            key=key, mode=Mode(row.mode or Mode.LIVE), entry_id=row.id, entry_key=row.key, values=values, kept=row
        )


def _entries(conn: Connection) -> Iterator[Any]:
    """By pages, so that memory does not grow with their number."""
    after = 0
    while True:
        rows = conn.execute(_ENTRIES, {"after_entry": after}).all()
        yield from rows
        if len(rows) < PAGE:
            return
        after = rows[-1].id


def _apply(stand: _Standing, posting: FillPosting, row: Any) -> Mapping[str, Any]:
    change = moved(stand.position, movement_of(posting), stand.after)
    at = row.posted_at if stand.at is None else max(row.posted_at, stand.at)
    stand.position, stand.at = change.after, at
    if change.opened is not None:
        stand.lots.append(change.opened)
    head = change.after.head.number
    if stand.lots and stand.lots[0].number <= head:  # those before the oldest that is open are never asked for again
        stand.lots = [lot for lot in stand.lots if lot.number > head]
    return {**state_values(change), "at": at, "traded_at": row.fill_traded_at}


def _posting(row: Any) -> FillPosting | None:
    """None of an entry without its order, or one that somebody has made unreadable."""
    detail = row.detail
    try:
        return FillPosting(
            key=row.key,
            order_id=row.order_id,
            venue=row.venue,
            account=row.account,
            side=Side(detail["side"]),
            base=detail["base"],
            quote=detail["quote"],
            quantity=Decimal(detail["quantity"]),
            price=Decimal(detail["price"]),
            cost=Decimal(detail["cost"]),
            fee=Decimal(detail["fee"]),
            fee_asset=detail["fee_asset"],
        )
    except (KeyError, TypeError, ValueError, InvalidOperation):
        return None


def _named(key: PositionKey) -> str:
    strategy = f", strategy {key.strategy}" if key.strategy else ""
    return f"{key.asset}/{key.cost_asset} at {key.venue} ({key.account}{strategy})"


def _shown(value: Any) -> str:
    return plain(value) if isinstance(value, Decimal) else str(value)


_FILL_KEY = (
    literal("fill:") + fills.c.venue + ":" + fills.c.account + ":" + fills.c.symbol + ":" + fills.c.venue_order_id + ":"
    + fills.c.venue_trade_id
)  # fmt: skip
_ENTRIES = (
    select(
        ledger_entries.c.id,
        ledger_entries.c.key,
        ledger_entries.c.order_id,
        ledger_entries.c.detail,
        ledger_entries.c.posted_at,
        orders.c.venue,
        orders.c.account,
        orders.c.mode,
        fills.c.traded_at.label("fill_traded_at"),
        func.coalesce(order_tags.c.value, literal("")).label("strategy"),
        *(position_changes.c[name] for name in _COMPARED),
        *(
            positions.c[name].label(f"kept_{name}")
            for name in ("venue", "account", "asset", "cost_asset", "strategy")
        ),
    )
    .select_from(
        ledger_entries.outerjoin(orders, orders.c.id == ledger_entries.c.order_id)
        .outerjoin(fills, and_(fills.c.order_id == ledger_entries.c.order_id, ledger_entries.c.key == _FILL_KEY))
        .outerjoin(
            order_tags, and_(order_tags.c.order_id == ledger_entries.c.order_id, order_tags.c.key == STRATEGY_TAG)
        )
        .outerjoin(position_changes, position_changes.c.entry_id == ledger_entries.c.id)
        .outerjoin(positions, positions.c.id == position_changes.c.position_id)
    )
    .where(ledger_entries.c.kind == EntryKind.FILL, ledger_entries.c.id > bindparam("after_entry"))
    .order_by(ledger_entries.c.id)
    .limit(PAGE)
)  # fmt: skip
