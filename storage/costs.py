"""Orders with what their cost is computed from, as values: for reports. Nothing here changes a row."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any

from sqlalchemy import BindParameter, Connection, RowMapping, Select, bindparam, select

from accounting.costs import CostFill, OrderCost, OrderFacts
from accounting.costs_market import IntervalMarket
from models.clock import from_micros
from models.transitions import ORDER_FINAL
from models.vocabulary import Liquidity, Mode, Side
from storage.cost_markets import MEASURED
from storage.cost_tables import order_markets
from storage.order_tables import child_orders, fills, order_tags, orders

#: orders read at a time
PAGE = 500

_MEASURED = [status.value for status in MEASURED]
_FINAL = [status.value for status in ORDER_FINAL]
_IDS: BindParameter[Any] = bindparam("ids", expanding=True)
_FILLS = select(fills).where(fills.c.order_id.in_(_IDS)).order_by(fills.c.traded_at, fills.c.venue_trade_id)
_CHILDREN = (
    select(
        child_orders.c.order_id,
        child_orders.c.attempt,
        child_orders.c.quantity,
        child_orders.c.due_at,
        child_orders.c.sent_at,
    )
    .where(child_orders.c.order_id.in_(_IDS))
    .order_by(child_orders.c.due_at, child_orders.c.slice)
)
_MARKETS = select(order_markets).where(order_markets.c.order_id.in_(_IDS))
_BY_ID = select(orders).where(orders.c.id == bindparam("id"))


@dataclass(frozen=True, slots=True, kw_only=True)
class CostFilter:
    """Which ended orders; None means any. ``since`` (included) and ``until`` (not) bound ``created_at``.

    Orders that were denied are in none: they were never meant for the market, by our own decision.
    """

    venue: str | None = None
    account: str | None = None
    symbol: str | None = None
    algorithm: str | None = None
    #: every one of these (key, value) pairs
    tags: Sequence[tuple[str, str]] = ()
    since: datetime | None = None
    until: datetime | None = None
    mode: Mode = Mode.LIVE
    #: prices of assets that fees were taken in, by (asset, quote asset)
    fee_prices: Mapping[tuple[str, str], Decimal] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class PlannedSlice:
    #: base; of the slice's first attempt
    quantity: Decimal
    due_at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class MarketPoint:
    """One candle of the interval."""

    open_at: datetime
    length: timedelta
    #: quote per base
    close: Decimal
    #: base
    volume: Decimal


@dataclass(frozen=True, slots=True, kw_only=True)
class CostedOrder:
    """An order, its cost, and the course of both plan and market."""

    id: str
    client_order_id: str
    venue: str
    account: str
    symbol: str
    status: str
    algorithm: str
    tags: Mapping[str, str]
    cost: OrderCost
    #: by the time that they were due
    slices: tuple[PlannedSlice, ...]
    #: oldest first; empty where the market is not known
    path: tuple[MarketPoint, ...]
    #: why the market is not known; None where it is, or was not asked for yet
    market_problem: str | None


def cost_of(
    conn: Connection, order_id: str, fee_prices: Mapping[tuple[str, str], Decimal] | None = None
) -> CostedOrder | None:
    """One order, ended or not; None for an id that does not exist."""
    rows = conn.execute(_BY_ID, {"id": order_id}).mappings().all()
    return next(_costed(conn, rows, fee_prices or {}), None)


def costs(conn: Connection, wanted: CostFilter) -> Iterator[CostedOrder]:
    """Ended orders, the newest first, read page by page."""
    statement = _matching(wanted)
    last: str | None = None
    while True:
        page = statement if last is None else statement.where(orders.c.id < last)
        rows = conn.execute(page).mappings().all()
        matching = [row for row in rows if wanted.algorithm in (None, _algorithm(row))]
        yield from _costed(conn, matching, wanted.fee_prices)
        if len(rows) < PAGE:
            return
        last = rows[-1]["id"]


def _matching(wanted: CostFilter) -> Select[Any]:
    statement = select(orders).where(orders.c.status.in_(_MEASURED), orders.c.mode == wanted.mode.value)
    for name in ("venue", "account", "symbol"):
        value = getattr(wanted, name)
        if value is not None:
            statement = statement.where(orders.c[name] == value)
    if wanted.since is not None:
        statement = statement.where(orders.c.created_at >= wanted.since)
    if wanted.until is not None:
        statement = statement.where(orders.c.created_at < wanted.until)
    for key, value in wanted.tags:
        tagged = select(order_tags.c.order_id).where(order_tags.c.key == key, order_tags.c.value == value)
        statement = statement.where(orders.c.id.in_(tagged))
    return statement.order_by(orders.c.id.desc()).limit(PAGE)


def _algorithm(row: RowMapping) -> str:
    return str(row["algorithm"].get("name", "single"))


def _costed(
    conn: Connection, rows: Sequence[RowMapping], fee_prices: Mapping[tuple[str, str], Decimal]
) -> Iterator[CostedOrder]:
    if not rows:
        return
    ids = {"ids": [row["id"] for row in rows]}
    booked = _grouped(conn.execute(_FILLS, ids).mappings())
    children = _grouped(conn.execute(_CHILDREN, ids).mappings())
    markets = {row["order_id"]: row for row in conn.execute(_MARKETS, ids).mappings()}
    for row in rows:
        order_id = row["id"]
        market = markets.get(order_id)
        facts = _facts(row, booked.get(order_id, ()), children.get(order_id, ()), market, fee_prices)
        yield CostedOrder(
            id=order_id,
            client_order_id=row["client_order_id"],
            venue=row["venue"],
            account=row["account"],
            symbol=row["symbol"],
            status=row["status"],
            algorithm=_algorithm(row),
            tags=row["tags"],
            cost=OrderCost(facts=facts),
            slices=tuple(
                PlannedSlice(quantity=child["quantity"], due_at=child["due_at"])
                for child in children.get(order_id, ())
                if child["attempt"] == 1
            ),
            path=_path(market),
            market_problem=market["problem"] if market else None,
        )


def _facts(
    row: RowMapping,
    booked: Iterable[RowMapping],
    children: Iterable[RowMapping],
    market: RowMapping | None,
    fee_prices: Mapping[tuple[str, str], Decimal],
) -> OrderFacts:
    return OrderFacts(
        side=Side(row["side"]),
        base=row["base"],
        quote=row["quote"],
        quantity=row["quantity"],
        decision_price=row["decision_price"],
        arrival_price=row["arrival_price"],
        fills=tuple(_fill(fill) for fill in booked),
        submitted_at=row["submitted_at"],
        created_at=row["created_at"],
        first_sent_at=min((child["sent_at"] for child in children if child["sent_at"]), default=None),
        ended_at=row["updated_at"] if row["status"] in _FINAL else None,
        market=_market(market),
        fee_prices={asset: price for (asset, quote), price in fee_prices.items() if quote == row["quote"]},
    )


def _fill(row: RowMapping) -> CostFill:
    return CostFill(
        quantity=row["quantity"],
        price=row["price"],
        cost=row["cost"],
        fee=row["fee"],
        fee_asset=row["fee_asset"],
        liquidity=Liquidity(row["liquidity"]) if row["liquidity"] else None,
        traded_at=row["traded_at"],
    )


def _market(row: RowMapping | None) -> IntervalMarket | None:
    """None until the venue has shown it."""
    if row is None or row["captured_at"] is None:
        return None
    return IntervalMarket(
        start_at=row["start_at"],
        end_at=row["end_at"],
        volume=row["volume"],
        vwap=row["vwap"],
        twap=row["twap"],
        first_price=row["first_price"],
        last_price=row["last_price"],
    )


def _path(row: RowMapping | None) -> tuple[MarketPoint, ...]:
    if row is None or not row["path"]:
        return ()
    length = timedelta(seconds=row["candle_s"])
    return tuple(
        MarketPoint(open_at=from_micros(open_at), length=length, close=Decimal(close), volume=Decimal(volume))
        for open_at, close, volume in row["path"]
    )


def _grouped(rows: Iterable[RowMapping]) -> dict[str, list[RowMapping]]:
    groups: dict[str, list[RowMapping]] = {}
    for row in rows:
        groups.setdefault(row["order_id"], []).append(row)
    return groups
