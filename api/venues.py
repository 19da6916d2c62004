"""Venues: what is known of each venue account at present."""

from collections.abc import Mapping
from typing import Any

from fastapi import APIRouter
from starlette.requests import Request
from starlette.responses import Response

from api import describe
from api.context import Context, context_for
from api.problems import JsonResponse
from api.queries import Query
from models.clock import format_time_or_none
from storage.engine import read
from storage.venue_states import list_venue_states

router = APIRouter()


@router.get("/v1/venues", **describe.VENUES)
async def list_venues(request: Request) -> Response:
    """Per venue account: breaker state, rate budget, last error, latency."""
    Query(request, ()).finish()
    context = context_for(request)
    return JsonResponse({"items": await context.work.run(lambda: _venue_accounts(context))})


def _venue_accounts(context: Context) -> list[dict[str, Any]]:
    with read(context.runtime.engine) as conn:
        known = {(state["venue"], state["account"]): state for state in list_venue_states(conn)}
    return [
        _describe(context, name, account, known.get((name, account), {}))
        for name, venue in sorted(context.runtime.settings.venues.items())
        for account in sorted(venue.accounts)
    ]


def _describe(context: Context, name: str, account: str, state: Mapping[str, Any]) -> dict[str, Any]:
    closed_until = state.get("closed_until")
    shut = closed_until is not None and closed_until > context.runtime.now()
    message = state.get("last_error")
    return {
        "venue": name,
        "account": account,
        "mode": context.runtime.settings.venues[name].mode.value,
        "breaker": {
            "state": "open" if shut else "closed",
            "until": format_time_or_none(closed_until) if shut else None,
        },
        "rate": {"limit": str(context.runtime.settings.venues[name].rate_limit)},
        "last_error": message and {"message": message, "at": format_time_or_none(state.get("last_error_at"))},
        "last_success_at": format_time_or_none(state.get("last_success_at")),
        "latency_ms": state.get("latency_ms"),
    }
