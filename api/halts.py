"""Halt and resume: stopping new sends at once, for everything, a venue, or one of its accounts."""

import re
from collections.abc import Sequence
from functools import partial

from fastapi import APIRouter
from starlette.requests import Request
from starlette.responses import Response

from api import describe
from api.bodies import read_object_if_any
from api.context import Context, context_for
from api.orders import SOURCE
from api.problems import JsonResponse
from models.clock import format_time
from models.request_fields import Fields, nearest
from storage.halts import Halt
from workflows.halt import halt, resume

router = APIRouter()

NAME = re.compile(r"[A-Za-z0-9._:-]{1,64}", re.ASCII)
_REASON = re.compile(r"[^\x00-\x1f\x7f\ud800-\udfff]{0,200}")


@router.post("/v1/halt", **describe.HALT)
async def stop(request: Request) -> Response:
    """Stop new sends. Cancels, lookups and fills go on; resting orders stay unless ``cancel`` is true."""
    fields = Fields(await read_object_if_any(request), describe.HALT_FIELDS)
    context = context_for(request)
    venue, account = scope_of(fields, context)
    reason = fields.text("reason", _REASON, "must be at most 200 characters on one line", default="")
    cancel = fields.flag("cancel", default=False)
    fields.finish()
    work = partial(halt, context.runtime, venue=venue, account=account, reason=reason, cancel=cancel, by=SOURCE)
    return _standing(await context.work.run(work))


@router.post("/v1/resume", **describe.RESUME)
async def go_on(request: Request) -> Response:
    """Lift a halt of exactly this scope."""
    fields = Fields(await read_object_if_any(request), describe.RESUME_FIELDS)
    context = context_for(request)
    venue, account = scope_of(fields, context)
    fields.finish()
    return _standing(await context.work.run(partial(resume, context.runtime, venue=venue, account=account)))


def _standing(halts: Sequence[Halt]) -> JsonResponse:
    """Null stands for every venue, or every account."""
    return JsonResponse(
        {
            "halts": [
                {
                    "venue": halt.venue or None,
                    "account": halt.account or None,
                    "reason": halt.reason,
                    "by": halt.by,
                    "since": format_time(halt.since),
                }
                for halt in halts
            ]
        }
    )


def scope_of(fields: Fields, context: Context) -> tuple[str | None, str | None]:
    """A misspelled venue would halt nothing, so names must be configured ones."""
    venue = fields.text("venue", NAME, "must be the name of a configured venue", default="") or None
    account = fields.text("account", NAME, "must be the name of an account", default="") or None
    configured = context.runtime.accounts
    if venue is not None and venue not in configured:
        fields.refuse("venue", "must be a configured venue", instead=nearest(venue, configured))
        return venue, account
    accounts = set().union(*configured.values()) if venue is None else set(configured[venue])
    if account is not None and account not in accounts:
        where = "a configured venue" if venue is None else venue
        fields.refuse("account", f"must be an account of {where}", instead=nearest(account, accounts))
    return venue, account
