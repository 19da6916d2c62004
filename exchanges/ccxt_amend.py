"""Another quantity or price for an order that rests, in its place: never by cancelling it and placing another."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from typing import Any

from exchanges.aliases import speaks_as
from exchanges.capabilities import Amend, AmendSize, Capabilities
from exchanges.ccxt_call import Caller, Stamp, Unreadable
from exchanges.ccxt_create import assert_steps, kraken_deadline
from exchanges.ccxt_parse import order_report
from exchanges.ccxt_session import Exchange
from exchanges.errors import refusal_in
from exchanges.evidence import Evidence, NotAmendable, VenueError
from models.clock import milliseconds
from models.money import plain, subtract
from models.reports import OrderReport
from models.vocabulary import OrderType, Side


@dataclass(frozen=True, slots=True, kw_only=True)
class Amendment:
    symbol: str
    venue_order_id: str
    side: Side
    type: OrderType
    post_only: bool
    #: base, the whole order with what has filled
    quantity: Decimal
    #: quote per base
    price: Decimal
    #: base that has filled as far as is known
    filled_quantity: Decimal
    #: signed instead of the present, on the venue's clock; None: the present
    timestamp: datetime | None
    window_ms: int


def amend(caller: Caller, amendment: Amendment) -> OrderReport | None:
    """The order as the reply shows it; None where the venue only acknowledges."""
    config, can = caller.config, caller.can
    _assert_in_place(config.name, can)
    if amendment.quantity <= amendment.filled_quantity:
        raise VenueError(
            Evidence.REJECTED,
            f"{plain(amendment.filled_quantity)} has filled, so that an order of {plain(amendment.quantity)} has nothing "
            "left: cancel it instead; nothing was sent",
            code="NOT_ABOVE_FILLED",
        )
    arguments = _arguments(amendment, config.ccxt_id, can)
    stamp = None
    if amendment.timestamp is not None:
        stamp = Stamp(timestamp_ms=milliseconds(amendment.timestamp), window_ms=amendment.window_ms)

    def edit(exchange: Exchange) -> OrderReport | None:
        assert_steps(exchange, amendment.symbol, amendment.quantity, amendment.price)
        edited = exchange.edit_order(*arguments)
        reply = exchange.session.wire.json
        if not _stands_for_yes(reply, can.amended_at):
            refusal = refusal_in(reply, config.ccxt_id, config.name, config.secrets())
            if refusal is not None:
                raise refusal
            raise Unreadable("its answer does not say that the order was amended")
        return None if can.acknowledges_only else order_report(edited, amendment.symbol)

    return caller.call(edit, changes=True, stamp=stamp)


def _assert_in_place(venue: str, can: Capabilities) -> None:
    if can.amend is Amend.IN_PLACE and can.amend_size is not AmendSize.NONE and can.amend_keeps_id:
        return
    how = "only by cancelling it and placing another" if can.amend is Amend.REPLACE else "in no way that is known"
    raise NotAmendable(
        Evidence.REJECTED,
        f"{venue} changes an order {how}: cancel it, read what has filled, and send the rest; nothing was sent",
        code="NOT_IN_PLACE",
    )


def _arguments(amendment: Amendment, ccxt_id: str, can: Capabilities) -> tuple[Any, ...]:
    """Id, symbol, type, side, quantity, price, params of ccxt's ``edit_order``."""
    quantity = amendment.quantity
    if can.amend_size is AmendSize.REMAINING:
        quantity = subtract(quantity, amendment.filled_quantity)
    return (
        amendment.venue_order_id,
        amendment.symbol,
        amendment.type.value,
        amendment.side.value,
        plain(quantity),
        plain(amendment.price),
        _params(amendment, ccxt_id),
    )


def _params(amendment: Amendment, ccxt_id: str) -> Mapping[str, object]:
    params: dict[str, object] = {}
    if speaks_as(ccxt_id) == "kraken" and amendment.post_only:
        params["postOnly"] = True  # elsewhere an order stays post-only by itself
    if speaks_as(ccxt_id) == "kraken" and amendment.timestamp is not None:
        params["deadline"] = kraken_deadline(amendment.timestamp, amendment.window_ms)
    return params


def _stands_for_yes(body: object, path: str) -> bool:
    """Whether something that is neither empty nor false stands at ``path``."""
    for key in path.split("."):
        if isinstance(body, list) and key.isdigit() and int(key) < len(body):
            body = body[int(key)]
        else:
            body = body.get(key) if isinstance(body, dict) else None
    return body not in (None, "", False)
