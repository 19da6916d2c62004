"""The API's description, route by route: parameters, bodies, answers and problems as OpenAPI has them."""

from collections.abc import Mapping, Sequence
from typing import Any

from pydantic import BaseModel

from accounting.anomalies.series import SeriesKind
from api import (
    anomaly_schemas,
    market_schemas,
    message_schemas,
    position_schemas,
    reconciliation_schemas,
    schemas,
)
from api.problems import PROBLEM_TYPE
from models.reconciliation import BreakStatus
from models.vocabulary import OrderStatus
from storage.dead_letters import LETTER_STATUSES
from storage.messages import STATUSES as MESSAGE_STATUSES

LIST_PARAMETERS = ("status", "venue", "account", "symbol", "tag", "since", "limit", "cursor")
EVENTS_PARAMETERS = ("after", "limit", "wait_s")
MESSAGES_PARAMETERS = ("status", "task", "queue", "order", "limit")
DEAD_LETTERS_PARAMETERS = ("status", "code", "order", "before", "limit")
MARKET_PARAMETERS = ("venue", "account", "symbol")
POSITIONS_PARAMETERS = ("venue", "account", "asset", "cost_asset", "strategy", "at", "method", "fees", "by", "source")
ANOMALIES_PARAMETERS = ("kind", "venue", "account", "since", "limit")
DECISION_FIELDS = ("note", "by")
HALT_FIELDS = ("venue", "account", "reason", "cancel")
RESOLVE_FIELDS = ("child_id", "outcome", "venue_order_id", "note")
RESUME_FIELDS = ("venue", "account")
BREAKS_PARAMETERS = ("status", "venue", "account", "limit", "cursor")
POST_ENTRY_FIELDS = ("amount", "reason", "by")
VENUE_RESET_FIELDS = ("venue", "account")

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
ANOMALIES = _route(
    "operations",
    {200: ("What was found, the latest first", anomaly_schemas.Anomalies)},
    (422, 503),
    parameters=(
        _query("kind", "of series of this kind", enum=[kind.value for kind in SeriesKind]),
        _query("venue", "at this venue"),
        _query("account", "of this account"),
        _query("since", "found from this time on", format="date-time"),
        _query("limit", "findings an answer", type="integer", minimum=1, maximum=500, default=50),
    ),
)
ANOMALY_SERIES = _route("operations", {200: ("Every watched series", anomaly_schemas.WatchedSeries)}, (422, 503))
BALANCES = _route("books", {200: ("What our books hold", schemas.Balances)}, (422, 503))
RECONCILE = _route(
    "books",
    {202: ("It has begun, and takes two looks", reconciliation_schemas.ReconciliationStarted)},
    (400, 408, 413, 415, 422, 503),
    body=reconciliation_schemas.ReconciliationRequest,
    body_required=False,
)
RECONCILIATIONS = _route(
    "books",
    {200: ("Runs, the newest first", reconciliation_schemas.ReconciliationRuns)},
    (422, 503),
    parameters=(
        _query("limit", "runs an answer", type="integer", minimum=1, maximum=500, default=50),
        _query("cursor", "next_cursor of the page before"),
    ),
)
_NAMED = {"name": "id", "in": "path", "required": True, "description": "its id", "schema": {"type": "string"}}
RECONCILIATION = _route(
    "books",
    {200: ("The run and what it found", reconciliation_schemas.ReconciliationRun)},
    (404, 422, 503),
    parameters=(_NAMED,),
)
BREAKS = _route(
    "books",
    {200: ("Breaks, the newest first", reconciliation_schemas.Breaks)},
    (422, 503),
    parameters=(
        _query("status", "breaks in this status", enum=[status.value for status in BreakStatus]),
        _query("venue", "breaks at this venue"),
        _query("account", "breaks of this account"),
        _query("limit", "breaks an answer", type="integer", minimum=1, maximum=500, default=50),
        _query("cursor", "next_cursor of the page before"),
    ),
)
BREAK = _route("books", {200: ("The break", reconciliation_schemas.BreakShown)}, (404, 422, 503), parameters=(_NAMED,))


def _decision(text: str, body: type[BaseModel], *, body_required: bool) -> dict[str, Any]:
    return _route(
        "books",
        {200: (text, reconciliation_schemas.BreakShown)},
        (400, 404, 408, 409, 413, 415, 422, 503),
        body=body,
        body_required=body_required,
        parameters=(_NAMED,),
    )


ACCEPT = _decision(
    "Our books are the venue's, now or before", reconciliation_schemas.BreakDecisionRequest, body_required=False
)
IGNORE = _decision("It stays as it is", reconciliation_schemas.BreakDecisionRequest, body_required=False)
POST_ENTRY = _decision(
    "The entry is posted, now or before", reconciliation_schemas.BreakPostRequest, body_required=True
)
POSITIONS = _route(
    "books",
    {200: ("What our fills have made of each asset", position_schemas.Positions)},
    (422, 503),
    parameters=(
        _query("venue", "positions at this venue"),
        _query("account", "positions of this account"),
        _query("asset", "positions in this base asset"),
        _query("cost_asset", "positions paid for in this asset"),
        _query("strategy", "positions of orders with this tag `strategy`"),
        _query("at", "as they stood after what was booked until then; without it, now", format="date-time"),
        _query("method", "what a unit that is sold had cost; without it, as configured", enum=["average", "fifo"]),
        _query(
            "fees", "fees in the cost asset: in cost and profit, or beside; as configured", enum=["included", "apart"]
        ),
        _query("by", "what sums are split by, of venue, account and strategy, with commas", default="venue,account"),
        _query(
            "source",
            "hot: the copy of a venue account, where there is one",
            enum=["database", "hot"],
            default="database",
        ),
    ),
)
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
VENUE_RESET = _route(
    "operations",
    {200: ("The breaker is closed", schemas.VenueReset)},
    (400, 408, 413, 415, 422, 503),
    body=schemas.VenueResetRequest,
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
    reconciliation_schemas.ReconciliationRequest,
    reconciliation_schemas.ReconciliationStarted,
    reconciliation_schemas.ReconciliationRuns,
    reconciliation_schemas.ReconciliationRun,
    reconciliation_schemas.Breaks,
    reconciliation_schemas.BreakShown,
    reconciliation_schemas.BreakDecisionRequest,
    reconciliation_schemas.BreakPostRequest,
    position_schemas.Positions,
    schemas.AmendRequest,
    schemas.ResolveRequest,
    schemas.HaltRequest,
    schemas.ResumeRequest,
    schemas.Halts,
    schemas.Venues,
    market_schemas.ShownMarket,
    anomaly_schemas.Anomalies,
    anomaly_schemas.WatchedSeries,
    schemas.Health,
    schemas.Live,
)
