"""Nobitex's replies as ccxt's structures. Numbers stay the strings that were sent; nothing is multiplied or rounded."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from exchanges.nobitex.description import FEES, QUOTES

Entry = Mapping[str, Any]
#: the venue's word of a currency, in any case -> ccxt's
Code = Callable[[str], str]

_STATUSES = {
    "New": "open",
    "Active": "open",  # also with a part of it filled
    "Inactive": "open",  # a stop that waits for its price
    "Done": "closed",
    "Canceled": "canceled",
    # A registered order is checked once more before it enters the book.
    "Rejected": "rejected",
}
_TYPES = {"Limit": "limit", "Market": "market", "StopLimit": "limit", "StopMarket": "market"}


def market(market_id: str, options: Entry, code: Code) -> dict[str, Any] | None:
    """From ``nobitex`` in the reply to ``/v2/options``; None for a symbol that is not understood."""
    quote_name = next((name for name in QUOTES if market_id.endswith(name) and market_id != name), None)
    price_step = options["pricePrecisions"].get(market_id)
    if quote_name is None or price_step is None:
        return None
    base_id, quote_id = market_id.removesuffix(quote_name).lower(), QUOTES[quote_name]
    base, quote = code(base_id), code(quote_id)
    amount_step = options["amountPrecisions"][market_id]
    return {
        "id": market_id,
        "symbol": f"{base}/{quote}",
        "base": base,
        "quote": quote,
        "baseId": base_id,
        "quoteId": quote_id,
        "type": "spot",
        "spot": True,
        "margin": False,
        "contract": False,
        "active": True,
        **FEES[quote_id],
        "precision": {"amount": amount_step, "price": price_step},
        "limits": {
            "amount": {"min": amount_step, "max": None},
            "price": {"min": None, "max": None},
            "cost": {"min": (options.get("minOrders") or {}).get(quote_id), "max": None},
        },
        "info": {"amountPrecision": amount_step, "pricePrecision": price_step},
    }


def market_id_in(entry: Entry) -> str | None:
    """The public symbol of an order or trade that names its market as ``BTC-RLS``; None where it does not."""
    base, dash, quote = str(entry.get("market") or "").partition("-")
    if not dash:
        return None
    ending = next((name for name, currency in QUOTES.items() if currency == quote.lower()), quote)
    return f"{base}{ending}"


def order(entry: Entry, symbol: str | None, timestamp_ms: int | None) -> dict[str, Any]:
    """Quantities are base, prices the quote's unit (rials in rial markets)."""
    price = str(entry.get("price") or "")
    execution = str(entry.get("execution") or "")
    return {
        "info": entry,
        "id": text(entry, "id"),
        "clientOrderId": text(entry, "clientOrderId"),
        "timestamp": timestamp_ms,
        "symbol": symbol,
        "side": text(entry, "type"),
        "type": _TYPES.get(execution, execution.lower() or None),
        "status": _STATUSES.get(str(entry.get("status")), text(entry, "status")),
        "price": None if price == "market" else price or None,
        "amount": text(entry, "amount"),
        "filled": text(entry, "matchedAmount"),
        "average": text(entry, "averagePrice"),
        "cost": _cost(entry),
        # Its asset is told with the trades only.
        "fee": None,
        "fees": [],
        "trades": [],
    }


def own_trade(entry: Entry, base: str, quote: str, symbol: str, timestamp_ms: int | None) -> dict[str, Any]:
    """The fee is taken from what is received: the documentation's purchase of 4.400 LTC brings 4.3802, and of its sale
    for 18,171,806.4 rials the fee is 0.15 %.
    """
    side = text(entry, "type")
    return {
        "info": entry,
        "id": text(entry, "id"),
        "order": text(entry, "orderId"),
        "timestamp": timestamp_ms,
        "symbol": symbol,
        "side": side,
        "type": None,
        "takerOrMaker": None,
        "price": text(entry, "price"),
        "amount": text(entry, "amount"),
        "cost": text(entry, "total"),
        "fee": {"cost": text(entry, "fee"), "currency": base if side == "buy" else quote},
    }


def public_trades(entries: Sequence[Entry], symbol: str) -> list[dict[str, Any]]:
    """With ids made of what they tell, since the venue gives none: those that tell the same are numbered, oldest first."""
    seen: dict[str, int] = {}
    found = []
    for entry in sorted(entries, key=lambda entry: int(entry["time"])):
        told = "-".join(str(entry.get(key)) for key in ("time", "type", "price", "volume"))
        seen[told] = seen.get(told, 0) + 1
        found.append(
            {
                "info": entry,
                "id": f"{told}-{seen[told]}",
                "order": None,
                "timestamp": int(entry["time"]),
                "symbol": symbol,
                "side": text(entry, "type"),
                "type": None,
                "takerOrMaker": None,
                "price": text(entry, "price"),
                "amount": text(entry, "volume"),
                "cost": None,
                "fee": None,
            }
        )
    return found


def text(entry: Entry, key: str) -> str | None:
    value = entry.get(key)
    return None if value is None or value == "" else str(value)


def _cost(entry: Entry) -> str | None:
    """Older replies call the worth of the whole order ``totalPrice``; beside ``totalOrderPrice`` it is what has traded."""
    return text(entry, "totalPrice") if "totalOrderPrice" in entry else None
