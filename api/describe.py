"""The API's description, route by route: parameters, bodies, answers and problems as OpenAPI has them."""

from collections.abc import Mapping, Sequence
from typing import Any

from pydantic import BaseModel

from api import market_schemas, message_schemas, schemas
from api.problems import PROBLEM_TYPE
from models.vocabulary import OrderStatus
from storage.dead_letters import LETTER_STATUSES
from storage.messages import STATUSES as MESSAGE_STATUSES

LIST_PARAMETERS = ("status", "venue", "account", "symbol", "tag", "since", "limit", "cursor")
EVENTS_PARAMETERS = ("after", "limit", "wait_s")
MESSAGES_PARAMETERS = ("status", "task", "queue", "order", "limit")
DEAD_LETTERS_PARAMETERS = ("status", "code", "order", "before", "limit")
MARKET_PARAMETERS = ("venue", "account", "symbol")
DECISION_FIELDS = ("note", "by")
HALT_FIELDS = ("venue", "account", "reason", "cancel")
RESOLVE_FIELDS = ("child_id", "outcome", "venue_order_id", "note")
RESUME_FIELDS = ("venue", "account")

_PROBLEMS = {
    400: "The body is no JSON object",
    401: "No configured API key was given",
    403: "Without API keys: a foreign Host, or any Origin",
    404: "There is no such thing",
    408: "The body did not arrive in time",
    409: "The state of what exists does not allow it",
    412: "If-Match names another version than the order has",
    410: "The cursor's place is not in this feed: deleted, or of another database",
    413: "The body is larger than a mebibyte",
    415: "The body is not application/json",
    422: "Fields break a rule; each is listed",
    500: "Something failed inside; whether it took effect is not known, and sending it again is safe",
    503: "Not now; Retry-After says when the same request may be sent again",
}
_ALWAYS = (401, 403, 500)


def _ref(name: str) -> dict[str, Any]:
    return {"schema": {"$ref": f"#/components/schemas/{name}"}}


def _route(
    tag: str,
    answers: Mapping[int, tuple[str, type[BaseModel]]],
    problems: Sequence[int],
    *,
    body: type[BaseModel] | None = None,
    body_required: bool = True,
    parameters: Sequence[Mapping[str, Any]] = (),
) -> dict[str, Any]:
    """What a route's decorator takes. Answers are Response objects, so FastAPI itself validates and renders nothing."""
    responses: dict[int | str, dict[str, Any]] = {
        status: {"description": text, "content": {"application/json": _ref(model.__name__)}}
        for status, (text, model) in answers.items()
    }
    for status in sorted({*problems, *_ALWAYS}):
        responses.setdefault(status, {"description": _PROBLEMS[status], "content": {PROBLEM_TYPE: _ref("Problem")}})
    extra: dict[str, Any] = {"parameters": list(parameters)} if parameters else {}
    if body is not None:
        extra["requestBody"] = {"required": body_required, "content": {"application/json": _ref(body.__name__)}}
    return {
        "tags": [tag],
        "status_code": next(iter(answers)),
        "response_model": None,
        "responses": responses,
        "openapi_extra": extra,
    }


def _query(name: str, description: str, **schema: Any) -> dict[str, Any]:
    return {"name": name, "in": "query", "description": description, "schema": {"type": "string", **schema}}


_ID = {
    "name": "id",
    "in": "path",
    "required": True,
    "description": "our id, or `client:CLIENT_ORDER_ID`",
    "schema": {"type": "string"},
}
_ACCOUNT = _query("account", "of a `client:` id", default="main")
_ORDER = (_ID, _ACCOUNT)

PLACE = _route(
    "orders",
    {201: ("Placed", schemas.OrderDocument), 200: ("The same request came before", schemas.OrderDocument)},
    (400, 408, 409, 413, 415, 422, 503),
    body=schemas.OrderRequest,
)
LIST = _route(
    "orders",
    {200: ("One page, newest first", schemas.OrderPage)},
    (422, 503),
    parameters=(
        _query("status", "orders in this status", enum=[status.value for status in OrderStatus]),
        _query("venue", "orders at this venue"),
        _query("account", "orders of this account"),
        _query("symbol", "orders in this symbol"),
        _query("tag", "orders with this tag, written KEY:VALUE"),
        _query("since", "orders created from this time on", format="date-time"),
        _query("limit", "orders a page", type="integer", minimum=1, maximum=500, default=50),
        _query("cursor", "next_cursor of the page before"),
    ),
)
SHOW = _route("orders", {200: ("The order", schemas.OrderDocument)}, (404, 422, 503), parameters=_ORDER)
STATUS = _route("orders", {200: ("Its state", schemas.OrderState)}, (404, 422, 503), parameters=_ORDER)
TIMELINE = _route("orders", {200: ("Its transitions", schemas.Timeline)}, (404, 422, 503), parameters=_ORDER)
CANCEL = _route(
    "orders", {202: ("The cancel is on its way", schemas.OrderDocument)}, (404, 409, 422, 503), parameters=_ORDER
)
AMEND = _route(
    "orders",
    {202: ("The amendment is on its way, or made", schemas.OrderDocument)},
    (400, 404, 408, 409, 412, 413, 415, 422, 503),
    body=schemas.AmendRequest,
    parameters=(
        *_ORDER,
        {
            "name": "If-Match",
            "in": "header",
            "description": "the version that was seen, in quotes: with another one the order stays as it is",
            "schema": {"type": "string", "examples": ['"7"']},
        },
    ),
)
RESOLVE = _route(
    "orders",
    {200: ("The finding is on record", schemas.OrderDocument)},
    (400, 404, 408, 409, 413, 415, 422, 503),
    body=schemas.ResolveRequest,
    parameters=_ORDER,
)
EVENTS = _route(
    "orders",
    {200: ("The changes behind the cursor, oldest first", schemas.EventPage)},
    (410, 422, 503),
    parameters=(
        _query("after", "next_cursor of the answer before; without it, from the oldest change that is kept"),
        _query("limit", "changes an answer", type="integer", minimum=1, maximum=1000, default=100),
        _query("wait_s", "wait so long for the next change", type="integer", minimum=0, maximum=30, default=0),
    ),
)
MESSAGES = _route(
    "messages",
    {200: ("Messages, the newest first", message_schemas.Messages)},
    (422, 503),
    parameters=(
        _query("status", "messages in this status", enum=list(MESSAGE_STATUSES)),
        _query("task", "messages for this task"),
        _query("queue", "messages in this queue"),
        _query("order", "messages about the order with this id"),
        _query("limit", "messages an answer", type="integer", minimum=1, maximum=500, default=50),
    ),
)
MESSAGE_STATS = _route(
    "messages",
    {200: ("Figures per task and queue", message_schemas.MessageStats)},
    (422, 503),
    parameters=(_query("since", "of messages from this time on; the last hour without it", format="date-time"),),
)
_LETTER = {
    "name": "id",
    "in": "path",
    "required": True,
    "description": "its number",
    "schema": {"type": "integer", "minimum": 1},
}
DEAD_LETTERS = _route(
    "messages",
    {200: ("Dead letters, the newest first", message_schemas.DeadLetters)},
    (422, 503),
    parameters=(
        _query("status", "letters in this status", enum=list(LETTER_STATUSES)),
        _query("code", "letters with this reason"),
        _query("order", "letters about the order with this id"),
        _query("before", "next_before of the page before", type="integer", minimum=1, maximum=999_999_999),
        _query("limit", "letters an answer", type="integer", minimum=1, maximum=500, default=50),
    ),
)
DEAD_LETTER = _route(
    "messages",
    {200: ("The letter", message_schemas.DeadLetterShown)},
    (404, 422, 503),
    parameters=(_LETTER,),
)
REPLAY = _route(
    "messages",
    {200: ("Done, now or before", message_schemas.DeadLetter)},
    (400, 404, 408, 409, 413, 415, 422, 503),
    body=message_schemas.DecisionRequest,
    body_required=False,
    parameters=(_LETTER,),
)
DISCARD = _route(
    "messages",
    {200: ("Laid aside, now or before", message_schemas.DeadLetter)},
    (400, 404, 408, 409, 413, 415, 422, 503),
    body=message_schemas.DecisionRequest,
    body_required=False,
    parameters=(_LETTER,),
)
BALANCES = _route("books", {200: ("What our books hold", schemas.Balances)}, (422, 503))
HALT = _route(
    "operations",
    {200: ("New sends are stopped", schemas.Halts)},
    (400, 408, 413, 415, 422, 503),
    body=schemas.HaltRequest,
    body_required=False,
)
RESUME = _route(
    "operations",
    {200: ("New sends go on", schemas.Halts)},
    (400, 404, 408, 413, 415, 422, 503),
    body=schemas.ResumeRequest,
    body_required=False,
)
VENUES = _route("operations", {200: ("Each venue account", schemas.Venues)}, (422, 503))
MARKET = _route(
    "operations",
    {200: ("What the venue showed last", market_schemas.ShownMarket)},
    (404, 422, 503),
    parameters=(
        {**_query("venue", "a configured venue"), "required": True},
        _query("account", "an account of it", default="main"),
        {**_query("symbol", "ccxt's unified symbol, as BTC/USDT"), "required": True},
    ),
)
HEALTH = _route(
    "health",
    {200: ("Orders can be taken", schemas.Health), 503: ("Orders can't be taken", schemas.Health)},
    (),
)
LIVE = _route("health", {200: ("The process answers", schemas.Live)}, ())

#: named in the routes above by reference
COMPONENTS: Sequence[type[BaseModel]] = (
    schemas.Problem,
    schemas.OrderRequest,
    schemas.OrderDocument,
    schemas.OrderState,
    schemas.OrderPage,
    schemas.Timeline,
    message_schemas.Messages,
    message_schemas.MessageStats,
    message_schemas.DeadLetters,
    message_schemas.DeadLetter,
    message_schemas.DeadLetterShown,
    message_schemas.DecisionRequest,
    schemas.EventPage,
    schemas.Balances,
    schemas.AmendRequest,
    schemas.ResolveRequest,
    schemas.HaltRequest,
    schemas.ResumeRequest,
    schemas.Halts,
    schemas.Venues,
    market_schemas.ShownMarket,
    schemas.Health,
    schemas.Live,
)
