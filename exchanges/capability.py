"""What there is to know of a venue before orders are sent to it. The defaults are the most careful values."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import timedelta
from enum import StrEnum
from types import MappingProxyType

NOTHING: Mapping[str, object] = MappingProxyType({})


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
    fetch_params: Mapping[str, object] = field(default_factory=lambda: NOTHING)
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
    #: ``params`` key of the next page of the open orders, and where in the reply its value stands, dotted; None: there is
    #: no such way to it
    open_orders_next: tuple[str, str] | None = None
    #: ``params`` key of the number of a page of the open orders, from 1 on; "": they have none. Without either more than
    #: a page of them can't be read
    open_orders_page_param: str = ""
    #: the open orders of every symbol are shown by one question: also those of somebody else, where we never traded
    lists_all_open: bool = False
    ended_orders_a_page: int | None = None
    trades_a_page: int | None = None
    #: the venue shows no trades that are older; None: all that there ever were
    trades_kept: timedelta | None = None
    #: further ``params`` of the lists of ended orders
    ended_orders_params: Mapping[str, object] = field(default_factory=lambda: NOTHING)
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
    #: its lists of deposits and withdrawals are known to be read rightly
    tells_movements: bool = False
    #: its types of transfers between this account and others of the same customer → whether that leaves the account
    transfer_types: Mapping[str, bool] = field(default_factory=lambda: MappingProxyType({}))
    #: further ``params`` of an iceberg
    iceberg_params: Mapping[str, object] = field(default_factory=lambda: NOTHING)
