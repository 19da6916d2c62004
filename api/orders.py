"""Orders: placing, looking at, listing, amending, cancelling."""

import re
from collections.abc import Callable
from functools import partial
from typing import Any

from fastapi import APIRouter
from sqlalchemy import Connection
from sqlalchemy.exc import DataError
from starlette.requests import Request
from starlette.responses import Response

from api import describe
from api.bodies import read_object
from api.context import context_for
from api.problems import JsonResponse
from api.queries import Query
from models.errors import FieldError, InvalidRequest, NotFound, shown
from models.request import CLIENT_ORDER_ID, DEFAULT_ACCOUNT
from models.request_fields import Fields
from models.vocabulary import OrderStatus
from storage.documents import (
    DEFAULT_PAGE,
    LARGEST_PAGE,
    BadCursor,
    OrderFilter,
    find_order_id,
    list_orders,
    order_document,
    order_status,
)
from storage.engine import read
from workflows.amend import request_amend
from workflows.cancel import request_cancel
from workflows.history import whole_timeline
from workflows.resolve import resolve_child
from workflows.submit import submit_order

router = APIRouter()

#: how this door is named where a change says who asked for it
SOURCE = "http"

_NAME = re.compile(r"[^\x00-\x1f\x7f\ud800-\udfff]{1,128}")
_NOTE = re.compile(r"[^\x00-\x08\x7f\ud800-\udfff]{0,1000}")
_OUTCOME = re.compile(r"absent|exists", re.ASCII)
_OUR_ID = re.compile(r"[0-9a-z]{26}", re.ASCII)
#: a strong entity tag that holds a version
_ETAG = re.compile(r'"([0-9]{1,18})"', re.ASCII)
_BY_CLIENT = "client:"
_STATUSES = tuple(status.value for status in OrderStatus)


@router.post("/v1/orders", **describe.PLACE)
async def place(request: Request) -> Response:
    """Place an order. The same request again is answered with the order as it is now and changes nothing."""
    data = await read_object(request)
    context = context_for(request)
    submitted = await context.work.run(partial(submit_order, context.runtime, data, source=SOURCE))
    if not submitted.created:
        return JsonResponse(submitted.document, 200, {"idempotency-replayed": "true"})
    return JsonResponse(submitted.document, 201, {"location": f"/v1/orders/{submitted.document['id']}"})


@router.get("/v1/orders", **describe.LIST)
async def list_page(request: Request) -> Response:
    """One page of orders, newest first."""
    wanted = _filter(request)
    context = context_for(request)

    def work() -> dict[str, Any]:
        with read(context.runtime.engine, snapshot=True) as conn:
            items, cursor = list_orders(conn, wanted)
        return {"items": items, "next_cursor": cursor}

    try:
        return JsonResponse(await context.work.run(work))
    except (BadCursor, DataError) as error:  # what decodes, and still is no id that a database would look up
        query = Query(request, describe.LIST_PARAMETERS)
        query.refuse("cursor", "must be the next_cursor of a page before")
        query.finish()
        raise AssertionError from error  # finish has raised


@router.get("/v1/orders/{id}", **describe.SHOW)
async def show(request: Request) -> Response:
    """The document of one order."""
    return JsonResponse(await _look(request, order_document, snapshot=True))


@router.get("/v1/orders/{id}/status", **describe.STATUS)
async def status(request: Request) -> Response:
    """The part of the document that changes, for those who poll."""
    return JsonResponse(await _look(request, order_status, snapshot=False))


@router.get("/v1/orders/{id}/timeline", **describe.TIMELINE)
async def show_timeline(request: Request) -> Response:
    """Every transition of the order and its children, oldest first."""
    context = context_for(request)
    find = _finder(request)

    def work() -> dict[str, Any]:
        with read(context.runtime.engine) as conn:
            order_id = find(conn)
        try:
            return {"items": whole_timeline(context.runtime, order_id)}
        except NotFound as error:
            raise _unknown(order_id) from error

    return JsonResponse(await context.work.run(work))


@router.patch("/v1/orders/{id}", **describe.AMEND)
async def amend(request: Request) -> Response:
    """Give an order another quantity (the new total, fills included) or price; asking again is harmless."""
    data = await read_object(request)
    if_match = _version_of(request.headers.get("if-match"))
    context = context_for(request)
    find = _finder(request)

    def work() -> dict[str, Any]:
        with read(context.runtime.engine) as conn:
            order_id = find(conn)
        return request_amend(context.runtime, order_id, data, if_match=if_match, source=SOURCE)

    return JsonResponse(await context.work.run(work), 202)


def _version_of(if_match: str | None) -> int | None:
    """The version in a header such as ``"7"``; None where any will do. Raises InvalidRequest."""
    if if_match is None or if_match.strip() == "*":
        return None
    found = _ETAG.fullmatch(if_match.strip())
    if found is None:
        rule = 'must be one version of the order in quotes, as "7"'
        raise InvalidRequest([FieldError(field="if-match", rule=rule, value=shown(if_match))])
    return int(found[1])


@router.delete("/v1/orders/{id}", **describe.CANCEL)
async def cancel(request: Request) -> Response:
    """Ask for the cancel of an order; asking again is harmless."""
    context = context_for(request)
    find = _finder(request)

    def work() -> dict[str, Any]:
        with read(context.runtime.engine) as conn:
            order_id = find(conn)
        return request_cancel(context.runtime, order_id, source=SOURCE)

    return JsonResponse(await context.work.run(work), 202)


@router.post("/v1/orders/{id}/resolve", **describe.RESOLVE)
async def resolve(request: Request) -> Response:
    """Put on record what a person found at the venue of a send without an answer, and go on from there."""
    fields = Fields(await read_object(request), describe.RESOLVE_FIELDS)
    child_id = fields.text("child_id", _NAME, "must be the id of one of the order's children")
    outcome = fields.text("outcome", _OUTCOME, "must be absent or exists")
    venue_order_id = fields.text("venue_order_id", _NAME, "must be the order's id at the venue", default="") or None
    note = fields.text("note", _NOTE, "must be at most 1000 characters", default="")
    fields.finish()
    context = context_for(request)
    find = _finder(request)

    def work() -> Any:
        with read(context.runtime.engine) as conn:
            order_id = find(conn)
        return resolve_child(
            context.runtime, order_id, child_id, outcome, venue_order_id=venue_order_id, note=note, by=SOURCE
        )

    return JsonResponse(await context.work.run(work))


async def _look(request: Request, look: Callable[[Connection, str], Any], *, snapshot: bool) -> Any:
    """What ``look`` says of the order that the path names. Raises NotFound."""
    context = context_for(request)
    find = _finder(request)

    def work() -> Any:
        with read(context.runtime.engine, snapshot=snapshot) as conn:
            order_id = find(conn)
            found = look(conn, order_id)
        if not found:
            raise _unknown(order_id)
        return found

    return await context.work.run(work)


def _finder(request: Request) -> Callable[[Connection], str]:
    """From the path's id, ours or ``client:…``, to ours. Raises NotFound at once, or when called."""
    given: str = request.path_params["id"]
    query = Query(request, ("account",))
    account = query.text("account")
    query.finish()
    if given.startswith(_BY_CLIENT):
        client_order_id = given.removeprefix(_BY_CLIENT)
        if not CLIENT_ORDER_ID.fullmatch(client_order_id):
            raise _unknown(given)
        return partial(_find_by_client, client_order_id, account or DEFAULT_ACCOUNT)
    if not _OUR_ID.fullmatch(given):
        raise _unknown(given)
    return lambda _: given


def _find_by_client(client_order_id: str, account: str, conn: Connection) -> str:
    order_id = find_order_id(conn, account, client_order_id)
    if order_id is None:
        raise NotFound(f"There is no order {client_order_id} in the account {shown(account)}.")
    return order_id


def _unknown(order_id: str) -> NotFound:
    return NotFound(f"There is no order {shown(order_id)}. Orders are named by our id, or as client:CLIENT_ORDER_ID.")


def _filter(request: Request) -> OrderFilter:
    query = Query(request, describe.LIST_PARAMETERS)
    tag = query.text("tag")
    key, separator, value = (tag or "").partition(":")
    if tag is not None and not (key and separator):
        query.refuse("tag", "must be KEY:VALUE, such as strategy:momentum")
    wanted = OrderFilter(
        status=query.one_of("status", _STATUSES),
        venue=query.text("venue"),
        account=query.text("account"),
        symbol=query.text("symbol"),
        tag=None if tag is None else (key, value),
        since=query.time("since"),
        limit=query.count("limit", default=DEFAULT_PAGE, most=LARGEST_PAGE),
        cursor=query.text("cursor"),
    )
    query.finish()
    return wanted
