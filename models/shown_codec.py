"""What venues show, as documents of strings and back: exact, and readable by who has no Python."""

from collections.abc import Mapping, Sequence
from typing import Any

from models.clock import format_time
from models.market_data import BookSide, OrderBook
from models.money import plain
from models.reports import Quote, VenueBalance


def shown_to_dict(shown: Quote | OrderBook | Sequence[VenueBalance]) -> dict[str, Any]:
    """``{bid, ask, at}``, ``{bids, asks, at}`` with pairs of price and quantity, or ``{items: [{asset, free, used}]}``."""
    match shown:
        case Quote():
            bid, ask = (None if price is None else plain(price) for price in (shown.bid, shown.ask))
            return {"bid": bid, "ask": ask, "at": format_time(shown.at)}
        case OrderBook():
            return {"bids": _levels(shown.bids), "asks": _levels(shown.asks), "at": format_time(shown.at)}
        case _:
            return {"items": [_balance(balance) for balance in shown]}


def _levels(side: BookSide) -> list[list[str]]:
    return [[plain(price), plain(quantity)] for price, quantity in side]


def _balance(balance: VenueBalance) -> Mapping[str, str]:
    return {"asset": balance.asset, "free": plain(balance.free), "used": plain(balance.used)}
