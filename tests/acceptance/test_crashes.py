"""kill -9 of any piece, a worker that sleeps past its lease, a broker that goes: nothing accepted is lost or doubled."""

from __future__ import annotations

import contextlib
import sqlite3
import time
from pathlib import Path

import pytest
from sqlalchemy import make_url

from tests.acceptance.audit import audit
from tests.acceptance.client import Client, Document
from tests.acceptance.deployment import Deployment, Server
from tests.acceptance.stacks import RABBITMQ, REDIS, SQLITE, on
from tests.acceptance.test_shutdown import FOR_EVER, reached, restart_armed
from tests.support.waiting import eventually

pytestmark = [pytest.mark.acceptance, pytest.mark.timeout(600)]

#: The venue sits on the request for a while before it takes it.
TAKEN_LATE = {"kind": "latency", "endpoint": "order", "method": "POST", "count": 1, "when": "before"}

#: Every byte of the request has left, and its sender goes no further.
IN_A_SEND = "venue.post.written"

#: Until what a crash left has been found, looked up and sent on: a net, in seconds.
RECOVERED_S = 120.0

#: A write lock that can't be had for so long belongs to a process that does not go on, in seconds.
HELD_UP_S = 10.0


def sending(client: Client, order_id: str) -> bool:
    """Whether the request is on its way to the venue."""
    return any(child["status"] == "SUBMITTING" for child in client.show(order_id)["child_orders"])


def place_into_a_send(deployment: Deployment, folder: Path, *, stands: str = FOR_EVER, taken_after_ms: int = 0) -> str:
    """An order whose sender stands still with its request on the way, until a test goes on with it.

    The venue takes it at once, or only after so many milliseconds.
    """
    if taken_after_ms:
        deployment.venue.arm({**TAKEN_LATE, "delay_ms": taken_after_ms})
    restart_armed(deployment, "worker-venue", f"{IN_A_SEND}={stands}", folder)
    order_id: str = deployment.client.place()["id"]
    reached(folder, IN_A_SEND)
    return order_id


def ended_filled_once(deployment: Deployment, *order_ids: str) -> list[Document]:
    documents = [deployment.client.wait_for(order_id, within_s=RECOVERED_S) for order_id in order_ids]
    stories = [deployment.client.story(document["id"]) for document in documents if document["status"] != "FILLED"]
    assert not stories, "\n\n".join(stories)
    audit(deployment)
    return documents


@pytest.mark.parametrize("when", ["before", "after"])
def test_kill_of_the_sender_while_its_request_is_under_way(disturbed: Deployment, tmp_path: Path, when: str):
    """The venue takes the order although its sender is gone (before: late, as a rule only after the kill)."""
    order_id = place_into_a_send(disturbed, tmp_path / "hits", taken_after_ms=800 if when == "before" else 0)

    disturbed.restart("worker-venue")

    ended_filled_once(disturbed, order_id)
    causes = [step["cause"] for step in disturbed.client.timeline(order_id)]
    assert "its sender is gone" in causes


@on(REDIS)
def test_kill_of_the_sender_whose_request_arrives_past_its_window(disturbed: Deployment, tmp_path: Path):
    """The first copy is refused by the venue; the second is sent once that is certain."""
    order_id = place_into_a_send(disturbed, tmp_path / "hits", taken_after_ms=1450)

    disturbed.restart("worker-venue")

    ended_filled_once(disturbed, order_id)


def test_kill_of_everything_with_orders_in_every_step(disturbed: Deployment, tmp_path: Path):
    """As a power cut: afterwards each order that was answered with 201 ends, and is at the venue once."""
    client = disturbed.client
    rests = client.place(price="61500", quantity="0.002")["id"]
    client.wait_for(rests, "WORKING")
    order_ids = [place_into_a_send(disturbed, tmp_path / "hits")]
    order_ids += [client.place(side=("buy", "sell")[number % 2])["id"] for number in range(10)]

    disturbed.kill_all()
    disturbed.venue.set_price("BTCUSDT", "61400")
    disturbed.start_pieces()

    ended_filled_once(disturbed, rests, *order_ids)


@on(SQLITE, REDIS)
def test_sender_that_is_stopped_past_its_lease_in_the_middle_of_a_send(disturbed: Deployment, tmp_path: Path):
    """Whoever takes over finds the order; what the sender then says when it wakes up changes nothing."""
    order_id = place_into_a_send(disturbed, tmp_path / "hits", stands="1*stop")

    document = _until_somebody_else_acts(disturbed, order_id)
    disturbed.processes["worker-venue"].resume()

    # PLANNED: a machine that stood still before the request arrived, so that the venue refused it for its time;
    # SUBMITTING: it was stopped with the write lock, so that nobody could act
    status = document["child_orders"][0]["status"]
    assert status in ("UNKNOWN", "ACCEPTED", "PARTIALLY_FILLED", "FILLED", "PLANNED", "SUBMITTING")
    ended_filled_once(disturbed, order_id)


@on(RABBITMQ)
def test_sender_that_is_stopped_before_its_request_arrives(disturbed: Deployment, tmp_path: Path):
    """The venue takes the request while its sender sleeps; it must not be sent again by either."""
    order_id = place_into_a_send(disturbed, tmp_path / "hits", stands="1*stop", taken_after_ms=600)

    _until_somebody_else_acts(disturbed, order_id)
    disturbed.processes["worker-venue"].resume()

    ended_filled_once(disturbed, order_id)


def _until_somebody_else_acts(deployment: Deployment, order_id: str) -> Document:
    """Or until it is clear that nobody can: a process that is stopped inside a write holds SQLite's only write lock."""
    held_since: list[float] = []

    def acts_or_is_held_up() -> bool:
        if not sending(deployment.client, order_id):
            return True
        if _can_be_written(deployment):
            held_since.clear()
            return False
        held_since.append(time.monotonic())
        return held_since[-1] - held_since[0] > HELD_UP_S

    eventually(
        acts_or_is_held_up,
        within_s=RECOVERED_S,
        describe=lambda: f"another process takes over: {deployment.client.story(order_id)}",
    )
    return deployment.client.show(order_id)


def _can_be_written(deployment: Deployment) -> bool:
    """Whether the write lock of the embedded database can be had; other databases have none for all."""
    if deployment.stack != SQLITE:
        return True
    with contextlib.closing(sqlite3.connect(make_url(deployment.settings.database_url).database or "")) as database:
        try:
            database.execute("PRAGMA busy_timeout = 2000")
            database.execute("BEGIN IMMEDIATE")
            database.execute("ROLLBACK")
        except sqlite3.OperationalError:
            return False
    return True


@on(SQLITE, RABBITMQ)
def test_kill_of_beat_delays_what_rests_until_it_is_back(disturbed: Deployment):
    client = disturbed.client
    rests = client.place(price="61500", quantity="0.002")["id"]
    eventually(
        lambda: any(child["venue_order_id"] for child in client.show(rests)["child_orders"]),
        within_s=60, describe="it rests",
    )  # fmt: skip

    disturbed.kill("beat")
    disturbed.venue.set_price("BTCUSDT", "61400")
    market = client.place()["id"]
    assert client.wait_for(market)["status"] == "FILLED"
    disturbed.start_pieces()

    ended_filled_once(disturbed, rests, market)


@on(REDIS)
def test_kill_of_the_api_loses_nothing_that_it_answered(disturbed: Deployment):
    requests = [disturbed.client.request() for _ in range(8)]
    answered = [disturbed.client.post(request).json()["id"] for request in requests]

    disturbed.restart("api")

    again = [disturbed.client.post(request) for request in requests]
    assert [(answer.status_code, answer.json()["id"]) for answer in again] == [(200, name) for name in answered]
    ended_filled_once(disturbed, *answered)


@on(RABBITMQ)
def test_kill_of_the_worker_of_the_steps_and_its_children(disturbed: Deployment):
    order_ids = [disturbed.client.place()["id"] for _ in range(10)]

    disturbed.restart("worker-steps")

    order_ids += [disturbed.client.place()["id"]]
    ended_filled_once(disturbed, *order_ids)


def test_broker_that_goes_and_comes_back(disturbed: Deployment):
    """Orders are taken while it is away, and worked on once it is back; the workers find it by themselves."""
    broker = _own(disturbed, "broker")
    client = disturbed.client
    before = [client.place(side="sell")["id"] for _ in range(3)]

    broker.kill()
    during = [client.post(client.request()) for _ in range(3)]
    broker.start()

    assert [answer.status_code for answer in during] == [201] * 3
    ended_filled_once(disturbed, *before, *(answer.json()["id"] for answer in during))
    assert [name for name, process in disturbed.processes.items() if not process.is_running] == []


@on(REDIS, RABBITMQ)
def test_database_that_crashes_and_comes_back(disturbed: Deployment):
    """Meanwhile a caller is told to come again; what was answered before goes on, without any piece being restarted."""
    database = _own(disturbed, "database")
    client = disturbed.client
    request = client.request()
    before = [client.place()["id"] for _ in range(5)]

    database.kill()
    refused = client.post(request)
    database.start()
    disturbed.engine.dispose()  # the test's own connections

    assert (refused.status_code, refused.headers["content-type"]) == (503, "application/problem+json")
    assert "retry-after" in refused.headers
    eventually(lambda: client.post(request).status_code in (200, 201), within_s=60, describe="orders are taken again")
    again = client.show(f"client:{request['client_order_id']}")["id"]
    ended_filled_once(disturbed, *before, again)
    assert [name for name, process in disturbed.processes.items() if not process.is_running] == []


def _own(deployment: Deployment, name: str) -> Server:
    if name not in deployment.servers:
        pytest.skip(f"the {name} of this run is lent, so it can't be killed")
    return deployment.servers[name]


@on(REDIS)
def test_broker_that_forgets_everything(disturbed: Deployment):
    """A message is a hint: with all of them gone, the rows are found again."""
    import redis

    client = disturbed.client
    disturbed.kill("worker-venue", "worker-steps")
    order_ids = [client.place()["id"] for _ in range(5)]
    with redis.Redis.from_url(disturbed.settings.broker_url) as connection:
        eventually(lambda: connection.llen("venue") >= 5, within_s=60, describe="the messages are there")
        connection.flushall()
    disturbed.start_pieces()

    ended_filled_once(disturbed, *order_ids)


@on(SQLITE)
def test_venue_that_crashes_and_comes_back(disturbed: Deployment):
    client = disturbed.client
    rests = client.place(price="61500", quantity="0.002")["id"]
    disturbed.venue.kill()
    order_ids = [client.place()["id"] for _ in range(3)]
    disturbed.venue.start()
    disturbed.venue.set_price("BTCUSDT", "61400")

    ended_filled_once(disturbed, rests, *order_ids)
