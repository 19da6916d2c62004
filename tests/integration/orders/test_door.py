"""The door for other services, in one process: what can't be decided now holds no worker and is not lost."""

from __future__ import annotations

from datetime import timedelta

import pytest
from sqlalchemy import select

from storage.dead_letters import list_dead_letters
from storage.engine import read
from storage.service_tables import outbox
from tasks.exact_messages import loads
from tests.support.runtime import Desk
from workflows import intake
from workflows.replay import replay

REQUEST = b"""{"client_order_id": "door-1", "venue": "paper", "symbol": "BTC/USDT", "side": "buy", "type": "market",
               "quantity": 0.010000000000000001}"""


def test_a_request_for_a_venue_not_heard_of_yet_waits_in_the_outbox_digit_for_digit(
    desk: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    with monkeypatch.context() as unheard:
        unheard.setattr(desk.runtime.instruments, "all_of", lambda _: {})
        said = intake.submit.run(request=loads(REQUEST))

    assert said.startswith("comes back in 10 s")
    with read(desk.engine) as conn:
        (row,) = conn.execute(select(outbox)).mappings()
    assert (row["task"], row["queue"]) == ("orders.submit", "orders")
    assert row["due_at"] - row["created_at"] == timedelta(seconds=10)
    assert row["kwargs"]["request"]["quantity"] == "0.010000000000000001"
    assert "INSTRUMENTS_UNKNOWN" in desk.alerts()

    assert intake.submit.run(**row["kwargs"]).startswith("created")
    assert intake.submit.run(request=loads(REQUEST)).startswith("known as"), "the same request, however it came"


def test_an_amendment_comes_through_the_door(desk: Desk) -> None:
    order_id = desk.limit("-1000", quantity="0.02")
    client_order_id = desk.order(order_id).client_order_id

    message = loads(f'{{"client_order_id": "{client_order_id}", "account": "main", "quantity": 0.030}}')
    assert intake.amend.run(**message).startswith(f"amending order {order_id}")

    assert desk.document(order_id)["quantity"] == "0.03"
    assert desk.document(order_id)["child_orders"] == []


@pytest.mark.parametrize(
    ("message", "code"),
    [
        ({}, "INVALID_REQUEST"),
        ({"client_order_id": "test-1"}, "INVALID_REQUEST"),
        ({"client_order_id": 7, "quantity": "1"}, "INVALID_REQUEST"),
        ({"client_order_id": "test-1", "quantity": "1", "side": "sell"}, "INVALID_REQUEST"),
        ({"client_order_id": "test-1", "quantity": "0.0000001"}, "INVALID_REQUEST"),
        ({"client_order_id": "test-1", "quantity": "1", "if_version": "1"}, "INVALID_REQUEST"),
        ({"client_order_id": "test-1", "quantity": "1", "if_version": 9}, "VERSION_MISMATCH"),
        ({"client_order_id": "nobody", "quantity": "1"}, "NOT_FOUND"),
        ({"client_order_id": "test-1", "account": "other", "quantity": "1"}, "NOT_FOUND"),
    ],
    ids=str,
)
def test_an_amendment_that_can_not_be_taken_is_a_dead_letter_and_the_order_stays(
    desk: Desk, message: dict[str, object], code: str
) -> None:
    order_id = desk.limit("-1000", quantity="0.02")
    before = desk.document(order_id)

    assert intake.amend.run(**message) == f"refused: {code}"

    with read(desk.engine) as conn:
        (letter,) = list_dead_letters(conn, 10)
    assert (letter["task"], letter["code"], letter["body"]) == ("orders.amend", code, message)
    assert desk.document(order_id) == before


def test_whoever_is_told_of_the_order_hears_why_it_was_not_amended(desk: Desk) -> None:
    order_id = desk.limit("-1000", quantity="0.02", notify={"queue": "theirs", "task": "theirs.changed"})
    desk.forget_outbox()

    intake.amend.run(client_order_id=desk.order(order_id).client_order_id, quantity="0.0000001")

    with read(desk.engine) as conn:
        (row,) = conn.execute(select(outbox)).mappings()
    document = row["kwargs"]["document"]
    assert (row["task"], row["queue"], row["kwargs"]["version"]) == ("theirs.changed", "theirs", 1)
    assert (document["id"], document["status"], document["quantity"]) == (order_id, "RECEIVED", "0.02")
    assert (document["reason"]["code"], document["errors"][0]["field"]) == ("INVALID_REQUEST", "quantity")


def test_a_dead_letter_of_an_amendment_can_be_replayed(desk: Desk) -> None:
    message = {"client_order_id": "test-1", "quantity": "0.03"}
    intake.amend.run(**message)
    order_id = desk.limit("-1000", quantity="0.02")

    with read(desk.engine) as conn:
        (letter,) = list_dead_letters(conn, 10)
    replayed, _ = replay(desk.runtime, letter["id"], by="test")

    assert replayed["status"] == "replayed"
    assert desk.document(order_id)["quantity"] == "0.03"
