"""The order protocol on Nobitex: a class of our own, a venue without a deadline, in rials."""

from __future__ import annotations

from collections.abc import Iterator
from decimal import Decimal
from pathlib import Path
from typing import Any, cast

import pytest
from sqlalchemy import Engine, func, select

from models.errors import InvalidRequest
from models.vocabulary import ChildStatus
from settings import Settings
from storage.engine import read
from storage.ledger import balances, invariants
from storage.order_tables import orders
from tasks.runtime import use_runtime
from tests.contract.dialects.dialect import KEY
from tests.contract.dialects.nobitex import Rials
from tests.contract.dialects.server import Fault, Operation
from tests.integration.orders.conftest import ON_SQLITE
from tests.support.paper import PaperProcess
from tests.support.runtime import ROOM, UNTROUBLED, Desk, SteppedRuntime
from workflows import amend, cancel, resolve, submit

pytestmark = ON_SQLITE

D = Decimal
CROSSING: dict[str, Any] = {"type": "limit", "price": "62000", "quantity": "0.03"}


class _NoPublisher:
    def hand_over(self, posting: object) -> None:
        pass


@pytest.fixture
def venue() -> Iterator[Rials]:
    made = Rials()
    yield made
    made.calm()
    made.close()


@pytest.fixture
def desk(venue: Rials, database_url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Desk]:
    nobitex = {
        "ccxt_id": "nobitex",
        "base_url": venue.server.url,
        "accounts": {"main": {"api_key": KEY, "secret": KEY}},
        "timeout_ms": ROOM["timeout_ms"],
        "visibility_lag_ms": 100,
        "recv_window_ms": 200,
        "clock_skew_ms": 0,
        "rate_limit": UNTROUBLED["rate_limit"],
    }
    values: dict[str, Any] = {"home": tmp_path, "broker_url": "memory://", "database_url": database_url}
    execution = {"lease_ms": ROOM["lease_ms"], "late_slice_s": 600}
    settings = Settings(**values, execution=execution, venues={"nobitex": nobitex})
    runtime = SteppedRuntime(settings)
    use_runtime(runtime)
    for module in (submit, cancel, resolve, amend):
        monkeypatch.setattr(module, "publisher_of", lambda _: _NoPublisher())
    runtime.instruments.refresh("nobitex")
    yield Desk(runtime, cast("PaperProcess", None))
    runtime.close()


def place(desk: Desk, **changes: Any) -> str:
    return desk.place(**{"venue": "nobitex", "symbol": "BTC/IRR", **CROSSING, **changes})


def assert_books_match(desk: Desk, engine: Engine) -> None:
    theirs = {entry.asset: entry.total for entry in desk.runtime.gateways.get("nobitex", "main").balances()}
    with read(engine) as conn:
        assert {held.asset: held.total for held in balances(conn, "nobitex", "main") if held.total} == theirs
        assert invariants(conn) == []


def test_equal_slices_all_trade_and_the_books_are_the_venues(desk: Desk, venue: Rials) -> None:
    order_id = place(desk, algorithm={"name": "twap", "duration_s": 60, "slices": 3})

    desk.pump(lambda: desk.end(order_id)[0] == "FILLED")

    assert [(order.quantity, order.price) for order in venue.book.orders] == [(D("0.01"), D(62000))] * 3
    document = desk.document(order_id)
    assert (document["filled_quantity"], document["average_price"]) == ("0.03", "62000")
    assert document["fees"] == {"BTC": "0.00003"}
    assert_books_match(desk, desk.engine)


def test_a_filled_order_whose_answer_was_lost_is_found_and_sent_once(desk: Desk, venue: Rials) -> None:
    venue.strike(Fault(kind="reset", taken=True), Operation.CREATE)
    order_id = place(desk)

    desk.pump(lambda: desk.end(order_id)[0] == "FILLED")

    assert ChildStatus.UNKNOWN.value in desk.moves(order_id, "child")
    assert len(venue.book.orders) == 1
    assert_books_match(desk, desk.engine)


def test_an_equal_order_refused_as_duplicate_is_neither_taken_for_the_other_nor_sent_again(
    desk: Desk, venue: Rials
) -> None:
    venue.heeds_pro = False
    first, second = place(desk, price="50000"), place(desk, price="50000")
    desk.work(first)

    desk.pump(lambda: desk.end(second)[1] == "SEND_UNKNOWN")

    assert len(venue.book.orders) == 1
    assert len(desk.sends(second)) == 1
    assert desk.child(second).status is ChildStatus.UNKNOWN
    assert desk.child(second).venue_order_id is None
    assert desk.child(first).status is ChildStatus.ACCEPTED
    assert "SEND_UNKNOWN" in desk.alerts()


def test_kinds_of_orders_that_it_does_not_have_are_refused_at_intake_and_leave_nothing(
    desk: Desk, venue: Rials
) -> None:
    for field, value in (("time_in_force", "IOC"), ("time_in_force", "FOK"), ("post_only", True)):
        with pytest.raises(InvalidRequest) as refused:
            place(desk, **{field: value})
        assert [error.field for error in refused.value.errors] == [field]

    with read(desk.engine) as conn:
        assert conn.scalar(select(func.count()).select_from(orders)) == 0
    assert venue.book.orders == []


def test_an_order_that_is_rejected_after_it_was_accepted_ends_rejected_and_holds_nothing(
    desk: Desk, venue: Rials
) -> None:
    venue.second_check = "rejected"
    order_id = place(desk, price="50000")

    desk.pump(lambda: desk.end(order_id)[0] == "REJECTED")

    assert desk.end(order_id) == ("REJECTED", "VENUE_REJECTED", "0")
    assert desk.held(order_id) == {}
    assert_books_match(desk, desk.engine)


def test_a_limit_of_the_venue_is_waited_out_and_the_order_sent_once(desk: Desk, venue: Rials) -> None:
    venue.strike(Fault(kind="too_often", taken=False), Operation.CREATE)
    order_id = place(desk)

    desk.pump(lambda: desk.end(order_id)[0] == "FILLED")

    assert len(venue.book.orders) == 1
    assert [send["outcome"] for send in desk.sends(order_id)] == ["rate_limited", "answered"]
