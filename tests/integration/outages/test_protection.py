"""The database goes away just as a breaker is asked: nothing is sent for it, and nothing is held back for it."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from exchanges.evidence import VenueError
from exchanges.protection.lanes import in_lane
from exchanges.protection.refused import BreakerOpen
from exchanges.protection.turnstile import VenueTurnstile
from risk.breaker import BreakerStatus
from risk.lane import Lane
from storage import schema
from storage.engine import is_unavailable
from tasks.commit import commit
from tests.integration.orders.conftest import OpenDesk
from tests.integration.orders.test_held_back import PLACE, open_the_breaker, status, until_validated
from tests.support.proxy import Proxy
from tests.support.runtime import Desk
from tests.support.servers.postgres import PostgresServer

pytestmark = [pytest.mark.integration, pytest.mark.postgres]


@pytest.fixture
def proxy(postgres_server: PostgresServer) -> Iterator[Proxy]:
    with Proxy.before(postgres_server.admin_url) as made:
        yield made


@pytest.fixture
def database_url(postgres_server: PostgresServer, proxy: Proxy) -> Iterator[str]:
    """In the place of the folder's: through the proxy."""

    def migrate(url: str) -> None:
        schema.upgrade(url)

    url = postgres_server.create_database(template=postgres_server.template("orders", migrate))
    yield proxy.url(url)
    postgres_server.drop_database(url)


def at_venue(desk: Desk, order_id: str) -> list[str]:
    """What the venue has of an order, by its own statuses."""
    ours = desk.child(order_id).venue_client_order_id
    return [order["status"] for order in desk.venue.orders() if order["client_order_id"] == ours]


def without_database(desk: Desk, proxy: Proxy) -> None:
    proxy.refuse()
    desk.runtime.advance(1)  # what is known of breakers has to be read again


def test_an_order_that_was_read_before_the_database_went_away_is_not_sent(
    open_a_desk: OpenDesk, proxy: Proxy, monkeypatch: pytest.MonkeyPatch
) -> None:
    desk = open_a_desk(max_age_s=3_600)
    order_id = until_validated(desk)
    asked: list[str] = []
    admit = VenueTurnstile.admit

    def asks(turnstile: VenueTurnstile, weight: float) -> None:
        without_database(desk, proxy)
        admit(turnstile, weight)
        asked.append("admitted, as it was when it was last known")

    monkeypatch.setattr(VenueTurnstile, "admit", asks)
    with pytest.raises(Exception) as away:  # noqa: PT011 - each driver has its own; what it proves is asserted
        commit(desk.runtime, order_id=order_id)
    monkeypatch.undo()
    proxy.heal()
    sent = at_venue(desk, order_id)
    desk.work(order_id)

    assert is_unavailable(away.value)
    assert asked
    assert sent == []
    assert desk.end(order_id) == ("FILLED", None, "0.01")
    assert at_venue(desk, order_id) == ["FILLED"]


def test_a_cancel_reaches_its_venue_and_an_open_breaker_stays_open(open_a_desk: OpenDesk, proxy: Proxy) -> None:
    desk = open_a_desk(failure_threshold=5)
    resting = desk.limit("-1000")
    desk.work(resting)
    number = desk.child(resting).venue_order_id
    assert number is not None
    gateway = desk.runtime.gateways.get(*PLACE)
    open_the_breaker(desk)

    without_database(desk, proxy)
    with pytest.raises(BreakerOpen):
        gateway.quote("BTC/USDT")
    with in_lane(Lane.URGENT):
        gateway.cancel_order("BTC/USDT", number)
    proxy.heal()
    ended = at_venue(desk, resting)
    desk.cancel(resting)
    desk.pump(lambda: desk.order(resting).is_final)

    assert ended == ["CANCELED"]
    assert desk.end(resting)[0] == "CANCELED"


def test_what_a_venue_did_is_told_as_it_was_though_it_can_be_counted_nowhere(
    open_a_desk: OpenDesk, proxy: Proxy
) -> None:
    desk = open_a_desk(failure_threshold=1)
    gateway = desk.runtime.gateways.get(*PLACE)
    gateway.quote("BTC/USDT")
    desk.venue.arm({"kind": "error", "status": 503, "when": "before"})

    without_database(desk, proxy)
    with pytest.raises(VenueError) as told:
        gateway.quote("BTC/USDT")
    proxy.heal()

    assert (told.value.status, told.value.outage) == (503, True)
    desk.runtime.advance(1)
    assert status(desk) is BreakerStatus.CLOSED
