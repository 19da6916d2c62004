"""What reconciliation reads of orders and books: what moves which asset, what was booked since, which orders are ours."""

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal

from sqlalchemy import Connection, or_, select, text

from accounting.legs import AccountKind
from models.order import ChildOrder
from models.transitions import CHILD_LIVE
from models.vocabulary import ChildStatus, Side
from storage.children import child_of
from storage.ledger_reads import balances
from storage.ledger_tables import ledger_accounts, ledger_entries, ledger_legs
from storage.order_tables import child_orders, fills, orders

_LIVE = [status.value for status in CHILD_LIVE]
_RESTING = (ChildStatus.ACCEPTED.value, ChildStatus.PARTIALLY_FILLED.value)

#: Spelled as the partial index on what has not ended spells it: only so does either database see that it answers.
_NOT_ENDED = text("child_orders.status NOT IN ('FILLED', 'CANCELED', 'EXPIRED', 'REJECTED')")

#: ids in one statement, under what either database takes
_MANY = 500


@dataclass(frozen=True, slots=True, kw_only=True)
class Motion:
    """By what orders of ours an asset may move at the venue without us knowing."""

    #: a request is on its way, without an answer, or being cancelled or amended: nobody can say what it has done
    in_doubt: frozenset[str]
    #: those, and assets of orders that rest
    live: frozenset[str]


def symbols_to_read(conn: Connection, venue: str, account: str, since: datetime) -> list[str]:
    """Symbols with an order that is live, or that changed since then."""
    query = (
        select(child_orders.c.symbol)
        .where(child_orders.c.venue == venue, child_orders.c.account == account)
        .where(or_(child_orders.c.updated_at >= since, child_orders.c.status.in_(_LIVE)))
        .where(child_orders.c.sent_at.is_not(None))
        .distinct()
    )
    return sorted(conn.execute(query).scalars())


def live_symbols(conn: Connection, venue: str, account: str) -> list[str]:
    query = select(child_orders.c.symbol).where(
        child_orders.c.venue == venue,
        child_orders.c.account == account,
        child_orders.c.status.in_(_LIVE),
        _NOT_ENDED,
    )
    return sorted(conn.execute(query.distinct()).scalars())


def motion(conn: Connection, venue: str, account: str) -> Motion:
    query = (
        select(orders.c.base, orders.c.quote, child_orders.c.status)
        .join(child_orders, child_orders.c.order_id == orders.c.id)
        .where(child_orders.c.venue == venue, child_orders.c.account == account)
        .where(child_orders.c.status.in_(_LIVE), _NOT_ENDED)
        .distinct()
    )
    in_doubt: set[str] = set()
    live: set[str] = set()
    for base, quote, status in conn.execute(query):
        live |= {base, quote}
        if status not in _RESTING:
            in_doubt |= {base, quote}
    return Motion(in_doubt=frozenset(in_doubt), live=frozenset(live))


def assets_booked_since(conn: Connection, venue: str, account: str, since: datetime) -> frozenset[str]:
    """Assets that fills booked since then have moved."""
    query = (
        select(orders.c.base, orders.c.quote, fills.c.fee_asset)
        .join(orders, orders.c.id == fills.c.order_id)
        .where(fills.c.venue == venue, fills.c.account == account, fills.c.booked_at >= since)
        .distinct()
    )
    return frozenset(asset for row in conn.execute(query) for asset in row if asset)


def came_or_left_at(conn: Connection, venue: str, account: str, asset: str) -> datetime | None:
    """When something of an asset last came into our books from outside or left them: by a deposit, a withdrawal, a correction."""
    outside = select(ledger_accounts.c.last_leg_id).where(
        ledger_accounts.c.venue == venue,
        ledger_accounts.c.account == account,
        ledger_accounts.c.asset == asset,
        ledger_accounts.c.kind == AccountKind.EXTERNAL,
    )
    query = (
        select(ledger_entries.c.posted_at)
        .join(ledger_legs, ledger_legs.c.entry_id == ledger_entries.c.id)
        .where(ledger_legs.c.id == outside.scalar_subquery())
    )
    at: datetime | None = conn.execute(query).scalar_one_or_none()
    return at


def totals(conn: Connection, venue: str, account: str) -> dict[str, Decimal]:
    """What our books own, by asset."""
    return {held.asset: held.total for held in balances(conn, venue, account)}


def live_children(conn: Connection, venue: str, account: str, symbols: Collection[str]) -> list[ChildOrder]:
    query = select(child_orders).where(
        child_orders.c.venue == venue,
        child_orders.c.account == account,
        child_orders.c.status.in_(_LIVE),
        _NOT_ENDED,
    )
    wanted = set(symbols)
    return [child_of(row) for row in conn.execute(query).mappings() if row["symbol"] in wanted]


def children_named(
    conn: Connection, venue: str, account: str, *, venue_order_ids: Sequence[str], client_ids: Sequence[str]
) -> list[ChildOrder]:
    """Children of an account by either of their ids at the venue; of other symbols too, where those have the same id."""
    found: dict[str, ChildOrder] = {}
    pairs = ((child_orders.c.venue_order_id, venue_order_ids), (child_orders.c.venue_client_order_id, client_ids))
    for column, ids in pairs:
        for start in range(0, len(ids), _MANY):
            query = select(child_orders).where(
                child_orders.c.venue == venue,
                child_orders.c.account == account,
                column.in_(list(ids[start : start + _MANY])),
            )
            for row in conn.execute(query).mappings():
                child = child_of(row)
                found[child.id] = child
    return list(found.values())


@dataclass(frozen=True, slots=True, kw_only=True)
class BookedTrade:
    venue_order_id: str
    venue_trade_id: str
    side: Side
    quantity: Decimal
    price: Decimal
    traded_at: datetime


def trades_booked(conn: Connection, venue: str, account: str, symbol: str, since: datetime) -> list[BookedTrade]:
    """Fills of one symbol that traded since then."""
    query = select(fills).where(
        fills.c.venue == venue, fills.c.account == account, fills.c.symbol == symbol, fills.c.traded_at >= since
    )
    return [
        BookedTrade(
            venue_order_id=row["venue_order_id"],
            venue_trade_id=row["venue_trade_id"],
            side=Side(row["side"]),
            quantity=row["quantity"],
            price=row["price"],
            traded_at=row["traded_at"],
        )
        for row in conn.execute(query).mappings()
    ]


def places_with_live_orders(conn: Connection) -> list[tuple[str, str]]:
    """(venue, account) pairs with something of ours that may be live at the venue."""
    query = select(child_orders.c.venue, child_orders.c.account).where(child_orders.c.status.in_(_LIVE), _NOT_ENDED)
    return sorted((row.venue, row.account) for row in conn.execute(query.distinct()))
