"""Every single commit of an order's way fails once, in each way that a commit can fail: the order ends as it should.

The way is walked again and again, and the n-th commit fails in the n-th walk, until a walk has no n-th commit.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Iterator
from itertools import count
from typing import Any, Protocol

import pytest
from sqlalchemy import Connection, event

from models.errors import Unavailable
from storage.engine import make_engine
from storage.orders import Stale
from tasks.rescue import rescue
from tasks.step import patiently
from tests.integration.orders.conftest import BOTH, OpenDesk
from tests.integration.orders.in_doubt import (
    QUICK_PROOF,
    REPLY_LOST,
)
from tests.integration.orders.test_crashes import let_leases_run_out
from tests.support import runtime as stepped
from tests.support.proxy import POSTGRES_COMMIT, Lost, Proxy
from tests.support.runtime import MARKET, Desk
from workflows import submit

pytestmark = [pytest.mark.timeout(600)]

ON_POSTGRES = pytest.mark.parametrize("database_url", BOTH[1:], indirect=True)
ON_SQLITE = pytest.mark.parametrize("database_url", BOTH[:1], indirect=True)

#: an order's way has fewer commits than this, or it has no end
MOST_COMMITS = 60


#: What was claimed in a commit of which only the answer is lost stays claimed until its lease is over, which is waited for.
SOON_TAKEN_OVER = {**QUICK_PROOF, "lease_ms": 1_000, "retry_base_ms": 1}


class Fault(Protocol):
    def arm(self, nth: int) -> None: ...

    def has_struck(self) -> bool: ...


# ------------------------------------------------------------------------------------------------------ the ways


def market(desk: Desk, name: str) -> str:
    return place(desk, name, MARKET)


def answer_of_the_venue_lost(desk: Desk, name: str) -> str:
    desk.venue.arm(REPLY_LOST)
    return place(desk, name, {**MARKET, "side": "sell"})


def canceled(desk: Desk, name: str) -> str:
    order_id = place(desk, name, {**MARKET, "type": "limit", "price": str(desk.bid() - 1000)})
    walk_on(desk, lambda: bool(desk.document(order_id)["child_orders"]) and desk.child(order_id).status == "ACCEPTED")
    insistently(lambda: desk.cancel(order_id))
    return order_id


WAYS: dict[str, tuple[Callable[[Desk, str], str], str]] = {
    "filled": (market, "FILLED"),
    "found again": (answer_of_the_venue_lost, "FILLED"),
    "canceled": (canceled, "CANCELED"),
}


def place(desk: Desk, name: str, request: Any) -> str:
    """As a caller does that is told to come again: the same request until it is answered."""
    request = {**request, "client_order_id": name}
    return str(insistently(lambda: submit.submit_order(desk.runtime, request, source="test")).document["id"])


def insistently(ask: Callable[[], Any]) -> Any:
    for _ in range(5):
        try:
            return ask()
        except Unavailable:
            continue
    raise AssertionError("told to come again for the fifth time, with one fault in all")


def walk_on(desk: Desk, done: Callable[[], bool]) -> None:
    """What workers and beat do: the outbox, each step with its patience, and a look for what stands."""
    for _ in range(30):
        desk.pump()
        if done():
            return
        let_leases_run_out(desk)
        patiently(rescue)(desk.runtime)
    raise AssertionError(f"still not done after 30 rescues: {desk.log[-20:]}")


# ---------------------------------------------------------------------------------------------------- the faults


class LostOnTheWire:
    """The connection breaks in a COMMIT: before the server has it, or after it was done and before its answer."""

    def __init__(self, proxy: Proxy, lost: Lost) -> None:
        self._proxy, self._lost = proxy, lost

    def arm(self, nth: int) -> None:
        self._proxy.lose(POSTGRES_COMMIT, nth=nth, lost=self._lost)

    def has_struck(self) -> bool:
        return self._proxy.struck > 0


class RefusedByTheServer:
    """The server itself raises the SQLSTATE in the last statement before the COMMIT."""

    def __init__(self, desk: Desk, sqlstate: str) -> None:
        self._left, self._struck = 0, False
        self._raise = f"DO $$ BEGIN RAISE EXCEPTION 'refused by the test' USING ERRCODE = '{sqlstate}'; END $$"
        event.listen(desk.runtime.engine, "commit", self._strike)

    def arm(self, nth: int) -> None:
        self._left, self._struck = nth, False

    def has_struck(self) -> bool:
        return self._struck

    def _strike(self, connection: Connection) -> None:
        self._left -= 1
        if self._left == 0:
            self._struck = True
            connection.exec_driver_sql(self._raise)


class FailedBySqlite:
    """SQLite fails a COMMIT with this code; ``done``: although it is on disk already."""

    def __init__(self, desk: Desk, code: int, *, done: bool) -> None:
        self._code, self._done = code, done
        self._left, self._struck = 0, False
        event.listen(desk.runtime.engine, "commit", self._strike)

    def arm(self, nth: int) -> None:
        self._left, self._struck = nth, False

    def has_struck(self) -> bool:
        return self._struck

    def _strike(self, connection: Connection) -> None:
        self._left -= 1
        if self._left == 0:
            self._struck = True
            if self._done:
                connection.connection.cursor().execute("COMMIT")
            failure = sqlite3.OperationalError("failed by the test")
            failure.sqlite_errorcode = self._code
            raise failure


# ----------------------------------------------------------------------------------------------------- the walks


@pytest.fixture
def through_a_proxy(open_a_desk: OpenDesk, database_url: str) -> Iterator[tuple[Desk, Proxy]]:
    """A desk whose steps reach PostgreSQL through a proxy, and whose looks do not."""
    looks = make_engine(database_url)
    with Proxy.before(database_url) as proxy:
        desk = open_a_desk(**SOON_TAKEN_OVER, database_url=proxy.url(database_url))
        desk.engine = looks
        yield desk, proxy
        looks.dispose()


@pytest.fixture(autouse=True)
def _patient_steps(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(stepped, "STEPS", {name: as_a_worker(step) for name, step in stepped.STEPS.items()})


def as_a_worker(step: stepped.Step) -> stepped.Step:
    """As the Celery task around each step: with patience, and a row that has moved on is an outcome."""
    patient = patiently(step)

    def run(*args: Any, **kwargs: Any) -> str:
        try:
            return patient(*args, **kwargs)
        except Stale as error:
            return f"moved on: {error}"

    return run


@ON_POSTGRES
@pytest.mark.parametrize("lost", ["request", "reply"])
@pytest.mark.parametrize("way", WAYS)
def test_connection_breaks_in_a_commit(through_a_proxy: tuple[Desk, Proxy], way: str, lost: Lost) -> None:
    desk, proxy = through_a_proxy
    walk_until_no_commit_is_left(desk, LostOnTheWire(proxy, lost), way)


@ON_POSTGRES
@pytest.mark.parametrize(
    "sqlstate", ["40001", "40P01", "53100"], ids=["serialization failure", "deadlock", "disk full"]
)
@pytest.mark.parametrize("way", WAYS)
def test_postgresql_refuses_a_transaction_at_its_end(open_a_desk: OpenDesk, way: str, sqlstate: str) -> None:
    desk = open_a_desk(**SOON_TAKEN_OVER)
    desk.engine = make_engine(desk.engine.url)
    walk_until_no_commit_is_left(desk, RefusedByTheServer(desk, sqlstate), way)
    desk.engine.dispose()


@ON_SQLITE
@pytest.mark.parametrize(
    ("code", "done"),
    [
        pytest.param(sqlite3.SQLITE_FULL, False, id="full"),
        pytest.param(sqlite3.SQLITE_IOERR, True, id="I-O error after it was done"),
    ],
)
@pytest.mark.parametrize("way", WAYS)
def test_sqlite_fails_a_commit(open_a_desk: OpenDesk, way: str, code: int, done: bool) -> None:
    desk = open_a_desk(**SOON_TAKEN_OVER)
    desk.engine = make_engine(desk.engine.url)
    walk_until_no_commit_is_left(desk, FailedBySqlite(desk, code, done=done), way)
    desk.engine.dispose()


def walk_until_no_commit_is_left(desk: Desk, fault: Fault, way: str) -> None:
    begin, end = WAYS[way]
    for nth in count(1):
        assert nth < MOST_COMMITS, "the way has no end"
        fault.arm(nth)

        order_id = begin(desk, f"walk-{nth}")
        walk_on(desk, lambda order_id=order_id: desk.order(order_id).is_final)

        where = f"commit {nth} failed: {desk.log[-20:]}"
        assert desk.order(order_id).status == end, where
        assert len(desk.at_venue(order_id)) == 1, where
        assert desk.held(order_id) == {}, where
        if not fault.has_struck():
            break
        desk.log.clear()
    assert nth > 5, "so few commits can't be the whole way"
    desk.assert_books_match()
