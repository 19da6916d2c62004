"""Dead letters: looking at them, and a person's decision on each."""

import re
from collections.abc import Callable, Mapping
from functools import partial
from typing import Any

from fastapi import APIRouter
from starlette.requests import Request
from starlette.responses import Response

from api import describe
from api.bodies import read_object_if_any
from api.context import context_for
from api.orders import SOURCE
from api.problems import JsonResponse
from api.queries import Query
from models.clock import format_time
from models.errors import NotFound, shown
from models.request_fields import Fields
from storage.dead_letters import LETTER_STATUSES, LetterFilter, find_dead_letters, get_dead_letter
from storage.engine import read
from storage.messages import events_of
from workflows.replay import Letter, discard, replay

router = APIRouter()

DEFAULT_LIMIT = 50
LARGEST_LIMIT = 500
#: a number that no letter has
_LARGEST = 2**62

_ID = re.compile(r"[0-9]{1,18}", re.ASCII)
_NOTE = re.compile(r"[^\x00-\x08\x7f\ud800-\udfff]{0,1000}")
_BY = re.compile(r"[^\x00-\x1f\x7f\ud800-\udfff]{1,64}")
_PLAIN = (
    "id", "task", "queue", "message_id", "order_id", "child_id", "code", "message", "errors", "kept", "deliveries",
    "count", "status",
)  # fmt: skip


@router.get("/v1/dead-letters", **describe.DEAD_LETTERS)
async def list_letters(request: Request) -> Response:
    """Dead letters, the newest first."""
    query = Query(request, describe.DEAD_LETTERS_PARAMETERS)
    wanted = LetterFilter(
        status=query.one_of("status", LETTER_STATUSES),
        code=query.text("code"),
        order_id=query.text("order"),
        before=query.count("before", default=_LARGEST, most=999_999_999),
        limit=query.count("limit", default=DEFAULT_LIMIT, most=LARGEST_LIMIT),
    )
    query.finish()
    context = context_for(request)

    def work() -> dict[str, Any]:
        with read(context.runtime.engine) as conn:
            items = [_shown(row) for row in find_dead_letters(conn, wanted)]
        more = len(items) == wanted.limit
        return {"items": items, "next_before": items[-1]["id"] if more else None}

    return JsonResponse(await context.work.run(work))


@router.get("/v1/dead-letters/{id}", **describe.DEAD_LETTER)
async def show(request: Request) -> Response:
    """One dead letter, with its body and what happened to its message."""
    letter_id = _letter_id(request)
    context = context_for(request)

    def work() -> dict[str, Any]:
        with read(context.runtime.engine, snapshot=True) as conn:
            letter = get_dead_letter(conn, letter_id)
            if letter is None:
                raise _unknown(str(letter_id))
            events = events_of(conn, letter["message_id"]) if letter["message_id"] else []
        return {**_shown(letter), "body": letter["body"], "events": [_event(event) for event in events]}

    return JsonResponse(await context.work.run(work))


@router.post("/v1/dead-letters/{id}/replay", **describe.REPLAY)
async def replay_letter(request: Request) -> Response:
    """Do again what it was about, from where things stand now; once, whoever asks how often."""
    return await _decide(request, replay)


@router.post("/v1/dead-letters/{id}/discard", **describe.DISCARD)
async def discard_letter(request: Request) -> Response:
    """Lay it aside for good."""
    return await _decide(request, discard)


async def _decide(request: Request, decide: Callable[..., tuple[Letter, bool]]) -> Response:
    letter_id = _letter_id(request)
    fields = Fields(await read_object_if_any(request), describe.DECISION_FIELDS)
    note = fields.text("note", _NOTE, "must be at most 1000 characters", default="")
    by = fields.text("by", _BY, "must be 1 to 64 characters on one line", default="")
    fields.finish()
    context = context_for(request)
    who = f"{by} ({SOURCE})" if by else SOURCE
    letter, new = await context.work.run(partial(decide, context.runtime, letter_id, by=who, note=note))
    return JsonResponse(_shown(letter), 200, {} if new else {"idempotency-replayed": "true"})


def _letter_id(request: Request) -> int:
    Query(request, ()).finish()
    given: str = request.path_params["id"]
    if not _ID.fullmatch(given):
        raise _unknown(given)
    return int(given)


def _unknown(given: str) -> NotFound:
    return NotFound(f"There is no dead letter {shown(given)}. They are named by their number, see /v1/dead-letters.")


def _shown(row: Mapping[str, Any]) -> dict[str, Any]:
    decided_at = row["decided_at"]
    decision = decided_at and {
        "at": format_time(decided_at),
        "by": row["decided_by"],
        "note": row["note"],
        "outcome": row["outcome"],
    }
    return {name: row[name] for name in _PLAIN} | {"created_at": format_time(row["created_at"]), "decision": decision}


def _event(row: Mapping[str, Any]) -> dict[str, Any]:
    return {name: row[name] for name in ("event", "worker", "pid", "detail")} | {"at": format_time(row["at"])}
