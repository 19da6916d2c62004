"""Amendments of orders with a fill policy or a schedule."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import pytest

from models.amendment import AmendmentStatus
from models.vocabulary import ChildStatus
from tasks.prepare import prepare
from tasks.validate import validate
from tests.integration.orders.amending import (
    FAR,
    IN_PLACE,
    WAYS,
    amendment_of,
    at_work,
    can_still_trade,
    price_of,
)
from tests.integration.orders.conftest import ON_SQLITE, OpenDesk
from tests.integration.orders.in_doubt import (
    REPLY_LOST,
    is_final,
)
from tests.support.runtime import Desk
from workflows.amend import NotAmendableNow

TWAP: dict[str, Any] = {"name": "twap", "duration_s": 600, "slices": 6}


@ON_SQLITE
@pytest.mark.parametrize("way", WAYS)
def test_a_fill_policy_counts_its_own_attempts_and_starts_its_timer_anew(desk: Desk, way: str) -> None:
    policy = {"name": "cancel_and_retry", "timeout_s": 100, "max_attempts": 2, "reprice": "keep"}
    order_id = at_work(desk, way, fill_policy=policy)
    desk.runtime.advance(50)
    desk.amend(order_id, quantity="0.03")
    desk.pump(lambda: amendment_of(desk, order_id).status is AmendmentStatus.DONE)
    amended_at = desk.runtime.now()
    attempts = 1 if way == IN_PLACE else 2
    desk.pump(lambda: len(desk.children(order_id)) == attempts + 1)

    waited_s = (desk.runtime.now() - amended_at).total_seconds()
    assert waited_s == pytest.approx(50 if way == IN_PLACE else 100, abs=45 if way == IN_PLACE else 60)
    desk.pump()
    assert len(desk.children(order_id)) == attempts + 1, "the second attempt of the policy is its last"
    assert desk.children(order_id)[-1].quantity == Decimal("0.03")


@ON_SQLITE
def test_what_a_fill_policy_was_to_send_again_goes_out_with_the_new_values_at_its_time(desk: Desk) -> None:
    policy = {"name": "retry_remaining", "max_attempts": 2, "delay_s": 500}
    order_id = desk.limit(FAR, quantity="0.02", time_in_force="IOC", fill_policy=policy)
    desk.work(order_id)
    assert desk.child(order_id).is_final

    desk.amend(order_id, quantity="0.03")
    desk.pump(lambda: len(desk.children(order_id)) == 2)

    due_in_s = (desk.children(order_id)[1].due_at - desk.runtime.now()).total_seconds()
    assert due_in_s > 300
    desk.pump(is_final(desk, order_id))
    assert [str(child.quantity) for child in desk.children(order_id)] == ["0.02", "0.03"]


def planned_and_live(desk: Desk, order_id: str) -> Decimal:
    total = Decimal(0)
    for child in desk.children(order_id):
        total += child.filled_quantity if child.is_final else child.quantity
    return total


@pytest.mark.parametrize("quantity", ["0.03", "0.09"], ids=["lower", "higher"])
def test_a_schedule_ends_with_its_new_total(desk: Desk, quantity: str) -> None:
    order_id = desk.place(quantity="0.06", algorithm=TWAP)
    desk.pump(lambda: desk.order(order_id).filled_quantity >= Decimal("0.02"))

    desk.amend(order_id, quantity=quantity)
    desk.pump(is_final(desk, order_id))

    assert desk.end(order_id) == ("FILLED", None, quantity)
    assert sum(Decimal(one["executed"]) for one in desk.at_venue(order_id)) == Decimal(quantity)
    assert not desk.held(order_id)
    desk.assert_books_match()


def test_slices_that_rest_at_another_price_are_ended_and_their_rest_goes_on_at_the_new_one(desk: Desk) -> None:
    twap = {"name": "twap", "duration_s": 20, "slices": 2}
    order_id = desk.limit(FAR, quantity="0.02", algorithm=twap)
    desk.pump()
    price = price_of(desk, order_id) + 10

    desk.amend(order_id, price=str(price))
    desk.pump()

    resting = [one for one in desk.at_venue(order_id) if one["status"] == "NEW"]
    assert [Decimal(one["price"]) for one in resting] == [price, price]
    assert can_still_trade(desk, order_id) == Decimal("0.02")
    assert {(child.slice, child.attempt) for child in desk.children(order_id)} == {(0, 1), (0, 2), (1, 1), (1, 2)}
    assert desk.held(order_id) == {"USDT": Decimal("0.02") * price}


@ON_SQLITE
def test_a_lower_total_takes_the_latest_resting_slices_away(desk: Desk) -> None:
    order_id = desk.limit(FAR, quantity="0.04", algorithm={"name": "twap", "duration_s": 20, "slices": 4})
    desk.pump()

    desk.amend(order_id, quantity="0.015")
    desk.pump()

    assert can_still_trade(desk, order_id) == planned_and_live(desk, order_id) == Decimal("0.015")
    assert [child.slice for child in desk.children(order_id) if child.is_live] == [0, 1]
    assert desk.order(order_id).status == "WORKING"
    desk.assert_books_match()


@ON_SQLITE
def test_a_schedule_that_is_over_takes_no_more(desk: Desk) -> None:
    order_id = desk.limit(FAR, quantity="0.02", algorithm={"name": "twap", "duration_s": 20, "slices": 2})
    desk.pump()

    with pytest.raises(NotAmendableNow, match="is over: its last slices are planned") as refused:
        desk.amend(order_id, quantity="0.03")
    assert refused.value.code == "SCHEDULE_OVER"
    desk.amend(order_id, quantity="0.01")
    desk.pump()
    assert can_still_trade(desk, order_id) == Decimal("0.01")


@ON_SQLITE
def test_a_slice_in_doubt_counts_whole_while_the_total_is_lowered(open_a_desk: OpenDesk) -> None:
    desk = open_a_desk(recv_window_ms=30_000)
    order_id = desk.limit(FAR, quantity="0.02", algorithm={"name": "twap", "duration_s": 20, "slices": 2})
    desk.venue.arm({**REPLY_LOST, "lag_ms": 1_000})
    desk.pump(lambda: any(child.status is ChildStatus.UNKNOWN for child in desk.children(order_id)))

    desk.amend(order_id, quantity="0.01")
    desk.pump(lambda: amendment_of(desk, order_id).status is AmendmentStatus.DONE)
    desk.pump()

    assert can_still_trade(desk, order_id) == Decimal("0.01")
    desk.assert_books_match()


@ON_SQLITE
def test_a_schedule_that_has_not_begun_is_amended_at_once(desk: Desk) -> None:
    order_id = desk.place(quantity="0.06", algorithm=TWAP)
    prepare(desk.runtime, order_id=order_id)
    validate(desk.runtime, order_id=order_id)

    assert desk.amend(order_id, quantity="0.03")["status"] == "VALIDATED"
    desk.pump(is_final(desk, order_id))

    assert desk.end(order_id) == ("FILLED", None, "0.03")
    desk.assert_books_match()
