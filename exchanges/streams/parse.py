"""What ccxt's streams hand out, as the values that polling yields: by the very same readers."""

from collections.abc import Mapping, Sequence
from datetime import datetime
from decimal import Decimal
from typing import Any

from exchanges.ccxt_call import Unreadable
from exchanges.ccxt_parse import order_report, trade
from exchanges.streams.source import OrderNews
from models.market_data import OrderBook
from models.reports import Trade


def pushed_trades(found: Sequence[Mapping[str, Any]]) -> tuple[list[Trade], list[OrderNews]]:
    """The trades that can be read whole, and of the others that something happened to their orders."""
    read, unread = [], []
    for entry in found:
        symbol, order_id = entry.get("symbol"), entry.get("order")
        if not _is_spot(symbol):
            continue
        assert isinstance(symbol, str)
        try:
            read.append(trade(entry, symbol))
        except Unreadable:
            if order_id:
                unread.append(OrderNews(symbol=symbol, venue_order_id=str(order_id), report=None))
    return read, unread


def pushed_orders(found: Sequence[Mapping[str, Any]]) -> list[OrderNews]:
    """News of each order that is named; those of other kinds of markets are left out."""
    news = []
    for entry in found:
        symbol, order_id = entry.get("symbol"), entry.get("id")
        if not _is_spot(symbol) or not order_id:
            continue
        assert isinstance(symbol, str)
        try:
            report = order_report(entry, symbol)
        except Unreadable:
            report = None
        news.append(OrderNews(symbol=symbol, venue_order_id=str(order_id), report=report))
    return news


def pushed_book(found: Mapping[str, Any], symbol: str, levels: int, at: datetime) -> OrderBook:
    """To look at: the classes keep the books of streams in binary floats, whose shortest digits are taken here."""

    def side(name: str) -> tuple[tuple[Decimal, Decimal], ...]:
        return tuple((Decimal(str(level[0])), Decimal(str(level[1]))) for level in found[name][:levels])

    return OrderBook(symbol=symbol, bids=side("bids"), asks=side("asks"), at=at)


def _is_spot(symbol: object) -> bool:
    """Contracts have a colon in ccxt's unified symbol."""
    return isinstance(symbol, str) and "/" in symbol and ":" not in symbol
