"""Placing, repeating, looking at, listing and cancelling orders over HTTP, as the contract has it."""

from __future__ import annotations

import re
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Any

import httpx
import pytest

if TYPE_CHECKING:
    from tests.integration.api.conftest import Api

pytestmark = pytest.mark.integration

DOCUMENT_FIELDS = {
    "id", "client_order_id", "status", "mode", "venue", "account", "symbol", "side", "type", "quantity",
    "requested_quantity", "price", "time_in_force", "post_only", "submitted_at", "expires_at", "decision_price",
    "algorithm", "fill_policy", "tags", "filled_quantity", "remaining_quantity", "average_price", "fees",
    "arrival_price", "slippage_bps", "reason", "version", "created_at", "updated_at", "child_orders", "fills",
}  # fmt: skip
STATUS_FIELDS = {
    "id", "client_order_id", "status", "filled_quantity", "remaining_quantity", "average_price", "version", "updated_at",
}  # fmt: skip
TIME = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{6}Z")


def problem(answer: httpx.Response, status: int, code: str) -> dict[str, Any]:
    assert answer.status_code == status, answer.text
    assert answer.headers["content-type"] == "application/problem+json"
    body: dict[str, Any] = answer.json()
    assert body["status"] == status
    assert body["code"] == code
    assert body["detail"]
    return body


def test_an_order_is_placed_and_answered_with_its_document(api: Api) -> None:
    answer = api.place("place-1", quantity="0.50009", price="25000.019", tags={"strategy": "momentum"})

    assert answer.status_code == 201
    document = answer.json()
    assert set(document) == DOCUMENT_FIELDS
    assert answer.headers["location"] == f"/v1/orders/{document['id']}"
    assert "idempotency-replayed" not in answer.headers
    assert document["status"] == "RECEIVED"
    assert document["mode"] == "live"
    assert document["account"] == "main"
    assert (document["quantity"], document["requested_quantity"]) == ("0.5", "0.50009")
    assert document["price"] == "25000.01"
    assert document["time_in_force"] == "GTC"
    assert document["algorithm"] == {"name": "single"}
    assert document["fill_policy"] == {"name": "accept_partial"}
    assert document["tags"] == {"strategy": "momentum"}
    assert (document["filled_quantity"], document["remaining_quantity"]) == ("0", "0.5")
    assert (document["fees"], document["fills"]) == ({}, [])
    assert TIME.fullmatch(document["created_at"])
    assert TIME.fullmatch(document["submitted_at"])


def test_a_number_is_read_by_its_digits(api: Api) -> None:
    body = (
        b'{"client_order_id": "digits-1", "venue": "paper", "symbol": "BTC/USDT", "side": "sell", "type": "limit",'
        b' "quantity": 0.3, "price": 1e5}'
    )

    answer = api.client.post("/v1/orders", content=body, headers={"content-type": "application/json; charset=UTF-8"})

    assert answer.status_code == 201
    assert (answer.json()["requested_quantity"], answer.json()["price"]) == ("0.3", "100000")


def test_the_same_request_again_is_answered_with_the_order_as_it_is(api: Api) -> None:
    first = api.place("repeat-1", quantity="1.0")
    again = api.place("repeat-1", quantity="1", account="main", time_in_force="GTC", tags={}, price="25000.00")

    assert (first.status_code, again.status_code) == (201, 200)
    assert again.headers["idempotency-replayed"] == "true"
    assert again.json()["id"] == first.json()["id"]


def test_the_same_id_with_other_content_is_a_conflict(api: Api) -> None:
    api.place("conflict-1")
    before = {**api.rows(), "outbox": "published and deleted meanwhile"}

    problem(api.place("conflict-1", quantity="0.6"), 409, "CLIENT_ORDER_ID_TAKEN")

    assert {**api.rows(), "outbox": "published and deleted meanwhile"} == before


def test_another_account_may_use_the_same_id(api: Api) -> None:
    main, desk = api.place("shared-1"), api.place("shared-1", account="desk2")

    assert (main.status_code, desk.status_code) == (201, 201)
    assert main.json()["id"] != desk.json()["id"]


def test_64_copies_at_once_make_one_order(api: Api) -> None:
    before = api.rows()
    with ThreadPoolExecutor(64) as pool:
        answers = list(pool.map(lambda _: api.place("at-once-1"), range(64)))

    assert sorted(answer.status_code for answer in answers) == [200] * 63 + [201]
    assert len({answer.json()["id"] for answer in answers}) == 1
    after = api.rows()
    assert after["orders"] - before["orders"] == 1


def test_a_hundred_orders_at_once_are_all_taken(api: Api) -> None:
    with ThreadPoolExecutor(100) as pool:
        answers = list(pool.map(lambda number: api.place(f"hundred-{number}"), range(100)))

    assert {answer.status_code for answer in answers} == {201}
    assert len({answer.json()["id"] for answer in answers}) == 100


def test_an_order_is_found_by_both_of_its_ids(api: Api) -> None:
    ours = api.place("find:1.x", account="desk2").json()

    for path in (f"/v1/orders/{ours['id']}", "/v1/orders/client:find:1.x?account=desk2"):
        assert api.client.get(path).json()["id"] == ours["id"]
        status = api.client.get(path.replace("?", "/status?") if "?" in path else f"{path}/status")
        assert set(status.json()) == STATUS_FIELDS
    problem(api.client.get("/v1/orders/client:find:1.x"), 404, "NOT_FOUND")


@pytest.mark.parametrize("suffix", ["", "/status", "/timeline"])
@pytest.mark.parametrize(
    "order_id",
    [
        "0" * 26,
        "nonsense",
        "client:never",
        "client:",
        "client:a%20b",
        "%00",
        "client:%00",
        "..%2f..%2fetc",
        "é",
        "1" * 5000,
    ],
)
def test_an_order_that_does_not_exist_is_not_found(api: Api, order_id: str, suffix: str) -> None:
    problem(api.client.get(f"/v1/orders/{order_id}{suffix}"), 404, "NOT_FOUND")


def test_the_timeline_begins_with_the_intake(api: Api) -> None:
    order = api.place("timeline-1").json()

    items = api.client.get(f"/v1/orders/{order['id']}/timeline").json()["items"]

    assert set(items[0]) == {"at", "entity", "entity_id", "from", "to", "cause", "detail"}
    assert (items[0]["entity"], items[0]["entity_id"], items[0]["from"], items[0]["to"]) == (
        "order", order["id"], None, "RECEIVED",
    )  # fmt: skip
    assert items[0]["cause"] == "submitted by http"


def test_a_list_is_filtered_and_read_page_by_page(api: Api) -> None:
    placed = [
        api.place(f"list-{number}", symbol="ETH/USDT", tags={"desk": "list: a=b"}, price="3000").json()["id"]
        for number in range(5)
    ]
    query = {"tag": "desk:list: a=b", "symbol": "ETH/USDT", "venue": "paper", "account": "main", "status": "RECEIVED"}

    found, cursor, pages = [], None, 0
    while True:
        page = api.client.get(
            "/v1/orders", params={**query, "limit": 2} | ({"cursor": cursor} if cursor else {})
        ).json()
        found += [item["id"] for item in page["items"]]
        pages, cursor = pages + 1, page["next_cursor"]
        if cursor is None:
            break

    assert pages == 3
    assert found == sorted(placed, reverse=True)
    assert set(api.client.get("/v1/orders", params={"limit": 1}).json()["items"][0]) == DOCUMENT_FIELDS
    for nothing in (
        {"tag": "desk:other"},
        {"status": "FILLED"},
        {"account": "nobody"},
        {"since": "2100-01-01T00:00:00Z"},
    ):
        assert api.client.get("/v1/orders", params={**query, **nothing}).json() == {"items": [], "next_cursor": None}


def test_since_takes_a_plus_that_nobody_escaped(api: Api) -> None:
    assert api.client.get("/v1/orders?since=2100-01-01T00:00:00+01:00").json()["items"] == []


@pytest.mark.parametrize(
    ("query", "field"),
    [
        ("limit=0", "limit"), ("limit=501", "limit"), ("limit=x", "limit"), ("limit=-1", "limit"), ("limit=1.5", "limit"),
        ("limit=%D9%A3", "limit"), ("limit=" + "9" * 5000, "limit"), ("status=DONE", "status"), ("status=", "status"),
        ("since=yesterday", "since"), ("since=2030-01-01", "since"), ("cursor=zzz", "cursor"), ("cursor=%00", "cursor"),
        ("tag=desk", "tag"), ("tag=:x", "tag"), ("venue=%00", "venue"), ("symbol=%FF", "symbol"),
        ("status=FILLED&status=CANCELED", "status"), ("stauts=FILLED", "stauts"),
    ],
)  # fmt: skip
def test_a_bad_query_is_refused_by_name(api: Api, query: str, field: str) -> None:
    body = problem(api.client.get(f"/v1/orders?{query}"), 422, "INVALID_REQUEST")

    assert [error["field"] for error in body["errors"]] == [field]


def test_a_cursor_that_decodes_to_no_id_is_refused_or_finds_nothing(api: Api) -> None:
    answer = api.client.get("/v1/orders?cursor=AA==")

    assert answer.status_code == 422 or answer.json() == {"items": [], "next_cursor": None}


def test_a_cancel_before_the_send_ends_the_order_and_may_be_repeated(api: Api) -> None:
    order = api.place("cancel-1").json()

    first = api.client.delete(f"/v1/orders/{order['id']}")
    again = api.client.delete("/v1/orders/client:cancel-1")

    assert (first.status_code, again.status_code) == (202, 202)
    assert first.json()["status"] == "CANCELED"
    assert first.json()["reason"]["code"] == "CANCEL_REQUESTED"
    assert again.json()["version"] == first.json()["version"]


@pytest.mark.parametrize("order_id", ["0" * 26, "client:never", "nonsense"])
def test_a_cancel_of_nothing_is_not_found(api: Api, order_id: str) -> None:
    problem(api.client.delete(f"/v1/orders/{order_id}"), 404, "NOT_FOUND")
