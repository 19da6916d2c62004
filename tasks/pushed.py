"""What a venue pushes of our orders: a fill is booked as a polled one is, everything else is a reason to look."""

from collections.abc import Sequence
from dataclasses import dataclass
from decimal import Decimal

import structlog

from exchanges.streams.notes import stream_notes
from exchanges.streams.source import OrderNews
from models.money import add
from models.order import ChildOrder
from models.reports import OrderReport, Trade, VenueStatus
from models.transitions import CHILD_IN_DOUBT
from models.vocabulary import ChildStatus
from storage.attention import Watched
from storage.children import children_by_venue_ids
from storage.engine import read
from storage.fills import booked_trades
from storage.orders import Stale
from tasks.ending import add_up
from tasks.runtime import Runtime
from tasks.settle import apply_report

log = structlog.get_logger()

#: A child in doubt is its lookup's, one that is not sent yet is nobody's, and what a venue rejected and fills after all
#: is looked at with the order's own page at hand.
_LEFT_TO_OTHERS = CHILD_IN_DOUBT | {ChildStatus.PLANNED, ChildStatus.REJECTED}


@dataclass(frozen=True, slots=True, kw_only=True)
class Taken:
    """What became of what was pushed."""

    #: fills that are in the books now and were not before
    booked: int = 0
    #: to be looked at now
    look: frozenset[Watched] = frozenset()
    #: Of an order that is not known, or not yet: it may be one whose create is not answered, or somebody else's. Nothing
    #: follows from it but that a look in a moment does no harm.
    look_later: frozenset[Watched] = frozenset()


def take_trades(runtime: Runtime, venue: str, account: str, trades: Sequence[Trade]) -> Taken:
    """Book what is new among the trades of one venue account.

    It goes the way of a poll: the same report, transaction and key. The report says that the order is open, as the list
    of open orders would: it can add fills, and by them complete an order, but it ends none.
    """
    booked, look, later = 0, set(), set()
    books = stream_notes(runtime.settings.venues[venue].ccxt_id).same_trades
    for symbol in sorted({trade.symbol for trade in trades}):
        place = Watched(venue=venue, account=account, symbol=symbol)
        of_symbol = [trade for trade in trades if trade.symbol == symbol]
        known = _known(runtime, place, {trade.venue_order_id for trade in of_symbol})
        if any(trade.venue_order_id not in known for trade in of_symbol):
            later.add(place)
        for venue_order_id, child in sorted(known.items()):
            own = [trade for trade in of_symbol if trade.venue_order_id == venue_order_id]
            if not books or child.status in _LEFT_TO_OTHERS:
                look.add(place)
                continue
            try:
                booked += _book(runtime, child, own)
            except Stale:
                look.add(place)
    return Taken(booked=booked, look=frozenset(look), look_later=frozenset(later))


def _book(runtime: Runtime, child: ChildOrder, trades: Sequence[Trade]) -> int:
    with read(runtime.engine) as conn:
        there = booked_trades(conn, [child.id])
    new = tuple({trade.venue_trade_id: trade for trade in trades if trade.venue_trade_id not in there}.values())
    if not new:
        return 0
    apply_report(runtime, child.id, _report(child, new), source="stream")
    return len(new)


def _report(child: ChildOrder, new: Sequence[Trade]) -> OrderReport:
    filled: Decimal = add(child.filled_quantity, add_up(trade.quantity for trade in new))
    assert child.venue_order_id is not None
    return OrderReport(
        symbol=child.symbol,
        venue_order_id=child.venue_order_id,
        client_order_id=None,
        status=VenueStatus.OPEN,
        quantity=None,
        filled_quantity=filled,
        filled_cost=None,
        price=None,
        trades=tuple(new),
    )


def take_news(runtime: Runtime, venue: str, account: str, news: Sequence[OrderNews]) -> Taken:
    """Which places the news of orders are a reason to look at. No state follows from them: they may be late, or out of order."""
    look, later = set(), set()
    for symbol in {entry.symbol for entry in news}:
        place = Watched(venue=venue, account=account, symbol=symbol)
        of_symbol = [entry for entry in news if entry.symbol == symbol]
        known = _known(runtime, place, {entry.venue_order_id for entry in of_symbol})
        for entry in of_symbol:
            child = known.get(entry.venue_order_id)
            if child is None:
                later.add(place)
            elif not child.is_final and _tells_more(child, entry.report):
                look.add(place)
    return Taken(look=frozenset(look), look_later=frozenset(later - look))


def _tells_more(child: ChildOrder, report: OrderReport | None) -> bool:
    """Whether it is worth a look: an end, fills that are not booked, or what can't be read."""
    return report is None or report.status is not VenueStatus.OPEN or report.filled_quantity > child.filled_quantity


def _known(runtime: Runtime, place: Watched, venue_order_ids: set[str]) -> dict[str, ChildOrder]:
    """Our children by the venue's ids of their orders: never by a client id, which a venue may take twice."""
    with read(runtime.engine) as conn:
        found = children_by_venue_ids(conn, place.venue, place.account, place.symbol, venue_order_ids)
    return {child.venue_order_id: child for child in found if child.venue_order_id is not None}
