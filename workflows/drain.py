"""How a worker ends: what runs may finish within a limit; what does not is handed back, so that others take it up at once.

Celery's warm shutdown waits for running tasks as long as they take, and its cold one knows no way to leave a thread
behind. Here SIGTERM (and the first SIGINT) means: take nothing new, finish within the soft shutdown timeout, then go.
SIGQUIT (and the second SIGINT) means: go. To go is safe at any moment, as a kill is; handing back saves the wait for
leases: claims and leases of this process end, and the connection to the broker is closed in order, so that it gives what
was not acknowledged to others.
"""

import contextlib
import os
import signal
import threading
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import structlog
from celery.concurrency.thread import ApplyResult, TaskPool
from celery.worker import state as worker_state
from sqlalchemy import Engine

from storage import leases
from storage.children import release_all
from storage.engine import is_unavailable, write
from tasks.app import app
from tasks.heartbeat import heartbeat_of
from tasks.runtime import Runtime

log = structlog.get_logger()

#: seconds that giving back may take; a broker or a database that does not answer must not keep the process
HAND_BACK_S = 3.0


class Drain:
    """Of one process. ``asked`` is called when the stop begins, ``stop_threads`` in place of the pool's own waiting."""

    def __init__(self) -> None:
        self._asked_at: float | None = None
        self._left_behind: list[str] = []

    @property
    def left_behind(self) -> bool:
        """Whether threads go on with what was given back: then the process must end without waiting for them."""
        return bool(self._left_behind)

    def asked(self, *, warm: bool, prefork: bool) -> None:
        if self._asked_at is not None:
            return
        self._asked_at = time.monotonic()
        if warm and prefork:
            threading.Thread(target=self._then_cold, name="drain", daemon=True).start()

    def stop_threads(self, executor: ThreadPoolExecutor) -> None:
        """Wait for running tasks as long as they may take; a cold shutdown waits no more."""
        executor.shutdown(wait=False, cancel_futures=True)
        patience_s = 0.0 if worker_state.should_terminate is not None else _limit_s()
        deadline = (self._asked_at or time.monotonic()) + patience_s
        for thread in list(executor._threads):  # noqa: SLF001 - there is no other way to wait with a limit
            thread.join(max(0.0, deadline - time.monotonic()))
            if thread.is_alive():
                self._left_behind.append(thread.name)
        if self._left_behind:
            log.warning("tasks outlast the shutdown; what they hold is handed back", tasks=len(self._left_behind))

    def _then_cold(self) -> None:
        """The children of a prefork pool can be ended: after the limit a warm shutdown becomes a cold one."""
        time.sleep(_limit_s())
        log.warning("tasks outlast the shutdown; their messages are handed back")
        app.conf.worker_soft_shutdown_timeout = 0.0  # it is over already
        os.kill(os.getpid(), signal.SIGQUIT)


def _limit_s() -> float:
    return float(app.conf.worker_soft_shutdown_timeout)


drain = Drain()


def install() -> None:
    """Let pools of threads end in time. Before the worker makes its pool."""

    def on_stop(pool: TaskPool) -> None:
        drain.stop_threads(pool.executor)

    TaskPool.on_stop = on_stop
    # A cold shutdown ends running jobs: no thread can be ended, and none needs to, since the process goes.
    TaskPool.terminate_job = lambda *_args, **_kwargs: None
    ApplyResult.terminate = lambda *_args, **_kwargs: None


def hand_back(runtime: Runtime, consumer: Any) -> None:
    """End this process's claims and leases, and close its connection to the broker, within HAND_BACK_S."""
    _in_time(lambda: end_claims(runtime))
    connection = getattr(consumer, "connection", None)
    if connection is not None:
        _in_time(connection.close)


def end_claims(runtime: Runtime) -> None:
    """What this process has claimed may be taken by others at once. It must not act on any claim after this."""
    heartbeat_of(runtime).abandon()
    engine: Engine = runtime.engine
    try:
        with write(engine) as conn:
            children = release_all(conn, owner=runtime.owner)
            named = leases.end_all(conn, owner=runtime.owner)
    except Exception as error:
        if not is_unavailable(error):
            raise
        log.warning("claims could not be ended; they run out by themselves", error=type(error).__name__)
        return
    if children or named:
        log.info("claims were ended before their time", children=children, leases=named)


def _in_time(work: Callable[[], object]) -> None:
    def run() -> None:
        with contextlib.suppress(Exception):  # the process ends: what could not be given back comes back by itself
            work()

    thread = threading.Thread(target=run, name="hand-back", daemon=True)
    thread.start()
    thread.join(HAND_BACK_S)
