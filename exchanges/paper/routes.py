"""Which endpoint is which function, what it weighs and who may call it."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from exchanges.paper.calls import Call
from exchanges.paper.handlers import accounts, movements, orders, public
from exchanges.paper.venue import Venue

Handler = Callable[[Venue, Call], Any]


@dataclass(frozen=True, slots=True)
class Route:
    handler: Handler
    #: request weight, as Binance counts it
    weight: int
    #: key, signature and timestamp are checked
    signed: bool = True
    #: changes something: refusals are journaled
    acts: bool = False


def _nothing(venue: Venue, call: Call) -> Any:  # noqa: ARG001
    """Clients that were pointed here ask for markets that this venue does not have."""
    return []


def _no_markets(venue: Venue, call: Call) -> Any:  # noqa: ARG001
    return {"symbols": []}


def _system_status(venue: Venue, call: Call) -> Any:  # noqa: ARG001
    return {"status": 0, "msg": "normal"}


def _of_spot(table: dict[str, Route]) -> dict[tuple[str, str], Route]:
    return {(method, f"/api/v3/{path}"): route for name, route in table.items() for method, path in [name.split()]}


ROUTES = _of_spot(
    {
        "GET ping": Route(public.ping, 1, signed=False),
        "GET time": Route(public.time, 1, signed=False),
        "GET exchangeInfo": Route(public.exchange_info, 20, signed=False),
        "GET depth": Route(public.depth, 5, signed=False),
        "GET trades": Route(public.trades, 25, signed=False),
        "GET historicalTrades": Route(public.trades, 25, signed=False),
        "GET aggTrades": Route(public.agg_trades, 4, signed=False),
        "GET klines": Route(public.klines, 2, signed=False),
        "GET uiKlines": Route(public.klines, 2, signed=False),
        "GET avgPrice": Route(public.avg_price, 2, signed=False),
        "GET ticker/24hr": Route(public.ticker_day, 2, signed=False),
        "GET ticker/price": Route(public.ticker_price, 2, signed=False),
        "GET ticker/bookTicker": Route(public.ticker_book, 2, signed=False),
        "POST order": Route(orders.new_order, 1, acts=True),
        "POST order/test": Route(orders.test_order, 1),
        "GET order": Route(orders.get_order, 4),
        "DELETE order": Route(orders.cancel_order, 1, acts=True),
        "POST order/cancelReplace": Route(orders.cancel_replace, 1, acts=True),
        "PUT order/amend/keepPriority": Route(orders.amend_order, 4, acts=True),
        "GET openOrders": Route(orders.open_orders, 6),
        "DELETE openOrders": Route(orders.cancel_open_orders, 1, acts=True),
        "GET allOrders": Route(orders.all_orders, 20),
        "GET myTrades": Route(accounts.my_trades, 20),
        "GET account": Route(accounts.account, 20),
        "GET account/commission": Route(accounts.commission, 20),
    }
) | {
    ("GET", "/sapi/v1/asset/tradeFee"): Route(accounts.trade_fees, 1),
    ("GET", "/sapi/v1/capital/deposit/hisrec"): Route(movements.deposits, 1),
    ("GET", "/sapi/v1/capital/withdraw/history"): Route(movements.withdrawals, 1),
    ("GET", "/sapi/v1/asset/transfer"): Route(movements.transfers, 1),
    ("GET", "/sapi/v1/system/status"): Route(_system_status, 1, signed=False),
    ("GET", "/sapi/v1/capital/config/getall"): Route(_nothing, 10),
    ("GET", "/sapi/v1/margin/allPairs"): Route(_nothing, 1, signed=False),
    ("GET", "/sapi/v1/margin/allAssets"): Route(_nothing, 1, signed=False),
    ("GET", "/sapi/v1/margin/isolated/allPairs"): Route(_nothing, 10),
    ("GET", "/fapi/v1/exchangeInfo"): Route(_no_markets, 1, signed=False),
    ("GET", "/dapi/v1/exchangeInfo"): Route(_no_markets, 1, signed=False),
}
