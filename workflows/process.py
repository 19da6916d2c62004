"""What a worker or beat does when it starts: logs, error reports, the relay, and a look for what a crash left."""

import atexit
import gc
import logging
import os
import sys
from typing import Any

import structlog
from celery.signals import (
    beat_init,
    setup_logging,
    worker_init,
    worker_process_init,
    worker_process_shutdown,
    worker_ready,
    worker_shutdown,
    worker_shutting_down,
)

from tasks.app import app
from tasks.hot_books import HotBooksThread
from tasks.queues import HOUSEKEEPING, URGENT
from tasks.rescue import RescueThread
from tasks.runtime import get_runtime
from tasks.topology import declare_topology
from tasks.tracking import stop_tracking, track_this_process
from tasks.traffic import TrafficThread
from telemetry.start import start_telemetry
from workflows.drain import drain, hand_back
from workflows.drain import install as install_drain
from workflows.publisher import close_publisher
from workflows.relay import RelayThread

log = structlog.get_logger()

#: Beat entries more frequent than Sentry takes check-ins for.
TOO_FREQUENT_TO_MONITOR = (
    "look at what rests.*",
    "finish a restore.*",
    "look whether a breaker.*",
    "send on what stands.*",
    "publish what stayed.*",
)

#: A hint to look for standing rows is worthless after this many seconds: beat has given another by then.
HINT_EXPIRES_S = 10

#: seconds that the relay gets to end its batch when the process ends
THREADS_END_S = 3.0

_on_prefork = False
_relays: list[RelayThread] = []
_rescuers: list[RescueThread] = []
_tellers: list[TrafficThread | HotBooksThread] = []


@setup_logging.connect
def _configure(**_: Any) -> None:
    """Takes the place of Celery's own logging setup."""
    _report("beat" if "beat" in sys.argv else "worker")


@worker_init.connect
def _before_consuming(**_: Any) -> None:
    install_drain()
    declare_topology(app)
    track_this_process(get_runtime)
    # What is loaded by now lives as long as the process. A collection in a child that is forked from it would else write
    # into every page, and each child would hold a copy of its own: 27 MB of 30.
    gc.collect()
    gc.freeze()


@worker_process_init.connect
def _in_child(**_: Any) -> None:
    _report("worker")
    _start_telling()


#: Celery's own lines about each message; the steps log their outcome themselves.
CHATTY_LOGGERS = ("celery.app.trace", "celery.worker.strategy", "celery.beat")


def _report(role: str) -> None:
    settings = get_runtime().settings
    start_telemetry(settings, role=role, sentry_dsn=settings.sentry_dsn, unmonitored_beat_tasks=TOO_FREQUENT_TO_MONITOR)
    for name in CHATTY_LOGGERS:
        logging.getLogger(name).setLevel(logging.WARNING)


@worker_process_shutdown.connect
def _child_ends(**_: Any) -> None:
    _stop_threads()
    close_publisher()
    stop_tracking()


@beat_init.connect
def _with_beat(**_: Any) -> None:
    declare_topology(app)
    track_this_process(get_runtime)
    _start_relay()


@worker_ready.connect
def _ready(sender: Any = None, **_: Any) -> None:
    """Threads can share a process with relay and rescue; a parent that forks can't."""
    runtime = get_runtime()
    runtime.engine  # noqa: B018 - made before the first task needs it
    global _on_prefork  # noqa: PLW0603 - one worker per process
    _on_prefork = "prefork" in type(getattr(sender, "pool", None)).__module__
    if not _on_prefork:
        runtime.protection.seats.divide(_threads(sender))
        _start_rescue()
        _start_telling()
        if _consumes(sender, URGENT):
            _start_relay()
    for task in ("orders.rescue", "venues.refresh_all"):
        try:
            app.send_task(task, queue=HOUSEKEEPING, expires=HINT_EXPIRES_S, ignore_result=True, retry=False)
        except Exception as error:  # noqa: BLE001 - whatever it is, the worker starts without the hint
            log.warning("a hint could not be sent; beat gives the next", task=task, error=str(error))


@worker_shutting_down.connect
def _asked_to_stop(how: str = "", **_: Any) -> None:
    drain.asked(warm=how == "Warm", prefork=_on_prefork)


@worker_shutdown.connect
def _stop(sender: Any = None, **_: Any) -> None:
    _stop_threads()
    close_publisher()
    hand_back(get_runtime(), getattr(sender, "consumer", None))
    stop_tracking()
    if drain.left_behind:
        # Its threads go on with what was given back, and the interpreter would wait for them.
        logging.shutdown()
        os._exit(getattr(sender, "exitcode", None) or 0)
    get_runtime().close()


@atexit.register
def _stop_threads() -> None:
    """Let them end what they are at: what a relay has claimed others leave alone for seconds."""
    threads: list[RelayThread | RescueThread | TrafficThread | HotBooksThread] = [*_relays, *_rescuers, *_tellers]
    for thread in threads:
        thread.stop()
    for thread in threads:
        if thread.is_alive():
            thread.join(THREADS_END_S)


def _threads(sender: Any) -> int:
    """Of the worker's pool: what its tasks share among the venues."""
    return int(getattr(getattr(sender, "pool", None), "limit", None) or 1)


def _consumes(sender: Any, queue: str) -> bool:
    return (
        queue in getattr(getattr(sender, "task_consumer", None), "queues", ()) or queue in app.amqp.queues.consume_from
    )


def _start_rescue() -> None:
    rescuer = RescueThread(get_runtime())
    rescuer.start()
    _rescuers.append(rescuer)


def _start_telling() -> None:
    for teller in (TrafficThread(get_runtime()), HotBooksThread(get_runtime())):
        teller.start()
        _tellers.append(teller)


def _start_relay() -> None:
    relay = RelayThread(get_runtime())
    relay.start()
    _relays.append(relay)
    log.info("the relay publishes from this process", pid=os.getpid())
