"""What can happen at a stage: to the process that is there, or around it while it waits there; and at the venue."""

import contextlib
import os
import signal
import sqlite3
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from ops.chaos import windows

if TYPE_CHECKING:
    from ops.chaos.trial import Trial

#: how long a process waits at its stage while something happens around it, in milliseconds
_WAIT_MS = 300


@dataclass(frozen=True, slots=True, kw_only=True)
class Fault:
    """One column of the matrix."""

    #: as failpoints take it; empty for faults of the venue
    action: str = ""
    #: done by the lane as soon as the stage is hit; gets the pid that hit it
    then: "Callable[[Trial, int], None] | None" = None
    #: who does the steps: a key of lane.LAYOUTS
    layout: str = "threads"
    #: rules of the paper venue instead of a stage of ours
    at_venue: tuple[Mapping[str, Any], ...] = ()
    #: stacks where it can happen; empty: on all
    stacks: tuple[str, ...] = ()
    #: one line for the report
    means: str = ""


def _go_on_later(trial: "Trial", pid: int) -> None:
    trial.later(windows.PAUSE_S * trial.lane.pace, lambda: _signal(pid, signal.SIGCONT))


def _signal(pid: int, number: signal.Signals) -> None:
    with contextlib.suppress(ProcessLookupError):
        os.kill(pid, number)


def _flush_broker(trial: "Trial", _: int) -> None:
    """Every message is gone, the unacknowledged ones too where the broker can forget them."""
    lane = trial.lane
    if lane.stack == "postgres-rabbitmq":
        from tasks.queues import QUEUES

        with lane.celery.connection_for_write() as connection, connection.channel() as channel:
            for queue in QUEUES:
                with contextlib.suppress(Exception):
                    channel.queue_purge(queue)
        return
    import redis

    with contextlib.suppress(redis.RedisError), redis.Redis.from_url(lane.settings.redis_client_url or "") as client:
        client.flushall()


def _kill_broker(trial: "Trial", _: int) -> None:
    trial.lane.kill_piece("broker")


def _kill_venue(trial: "Trial", _: int) -> None:
    trial.lane.kill_piece(f"paper-{trial.lane.dedupe}")


def _kill_everything(trial: "Trial", _: int) -> None:
    trial.lane.kill_all_of_ours()


def _kill_beat(trial: "Trial", _: int) -> None:
    trial.lane.kill_piece("beat")


def _reset_database(trial: "Trial", _: int) -> None:
    """Every session of the lane's database ends, whatever it was doing."""
    import psycopg

    admin = trial.lane.settings.database_url.replace("postgresql+psycopg://", "postgresql://", 1)
    question = "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = current_database() AND pid <> pg_backend_pid()"
    with contextlib.suppress(psycopg.Error), psycopg.connect(admin, autocommit=True, connect_timeout=5) as connection:
        connection.execute(question)


def _lock_database(trial: "Trial", _: int) -> None:
    """Somebody else holds SQLite's only writer's lock, if the stage does not hold it itself."""
    path = trial.lane.settings.database_url.removeprefix("sqlite:///")
    with (
        contextlib.closing(sqlite3.connect(path, timeout=0.05, isolation_level=None)) as connection,
        contextlib.suppress(sqlite3.OperationalError),
    ):
        connection.execute("BEGIN IMMEDIATE")
        time.sleep(_WAIT_MS * 2 / 1000)
        connection.execute("ROLLBACK")


_POSTGRES = ("postgres-redis", "postgres-rabbitmq")
_REDIS = ("sqlite-embedded", "postgres-redis")
_WAIT = f"1*sleep({_WAIT_MS})"
_POST = {"method": "POST", "endpoint": "order", "count": 1}


def _venue(means: str, *rules: Mapping[str, Any]) -> Fault:
    return Fault(at_venue=rules, means=means)


FAULTS: Mapping[str, Fault] = {
    # to the process at the stage
    "none": Fault(action="1*print", means="nothing: the way itself is sound"),
    "kill": Fault(action="1*kill", means="SIGKILL to the process; its threads die with it"),
    "kill_child": Fault(action="1*kill", layout="prefork", means="SIGKILL to the pool's child; its worker goes on"),
    "kill_parent": Fault(action="1*kill_parent", layout="prefork", means="SIGKILL to the worker and its child at once"),
    "kill_twice": Fault(action="2*kill", means="SIGKILL, and again where the recovery comes to the same stage"),
    "stop": Fault(action="1*stop", then=_go_on_later, means="SIGSTOP past lease, window and lag, then SIGCONT"),
    "stop_child": Fault(action="1*stop", then=_go_on_later, layout="prefork", means="the same to a pool's child"),
    "term": Fault(action="1*term", means="SIGTERM: the worker drains and is started again"),
    "bug": Fault(action="1*raise(bug)", means="an exception that nobody expects; the message is lost with it"),
    "io": Fault(action="1*raise(io)", means="EIO"),
    "disk_full": Fault(action="1*raise(disk_full)", means="ENOSPC"),
    "reset": Fault(action="1*raise(reset)", means="ECONNRESET"),
    "serialization": Fault(action="1*raise(serialization)", means="the database refuses for a conflict (40001)"),
    "database_gone": Fault(action="1*raise(database_gone)", means="the connection to the database breaks"),
    # around it, while it waits there
    "flush": Fault(action=_WAIT, then=_flush_broker, means="the broker forgets every message"),
    "broker_kill": Fault(
        action=_WAIT, then=_kill_broker, stacks=_REDIS, means="SIGKILL to the broker, which comes back on its file"
    ),
    "venue_kill": Fault(action=_WAIT, then=_kill_venue, means="SIGKILL to the venue, which comes back on its journal"),
    "beat_kill": Fault(action=_WAIT, then=_kill_beat, means="SIGKILL to beat and its relay"),
    "all_kill": Fault(action="1*sleep(2000)", then=_kill_everything, means="SIGKILL to everything but the database"),
    "db_reset": Fault(
        action=_WAIT, then=_reset_database, stacks=_POSTGRES, means="every session is ended by the server"
    ),
    "db_locked": Fault(
        action=_WAIT, then=_lock_database, stacks=("sqlite-embedded",), means="another process holds the writer's lock"
    ),
    # at the venue
    "request_lost": _venue("the request never arrives", {"kind": "drop", "when": "before", **_POST}),
    "reply_lost": _venue("it is taken, the answer is lost", {"kind": "drop", "when": "after", **_POST}),
    "reply_reset": _venue("it is taken, the connection is reset", {"kind": "reset", "when": "after", **_POST}),
    "error_before": _venue("503 before it is taken", {"kind": "error", "when": "before", "status": 503, **_POST}),
    "error_after": _venue("503 after it is taken", {"kind": "error", "when": "after", "status": 503, **_POST}),
    "timeout_after": _venue(
        "504 with -1007 after it is taken", {"kind": "error", "when": "after", "status": 504, **_POST}
    ),
    "late_inside": _venue(
        "the answer is gone at once, it arrives inside the window", {"kind": "late", "delay_ms": 400, **_POST}
    ),
    "late_outside": _venue(
        "the answer is gone at once, it arrives after the window",
        {"kind": "late", "delay_ms": windows.RECV_WINDOW_MS + 400, **_POST},
    ),
    "slow": _venue("the answer takes most of a lease", {"kind": "latency", "when": "after", "delay_ms": 600, **_POST}),
    "timeout": _venue(
        "the answer takes longer than we wait",
        {"kind": "latency", "when": "after", "delay_ms": windows.TIMEOUT_MS + 300, **_POST},
    ),
    "lagging_reads": _venue(
        "it is taken, the answer is lost, and the reads do not show it yet",
        {"kind": "drop", "when": "after", "lag_ms": windows.VISIBILITY_LAG_MS - 20, **_POST},
    ),
    "no_id": _venue("the answer names no id", {"kind": "unreadable", "form": "no_id", **_POST}),
    "garbage": _venue("the answer can't be read", {"kind": "unreadable", "form": "garbage", **_POST}),
    "cut": _venue("the answer ends in the middle", {"kind": "unreadable", "form": "cut", **_POST}),
    "drip": _venue("the answer comes in small pieces", {"kind": "drip", "piece_bytes": 40, "piece_ms": 10, **_POST}),
    "rate_limited": _venue(
        "429 with Retry-After", {"kind": "rate_limited", "status": 429, "retry_after_s": 1, **_POST}
    ),
    "banned": _venue("418 with Retry-After", {"kind": "rate_limited", "status": 418, "retry_after_s": 1, **_POST}),
    "duplicate_said": _venue(
        "it is taken, and the answer says that it is a duplicate",
        {"kind": "error", "when": "after", "status": 400, "code": -2010, "msg": "Duplicate order sent.", **_POST},
    ),
    "reads_fail": _venue("three reads in a row fail", {"kind": "drop", "method": "GET", "count": 3}),
    "outage": _venue("nobody answers for 600 ms", {"kind": "outage", "form": "reset", "duration_ms": 600}),
}
