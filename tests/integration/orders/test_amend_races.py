"""Amendments while the order fills, ends or is cancelled."""

from __future__ import annotations

from datetime import timedelta
from decimal import Decimal

import pytest

from tasks.rescue import rescue
from tests.integration.orders.amending import (
    CANCEL_AND_SEND,
    IN_PLACE,
    WAYS,
    assert_never_more,
    at_work,
    can_still_trade,
    outcome,
    price_of,
    trade,
)
from tests.integration.orders.conftest import ON_SQLITE
from tests.support.runtime import Desk


@pytest.mark.parametrize("way", WAYS)
def test_what_fills_before_the_venue_hears_of_a_lower_total_settles_to_its_truth(desk: Desk, way: str) -> None:
    order_id = at_work(desk, way)
    desk.amend(order_id, quantity="0.004")
    trade(desk, order_id, "0.011")
    desk.pump()

    assert desk.end(order_id) == ("FILLED", None, "0.011")
    assert desk.document(order_id)["quantity"] == "0.011"
    assert outcome(desk, order_id) == ("DONE", None)
    assert can_still_trade(desk, order_id) == Decimal("0.011")
    assert not desk.held(order_id)
    desk.assert_books_match()


@pytest.mark.parametrize("way", WAYS)
def test_what_fills_before_the_venue_hears_of_it_is_not_sent_again(desk: Desk, way: str) -> None:
    order_id = at_work(desk, way)
    desk.amend(order_id, quantity="0.03")
    trade(desk, order_id, "0.004")
    desk.pump()

    assert can_still_trade(desk, order_id) == Decimal("0.03")
    assert desk.order(order_id).filled_quantity == Decimal("0.004")
    assert desk.held(order_id) == {"USDT": Decimal("0.026") * price_of(desk, order_id)}
    desk.assert_books_match()


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("quantity", ["0.01", "0.03"])
def test_an_order_that_has_filled_meanwhile_is_not_amended(desk: Desk, way: str, quantity: str) -> None:
    order_id = at_work(desk, way)
    desk.amend(order_id, quantity=quantity)
    trade(desk, order_id, "1")
    desk.pump()

    assert desk.end(order_id) == ("FILLED", None, "0.02")
    assert desk.document(order_id)["quantity"] == "0.02"
    assert [child.status for child in desk.children(order_id)] == ["FILLED"]
    assert outcome(desk, order_id) == ("REFUSED", "ORDER_ENDED")
    assert not desk.held(order_id)
    desk.assert_books_match()


@ON_SQLITE
@pytest.mark.parametrize("way", WAYS)
def test_an_order_that_the_venue_has_ended_meanwhile_ends_as_it_did(desk: Desk, way: str) -> None:
    order_id = at_work(desk, way)
    desk.amend(order_id, quantity="0.03")
    desk.withdraw_everything()
    desk.pump()

    assert desk.end(order_id) == ("CANCELED", "VENUE_CANCELED", "0") or way == CANCEL_AND_SEND
    assert outcome(desk, order_id)[0] == ("REFUSED" if way == IN_PLACE else "DONE")
    assert_never_more(desk, order_id)
    desk.assert_books_match()


@ON_SQLITE
def test_fills_during_the_cancel_that_leave_too_little_end_the_order_with_a_sentence(desk: Desk) -> None:
    order_id = at_work(desk, CANCEL_AND_SEND)
    desk.amend(order_id, quantity="0.01")
    trade(desk, order_id, "0.00999")
    desk.pump()

    assert desk.end(order_id) == ("CANCELED", "REST_TOO_SMALL", "0.00999")
    assert desk.document(order_id)["quantity"] == "0.01"
    assert not desk.held(order_id)
    desk.assert_books_match()


@pytest.mark.parametrize("way", WAYS)
def test_a_cancel_wins(desk: Desk, way: str) -> None:
    order_id = at_work(desk, way)
    desk.amend(order_id, quantity="0.03")
    desk.cancel(order_id)
    desk.pump()

    assert desk.end(order_id) == ("CANCELED", "CANCEL_REQUESTED", "0")
    assert outcome(desk, order_id) == ("REFUSED", "CANCEL_REQUESTED")
    assert can_still_trade(desk, order_id) == 0
    assert not desk.held(order_id)
    desk.assert_books_match()


@ON_SQLITE
@pytest.mark.parametrize("way", WAYS)
def test_its_time_is_over_during_the_amendment(desk: Desk, way: str) -> None:
    order_id = at_work(desk, way, expires_at=(desk.runtime.now() + timedelta(seconds=60)).isoformat())
    desk.amend(order_id, quantity="0.03")
    desk.forget_outbox()
    desk.runtime.advance(61)
    rescue(desk.runtime)
    desk.pump()

    assert desk.end(order_id) == ("EXPIRED", "EXPIRED", "0")
    assert outcome(desk, order_id) == ("REFUSED", "EXPIRED")
    assert can_still_trade(desk, order_id) == 0
    desk.assert_books_match()
