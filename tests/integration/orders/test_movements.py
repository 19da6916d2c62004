"""Deposits, withdrawals and transfers at a real venue: booked by its lists, whatever was taken over before."""

from __future__ import annotations

from datetime import timedelta
from decimal import Decimal

import pytest

from models.movement import Movement, MovementKind, MovementStatus
from storage.engine import read
from storage.ledger import balances
from storage.movements import opened_at, unexplained
from tasks import movements as movements_step
from tasks.books import adopt_deposit_if_any, ensure_books_open
from tasks.movements import book_account, book_movements
from tests.integration.orders.conftest import ON_SQLITE
from tests.support.runtime import Desk
from tests.support.waiting import eventually


@pytest.fixture
def opened(desk: Desk) -> Desk:
    """Books that were opened in a second that is over at the venue: it tells withdrawals by the second."""
    ensure_books_open(desk.runtime, "paper", "main")
    with read(desk.engine) as conn:
        at = opened_at(conn, "paper", "main")
    assert at is not None
    gateway = desk.runtime.gateways.get("paper", "main")
    eventually(lambda: gateway.time() > at + timedelta(seconds=1), within_s=60, describe="the second is over")
    return desk


def ours(desk: Desk, asset: str) -> Decimal:
    with read(desk.engine) as conn:
        return next(held.total for held in balances(conn, "paper", "main") if held.asset == asset)


@ON_SQLITE  # whose clock is the venue's; PostgreSQL's, read while the machine stands still, may be seconds behind it
def test_what_the_venue_tells_is_booked_and_a_second_look_books_nothing(opened: Desk) -> None:
    venue = opened.venue
    venue.movement("main", "deposit", "SOL", "7.5")
    venue.movement("main", "withdrawal", "SOL", "2", fee="0.25")
    venue.movement("main", "transfer", "SOL", "1", direction="out")
    venue.movement("main", "transfer", "SOL", "0.5", direction="in")
    late = venue.movement("main", "deposit", "ETH", "3", status="pending")
    back = venue.movement("main", "withdrawal", "ETH", "1", fee="0.125", status="pending")

    assert book_movements(opened.runtime, "paper", "main").startswith("5 of ")
    opened.assert_books_match()
    venue.end_movement(late, "done")
    venue.end_movement(back, "failed")
    assert book_movements(opened.runtime, "paper", "main").startswith("2 of ")
    opened.assert_books_match()
    assert book_account(opened.runtime, venue="paper", account="main").startswith("0 of ")


@ON_SQLITE
def test_a_rise_that_an_order_needed_and_its_deposit_told_later_are_one(opened: Desk) -> None:
    before = ours(opened, "SOL")
    opened.venue.deposit("main", "SOL", "10")
    said = adopt_deposit_if_any(opened.runtime, "paper", "main", "SOL")
    assert said == "a deposit of 10 SOL was taken over"

    opened.venue.movement("main", "deposit", "SOL", "10", moves=False)
    assert book_movements(opened.runtime, "paper", "main").startswith("1 of ")

    assert ours(opened, "SOL") == before + 10
    opened.assert_books_match()
    with read(opened.engine) as conn:
        assert unexplained(conn, "paper", "main", "SOL") == 0


@ON_SQLITE
def test_a_rise_that_the_lists_explain_is_booked_by_its_id_and_only_the_rest_is_taken_over(opened: Desk) -> None:
    opened.venue.movement("main", "deposit", "SOL", "10")
    opened.venue.deposit("main", "SOL", "3")
    assert adopt_deposit_if_any(opened.runtime, "paper", "main", "SOL") == "a deposit of 3 SOL was taken over"
    opened.assert_books_match()
    assert book_movements(opened.runtime, "paper", "main").startswith("0 of ")


@ON_SQLITE
def test_a_withdrawal_of_what_an_order_holds_is_a_critical_alert(opened: Desk) -> None:
    order_id = opened.place(side="sell", type="limit", price="90000", quantity=str(ours(opened, "BTC") - 1))
    opened.until_sent(order_id)
    opened.venue.movement("main", "withdrawal", "BTC", "1")
    book_movements(opened.runtime, "paper", "main")
    assert "BOOKS_SHORT" not in opened.alerts()

    told = Movement(
        venue_id="more", kind=MovementKind.WITHDRAWAL, asset="BTC", amount=Decimal(-1), status=MovementStatus.DONE,
        begun_at=opened.runtime.now(),
    )  # fmt: skip
    assert movements_step._book(opened.runtime, "paper", "main", told)
    assert "BOOKS_SHORT" in opened.alerts()


@ON_SQLITE
def test_a_venue_that_tells_one_movement_in_two_ways_is_an_alert_and_keeps_nobody_from_the_others(opened: Desk) -> None:
    values = {"kind": MovementKind.DEPOSIT, "asset": "SOL", "status": MovementStatus.DONE}
    one = Movement(venue_id="x", amount=Decimal(1), begun_at=opened.runtime.now(), **values)  # type: ignore[arg-type]
    other = Movement(venue_id="x", amount=Decimal(2), begun_at=opened.runtime.now(), **values)  # type: ignore[arg-type]
    assert [movements_step._book(opened.runtime, "paper", "main", told) for told in (one, other)] == [True, False]
    assert "CONTRADICTORY_MOVEMENT" in opened.alerts()
