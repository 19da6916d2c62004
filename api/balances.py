"""Balances, as our books have them."""

from fastapi import APIRouter
from starlette.requests import Request
from starlette.responses import Response

from api import describe
from api.context import context_for
from api.problems import JsonResponse
from api.queries import Query
from models.money import plain
from storage.engine import read
from storage.ledger_reads import Balance, balances

router = APIRouter()


@router.get("/v1/balances", **describe.BALANCES)
async def list_balances(request: Request) -> Response:
    """Total, held and available, per venue account and asset."""
    Query(request, ()).finish()
    context = context_for(request)

    def work() -> object:
        with read(context.runtime.engine, snapshot=True) as conn:
            return {"items": [_shown(balance) for balance in balances(conn)]}

    return JsonResponse(await context.work.run(work))


def _shown(balance: Balance) -> dict[str, str]:
    return {
        "account": balance.account,
        "venue": balance.venue,
        "asset": balance.asset,
        "total": plain(balance.total),
        "held": plain(balance.held),
        "available": plain(balance.available),
    }
