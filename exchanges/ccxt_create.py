"""A new order as the arguments of ccxt's ``create_order``."""

from collections.abc import Callable
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any

from exchanges.aliases import speaks_as
from exchanges.capabilities import Capabilities
from exchanges.ccxt_call import Stamp
from exchanges.ccxt_import import part
from exchanges.ccxt_session import Exchange
from exchanges.evidence import Evidence, VenueError
from exchanges.gateway import NotRounded
from models.clock import format_time, milliseconds
from models.money import plain
from models.reports import NewOrder
from models.vocabulary import OrderType, Side, TimeInForce

#: the documented bound of a request's deadline
KRAKEN_LONGEST_WINDOW_MS = 60_000


def stamp(order: NewOrder) -> Stamp:
    return Stamp(timestamp_ms=milliseconds(order.timestamp), window_ms=order.window_ms)


def arguments(order: NewOrder, ccxt_id: str, can: Capabilities, client_id: str) -> tuple[Any, ...]:
    """Symbol, type, side, quantity, price, params. Raises VenueError(REJECTED) for what the venue can't take."""
    params: dict[str, object] = {can.client_id_param: client_id}
    if speaks_as(ccxt_id) == "binance":
        params |= {
            "timestamp": milliseconds(order.timestamp),
            "recvWindow": order.window_ms,
            "newOrderRespType": "FULL",
        }
    if speaks_as(ccxt_id) == "kraken":
        params["oflags"] = "fciq"  # its default for a sell is a fee in base, although its trades tell it in quote
        params["deadline"] = kraken_deadline(order.timestamp, order.window_ms)
    if order.type is OrderType.MARKET:
        params |= _market_params(order, ccxt_id, can)
    else:
        params |= _limit_params(order, ccxt_id, can)
    if order.display_quantity is not None:
        params |= _iceberg_params(order, order.display_quantity, ccxt_id, can)
    price = None if order.price is None or order.type is OrderType.MARKET else plain(order.price)
    return order.symbol, order.type.value, order.side.value, plain(order.quantity), price, params


def kraken_deadline(timestamp: datetime, window_ms: int) -> str:
    """After it the matching engine refuses the request. By its documentation it is a minute away at most."""
    return format_time(timestamp + timedelta(milliseconds=min(window_ms, KRAKEN_LONGEST_WINDOW_MS)))


def assert_rounded(exchange: Exchange, order: NewOrder) -> None:
    """Raises NotRounded unless ccxt, which cuts quantities and rounds prices in silence, would leave all as they are."""
    price = None if order.type is OrderType.MARKET else order.price
    assert_steps(exchange, order.symbol, order.quantity, price)
    if order.display_quantity is not None:
        _unchanged("shown quantity", order.display_quantity, exchange.amount_to_precision, order.symbol)


def assert_steps(exchange: Exchange, symbol: str, quantity: Decimal, price: Decimal | None) -> None:
    """Raises NotRounded for a quantity or price that is no multiple of the venue's step."""
    _unchanged("quantity", quantity, exchange.amount_to_precision, symbol)
    if price is not None:
        _unchanged("price", price, exchange.price_to_precision, symbol)


def _unchanged(what: str, given: Decimal, rounding: Callable[[str, str], str], symbol: str) -> None:
    try:
        rounded = rounding(symbol, plain(given))
    except part("base.errors").InvalidOrder:  # what ccxt says of a quantity that it would cut to nothing
        rounded = "0"
    if Decimal(rounded) != given:
        raise NotRounded(f"the {what} {plain(given)} is no multiple of the venue's step (it would send {rounded})")


def _iceberg_params(order: NewOrder, display_quantity: Decimal, ccxt_id: str, can: Capabilities) -> dict[str, object]:
    if not can.native_iceberg:
        raise VenueError(
            Evidence.REJECTED,
            f"{ccxt_id} has no iceberg that its order lists show: send what may be seen as an order of its own",
            code="NO_ICEBERG",
        )
    if order.type is not OrderType.LIMIT or order.time_in_force is not TimeInForce.GTC:
        raise VenueError(
            Evidence.REJECTED,
            f"an iceberg rests, and a {order.type} order that is {order.time_in_force} does not: send a limit order GTC",
            code="ICEBERG_MUST_REST",
        )
    if display_quantity >= order.quantity:
        return {}  # there is nothing to hide, and some venues refuse such an iceberg
    return {**can.iceberg_params, can.iceberg_param: plain(display_quantity)}


def _limit_params(order: NewOrder, ccxt_id: str, can: Capabilities) -> dict[str, object]:
    if order.post_only and not can.post_only:
        raise VenueError(
            Evidence.REJECTED,
            f"{ccxt_id} has no post-only orders: one that takes could not be told from one that rests; nothing was sent",
            code="NO_POST_ONLY",
        )
    if order.time_in_force.value not in can.times_in_force:
        has = ", ".join(sorted(can.times_in_force))
        raise VenueError(
            Evidence.REJECTED,
            f"{ccxt_id} has no limit orders that are {order.time_in_force.value}, only {has}; nothing was sent",
            code="NO_TIME_IN_FORCE",
        )
    if order.post_only:
        return {"postOnly": True}
    return {} if order.time_in_force is TimeInForce.GTC else {"timeInForce": order.time_in_force.value}


def _market_params(order: NewOrder, ccxt_id: str, can: Capabilities) -> dict[str, object]:
    """Nothing about price or time in force: a price would make ccxt spend quote, and market orders carry no time."""
    if order.time_in_force is TimeInForce.FOK:
        raise VenueError(
            Evidence.REJECTED,
            f"{ccxt_id} takes no market order that is fill-or-kill: send a limit order",
            code="FOK_MARKET",
        )
    if order.side is not Side.BUY:
        return {}
    if can.market_buy_params is None:
        raise VenueError(
            Evidence.REJECTED,
            f"{ccxt_id} takes market buys only by the amount of quote to spend: send a limit order that is IOC",
            code="MARKET_BUY_BY_QUOTE",
        )
    return dict(can.market_buy_params)
