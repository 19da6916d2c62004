"""One client order id is one order, however often and however many at a time ask for it."""

from __future__ import annotations

from collections import Counter
from concurrent.futures import ThreadPoolExecutor

import pytest

from tests.acceptance.client import Client
from tests.acceptance.deployment import Deployment
from tests.support.waiting import eventually

pytestmark = [pytest.mark.acceptance, pytest.mark.timeout(600)]


def test_same_request_again_is_answered_with_the_order_as_it_is_now(client: Client):
    request = client.request(quantity="0.001", decision_price="62000")
    first = client.post(request)
    client.wait_for(first.json()["id"], "FILLED")

    same = {**request, "quantity": "0.0010", "decision_price": 62000, "time_in_force": "GTC", "account": "main"}
    again = client.post(same)

    assert (first.status_code, "idempotency-replayed" in first.headers) == (201, False)
    assert (again.status_code, again.headers["idempotency-replayed"]) == (200, "true")
    assert again.json() == client.show(first.json()["id"])
    assert again.json()["status"] == "FILLED"


@pytest.mark.parametrize(
    "change", [{"quantity": "0.002"}, {"side": "sell"}, {"tags": {"a": "b"}}, {"price": "1000", "type": "limit"}]
)
def test_same_id_with_other_content_is_a_conflict_and_changes_nothing(client: Client, change: dict):
    request = client.request()
    first = client.post(request).json()
    client.wait_for(first["id"], "FILLED")
    before = client.show(first["id"])

    answer = client.post({**request, **change})

    assert (answer.status_code, answer.headers["content-type"]) == (409, "application/problem+json")
    assert answer.json()["code"] == "CLIENT_ORDER_ID_TAKEN"
    assert client.show(first["id"]) == before


def test_same_id_on_another_account_is_another_order(client: Client):
    request = client.request()

    first, second = client.post(request), client.post({**request, "account": "second"})

    assert (first.status_code, second.status_code) == (201, 201)
    assert first.json()["id"] != second.json()["id"]
    client.wait_for(first.json()["id"], "FILLED")
    client.wait_for(second.json()["id"], "FILLED")


def test_sixty_four_identical_requests_at_once_are_one_order_at_the_venue(deployment: Deployment):
    client = deployment.client
    request = client.request()

    with ThreadPoolExecutor(64) as pool:
        posted = list(pool.map(lambda _: client.post(request), range(64)))

    assert Counter(answer.status_code for answer in posted) == {201: 1, 200: 63}
    assert len({answer.json()["id"] for answer in posted}) == 1
    document = client.wait_for(posted[0].json()["id"], "FILLED")
    name = document["child_orders"][0]["venue_client_order_id"]
    assert [order["client_order_id"] for order in deployment.venue.orders()].count(name) == 1


def test_same_message_delivered_many_times_is_one_order(deployment: Deployment):
    client = deployment.client
    request = client.request(tags={"run": client.new_id()})

    for _ in range(8):
        deployment.send_task("orders.submit", request=request)

    eventually(
        lambda: client.page(tag=f"run:{request['tags']['run']}")["items"], within_s=60, describe="the order is taken"
    )
    found = client.page(tag=f"run:{request['tags']['run']}")["items"]
    assert len(found) == 1
    assert client.wait_for(found[0]["id"])["status"] == "FILLED"


def test_a_hundred_orders_at_once_all_end_filled(deployment: Deployment):
    client = deployment.client
    requests = [
        client.request(account=("main", "second")[number % 2], tags={"run": "hundred"}) for number in range(100)
    ]

    with ThreadPoolExecutor(25) as pool:
        posted = list(pool.map(client.post, requests))

    assert Counter(answer.status_code for answer in posted) == {201: 100}
    ended = [client.wait_for(answer.json()["id"]) for answer in posted]
    assert Counter(document["status"] for document in ended) == {"FILLED": 100}
