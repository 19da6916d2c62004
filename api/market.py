"""What a venue showed last of a symbol and an account: to look at, with its age. Nothing is asked of the venue for it."""

from typing import Any

from fastapi import APIRouter
from redis.exceptions import RedisError
from starlette.requests import Request
from starlette.responses import Response

from api import describe
from api.context import Context, context_for
from api.problems import JsonResponse
from api.queries import Query
from models.errors import NotFound, Unavailable, shown
from models.instrument_codec import instrument_to_dict

router = APIRouter()


@router.get("/v1/market", **describe.MARKET)
async def show_market(request: Request) -> Response:
    """Instrument, quote, book and balances as the venue showed them last, each with its age in seconds."""
    query = Query(request, describe.MARKET_PARAMETERS)
    venue, symbol, account = query.text("venue"), query.text("symbol"), query.text("account") or "main"
    for name, value in (("venue", venue), ("symbol", symbol)):
        if value is None:
            query.refuse(name, "is required")
    query.finish()
    assert venue is not None
    assert symbol is not None
    context = context_for(request)
    return JsonResponse(await context.work.run(lambda: _market(context, venue, account, symbol)))


def _market(context: Context, venue: str, account: str, symbol: str) -> dict[str, Any]:
    if account not in context.runtime.accounts.get(venue, ()):
        raise NotFound(f"There is no account {shown(account)} of a venue {shown(venue)}: /v1/venues lists them.")
    quote, book, balances = _last_shown(context, venue, account, f"quote:{symbol}", f"book:{symbol}", "balances")
    return {
        "venue": venue,
        "account": account,
        "symbol": symbol,
        "instrument": _instrument(context, venue, symbol),
        "quote": quote,
        "book": book,
        "balances": balances,
    }


def _instrument(context: Context, venue: str, symbol: str) -> dict[str, Any] | None:
    instrument = context.runtime.instruments.get(venue, symbol)
    if instrument is None:
        return None
    age_s = context.runtime.instruments.age_s(venue, context.runtime.now())
    return {**instrument_to_dict(instrument), "age_s": age_s}


def _last_shown(context: Context, venue: str, account: str, *names: str) -> list[dict[str, Any] | None]:
    shared = context.runtime.shared_shown
    if shared is None:
        return [None for _ in names]
    try:
        return shared.read(venue, account, *names)
    except RedisError as error:
        raise Unavailable("What the venues showed is kept in Redis, which does not answer. Try again.") from error
