"""What happened at the venue, as values. The state is a fold over these; the journal is their list."""

from dataclasses import dataclass, field


@dataclass(frozen=True, slots=True, kw_only=True)
class Listed:
    """A symbol is traded here from now on."""

    symbol: str
    base: str
    quote: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Deposited:
    """An account was given something: its opening balance, or a deposit."""

    account: str
    asset: str
    amount_e8: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Moved:
    """Something came into an account or left it, and the account's lists of movements tell of it."""

    #: numbered 1, 2, 3 …
    movement_id: int
    account: str
    #: deposit, withdrawal or transfer
    kind: str
    asset: str
    #: above 0
    amount_e8: int
    comes_in: bool
    #: what a withdrawal costs in addition
    fee_e8: int = 0
    #: pending or done
    status: str
    #: False: the balance has it already, only the lists do not
    moves: bool = True


@dataclass(frozen=True, slots=True, kw_only=True)
class MovementEnded:
    """A pending movement is done or has failed; what a failed withdrawal took is there again."""

    movement_id: int
    #: done or failed
    status: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Accepted:
    """An order was taken. A limit order's funds are held from here on."""

    symbol: str
    #: numbered 1, 2, 3 … per symbol
    order_id: int
    account: str
    client_order_id: str
    #: BUY or SELL
    side: str
    #: MARKET, LIMIT or LIMIT_MAKER
    type: str
    #: GTC, IOC or FOK
    time_in_force: str
    #: base; for a market buy by quote amount what its matches came to
    quantity_e8: int
    #: 0 for market orders
    price_e8: int = 0
    #: what a market buy by quote amount may spend, else 0
    quote_quantity_e8: int = 0
    iceberg_e8: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Traded:
    """Two orders met. A side without an order id is a background participant."""

    symbol: str
    #: numbered 1, 2, 3 … per symbol
    trade_id: int
    price_e8: int
    quantity_e8: int
    #: 0: a background participant
    taker_order_id: int
    maker_order_id: int
    #: in the asset that each side received
    taker_fee_e8: int = 0
    maker_fee_e8: int = 0
    #: whether the taker bought
    taker_buys: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Amended:
    """An open order got another quantity or price in its place. What it may still cost is held from here on."""

    symbol: str
    order_id: int
    #: the whole order, what has filled included
    quantity_e8: int
    price_e8: int
    #: it goes to the end of its queue
    to_the_back: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Ended:
    """An order was cancelled or expired with a rest; what it held is free again."""

    symbol: str
    order_id: int
    #: CANCELED or EXPIRED
    status: str


@dataclass(frozen=True, slots=True, kw_only=True)
class RefusedRequest:
    """A request to place, amend or cancel, by a known account, that the venue said no to."""

    account: str
    #: ``POST order``, ``DELETE order`` …
    request: str
    #: the parameters as they arrived, signature left out
    params: dict[str, str] = field(default_factory=dict)
    code: int
    message: str


@dataclass(frozen=True, slots=True, kw_only=True)
class FaultFired:
    """An armed fault hit a request."""

    kind: str
    request: str
    client_order_id: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Priced:
    """Where the market stood, so that a restart goes on from there."""

    symbol: str
    price_e8: int


Event = (
    Listed
    | Deposited
    | Moved
    | MovementEnded
    | Accepted
    | Traded
    | Amended
    | Ended
    | RefusedRequest
    | FaultFired
    | Priced
)
