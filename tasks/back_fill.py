"""Back-fill: trades and orders of a venue account are read again, and what our books lack is booked as settling does."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from decimal import Decimal

import structlog

from accounting.reconciliation_positions import PositionBreak, Traded, position_break
from exchanges.evidence import Evidence, VenueError
from exchanges.gateway import Gateway
from exchanges.protection.lanes import LONG_JOB_PATIENCE_S, waiting_at_most
from exchanges.protection.refused import NotAdmitted
from failpoints import failpoint
from models.money import ZERO, add, multiply, plain, subtract
from models.order import ChildOrder
from models.reports import OrderReport, Trade, VenueStatus
from models.vocabulary import ChildStatus, Side
from storage.engine import is_unavailable, read
from storage.fills import booked_trades
from storage.orders import Stale
from storage.reconciliation_facts import BookedTrade, children_named, live_children, trades_booked
from tasks.ending import add_up
from tasks.runtime import Runtime
from tasks.settle import apply_report, completed, merged
from tasks.track import TRADES_KEPT_MARGIN

log = structlog.get_logger()

SOURCE = "reconcile"

#: Trades so near to the moment from which they were asked for are not compared: venues round their times.
EDGE = timedelta(seconds=1)

#: how a child that has ended is told in a report that is put together from its trades alone
_AS_TOLD = {
    ChildStatus.FILLED: VenueStatus.FILLED,
    ChildStatus.CANCELED: VenueStatus.CANCELED,
    ChildStatus.EXPIRED: VenueStatus.EXPIRED,
    ChildStatus.REJECTED: VenueStatus.REJECTED,
}


@dataclass(slots=True, kw_only=True)
class OrdersRead:
    """What the venue showed of orders and trades, after what was missing in our books is in them."""

    open_orders: list[OrderReport] = field(default_factory=list)
    #: of live children that were not among them, the venue's word by its order id; None: it does not know it
    asked: dict[str, OrderReport | None] = field(default_factory=dict)
    trades: int = 0
    #: trades that were booked now
    booked: int = 0
    #: trades of orders that are not ours: what a stranger on the account moved
    foreign: list[Trade] = field(default_factory=list)
    #: symbols of which our fills and the venue's trades of our orders lead to different positions
    positions: list[PositionBreak] = field(default_factory=list)
    #: symbols of which something could not be followed: nothing is concluded of their assets
    unread: set[str] = field(default_factory=set)


@waiting_at_most(LONG_JOB_PATIENCE_S)
def read_orders(runtime: Runtime, gateway: Gateway, symbols: Iterable[str], since: datetime | None) -> OrdersRead:
    """Open orders of some symbols, and with ``since`` their trades from then on. Raises VenueError on an outage.

    Open orders are read before the trades: a fill between the two looks shows in the trades at least.
    """
    seen = OrdersRead()
    for symbol in symbols:
        open_orders = gateway.open_orders(symbol)
        shown_from = None if since is None else _shown_from(runtime, gateway, since)
        trades = [] if shown_from is None else gateway.trades_since(symbol, shown_from)
        seen.open_orders += open_orders
        seen.trades += len(trades)
        ours = _follow_all(runtime, gateway, symbol, open_orders, trades, seen)
        if shown_from is not None:
            _compare_position(runtime, gateway, symbol, shown_from + EDGE, trades, ours, seen)
        failpoint("reconcile.symbol.read")
    return seen


def _shown_from(runtime: Runtime, gateway: Gateway, since: datetime) -> datetime:
    kept = gateway.capabilities.trades_kept
    return since if kept is None else max(since, runtime.now() - kept + TRADES_KEPT_MARGIN)


def _follow_all(
    runtime: Runtime,
    gateway: Gateway,
    symbol: str,
    open_orders: Sequence[OrderReport],
    trades: Sequence[Trade],
    seen: OrdersRead,
) -> frozenset[str]:
    """Returns the venue's ids of the orders of ours that traded."""
    venue, account = gateway.venue, gateway.account
    by_order: dict[str, list[Trade]] = {}
    for trade in trades:
        by_order.setdefault(trade.venue_order_id, []).append(trade)
    with read(runtime.engine) as conn:
        named = children_named(conn, venue, account, venue_order_ids=sorted(by_order), client_ids=[])
        traded = {child.venue_order_id: child for child in named if child.symbol == symbol}
        booked = booked_trades(conn, [child.id for child in traded.values()])
        live = [child for child in live_children(conn, venue, account, [symbol]) if child.venue_order_id is not None]
    shown = {report.venue_order_id: report for report in open_orders}
    seen.foreign += [trade for trade in trades if trade.venue_order_id not in traded]
    children = {child.id: child for child in live}
    for venue_order_id, child in traded.items():
        if any(trade.venue_trade_id not in booked for trade in by_order[venue_order_id or ""]):
            children[child.id] = child
    for child in children.values():
        own = by_order.get(child.venue_order_id or "", [])
        _follow_safely(runtime, gateway, child, shown, own, seen)
        seen.booked += sum(trade.venue_trade_id not in booked for trade in own)
    return frozenset(venue_order_id for venue_order_id in traded if venue_order_id is not None)


def _compare_position(
    runtime: Runtime,
    gateway: Gateway,
    symbol: str,
    since: datetime,
    trades: Sequence[Trade],
    ours: frozenset[str],
    seen: OrdersRead,
) -> None:
    """A trade that is booked and that the venue shows no more, or shows with other figures, is a break."""
    with read(runtime.engine) as conn:
        booked = trades_booked(conn, gateway.venue, gateway.account, symbol, since)
    known = {(one.venue_order_id, one.venue_trade_id) for one in booked}
    told = [
        trade
        for trade in trades
        if trade.traded_at >= since
        and (trade.venue_order_id in ours or (trade.venue_order_id, trade.venue_trade_id) in known)
    ]
    found = position_break(symbol, _in_order(booked), _in_order(told))
    if found is not None:
        seen.positions.append(found)


def _in_order(trades: Iterable[Trade | BookedTrade]) -> list[Traded]:
    by_time = sorted(trades, key=lambda one: (one.traded_at, one.venue_order_id, one.venue_trade_id))
    return [Traded(side=one.side, quantity=one.quantity, price=one.price) for one in by_time]


def _follow_safely(
    runtime: Runtime,
    gateway: Gateway,
    child: ChildOrder,
    shown: Mapping[str, OrderReport],
    trades: Sequence[Trade],
    seen: OrdersRead,
) -> None:
    """One child that can't be followed keeps nobody from the others, and from judging its assets."""
    try:
        _follow(runtime, gateway, child, shown, trades, seen)
        return
    except VenueError as error:
        if error.evidence is Evidence.RATE_LIMITED or error.outage or isinstance(error, NotAdmitted):
            raise
        log.warning("an order could not be read", child_id=child.id, error=error.message)
    except Stale:
        log.info("an order moved on while it was followed", child_id=child.id)
    except Exception as error:
        if is_unavailable(error):
            raise
        log.exception("an order could not be followed; the others are", child_id=child.id)
    seen.unread.add(child.symbol)


def _follow(
    runtime: Runtime,
    gateway: Gateway,
    child: ChildOrder,
    shown: Mapping[str, OrderReport],
    trades: Sequence[Trade],
    seen: OrdersRead,
) -> None:
    assert child.venue_order_id is not None
    report = shown.get(child.venue_order_id)
    if report is None:
        report = _fetch(gateway, child)
        seen.asked[child.venue_order_id] = report
    if report is None:
        report = _told_by_trades(child, trades)
    if report is not None:
        whole = replace(report, trades=merged(report.trades, tuple(trades)))
        # Not in the lane of lookups: many accounts are read at night, and each cancel must find its slot all the same.
        apply_report(runtime, child.id, completed(runtime, child, whole), source=SOURCE)


def _fetch(gateway: Gateway, child: ChildOrder) -> OrderReport | None:
    """The order's own page; None where the venue says that it has none such."""
    assert child.venue_order_id is not None
    try:
        return gateway.fetch_order(child.symbol, child.venue_order_id)
    except VenueError as error:
        if error.evidence is Evidence.NOT_FOUND:
            return None
        raise


def _told_by_trades(child: ChildOrder, trades: Sequence[Trade]) -> OrderReport | None:
    """An ended order that the venue has forgotten, and whose trades it still shows: they are booked all the same."""
    if not child.is_final or not trades or child.venue_order_id is None:
        return None
    told = add_up(trade.quantity for trade in trades)
    return OrderReport(
        symbol=child.symbol,
        venue_order_id=child.venue_order_id,
        client_order_id=child.venue_client_order_id,
        status=_AS_TOLD[child.status],
        quantity=child.quantity,
        filled_quantity=max(child.filled_quantity, told),
        filled_cost=None,
        price=child.price,
        trades=tuple(trades),
    )


def strangers(trades: Iterable[Trade]) -> dict[str, str]:
    """By asset, what trades of orders that are not ours have moved: an explanation, in plain notation."""
    totals: dict[str, Decimal] = {}
    for trade in trades:
        base, quote = trade.symbol.split("/")
        cost = trade.cost if trade.cost is not None else multiply(trade.quantity, trade.price)
        signed = (
            (trade.quantity, cost.copy_negate()) if trade.side is Side.BUY else (trade.quantity.copy_negate(), cost)
        )
        for asset, amount in zip((base, quote), signed, strict=True):
            totals[asset] = add(totals.get(asset, ZERO), amount)
        if trade.fee_asset is not None:
            totals[trade.fee_asset] = subtract(totals.get(trade.fee_asset, ZERO), trade.fee)
    return {asset: plain(amount) for asset, amount in sorted(totals.items())}
