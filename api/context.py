"""What the routes share: the process's runtime, the threads, the gate and the metrics."""

from dataclasses import dataclass

from fastapi import FastAPI
from starlette.requests import Request

from api.news import News
from api.security import Gate
from api.work import Work
from tasks.runtime import Runtime
from telemetry.metrics import ApiMetrics


@dataclass(frozen=True, slots=True, kw_only=True)
class Context:
    runtime: Runtime
    work: Work
    news: News
    gate: Gate
    metrics: ApiMetrics


def context_of(app: FastAPI) -> Context:
    context: Context = app.state.context
    return context


def context_for(request: Request) -> Context:
    context: Context = request.app.state.context
    return context
