"""The one thing that the built-in venue does and the ccxt class that speaks to it does not: amending in place."""

from collections.abc import Mapping
from typing import Any

#: ccxt's ``edit_order`` of this class cancels and replaces; this takes its place
ENDPOINT = "order/amend/keepPriority"


def edit_order(
    exchange: Any,
    order_id: str,
    symbol: str,
    type_: str,  # noqa: ARG001 - the arguments are ccxt's
    side: str,  # noqa: ARG001
    amount: str,
    price: str | None = None,
    params: Mapping[str, object] | None = None,
) -> dict[str, Any]:
    """A method of the class. The reply in ccxt's structure."""
    market = exchange.market(symbol)
    request: dict[str, object] = {
        "symbol": market["id"],
        "orderId": order_id,
        "newQty": exchange.amount_to_precision(symbol, amount),
        **(params or {}),
    }
    if price is not None:
        request["newPrice"] = exchange.price_to_precision(symbol, price)
    reply = exchange.request(ENDPOINT, ["private"], "PUT", request)
    amended = exchange.safe_dict(reply, "amendedOrder", {})
    shaped = {
        **amended,
        "origQty": amended.get("qty"),
        "cummulativeQuoteQty": amended.get("cumulativeQuoteQty"),
        "transactTime": reply.get("transactTime"),
    }
    parsed: dict[str, Any] = exchange.parse_order(shaped, market)
    return parsed
