"""Amending: in place and by cancel and send, on both databases and the real venue; never more than the new total."""

from __future__ import annotations

from collections.abc import Callable
from decimal import Decimal
from typing import Any

import pytest

from models.order import Order
from tasks import prepare as prepare_step
from tasks.prepare import prepare
from tasks.validate import validate
from tests.integration.orders.amending import (
    FAR,
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
def test_quantity_and_price_of_a_resting_order_become_what_was_asked(desk: Desk, way: str) -> None:
    order_id = at_work(desk, way)
    price = price_of(desk, order_id)

    document = desk.amend(order_id, quantity="0.030004", price=str(price - 10) + "9")
    assert (document["status"], document["quantity"]) == ("PENDING_AMEND", "0.02")
    desk.pump()

    wanted = (Decimal("0.03000"), price - 10)
    order = desk.order(order_id)
    assert (order.status, order.quantity, order.price, order.reason) == ("WORKING", *wanted, None)
    (resting,) = [one for one in desk.at_venue(order_id) if one["status"] == "NEW"]
    assert (Decimal(resting["quantity"]), Decimal(resting["price"])) == wanted
    assert len(desk.at_venue(order_id)) == (1 if way == IN_PLACE else 2)
    assert desk.children(order_id)[-1].quantity == wanted[0]
    assert desk.held(order_id) == {"USDT": wanted[0] * wanted[1]}
    assert outcome(desk, order_id) == ("DONE", None)
    assert_never_more(desk, order_id)
    desk.assert_books_match()


@ON_SQLITE
@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("quantity", ["0.01", "0.04"], ids=["lower", "higher"])
def test_what_has_filled_counts_in_the_new_total(desk: Desk, way: str, quantity: str) -> None:
    order_id = at_work(desk, way)
    trade(desk, order_id, "0.005")
    desk.track()

    desk.amend(order_id, quantity=quantity)
    desk.pump()

    order = desk.order(order_id)
    assert (order.status, order.quantity, order.filled_quantity) == (
        "PARTIALLY_FILLED",
        Decimal(quantity),
        Decimal("0.005"),
    )
    assert can_still_trade(desk, order_id) == Decimal(quantity)
    assert desk.held(order_id) == {"USDT": (Decimal(quantity) - Decimal("0.005")) * price_of(desk, order_id)}
    desk.assert_books_match()


@ON_SQLITE
@pytest.mark.parametrize("way", WAYS)
def test_an_order_can_be_amended_to_what_has_filled_and_is_filled_then(desk: Desk, way: str) -> None:
    order_id = at_work(desk, way)
    trade(desk, order_id, "0.005")
    desk.track()

    desk.amend(order_id, quantity="0.005")
    desk.pump()

    assert desk.end(order_id) == ("FILLED", None, "0.005")
    assert can_still_trade(desk, order_id) == Decimal("0.005")
    assert not desk.held(order_id)
    desk.assert_books_match()


@pytest.mark.parametrize("way", WAYS)
def test_an_amended_order_is_followed_to_its_last_fill(desk: Desk, way: str) -> None:
    order_id = at_work(desk, way)
    desk.amend(order_id, quantity="0.03")
    desk.pump()

    trade(desk, order_id, "1")
    desk.track()

    assert desk.end(order_id) == ("FILLED", None, "0.03")
    assert not desk.held(order_id)
    desk.assert_books_match()


@ON_SQLITE
@pytest.mark.parametrize("way", WAYS)
def test_it_can_be_amended_again_and_again(desk: Desk, way: str) -> None:
    order_id = at_work(desk, way)
    for quantity in ("0.03", "0.01", "0.025", "0.02"):
        desk.amend(order_id, quantity=quantity)
        desk.pump()
        assert can_still_trade(desk, order_id) == desk.order(order_id).quantity == Decimal(quantity)
    desk.assert_books_match()


@pytest.mark.parametrize("steps", [0, 1, 2], ids=["received", "prepared", "validated"])
def test_an_order_that_is_not_sent_yet_is_amended_at_once(desk: Desk, steps: int) -> None:
    order_id = desk.limit(FAR, quantity="0.02")
    for step in (prepare, validate)[:steps]:
        step(desk.runtime, order_id=order_id)
    before = desk.order(order_id)
    price = price_of(desk, order_id) - 100

    document = desk.amend(order_id, quantity="0.03", price=str(price))

    assert (document["status"], document["quantity"], document["version"]) == (
        before.status,
        "0.03",
        before.version + 1,
    )
    assert desk.held(order_id) == ({} if not steps else {"USDT": Decimal("0.03") * price})
    assert desk.work(order_id)["status"] == "WORKING"
    (resting,) = desk.at_venue(order_id)
    assert (Decimal(resting["quantity"]), Decimal(resting["price"])) == (Decimal("0.03"), price)
    assert desk.held(order_id) == {"USDT": Decimal("0.03") * price}
    desk.assert_books_match()


@ON_SQLITE
@pytest.mark.parametrize("quantity", ["0.004", "0.04"])
def test_a_market_order_that_waits_takes_another_quantity_and_holds_for_it(desk: Desk, quantity: str) -> None:
    order_id = desk.place(quantity="0.02")
    prepare(desk.runtime, order_id=order_id)
    held = desk.held(order_id)["USDT"]

    desk.amend(order_id, quantity=quantity)

    assert desk.held(order_id)["USDT"] == pytest.approx(held * Decimal(quantity) / Decimal("0.02"))
    assert desk.work(order_id)["status"] == "FILLED"
    assert desk.end(order_id) == ("FILLED", None, quantity)
    desk.assert_books_match()


@ON_SQLITE
def test_an_order_that_is_amended_while_it_is_prepared_holds_for_its_new_values(
    desk: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    order_id = desk.limit(FAR, quantity="0.02")
    real: Callable[..., str] = prepare_step._reserve
    seen: list[str] = []

    def reserve(runtime: Any, order: Order, *rest: Any) -> str:
        if not seen:
            desk.amend(order_id, quantity="0.03")
        seen.append(real(runtime, order, *rest))
        return seen[-1]

    monkeypatch.setattr(prepare_step, "_reserve", reserve)
    prepare(desk.runtime, order_id=order_id)
    assert desk.order(order_id).status == "RECEIVED"
    assert not desk.held(order_id)
    desk.pump(lambda: desk.order(order_id).status == "WORKING")

    assert seen == [prepare_step.AMENDED, "prepared"]
    assert desk.held(order_id) == {"USDT": Decimal("0.03") * price_of(desk, order_id)}
    assert can_still_trade(desk, order_id) == Decimal("0.03")


@ON_SQLITE
def test_a_send_that_surely_never_left_goes_out_with_the_new_values_under_another_id(desk: Desk) -> None:
    desk.venue.arm({"kind": "rate_limited", "endpoint": "order", "method": "POST", "count": 1, "retry_after_s": 1})
    order_id = desk.limit(FAR, quantity="0.02")
    desk.until_sent(order_id)
    assert (desk.child(order_id).status, desk.child(order_id).sends) == ("PLANNED", 1)

    desk.amend(order_id, quantity="0.03")
    desk.pump()

    first, second = desk.children(order_id)
    assert (first.status, first.reason and first.reason.code) == ("CANCELED", "AMENDED")
    assert (second.attempt, second.quantity, second.status) == (2, Decimal("0.03"), "ACCEPTED")
    assert can_still_trade(desk, order_id) == Decimal("0.03")
