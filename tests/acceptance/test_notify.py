"""What other services hear: every change of an order they asked about, and why a message was not taken."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from typing import Any

import pytest
from kombu import Message, Queue

from storage.dead_letters import list_dead_letters
from storage.engine import read
from tests.acceptance.client import Document
from tests.acceptance.deployment import Deployment
from tests.acceptance.stacks import RABBITMQ, on
from tests.support.waiting import eventually

pytestmark = [pytest.mark.acceptance, pytest.mark.timeout(600)]

_numbers = itertools.count(1)


class Listener:
    """A queue of another service, declared and read as its own plain Celery worker would."""

    def __init__(self, deployment: Deployment, queue: str) -> None:
        self.queue, self.task = queue, f"{queue}.changed"
        self.route = {"queue": self.queue, "task": self.task}
        self.heard: list[Document] = []
        self._app = deployment.plain_celery()
        self._app.conf.task_default_queue = queue
        self._connection = self._app.connection_for_read()
        self._consumer = self._app.amqp.TaskConsumer(self._connection, callbacks=[self._take])
        self._consumer.consume()

    def _take(self, body: Any, message: Message) -> None:
        assert message.headers["task"] == self.task
        _, kwargs, _ = body
        self.heard.append(kwargs)
        message.ack()

    def wait_until(self, is_so: Callable[[list[Document]], object], describe: str) -> None:
        def look() -> object:
            with suppress(TimeoutError):
                self._connection.drain_events(timeout=0.05)
            return is_so(self.heard)

        eventually(look, within_s=60, describe=lambda: f"{describe}; heard {self.heard}")

    def close(self) -> None:
        self._consumer.cancel()
        self._connection.close()
        self._app.close()


@contextmanager
def listening(deployment: Deployment) -> Iterator[Listener]:
    listener = Listener(deployment, f"another.service.{next(_numbers)}")
    try:
        yield listener
    finally:
        listener.close()


def test_every_change_is_told_with_its_document_and_version(deployment: Deployment):
    with listening(deployment) as listener:
        order_id = deployment.client.place(notify=listener.route)["id"]

        listener.wait_until(lambda heard: any(_status(notice) == "FILLED" for notice in heard), "it hears of the end")

        ended = deployment.client.show(order_id)
        changes = [step for step in deployment.client.timeline(order_id) if step["entity"] == "order"]
        listener.wait_until(lambda heard: len(heard) >= len(changes), f"it hears of {len(changes)} changes")
        assert all(notice["document"]["id"] == order_id for notice in listener.heard)
        assert all(notice["version"] == notice["document"]["version"] for notice in listener.heard)
        told = {notice["version"]: notice["document"] for notice in listener.heard}
        assert {version: document["status"] for version, document in told.items()} == {
            step["detail"]["version"]: step["to"] for step in changes
        }
        assert told[ended["version"]] == ended


def test_queue_that_nobody_reads_yet_keeps_what_is_told(deployment: Deployment):
    """The first message makes the queue; its reader, who declares it in its own way, finds all of it."""
    queue = f"another.service.{next(_numbers)}"
    placed = deployment.client.place(
        notify={"queue": queue, "task": f"{queue}.changed"}, side="sell", quantity="120", price="70000"
    )
    deployment.client.wait_for(placed["id"], "DENIED")
    eventually(lambda: not _waiting(deployment, placed["id"]), within_s=60, describe="all is published")

    listener = Listener(deployment, queue)

    listener.wait_until(lambda heard: any(_status(notice) == "DENIED" for notice in heard), "it hears of the denial")
    assert {notice["document"]["id"] for notice in listener.heard} == {placed["id"]}
    listener.close()


@on(RABBITMQ)
def test_queue_that_its_owner_declared_in_another_way_is_told_too(deployment: Deployment):
    name = f"another.service.{next(_numbers)}"
    with deployment.plain_celery().connection_for_write() as connection, connection.channel() as channel:
        queue = Queue(name, queue_arguments={"x-queue-type": "quorum"})(channel)
        queue.declare()

        deployment.client.wait_for(deployment.client.place(notify={"queue": name, "task": "any.task"})["id"], "FILLED")

        message = eventually(queue.get, within_s=60, describe="a message")
        assert message.headers["task"] == "any.task"


def _waiting(deployment: Deployment, order_id: str) -> bool:
    from sqlalchemy import select

    from storage.service_tables import outbox

    with read(deployment.engine) as conn:
        return any(kwargs.get("order_id") == order_id for kwargs in conn.execute(select(outbox.c.kwargs)).scalars())


def test_refusal_is_told_to_the_one_who_asked(deployment: Deployment):
    with listening(deployment) as listener:
        request = deployment.client.request(quantity="0.000001", price="60000", notify=listener.route)

        deployment.send_task("orders.submit", request=request)

        listener.wait_until(lambda heard: heard, "it hears of the refusal")
        document = listener.heard[0]["document"]
        assert document["client_order_id"] == request["client_order_id"]
        assert document["reason"]["code"] == "INVALID_REQUEST"
        assert [error["field"] for error in document["errors"]] == ["quantity"]


def _status(notice: Document) -> str:
    return str(notice["document"]["status"])


BAD_MESSAGES = {
    "under the lot": ("orders.submit", {"request": {"quantity": "0.00000001"}}, {"quantity"}),
    "unknown symbol": ("orders.submit", {"request": {"symbol": "NOPE/USDT"}}, {"symbol"}),
    "two at once": ("orders.submit", {"request": {"quantity": "NaN", "colour": "red"}}, {"quantity", "colour"}),
    "no object": ("orders.submit", {"request": "no object"}, {""}),
    "no request": ("orders.submit", {}, {""}),
    "id is a number": ("orders.cancel", {"client_order_id": 7}, {"client_order_id"}),
    "cancel of nothing": ("orders.cancel", {}, {"client_order_id"}),
}


@pytest.mark.parametrize(("task", "message", "fields"), list(BAD_MESSAGES.values()), ids=list(BAD_MESSAGES))
def test_message_that_can_not_be_taken_is_kept_with_its_reason(deployment: Deployment, task, message, fields):
    if isinstance(message.get("request"), dict):
        message = {"request": deployment.client.request(**message["request"])}
    before = len(_dead_letters(deployment))

    deployment.send_task(task, **message)

    eventually(lambda: len(_dead_letters(deployment)) > before, within_s=60, describe="a dead letter")
    newest = _dead_letters(deployment)[0]
    assert (newest["task"], newest["code"]) == (task, "INVALID_REQUEST")
    assert {error["field"] for error in newest["errors"]} == fields
    assert newest["body"] == message
    assert newest["message"]
    assert "Traceback" not in str(newest)


def test_same_id_with_other_content_by_celery_is_a_dead_letter(deployment: Deployment):
    request = deployment.client.request()
    deployment.client.wait_for(deployment.client.post(request).json()["id"], "FILLED")
    before = len(_dead_letters(deployment))

    deployment.send_task("orders.submit", request={**request, "quantity": "0.5"})

    eventually(lambda: len(_dead_letters(deployment)) > before, within_s=60, describe="a dead letter")
    assert _dead_letters(deployment)[0]["code"] == "CLIENT_ORDER_ID_TAKEN"


def _dead_letters(deployment: Deployment) -> list[Document]:
    with read(deployment.engine) as conn:
        return [dict(row) for row in list_dead_letters(conn, 1000)]
