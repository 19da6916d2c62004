"""The application: routes, the gate in front of them, and what lives as long as the process."""

from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from functools import partial

from fastapi import FastAPI

from api import (
    anomalies,
    balances,
    dead_letters,
    events,
    failures,
    halts,
    health,
    market,
    messages,
    metrics,
    orders,
    positions,
    reconciliations,
    venues,
)
from api.context import Context
from api.front import Front
from api.instrument_gauges import read_instrument_ages
from api.news import News
from api.openapi import describe_app
from api.security import make_gate
from api.state_gauges import read_gauges
from api.streams import read_streams
from api.traffic_metrics import read_traffic
from api.work import Work
from storage.events import news
from tasks.hot_books import HotBooksThread
from tasks.runtime import Runtime
from telemetry.metrics import ApiMetrics, StateCollector
from telemetry.release import release
from workflows.publisher import close_publisher

#: seconds that the last copy of the books gets when the process ends
HOT_BOOKS_END_S = 3.0


def create_app(runtime_factory: Callable[[], Runtime]) -> FastAPI:
    """The ASGI application. ``runtime_factory`` is called when the server starts, in the server's own process."""

    @asynccontextmanager
    async def lifespan(app: FastAPI) -> AsyncIterator[None]:
        runtime = runtime_factory()
        app.state.context = context = make_context(runtime)
        hot_books = HotBooksThread(runtime)
        hot_books.start()
        yield
        hot_books.stop()
        context.work.close()
        hot_books.join(HOT_BOOKS_END_S)
        close_publisher()
        runtime.close()

    app = FastAPI(
        title="Steadfill",
        version=release(),
        lifespan=lifespan,
        docs_url=None,  # its page loads scripts from elsewhere; /openapi.json is for any viewer
        redoc_url=None,
        redirect_slashes=False,
    )
    for module in (
        orders,
        events,
        messages,
        dead_letters,
        anomalies,
        balances,
        positions,
        reconciliations,
        halts,
        venues,
        market,
        health,
        metrics,
    ):
        # One flat table: an included router is a level of its own to walk, and tells less of a 405's methods.
        app.router.routes.extend(module.router.routes)
    app.add_middleware(Front)
    failures.install(app)
    app.openapi = describe_app(app)  # type: ignore[method-assign]  # FastAPI's own way to say it
    return app


def make_context(runtime: Runtime) -> Context:
    settings = runtime.settings
    gate = make_gate([key.get_secret_value() for key in settings.api_keys], settings.api_host)
    api_metrics = ApiMetrics()
    # Made here, in one thread: two requests at once would make two engines and two caches.
    engine = runtime.engine
    for made in (
        "instruments",
        "request_defaults",
        "accounts",
        "shared_traffic",
        "shared_shown",
        "hot_copies",
        "protection",
    ):
        getattr(runtime, made)
    api_metrics.registry.register(StateCollector(partial(read_gauges, engine)))
    api_metrics.registry.register(StateCollector(partial(read_instrument_ages, runtime)))
    api_metrics.registry.register(StateCollector(partial(read_traffic, runtime)))
    api_metrics.registry.register(StateCollector(partial(read_streams, runtime)))
    work = Work()
    watch = News(partial(work.run, partial(news, engine)))
    return Context(runtime=runtime, work=work, news=watch, gate=gate, metrics=api_metrics)
