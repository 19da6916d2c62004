"""Anomalies, and the series that are watched for them."""

from collections.abc import Mapping
from datetime import datetime
from decimal import Decimal
from typing import Any

from fastapi import APIRouter
from starlette.requests import Request
from starlette.responses import Response

from accounting.anomalies.detector import SeriesState
from accounting.anomalies.series import UNITS, SeriesKey, SeriesKind
from api import describe
from api.context import context_for
from api.problems import JsonResponse
from api.queries import Query
from models.clock import format_time
from models.money import plain, plain_or_none
from storage.anomalies import AnomalyFilter, list_anomalies, list_series
from storage.engine import read

router = APIRouter()

DEFAULT_LIMIT = 50
LARGEST_LIMIT = 500

_KINDS = tuple(kind.value for kind in SeriesKind)
_DECIMALS = ("median", "scale", "drift", "tolerance", "cusum")
_TIMES = ("found_at", "first_at", "last_at")
_PLAIN = ("id", "venue", "account", "subject", "direction", "points", "beyond", "order_id")


@router.get("/v1/anomalies", **describe.ANOMALIES)
async def anomalies(request: Request) -> Response:
    """What was found, the latest first."""
    query = Query(request, describe.ANOMALIES_PARAMETERS)
    kind = query.one_of("kind", _KINDS)
    wanted = AnomalyFilter(
        kind=SeriesKind(kind) if kind in _KINDS else None,
        venue=query.text("venue"),
        account=query.text("account"),
        since=query.time("since"),
        limit=query.count("limit", default=DEFAULT_LIMIT, most=LARGEST_LIMIT),
    )
    query.finish()
    context = context_for(request)

    def work() -> object:
        with read(context.runtime.engine) as conn:
            return {"items": [_shown(row) for row in list_anomalies(conn, wanted)]}

    return JsonResponse(await context.work.run(work))


@router.get("/v1/anomalies/series", **describe.ANOMALY_SERIES)
async def series(request: Request) -> Response:
    """Every watched series: what is usual for it, and how far its sums stand."""
    Query(request, ()).finish()
    context = context_for(request)

    def work() -> object:
        with read(context.runtime.engine) as conn:
            return {"items": [_series(*one) for one in list_series(conn)]}

    return JsonResponse(await context.work.run(work))


def _shown(row: Mapping[str, Any]) -> dict[str, Any]:
    kind: SeriesKind = row["kind"]
    return {
        "kind": kind.value,
        "unit": UNITS[kind],
        **{name: row[name] for name in _PLAIN},
        **{name: plain(row[name]) for name in _DECIMALS},
        **{name: format_time(row[name]) for name in _TIMES},
    }


def _series(key: SeriesKey, state: SeriesState, last_at: datetime) -> dict[str, Any]:
    baseline = state.baseline

    def usual(name: str) -> str | None:
        value: Decimal | None = None if baseline is None else getattr(baseline, name)
        return plain_or_none(value)

    return {
        "kind": key.kind.value,
        "venue": key.venue,
        "account": key.account,
        "subject": key.subject,
        "unit": UNITS[key.kind],
        "points": state.points,
        "learning": len(state.training) if baseline is None else None,
        **{name: usual(name) for name in ("median", "scale_up", "scale_down")},
        "cusum_up": plain(state.up.cusum),
        "cusum_down": plain(state.down.cusum),
        "last_at": format_time(last_at),
    }
