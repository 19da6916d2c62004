"""An order request: the same JSON object by HTTP, by Celery and from a file, read into a value."""

import json
import re
from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from decimal import Decimal

from models.algorithm import AVAILABLE_ALGORITHMS
from models.clock import format_time_or_none, parse_time
from models.errors import FieldError, InvalidRequest
from models.exact_json import json_shown
from models.fill_policy import AVAILABLE_FILL_POLICIES
from models.money import plain, plain_or_none
from models.request_fields import Fields
from models.request_parts import (
    Default,
    Notify,
    read_algorithm,
    read_fill_policy,
    read_notify,
    read_tags,
    written_algorithm,
    written_fill_policy,
)
from models.request_together import check_algorithm, check_fill_policy
from models.vocabulary import OrderType, Side, TimeInForce

SCHEMA_VERSION = 1
DEFAULT_ACCOUNT = "main"

FIELDS = (
    "schema_version",
    "client_order_id",
    "venue",
    "account",
    "symbol",
    "side",
    "type",
    "quantity",
    "quote_quantity",
    "price",
    "time_in_force",
    "post_only",
    "submitted_at",
    "expires_at",
    "decision_price",
    "algorithm",
    "fill_policy",
    "notify",
    "tags",
)

SPOT_ONLY = "must be a spot symbol such as BTC/USDT: version 1 is spot trading"

CLIENT_ORDER_ID = re.compile(r"[A-Za-z0-9._:-]{1,64}", re.ASCII)
_NAME = re.compile(r"[A-Za-z0-9._:-]{1,64}", re.ASCII)
_SYMBOL = re.compile(r"[!-.0-9;-~]{1,32}/[!-.0-9;-~]{1,32}", re.ASCII)


@dataclass(frozen=True, slots=True, kw_only=True)
class RequestDefaults:
    """What the configuration says for requests that do not."""

    algorithm: Default = "single"
    fill_policy: Default = "accept_partial"
    #: False: orders become fill-or-kill; other times in force and algorithms are refused
    enable_partial_fills: bool = True
    #: what this version executes; the rest is refused as not available yet
    algorithms: Collection[str] = AVAILABLE_ALGORITHMS
    fill_policies: Collection[str] = AVAILABLE_FILL_POLICIES


@dataclass(frozen=True, slots=True, kw_only=True)
class OrderRequest:
    """A request whose every field has been read. Nothing here has been compared with a venue yet."""

    schema_version: int = SCHEMA_VERSION
    #: the idempotency key, unique per account
    client_order_id: str
    venue: str
    account: str = DEFAULT_ACCOUNT
    symbol: str
    side: Side
    type: OrderType
    #: base asset, as asked for: not yet rounded to the venue's lot
    quantity: Decimal
    #: quote per base, as asked for: not yet rounded; None for market orders
    price: Decimal | None = None
    time_in_force: TimeInForce = TimeInForce.GTC
    post_only: bool = False
    #: when the caller decided; None: the caller does not say
    submitted_at: datetime | None = None
    expires_at: datetime | None = None
    #: quote per base; the price the caller decided at
    decision_price: Decimal | None = None
    #: ``name`` and its parameters in canonical form, see ``models.canonical_parts``
    algorithm: Mapping[str, object] = field(default_factory=lambda: {"name": "single"})
    #: ``name`` and its parameters in canonical form, see ``models.canonical_parts``
    fill_policy: Mapping[str, object] = field(default_factory=lambda: {"name": "accept_partial"})
    notify: Notify | None = None
    tags: Mapping[str, str] = field(default_factory=dict)


def parse_request(data: object, defaults: RequestDefaults) -> OrderRequest:
    """Read one request. Raises InvalidRequest that lists every field that breaks a rule.

    ``data`` is what ``loads_exact`` returns: binary floats are refused, since their digits are not the sender's.
    """
    if not isinstance(data, Mapping):
        error = FieldError(field="", rule="must be a JSON object", value=json_shown(data))
        raise InvalidRequest((error,))
    fields = Fields(data, FIELDS)
    _read_version(fields)
    order_type = fields.word("type", OrderType)
    post_only = fields.flag("post_only", default=False)
    algorithm = read_algorithm(fields, defaults.algorithm, defaults.algorithms)
    fill_policy = read_fill_policy(fields, defaults.fill_policy, defaults.fill_policies)
    request = OrderRequest(
        client_order_id=fields.text("client_order_id", CLIENT_ORDER_ID, "must be 1 to 64 of A-Z a-z 0-9 . _ : -"),
        venue=fields.text("venue", _NAME, "must be the name of a configured venue"),
        account=fields.text("account", _NAME, "must be the name of an account of the venue", default=DEFAULT_ACCOUNT),
        symbol=fields.text("symbol", _SYMBOL, SPOT_ONLY),
        side=fields.word("side", Side),
        type=order_type,
        quantity=fields.positive("quantity"),
        price=_read_price(fields, order_type),
        time_in_force=_read_time_in_force(fields, order_type, post_only, defaults),
        post_only=post_only,
        submitted_at=fields.time_or_none("submitted_at"),
        expires_at=fields.time_or_none("expires_at"),
        decision_price=fields.positive_or_none("decision_price"),
        algorithm=written_algorithm(algorithm),
        fill_policy=written_fill_policy(fill_policy),
        notify=read_notify(fields),
        tags=read_tags(fields),
    )
    if algorithm is not None:
        check_algorithm(
            fields,
            algorithm,
            request.type,
            request.time_in_force,
            request.expires_at,
            enable_partial_fills=defaults.enable_partial_fills,
        )
    if fill_policy is not None:
        check_fill_policy(fields, fill_policy, request.type, post_only=post_only)
    if fields.given("quote_quantity"):
        fields.refuse("quote_quantity", "is not available in version 1: name the quantity in the base asset")
    fields.finish()
    return request


def canonical(request: OrderRequest) -> str:
    """One text per meaning: two requests are the same if and only if these are equal (``1.0`` is ``1``)."""
    return json.dumps(
        {
            "schema_version": request.schema_version,
            "client_order_id": request.client_order_id,
            "venue": request.venue,
            "account": request.account,
            "symbol": request.symbol,
            "side": request.side,
            "type": request.type,
            "quantity": plain(request.quantity),
            "price": plain_or_none(request.price),
            "time_in_force": request.time_in_force,
            "post_only": request.post_only,
            "submitted_at": format_time_or_none(request.submitted_at),
            "expires_at": format_time_or_none(request.expires_at),
            "decision_price": plain_or_none(request.decision_price),
            "algorithm": dict(request.algorithm),
            "fill_policy": dict(request.fill_policy),
            "notify": request.notify and {"queue": request.notify.queue, "task": request.notify.task},
            "tags": dict(request.tags),
        },
        sort_keys=True,
        separators=(",", ":"),
        ensure_ascii=False,
    )


def from_canonical(text: str) -> OrderRequest:
    """The request that ``canonical`` wrote; its rules were checked then and are not checked again."""
    data = json.loads(text)
    return OrderRequest(
        schema_version=data["schema_version"],
        client_order_id=data["client_order_id"],
        venue=data["venue"],
        account=data["account"],
        symbol=data["symbol"],
        side=Side(data["side"]),
        type=OrderType(data["type"]),
        quantity=Decimal(data["quantity"]),
        price=_decimal_or_none(data["price"]),
        time_in_force=TimeInForce(data["time_in_force"]),
        post_only=data["post_only"],
        submitted_at=_time_or_none(data["submitted_at"]),
        expires_at=_time_or_none(data["expires_at"]),
        decision_price=_decimal_or_none(data["decision_price"]),
        algorithm=data["algorithm"],
        fill_policy=data["fill_policy"],
        notify=None if data["notify"] is None else Notify(**data["notify"]),
        tags=data["tags"],
    )


def _read_version(fields: Fields) -> None:
    version = fields.value("schema_version")
    if version is not None and (isinstance(version, bool) or version != SCHEMA_VERSION):
        fields.refuse("schema_version", f"must be {SCHEMA_VERSION}", instead=str(SCHEMA_VERSION))


def _read_price(fields: Fields, order_type: OrderType) -> Decimal | None:
    price = fields.positive_or_none("price")
    if not fields.broken("type"):
        if order_type is OrderType.MARKET and fields.given("price"):
            fields.refuse("price", "is forbidden for a market order")
        elif order_type is OrderType.LIMIT and not fields.given("price"):
            fields.refuse("price", "is required for a limit order", None)
    return price


def _read_time_in_force(
    fields: Fields, order_type: OrderType, post_only: bool, defaults: RequestDefaults
) -> TimeInForce:
    """Without partial fills every order is fill-or-kill, market orders too: those keep their type, and at a venue
    whose market orders take no time in force it is the venue that ends what an empty book leaves."""
    default = TimeInForce.GTC if defaults.enable_partial_fills else TimeInForce.FOK
    time_in_force = fields.word("time_in_force", TimeInForce, default=default)
    if not defaults.enable_partial_fills and not fields.broken("time_in_force") and time_in_force is not default:
        fields.refuse("time_in_force", "must be FOK while enable_partial_fills is off", instead="FOK")
    if post_only:
        _check_post_only(fields, order_type, time_in_force, defaults)
    return time_in_force


def _check_post_only(
    fields: Fields, order_type: OrderType, time_in_force: TimeInForce, defaults: RequestDefaults
) -> None:
    if order_type is not OrderType.LIMIT and not fields.broken("type"):
        fields.refuse("post_only", "is for limit orders only", instead="false")
    elif not defaults.enable_partial_fills:
        fields.refuse("post_only", "is not possible while enable_partial_fills is off", instead="false")
    elif time_in_force is not TimeInForce.GTC and not fields.broken("time_in_force"):
        fields.refuse("post_only", "needs the time in force GTC, since such an order rests", instead="false")


def _decimal_or_none(text: str | None) -> Decimal | None:
    return None if text is None else Decimal(text)


def _time_or_none(text: str | None) -> datetime | None:
    return None if text is None else parse_time(text)
