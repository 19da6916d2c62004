"""An order enters by HTTP, by Celery and from a file, and ends filled; the document is the contract's."""

from __future__ import annotations

import json
import re
from decimal import Decimal
from itertools import pairwise
from pathlib import Path

import pytest

from tests.acceptance.audit import audit
from tests.acceptance.client import Client
from tests.acceptance.deployment import Deployment
from tests.support.waiting import eventually

pytestmark = [pytest.mark.acceptance, pytest.mark.timeout(600)]

DOCUMENT_FIELDS = [
    "id", "client_order_id", "status", "mode", "venue", "account", "symbol", "side", "type", "quantity",
    "requested_quantity", "price", "time_in_force", "post_only", "submitted_at", "expires_at", "decision_price",
    "algorithm", "fill_policy", "tags", "filled_quantity", "remaining_quantity", "average_price", "fees",
    "arrival_price", "slippage_bps", "reason", "version", "created_at", "updated_at", "child_orders", "fills",
]  # fmt: skip
CHILD_FIELDS = [
    "id", "slice", "attempt", "status", "venue_client_order_id", "venue_order_id", "quantity", "price",
    "filled_quantity", "average_price", "due_at", "sent_at", "reason",
]  # fmt: skip
FILL_FIELDS = [
    "venue_trade_id", "child_order_id", "quantity", "price", "fee", "fee_asset", "liquidity", "traded_at",
]  # fmt: skip
STATUS_FIELDS = [
    "id", "client_order_id", "status", "filled_quantity", "remaining_quantity", "average_price", "version",
    "updated_at",
]  # fmt: skip

DECIMAL = re.compile(r"-?(0|[1-9][0-9]*)(\.[0-9]*[1-9])?")
TIME = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{6}Z")


def test_market_order_by_http_is_filled_and_its_document_is_the_contracts(client: Client):
    placed = client.place(
        quantity="0.0123456", decision_price="61990.50", submitted_at=None, tags={"strategy": "test", "desk": "one"}
    )

    document = client.wait_for(placed["id"], "FILLED")

    assert list(document) == DOCUMENT_FIELDS
    assert [list(child) for child in document["child_orders"]] == [CHILD_FIELDS]
    assert document["fills"]
    assert all(list(fill) == FILL_FIELDS for fill in document["fills"])
    assert (document["quantity"], document["requested_quantity"]) == ("0.01234", "0.0123456")
    assert (document["filled_quantity"], document["remaining_quantity"]) == ("0.01234", "0")
    assert (document["mode"], document["venue"], document["account"], document["symbol"]) == (
        "live", "paper", "main", "BTC/USDT",
    )  # fmt: skip
    assert (document["algorithm"], document["fill_policy"]) == ({"name": "single"}, {"name": "accept_partial"})
    assert (document["type"], document["price"], document["time_in_force"], document["post_only"]) == (
        "market", None, "GTC", False,
    )  # fmt: skip
    assert document["decision_price"] == "61990.5"
    assert document["tags"] == {"strategy": "test", "desk": "one"}
    assert document["reason"] is None
    assert isinstance(document["version"], int)
    _check_formats(document)


def _check_formats(document: dict) -> None:
    """Decimals in plain notation, times in UTC with microseconds, and sums that agree with each other."""
    decimals = ["quantity", "requested_quantity", "filled_quantity", "remaining_quantity", "average_price"]
    decimals += ["decision_price", "arrival_price", "slippage_bps"]
    assert all(DECIMAL.fullmatch(document[name]) for name in decimals), document
    assert all(DECIMAL.fullmatch(amount) for amount in document["fees"].values())
    for fill in document["fills"]:
        assert all(DECIMAL.fullmatch(fill[name]) for name in ("quantity", "price", "fee")), fill
        assert TIME.fullmatch(fill["traded_at"])
        assert fill["liquidity"] == "taker"
        assert fill["child_order_id"] == document["child_orders"][0]["id"]
    child = document["child_orders"][0]
    assert all(TIME.fullmatch(child[name]) for name in ("due_at", "sent_at"))
    assert all(TIME.fullmatch(document[name]) for name in ("submitted_at", "created_at", "updated_at"))
    filled = sum(Decimal(fill["quantity"]) for fill in document["fills"])
    cost = sum(Decimal(fill["quantity"]) * Decimal(fill["price"]) for fill in document["fills"])
    assert filled == Decimal(document["filled_quantity"])
    assert abs(cost / filled - Decimal(document["average_price"])) < Decimal("1e-8")
    assert document["fees"] == {"BTC": _plain(sum(Decimal(fill["fee"]) for fill in document["fills"]))}
    arrival = Decimal(document["arrival_price"])
    worse_bps = (Decimal(document["average_price"]) - arrival) / arrival * 10_000
    assert abs(worse_bps - Decimal(document["slippage_bps"])) <= Decimal("0.005")


def _plain(amount: Decimal | int) -> str:
    text = format(amount, "f")
    return text.rstrip("0").rstrip(".") if "." in text else text


def test_short_status_agrees_with_the_document(client: Client):
    document = client.wait_for(client.place()["id"], "FILLED")

    status = client.status(document["id"])

    assert list(status) == STATUS_FIELDS
    assert status == {name: document[name] for name in STATUS_FIELDS}


def test_timeline_tells_every_transition_in_order_with_its_cause(client: Client):
    document = client.wait_for(client.place()["id"], "FILLED")

    steps = client.timeline(document["id"])

    assert all({"at", "entity", "entity_id", "from", "to", "cause", "detail"} == set(step) for step in steps)
    assert all(TIME.fullmatch(step["at"]) and step["cause"] for step in steps)
    assert [step["at"] for step in steps] == sorted(step["at"] for step in steps)
    parent = [step for step in steps if step["entity"] == "order"]
    moved = [step["to"] for step in parent if step["from"] != step["to"]]
    assert moved[:4] == ["RECEIVED", "PREPARED", "VALIDATED", "WORKING"]
    assert moved[-1] == "FILLED"
    children = [step for step in steps if step["entity"] == "child"]
    moved = [step["to"] for step in children if step["from"] != step["to"]]
    assert moved[:2] == ["PLANNED", "SUBMITTING"]
    assert moved[-1] == "FILLED"
    for one in (parent, children):
        assert one[0]["from"] is None
        assert all(before["to"] == after["from"] for before, after in pairwise(one))


def test_order_is_found_by_the_callers_own_id_and_unknown_ones_are_404(client: Client):
    placed = client.place(account="second")

    found = client.show(f"client:{placed['client_order_id']}", account="second")

    assert found["id"] == placed["id"]
    for path in (f"client:{placed['client_order_id']}", "client:nobody", "01hzzzzzzzzzzzzzzzzzzzzzzz", "nonsense"):
        answer = client.http.get(f"/v1/orders/{path}")
        assert (answer.status_code, answer.headers["content-type"]) == (404, "application/problem+json")
    client.wait_for(placed["id"], "FILLED")


def test_plain_celery_client_with_the_brokers_url_alone_places_an_order(deployment: Deployment):
    request = deployment.client.request(quantity=0.0011)  # a JSON number: read by its digits

    deployment.send_task("orders.submit", request=request)

    document = _wait_by_client_id(deployment.client, request["client_order_id"])
    assert (document["status"], document["quantity"]) == ("FILLED", "0.0011")
    repeat = deployment.client.post({**request, "quantity": "0.00110"})
    assert (repeat.status_code, repeat.json()["id"]) == (200, document["id"])


def test_file_on_the_command_line_places_an_order(deployment: Deployment, tmp_path: Path):
    request = deployment.client.request(price="61000.005", quantity="0.002", post_only=True)
    file = tmp_path / "order.json"
    file.write_text(json.dumps(request))

    placed = deployment.run("order", "place", str(file), "--json")

    assert placed.exit_code == 0, placed.logs()
    document = deployment.client.wait_for(json.loads(placed.logs())["id"], "WORKING")
    assert (document["price"], document["post_only"]) == ("61000", True)
    deployment.client.cancel(document["id"])
    deployment.client.wait_for(document["id"], "CANCELED")


def test_books_agree_with_the_venue_at_the_end_of_it_all(deployment: Deployment):
    audit(deployment)


def _wait_by_client_id(client: Client, client_order_id: str) -> dict:
    def is_there() -> bool:
        return client.http.get(f"/v1/orders/client:{client_order_id}").status_code == 200

    eventually(is_there, within_s=60, describe=f"{client_order_id} is taken")
    return client.wait_for(client.show(f"client:{client_order_id}")["id"])
