"""The shapes of requests and answers, for the API's description only: on the way of a request `models` reads and checks."""

from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field
from pydantic.config import JsonDict

from models.vocabulary import ChildStatus, Liquidity, Mode, OrderStatus, OrderType, Side, TimeInForce

DecimalString = str
Time = str

_DECIMAL: JsonDict = {"pattern": r"^[0-9]{1,20}(\.[0-9]{1,18})?$", "examples": ["0.0015"]}
_TIME: JsonDict = {"format": "date-time", "examples": ["2030-01-31T12:00:00.000000Z"]}


class _Shape(BaseModel):
    model_config = ConfigDict(extra="forbid")


class ProblemField(_Shape):
    field: str = Field(description="dotted path into the request; empty for the request as a whole")
    rule: str = Field(description="what is asked of the field")
    value: str | None = Field(description="what was sent, shortened; null where it is missing")
    nearest: str | None = Field(description="the nearest value that would do, where there is one")


class Problem(_Shape):
    """RFC 9457. Programs read `code`, people `detail`."""

    type: str
    title: str
    status: int
    code: str = Field(description="stable", examples=["INVALID_REQUEST"])
    detail: str
    errors: list[ProblemField]


class NamedAlgorithm(_Shape):
    name: Literal["single"]


class NamedFillPolicy(_Shape):
    name: Literal["accept_partial"]


class NotifyRoute(_Shape):
    """Every change is sent to this queue as a message for this task."""

    queue: str = Field(pattern=r"^[A-Za-z0-9._:-]{1,128}$")
    task: str = Field(pattern=r"^[A-Za-z0-9._:-]{1,128}$")


class OrderRequest(_Shape):
    """An order to place. Unknown fields are refused."""

    schema_version: Literal[1] = 1
    client_order_id: str = Field(
        pattern=r"^[A-Za-z0-9._:-]{1,64}$", description="the idempotency key, unique per account, for ever"
    )
    venue: str = Field(description="the name of a configured venue", examples=["paper"])
    account: str = "main"
    symbol: str = Field(description="spot, as ccxt writes it", examples=["BTC/USDT"])
    side: Side
    type: OrderType
    quantity: DecimalString = Field(
        description="base asset; a JSON number is read by its digits; rounded down to the lot",
        json_schema_extra=_DECIMAL,
    )
    price: DecimalString | None = Field(
        default=None,
        description="required for limit, forbidden for market; rounded in the customer's favour",
        json_schema_extra=_DECIMAL,
    )
    time_in_force: TimeInForce = TimeInForce.GTC
    post_only: bool = Field(default=False, description="limit orders only: never takes from the book")
    submitted_at: Time | None = Field(default=None, description="when the caller decided", json_schema_extra=_TIME)
    expires_at: Time | None = Field(
        default=None,
        description="from then on nothing more is sent and what rests is cancelled",
        json_schema_extra=_TIME,
    )
    decision_price: DecimalString | None = Field(
        default=None, description="the price the caller decided at", json_schema_extra=_DECIMAL
    )
    algorithm: NamedAlgorithm = NamedAlgorithm(name="single")
    fill_policy: NamedFillPolicy = NamedFillPolicy(name="accept_partial")
    notify: NotifyRoute | None = None
    tags: dict[str, str] = Field(default_factory=dict, max_length=16)


class Reason(_Shape):
    code: str
    message: str


class ChildOrder(_Shape):
    id: str
    slice: int
    attempt: int
    status: ChildStatus
    venue_client_order_id: str
    venue_order_id: str | None
    quantity: DecimalString
    price: DecimalString | None
    filled_quantity: DecimalString
    average_price: DecimalString | None
    due_at: Time
    sent_at: Time | None
    reason: Reason | None


class Fill(_Shape):
    venue_trade_id: str
    child_order_id: str
    quantity: DecimalString
    price: DecimalString
    fee: DecimalString
    fee_asset: str | None
    liquidity: Liquidity | None
    traded_at: Time


class OrderDocument(_Shape):
    """Decimals are strings in plain notation, times RFC 3339 in UTC with microseconds."""

    id: str
    client_order_id: str
    status: OrderStatus
    mode: Mode
    venue: str
    account: str
    symbol: str
    side: Side
    type: OrderType
    quantity: DecimalString
    requested_quantity: DecimalString
    price: DecimalString | None
    time_in_force: TimeInForce
    post_only: bool
    submitted_at: Time
    expires_at: Time | None
    decision_price: DecimalString | None
    algorithm: dict[str, Any]
    fill_policy: dict[str, Any]
    tags: dict[str, str]
    filled_quantity: DecimalString
    remaining_quantity: DecimalString
    average_price: DecimalString | None
    fees: dict[str, DecimalString]
    arrival_price: DecimalString | None
    slippage_bps: DecimalString | None = Field(description="signed: positive is worse than arrival")
    reason: Reason | None
    version: int
    created_at: Time
    updated_at: Time
    child_orders: list[ChildOrder]
    fills: list[Fill]


class OrderState(_Shape):
    id: str
    client_order_id: str
    status: OrderStatus
    filled_quantity: DecimalString
    remaining_quantity: DecimalString
    average_price: DecimalString | None
    version: int
    updated_at: Time


class OrderPage(_Shape):
    items: list[OrderDocument]
    next_cursor: str | None = Field(description="of the next page; null after the last")


class Transition(_Shape):
    at: Time
    entity: Literal["order", "child"]
    entity_id: str
    from_: str | None = Field(alias="from")
    to: str
    cause: str
    detail: dict[str, Any] | None


class Timeline(_Shape):
    items: list[Transition]


class Event(_Shape):
    """One version of one order."""

    position: int = Field(description="the place in the feed: rises by one")
    order_id: str
    client_order_id: str
    version: int = Field(description="those of one order follow each other without gaps")
    at: Time
    document: OrderDocument = Field(description="as this version left it")


class EventPage(_Shape):
    items: list[Event]
    next_cursor: str = Field(description="the `after` of the next call; there also when there is nothing new")


class Balance(_Shape):
    account: str
    venue: str
    asset: str
    total: DecimalString
    held: DecimalString
    available: DecimalString


class Balances(_Shape):
    items: list[Balance]


class AmendRequest(_Shape):
    """What is to change, in absolute values: quantity, price or both. Unknown fields are refused."""

    quantity: DecimalString | None = Field(
        default=None,
        description="base asset: the new total, what has filled included; rounded down to the lot",
        json_schema_extra=_DECIMAL,
    )
    price: DecimalString | None = Field(
        default=None,
        description="limit orders only; rounded in the customer's favour",
        json_schema_extra=_DECIMAL,
    )


class ResolveRequest(_Shape):
    """What a person found at the venue of a child that is UNKNOWN."""

    child_id: str
    outcome: Literal["absent", "exists"]
    venue_order_id: str | None = None
    note: str | None = None


class HaltRequest(_Shape):
    """Without venue and account: everything."""

    venue: str | None = None
    account: str | None = None
    reason: str | None = Field(default=None, max_length=200)
    cancel: bool = Field(default=False, description="cancel resting orders too")


class ResumeRequest(_Shape):
    venue: str | None = None
    account: str | None = None


class Halt(_Shape):
    venue: str | None = Field(description="null: every venue")
    account: str | None = Field(description="null: every account")
    reason: str
    by: str
    since: Time


class Halts(_Shape):
    """The halts that stand now."""

    halts: list[Halt]


class Breaker(_Shape):
    state: Literal["closed", "open", "half_open"]
    since: Time | None = Field(description="when it opened")
    until: Time | None = Field(description="when the venue is asked again at the earliest")
    failures: int = Field(description="failures in the window so far; none unless it is closed")


class RateBudget(_Shape):
    limit: str = Field(examples=["1200/minute"])
    ordinary: int | None = Field(
        description="plain requests that may leave at once for orders and what is read for them; null: not known now"
    )
    urgent: int | None = Field(description="the same, for cancels, stops and lookups only")
    closed_until: Time | None = Field(description="the venue wants to be left alone until then")


class VenueResetRequest(_Shape):
    venue: str
    account: str = "main"


class VenueReset(_Shape):
    venue: str
    account: str
    breaker: Breaker


class VenueError(_Shape):
    message: str
    at: Time | None


class Stream(_Shape):
    """What the venue pushes, as the process that listens said last."""

    state: Literal["connecting", "live", "down"]
    since: Time
    healthy: bool = Field(description="polling may be slower meanwhile")
    told_at: Time | None = Field(description="when that process said so")
    heard_at: Time | None = Field(description="when the last message came")
    messages: int
    reconnects: int
    gaps: int = Field(description="times after which events may have been missing; all was polled at once")
    fills: int = Field(description="fills that it told of first")
    lag_ms: int | None
    error: str | None


class VenueAccount(_Shape):
    venue: str
    account: str
    mode: Mode
    breaker: Breaker
    rate: RateBudget
    last_error: VenueError | None
    last_success_at: Time | None
    latency_ms: int | None
    stream: Stream | None = Field(description="null: the account is polled only")


class Venues(_Shape):
    items: list[VenueAccount]


class Component(BaseModel):
    model_config = ConfigDict(extra="allow")

    status: Literal["ok", "degraded", "down"]
    detail: str


class Health(_Shape):
    status: Literal["ok", "degraded", "down"]
    components: dict[str, Component]


class Live(_Shape):
    status: Literal["ok"]
