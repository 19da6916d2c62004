"""Placing, amending, cancelling, replacing and reading orders."""

from bisect import bisect_left, bisect_right
from collections.abc import Callable, Sequence
from typing import TypeVar

from exchanges.paper.calls import Call
from exchanges.paper.engine import NewOrder
from exchanges.paper.errors import Refused, amend_refused, filter_failure, mandatory, no_such_order, unknown_order
from exchanges.paper.filters import (
    ORDER_PARAMS,
    client_id,
    instrument_of,
    read_amendment,
    read_new_order,
    response_type,
)
from exchanges.paper.state import Order
from exchanges.paper.venue import Venue
from exchanges.paper.views import Json, amended_view, canceled_view, created_view, order_view

T = TypeVar("T")

REPLACE_PARAMS = ORDER_PARAMS | {
    "cancelReplaceMode",
    "cancelNewClientOrderId",
    "cancelOrigClientOrderId",
    "cancelOrderId",
    "cancelRestrictions",
    "orderRateLimitExceededMode",
}
#: most rows of one answer
MAX_ROWS = 1000
DEFAULT_ROWS = 500


def new_order(venue: Venue, call: Call) -> Json:
    new = _read(venue, call)
    return _submit(venue, call, new)


def test_order(venue: Venue, call: Call) -> Json:
    """Everything up to the matching engine."""
    _read(venue, call)
    return {}


def get_order(venue: Venue, call: Call) -> Json:
    order = _find(venue, call, "orderId", "origClientOrderId")
    if order is None or order.visible_ms > call.now_ms:
        raise no_such_order()
    return order_view(order)


def cancel_order(venue: Venue, call: Call) -> Json:
    """Goes to the engine, which knows an order also while the reads still lag."""
    order = _find(venue, call, "orderId", "origClientOrderId")
    return _cancel(venue, call, order, client_id(call, "newClientOrderId"))


def amend_order(venue: Venue, call: Call) -> Json:
    """Another whole quantity and price for an open order, in its place. Asked for twice it is harmless."""
    if not venue.config.amend:
        raise amend_refused("Amending is switched off here.")
    instrument = instrument_of(call, venue.engine.instruments)
    order = _find(venue, call, "orderId", "origClientOrderId")
    if order is None or not order.is_open:
        raise unknown_order()
    last_price_e8 = venue.market.price_e8(instrument.symbol)
    quantity_e8, price_e8 = read_amendment(call, instrument, order.accepted, last_price_e8)
    venue.engine.amend(order, quantity_e8=quantity_e8, price_e8=price_e8, now_ms=call.now_ms)
    return amended_view(order)


def open_orders(venue: Venue, call: Call) -> list[Json]:
    symbols = [instrument_of(call, venue.engine.instruments).symbol] if "symbol" in call.params else None
    return [
        order_view(order)
        for symbol in symbols or venue.engine.instruments
        for order in venue.engine.state.open_orders.get((call.account, symbol), {}).values()
        if order.visible_ms <= call.now_ms
    ]


def cancel_open_orders(venue: Venue, call: Call) -> list[Json]:
    symbol = instrument_of(call, venue.engine.instruments).symbol
    orders = list(venue.engine.state.open_orders.get((call.account, symbol), {}).values())
    if not orders:
        raise unknown_order()
    for order in orders:
        venue.engine.cancel(order, call.now_ms)
    return [canceled_view(order, client_id(call, "-")) for order in orders]


def all_orders(venue: Venue, call: Call) -> list[Json]:
    """From ``orderId`` on, or of a time range; the newest when neither is given."""
    symbol = instrument_of(call, venue.engine.instruments).symbol
    limit = call.integer("limit", DEFAULT_ROWS, most=MAX_ROWS) or DEFAULT_ROWS
    orders = venue.engine.state.account_orders.get((call.account, symbol), [])
    page = select(orders, call, "orderId", limit, number=lambda order: order.id, at_ms=lambda order: order.created_ms)
    return [order_view(order) for order in page if order.visible_ms <= call.now_ms]


def cancel_replace(venue: Venue, call: Call) -> Json:
    """Cancel one order and place another. Filters are checked before either; funds only when placing."""
    mode = call.text("cancelReplaceMode")
    if mode not in {"STOP_ON_FAILURE", "ALLOW_FAILURE"}:
        raise mandatory("cancelReplaceMode")
    new = _read(venue, call, known=REPLACE_PARAMS, room_for_one=True)
    old = _find(venue, call, "cancelOrderId", "cancelOrigClientOrderId")
    cancel_id = client_id(call, "cancelNewClientOrderId")

    cancelled = _attempt(lambda: _cancel(venue, call, old, cancel_id))
    failed = isinstance(cancelled, Refused)
    if failed and mode == "STOP_ON_FAILURE":
        raise _replace_failure(-2022, 400, cancelled, None)
    placed = _attempt(lambda: _submit(venue, call, new))
    if isinstance(placed, Refused):
        raise _replace_failure(-2022 if failed else -2021, 400 if failed else 409, cancelled, placed)
    if failed:
        raise _replace_failure(-2021, 409, cancelled, placed)
    return {
        "cancelResult": "SUCCESS",
        "newOrderResult": "SUCCESS",
        "cancelResponse": cancelled,
        "newOrderResponse": placed,
    }


def select(
    rows: Sequence[T], call: Call, from_name: str, limit: int, *, number: Callable[[T], int], at_ms: Callable[[T], int]
) -> Sequence[T]:
    """One page of rows that rise in number and time: from a number on, of a time range, or the newest."""
    from_id, start, end = call.integer(from_name), call.integer("startTime"), call.integer("endTime")
    first, last = 0, len(rows)
    if from_id is not None:
        first = bisect_left(rows, from_id, key=number)
    if start is not None:
        first = max(first, bisect_left(rows, start, key=at_ms))
    if end is not None:
        last = bisect_right(rows, end, key=at_ms)
    if from_id is None and start is None:
        first = max(0, last - limit)
    return rows[first : min(last, first + limit)]


def _read(venue: Venue, call: Call, *, known: frozenset[str] = ORDER_PARAMS, room_for_one: bool = False) -> NewOrder:
    prices = {symbol: venue.market.price_e8(symbol) for symbol in venue.engine.instruments}
    new = read_new_order(call, venue.engine.instruments, last_price_e8=prices, known=known)
    open_count = len(venue.engine.state.open_orders.get((call.account, new.symbol), ()))
    if new.type != "MARKET" and not room_for_one and open_count >= venue.config.max_open_orders:
        raise filter_failure("MAX_NUM_ORDERS")
    return new


def _submit(venue: Venue, call: Call, new: NewOrder) -> Json:
    order = venue.engine.submit(new, call.now_ms)
    order.visible_ms = call.now_ms + call.lag_ms
    return created_view(order, venue.engine.instruments[new.symbol], response_type(call, new.type))


def _cancel(venue: Venue, call: Call, order: Order | None, cancel_client_id: str) -> Json:
    if order is None or not order.is_open:
        raise unknown_order()
    only = call.params.get("cancelRestrictions", "")
    if only and only != f"ONLY_{order.status}":
        raise Refused(-2011, "Order was not canceled due to cancel restrictions.")
    venue.engine.cancel(order, call.now_ms)
    return canceled_view(order, cancel_client_id)


def _find(venue: Venue, call: Call, id_name: str, client_name: str) -> Order | None:
    """The account's own order by venue id, or the newest (an open one first) that carried a client id."""
    symbol = instrument_of(call, venue.engine.instruments).symbol
    order_id, client_order_id = call.integer(id_name), call.params.get(client_name, "")
    if order_id is None and not client_order_id:
        raise Refused(-1102, f"Param '{client_name}' or '{id_name}' must be sent, but both were empty/null!")
    if order_id is not None:
        order = venue.engine.state.order(symbol, order_id)
        if order is None or order.accepted.account != call.account:
            return None
        return None if client_order_id not in {"", order.accepted.client_order_id} else order
    carried = venue.engine.state.by_client_id.get((call.account, symbol, client_order_id), [])
    visible = [order for order in carried if order.visible_ms <= call.now_ms] or carried
    return next((order for order in visible if order.is_open), visible[-1] if visible else None)


def _attempt(action: Callable[[], Json]) -> Json | Refused:
    try:
        return action()
    except Refused as refusal:
        return refusal


def _replace_failure(code: int, status: int, cancelled: Json | Refused, placed: Json | Refused | None) -> Refused:
    def half(outcome: Json | Refused | None) -> tuple[str, object]:
        if outcome is None:
            return "NOT_ATTEMPTED", None
        if isinstance(outcome, Refused):
            return "FAILURE", outcome.document()
        return "SUCCESS", outcome

    (cancel_result, cancel_response), (new_result, new_response) = half(cancelled), half(placed)
    text = "Order cancel-replace partially failed." if code == -2021 else "Order cancel-replace failed."
    data = {
        "cancelResult": cancel_result,
        "newOrderResult": new_result,
        "cancelResponse": cancel_response,
        "newOrderResponse": new_response,
    }
    return Refused(code, text, status=status, data=data)
