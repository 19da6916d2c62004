"""Fills as rows: the key is the venue's, per account, symbol and order; the same trade is inserted once."""

from collections.abc import Mapping, Sequence
from datetime import datetime
from decimal import Decimal
from typing import Any

from sqlalchemy import Connection, bindparam, func, select
from sqlalchemy.dialects import postgresql, sqlite

from models.money import ZERO, add, multiply
from models.order import ChildOrder
from models.reports import Trade
from storage.order_tables import fills
from storage.types import Timestamp

_INSERT = {
    "postgresql": postgresql.insert(fills).on_conflict_do_nothing().returning(fills.c.venue_trade_id),
    "sqlite": sqlite.insert(fills).on_conflict_do_nothing().returning(fills.c.venue_trade_id),
}
_SAME = select(fills).where(
    fills.c.venue == bindparam("venue"),
    fills.c.account == bindparam("account"),
    fills.c.symbol == bindparam("symbol"),
    fills.c.venue_order_id == bindparam("venue_order_id"),
    fills.c.venue_trade_id == bindparam("venue_trade_id"),
)
_BOOKED = select(fills.c.venue_trade_id).where(fills.c.child_id.in_(bindparam("child_ids", expanding=True)))
_LAST_BOOKED = select(func.max(fills.c.booked_at)).where(
    fills.c.venue == bindparam("venue"), fills.c.account == bindparam("account")
)
_BOOKED_IN = select(fills.c.venue_trade_id, fills.c.quantity).where(
    fills.c.venue == bindparam("venue"),
    fills.c.symbol == bindparam("symbol"),
    fills.c.booked_at >= bindparam("since", type_=Timestamp()),
    fills.c.booked_at < bindparam("until", type_=Timestamp()),
)


class ContradictoryFill(Exception):
    """The venue told one trade twice with different content: one of the two is wrong, and a person must look."""


def cost_of(trade: Trade) -> Decimal:
    """Quote that changed hands: the venue's figure where it states one."""
    return trade.cost if trade.cost is not None else multiply(trade.quantity, trade.price)


def fill_key(child: ChildOrder, trade: Trade) -> str:
    """Binance numbers orders and trades per symbol, and a self-match puts one trade id on two of our orders."""
    return f"fill:{child.venue}:{child.account}:{child.symbol}:{trade.venue_order_id}:{trade.venue_trade_id}"


def key_of_fill(fill: Mapping[Any, Any]) -> str:
    """The same from a fill's row."""
    return f"fill:{fill['venue']}:{fill['account']}:{fill['symbol']}:{fill['venue_order_id']}:{fill['venue_trade_id']}"


def insert_fill(conn: Connection, child: ChildOrder, trade: Trade, *, now: datetime) -> bool:
    """Insert a fill; False when it is there already. Raises ContradictoryFill when it is there with other content."""
    values = {
        "venue": child.venue,
        "account": child.account,
        "symbol": child.symbol,
        "venue_order_id": trade.venue_order_id,
        "venue_trade_id": trade.venue_trade_id,
        "child_id": child.id,
        "order_id": child.order_id,
        "side": trade.side.value,
        "quantity": trade.quantity,
        "price": trade.price,
        "cost": cost_of(trade),
        "fee": trade.fee,
        "fee_asset": trade.fee_asset,
        "liquidity": trade.liquidity and trade.liquidity.value,
        "traded_at": trade.traded_at,
        "booked_at": now,
    }
    if conn.execute(_INSERT[conn.dialect.name], values).one_or_none() is not None:
        return True
    kept = conn.execute(_SAME, values).mappings().one()
    for name in ("child_id", "side", "quantity", "price", "fee"):
        if kept[name] != values[name]:
            raise ContradictoryFill(
                f"trade {trade.venue_trade_id} of order {trade.venue_order_id} at {child.venue} "
                f"was booked with {name} {kept[name]} and now comes with {values[name]}"
            )
    return False


def booked_trades(conn: Connection, child_ids: Sequence[str]) -> frozenset[str]:
    """The venue's trade ids that are booked for some children of one symbol."""
    if not child_ids:
        return frozenset()
    return frozenset(conn.execute(_BOOKED, {"child_ids": list(child_ids)}).scalars())


def last_booked_at(conn: Connection, venue: str, account: str) -> datetime | None:
    """When the newest fill of a venue account was booked."""
    newest: datetime | None = conn.execute(_LAST_BOOKED, {"venue": venue, "account": account}).scalar_one()
    return newest


def volume_booked(conn: Connection, venue: str, symbol: str, since: datetime, until: datetime) -> Decimal:
    """Base that all our accounts at a venue traded in one symbol, by when it was booked: ``since`` and before ``until``.

    By the time of booking each fill counts in exactly one of several spans that follow each other, however late the
    venue told of it. A trade of ours with ourselves counts once, as in the venue's public record.
    """
    found = conn.execute(_BOOKED_IN, {"venue": venue, "symbol": symbol, "since": since, "until": until})
    by_trade = {row.venue_trade_id: row.quantity for row in found}
    total = ZERO
    for quantity in by_trade.values():
        total = add(total, quantity)
    return total
