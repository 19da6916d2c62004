"""Deploys while orders are under way: workers of two versions side by side, and a restart of all of them in turn."""

from __future__ import annotations

import signal

import pytest
from kombu import Exchange, Queue
from sqlalchemy import text

from storage.engine import write
from storage.guards import manifest
from tests.acceptance.deployment import Deployment
from tests.acceptance.stacks import RABBITMQ, REDIS, SQLITE, on
from tests.acceptance.test_shutdown import SOON_S, WORKERS, Load, all_filled, another, ended, place
from tests.support.waiting import eventually

pytestmark = [pytest.mark.acceptance, pytest.mark.timeout(400)]


def send(deployment: Deployment, task: str, queue: str, **kwargs: object) -> None:
    """As a newer version would: with a header and a keyword that this one does not know."""
    with deployment.plain_celery() as app:
        app.send_task(
            task,
            kwargs={**kwargs, "shiny": {"from": "a newer version"}},
            headers={"x-steadfill-newer": "2"},
            # As it is there: a plain client would declare it in another way than RabbitMQ has it.
            queue=Queue(queue, Exchange(queue, no_declare=True), routing_key=queue, no_declare=True),
            ignore_result=True,
        )


def test_messages_of_a_newer_version_are_understood(disturbed: Deployment):
    """Unknown keywords and headers are passed over, from the door for other services to the last step."""
    request = disturbed.client.request(price="63000")
    disturbed.kill("worker-steps", "worker-venue")

    send(disturbed, "orders.submit", "orders", request=request)
    disturbed.start_pieces()

    by_client_id = f"client:{request['client_order_id']}"
    eventually(
        lambda: disturbed.client.http.get(f"/v1/orders/{by_client_id}").status_code == 200,
        within_s=SOON_S,
        describe="the order is taken in",
    )
    order_id = disturbed.client.show(by_client_id)["id"]
    send(disturbed, "orders.prepare", "venue", order_id=order_id)
    send(disturbed, "orders.commit", "venue", order_id=order_id)
    send(disturbed, "orders.settle", "steps", order_id=order_id)
    all_filled(disturbed, [order_id])


@on(SQLITE, REDIS)
def test_task_that_only_a_newer_version_knows_stops_no_worker(disturbed: Deployment):
    for queue in ("orders", "steps", "venue", "urgent", "housekeeping"):
        send(disturbed, "orders.of_a_newer_version", queue, order_id="1")

    all_filled(disturbed, [place(disturbed) for _ in range(3)])

    assert [name for name in WORKERS if not disturbed.processes[name].is_running] == []


@on(SQLITE, RABBITMQ)
def test_schema_of_a_newer_version_under_running_workers(disturbed: Deployment):
    """Columns that came with an upgrade of the database while the older workers go on."""
    with write(disturbed.engine) as conn:
        if "newer" not in conn.execute(text("SELECT * FROM orders LIMIT 0")).keys():  # noqa: SIM118 - a result
            conn.execute(text("ALTER TABLE orders ADD COLUMN newer INTEGER NOT NULL DEFAULT 7"))
            conn.execute(text("ALTER TABLE child_orders ADD COLUMN newer TEXT"))
            conn.execute(text("ALTER TABLE outbox ADD COLUMN newer TEXT"))

    all_filled(disturbed, [place(disturbed) for _ in range(3)])


@on(SQLITE, REDIS)
def test_order_in_a_status_of_a_newer_version_is_left_alone_and_the_others_go_on(disturbed: Deployment):
    rests = disturbed.client.place(price="30000", quantity="0.002")["id"]
    disturbed.client.wait_for(rests, "WORKING", within_s=SOON_S)
    _set_status(disturbed, rests, "SUSPENDED")
    try:
        filled = [place(disturbed) for _ in range(3)]
        for order_id in filled:
            disturbed.client.wait_for(order_id, "FILLED", within_s=SOON_S)
        answer = disturbed.client.cancel(rests)
        assert (answer.status_code, answer.json()["code"]) == (503, "NEWER_VERSION")
        assert "SUSPENDED" in answer.json()["detail"]
        assert disturbed.client.show(rests)["status"] == "SUSPENDED"
        assert [name for name in WORKERS if not disturbed.processes[name].is_running] == []
    finally:
        _set_status(disturbed, rests, "WORKING")
    assert disturbed.client.cancel(rests).status_code == 202
    disturbed.client.wait_for(rests, "CANCELED", within_s=SOON_S)
    all_filled(disturbed, filled)


def _set_status(deployment: Deployment, order_id: str, status: str) -> None:
    with write(deployment.engine) as conn:
        manifest.remove(conn)
        conn.execute(text("UPDATE orders SET status = :status WHERE id = :id"), {"status": status, "id": order_id})
        manifest.install(conn)


def test_restart_of_all_workers_in_turn_under_load_loses_and_doubles_nothing(disturbed: Deployment):
    """The new one starts, then the old one is told to stop and drains, while orders keep coming."""
    disturbed.venue.arm(
        {"kind": "latency", "endpoint": "order", "method": "POST", "delay_ms": [50, 500], "when": "after"}
    )
    load = Load(disturbed)
    load.place(6)
    for name in WORKERS:
        with another(disturbed, name):
            load.place(4)
            old = disturbed.processes[name]
            old.send(signal.SIGTERM)
            load.place(4)
            assert ended(old) == 0
            load.place(2)
            disturbed.start_pieces()
    all_filled(disturbed, load.placed)
