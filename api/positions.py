"""Positions: what our fills have made of each asset, what it cost and what it brought."""

from fastapi import APIRouter
from starlette.requests import Request
from starlette.responses import Response

from accounting.position_figures import FeesIn, Method
from api import describe
from api.context import context_for
from api.problems import JsonResponse
from api.queries import Query
from storage.position_reads import PositionFilter
from tasks.positions import DEFAULT_BY, DIMENSIONS, PositionQuery, positions_document

router = APIRouter()


@router.get("/v1/positions", **describe.POSITIONS)
async def list_positions(request: Request) -> Response:
    """Quantity, average cost, profit and fees, now or at a time in the past."""
    context = context_for(request)
    configured = context.runtime.settings.positions
    query = Query(request, describe.POSITIONS_PARAMETERS)
    names = ("venue", "account", "asset", "cost_asset", "strategy")
    wanted = PositionFilter(**{name: query.text(name) for name in names})
    at, by = query.time("at"), _by(query)
    if at is not None and at > context.runtime.now():
        query.refuse("at", "must not be in the future: nobody knows yet what will have been booked by then")
    method = query.one_of("method", tuple(Method)) or configured.method
    fees = query.one_of("fees", tuple(FeesIn)) or configured.fees
    source = query.one_of("source", ("database", "hot"))
    if source == "hot" and (wanted.venue is None or wanted.account is None or at is not None):
        query.refuse("source", "hot is a copy per venue account and of now: it takes venue and account, and no time")
    query.finish()
    asked = PositionQuery(wanted=wanted, at=at, method=Method(method), fees=FeesIn(fees), by=by, hot=source == "hot")
    return JsonResponse(await context.work.run(lambda: positions_document(context.runtime, asked)))


def _by(query: Query) -> tuple[str, ...]:
    text = query.text("by")
    if text is None:
        return DEFAULT_BY
    names = tuple(dict.fromkeys(name.strip() for name in text.split(",")))
    if any(name not in DIMENSIONS for name in names):
        query.refuse("by", f"must be some of {', '.join(DIMENSIONS)}, with commas between")
        return DEFAULT_BY
    return names
