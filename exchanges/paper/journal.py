"""Pure readers of the venue's own log, for whoever wants to compare its books with the venue's.

Each takes the journal file, or the home that holds it, also while the venue is running.
"""

from collections import Counter
from dataclasses import dataclass, field
from decimal import Decimal
from pathlib import Path

from exchanges.paper.amounts import decimal_e8
from exchanges.paper.events import Accepted, Amended, FaultFired, RefusedRequest
from exchanges.paper.journal_file import FILE_NAME, Journal, JournalInUse, read_events
from exchanges.paper.state import Fill, Order, State

__all__ = [
    "FILE_NAME",
    "Journal",
    "JournalInUse",
    "VenueAmendment",
    "VenueFault",
    "VenueOrder",
    "VenueRequest",
    "VenueTrade",
    "read_amendments",
    "read_balances",
    "read_events",
    "read_faults",
    "read_orders",
    "read_requests",
    "read_state",
    "read_trades",
    "sent_twice",
]


@dataclass(frozen=True, slots=True, kw_only=True)
class VenueTrade:
    """One order's side of a trade. A self-match is two of these with one trade id."""

    symbol: str
    trade_id: int
    order_id: int
    client_order_id: str
    account: str
    #: BUY or SELL
    side: str
    price: Decimal
    #: base
    quantity: Decimal
    quote_quantity: Decimal
    #: in ``fee_asset``
    fee: Decimal
    fee_asset: str
    is_maker: bool
    at_ms: int


@dataclass(frozen=True, slots=True, kw_only=True)
class VenueOrder:
    """One accepted order as the venue has it."""

    symbol: str
    order_id: int
    client_order_id: str
    account: str
    #: BUY or SELL
    side: str
    #: MARKET, LIMIT or LIMIT_MAKER
    type: str
    time_in_force: str
    #: as amended
    quantity: Decimal
    #: as amended; 0 for market orders
    price: Decimal
    #: 0 unless a market buy by quote amount
    quote_quantity: Decimal
    executed: Decimal
    executed_quote: Decimal
    #: Binance's: NEW, PARTIALLY_FILLED, FILLED, CANCELED or EXPIRED
    status: str
    created_ms: int
    updated_ms: int
    trades: tuple[VenueTrade, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class VenueRequest:
    """One order accepted (``code`` 0), or a request to place, amend or cancel refused, such as a duplicate."""

    at_ms: int
    account: str
    #: ``POST order``, ``DELETE order`` …; accepted ones are always ``POST order``
    request: str
    symbol: str
    client_order_id: str
    #: the id it was given, 0 when refused
    order_id: int
    #: Binance's code, 0 when accepted
    code: int
    message: str
    params: dict[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class VenueAmendment:
    """An open order that got another quantity or price."""

    at_ms: int
    symbol: str
    order_id: int
    #: the whole order, what had filled included
    quantity: Decimal
    price: Decimal


@dataclass(frozen=True, slots=True, kw_only=True)
class VenueFault:
    """An armed fault that hit a request."""

    at_ms: int
    kind: str
    request: str
    client_order_id: str


def read_state(path: Path) -> State:
    """Everything the journal says, folded: orders, fills, balances."""
    state = State()
    for at_ms, event in read_events(path):
        state.apply(event, at_ms)
    return state


def read_orders(path: Path) -> list[VenueOrder]:
    """Every order the venue accepted, by symbol and id."""
    state = read_state(path)
    return [venue_order(state, order) for _, orders in sorted(state.orders.items()) for order in orders]


def read_trades(path: Path) -> list[VenueTrade]:
    """Every fill of every customer order, by symbol and trade id."""
    state = read_state(path)
    fills = [fill for fills in state.fills.values() for fill in fills]
    fills.sort(key=lambda fill: (fill.trade.symbol, fill.trade.trade_id, fill.order.id))
    return [venue_trade(state, fill) for fill in fills]


def read_balances(path: Path) -> dict[tuple[str, str], tuple[Decimal, Decimal]]:
    """(account, asset) to (free, locked)."""
    balances = read_state(path).balances
    return {key: (decimal_e8(held.free_e8), decimal_e8(held.locked_e8)) for key, held in balances.items()}


def read_requests(path: Path) -> list[VenueRequest]:
    """Every order accepted, and every request to place, amend or cancel that was refused, in the order they came."""
    requests = []
    for at_ms, event in read_events(path):
        if isinstance(event, Accepted):
            requests.append(
                VenueRequest(
                    at_ms=at_ms,
                    account=event.account,
                    request="POST order",
                    symbol=event.symbol,
                    client_order_id=event.client_order_id,
                    order_id=event.order_id,
                    code=0,
                    message="",
                )
            )
        elif isinstance(event, RefusedRequest):
            names = ("newClientOrderId", "origClientOrderId")
            requests.append(
                VenueRequest(
                    at_ms=at_ms,
                    account=event.account,
                    request=event.request,
                    symbol=event.params.get("symbol", ""),
                    client_order_id=next((event.params[name] for name in names if name in event.params), ""),
                    order_id=0,
                    code=event.code,
                    message=event.message,
                    params=event.params,
                )
            )
    return requests


def read_amendments(path: Path) -> list[VenueAmendment]:
    """Every amendment that changed something, in order; refused ones are among the requests."""
    return [
        VenueAmendment(
            at_ms=at_ms,
            symbol=event.symbol,
            order_id=event.order_id,
            quantity=decimal_e8(event.quantity_e8),
            price=decimal_e8(event.price_e8),
        )
        for at_ms, event in read_events(path)
        if isinstance(event, Amended)
    ]


def read_faults(path: Path) -> list[VenueFault]:
    """Every fault that hit a request, in order."""
    return [
        VenueFault(at_ms=at_ms, kind=event.kind, request=event.request, client_order_id=event.client_order_id)
        for at_ms, event in read_events(path)
        if isinstance(event, FaultFired)
    ]


def sent_twice(orders: list[VenueOrder]) -> list[str]:
    """Client order ids that the venue accepted more than once on one account, sorted; what a verdict wants empty."""
    counts = Counter((order.account, order.client_order_id) for order in orders)
    return sorted(client_order_id for (_, client_order_id), count in counts.items() if count > 1)


def venue_order(state: State, order: Order) -> VenueOrder:
    accepted = order.accepted
    return VenueOrder(
        symbol=accepted.symbol,
        order_id=accepted.order_id,
        client_order_id=accepted.client_order_id,
        account=accepted.account,
        side=accepted.side,
        type=accepted.type,
        time_in_force=accepted.time_in_force,
        quantity=decimal_e8(accepted.quantity_e8),
        price=decimal_e8(accepted.price_e8),
        quote_quantity=decimal_e8(accepted.quote_quantity_e8),
        executed=decimal_e8(order.executed_e8),
        executed_quote=decimal_e8(order.executed_quote_e8),
        status=order.status,
        created_ms=order.created_ms,
        updated_ms=order.updated_ms,
        trades=tuple(venue_trade(state, fill) for fill in order.fills),
    )


def venue_trade(state: State, fill: Fill) -> VenueTrade:
    trade, accepted = fill.trade, fill.order.accepted
    listed = state.listed[trade.symbol]
    return VenueTrade(
        symbol=trade.symbol,
        trade_id=trade.trade_id,
        order_id=accepted.order_id,
        client_order_id=accepted.client_order_id,
        account=accepted.account,
        side=accepted.side,
        price=decimal_e8(trade.price_e8),
        quantity=decimal_e8(trade.quantity_e8),
        quote_quantity=decimal_e8(fill.quote_e8),
        fee=decimal_e8(fill.fee_e8),
        fee_asset=listed.base if fill.order.buys else listed.quote,
        is_maker=fill.is_maker,
        at_ms=fill.at_ms,
    )
