"""One look at a venue account: our books, their hot copy and the venue, and what may blur the comparison."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any

import structlog

from accounting.reconciliation import BalanceSeen, differing, seen
from accounting.reconciliation_orders import OrderBreak, order_breaks
from accounting.reconciliation_positions import PositionBreak
from exchanges.evidence import Evidence, VenueError
from exchanges.gateway import Gateway
from exchanges.protection.lanes import LONG_JOB_PATIENCE_S, waiting_at_most
from exchanges.protection.refused import NotAdmitted
from failpoints import failpoint
from models.clock import format_time
from models.ids import is_of_deployment
from models.money import plain, plain_or_none
from models.reconciliation import RunScope
from models.reports import OrderReport
from storage.deployment import prefix_of_deployment
from storage.engine import read, write
from storage.ledger_reads import opened_at
from storage.position_reads import HeldPosition, PositionFilter, read_positions
from storage.reconciliation_facts import (
    children_named,
    live_children,
    live_symbols,
    motion,
    symbols_to_read,
    totals,
)
from storage.reconciliations import last_full_run
from tasks.back_fill import OrdersRead, read_orders, strangers
from tasks.hot_books import hot_balances, hot_positions
from tasks.runtime import Runtime

log = structlog.get_logger()

#: Trades are read again this far back, since venues may show them late.
OVERLAP = timedelta(hours=1)

#: differences that a look keeps as evidence; where more differ the whole account is another one, and so many show it
MOST_KEPT = 10_000


@dataclass(frozen=True, slots=True, kw_only=True)
class Look:
    began_at: datetime
    #: by asset; empty in a comparison of orders alone
    balances: tuple[BalanceSeen, ...]
    orders: tuple[OrderBreak, ...]
    positions: tuple[PositionBreak, ...]
    #: symbols whose open orders were read, and whether those of every other symbol were
    symbols: frozenset[str]
    listed_all: bool
    #: what the hot copy had otherwise than the books, as NAME=WHAT IT SAYS
    copied_otherwise: frozenset[str]
    #: assets that requests of ours, or orders that could not be read, may have moved
    blurred: frozenset[str]
    #: what trades of orders that are not ours moved, by asset
    strangers: Mapping[str, str]
    #: from when on
    strangers_from: datetime
    figures: Mapping[str, int]

    def looked_for_orders(self, symbol: str) -> bool:
        """Whether an order that rests in the symbol would have been seen."""
        return self.listed_all or symbol in self.symbols

    def body(self) -> dict[str, Any]:
        """As evidence, and for the second look to compare with; decimals in plain notation."""
        different = differing(self.balances)
        return {
            "began_at": format_time(self.began_at),
            "figures": dict(self.figures),
            "balances": [
                {
                    "asset": one.asset,
                    "ours": plain(one.ours),
                    "cached": plain_or_none(one.cached),
                    "theirs": plain(one.theirs),
                }
                for one in different[:MOST_KEPT]
            ],
            "orders": [
                {"key": one.key, "ours": plain_or_none(one.ours), "theirs": plain_or_none(one.theirs)}
                for one in self.orders[:MOST_KEPT]
            ],
            "positions": [
                {"key": key, "quantity": plain(quantity), "value": plain(value)}
                for key, quantity, value in (one.content for one in self.positions)
            ],
            "copied_otherwise": sorted(self.copied_otherwise)[:MOST_KEPT],
            "blurred": sorted(self.blurred),
            "strangers": dict(self.strangers),
            "strangers_from": format_time(self.strangers_from),
        }


def _differences(body: Mapping[str, Any]) -> dict[str, Decimal]:
    """What the first look saw to differ, by asset: theirs - ours."""
    return {
        one["asset"]: BalanceSeen(
            asset=one["asset"], ours=Decimal(one["ours"]), cached=None, theirs=Decimal(one["theirs"])
        ).difference
        for one in body["balances"]
    }


def _orders(body: Mapping[str, Any]) -> set[tuple[str, Decimal | None, Decimal | None]]:
    def number(value: str | None) -> Decimal | None:
        return None if value is None else Decimal(value)

    return {(one["key"], number(one["ours"]), number(one["theirs"])) for one in body["orders"]}


def _positions(body: Mapping[str, Any]) -> set[tuple[str, Decimal, Decimal]]:
    return {(one["key"], Decimal(one["quantity"]), Decimal(one["value"])) for one in body["positions"]}


@dataclass(frozen=True, slots=True, kw_only=True)
class FirstSeen:
    """What a first look saw to differ: only what the second sees the same stands."""

    #: theirs - ours, by asset
    differences: Mapping[str, Decimal]
    orders: frozenset[tuple[str, Decimal | None, Decimal | None]]
    positions: frozenset[tuple[str, Decimal, Decimal]]
    copied_otherwise: frozenset[str]


def first_seen(body: Mapping[str, Any]) -> FirstSeen:
    return FirstSeen(
        copied_otherwise=frozenset(body.get("copied_otherwise", ())),
        differences=_differences(body),
        orders=frozenset(_orders(body)),
        positions=frozenset(_positions(body)),
    )


@waiting_at_most(LONG_JOB_PATIENCE_S)
def look_at(runtime: Runtime, gateway: Gateway, scope: RunScope) -> Look:
    """Read trades and orders, book what is missing, then compare. Raises VenueError where the venue can't be asked."""
    venue, account = gateway.venue, gateway.account
    began_at = runtime.now()
    settings = runtime.settings.reconciliation
    earliest = began_at - timedelta(days=settings.backfill_days)
    with read(runtime.engine) as conn:
        last = last_full_run(conn, venue, account) if scope is RunScope.FULL else None
        since = earliest if last is None else max(earliest, last - OVERLAP)
        # What a stranger did before that is in the books: by the run before, or by the opening.
        told_from = max(last or earliest, opened_at(conn, venue, account) or earliest)
        full = scope is RunScope.FULL
        symbols = symbols_to_read(conn, venue, account, since) if full else live_symbols(conn, venue, account)
    orders_read = read_orders(runtime, gateway, symbols, since if full else None)
    elsewhere = _open_elsewhere(gateway, frozenset(symbols)) if full else None
    orders_read.open_orders += elsewhere or []
    failpoint("reconcile.back_filled")
    with read(runtime.engine) as conn:
        before = motion(conn, venue, account)
    theirs = {found.asset: found.total for found in gateway.balances()} if full else {}
    failpoint("reconcile.balances.read")
    with read(runtime.engine, snapshot=True) as conn:
        ours = totals(conn, venue, account) if full else {}
        held = read_positions(conn, PositionFilter(venue=venue, account=account)) if full else []
        after = motion(conn, venue, account)
    cached = cached_balances(runtime, venue, account) if full else None
    unread = {asset for symbol in orders_read.unread for asset in symbol.split("/")}
    orders = _compare_orders(runtime, gateway, orders_read, symbols)
    return Look(
        began_at=began_at,
        balances=tuple(seen(ours, cached, theirs)) if full else (),
        orders=tuple(one for one in orders if one.symbol not in orders_read.unread),
        positions=tuple(one for one in orders_read.positions if one.symbol not in orders_read.unread),
        symbols=frozenset(symbols) - orders_read.unread,
        listed_all=elsewhere is not None and not orders_read.unread,
        copied_otherwise=_copied_otherwise(runtime, venue, account, ours, cached, held) if full else frozenset(),
        blurred=before.in_doubt | after.in_doubt | unread,
        strangers=strangers(trade for trade in orders_read.foreign if trade.traded_at >= told_from),
        strangers_from=told_from,
        figures={
            "symbols": len(symbols),
            "assets": len(ours.keys() | theirs.keys()),
            "trades": orders_read.trades,
            "booked": orders_read.booked,
            "open_orders": len(orders_read.open_orders),
        },
    )


def _copied_otherwise(
    runtime: Runtime,
    venue: str,
    account: str,
    ours: Mapping[str, Decimal],
    cached: Mapping[str, Decimal] | None,
    held: Sequence[HeldPosition],
) -> frozenset[str]:
    """What the hot copy lacks, has too much, or has with another content, as NAME=WHAT IT SAYS; nothing where there is no copy.

    With what it says, so that one that follows the books a moment late is another one in each look, and only one that
    stands still stands in both.
    """
    found = set()
    if cached is not None:
        wrong = [asset for asset in ours.keys() | cached.keys() if ours.get(asset) != cached.get(asset)]
        found |= {f"{asset}={plain_or_none(cached.get(asset))}" for asset in wrong}
    copy = hot_positions(runtime, venue, account)
    if copy is not None:
        true, told = ({one.key: one for one in side} for side in (held, copy[0]))
        for key in true.keys() | told.keys():
            says = told.get(key)
            if true.get(key) != says:
                name = " ".join((f"{key.asset}/{key.cost_asset}", key.strategy)).strip()
                found.add(
                    f"{name}={None if says is None else f'{plain(says.position.quantity)} by entry {says.entry_id}'}"
                )
    return frozenset(found)


def _open_elsewhere(gateway: Gateway, symbols: frozenset[str]) -> list[OrderReport] | None:
    """What rests in other symbols: ours that no row tells of, or somebody else's. None where nobody can say.

    An order there that can't be read is no order of ours that is known, and keeps nobody from comparing all else.
    """
    if not gateway.capabilities.lists_all_open:
        return None
    try:
        return [report for report in gateway.all_open_orders() if report.symbol not in symbols]
    except VenueError as error:
        if error.evidence is Evidence.RATE_LIMITED or error.outage or isinstance(error, NotAdmitted):
            raise
        log.warning("orders in symbols without ours could not be listed", venue=gateway.venue, error=error.message)
        return None


def cached_balances(runtime: Runtime, venue: str, account: str) -> Mapping[str, Decimal] | None:
    """Totals of the hot copy; None where there is none now. Shown beside a difference, never judged by."""
    copy = hot_balances(runtime, venue, account)
    return None if copy is None else {balance.asset: balance.total for balance in copy[0]}


def _compare_orders(
    runtime: Runtime, gateway: Gateway, orders_read: OrdersRead, symbols: list[str]
) -> list[OrderBreak]:
    """Our rows are read after the venue's lists: what was sent or ended meanwhile is in them."""
    venue, account = gateway.venue, gateway.account
    with write(runtime.engine) as conn:
        prefix = prefix_of_deployment(conn, runtime.now())
    with read(runtime.engine, snapshot=True) as conn:
        children = {child.id: child for child in live_children(conn, venue, account, symbols)}
        named = children_named(
            conn,
            venue,
            account,
            venue_order_ids=[report.venue_order_id for report in orders_read.open_orders],
            client_ids=[report.client_order_id for report in orders_read.open_orders if report.client_order_id],
        )
        children |= {child.id: child for child in named}
    shaped = gateway.client_id(prefix).removesuffix(prefix)
    return order_breaks(
        list(children.values()),
        orders_read.open_orders,
        orders_read.asked,
        lambda client_id: is_of_deployment(prefix, client_id.removeprefix(shaped)),
    )
