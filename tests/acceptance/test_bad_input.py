"""What can't be read or can't be meant is refused by name, and leaves no row and no message behind."""

from __future__ import annotations

import json
from collections.abc import Callable

import pytest
from sqlalchemy import func, select

from storage.all_tables import metadata
from storage.engine import read
from tests.acceptance.client import Client, Document
from tests.acceptance.deployment import Deployment
from tests.acceptance.stacks import RABBITMQ, SQLITE, on
from tests.support.waiting import eventually

pytestmark = [pytest.mark.acceptance, pytest.mark.timeout(600)]

LIMIT = {"type": "limit", "price": "60000"}

#: name, what is changed (None: left out), the fields that the answer names
FIELDS: list[tuple[str, Document, set[str]]] = [
    ("no client id", {"client_order_id": None}, {"client_order_id"}),
    ("no quantity", {"quantity": None}, {"quantity"}),
    ("unknown field", {"colour": "red"}, {"colour"}),
    ("client id with a slash", {"client_order_id": "a/b"}, {"client_order_id"}),
    ("client id too long", {"client_order_id": "x" * 65}, {"client_order_id"}),
    ("quantity is a list", {"quantity": ["1"]}, {"quantity"}),
    ("quantity NaN", {"quantity": "NaN"}, {"quantity"}),
    ("quantity infinite", {"quantity": "Infinity"}, {"quantity"}),
    ("quantity 1e400", {"quantity": "1e400"}, {"quantity"}),
    ("quantity of 5000 digits", {"quantity": "9" * 5000}, {"quantity"}),
    ("full-width digits", {"quantity": "０.１"}, {"quantity"}),
    ("arabic digits", {"quantity": "٣"}, {"quantity"}),
    ("digits with underscores", {"quantity": "1_000"}, {"quantity"}),
    ("quantity 0", {"quantity": "0"}, {"quantity"}),
    ("quantity negative", {"quantity": "-1"}, {"quantity"}),
    ("under the lot", {"quantity": "0.000009"}, {"quantity"}),
    ("under the minimum notional", {**LIMIT, "quantity": "0.00005"}, {"quantity"}),
    ("over the largest quantity", {"quantity": "1000000"}, {"quantity"}),
    ("price of a market order", {"type": "market", "price": "1"}, {"price"}),
    ("limit order without a price", {"type": "limit"}, {"price"}),
    ("symbol that does not exist", {"symbol": "BTC/USDX"}, {"symbol"}),
    ("swap", {"symbol": "BTC/USDT:USDT"}, {"symbol"}),
    ("venue that does not exist", {"venue": "papier"}, {"venue"}),
    ("account without credentials", {"account": "third"}, {"account"}),
    ("side", {"side": "long"}, {"side"}),
    ("quote quantity", {"quote_quantity": "100"}, {"quote_quantity"}),
    ("another algorithm", {"algorithm": {"name": "twapp", "duration_s": 60, "slices": 3}}, {"algorithm.name"}),
    ("another fill policy", {"fill_policy": {"name": "retry", "max_attempts": 2}}, {"fill_policy.name"}),
    ("time without a zone", {**LIMIT, "expires_at": "2100-01-01T00:00:00"}, {"expires_at"}),
    ("post-only market order", {"post_only": True}, {"post_only"}),
    ("too many tags", {"tags": {str(number): "x" for number in range(17)}}, {"tags"}),
    ("three at once", {"side": "up", "quantity": "x", "venue": 5}, {"side", "quantity", "venue"}),
]

#: name, body, status
BODIES: list[tuple[str, Callable[[Document], bytes], int]] = [
    ("no JSON", lambda request: b"buy 1 BTC", 400),
    ("nothing", lambda request: b"", 400),
    ("a list", lambda request: json.dumps([request]).encode(), 400),
    ("half", lambda request: json.dumps(request).encode()[:40], 400),
    ("NaN literal", lambda request: json.dumps({**request, "quantity": float("nan")}).encode(), 400),
    ("named twice", lambda request: json.dumps(request).encode()[:-1] + b', "side": "sell"}', 400),
    ("latin-1", lambda request: json.dumps({**request, "tags": {"a": "ü"}}, ensure_ascii=False).encode("latin-1"), 400),
    ("deep", lambda request: b'{"tags":' * 5000 + b"1" + b"}" * 5000, 400),
    ("10 MB", lambda request: json.dumps({**request, "tags": {"a": "x" * 10_000_000}}).encode(), 413),
]


@pytest.fixture
def rows(deployment: Deployment) -> Callable[[], dict[str, int]]:
    """How many rows each table has in which a refused request could have left one."""
    return lambda: _count(deployment, "orders", "order_tags", "child_orders", "outbox", "transitions", "dead_letters")


def _count(deployment: Deployment, *tables: str) -> dict[str, int]:
    with read(deployment.engine) as conn:
        return {
            name: conn.execute(select(func.count()).select_from(metadata.tables[name])).scalar_one() for name in tables
        }


def _quiet(deployment: Deployment) -> bool:
    """Nothing of an earlier test will write a row any more."""
    return _count(deployment, "outbox")["outbox"] == 0 and not deployment.client.open_orders()


@on(SQLITE, RABBITMQ)
def test_fields_that_break_a_rule_are_each_named_with_rule_and_value(deployment: Deployment, rows):
    client = deployment.client
    eventually(lambda: _quiet(deployment), within_s=120, describe="nothing is on its way")
    before = rows()

    wrong = [line for case in FIELDS for line in _field_case(client, *case)]

    assert not wrong, "\n".join(wrong)
    assert {**rows(), "outbox": 0} == before


def _field_case(client: Client, name: str, changes: Document, fields: set[str]) -> list[str]:
    request = client.request(**{"type": "market", **changes})
    answer = client.post(request)
    told = f"{name}: {answer.status_code} {answer.text[:300]}"
    if answer.status_code != 422 or answer.headers["content-type"] != "application/problem+json":
        return [told]
    problem = answer.json()
    errors = problem["errors"]
    if {error["field"] for error in errors} != fields or not all(error["rule"] for error in errors):
        return [told]
    if set(problem) != {"type", "title", "status", "code", "detail", "errors"} or "Traceback" in answer.text:
        return [told]
    return [told] if any(len(error["value"] or "") > 200 for error in errors) else []


@on(SQLITE, RABBITMQ)
def test_body_that_is_no_request_is_a_problem_and_nothing_else(deployment: Deployment, rows):
    client = deployment.client
    eventually(lambda: _quiet(deployment), within_s=120, describe="nothing is on its way")
    before, wrong = rows(), []

    for name, make, status in BODIES:
        answer = client.http.post(
            "/v1/orders", content=make(client.request()), headers={"content-type": "application/json"}
        )
        problem = answer.headers["content-type"] == "application/problem+json"
        if (answer.status_code, problem) != (status, True) or "Traceback" in answer.text or len(answer.content) > 2000:
            wrong.append(f"{name}: {answer.status_code} {answer.text[:300]}")

    assert not wrong, "\n".join(wrong)
    assert {**rows(), "outbox": 0} == before
    assert client.http.post("/v1/orders", content=b"{}", headers={"content-type": "text/plain"}).status_code == 415


@on(SQLITE, RABBITMQ)
def test_bad_messages_leave_a_dead_letter_each_and_no_order(deployment: Deployment):
    client = deployment.client
    eventually(lambda: _quiet(deployment), within_s=120, describe="nothing is on its way")
    before = _count(deployment, "orders", "transitions", "dead_letters")

    for _, changes, _ in FIELDS:
        deployment.send_task("orders.submit", request=client.request(**{"type": "market", **changes}))
    deployment.send_task("orders.submit", request={**client.request(), "quantity": float("nan")})
    deployment.send_task("orders.submit", request={**client.request(), "tags": {"a": "x" * 10_000_000}})
    deployment.send_task("orders.submit", request={**client.request(), "tags": {"a": "\ud800 \0"}})

    expected = before["dead_letters"] + len(FIELDS) + 3
    eventually(
        lambda: _count(deployment, "dead_letters")["dead_letters"] >= expected,
        within_s=120,
        describe=lambda: f"{expected} dead letters, {_count(deployment, 'dead_letters')}",
    )
    assert _count(deployment, "orders", "transitions", "dead_letters") == {**before, "dead_letters": expected}
