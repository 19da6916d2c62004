"""Reconciliation: starting a run, its report, and a person's decision on a break."""

import re
from collections.abc import Callable
from decimal import Decimal
from functools import partial
from typing import Any, TypeVar

from fastapi import APIRouter
from starlette.requests import Request
from starlette.responses import Response

from api import describe
from api.bodies import read_object_if_any
from api.context import Context, context_for
from api.halts import scope_of
from api.orders import SOURCE
from api.problems import JsonResponse
from api.queries import Query
from models.errors import FieldError, InvalidRequest, NotFound, shown
from models.money import ZERO, NotADecimal, parse_decimal
from models.reconciliation import BreakStatus
from models.request_fields import Fields
from storage.breaks import Break, find_breaks, get_break
from storage.engine import read
from storage.reconciliation_documents import break_document, break_line, run_document, run_line
from storage.reconciliations import get_run, list_runs
from workflows.breaks import accept, ignore, post
from workflows.nightly import request_reconciliation

router = APIRouter()

DEFAULT_LIMIT = 50
LARGEST_LIMIT = 500

STATUSES = tuple(status.value for status in BreakStatus)

_NOTE = re.compile(r"[^\x00-\x08\x7f\ud800-\udfff]{0,1000}")
_REASON = re.compile(r"[^\x00-\x08\x7f\ud800-\udfff]{1,1000}")
_BY = re.compile(r"[^\x00-\x1f\x7f\ud800-\udfff]{1,64}")
_AMOUNT = re.compile(r"-?[0-9]+(\.[0-9]+)?", re.ASCII)

Decide = Callable[..., tuple[Break, bool]]
T = TypeVar("T")


@router.post("/v1/reconciliations", **describe.RECONCILE)
async def begin(request: Request) -> Response:
    """Begin a run over every venue account, those of a venue, or one."""
    fields = Fields(await read_object_if_any(request), describe.RESUME_FIELDS)
    context = context_for(request)
    venue, account = scope_of(fields, context)
    fields.finish()
    work = partial(request_reconciliation, context.runtime, venue, account, by=SOURCE)
    return JsonResponse({"id": await context.work.run(work)}, 202)


@router.get("/v1/reconciliations", **describe.RECONCILIATIONS)
async def list_reconciliations(request: Request) -> Response:
    """Runs, the newest first."""
    query = Query(request, ("limit", "cursor"))
    limit = query.count("limit", default=DEFAULT_LIMIT, most=LARGEST_LIMIT)
    cursor = query.text("cursor")
    query.finish()
    context = context_for(request)

    def work() -> dict[str, Any]:
        with read(context.runtime.engine) as conn:
            after = None if cursor is None else _known(cursor, get_run(conn, cursor))
            return _page([run_line(run) for run in list_runs(conn, limit + 1, after)], limit)

    return JsonResponse(await context.work.run(work))


@router.get("/v1/reconciliations/{id}", **describe.RECONCILIATION)
async def show_reconciliation(request: Request) -> Response:
    """One run: how far each account is, and what it found."""
    Query(request, ()).finish()
    run_id: str = request.path_params["id"]
    context = context_for(request)

    def work() -> dict[str, Any]:
        with read(context.runtime.engine, snapshot=True) as conn:
            document = run_document(conn, run_id)
        if document is None:
            raise NotFound(f"There is no reconciliation {shown(run_id)}. See /v1/reconciliations.")
        return document

    return JsonResponse(await context.work.run(work))


@router.get("/v1/breaks", **describe.BREAKS)
async def list_breaks(request: Request) -> Response:
    """Breaks, the newest first."""
    query = Query(request, describe.BREAKS_PARAMETERS)
    status = query.one_of("status", STATUSES)
    venue, account = query.text("venue"), query.text("account")
    limit = query.count("limit", default=DEFAULT_LIMIT, most=LARGEST_LIMIT)
    cursor = query.text("cursor")
    query.finish()
    context = context_for(request)

    def work() -> dict[str, Any]:
        wanted = None if status is None else BreakStatus(status)
        with read(context.runtime.engine) as conn:
            after = None if cursor is None else _known(cursor, get_break(conn, cursor))
            found = find_breaks(conn, status=wanted, venue=venue, account=account, limit=limit + 1, after=after)
        return _page([break_line(one) for one in found], limit)

    return JsonResponse(await context.work.run(work))


@router.get("/v1/breaks/{id}", **describe.BREAK)
async def show_break(request: Request) -> Response:
    """One break, the decision on it, and what was posted for it."""
    Query(request, ()).finish()
    break_id: str = request.path_params["id"]
    context = context_for(request)
    return JsonResponse(await context.work.run(partial(_document, context, break_id)))


@router.post("/v1/breaks/{id}/accept", **describe.ACCEPT)
async def accept_break(request: Request) -> Response:
    """The venue is right: our books become what it said."""
    return await _decide(request, accept)


@router.post("/v1/breaks/{id}/ignore", **describe.IGNORE)
async def ignore_break(request: Request) -> Response:
    """It may stay as it is, until it becomes another difference."""
    return await _decide(request, ignore)


@router.post("/v1/breaks/{id}/post", **describe.POST_ENTRY)
async def post_entry(request: Request) -> Response:
    """An entry of a person's own."""
    Query(request, ()).finish()
    fields = Fields(await read_object_if_any(request), describe.POST_ENTRY_FIELDS)
    amount = _amount(fields)
    reason = fields.text("reason", _REASON, "must be 1 to 1000 characters: why, for the record")
    by = fields.text("by", _BY, "must be 1 to 64 characters on one line", default="")
    fields.finish()
    context, break_id = context_for(request), request.path_params["id"]
    work = partial(post, context.runtime, break_id, amount, by=_who(by), reason=reason)
    return await _decided(context, break_id, work)


async def _decide(request: Request, decide: Decide) -> Response:
    Query(request, ()).finish()
    fields = Fields(await read_object_if_any(request), describe.DECISION_FIELDS)
    note = fields.text("note", _NOTE, "must be at most 1000 characters", default="")
    by = fields.text("by", _BY, "must be 1 to 64 characters on one line", default="")
    fields.finish()
    context, break_id = context_for(request), request.path_params["id"]
    return await _decided(context, break_id, partial(decide, context.runtime, break_id, by=_who(by), note=note))


async def _decided(context: Context, break_id: str, work: Callable[[], tuple[Break, bool]]) -> Response:
    _, new = await context.work.run(work)
    document = await context.work.run(partial(_document, context, break_id))
    return JsonResponse(document, 200, {} if new else {"idempotency-replayed": "true"})


def _page(items: list[dict[str, Any]], limit: int) -> dict[str, Any]:
    """``items`` has one more than the page where there are more; a cursor is the id of the last one shown."""
    more = len(items) > limit
    return {"items": items[:limit], "next_cursor": items[limit - 1]["id"] if more else None}


def _known(cursor: str, found: T | None) -> T:
    if found is None:
        raise InvalidRequest(
            [FieldError(field="cursor", rule="must be the next_cursor of a page before", value=cursor)]
        )
    return found


def _document(context: Context, break_id: str) -> dict[str, Any]:
    with read(context.runtime.engine, snapshot=True) as conn:
        one = get_break(conn, break_id)
        if one is None:
            raise NotFound(f"There is no break {shown(break_id)}. See /v1/breaks.")
        return break_document(conn, one)


def _amount(fields: Fields) -> Decimal:
    rule = "must be a decimal string other than 0, such as 0.5 or -0.5"
    text = fields.text("amount", _AMOUNT, rule)
    if not text:
        return ZERO
    try:
        size = parse_decimal(text.removeprefix("-"))
    except NotADecimal as error:
        fields.refuse("amount", str(error))
        return ZERO
    if size == 0:
        fields.refuse("amount", rule)
    return size.copy_negate() if text.startswith("-") else size


def _who(by: str) -> str:
    return f"{by} ({SOURCE})" if by else SOURCE
