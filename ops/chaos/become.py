"""What a forked process of a trial becomes: a worker, beat, the API, the paper venue, or a server's own program."""

import ctypes
import gc
import importlib
import os
import random
import runpy
import signal
import sys
import traceback
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import NoReturn

#: loaded before the first fork, so that a process that is forked anew has nothing left to import
_NEEDED = (
    "celery.apps.beat", "celery.apps.worker", "celery.bin.beat", "celery.bin.celery", "celery.bin.worker",
    "celery.concurrency.prefork", "celery.concurrency.thread", "celery.worker.consumer", "kombu.transport.pyamqp",
    "kombu.transport.redis", "psycopg", "sqlalchemy.dialects.postgresql.psycopg", "sqlalchemy.dialects.sqlite.pysqlite",
    "uvicorn", "uvicorn.loops.uvloop", "uvicorn.protocols.http.httptools_impl", "uvloop",
    "api.app", "api.server", "exchanges.ccxt_gateway", "exchanges.paper.server", "tasks.app", "telemetry.start",
    "tasks.prepare", "tasks.validate", "tasks.commit", "tasks.settle", "tasks.lookup", "tasks.withdraw", "tasks.recall",
    "tasks.track", "tasks.plan", "tasks.follow_up", "tasks.amend", "tasks.rescue", "tasks.refresh", "tasks.cleanup", "tasks.anomalies", "workflows.intake", "workflows.relay",
    "workflows.slices", "workflows.process", "ccxt.binance",
)  # fmt: skip

_PR_SET_PDEATHSIG = 1
_LIBC = ctypes.CDLL(None, use_errno=True) if sys.platform == "linux" else None


@dataclass(frozen=True, slots=True, kw_only=True)
class Piece:
    """One process of a trial's deployment."""

    name: str
    #: worker, beat, api, paper or program
    kind: str
    arguments: tuple[str, ...]
    environ: Mapping[str, str] = field(default_factory=dict)


def load_everything() -> None:
    """Import what any piece needs. Reads no configuration, opens nothing, starts no thread."""
    for name in _NEEDED:
        importlib.import_module(name)


def ready_to_fork() -> None:
    """What is loaded stays: a child's collector need not walk it, and so its pages stay shared."""
    gc.collect()
    gc.freeze()


def become(piece: Piece, *, log: Path) -> NoReturn:
    """In a fresh fork: be that piece until its end."""
    code = 1
    try:
        _start_afresh(log)
        os.environ.update(piece.environ)
        if piece.kind == "program":
            os.execv(piece.arguments[0], piece.arguments)  # noqa: S606 - a server of ours, no shell
        import failpoints

        failpoints.inherit(os.environ)
        sys.argv = ["celery", piece.kind]  # telemetry tells beat from a worker by it
        code = _KINDS[piece.kind](piece.arguments) or 0
    except SystemExit as end:
        code = end.code if isinstance(end.code, int) else 1 if end.code else 0
    except BaseException:  # noqa: BLE001 - whatever it was, this process ends here and never goes on as its parent
        traceback.print_exc()
    finally:
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(code)


def _start_afresh(log: Path) -> None:
    os.setpgid(0, 0)
    if _LIBC is not None:
        _LIBC.prctl(_PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0)
    signal.set_wakeup_fd(-1)
    for number in (signal.SIGCHLD, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, signal.SIG_DFL)
    signal.signal(signal.SIGINT, signal.default_int_handler)
    sink = os.open(log, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
    for target in (1, 2):
        os.dup2(sink, target)
    nothing = os.open(os.devnull, os.O_RDONLY)
    os.dup2(nothing, 0)
    os.closerange(3, 256)
    # Forks share the generator's state: each would draw the same jitter.
    random.seed()


def _worker(arguments: tuple[str, ...]) -> int:
    from tasks.app import app

    app.worker_main(["worker", *arguments, "--without-mingle", "--without-gossip", "--loglevel", "INFO"])
    return 0


def _beat(arguments: tuple[str, ...]) -> int:
    from tasks.app import app

    app.start(["beat", *arguments, "--pidfile", "", "--loglevel", "INFO"])
    return 0


def _api(_: tuple[str, ...]) -> int:
    try:
        runpy.run_module("api", run_name="__main__", alter_sys=False)
    except SystemExit as end:
        return end.code if isinstance(end.code, int) else 0
    return 0


def _paper(arguments: tuple[str, ...]) -> int:
    from exchanges.paper.__main__ import main

    return main(["--config", *arguments])


_KINDS: Mapping[str, Callable[[tuple[str, ...]], int]] = {
    "worker": _worker,
    "beat": _beat,
    "api": _api,
    "paper": _paper,
}
