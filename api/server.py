"""Serving the API: one process, one event loop, threads for the database."""

import contextlib
import gc
import signal
import sys
import threading

import structlog
import uvicorn
from fastapi import FastAPI

from api.app import create_app
from api.context import context_of
from settings import Settings
from tasks.runtime import Runtime, use_runtime

log = structlog.get_logger(__name__)

#: A thread that wants to run waits this long for one that does not pause by itself. The interpreter's own 5 ms, times
#: the hand-overs of a request (event loop, database thread, publisher), would be most of an answer's time.
SWITCH_INTERVAL_S = 0.0002

#: how long requests under way may take to end after a stop was asked for
DRAIN_S = 10
#: a client that polls every few seconds keeps its connection
KEEP_ALIVE_S = 75


def run(settings: Settings) -> None:
    """Serve until SIGTERM or SIGINT; requests under way are finished first."""

    def make_runtime() -> Runtime:
        runtime = Runtime(settings)
        use_runtime(runtime)
        return runtime

    app = create_app(make_runtime)
    config = uvicorn.Config(
        app,
        host=settings.api_host,
        port=settings.api_port,
        loop="uvloop",
        http="httptools",
        ws="none",
        log_config=None,
        access_log=False,  # a line per request costs more than the request; the metrics count them
        proxy_headers=False,  # nothing here depends on the caller's address
        server_header=False,
        timeout_keep_alive=KEEP_ALIVE_S,
        timeout_graceful_shutdown=DRAIN_S,
    )
    server = _Server(config, app)
    sys.setswitchinterval(SWITCH_INTERVAL_S)
    if threading.current_thread() is threading.main_thread():
        # uvicorn raises the signal once more when it has drained, which would end the process as if it had crashed.
        signal.signal(signal.SIGTERM, lambda *_: None)
    with contextlib.suppress(KeyboardInterrupt):
        server.run()


class _Server(uvicorn.Server):
    def __init__(self, config: uvicorn.Config, app: FastAPI) -> None:
        super().__init__(config)
        self._app = app

    async def startup(self, sockets: list[object] | None = None) -> None:  # type: ignore[override]
        await super().startup(sockets)  # type: ignore[arg-type]
        # Modules, routes and prebuilt statements live as long as the process: collections need not walk them.
        gc.collect()
        gc.freeze()
        log.info("api.listening", host=self.config.host, port=self.config.port)

    async def shutdown(self, sockets: list[object] | None = None) -> None:  # type: ignore[override]
        context_of(self._app).news.close()  # who waits for a change is answered now, and asks the next process
        await super().shutdown(sockets)  # type: ignore[arg-type]
