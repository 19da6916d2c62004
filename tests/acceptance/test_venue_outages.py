"""A venue that goes away, with the breaker's own defaults, and one that bans who asks too much: whole deployments."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from exchanges.paper.journal import read_faults
from models.clock import format_time
from risk.breaker import BreakerStatus, Transition
from storage.breakers import list_transitions
from storage.engine import read
from tests.acceptance.audit import differences
from tests.acceptance.client import Client, Document
from tests.acceptance.conftest import servers_of
from tests.acceptance.deployment import CONFIGURATION, Deployment
from tests.support.paper import KEY, SECRET, PaperProcess
from tests.support.stacks import STACKS
from tests.support.waiting import eventually

pytestmark = [pytest.mark.acceptance, pytest.mark.timeout(900)]

#: a net under hangs, in seconds
NET_S = 180.0

#: Everything else of the breaker is as it comes: five failures, counted over all processes.
BREAKER = "[breaker]\nrecovery_timeout_ms = 3000\n"

#: of the venue's own count, in which a plain request is 5; more than that is 429, and whoever goes on is banned
WEIGHT_A_MINUTE = 500
#: all together weigh more than that
BURST = 150
CALLERS = 8
NARROW = """
[venues.narrow]
ccxt_id = "binance"
base_url = "{url}"
api_key = "{key}"
secret = "{secret}"
timeout_ms = 60000
rate_limit = "{a_minute}/minute"
"""

#: what an outage looks like: nobody listens, all is answered 503, or nothing is answered
FORMS = ("refuses", "fails", "hangs")
FAULTS: dict[str, dict[str, Any]] = {
    "fails": {"kind": "error", "status": 503, "when": "before"},
    "hangs": {"kind": "latency", "when": "before", "delay_ms": 600_000},
}


class BesideNarrow(Deployment):
    """With a second venue, which counts what it is asked."""

    narrow: PaperProcess


@pytest.fixture(scope="module", params=list(STACKS))
def running(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[BesideNarrow]:
    """In the place of the deployment that other tests share: whose breaker never opens."""
    folder: Path = tmp_path_factory.mktemp(f"outages-{request.param}")
    _, _, rest = CONFIGURATION.partition("[execution]")
    narrow = PaperProcess(folder / "narrow", weight_limit=WEIGHT_A_MINUTE)
    with contextlib.ExitStack() as servers:
        servers.enter_context(narrow)
        section = NARROW.format(url=narrow.url, key=KEY, secret=SECRET, a_minute=WEIGHT_A_MINUTE // 5)
        env, ours = servers_of(request, servers)
        made = BesideNarrow(
            folder,
            stack=request.param,
            env={**env, "STEADFILL_HOME": str(folder / "home")},
            servers=ours,
            configuration=f"{BREAKER}\n[execution]{rest}{section}",
        )
        made.narrow = narrow
        servers.callback(made.stop)
        made.start()
        yield made


def goes_away(venue: PaperProcess, form: str) -> None:
    if form == "refuses":
        venue.kill()
    else:
        venue.arm(FAULTS[form])


def comes_back(venue: PaperProcess, form: str) -> None:
    if form == "refuses":
        venue.start()
    else:
        venue.disarm()


def cancels_struck(venue: PaperProcess) -> int:
    """How many cancels the outage has met."""
    return sum(hit.request.startswith("DELETE") for hit in read_faults(venue.home))


def shown(client: Client, venue: str = "paper") -> Document:
    items: list[Document] = client.http.get("/v1/venues").json()["items"]
    (found,) = [item for item in items if (item["venue"], item["account"]) == (venue, "main")]
    return found


def breaker(client: Client) -> str:
    return str(shown(client)["breaker"]["state"])


def waits_for_the_breaker(order: Document) -> bool:
    return order["status"] == "RECEIVED" and (order["reason"] or {}).get("code") == "BREAKER_OPEN"


def opened_since(deployment: Deployment, count: int) -> list[Transition]:
    """What the breaker of the test's venue went through after its first ``count`` moves, oldest first."""
    with read(deployment.engine) as conn:
        found = [entry.transition for entry in list_transitions(conn, limit=1_000) if entry.venue == "paper"]
    return found[::-1][count:]


def assert_same_as(venue: PaperProcess, client: Client, name: str) -> None:
    wrong = list(differences(list(client.orders(venue=name)), venue.orders()))
    assert not wrong, "\n".join(wrong)


@pytest.fixture
def narrow(running: BesideNarrow) -> PaperProcess:
    return running.narrow


@pytest.mark.parametrize("form", FORMS)
def test_an_outage_opens_the_breaker_orders_wait_and_each_is_sent_once_when_it_is_over(
    deployment: Deployment, form: str
) -> None:
    client, venue = deployment.client, deployment.venue
    before = len(opened_since(deployment, 0))
    earlier, resting = (client.place(price="30000")["id"] for _ in range(2))
    for order_id in (earlier, resting):
        client.wait_for(order_id, "WORKING")
    client.cancel(earlier)  # the process that cancels has met the venue's markets and clock
    client.wait_for(earlier, "CANCELED")

    goes_away(venue, form)
    tried = cancels_struck(venue)
    waiting = [client.place()["id"] for _ in range(6)]
    eventually(lambda: breaker(client) != "closed", within_s=NET_S, describe="five failures open the breaker")
    waiting += [client.place(price="90000")["id"] for _ in range(2)]
    over_at = datetime.now(UTC) + timedelta(seconds=4)
    too_late = client.place(price="30000", expires_at=format_time(over_at))["id"]
    client.cancel(resting)
    eventually(
        lambda: all(waits_for_the_breaker(client.show(order_id)) for order_id in waiting),
        within_s=NET_S,
        describe=lambda: "all say what they wait for\n" + "\n".join(map(client.story, waiting)),
    )
    ended = client.wait_for(too_late, "EXPIRED", within_s=NET_S)
    if form != "refuses":  # where somebody listens, the cancel is seen to have been tried
        eventually(lambda: cancels_struck(venue) > tried, within_s=NET_S, describe="the cancel is tried")
    assert breaker(client) != "closed"
    assert shown(client)["last_error"] is not None

    comes_back(venue, form)

    eventually(lambda: breaker(client) == "closed", within_s=NET_S, describe="a probe closes the breaker")
    for order_id in waiting:
        client.wait_for(order_id, "FILLED", within_s=NET_S)
    client.wait_for(resting, "CANCELED", within_s=NET_S)
    assert "the breaker of paper (account main) is open since" in ended["reason"]["message"]
    assert ended["child_orders"] == [] or ended["child_orders"][0]["sent_at"] is None
    assert_same_as(venue, client, "paper")
    moves = opened_since(deployment, before)
    assert [moves[0].before, moves[0].after] == [BreakerStatus.CLOSED, BreakerStatus.OPEN]
    assert [moves[-1].before, moves[-1].after] == [BreakerStatus.HALF_OPEN, BreakerStatus.CLOSED]
    assert [move.after for move in moves[:-1]] == [move.before for move in moves[1:]]


def test_a_prober_that_is_killed_leaves_the_probe_to_another(disturbed: Deployment) -> None:
    deployment, client, venue = disturbed, disturbed.client, disturbed.venue
    before = len(opened_since(deployment, 0))
    prober = deployment.processes["worker-urgent"]
    goes_away(venue, "hangs")
    waiting = [client.place()["id"] for _ in range(6)]

    def is_caught_probing() -> bool:
        if breaker(client) != "half_open":
            return False
        prober.pause()
        if breaker(client) == "half_open":
            return True
        prober.resume()
        return False

    eventually(is_caught_probing, within_s=NET_S, describe="it holds the probe")
    prober.kill()
    comes_back(venue, "hangs")
    deployment.start_pieces()

    eventually(lambda: breaker(client) == "closed", within_s=NET_S, describe="another probe closes the breaker")
    for order_id in waiting:
        client.wait_for(order_id, "FILLED", within_s=NET_S)
    assert any("fell silent" in move.cause for move in opened_since(deployment, before))
    assert_same_as(venue, client, "paper")


def test_a_burst_of_orders_never_brings_a_ban(deployment: Deployment, narrow: PaperProcess) -> None:
    client = deployment.client
    resting = client.place(venue="narrow", price="30000")["id"]
    client.wait_for(resting, "WORKING", within_s=NET_S)

    with ThreadPoolExecutor(CALLERS) as callers:
        burst = list(callers.map(lambda _: client.place(venue="narrow")["id"], range(BURST)))

    def is_held_back() -> bool:
        codes = {(order["reason"] or {}).get("code") for order in client.orders(venue="narrow", status="RECEIVED")}
        filled = client.page(venue="narrow", status="FILLED", limit=5)["items"]
        return len(filled) >= 5 and "RATE_SPENT" in codes

    eventually(is_held_back, within_s=NET_S, describe="some are filled and others wait for the rate")
    client.cancel(resting)
    client.wait_for(resting, "CANCELED", within_s=NET_S)  # in the lane that the burst has no part in
    assert any(client.status(order_id)["status"] == "RECEIVED" for order_id in burst), "others wait still"
    with ThreadPoolExecutor(CALLERS) as callers:
        list(callers.map(client.cancel, burst))
    for order_id in burst:
        client.wait_for(order_id, "FILLED", "CANCELED", within_s=NET_S)

    told = [f"{name}: {line}" for name, text in deployment.written() for line in text.splitlines() if is_a_limit(line)]
    assert not told, "\n".join(told[:5])
    assert shown(client, "narrow")["rate"]["closed_until"] is None
    assert shown(client, "narrow")["breaker"]["state"] == "closed"
    assert_same_as(narrow, client, "narrow")


def is_a_limit(line: str) -> bool:
    return any(word in line for word in ("HTTP 429", "HTTP 418", "-1003"))
