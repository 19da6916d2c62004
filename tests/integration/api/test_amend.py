"""PATCH over HTTP: what is taken, what is refused and with which status, and one effect however often it is asked for."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from itertools import count
from typing import TYPE_CHECKING, Any

import httpx
import pytest
from sqlalchemy import func, select

from storage.amendment_tables import amendments
from storage.engine import read
from tests.integration.api.test_orders import DOCUMENT_FIELDS, problem

if TYPE_CHECKING:
    from tests.integration.api.conftest import Api

pytestmark = pytest.mark.integration

_numbers = count()


def patch(api: Api, order_id: str, body: object, **headers: str) -> httpx.Response:
    return api.client.patch(f"/v1/orders/{order_id}", json=body, headers=headers)


def amendments_of(api: Api, order_id: str) -> int:
    with read(api.engine) as conn:
        statement = select(func.count()).select_from(amendments).where(amendments.c.order_id == order_id)
        return int(conn.execute(statement).scalar_one())


def test_an_order_is_amended_and_answered_with_its_document(api: Api) -> None:
    placed = api.place("amend-1").json()

    answer = patch(api, placed["id"], {"quantity": "0.60009", "price": "24000.019"})

    assert answer.status_code == 202
    document = answer.json()
    assert set(document) == DOCUMENT_FIELDS
    assert (document["quantity"], document["price"], document["status"]) == ("0.6", "24000.01", "RECEIVED")
    assert document["requested_quantity"] == placed["requested_quantity"]
    assert document["version"] == placed["version"] + 1
    assert api.client.get(f"/v1/orders/{placed['id']}").json() == document
    steps = api.client.get(f"/v1/orders/{placed['id']}/timeline").json()["items"]
    assert steps[-1]["cause"] == "amend by http"
    assert (steps[-1]["detail"]["quantity"], steps[-1]["detail"]["price"]) == ("0.6", "24000.01")
    events = api.client.get("/v1/events", params={"limit": 1000}).json()["items"]
    assert document in [event["document"] for event in events]


def test_it_is_found_by_the_callers_id(api: Api) -> None:
    api.place("amend-2", account="desk2")
    answer = api.client.patch("/v1/orders/client:amend-2?account=desk2", json={"quantity": "0.7"})
    assert (answer.status_code, answer.json()["quantity"]) == (202, "0.7")


def test_a_number_is_read_by_its_digits(api: Api) -> None:
    order_id = api.place("amend-3").json()["id"]
    headers = {"content-type": "application/json"}
    answer = api.client.patch(f"/v1/orders/{order_id}", content=b'{"quantity": 0.3000}', headers=headers)
    assert answer.json()["quantity"] == "0.3"


def test_if_match_is_honoured(api: Api) -> None:
    placed = api.place("amend-4").json()
    version = placed["version"]

    for other in (f'"{version + 1}"', '"0"', f'"{10**17}"'):
        problem(patch(api, placed["id"], {"quantity": "0.6"}, **{"if-match": other}), 412, "VERSION_MISMATCH")
    assert amendments_of(api, placed["id"]) == 0
    answer = patch(api, placed["id"], {"quantity": "0.6"}, **{"if-match": f'"{version}"'})
    assert (answer.status_code, answer.json()["version"]) == (202, version + 1)
    problem(patch(api, placed["id"], {"quantity": "0.6"}, **{"if-match": f'"{version}"'}), 412, "VERSION_MISMATCH")
    assert patch(api, placed["id"], {"quantity": "0.6"}, **{"if-match": "*"}).status_code == 202


@pytest.mark.parametrize("tag", ["7", 'W/"7"', '"x"', '"7", "8"', '""', '"-1"'])
def test_what_is_no_version_is_refused(api: Api, tag: str) -> None:
    order_id = api.place(f"amend-tag-{next(_numbers)}").json()["id"]
    body = problem(patch(api, order_id, {"quantity": "0.6"}, **{"if-match": tag}), 422, "INVALID_REQUEST")
    assert [error["field"] for error in body["errors"]] == ["if-match"]


@pytest.mark.parametrize(
    ("body", "fields", "nearest"),
    [
        ({}, [""], None),
        ({"quantity": None, "price": None}, [""], None),
        ({"quantity": "0"}, ["quantity"], None),
        ({"quantity": "0.00001"}, ["quantity"], "0.0002"),
        ({"quantity": "9001"}, ["quantity"], "9000"),
        ({"quantity": "0.0001"}, ["quantity"], "0.0002"),
        ({"quantity": True, "price": []}, ["quantity", "price"], None),
        ({"quantity": "1e3"}, ["quantity"], None),
        ({"price": "0.001"}, ["price"], "10"),
        ({"price": "5"}, ["price"], "10"),
        ({"quantity": "0.6", "side": "sell", "client_order_id": "x"}, ["side", "client_order_id"], None),
        ({"quantitty": "0.6"}, ["quantitty"], "quantity"),
    ],
    ids=str,
)
def test_what_breaks_a_rule_is_named_and_leaves_nothing(
    api: Api, body: dict[str, Any], fields: list[str], nearest: str | None
) -> None:
    placed = api.place(f"amend-bad-{next(_numbers)}").json()

    answer = problem(patch(api, placed["id"], body), 422, "INVALID_REQUEST")

    assert [error["field"] for error in answer["errors"]] == fields
    assert nearest is None or answer["errors"][0]["nearest"] == nearest
    assert amendments_of(api, placed["id"]) == 0
    assert api.client.get(f"/v1/orders/{placed['id']}").json() == placed


def test_what_is_no_object_is_refused(api: Api) -> None:
    order_id = api.place("amend-5").json()["id"]
    headers = {"content-type": "application/json"}
    problem(api.client.patch(f"/v1/orders/{order_id}", content=b"[", headers=headers), 400, "MALFORMED_JSON")
    problem(api.client.patch(f"/v1/orders/{order_id}", content=b"{}"), 415, "UNSUPPORTED_MEDIA_TYPE")


def test_an_order_that_does_not_exist_or_has_ended_is_not_amended(api: Api) -> None:
    problem(patch(api, "0" * 26, {"quantity": "1"}), 404, "NOT_FOUND")
    problem(patch(api, "client:nobody", {"quantity": "1"}), 404, "NOT_FOUND")
    order_id = api.place("amend-6").json()["id"]
    api.client.delete(f"/v1/orders/{order_id}")
    problem(patch(api, order_id, {"quantity": "1"}), 409, "ORDER_ENDED")


def test_the_same_64_times_at_once_is_one_amendment(api: Api) -> None:
    placed = api.place("amend-64").json()

    with ThreadPoolExecutor(64) as threads:
        answers = list(
            threads.map(lambda _: patch(api, placed["id"], {"quantity": "0.8", "price": "24500"}), range(64))
        )

    assert {answer.status_code for answer in answers} == {202}
    assert {answer.json()["version"] for answer in answers} == {placed["version"] + 1}
    assert {(answer.json()["quantity"], answer.json()["price"]) for answer in answers} == {("0.8", "24500")}
    assert amendments_of(api, placed["id"]) == 1


def test_the_api_describes_it(api: Api) -> None:
    described = api.client.get("/openapi.json").json()["paths"]["/v1/orders/{id}"]["patch"]
    assert {"202", "404", "409", "412", "422", "503"} <= set(described["responses"])
    assert "If-Match" in [parameter["name"] for parameter in described["parameters"]]
