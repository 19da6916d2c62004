"""Messages: what became of each, and figures per task and queue."""

from collections.abc import Mapping
from datetime import timedelta
from typing import Any

from fastapi import APIRouter
from starlette.requests import Request
from starlette.responses import Response

from api import describe
from api.context import context_for
from api.problems import JsonResponse
from api.queries import Query
from models.clock import format_time, format_time_or_none
from storage.engine import read
from storage.messages import STATUSES, MessageFilter, list_messages
from storage.messages_stats import Spread, TaskFigures, figures

router = APIRouter()

DEFAULT_LIMIT = 50
LARGEST_LIMIT = 500
#: figures are of this time unless another is asked for
STATS_OF = timedelta(hours=1)

_TIMES = ("first_at", "published_at", "received_at", "started_at", "ended_at")
_PLAIN = ("id", "task", "queue", "order_id", "child_id", "subject", "status", "attempts", "worker", "run_ms")


@router.get("/v1/messages", **describe.MESSAGES)
async def messages(request: Request) -> Response:
    """Messages, the newest first."""
    query = Query(request, describe.MESSAGES_PARAMETERS)
    wanted = MessageFilter(
        status=query.one_of("status", STATUSES),
        task=query.text("task"),
        queue=query.text("queue"),
        order_id=query.text("order"),
        limit=query.count("limit", default=DEFAULT_LIMIT, most=LARGEST_LIMIT),
    )
    query.finish()
    context = context_for(request)

    def work() -> list[dict[str, Any]]:
        with read(context.runtime.engine) as conn:
            return [_shown(row) for row in list_messages(conn, wanted)]

    return JsonResponse({"items": await context.work.run(work)})


@router.get("/v1/messages/stats", **describe.MESSAGE_STATS)
async def stats(request: Request) -> Response:
    """Figures per task and queue, of the last hour or from ``since`` on."""
    query = Query(request, ("since",))
    since = query.time("since")
    query.finish()
    context = context_for(request)

    def work() -> dict[str, Any]:
        with read(context.runtime.engine) as conn:
            found = figures(conn, since or context.runtime.now() - STATS_OF)
        return {
            "since": format_time(found.since),
            "counted": found.counted,
            "complete": found.complete,
            "items": [_figures(item) for item in found.items],
        }

    return JsonResponse(await context.work.run(work))


def _shown(row: Mapping[str, Any]) -> dict[str, Any]:
    return {name: row[name] for name in _PLAIN} | {name: format_time_or_none(row[name]) for name in _TIMES}


def _figures(item: TaskFigures) -> dict[str, Any]:
    counts = ("task", "queue", "published", "received", "redelivered", "succeeded", "failed", "expired", "dead")
    return {name: getattr(item, name) for name in counts} | {"wait": _spread(item.wait), "run": _spread(item.run)}


def _spread(spread: Spread) -> dict[str, float | None]:
    return {"p50_ms": spread.p50_ms, "p99_ms": spread.p99_ms}
