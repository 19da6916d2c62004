"""ccxt's structures as our values. Whatever lacks what it must have raises Unreadable: a guess would be booked."""

from collections.abc import Mapping, Sequence
from datetime import datetime
from decimal import Decimal, InvalidOperation
from typing import Any

from exchanges.ccxt_call import Unreadable
from models.clock import from_milliseconds
from models.reports import OrderReport, Quote, Trade, VenueBalance, VenueStatus
from models.vocabulary import Liquidity, Side

ZERO = Decimal(0)

#: ccxt's words for what an order is, as ours; ``closed`` is judged by what was filled
_STATUSES: Mapping[str, VenueStatus] = {
    "open": VenueStatus.OPEN,
    "canceling": VenueStatus.OPEN,
    "canceled": VenueStatus.CANCELED,
    "expired": VenueStatus.EXPIRED,
    "rejected": VenueStatus.REJECTED,
    # Coinbase's words for what is on its way into its book or out of it, which its class hands on as they are.
    **dict.fromkeys(("PENDING", "QUEUED", "CANCEL_QUEUED", "EDIT_QUEUED"), VenueStatus.OPEN),
    # Gate's words for why it ended an order, which its class hands on as they are.
    **dict.fromkeys(
        ("poc", "fok", "stp", "small", "depth_not_enough", "trader_not_enough", "liquidate_cancelled",
         "price_protect_cancelled"),
        VenueStatus.CANCELED,
    ),
}  # fmt: skip
_BALANCE_SUMS = frozenset({"info", "free", "used", "total", "debt", "timestamp", "datetime"})


def number(value: object, what: str) -> Decimal | None:
    """An exact finite decimal; None stays None."""
    if value is None or value == "":
        return None
    try:
        parsed = Decimal(str(value))
    except InvalidOperation:
        parsed = Decimal("nan")
    if not parsed.is_finite():
        raise Unreadable(f"its {what} is no number")
    return parsed


def required(value: object, what: str) -> Decimal:
    parsed = number(value, what)
    if parsed is None:
        raise Unreadable(f"it names no {what}")
    return parsed


def order_report(order: Mapping[str, Any], symbol: str, *, fresh: bool = False, tells_cost: bool = True) -> OrderReport:
    """``fresh``: the reply to a create, which may lack a state and whose fills are all a taker's.
    ``tells_cost``: the cost is the venue's own figure.
    """
    order_id = order.get("id")
    if not order_id:
        raise Unreadable("it names no order id")
    if order.get("symbol") not in {None, symbol}:
        raise Unreadable(f"it speaks of {order.get('symbol')} instead of {symbol}")
    quantity = number(order.get("amount"), "quantity")
    filled = number(order.get("filled"), "filled quantity")
    status = _status(order.get("status"), quantity, filled, fresh=fresh)
    if filled is None:
        if not fresh and status is not VenueStatus.OPEN:
            raise Unreadable("it names no filled quantity")
        filled = ZERO
    return OrderReport(
        symbol=symbol,
        venue_order_id=str(order_id),
        client_order_id=order.get("clientOrderId") or None,
        status=status,
        quantity=quantity,
        filled_quantity=filled,
        filled_cost=number(order.get("cost"), "cost") if tells_cost else None,
        # of a market order ccxt makes this the average, cut to its own number of digits
        price=None if order.get("type") == "market" else number(order.get("price"), "price"),
        trades=tuple(_fills(order, str(order_id), symbol)) if fresh else (),
    )


def trades(found: Sequence[Mapping[str, Any]], symbol: str) -> list[Trade]:
    """Oldest first, each once, those of other symbols left out."""
    by_key: dict[tuple[str, str], Trade] = {}
    for entry in found:
        if entry.get("symbol") == symbol:
            parsed = trade(entry, symbol)
            by_key[parsed.venue_order_id, parsed.venue_trade_id] = parsed
    return sorted(by_key.values(), key=_age)


def trade(entry: Mapping[str, Any], symbol: str, **known: Any) -> Trade:
    """One trade; ``known`` fills in what the venue leaves out where the context tells it."""
    entry = {**entry, **{key: value for key, value in known.items() if entry.get(key) is None}}
    if not entry.get("id") or not entry.get("order"):
        raise Unreadable("it names a trade without its id or its order")
    if entry.get("side") not in {"buy", "sell"} or not isinstance(entry.get("timestamp"), int):
        raise Unreadable("it names a trade without its side or time")
    fee, fee_asset = _fee(entry)
    maker_or_taker = entry.get("takerOrMaker")
    return Trade(
        venue_trade_id=str(entry["id"]),
        venue_order_id=str(entry["order"]),
        symbol=symbol,
        side=Side(entry["side"]),
        quantity=required(entry.get("amount"), "traded quantity"),
        price=required(entry.get("price"), "traded price"),
        cost=number(entry.get("cost"), "traded cost"),
        fee=fee,
        fee_asset=fee_asset,
        liquidity=Liquidity(maker_or_taker) if maker_or_taker in {"maker", "taker"} else None,
        traded_at=from_milliseconds(entry["timestamp"]),
    )


def balances(found: Mapping[str, Any]) -> list[VenueBalance]:
    """Every asset that is not zero."""
    rows = []
    for asset, entry in found.items():
        if asset in _BALANCE_SUMS or not isinstance(entry, Mapping):
            continue
        free, used, total = (number(entry.get(name), f"{name} {asset}") for name in ("free", "used", "total"))
        if free is None:
            free = required(total, f"free {asset}") - (used or ZERO)
        if used is None:
            used = total - free if total is not None else ZERO
        if free or used:
            rows.append(VenueBalance(asset=asset, free=free, used=used))
    return rows


def quote(ticker: Mapping[str, Any], symbol: str, at: datetime) -> Quote | None:
    """A price of 0 is an empty side; None from a ticker that has no prices of the book."""
    if ticker.get("bid") is None and ticker.get("ask") is None:
        return None
    bid, ask = number(ticker.get("bid"), "best bid"), number(ticker.get("ask"), "best ask")
    return Quote(symbol=symbol, bid=bid or None, ask=ask or None, at=at)


def _status(said: object, quantity: Decimal | None, filled: Decimal | None, *, fresh: bool) -> VenueStatus:
    """By what was filled first: some venues close an order that they cancelled, or cancel one that they filled."""
    if quantity is not None and filled is not None and filled >= quantity > 0:
        return VenueStatus.FILLED
    if said == "closed":
        complete = quantity is None and filled is not None and filled > 0
        return VenueStatus.FILLED if complete else VenueStatus.CANCELED
    status = _STATUSES.get(str(said))
    if status is not None:
        return status
    if fresh and said is None:
        return VenueStatus.OPEN
    raise Unreadable(f"it calls the order {str(said)[:40]!r}")


def _fills(order: Mapping[str, Any], order_id: str, symbol: str) -> list[Trade]:
    found = order.get("trades") or ()
    return [
        trade(
            entry,
            symbol,
            order=order_id,
            side=order.get("side"),
            timestamp=order.get("timestamp"),
            takerOrMaker="taker",  # what trades while the order is being taken in, took
        )
        for entry in found
    ]


def _fee(entry: Mapping[str, Any]) -> tuple[Decimal, str | None]:
    fees = [fee for fee in (entry.get("fees") or [entry.get("fee")]) if fee and fee.get("cost") is not None]
    paid = [(required(fee["cost"], "fee"), fee.get("currency")) for fee in fees]
    paid = [(cost, asset) for cost, asset in paid if cost]
    if not paid:
        return ZERO, None
    assets = {asset for _, asset in paid}
    if len(assets) != 1 or None in assets:
        raise Unreadable("it names a fee without its asset, or in several")
    return sum((cost for cost, _ in paid), ZERO), assets.pop()


def _age(entry: Trade) -> tuple[datetime, int, str]:
    key = entry.venue_trade_id
    return entry.traded_at, int(key) if key.isascii() and key.isdigit() else 0, key
