"""SIGTERM, SIGINT and SIGQUIT to every piece: what runs may finish, what does not is handed back, nothing is lost or doubled."""

from __future__ import annotations

import signal
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path

import pytest
from sqlalchemy import text

from storage.engine import read
from tests.acceptance.audit import audit
from tests.acceptance.deployment import Deployment
from tests.acceptance.stacks import RABBITMQ, REDIS, SQLITE, on
from tests.support.processes import Process
from tests.support.waiting import eventually

pytestmark = [pytest.mark.acceptance, pytest.mark.timeout(600)]

#: Seconds for what is over in a moment on an idle machine.
SOON_S = 120.0

#: A step that does not end: far longer than any worker waits for it.
FOR_EVER = "1*sleep(3600000)"

WORKERS = ("worker-steps", "worker-venue", "worker-urgent")


def restart_armed(deployment: Deployment, name: str, stages: str, folder: Path) -> None:
    """The piece again, with failpoints that this one run of it has."""
    folder.mkdir()
    variables = {"STEADFILL_FAILPOINTS": stages, "STEADFILL_FAILPOINTS_DIR": str(folder)}
    process = deployment.processes[name]
    process.env.update(variables)
    try:
        deployment.restart(name)
    finally:
        for variable in variables:
            process.env.pop(variable)


def reached(folder: Path, stage: str) -> None:
    eventually(lambda: list(folder.glob(f"{stage}.*")), within_s=SOON_S, describe=f"{stage} is reached")


@contextmanager
def another(deployment: Deployment, name: str) -> Iterator[Process]:
    """A second worker of the same kind beside the first."""
    first = deployment.processes[name]
    command = [part.replace("@%h", "-b@%h") for part in first.command]
    second = Process(command, log=deployment.folder / f"{name}-b.log", env=dict(first.env))
    second.start()
    try:
        second.wait_until(lambda: " ready" in second.logs(), within_s=SOON_S, why="the second worker is ready")
        yield second
    finally:
        second.stop(within_s=SOON_S)


def place(deployment: Deployment, **changes: str) -> str:
    """A limit order that meets the market at once, and unlike a market order has time to wait for a worker."""
    return str(deployment.client.place(**{"price": "63000", **changes})["id"])


def ended(process: Process) -> int:
    return process.wait(within_s=SOON_S)


def all_filled(deployment: Deployment, ids: Sequence[str]) -> None:
    for order_id in ids:
        deployment.client.wait_for(order_id, "FILLED", within_s=SOON_S)
    audit(deployment)


def answers_on_record(deployment: Deployment, order_id: str) -> int:
    """Sends of an order of which their own sender wrote down what came of them."""
    query = text("SELECT count(*) FROM sends WHERE child_id LIKE :child AND outcome IS NOT NULL")
    with read(deployment.engine) as conn:
        return int(conn.execute(query, {"child": f"{order_id}%"}).scalar_one())


@pytest.mark.parametrize("when", ["before", "after"])
@on(SQLITE, RABBITMQ)
def test_worker_that_is_told_to_stop_in_a_send_waits_for_its_answer(disturbed: Deployment, when: str):
    """The send ends within the limit, and its own worker writes down what came of it."""
    venue = disturbed.venue
    venue.arm(
        {
            "kind": "latency",
            "endpoint": "order",
            "method": "POST",
            "count": 1,
            "when": when,
            "delay_ms": 900,
            "name": "slow",
        }
    )
    order_id = place(disturbed)
    eventually(
        lambda: any(fault["name"] == "slow" and fault["hits"] for fault in venue.health()["faults"]),
        within_s=SOON_S,
        describe="the request is at the venue",
    )
    worker = disturbed.processes["worker-venue"]

    worker.send(signal.SIGTERM)

    assert ended(worker) == 0
    # On a machine so slow that the limit was not enough it was handed back instead, and the log says so.
    assert answers_on_record(disturbed, order_id) or "outlast the shutdown" in worker.logs()
    disturbed.start_pieces()
    all_filled(disturbed, [order_id])


#: stage at which the send stands still, and whether the venue has the order by then
STANDS_IN_A_SEND = {
    "commit.claimed": False,
    "commit.intent.committed": False,
    "commit.sending": False,
    "venue.post.written": True,
    "commit.answered": True,
}


@pytest.mark.parametrize("stage", list(STANDS_IN_A_SEND))
@on(REDIS)
def test_send_that_outlasts_the_shutdown_is_taken_up_by_another_worker(
    disturbed: Deployment, tmp_path: Path, stage: str
):
    _send_that_outlasts(disturbed, tmp_path, stage)


@pytest.mark.parametrize("stage", ["commit.intent.committed", "venue.post.written"])
@on(SQLITE, RABBITMQ)
def test_send_that_outlasts_the_shutdown_is_taken_up_on_every_stack(disturbed: Deployment, tmp_path: Path, stage: str):
    _send_that_outlasts(disturbed, tmp_path, stage)


def _send_that_outlasts(deployment: Deployment, tmp_path: Path, stage: str) -> None:
    restart_armed(deployment, "worker-venue", f"{stage}={FOR_EVER}", tmp_path / "hits")
    order_id = place(deployment)
    reached(tmp_path / "hits", stage)
    worker = deployment.processes["worker-venue"]
    with another(deployment, "worker-venue"):
        worker.send(signal.SIGTERM)

        assert ended(worker) == 0, "it goes although its step stands still"

        all_filled(deployment, [order_id])
    deployment.start_pieces()


@on(SQLITE, REDIS, RABBITMQ)
def test_message_that_outlasts_the_shutdown_goes_back_to_the_broker(disturbed: Deployment, tmp_path: Path):
    """A request by Celery that no row tells of yet: only its message can bring it to another worker."""
    restart_armed(disturbed, "worker-steps", f"intake.parsed={FOR_EVER}", tmp_path / "hits")
    request = disturbed.client.request(price="63000")
    disturbed.send_task("orders.submit", request=request)
    reached(tmp_path / "hits", "intake.parsed")
    worker = disturbed.processes["worker-steps"]
    with another(disturbed, "worker-steps"):
        worker.send(signal.SIGTERM)

        ended(worker)

        # Redis gives what a dead worker held to others after seconds, or else after the visibility timeout of 120 s.
        eventually(
            lambda: disturbed.client.http.get(f"/v1/orders/client:{request['client_order_id']}").status_code == 200,
            within_s=SOON_S,
            describe="the order is taken in",
        )
        found = disturbed.client.show(f"client:{request['client_order_id']}")["id"]
        all_filled(disturbed, [found])
    disturbed.start_pieces()


class Load:
    """Orders that four clients place at once; they are at every step when the next thing happens."""

    def __init__(self, deployment: Deployment) -> None:
        self._deployment = deployment
        self.placed: list[str] = []

    def place(self, count: int) -> None:
        with ThreadPoolExecutor(4) as pool:
            self.placed += pool.map(lambda _: place(self._deployment, quantity="0.0002"), range(count))


SIGNALS: Mapping[str, Sequence[signal.Signals]] = {
    "TERM": [signal.SIGTERM],
    "TERM, TERM": [signal.SIGTERM, signal.SIGTERM],
    "INT, INT": [signal.SIGINT, signal.SIGINT],
    "TERM, INT": [signal.SIGTERM, signal.SIGINT],
    "QUIT": [signal.SIGQUIT],
    "QUIT, QUIT": [signal.SIGQUIT, signal.SIGQUIT],
}


@pytest.mark.parametrize("numbers", list(SIGNALS.values()), ids=list(SIGNALS))
@on(REDIS)
def test_any_signals_to_all_workers_under_load_lose_and_double_nothing(
    disturbed: Deployment, numbers: Sequence[signal.Signals]
):
    _signal_all_under_load(disturbed, numbers)


@pytest.mark.parametrize("numbers", [SIGNALS["TERM"], SIGNALS["QUIT"]], ids=["TERM", "QUIT"])
@on(SQLITE, RABBITMQ)
def test_signals_to_all_workers_under_load_on_every_stack(disturbed: Deployment, numbers: Sequence[signal.Signals]):
    _signal_all_under_load(disturbed, numbers)


def _signal_all_under_load(deployment: Deployment, numbers: Sequence[signal.Signals]) -> None:
    deployment.venue.arm(
        {"kind": "latency", "endpoint": "order", "method": "POST", "delay_ms": [50, 400], "when": "after"}
    )
    load = Load(deployment)
    load.place(12)
    for number in numbers:
        for name in WORKERS:
            deployment.processes[name].send(number)
    load.place(4)
    for name in WORKERS:
        ended(deployment.processes[name])
    load.place(4)  # they are taken without any worker
    deployment.start_pieces()
    load.place(4)
    all_filled(deployment, load.placed)


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
@on(SQLITE, REDIS)
def test_api_that_is_told_to_stop_answers_what_is_in_flight(
    disturbed: Deployment, tmp_path: Path, number: signal.Signals
):
    """The request is committed when the stop comes; its caller hears 201, and the order goes on at once."""
    restart_armed(disturbed, "api", "intake.committed=1*sleep(1500)", tmp_path / "hits")
    api = disturbed.processes["api"]
    with ThreadPoolExecutor(1) as pool:
        posting = pool.submit(disturbed.client.post, disturbed.client.request(price="63000"))
        reached(tmp_path / "hits", "intake.committed")
        api.send(number)
        answer = posting.result(timeout=SOON_S)

    assert answer.status_code == 201
    assert ended(api) == 0
    disturbed.start_pieces()
    all_filled(disturbed, [answer.json()["id"]])


@on(SQLITE, RABBITMQ)
def test_beat_and_relay_that_are_told_to_stop_leave_nothing_behind(disturbed: Deployment):
    load, beat = Load(disturbed), disturbed.processes["beat"]
    for _ in range(2):
        load.place(5)
        # Before that it has no handler for the signal yet, which then ends it as it ends any process.
        beat.wait_until(lambda: "the relay publishes" in beat.logs(), within_s=SOON_S, why="beat has begun")
        beat.send(signal.SIGTERM)
        assert ended(beat) == 0
        load.place(3)
        disturbed.start_pieces()
    all_filled(disturbed, load.placed)
