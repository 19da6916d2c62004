"""Many processes that do one thing at the same moment, on a shared store: for what must hold between processes.

python at_once.py COUNT JOB FOLDER ARGUMENTS — forks COUNT children, lets them go together when all are ready, and ends
when they have. Each writes what it got to FOLDER/<number>.json; a child that kills itself writes nothing.
"""

from __future__ import annotations

import json
import os
import signal
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import timedelta
from pathlib import Path
from typing import Any

from redis import Redis
from sqlalchemy import Engine

from models.clock import from_micros
from risk.breaker import BreakerPolicy, Failed, ProbeWanted
from risk.lane import Lane
from risk.reservation import SECOND_US, UNITS, rate_plan
from storage import postgresql
from storage.breakers import DatabaseBreakers
from storage.engine import make_engine
from storage.rate_reservations import DatabaseReservations
from storage.redis_reservations import RedisReservations

VENUE, ACCOUNT = "paper", "main"
#: imported before the fork, once for all
DRIVER = postgresql.__name__
#: the clients of tests wait as long as a starved machine takes
PATIENCE_S = 120


@contextmanager
def reservations(url: str) -> Iterator[DatabaseReservations | RedisReservations]:
    if url.startswith("redis://"):
        with Redis.from_url(url, socket_timeout=PATIENCE_S, decode_responses=True) as client:
            yield RedisReservations(client)
        return
    with engine_at(url) as engine:
        yield DatabaseReservations(engine)


@contextmanager
def engine_at(url: str) -> Iterator[Engine]:
    engine = make_engine(url)
    try:
        yield engine
    finally:
        engine.dispose()


def book(_number: int, *, url: str, rate: list[int], count: int, now_us: int) -> Any:
    """The times of slots booked one after the other, all at one moment."""
    within_us = 600 * SECOND_US
    with reservations(url) as store:
        slots = [
            store.reserve(VENUE, ACCOUNT, rate_plan(*rate), Lane.ORDINARY, UNITS, within_us=within_us, now_us=now_us)
            for _ in range(count)
        ]
    return [slot.at_us for slot in slots if slot.granted]


def take_turns(_number: int, *, url: str, rate: list[int], count: int) -> Any:
    """When each slot was asked for and when it was, on the store's clock; it is waited for before the next one."""
    told = []
    with reservations(url) as store:
        for _ in range(count):
            slot = store.reserve(VENUE, ACCOUNT, rate_plan(*rate), Lane.ORDINARY, UNITS, within_us=600 * SECOND_US)
            told.append([slot.now_us, slot.at_us])
            time.sleep(max(0, slot.wait_us) / SECOND_US)
    return told


def fail(number: int, *, url: str, threshold: int, now_us: int) -> Any:
    policy = BreakerPolicy(failure_threshold=threshold)
    event = Failed(message=f"no answer for {number}")
    with engine_at(url) as engine:
        after = DatabaseBreakers(engine).apply(VENUE, ACCOUNT, event, policy=policy, now=from_micros(now_us))
    return after.status


def want_probe(number: int, *, url: str, now_us: int, lease_s: int, dies: bool = False) -> Any:
    """The number of the probe that this process was given, or None. ``dies``: who gets it ends by SIGKILL."""
    policy = BreakerPolicy(probe_lease=timedelta(seconds=lease_s))
    event = ProbeWanted(token=f"{os.getpid()}")
    with engine_at(url) as engine:
        probe = DatabaseBreakers(engine).apply(VENUE, ACCOUNT, event, policy=policy, now=from_micros(now_us)).probe
    if probe is None or probe.token != event.token:
        return None
    if dies:
        (Path(sys.argv[3]) / f"killed-{number}").touch()
        os.kill(os.getpid(), signal.SIGKILL)
    return probe.number


JOBS: dict[str, Callable[..., Any]] = {"book": book, "take_turns": take_turns, "fail": fail, "want_probe": want_probe}


def main(count: int, job: str, folder: Path, arguments: dict[str, Any]) -> int:
    ready_read, ready_write = os.pipe()
    go_read, go_write = os.pipe()
    children = []
    for number in range(count):
        child = os.fork()
        if child == 0:
            os.close(go_write)
            os.write(ready_write, b".")
            os.read(go_read, 1)  # until the parent closes its end
            outcome = JOBS[job](number, **arguments)
            (folder / f"{number}.json").write_text(json.dumps(outcome))
            os._exit(0)
        children.append(child)
    told = 0
    while told < count:
        told += len(os.read(ready_read, count))
    os.close(go_write)
    codes = [os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) for child in children]
    return max((abs(code) for code in codes if code != -signal.SIGKILL), default=0)


if __name__ == "__main__":
    sys.exit(main(int(sys.argv[1]), sys.argv[2], Path(sys.argv[3]), json.loads(sys.argv[4])))
