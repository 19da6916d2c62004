"""One venue hangs, then dies, and another one goes on as if nothing were: seats, breaker and probe in real processes."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.acceptance.client import Client, Document
from tests.acceptance.deployment import CONFIGURATION, Deployment
from tests.support.paper import KEY, SECRET, PaperProcess
from tests.support.waiting import eventually

pytestmark = [pytest.mark.acceptance, pytest.mark.sqlite_embedded, pytest.mark.timeout(900)]

#: longer than any wait below: what waits on the venue that hangs holds its thread until the test lets it go
HANGS_MS = 600_000
TIMEOUT_MS = 120_000
#: a net; shorter than the time after which a thread that waits on the venue that hangs would be free again
NET_S = 100.0

#: more than the threads of the worker that asks venues, and more cancels than the one of cancels has
ORDERS, RESTING = 24, 10

HANGING = """
[venues.hangs]
ccxt_id = "binance"
base_url = "{url}"
api_key = "{key}"
secret = "{secret}"
timeout_ms = {timeout_ms}
visibility_lag_ms = 300
rate_limit = "100000/second"
"""
BREAKER = "[breaker]\nfailure_threshold = 5\nrecovery_timeout_ms = 3000\n"


@pytest.fixture
def hangs(tmp_path: Path) -> Iterator[PaperProcess]:
    with PaperProcess(tmp_path / "hangs") as venue:
        yield venue


@pytest.fixture
def deployment(hangs: PaperProcess, tmp_path: Path) -> Iterator[Deployment]:
    _, _, rest = CONFIGURATION.partition("[execution]")
    section = HANGING.format(url=hangs.url, key=KEY, secret=SECRET, timeout_ms=TIMEOUT_MS)
    made = Deployment(
        tmp_path / "deployment",
        stack="sqlite-embedded",
        env={"STEADFILL_HOME": str(tmp_path / "home")},
        servers={},
        configuration=f"{BREAKER}\n[execution]{rest}{section}",
    )
    made.start()
    yield made
    made.stop()


def rest_at(client: Client, venue: str) -> str:
    order_id: str = client.place(venue=venue, price="30000", quantity="0.01")["id"]
    client.wait_for(order_id, "WORKING")
    return order_id


def breaker_of(client: Client, venue: str) -> Any:
    items: list[Document] = client.http.get("/v1/venues").json()["items"]
    (found,) = [item for item in items if (item["venue"], item["account"]) == (venue, "main")]
    return found["breaker"]["state"]


def test_a_venue_that_hangs_leaves_the_other_its_threads_and_is_used_again_once_it_is_back(
    deployment: Deployment, hangs: PaperProcess
) -> None:
    client = deployment.client
    for venue in ("hangs", "paper"):
        client.wait_for(client.place(venue=venue)["id"], "FILLED")
    at_hangs, at_paper = [rest_at(client, "hangs") for _ in range(RESTING)], rest_at(client, "paper")

    hangs.arm({"kind": "latency", "when": "before", "delay_ms": HANGS_MS})
    waiting = [client.place(venue="hangs")["id"] for _ in range(ORDERS)]
    for order_id in at_hangs:
        client.cancel(order_id)
    healthy = [client.place(venue="paper")["id"] for _ in range(ORDERS)]
    client.cancel(at_paper)

    for order_id in healthy:
        client.wait_for(order_id, "FILLED", within_s=NET_S)
    client.wait_for(at_paper, "CANCELED", within_s=NET_S)
    assert {client.status(order_id)["status"] for order_id in waiting} == {"RECEIVED"}, "these still hang"
    assert {client.status(order_id)["status"] for order_id in at_hangs} == {"PENDING_CANCEL"}

    hangs.kill()
    eventually(lambda: breaker_of(client, "hangs") != "closed", within_s=NET_S, describe="its breaker opens")
    assert breaker_of(client, "paper") == "closed"
    assert client.wait_for(client.place(venue="paper")["id"], "FILLED")["filled_quantity"] == "0.001"

    hangs.start()
    eventually(lambda: breaker_of(client, "hangs") == "closed", within_s=NET_S, describe="a probe closes its breaker")
    for order_id in waiting:
        client.wait_for(order_id, "FILLED")
    for order_id in at_hangs:
        client.wait_for(order_id, "CANCELED")
