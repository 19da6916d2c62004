"""Metrics as Prometheus reads them: this process's own, and the deployment's state from the database."""

from functools import partial

from fastapi import APIRouter
from starlette.requests import Request
from starlette.responses import Response

from api.context import context_for
from telemetry.metrics import CONTENT_TYPE_LATEST, exposition

router = APIRouter()


@router.get("/metrics", tags=["health"], response_model=None, responses={200: {"content": {"text/plain": {}}}})
async def metrics(request: Request) -> Response:
    """Prometheus text."""
    context = context_for(request)
    text = await context.work.run(partial(exposition, context.metrics.registry))
    return Response(text, media_type=CONTENT_TYPE_LATEST)
