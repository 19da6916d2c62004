"""An order whose history was archived: the same request is answered with it, and nothing makes it be executed again."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime, timedelta

import pytest
from sqlalchemy import func, select

from settings.retention import Retention
from storage.archive import Look
from storage.cleanup_records import CleanupRecord
from storage.cost_tables import order_markets
from storage.engine import read, write
from storage.order_tables import child_orders, sends, transitions
from tasks.archive import archive
from tasks.commit import commit
from tasks.costs import measure
from tasks.lookup import lookup
from tasks.prepare import prepare
from tasks.runtime import Runtime
from tasks.settle import settle
from tasks.validate import validate
from tasks.withdraw import withdraw
from tests.acceptance.client import Document
from tests.acceptance.deployment import Deployment
from tests.support.waiting import eventually

pytestmark = [pytest.mark.acceptance, pytest.mark.timeout(600)]

LATER = timedelta(days=3)

#: every step of an order; a broker may deliver an old message of each at any time
STEPS = (prepare, validate, commit, settle, withdraw)


class _Later(Runtime):
    """Three days on, beside a deployment that lives today."""

    def now(self) -> datetime:
        return super().now() + LATER


@pytest.fixture
def later(deployment: Deployment, monkeypatch: pytest.MonkeyPatch) -> Iterator[Runtime]:
    monkeypatch.setattr("tasks.costs.app.send_task", lambda *_, **__: None)
    kept = Retention(archive_after_days=1)
    runtime = _Later(deployment.settings.model_copy(update={"retention": kept}))
    yield runtime
    runtime.close()


def archived(runtime: Runtime, order_id: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Of all orders that are old enough then, this one."""
    measure(runtime)
    with write(runtime.engine) as conn:  # nobody asks the venue for the market of its time any more
        conn.execute(order_markets.update().where(order_markets.c.order_id == order_id).values(due_at=None))
    monkeypatch.setattr("tasks.archive.look_for_closed", lambda *_, **__: Look(found=(order_id,), goes_on_after=""))
    record = CleanupRecord(run=order_id, at=runtime.now())
    eventually(lambda: archive(runtime, record) == 1, within_s=60, describe="the order is archived")
    with read(runtime.engine) as conn:
        for rows in (
            select(func.count()).select_from(transitions).where(transitions.c.order_id == order_id),
            select(func.count()).select_from(sends).join(child_orders).where(child_orders.c.order_id == order_id),
        ):
            assert conn.execute(rows).scalar_one() == 0


def test_an_archived_order_is_answered_and_never_executed_again(
    deployment: Deployment, later: Runtime, monkeypatch: pytest.MonkeyPatch
) -> None:
    client = deployment.client
    request = client.request(quantity="0.001", tags={"archived": client.new_id()})
    first = client.post(request)
    order = client.wait_for(first.json()["id"], "FILLED")
    steps = client.timeline(order["id"])
    sent = order["child_orders"][0]["venue_client_order_id"]
    archived(later, order["id"], monkeypatch)

    again = client.post(request)
    other = client.post({**request, "quantity": "0.002"})
    deployment.send_task("orders.submit", request=request)
    child_id = order["child_orders"][0]["id"]
    stale = [step(later, order_id=order["id"]) for step in STEPS for _ in range(2)]
    stale += [commit(later, order_id=order["id"], child_id=child_id), lookup(later, child_id=child_id)]
    after = client.wait_for(client.place()["id"], "FILLED")
    cancelled = client.cancel(order["id"])

    assert (first.status_code, again.status_code, other.status_code) == (201, 200, 409)
    assert again.headers["idempotency-replayed"] == "true"
    assert same(again.json()) == same(order) == same(client.show(order["id"]))
    assert client.timeline(order["id"]) == steps
    assert cancelled.status_code == 409
    tag = f"archived:{request['tags']['archived']}"
    assert [one["id"] for one in client.page(tag=tag)["items"]] == [order["id"]]
    assert all(stale), stale  # each says why nothing was to be done
    at_venue = [one["client_order_id"] for one in deployment.venue.orders()]
    assert at_venue.count(sent) == 1
    assert at_venue.count(after["child_orders"][0]["venue_client_order_id"]) == 1


def same(document: Document) -> Document:
    """What the market did is measured after the end, whenever that is."""
    return {name: value for name, value in document.items() if name not in ("updated_at", "version")}
