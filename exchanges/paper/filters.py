"""From the strings of a POST order to a ``NewOrder``: every check that needs no balance and no book."""

import re
import secrets
import string

from exchanges.paper.amounts import parse_e8, product_e8
from exchanges.paper.calls import Call
from exchanges.paper.engine import NewOrder
from exchanges.paper.errors import Refused, filter_failure, illegal, mandatory, not_required, too_precise
from exchanges.paper.events import Accepted
from exchanges.paper.instruments import MAX_ICEBERG_PARTS, Instrument

_DECIMAL = r"^([0-9]{1,20})(\.[0-9]{1,20})?$"
_DECIMAL_RE = re.compile(_DECIMAL, re.ASCII)
_CLIENT_ID = r"^[\.A-Z\:/a-z0-9_-]{1,36}$"
_CLIENT_ID_RE = re.compile(r"[.A-Z:/a-z0-9_-]{1,36}", re.ASCII)

SIDES = ("BUY", "SELL")
TYPES = ("LIMIT", "LIMIT_MAKER", "MARKET")
#: Binance's other types: known words that this venue does not trade
OTHER_TYPES = ("STOP_LOSS", "STOP_LOSS_LIMIT", "TAKE_PROFIT", "TAKE_PROFIT_LIMIT")
TIMES_IN_FORCE = ("GTC", "IOC", "FOK")
RESPONSE_TYPES = ("ACK", "RESULT", "FULL")

#: what each type must carry and must not carry
_MUST = {"LIMIT": ("timeInForce", "quantity", "price"), "LIMIT_MAKER": ("quantity", "price"), "MARKET": ()}
_MUST_NOT = {
    "LIMIT": ("quoteOrderQty",),
    "LIMIT_MAKER": ("timeInForce", "quoteOrderQty"),
    "MARKET": ("timeInForce", "price", "icebergQty"),
}

#: every parameter that POST order may carry; others are refused, as Binance counts what it could not read
ORDER_PARAMS = frozenset(
    {
        *("symbol", "side", "type", "timeInForce", "quantity", "quoteOrderQty", "price", "newClientOrderId"),
        *("strategyId", "strategyType", "stopPrice", "trailingDelta", "icebergQty", "newOrderRespType"),
        *("selfTradePreventionMode", "computeCommissionRates"),
        *("recvWindow", "timestamp", "signature"),
    }
)
#: an amendment's; the client id stays as it is
AMEND_PARAMS = frozenset(
    {"symbol", "orderId", "origClientOrderId", "newQty", "newPrice", "recvWindow", "timestamp", "signature"}
)


def instrument_of(call: Call, instruments: dict[str, Instrument]) -> Instrument:
    symbol = call.text("symbol")
    if not symbol.isascii() or not symbol.isalnum() or len(symbol) > 20:
        raise illegal("symbol", "^[A-Z0-9-_.]{1,20}$")
    instrument = instruments.get(symbol)
    if instrument is None:
        raise Refused(-1121, "Invalid symbol.")
    return instrument


def read_new_order(
    call: Call,
    instruments: dict[str, Instrument],
    *,
    last_price_e8: dict[str, int],
    known: frozenset[str] = ORDER_PARAMS,
) -> NewOrder:
    """Parse and check. ``last_price_e8`` values market orders for the notional filter. Raises Refused."""
    _check_read(call, known)
    instrument = instrument_of(call, instruments)
    side = _word(call, "side", SIDES, Refused(-1117, "Invalid side."))
    type_ = _order_type(call)
    for name in _MUST[type_]:
        call.text(name)
    for name in _MUST_NOT[type_]:
        if call.params.get(name):
            raise not_required(name)
    response_type(call, type_)
    new = NewOrder(
        account=call.account,
        symbol=instrument.symbol,
        client_order_id=client_id(call, "newClientOrderId"),
        side=side,
        type=type_,
        time_in_force=_time_in_force(call, type_),
        quantity_e8=_decimal(call, "quantity", Refused(-1013, "Invalid quantity.")),
        price_e8=_decimal(call, "price", Refused(-1013, "Invalid price.")),
        quote_quantity_e8=_decimal(call, "quoteOrderQty", Refused(-1013, "Invalid quote order qty.")),
        iceberg_e8=_decimal(call, "icebergQty", Refused(-1013, "Invalid iceberg qty.")),
    )
    if type_ == "MARKET" and bool(new.quantity_e8) == bool(new.quote_quantity_e8):
        raise mandatory("quantity") if not new.quantity_e8 else not_required("quoteOrderQty")
    if new.iceberg_e8 and (type_ == "LIMIT" and new.time_in_force != "GTC"):
        raise Refused(-1013, "Iceberg orders must be GTC.")
    check_filters(new, instrument, last_price_e8[instrument.symbol])
    return new


def check_filters(new: NewOrder, instrument: Instrument, last_price_e8: int) -> None:
    """PRICE_FILTER, LOT_SIZE, MARKET_LOT_SIZE, ICEBERG_PARTS and NOTIONAL. Raises Refused (-1013)."""
    if new.price_e8 and new.price_e8 % instrument.tick_e8:
        raise filter_failure("PRICE_FILTER")
    quantity_e8 = new.quantity_e8
    if quantity_e8 and (
        quantity_e8 < instrument.lot_e8 or quantity_e8 > instrument.max_quantity_e8 or quantity_e8 % instrument.lot_e8
    ):
        raise filter_failure("LOT_SIZE")
    if new.type == "MARKET" and quantity_e8 > instrument.max_market_quantity_e8:
        raise filter_failure("MARKET_LOT_SIZE")
    if new.iceberg_e8 and (
        new.iceberg_e8 % instrument.lot_e8
        or new.iceberg_e8 > quantity_e8
        or quantity_e8 > MAX_ICEBERG_PARTS * new.iceberg_e8
    ):
        raise filter_failure("ICEBERG_PARTS")
    value_e8 = new.quote_quantity_e8 or product_e8(new.price_e8 or last_price_e8, quantity_e8)
    if value_e8 < instrument.min_notional_e8 or (new.type != "MARKET" and value_e8 > instrument.max_notional_e8):
        raise filter_failure("NOTIONAL")


def client_id(call: Call, name: str) -> str:
    """A client order id; made up where none was sent."""
    value = call.params.get(name, "")
    if not value:
        return "".join(secrets.choice(string.ascii_letters + string.digits) for _ in range(22))
    if not _CLIENT_ID_RE.fullmatch(value):
        raise illegal(name, _CLIENT_ID)
    return value


def response_type(call: Call, type_: str) -> str:
    default = "ACK" if type_ == "LIMIT_MAKER" else "FULL"
    if not call.params.get("newOrderRespType"):
        return default
    return _word(call, "newOrderRespType", RESPONSE_TYPES, illegal("newOrderRespType", "^(ACK|RESULT|FULL)$"))


def read_amendment(call: Call, instrument: Instrument, order: Accepted, last_price_e8: int) -> tuple[int, int]:
    """The new whole quantity and price, checked as a new order's would be. Raises Refused."""
    _check_read(call, AMEND_PARAMS)
    call.text("newQty")
    quantity_e8 = _decimal(call, "newQty", Refused(-1013, "Invalid quantity."))
    price_e8 = _decimal(call, "newPrice", Refused(-1013, "Invalid price.")) or order.price_e8
    new = NewOrder(
        account=order.account,
        symbol=order.symbol,
        client_order_id=order.client_order_id,
        side=order.side,
        type=order.type,
        time_in_force=order.time_in_force,
        quantity_e8=quantity_e8,
        price_e8=price_e8,
        iceberg_e8=order.iceberg_e8,
    )
    check_filters(new, instrument, last_price_e8)
    return quantity_e8, price_e8


def _check_read(call: Call, known: frozenset[str]) -> None:
    unread = [name for name in call.params if name not in known]
    if unread:
        read, sent = len(call.params) - len(unread), len(call.params)
        raise Refused(-1104, f"Not all sent parameters were read; read '{read}' parameter(s) but was sent '{sent}'.")


def _order_type(call: Call) -> str:
    value = call.text("type")
    if value in OTHER_TYPES:
        raise Refused(-1013, f"This symbol is not permitted for {value} orders.")
    return _word(call, "type", TYPES, Refused(-1116, "Invalid orderType."))


def _time_in_force(call: Call, type_: str) -> str:
    if type_ != "LIMIT":
        return "GTC"
    return _word(call, "timeInForce", TIMES_IN_FORCE, Refused(-1115, "Invalid timeInForce."))


def _word(call: Call, name: str, allowed: tuple[str, ...], refusal: Refused) -> str:
    value = call.text(name)
    if value not in allowed:
        raise refusal
    return value


def _decimal(call: Call, name: str, refusal_of_zero: Refused) -> int:
    """The exact value of a decimal string, in 1e-8; 0 when it was not sent."""
    value = call.params.get(name)
    if value is None:
        return 0
    if value == "":
        raise mandatory(name)
    if not _DECIMAL_RE.fullmatch(value):
        raise illegal(name, _DECIMAL)
    try:
        number_e8 = parse_e8(value)
    except ValueError as error:
        raise too_precise(name) from error
    if not number_e8:
        raise refusal_of_zero
    return number_e8
