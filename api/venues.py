"""Venues: what is known of each venue account at present, and closing a breaker by hand."""

from collections.abc import Mapping
from datetime import datetime
from functools import partial
from typing import Any

import structlog
from fastapi import APIRouter
from starlette.requests import Request
from starlette.responses import Response

from api import describe
from api.bodies import read_object
from api.context import Context, context_for
from api.halts import NAME
from api.orders import SOURCE
from api.problems import JsonResponse
from api.queries import Query
from api.streams import describe_stream
from models.clock import format_time_or_none, from_micros, micros
from models.request_fields import Fields, nearest
from risk.breaker import Breaker
from risk.lane import Lane
from risk.reservation import UNITS, Reserved, room
from storage.breakers import list_breakers
from storage.engine import read
from storage.streams import list_streams
from storage.venue_states import list_venue_states
from workflows.breakers import reset_breaker

log = structlog.get_logger(__name__)

router = APIRouter()

#: venue and account
Place = tuple[str, str]


@router.get("/v1/venues", **describe.VENUES)
async def list_venues(request: Request) -> Response:
    """Per venue account: breaker state, rate budget, last error, latency."""
    Query(request, ()).finish()
    context = context_for(request)
    return JsonResponse({"items": await context.work.run(lambda: _venue_accounts(context))})


@router.post("/v1/venues/reset", **describe.VENUE_RESET)
async def reset(request: Request) -> Response:
    """Close the breaker of one venue account by hand; it opens again by itself if the venue still fails."""
    fields = Fields(await read_object(request), describe.VENUE_RESET_FIELDS)
    context = context_for(request)
    venue = fields.text("venue", NAME, "must be the name of a configured venue")
    account = fields.text("account", NAME, "must be the name of an account", default="main")
    configured = context.runtime.accounts
    if venue and venue not in configured:
        fields.refuse("venue", "must be a configured venue", instead=nearest(venue, configured))
    elif venue and account and account not in configured[venue]:
        fields.refuse("account", f"must be an account of {venue}", instead=nearest(account, configured[venue]))
    fields.finish()
    work = partial(reset_breaker, context.runtime, venue=venue, account=account, by=SOURCE)
    closed = await context.work.run(work)
    return JsonResponse({"venue": venue, "account": account, "breaker": _breaker(closed)})


def _venue_accounts(context: Context) -> list[dict[str, Any]]:
    with read(context.runtime.engine) as conn:
        known = {(state["venue"], state["account"]): state for state in list_venue_states(conn)}
        pushed = {(row["venue"], row["account"]): row for row in list_streams(conn)}
        breakers = list_breakers(conn)
    return [
        {
            **_describe(
                context, (name, account), known.get((name, account), {}), breakers.get((name, account), Breaker())
            ),
            "stream": describe_stream(pushed.get((name, account)), context.runtime.now()) if venue.streams else None,
        }
        for name, venue in sorted(context.runtime.settings.venues.items())
        for account in sorted(venue.accounts)
    ]


def _describe(context: Context, place: Place, state: Mapping[str, Any], breaker: Breaker) -> dict[str, Any]:
    settings = context.runtime.settings.venues[place[0]]
    message = state.get("last_error")
    return {
        "venue": place[0],
        "account": place[1],
        "mode": settings.mode.value,
        "breaker": _breaker(breaker),
        "rate": {"limit": str(settings.rate_limit), **_budget(context, place, state.get("closed_until"))},
        "last_error": message and {"message": message, "at": format_time_or_none(state.get("last_error_at"))},
        "last_success_at": format_time_or_none(state.get("last_success_at")),
        "latency_ms": state.get("latency_ms"),
    }


def _breaker(breaker: Breaker) -> dict[str, Any]:
    return {
        "state": breaker.status.value,
        "since": format_time_or_none(breaker.opened_at),
        "until": format_time_or_none(breaker.next_look_at),
        "failures": len(breaker.failures),
    }


def _budget(context: Context, place: Place, told_closed_until: datetime | None) -> dict[str, Any]:
    """What may leave at once, in plain requests, and until when nothing may; nulls where the store does not answer."""
    now = context.runtime.now()
    told = told_closed_until if told_closed_until is not None and told_closed_until > now else None
    found = _reserved(context, place)
    if found is None:
        return {"ordinary": None, "urgent": None, "closed_until": format_time_or_none(told)}
    reserved, now_us = found
    plan = context.runtime.protection.plans[place]
    closed = None
    if reserved.closed_until_us > now_us:  # by the store's clock, told in the deployment's
        closed = from_micros(micros(now) + reserved.closed_until_us - now_us)
    return {
        "ordinary": room(reserved, plan, Lane.ORDINARY, now_us) // UNITS,
        "urgent": room(reserved, plan, Lane.URGENT, now_us) // UNITS,
        "closed_until": format_time_or_none(max(filter(None, (told, closed)), default=None)),
    }


def _reserved(context: Context, place: Place) -> tuple[Reserved, int] | None:
    try:
        return context.runtime.protection.reserved(*place)
    except Exception as error:  # noqa: BLE001 - whatever it is, the rest is worth showing
        log.warning("the rate's budget could not be read", venue=place[0], account=place[1], error=type(error).__name__)
        return None
