"""The API in front of a PostgreSQL that breaks off, hangs or dies: no 201 that is not kept, and an answer to everybody."""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

import httpx
import pytest
from sqlalchemy import text

from storage.engine import make_engine, read
from tests.integration.api.conftest import Api, StartApi, start_api
from tests.support.proxy import POSTGRES_COMMIT, Proxy
from tests.support.servers.missing import UnavailableError
from tests.support.servers.postgres import PostgresServer, start_private
from tests.support.waiting import eventually

pytestmark = [pytest.mark.integration, pytest.mark.postgres, pytest.mark.timeout(600)]

__all__ = ["start_api"]

#: longer than any answer may take; what takes longer fails the test by itself
PATIENCE_S = 60.0


@dataclass(kw_only=True)
class Site:
    api: Api
    proxy: Proxy
    server: PostgresServer
    #: around the proxy
    direct_url: str


@pytest.fixture(scope="module")
def running(start_api: StartApi) -> Iterator[Site]:
    """A PostgreSQL that may be killed, a proxy before it, and an API before that."""
    try:
        server = start_private()
    except UnavailableError as reason:
        pytest.skip(f"no PostgreSQL of our own: {reason}")
    url = server.create_database()
    with Proxy.before(url) as proxy:
        api = start_api(proxy.url(url))
        api.client.timeout = httpx.Timeout(PATIENCE_S)
        yield Site(api=api, proxy=proxy, server=server, direct_url=url)
        proxy.heal()
        api.process.stop()
        api.engine.dispose()
    server.close()


@pytest.fixture
def site(running: Site) -> Iterator[Site]:
    running.proxy.heal()
    eventually(
        lambda: running.api.client.get("/health").json()["components"]["database"]["status"] == "ok",
        within_s=PATIENCE_S,
        describe="the database is back",
    )
    yield running
    running.proxy.heal()


def orders_under(site: Site, client_order_id: str) -> int:
    engine = make_engine(site.direct_url)
    with read(engine) as conn:
        count = text("SELECT count(*) FROM orders WHERE client_order_id = :id")
        found = conn.execute(count, {"id": client_order_id}).scalar_one()
    engine.dispose()
    return int(found)


def assert_told_to_come_again(answer: httpx.Response, *codes: str) -> None:
    assert (answer.status_code, answer.headers["content-type"]) == (503, "application/problem+json"), answer.text
    assert int(answer.headers["retry-after"]) > 0
    problem = answer.json()
    assert problem["code"] in codes
    assert "again" in problem["detail"]


def assert_taken_in_the_end(site: Site, client_order_id: str) -> None:
    """As a caller does that is told to come again: the same request until it is answered."""

    def taken() -> bool:
        answer = site.api.place(client_order_id)
        assert answer.status_code in (200, 201), answer.text
        return True

    eventually(taken, within_s=PATIENCE_S, describe=f"{client_order_id} is taken")


def test_order_whose_commit_lost_its_answer_is_one_order(site: Site) -> None:
    site.proxy.lose(POSTGRES_COMMIT, lost="reply", after=b"answer-lost")

    refused = site.api.place("answer-lost")
    again = site.api.place("answer-lost")

    assert site.proxy.struck == 1
    assert_told_to_come_again(refused, "OUTCOME_UNKNOWN")
    assert (again.status_code, again.headers["idempotency-replayed"]) == (200, "true")
    assert orders_under(site, "answer-lost") == 1


def test_order_whose_commit_never_arrived_is_taken_by_the_next_request(site: Site) -> None:
    site.proxy.lose(POSTGRES_COMMIT, lost="request", after=b"request-lost")

    refused = site.api.place("request-lost")
    taken_by_then = orders_under(site, "request-lost")
    again = site.api.place("request-lost")

    assert site.proxy.struck == 1
    assert_told_to_come_again(refused, "OUTCOME_UNKNOWN")
    assert taken_by_then == 0
    assert again.status_code == 201
    assert orders_under(site, "request-lost") == 1


def test_database_that_refuses_connections(site: Site) -> None:
    site.proxy.refuse()

    refused = site.api.place("refused")
    health = site.api.client.get("/health")
    site.proxy.heal()
    again = site.api.place("refused")

    assert_told_to_come_again(refused, "STORAGE_UNAVAILABLE")
    assert (health.status_code, health.json()["components"]["database"]["status"]) == (503, "down")
    assert "broker" in health.json()["components"]
    assert again.status_code == 201


def test_database_that_answers_nothing_keeps_nobody_waiting_for_ever(site: Site) -> None:
    """More callers than there are threads: those who only stood in line are told as well."""
    site.proxy.hold()
    with ThreadPoolExecutor(40) as callers:
        refused = [callers.submit(site.api.place, f"held-{number}") for number in range(39)]
        health = callers.submit(site.api.client.get, "/health")
        lives = site.api.client.get("/health/live")
        answers = [asked.result() for asked in refused]
    site.proxy.heal()

    assert lives.status_code == 200
    for answer in answers:  # those who could not even connect know that nothing was taken
        assert_told_to_come_again(answer, "OUTCOME_UNKNOWN", "STORAGE_UNAVAILABLE")
    assert (health.result().status_code, health.result().json()["components"]["database"]["status"]) == (503, "down")
    for number in range(39):
        assert_taken_in_the_end(site, f"held-{number}")
    assert {orders_under(site, f"held-{number}") for number in range(39)} == {1}


def test_what_was_answered_with_201_outlives_a_kill_of_the_database(site: Site) -> None:
    with ThreadPoolExecutor(8) as callers:
        asked = [callers.submit(site.api.place, f"killed-{number}") for number in range(60)]
        eventually(lambda: sum(one.done() for one in asked) > 10, within_s=PATIENCE_S, describe="some were taken")
        site.server.kill()
        answers = [one.result() for one in asked]
    site.server.start()
    assert_taken_in_the_end(site, "killed-0")

    for number, answer in enumerate(answers):
        if answer.status_code == 201:
            assert orders_under(site, f"killed-{number}") == 1
        else:
            assert answer.status_code == 503, answer.text
    for number in range(60):
        assert_taken_in_the_end(site, f"killed-{number}")
    assert {orders_under(site, f"killed-{number}") for number in range(60)} == {1}
