"""Messages that kill whoever touches them, or that nobody can read: they end as dead letters, and all else goes on."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import kombu
import pytest
from sqlalchemy import select

from storage.alerts import list_alerts
from storage.engine import read
from storage.order_tables import orders
from tests.acceptance.client import Document
from tests.acceptance.conftest import servers_of
from tests.acceptance.deployment import Deployment
from tests.support.stacks import STACKS
from tests.support.waiting import eventually

pytestmark = [pytest.mark.acceptance, pytest.mark.timeout(600)]

#: `[messages] max_deliveries`
MOST = 5
#: Deliveries of other messages for the same order, which rescue sent meanwhile and that nobody had counted yet.
BESIDE = 10
PATIENCE_S = 240


class Armed:
    """A deployment whose failpoints a test arms and disarms, and whose dead processes come back, as under `up`."""

    def __init__(self, deployment: Deployment, folder: Path) -> None:
        self.deployment = deployment
        self.client = deployment.client
        self._file, self._hits = folder / "failpoints", folder / "hits"

    def arm(self, stage: str) -> None:
        self._file.write_text(f"{stage}=kill\n")

    def disarm(self) -> None:
        self._file.write_text("\n")

    def hits(self, stage: str) -> int:
        """How often a process has died at it."""
        return len(list(self._hits.glob(f"{stage}.*")))

    def until(self, what: str, probe, within_s: float = PATIENCE_S):
        """The first truthy answer of ``probe``, while whatever dies is started again."""

        def look():
            for process in self.deployment.processes.values():
                if not process.is_running:
                    process.start()
            return probe()

        return eventually(look, within_s=within_s, describe=lambda: f"{what}\n{self.deployment.tails()}")

    def letters(self, **query: object) -> list[Document]:
        answer = self.client.http.get("/v1/dead-letters", params={"limit": 500, **query})
        assert answer.status_code == 200, answer.text
        return answer.json()["items"]

    def messages(self, **query: object) -> list[Document]:
        answer = self.client.http.get("/v1/messages", params={"limit": 500, **query})
        assert answer.status_code == 200, answer.text
        return answer.json()["items"]


@pytest.fixture(scope="module", params=list(STACKS))
def armed(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Armed]:
    folder = tmp_path_factory.mktemp(f"poison-{request.param}")
    (folder / "failpoints").write_text("\n")
    with ExitStack() as until_end:
        env, ours = servers_of(request, until_end)
        env |= {
            "STEADFILL_HOME": str(folder / "home"),
            "STEADFILL_FAILPOINTS": f"@{folder / 'failpoints'}",
            "STEADFILL_FAILPOINTS_DIR": str(folder / "hits"),
            "STEADFILL_MESSAGES__MAX_DELIVERIES": str(MOST),
        }
        (folder / "hits").mkdir()
        deployment = Deployment(folder / "deployment", stack=request.param, env=env, servers=ours)
        until_end.callback(deployment.stop)
        deployment.start()
        yield Armed(deployment, folder)


@pytest.fixture(autouse=True)
def _quiet(armed: Armed) -> Iterator[None]:
    yield
    armed.disarm()


@pytest.mark.parametrize(
    ("stage", "task"),
    [
        pytest.param("validate.checked", "orders.validate", id="in-a-pool-process"),
        pytest.param("prepare.quoted", "orders.prepare", id="in-a-worker-of-threads"),
    ],
)
def test_a_step_that_kills_its_worker_is_given_up_and_its_order_waits_for_a_replay(armed: Armed, stage, task):
    client = armed.client
    armed.arm(stage)
    order_id = client.place(type="limit", price="30000")["id"]

    letter = armed.until("a dead letter", lambda: next(iter(armed.letters(order=order_id)), None))

    assert (letter["code"], letter["task"], letter["status"]) == ("POISON", task, "open")
    assert letter["deliveries"] == MOST
    shown = client.show(order_id)
    assert shown["reason"]["code"] == "PARKED"
    assert f"steadfill dead-letters replay {letter['id']}" in shown["reason"]["message"]
    assert _alerts(armed.deployment, "POISON_MESSAGE")
    # Of two messages that one process had begun on, both count, and it died only once.
    assert 2 <= armed.hits(stage) <= MOST + BESIDE
    _nothing_is_begun_again(armed, stage)
    assert len(armed.letters(order=order_id)) == 1
    dead = armed.until("the message is dead", lambda: armed.messages(order=order_id, status="dead"))
    assert all(message["task"] == task for message in dead)

    armed.disarm()
    armed.until("the venue's worker is back", client.is_ready)
    first = _replay(armed, letter["id"])
    assert first["status"] == "replayed"
    assert first["decision"]["note"] == "the cause is gone"
    assert _replay(armed, letter["id"]) == first
    armed.until("it rests at the venue", lambda: client.show(order_id)["status"] == "WORKING")
    assert client.show(order_id)["reason"] is None
    assert client.cancel(order_id).status_code == 202
    armed.until("it is canceled", lambda: client.show(order_id)["status"] == "CANCELED")


def test_a_parked_order_is_canceled_without_a_replay(armed: Armed):
    client = armed.client
    armed.arm("validate.checked")
    order_id = client.place(type="limit", price="30000")["id"]
    armed.until("a dead letter", lambda: armed.letters(order=order_id))

    assert client.cancel(order_id).status_code == 202

    armed.until("it is canceled", lambda: client.show(order_id)["status"] == "CANCELED")


def test_a_request_that_kills_its_worker_is_kept_and_can_be_sent_again(armed: Armed):
    client = armed.client
    armed.arm("intake.parsed")
    request = client.request(type="limit", price="30000")
    before = {letter["id"] for letter in armed.letters()}
    armed.deployment.send_task("orders.submit", request=request)

    def letter() -> Document | None:
        return next((found for found in armed.letters() if found["id"] not in before), None)

    kept = armed.until("a dead letter", letter)
    assert (kept["code"], kept["task"], kept["kept"]) == ("POISON", "orders.submit", "whole")
    assert MOST - 1 <= armed.hits("intake.parsed") <= MOST

    armed.disarm()
    assert _replay(armed, kept["id"])["status"] == "replayed"
    order_id = armed.until("the order works", lambda: _order_of(armed.deployment, request["client_order_id"]))
    armed.until("it rests at the venue", lambda: client.show(order_id)["status"] == "WORKING")
    client.cancel(order_id)


def test_what_nobody_can_read_is_kept_and_the_workers_live(armed: Armed):
    before = {letter["id"] for letter in armed.letters()}
    pids = {name: process.pid for name, process in armed.deployment.processes.items()}
    with armed.deployment.plain_celery() as app, app.connection_for_write() as connection:
        producer = connection.Producer()

        def send(body: bytes, *, content_type: str = "application/json", **headers: object) -> None:
            producer.publish(
                body,
                exchange=kombu.Exchange("orders", type="direct"),
                routing_key="orders",
                content_type=content_type,
                content_encoding="utf-8",
                headers=headers,
            )

        task = {"task": "orders.submit", "lang": "py", "root_id": None, "parent_id": None, "group": None}
        send(b'{"half": ', **task, id="half")
        send(b"\x80\x04K\x01.", content_type="application/x-python-serialize", **task, id="pickled")
        send(b"buy me a coin", content_type="text/plain")
        send(b"[1, 2]")
        send(b"5", **task, id="number")
        send(b"[[], {}, {}]", **{**task, "task": "orders.sbumit"}, id="misspelt")
        send(b"[[], {}, {}]", **{**task, "task": ["a", "list"]}, id="listed")
        send(b"[[], {}, {}]", **task)
        send(json.dumps([[], {"request": {"api_key": "very-secret-key"}}, {}]).encode(), **task, id="secret")
    expected = 9

    letters = armed.until(
        "a letter each",
        lambda: (
            found if len(found := [one for one in armed.letters() if one["id"] not in before]) == expected else None
        ),
    )

    codes = {letter["message_id"]: letter["code"] for letter in letters}
    assert codes["half"] in ("UNDECODABLE", "NOT_A_TASK_MESSAGE")
    assert codes["pickled"] in ("UNDECODABLE", "NOT_A_TASK_MESSAGE")
    assert codes["misspelt"] == "UNKNOWN_TASK"
    assert codes["secret"] == "INVALID_REQUEST"
    shown = armed.client.http.get(f"/v1/dead-letters/{next(x['id'] for x in letters if x['message_id'] == 'secret')}")
    assert "very-secret-key" not in shown.text
    assert {letter["status"] for letter in letters} == {"open"}
    assert {name: process.pid for name, process in armed.deployment.processes.items()} == pids
    order_id = armed.client.place()["id"]
    armed.until("orders are worked on", lambda: armed.client.show(order_id)["status"] == "FILLED")


def _replay(armed: Armed, letter_id: int) -> Document:
    answer = armed.client.http.post(f"/v1/dead-letters/{letter_id}/replay", json={"note": "the cause is gone"})
    assert answer.status_code == 200, answer.text
    return answer.json()


def _nothing_is_begun_again(armed: Armed, stage: str) -> None:
    """Rescue has looked three more times, and nobody died of it."""

    def looks() -> set[str]:
        return {message["id"] for message in armed.messages(task="orders.rescue", status="succeeded")}

    # A message that was on its way when the order was parked may still die, once each.
    first = looks()
    armed.until("rescue looks again", lambda: len(looks() - first) >= 2)
    hits, second = armed.hits(stage), looks()
    armed.until("rescue looks again and again", lambda: len(looks() - second) >= 3)
    assert armed.hits(stage) == hits


def _alerts(deployment: Deployment, kind: str) -> list[object]:
    with read(deployment.engine) as conn:
        return [alert for alert in list_alerts(conn, 1000) if alert["kind"] == kind]


def _order_of(deployment: Deployment, client_order_id: str) -> str | None:
    with read(deployment.engine) as conn:
        return conn.execute(select(orders.c.id).where(orders.c.client_order_id == client_order_id)).scalar_one_or_none()


@pytest.mark.parametrize("armed", ["postgres-rabbitmq"], indirect=True)
def test_what_rabbitmq_set_aside_is_a_letter_and_its_order_goes_on_since_no_worker_died_of_it(armed: Armed):
    client = armed.client
    order_id = client.place(type="limit", price="30000")["id"]
    armed.until("it rests at the venue", lambda: client.show(order_id)["status"] == "WORKING")
    limit = {
        "x-queue-type": "quorum",
        "x-delivery-limit": 2,
        "x-dead-letter-exchange": "steadfill.dead",
        "x-dead-letter-routing-key": "test.dead",
    }
    with armed.deployment.plain_celery() as app, app.connection_for_write() as connection:
        queue = kombu.Queue("test.limited", queue_arguments=limit)(connection.default_channel)
        queue.declare()
        for _ in range(2):  # the broker keeps no two apart that have one id
            app.send_task("orders.settle", kwargs={"order_id": order_id}, queue=queue, task_id="twice-the-same")

        def reject() -> bool:
            message = queue.get()
            if message is not None:
                message.requeue()
            return bool(armed.letters(order=order_id)) and message is None

        armed.until("the broker gives both up", reject)

    (letter,) = armed.letters(order=order_id)
    assert (letter["code"], letter["task"], letter["queue"]) == ("DELIVERY_LIMIT", "orders.settle", "test.limited")
    assert client.show(order_id)["reason"] is None, "nobody began on it, so nothing says that it is poison"
    assert _replay(armed, letter["id"])["status"] == "replayed"
    client.cancel(order_id)
    armed.until("it is canceled", lambda: client.show(order_id)["status"] == "CANCELED")
