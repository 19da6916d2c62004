"""The steps of an order against the real venue and both databases: the usual way, and what was surely not taken."""

from __future__ import annotations

from datetime import timedelta

from storage.engine import read
from storage.ledger import balances
from tasks.commit import commit
from tasks.prepare import prepare
from tasks.settle import settle
from tasks.validate import validate
from tasks.withdraw import withdraw
from tests.integration.orders.conftest import ON_SQLITE
from tests.integration.orders.in_doubt import (
    CREATE,
    is_final,
)
from tests.support.runtime import Desk


def test_a_market_order_is_sent_filled_and_booked(desk: Desk) -> None:
    order_id = desk.place(quantity="0.01")

    document = desk.work(order_id)

    assert desk.end(order_id) == ("FILLED", None, "0.01")
    assert desk.moves(order_id, "order") == ["RECEIVED", "PREPARED", "VALIDATED", "WORKING", "FILLED"]
    assert desk.moves(order_id, "child") == ["PLANNED", "SUBMITTING", "ACCEPTED", "FILLED"]
    assert desk.held(order_id) == {}
    assert sum(float(fill["quantity"]) for fill in document["fills"]) == 0.01
    desk.assert_books_match()


def test_every_message_three_times_is_one_order_and_one_booking(desk: Desk) -> None:
    order_id = desk.place()

    for step in (prepare, validate, commit, settle):
        for _ in range(3):
            step(desk.runtime, order_id=order_id)

    assert desk.order(order_id).status == "FILLED"
    assert len(desk.at_venue(order_id)) == len(desk.sends(order_id)) == 1
    desk.assert_books_match()


@ON_SQLITE
def test_messages_in_the_wrong_order_change_nothing_before_their_turn(desk: Desk) -> None:
    order_id = desk.place()

    for step in (settle, commit, validate, withdraw):
        step(desk.runtime, order_id=order_id)

    assert desk.moves(order_id, "order") == ["RECEIVED"]
    assert desk.work(order_id)["status"] == "FILLED"


def test_a_resting_order_is_followed_to_its_last_fill(desk: Desk) -> None:
    order_id = desk.limit("-100", quantity="0.02")
    desk.work(order_id)
    price = str(desk.order(order_id).price)
    assert (desk.order(order_id).status, desk.child(order_id).status) == ("WORKING", "ACCEPTED")

    desk.venue.market_order("BTC/USDT", "sell", "0.005", price=price)
    desk.track()
    statuses = [desk.order(order_id).status]
    desk.venue.set_price("BTC/USDT", price, quantity="1")
    desk.track()

    assert [*statuses, desk.order(order_id).status] == ["WORKING", "FILLED"] or statuses == ["PARTIALLY_FILLED"]
    assert desk.order(order_id).status == "FILLED"
    desk.assert_books_match()


@ON_SQLITE
def test_a_look_that_shows_nothing_new_leaves_no_row(desk: Desk) -> None:
    order_id = desk.limit("-1000")
    desk.work(order_id)
    before = (len(desk.reports(order_id)), desk.order(order_id).version)

    for _ in range(3):
        desk.track()

    assert (len(desk.reports(order_id)), desk.order(order_id).version) == before


def test_a_venue_that_refuses_connections_is_tried_again_until_it_is_back(desk: Desk) -> None:
    order_id = desk.limit("100")
    prepare(desk.runtime, order_id=order_id)
    validate(desk.runtime, order_id=order_id)
    desk.venue.stop()
    try:
        said = commit(desk.runtime, order_id=order_id)
        assert desk.child(order_id).status == "PLANNED", said
        assert [send["outcome"] for send in desk.sends(order_id)] == ["not_sent"]
    finally:
        desk.venue.start()

    desk.pump(is_final(desk, order_id))

    assert desk.order(order_id).status == "FILLED"
    assert len(desk.at_venue(order_id)) == 1


@ON_SQLITE
def test_a_limit_closes_the_gate_for_all_and_opens_it_in_time(desk: Desk) -> None:
    first, second = desk.limit("100"), desk.limit("100")
    desk.venue.arm({**CREATE, "kind": "rate_limited", "status": 429, "retry_after_s": 600})
    begun = desk.runtime.now()
    desk.until_sent(first)

    desk.until_sent(second)

    assert desk.sends(second) == [], "the second order was not sent into the limit"
    desk.pump(lambda: desk.order(first).is_final and desk.order(second).is_final)
    assert {desk.order(first).status, desk.order(second).status} == {"FILLED"}
    assert desk.sends(second)[0]["intended_at"] >= begun + timedelta(seconds=600)


@ON_SQLITE
def test_a_rejection_ends_the_order_with_its_words_and_gives_the_hold_back(desk: Desk) -> None:
    order_id = desk.limit("200", post_only=True)

    desk.work(order_id)

    assert desk.end(order_id) == ("REJECTED", "VENUE_REJECTED", "0")
    assert desk.held(order_id) == {}
    assert len(desk.sends(order_id)) == 1


def test_want_of_funds_denies_and_says_what_is_missing(desk: Desk) -> None:
    order_id = desk.place(side="sell", quantity="170")

    said = prepare(desk.runtime, order_id=order_id)

    assert said == "denied: INSUFFICIENT_FUNDS"
    assert desk.end(order_id) == ("DENIED", "INSUFFICIENT_FUNDS", "0")
    assert desk.held(order_id) == {}


def test_a_deposit_is_taken_over_before_an_order_is_denied(desk: Desk) -> None:
    desk.work(desk.place())  # opens the books
    with read(desk.engine) as conn:
        (ours,) = (held.total for held in balances(conn, "paper", "main") if held.asset == "SOL")
    desk.venue.deposit("main", "SOL", "10")
    order_id = desk.place(symbol="SOL/USDT", side="sell", quantity=str(ours + 5))

    said = prepare(desk.runtime, order_id=order_id)

    assert said == "prepared after a deposit"
    desk.cancel(order_id)
    desk.assert_books_match()
