"""Amending with real processes: over HTTP, by Celery and on the command line, on every stack."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from decimal import Decimal

import pytest

from tests.acceptance.audit import audit
from tests.acceptance.client import Client, Document
from tests.acceptance.deployment import Deployment
from tests.acceptance.test_endings import resting
from tests.support.waiting import eventually

pytestmark = [pytest.mark.acceptance, pytest.mark.timeout(600)]


def patch(client: Client, order_id: str, **change: str) -> int:
    return client.http.patch(f"/v1/orders/{order_id}", json=change).status_code


def amended(client: Client, order_id: str, quantity: str) -> Document:
    """The document once the order rests with its new total."""

    def is_so() -> bool:
        document = client.show(order_id)
        return document["status"] in ("WORKING", "PARTIALLY_FILLED") and document["quantity"] == quantity

    eventually(is_so, within_s=120, describe=lambda: f"amended to {quantity}: {client.story(order_id)}")
    return client.show(order_id)


def resting_at_venue(deployment: Deployment, document: Document) -> Decimal:
    names = {child["venue_client_order_id"] for child in document["child_orders"]}
    return sum(
        (
            Decimal(order["quantity"])
            for order in deployment.venue.orders()
            if order["client_order_id"] in names and order["status"] in ("NEW", "PARTIALLY_FILLED")
        ),
        Decimal(0),
    )


def test_the_same_patch_64_times_at_once_has_one_effect(deployment: Deployment) -> None:
    order_id = resting(deployment.client, quantity="0.002")["id"]

    with ThreadPoolExecutor(64) as threads:
        statuses = list(threads.map(lambda _: patch(deployment.client, order_id, quantity="0.003"), range(64)))
    document = amended(deployment.client, order_id, "0.003")

    assert set(statuses) == {202}
    assert resting_at_venue(deployment, document) == Decimal("0.003")
    asked = [step for step in deployment.client.timeline(order_id) if step["cause"] == "amend by http"]
    assert len(asked) == 1
    deployment.client.cancel(order_id)
    deployment.client.wait_for(order_id, "CANCELED")
    audit(deployment)


def test_another_service_amends_by_a_message(deployment: Deployment) -> None:
    document = resting(deployment.client, quantity="0.002")

    deployment.send_task("orders.amend", client_order_id=document["client_order_id"], account="main", quantity="0.001")
    document = amended(deployment.client, document["id"], "0.001")

    assert resting_at_venue(deployment, document) == Decimal("0.001")
    deployment.client.cancel(document["id"])
    deployment.client.wait_for(document["id"], "CANCELED")
