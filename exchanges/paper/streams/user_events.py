"""What happened to a customer's order, as the executionReport that Binance pushes."""

from collections.abc import Iterator

from exchanges.paper.amounts import text_e8
from exchanges.paper.events import Accepted, Amended, Ended, Event, Traded
from exchanges.paper.state import Fill, Order, State
from exchanges.paper.views import Json


def execution_reports(state: State, event: Event, at_ms: int) -> Iterator[tuple[str, Json]]:
    """(account, report) for each order that the event is about; ``state`` has the event in it, and maybe later ones."""
    if isinstance(event, Accepted):
        order = state.orders[event.symbol][event.order_id - 1]
        yield event.account, _report(state, order, "NEW", "NEW", at_ms, filled_e8=0, cost_e8=0)
    elif isinstance(event, Traded):
        for order_id in (event.taker_order_id, event.maker_order_id):
            if order_id:
                order = state.orders[event.symbol][order_id - 1]
                yield order.accepted.account, _trade(state, order, event, at_ms)
    elif isinstance(event, (Ended, Amended)):
        order = state.orders[event.symbol][event.order_id - 1]
        status = event.status if isinstance(event, Ended) else order.status
        kind = status if isinstance(event, Ended) else "REPLACED"
        yield (
            order.accepted.account,
            _report(state, order, kind, status, at_ms, filled_e8=order.executed_e8, cost_e8=order.executed_quote_e8),
        )


def _trade(state: State, order: Order, trade: Traded, at_ms: int) -> Json:
    """One order's side of a trade; the sums are those up to it, whatever traded since."""
    filled_e8 = cost_e8 = 0
    own: Fill | None = None
    for fill in order.fills:
        filled_e8 += fill.trade.quantity_e8
        cost_e8 += fill.quote_e8
        if fill.trade.trade_id == trade.trade_id:
            own = fill
            break
    assert own is not None, "a trade of the order is among its fills"
    status = "FILLED" if filled_e8 >= order.accepted.quantity_e8 else "PARTIALLY_FILLED"
    return _report(state, order, "TRADE", status, at_ms, filled_e8=filled_e8, cost_e8=cost_e8, fill=own)


def _report(
    state: State,
    order: Order,
    kind: str,
    status: str,
    at_ms: int,
    *,
    filled_e8: int,
    cost_e8: int,
    fill: Fill | None = None,
) -> Json:
    accepted, listed = order.accepted, state.listed[order.accepted.symbol]
    return {
        "e": "executionReport",
        "E": at_ms,
        "s": accepted.symbol,
        "c": accepted.client_order_id,
        "S": accepted.side,
        "o": accepted.type,
        "f": accepted.time_in_force,
        "q": text_e8(accepted.quantity_e8),
        "p": text_e8(accepted.price_e8),
        "P": text_e8(0),
        "F": text_e8(accepted.iceberg_e8),
        "g": -1,
        "C": "",
        "x": kind,
        "X": status,
        "r": "NONE",
        "i": accepted.order_id,
        "l": text_e8(fill.trade.quantity_e8 if fill else 0),
        "z": text_e8(filled_e8),
        "L": text_e8(fill.trade.price_e8 if fill else 0),
        "n": text_e8(fill.fee_e8 if fill else 0),
        "N": (listed.base if order.buys else listed.quote) if fill else None,
        "T": at_ms,
        "t": fill.trade.trade_id if fill else -1,
        "w": status in {"NEW", "PARTIALLY_FILLED"},
        "m": bool(fill and fill.is_maker),
        "O": order.created_ms,
        "Z": text_e8(cost_e8),
        "Y": text_e8(fill.quote_e8 if fill else 0),
        "Q": text_e8(accepted.quote_quantity_e8),
    }
