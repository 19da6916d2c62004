"""Amendments without an answer, refused by the venue, or with lost messages."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import pytest

from models.amendment import AmendmentStatus
from models.vocabulary import ChildStatus
from tasks.amend import amend_working
from tasks.rescue import rescue
from tests.integration.orders.amending import (
    AMEND,
    CANCEL_AND_SEND,
    FAR,
    IN_PLACE,
    OF_CANCEL,
    WAYS,
    amendment_of,
    amends,
    at_work,
    can_still_trade,
    outcome,
    proves_soon,
)
from tests.integration.orders.conftest import ON_SQLITE, OpenDesk
from tests.integration.orders.in_doubt import (
    QUICK_PROOF,
    REPLY_LOST,
    REQUEST_LOST,
)
from tests.support.runtime import Desk


@pytest.mark.parametrize("fault", [REPLY_LOST, REQUEST_LOST], ids=["reply lost", "request lost"])
def test_first_what_became_of_a_send_in_doubt(open_a_desk: OpenDesk, fault: dict[str, Any]) -> None:
    desk = open_a_desk(**QUICK_PROOF)
    amends(desk, CANCEL_AND_SEND)
    order_id = desk.limit(FAR, quantity="0.02")
    desk.venue.arm(fault)
    desk.until_sent(order_id)
    desk.runtime.give_sends_room()
    assert desk.child(order_id).status == "UNKNOWN"

    desk.amend(order_id, quantity="0.03")
    assert "first what became of it" in amend_working(desk.runtime, order_id=order_id)
    desk.pump(lambda: amendment_of(desk, order_id).status is not AmendmentStatus.PENDING, within_s=120)
    desk.pump()

    assert outcome(desk, order_id) == ("DONE", None)
    assert can_still_trade(desk, order_id) == Decimal("0.03")
    desk.assert_books_match()


@ON_SQLITE
@pytest.mark.parametrize("when", ["before", "after"])
@pytest.mark.parametrize("quantity", ["0.01", "0.03"])
def test_an_amendment_without_an_answer_is_what_the_venue_shows(
    open_a_desk: OpenDesk, when: str, quantity: str
) -> None:
    desk = open_a_desk(**QUICK_PROOF)
    desk.runtime.give_sends_room()
    order_id = at_work(desk)
    proves_soon(desk, order_id)
    desk.venue.arm({**AMEND, "kind": "drop", "when": when})

    desk.amend(order_id, quantity=quantity)
    said = amend_working(desk.runtime, order_id=order_id)
    if when == "before":
        assert "has not said whether it took it" in said
        assert desk.child(order_id).status is ChildStatus.PENDING_AMEND
        assert desk.child(order_id).quantity == max(Decimal(quantity), Decimal("0.02")), "it counts at the larger size"
    desk.runtime.give_sends_room()
    desk.pump(lambda: amendment_of(desk, order_id).status is not AmendmentStatus.PENDING, within_s=120)

    assert outcome(desk, order_id) == ("DONE", None)
    assert can_still_trade(desk, order_id) == desk.child(order_id).quantity == Decimal(quantity)
    desk.assert_books_match()


@pytest.mark.parametrize("quantity", ["0.01", "0.03"])
def test_an_amendment_that_the_venue_refuses_leaves_all_as_before(desk: Desk, quantity: str) -> None:
    order_id = at_work(desk)
    held = desk.held(order_id)
    words = {"status": 400, "code": -2010, "msg": "Account has insufficient balance for requested action."}
    desk.venue.arm({**AMEND, "kind": "error", "when": "before", **words})

    desk.amend(order_id, quantity=quantity)
    desk.pump()

    document = desk.document(order_id)
    assert (document["status"], document["quantity"], document["reason"]["code"]) == (
        "WORKING",
        "0.02",
        "AMEND_REFUSED",
    )
    assert "insufficient balance" in document["reason"]["message"]
    assert (desk.child(order_id).status, desk.child(order_id).quantity) == ("ACCEPTED", Decimal("0.02"))
    assert outcome(desk, order_id) == ("REFUSED", "VENUE_REJECTED")
    assert desk.held(order_id) == held
    assert can_still_trade(desk, order_id) == Decimal("0.02")
    desk.amend(order_id, quantity=quantity)
    desk.pump()
    assert desk.document(order_id)["reason"] is None
    assert can_still_trade(desk, order_id) == Decimal(quantity)


@ON_SQLITE
@pytest.mark.parametrize("when", ["before", "after"])
def test_a_cancel_for_an_amendment_without_an_answer_is_tried_until_the_venue_has_ended_it(
    desk: Desk, when: str
) -> None:
    order_id = at_work(desk, CANCEL_AND_SEND)
    desk.venue.arm({**OF_CANCEL, "kind": "drop", "when": when})

    desk.amend(order_id, quantity="0.03")
    desk.pump()

    assert outcome(desk, order_id) == ("DONE", None)
    assert can_still_trade(desk, order_id) == Decimal("0.03")
    desk.assert_books_match()


@pytest.mark.parametrize("way", WAYS)
def test_an_amendment_whose_messages_are_lost_is_carried_out_all_the_same(desk: Desk, way: str) -> None:
    order_id = at_work(desk, way)
    desk.amend(order_id, quantity="0.03")

    for _ in range(10):
        desk.forget_outbox()
        desk.runtime.advance(6)
        rescue(desk.runtime)
        desk.pump()
        if can_still_trade(desk, order_id) == Decimal("0.03"):
            break

    assert outcome(desk, order_id) == ("DONE", None)
    assert desk.order(order_id).status == "WORKING"
    assert can_still_trade(desk, order_id) == Decimal("0.03")


@ON_SQLITE
@pytest.mark.parametrize("way", WAYS)
def test_every_message_three_times_is_one_amendment(desk: Desk, way: str) -> None:
    order_id = at_work(desk, way)
    desk.amend(order_id, quantity="0.03")
    for _ in range(3):
        amend_working(desk.runtime, order_id=order_id)
    desk.pump()

    assert len(desk.at_venue(order_id)) == len(desk.children(order_id)) == (1 if way == IN_PLACE else 2)
    assert can_still_trade(desk, order_id) == Decimal("0.03")
    desk.assert_books_match()
