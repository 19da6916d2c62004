"""What each venue can do, as data. A venue without an entry works with the most careful values."""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import timedelta
from enum import StrEnum
from types import MappingProxyType

_NOTHING: Mapping[str, object] = MappingProxyType({})


class IdScope(StrEnum):
    """Among which orders of an account the venue keeps client ids apart."""

    #: taken again as soon as the first order is no longer open: a repeat may trade twice
    OPEN_ORDERS = "open_orders"
    ALWAYS = "always"
    UNKNOWN = "unknown"


class Paging(StrEnum):
    """How a long list of trades or orders is read to its end."""

    #: oldest first from ``since``; next page after the last id
    BY_ID = "by_id"
    #: oldest first from ``since``; next page from the last time seen
    FORWARD = "forward"
    #: newest first; next page until the oldest time seen
    BACKWARD = "backward"
    #: newest first; next page by its number: what is added meanwhile shows some entries twice and leaves none out
    BY_PAGE = "by_page"
    #: newest first; next page after as many as were seen: what is added meanwhile shows some twice, as above
    BY_OFFSET = "by_offset"
    #: not known: one full page is a failure, since what is missing can't be told
    SINGLE = "single"


class Amend(StrEnum):
    NONE = "none"
    #: the same order under the same ids, with what has filled of it
    IN_PLACE = "in_place"
    #: the order gets a new id; the old one may be gone although the new one failed
    REPLACE = "replace"


class AmendSize(StrEnum):
    """What the quantity of an amendment means to the venue."""

    #: not documented: nothing is amended there
    NONE = "none"
    #: the whole order, what has filled included: what can fill is bounded whatever fills meanwhile
    TOTAL = "total"
    #: what is still to fill: a fill that comes in between makes the order larger
    REMAINING = "remaining"


@dataclass(frozen=True, slots=True, kw_only=True)
class Capabilities:
    #: the venue refuses a create whose signed timestamp + window has passed: absence after it is proof
    enforces_deadline: bool = False
    #: whatever changes something is no GET: one that failed has changed nothing, and may be asked again
    gets_only_read: bool = False
    #: a 429 on create is refused before matching: this copy surely was not taken
    rate_limit_is_rejection: bool = False
    post_only: bool = True
    #: the times in force of its limit orders
    times_in_force: frozenset[str] = frozenset({"GTC", "IOC", "FOK"})
    #: among which orders a client id is unique
    client_ids_unique: IdScope = IdScope.UNKNOWN
    #: ccxt's ``params`` key that carries the client id of a new order
    client_id_param: str = "clientOrderId"
    #: ccxt's ``params`` key by which fetch_order finds an order by client id; None: only by looking through lists
    finds_by: str | None = None
    #: the venue filters its order lists by this ``params`` key; None: it does not
    lists_filter: str | None = None
    #: ccxt methods that list orders that are no longer open; None: whatever the class says it has
    closed_orders_by: tuple[str, ...] | None = None
    #: ccxt method, and its ``params`` key of the order's id, that show an ended order where fetch_order knows the recent
    #: ones only; None: fetch_order knows all
    ended_order_by: tuple[str, str] | None = None
    #: further ``params`` of ccxt's fetch_order
    fetch_params: Mapping[str, object] = field(default_factory=lambda: _NOTHING)
    #: ``params`` that make a market buy count in base units; None: the venue takes only an amount of quote to spend
    market_buy_params: Mapping[str, object] | None = None
    #: the reply to a create carries no state, only an id
    acknowledges_only: bool = True
    #: where lists, and balances, stand in a reply, dotted; "" for a bare list, None: not known, so that any will do.
    #: Something else there is no answer
    lists_at: tuple[str, ...] | None = None
    paging: Paging = Paging.SINGLE
    #: a list from a moment on shows no more than so many days after it; None: all up to now
    look_days: int | None = None
    #: lists are of all symbols, or may be: asked for without a symbol, since ccxt would leave out the others and a full
    #: page would not be known as one
    lists_all_symbols: bool = False
    #: ``params`` key of such a list by which the venue leaves out the others itself; "": it does not
    symbols_param: str = ""
    #: where a list says that there is more of it; "": nowhere
    more_at: str = ""
    #: what is of the very moment that a list begins at is not in it
    since_is_exclusive: bool = False
    #: entries of a full page, where ccxt does not say or is wrong
    open_orders_a_page: int | None = None
    #: ``params`` key of the next page of the open orders, and where in the reply its value stands, dotted; None: more
    #: than a page of them can't be read
    open_orders_next: tuple[str, str] | None = None
    ended_orders_a_page: int | None = None
    trades_a_page: int | None = None
    #: the venue shows no trades that are older; None: all that there ever were
    trades_kept: timedelta | None = None
    #: further ``params`` of the lists of ended orders
    ended_orders_params: Mapping[str, object] = field(default_factory=lambda: _NOTHING)
    #: ``params`` key of the oldest second of a list, where the venue lists orders by when they ended: ccxt's ``since``
    #: would leave out those that began before, and a full page would seem to be the last. "": ccxt's ``since`` will do
    since_param: str = ""
    #: header of a create that names the millisecond after which the venue refuses it; "": it has none
    deadline_header: str = ""
    #: ccxt reads what was spent from the venue; elsewhere it multiplies by an average that was rounded
    tells_cost: bool = True
    #: ccxt's ``nonce()`` is the time of the request in milliseconds, so that ours can be signed instead
    signs_milliseconds: bool = False
    #: ccxt asks something that is signed for the markets already
    signs_markets: bool = False
    #: the venue refuses a nonce that is not above the last one
    increasing_nonce: bool = False
    #: the asset of the fee: ``received`` (base on a buy, quote on a sell), ``quote`` or ``base``
    fee_in: str = "quote"
    amend: Amend = Amend.NONE
    amend_size: AmendSize = AmendSize.NONE
    #: an amended order is found under its old venue order id
    amend_keeps_id: bool = False
    #: the venue refuses an amendment that comes after the deadline which the request itself names
    amend_deadline: bool = False
    #: where the reply to an amendment proves that it was taken, dotted
    amended_at: str = ""
    #: the venue shows a part of a resting order and keeps the rest out of sight
    native_iceberg: bool = False
    #: ccxt's ``params`` key of the quantity that is shown
    iceberg_param: str = ""
    #: further ``params`` of an iceberg
    iceberg_params: Mapping[str, object] = field(default_factory=lambda: _NOTHING)


CAPABILITIES: Mapping[str, Capabilities] = {
    "binance": Capabilities(
        gets_only_read=True,
        fee_in="received",
        enforces_deadline=True,  # timestamp + recvWindow, checked again before matching
        rate_limit_is_rejection=True,
        client_ids_unique=IdScope.OPEN_ORDERS,
        client_id_param="newClientOrderId",
        finds_by="clientOrderId",
        closed_orders_by=("fetch_orders",),
        market_buy_params=_NOTHING,
        acknowledges_only=False,  # newOrderRespType FULL
        lists_at=("", "balances"),
        paging=Paging.BY_ID,
        signs_milliseconds=True,
        amend=Amend.REPLACE,
        native_iceberg=True,
        iceberg_param="icebergQty",
    ),
    "bybit": Capabilities(
        gets_only_read=True,
        fee_in="received",
        enforces_deadline=True,  # timestamp + recv_window
        client_ids_unique=IdScope.ALWAYS,
        finds_by="orderLinkId",
        closed_orders_by=("fetch_canceled_and_closed_orders",),
        open_orders_next=("cursor", "result.nextPageCursor"),
        ended_order_by=("fetch_canceled_and_closed_orders", "orderId"),  # 500 are recent, after a release of its none
        fetch_params=MappingProxyType({"acknowledged": True}),
        market_buy_params=_NOTHING,  # without a price the class asks for marketUnit baseCoin
        lists_at=("result.list",),
        paging=Paging.BACKWARD,
        look_days=7,
        signs_milliseconds=True,
        amend=Amend.NONE,  # its "order quantity after modification" does not say whether fills count
    ),
    "okx": Capabilities(
        gets_only_read=True,
        fee_in="received",
        client_ids_unique=IdScope.ALWAYS,
        finds_by="clientOrderId",
        closed_orders_by=("fetch_closed_orders", "fetch_canceled_orders"),
        market_buy_params=MappingProxyType({"tgtCcy": "base_ccy"}),
        open_orders_next=("after", "data.-1.ordId"),
        lists_at=("data",),
        paging=Paging.BACKWARD,
        tells_cost=False,
        signs_milliseconds=True,
        amend=Amend.IN_PLACE,
        amend_size=AmendSize.TOTAL,  # newSz includes what has been filled
        amend_keeps_id=True,
        amended_at="data.0.ordId",
        # Its icebergs are algo orders, in lists of their own where a lookup would not find them.
    ),
    "kraken": Capabilities(
        gets_only_read=True,
        client_ids_unique=IdScope.OPEN_ORDERS,
        lists_filter="clientOrderId",  # fetch_order would send it as userref, which is another thing
        closed_orders_by=("fetch_closed_orders",),
        market_buy_params=_NOTHING,
        lists_at=("result",),
        paging=Paging.BY_OFFSET,
        tells_cost=False,
        lists_all_symbols=True,
        since_is_exclusive=True,
        ended_orders_a_page=50,
        trades_a_page=50,
        signs_milliseconds=True,
        increasing_nonce=True,
        amend=Amend.IN_PLACE,
        amend_size=AmendSize.TOTAL,  # below what has filled it cancels the rest
        amend_keeps_id=True,  # the id in its reply is the amendment's
        amend_deadline=True,  # "deadline": its matching engine refuses a request that comes later
        amended_at="result.amend_id",
        native_iceberg=True,
        iceberg_param="displayvol",
        iceberg_params=MappingProxyType({"ordertype": "iceberg"}),
    ),
    "coinbase": Capabilities(
        gets_only_read=True,
        client_ids_unique=IdScope.ALWAYS,  # a repeat returns the first order
        client_id_param="client_order_id",  # ccxt drops clientOrderId here and makes an id of its own
        closed_orders_by=("fetch_orders",),
        lists_at=("orders", "fills", "accounts", "data"),
        paging=Paging.BACKWARD,
        lists_all_symbols=True,  # ccxt's "product_id" is no longer among its documented parameters
        symbols_param="product_ids",
        more_at="has_next",
        since_is_exclusive=True,
        open_orders_a_page=1000,  # no more than 500 can be open of one product
        trades_a_page=100,
        tells_cost=False,
        signs_milliseconds=True,
        signs_markets=True,
        amend=Amend.IN_PLACE,
        amend_size=AmendSize.TOTAL,  # a size below what has filled is refused as such
        amend_keeps_id=True,
        amended_at="success",
    ),
    "kucoin": Capabilities(
        gets_only_read=True,
        finds_by="clientOrderId",
        closed_orders_by=("fetch_closed_orders",),
        fetch_params=MappingProxyType({"hf": True}),
        market_buy_params=_NOTHING,
        signs_markets=True,
        lists_at=("data.items", "data"),
        paging=Paging.BACKWARD,
        look_days=7,
        ended_orders_a_page=100,
        ended_orders_params=MappingProxyType({"limit": 100}),  # ccxt's pageSize is of its other account: it gives 20
        signs_milliseconds=True,
        amend=Amend.REPLACE,  # "alter" cancels the order and places another, says its documentation
        native_iceberg=True,
        iceberg_param="visibleSize",
        iceberg_params=MappingProxyType({"iceberg": True}),
    ),
    "gate": Capabilities(
        gets_only_read=True,
        fee_in="received",
        finds_by="clientOrderId",  # pending orders only
        closed_orders_by=("fetch_closed_orders",),
        lists_at=("",),
        paging=Paging.BY_PAGE,
        look_days=30,
        since_param="from",
        # Refused by when it is received; that nothing received before can still come to be is nowhere said.
        deadline_header="x-gate-exptime",
        signs_milliseconds=True,
        amend=Amend.NONE,  # its spot documentation does not say whether a new size counts what has filled
        native_iceberg=True,
        iceberg_param="iceberg",
    ),
    "bitget": Capabilities(
        gets_only_read=True,
        fee_in="received",
        finds_by="clientOrderId",
        closed_orders_by=("fetch_canceled_and_closed_orders",),
        lists_at=("data",),
        paging=Paging.BACKWARD,
        signs_milliseconds=True,
        amend=Amend.REPLACE,
    ),
    "nobitex": Capabilities(
        gets_only_read=True,
        rate_limit_is_rejection=True,  # its 429 tells to send the request again after a while: it was not looked at
        post_only=False,
        times_in_force=frozenset({"GTC"}),
        client_ids_unique=IdScope.OPEN_ORDERS,
        finds_by="clientOrderId",  # among open orders only
        closed_orders_by=("fetch_orders",),  # a rejected order is in no other list
        market_buy_params=_NOTHING,
        lists_at=("orders", "trades", "wallets"),
        paging=Paging.BY_PAGE,
        # The class reads their pages itself, to the end or not at all; more it raises.
        ended_orders_a_page=100_000,
        trades_a_page=100_000,
        trades_kept=timedelta(days=3),
        fee_in="received",
    ),
}
CAREFUL = Capabilities()


def capabilities(ccxt_id: str, *, paper_amends: bool = False) -> Capabilities:
    """``paper_amends``: the built-in venue, which speaks as ``ccxt_id`` does and amends in place besides."""
    known = CAPABILITIES.get(ccxt_id, CAREFUL)
    if not paper_amends:
        return known
    return replace(
        known,
        amend=Amend.IN_PLACE,
        amend_size=AmendSize.TOTAL,
        amend_keeps_id=True,
        amended_at="amendedOrder.orderId",
    )
