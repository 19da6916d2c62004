"""A venue that drops, errs, babbles, lags and limits: every order is sent once, ends right, and is booked to the atom.

Each fault strikes on one stack; together the stacks see them all. The core of it strikes on each.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pytest

from exchanges.paper.journal import read_requests
from tests.acceptance.audit import audit
from tests.acceptance.client import Document
from tests.acceptance.deployment import Deployment
from tests.acceptance.stacks import RABBITMQ, REDIS, SQLITE, on
from tests.support.waiting import eventually

pytestmark = [pytest.mark.acceptance, pytest.mark.timeout(600)]

#: The request that creates an order, once.
CREATE: Mapping[str, Any] = {"endpoint": "order", "method": "POST", "count": 1}

#: where a send without an answer is looked for
LOOKS = ("order", "openOrders", "allOrders", "myTrades")

#: recv_window_ms and what else must pass before absence is proven, in deployment.py, and then some.
OUTSIDE_THE_WINDOW_MS = 1300

ORDERS: list[Document] = [
    {},
    {"side": "sell", "quantity": "0.002"},
    {"price": "62500", "quantity": "0.003", "time_in_force": "IOC"},
]


def strike(deployment: Deployment, rule: Mapping[str, Any], **order: Any) -> Document:
    """Arm a fault, place an order into it, wait for its end; the fault must have struck."""
    deployment.venue.arm({**rule, "name": "struck"})
    document = deployment.client.wait_for(deployment.client.place(**order)["id"])
    armed = {fault["name"]: fault["hits"] for fault in deployment.venue.health()["faults"]}
    assert armed["struck"] >= 1, "the fault never struck"
    return document


def came_too_late(deployment: Deployment, document: Document) -> bool:
    """The machine stood still for so long that the venue refused a copy for its time: a fault that struck it was moot."""
    names = {child["venue_client_order_id"] for child in document["child_orders"]}
    return any(ask.client_order_id in names and ask.code == -1021 for ask in read_requests(deployment.venue.home))


def at_venue(deployment: Deployment, document: Document) -> list[Document]:
    names = {child["venue_client_order_id"] for child in document["child_orders"]}
    return [order for order in deployment.venue.orders() if order["client_order_id"] in names]


def check_filled_once(deployment: Deployment, document: Document) -> None:
    assert document["status"] == "FILLED", deployment.client.story(document["id"])
    assert [order["status"] for order in at_venue(deployment, document)] == ["FILLED"]
    audit(deployment)


def went_through_unknown(deployment: Deployment, document: Document) -> bool:
    return "UNKNOWN" in [step["to"] for step in deployment.client.timeline(document["id"])]


def test_accepted_and_no_answer_is_found_and_not_sent_again(deployment: Deployment):
    for order in ORDERS:
        lost = {"kind": "drop", "when": "after", **CREATE}
        while came_too_late(deployment, document := strike(deployment, lost, **order)):
            deployment.venue.disarm()

        check_filled_once(deployment, document)
        assert went_through_unknown(deployment, document)
        deployment.venue.disarm()


def test_lost_before_the_venue_saw_it_is_sent_again_once_its_absence_is_proven(deployment: Deployment):
    document = strike(deployment, {"kind": "drop", "when": "before", **CREATE})

    check_filled_once(deployment, document)
    causes = [step["cause"] for step in deployment.client.timeline(document["id"]) if step["entity"] == "child"]
    assert "proven absent" in causes


#: name, stack, what strikes the request that creates the order
FAULTS: list[tuple[str, str, Document]] = [
    ("reset after acceptance", SQLITE, {"kind": "reset", "when": "after"}),
    ("reset before acceptance", REDIS, {"kind": "reset", "when": "before"}),
    ("503 after acceptance", RABBITMQ, {"kind": "error", "when": "after", "status": 503}),
    ("503 before acceptance", SQLITE, {"kind": "error", "when": "before", "status": 503}),
    ("504, execution status unknown, after", REDIS, {"kind": "error", "when": "after", "status": 504}),
    ("500 with a code, before", RABBITMQ, {"kind": "error", "when": "before", "status": 500, "code": -1000, "msg": "x"}),
    ("garbage", SQLITE, {"kind": "unreadable", "form": "garbage"}),
    ("nothing", REDIS, {"kind": "unreadable", "form": "empty"}),
    ("half an answer", RABBITMQ, {"kind": "unreadable", "form": "truncated"}),
    ("a page of HTML", SQLITE, {"kind": "unreadable", "form": "html"}),
    ("cut in the middle", REDIS, {"kind": "unreadable", "form": "cut"}),
    ("a reply without an id", RABBITMQ, {"kind": "unreadable", "form": "no_id"}),
    ("slower than our deadline", SQLITE, {"kind": "latency", "when": "after", "delay_ms": 2500}),
    ("a byte at a time", REDIS, {"kind": "drip", "piece_bytes": 1, "piece_ms": 50}),
    ("late, within its window", RABBITMQ, {"kind": "late", "delay_ms": 500}),
    ("late, past its window", SQLITE, {"kind": "late", "delay_ms": OUTSIDE_THE_WINDOW_MS}),
    ("late by a reset, past its window", REDIS, {"kind": "late", "form": "reset", "delay_ms": OUTSIDE_THE_WINDOW_MS}),
    ("reads that lag and no answer", RABBITMQ, {"kind": "drop", "when": "after", "lag_ms": 250}),
    ("reads that lag", SQLITE, {"kind": "lag", "lag_ms": 1500}),
    ("429 with Retry-After", REDIS, {"kind": "rate_limited", "status": 429, "retry_after_s": 1}),
    ("418 with Retry-After", RABBITMQ, {"kind": "rate_limited", "status": 418, "retry_after_s": 2}),
]  # fmt: skip


@pytest.mark.parametrize(
    ("running", "rule"),
    [pytest.param(stack, rule, id=name) for name, stack, rule in FAULTS],
    indirect=["running"],
    scope="session",  # or pytest would end the deployment with the test
)
def test_order_struck_by(deployment: Deployment, rule: Document):
    check_filled_once(deployment, strike(deployment, {**rule, **CREATE}))


@on(SQLITE)
def test_resting_order_that_is_struck_rests_once_and_fills_as_a_maker(deployment: Deployment):
    deployment.venue.arm({"kind": "drop", "when": "after", **CREATE})
    order_id = deployment.client.place(price="61500")["id"]
    eventually(
        lambda: deployment.client.show(order_id)["child_orders"][0]["status"] == "ACCEPTED"
        if deployment.client.show(order_id)["child_orders"] else False,
        within_s=60, describe=lambda: f"it is found: {deployment.client.story(order_id)}",
    )  # fmt: skip

    deployment.venue.set_price("BTCUSDT", "61400")

    check_filled_once(deployment, deployment.client.wait_for(order_id))


@on(REDIS)
@pytest.mark.parametrize("when", ["before", "after"])
def test_cancel_that_is_struck_ends_the_order_all_the_same(deployment: Deployment, when: str):
    client = deployment.client
    order_id = client.place(price="50000")["id"]
    eventually(
        lambda: any(child["venue_order_id"] for child in client.show(order_id)["child_orders"]),
        within_s=60, describe="it rests",
    )  # fmt: skip
    deployment.venue.arm({"kind": "drop", "when": when, "method": "DELETE", "endpoint": "order", "count": 1})

    assert client.cancel(order_id).status_code == 202

    document = client.wait_for(order_id)
    assert document["status"] == "CANCELED"
    assert [order["status"] for order in at_venue(deployment, document)] == ["CANCELED"]


@on(RABBITMQ)
def test_cancel_of_an_order_in_doubt_ends_it_only_once_its_fate_is_known(deployment: Deployment):
    client = deployment.client
    # As long as no look gets an answer it stays in doubt.
    blind = [{"kind": "error", "method": "GET", "endpoint": name} for name in LOOKS]
    deployment.venue.arm({"kind": "late", "delay_ms": 500, **CREATE}, *blind)
    order_id = client.place(price="50000")["id"]
    client.wait_for(order_id, "WORKING")
    eventually(
        lambda: client.show(order_id)["child_orders"][0]["status"] == "UNKNOWN", within_s=60, describe="in doubt"
    )

    assert client.cancel(order_id).status_code == 202
    assert client.show(order_id)["status"] == "PENDING_CANCEL"
    deployment.venue.disarm()

    document = client.wait_for(order_id)
    assert document["status"] == "CANCELED"
    at_the_venue = [order["status"] for order in at_venue(deployment, document)]
    assert at_the_venue == ["CANCELED"] or (at_the_venue == [] and came_too_late(deployment, document))
    audit(deployment)


@on(RABBITMQ)
def test_fills_that_the_venue_does_not_show_yet_keep_the_order_open_until_they_are_booked(deployment: Deployment):
    deployment.venue.arm({"kind": "error", "when": "before", "endpoint": "myTrades", "count": 4})

    document = strike(deployment, {"kind": "drop", "when": "after", **CREATE})

    check_filled_once(deployment, document)


@on(SQLITE, REDIS)
@pytest.mark.parametrize("form", ["refuse", "close"])
def test_outage_of_some_seconds_is_waited_out(deployment: Deployment, form: str):
    client = deployment.client
    rests = client.place(price="61500", quantity="0.002")["id"]
    eventually(
        lambda: any(child["venue_order_id"] for child in client.show(rests)["child_orders"]),
        within_s=60, describe="it rests",
    )  # fmt: skip
    deployment.venue.arm({"kind": "outage", "form": form, "duration_ms": 3000})

    struck = [client.place(side=side, quantity="0.001")["id"] for side in ("buy", "sell", "buy")]
    canceled = client.place(price="50000")["id"]
    assert client.cancel(canceled).status_code == 202

    assert [client.wait_for(order_id)["status"] for order_id in struck] == ["FILLED"] * 3
    assert client.wait_for(canceled)["status"] == "CANCELED"
    deployment.venue.set_price("BTCUSDT", "61400")
    check_filled_once(deployment, client.wait_for(rests))


@on(SQLITE, RABBITMQ)
def test_many_orders_under_a_mix_of_faults(deployment: Deployment):
    """Twenty at once, a third of all requests struck: the reads as well as the sends."""
    client = deployment.client
    mix = [  # each so many times: an order in doubt needs some answers in a row to be sure of anything
        {"kind": "drop", "when": "after", "method": "POST", "endpoint": "order", "probability": 0.3, "count": 5},
        {"kind": "drop", "when": "before", "probability": 0.15, "count": 10},
        {"kind": "error", "when": "after", "status": 502, "probability": 0.15, "count": 10},
        {"kind": "unreadable", "form": "garbage", "probability": 0.1, "count": 6},
        {"kind": "latency", "delay_ms": [10, 200], "probability": 0.3},
    ]
    deployment.venue.arm(*mix)
    sides = ["buy", "sell", "buy"]

    placed = [
        client.place(account=("main", "second")[number % 2], side=sides[number % 3], quantity="0.001")["id"]
        for number in range(20)
    ]

    ended = [client.wait_for(order_id) for order_id in placed]
    deployment.venue.disarm()
    assert [document["status"] for document in ended] == ["FILLED"] * 20
    audit(deployment)
