"""A process that dies at any stage of an amendment: somebody else goes on with it, and never more than the total trades."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from decimal import Decimal
from typing import Any

import pytest

from failpoints import set_hook
from failpoints.catalog import STAGES
from models.amendment import AmendmentStatus
from storage.amendments import latest_amendment
from storage.engine import read
from tasks.amend import amend_working
from tasks.rescue import rescue
from tests.integration.orders.amending import (
    AMEND,
    CANCEL_AND_SEND,
    IN_PLACE,
    OF_CANCEL,
    amendment_of,
    at_work,
    can_still_trade,
    proves_soon,
    trade,
)
from tests.integration.orders.conftest import OpenDesk
from tests.integration.orders.in_doubt import (
    QUICK_PROOF,
)
from tests.integration.orders.test_crashes import Killed, let_leases_run_out
from tests.support.runtime import Desk
from tests.support.waiting import eventually

REFUSED = {
    **AMEND, "kind": "error", "when": "before", "status": 400, "code": -2010,
    "msg": "Account has insufficient balance for requested action.",
}  # fmt: skip
UNHEARD = {**OF_CANCEL, "kind": "drop", "when": "before"}

OF_THE_DOOR = ("amend.held", "amend.recorded", "amend.committed")
IN_PLACE_STAGES = (
    "amend.begun",
    "amend.claimed",
    "amend.asked",
    "amend.read",
    "amend.taken",
    "amend.planned",
    "amend.decided",
)
CANCEL_STAGES = (
    "amend.begun", "withdraw.claimed", "withdraw.canceled", "withdraw.read", "withdraw.booked", "amend.withdrawn",
    "amend.planned", "amend.decided",
)  # fmt: skip
#: stage, how the venue amends, and what it does so that the stage is reached
CRASHES: list[tuple[str, str, dict[str, Any] | None]] = [
    *[(stage, way, None) for stage in OF_THE_DOOR for way in (IN_PLACE, CANCEL_AND_SEND)],
    *[(stage, IN_PLACE, None) for stage in IN_PLACE_STAGES],
    *[(stage, CANCEL_AND_SEND, None) for stage in CANCEL_STAGES],
    ("amend.refused", IN_PLACE, REFUSED),
    ("amend.postponed", CANCEL_AND_SEND, UNHEARD),
]


#: where it makes a difference whether the total is raised or lowered
AT_THE_VENUE = ("amend.claimed", "amend.asked", "amend.read", "amend.taken", "amend.withdrawn")


@contextmanager
def dies_at(stage: str) -> Iterator[list[str]]:
    """This thread's process dies when it passes the stage for the first time."""
    mine = threading.get_ident()
    hits: list[str] = []

    def hook(name: str) -> None:
        if name == stage and threading.get_ident() == mine and not hits:
            hits.append(name)
            raise Killed

    set_hook(hook)
    try:
        yield hits
    finally:
        set_hook(None)


def may_trade(desk: Desk, order_id: str) -> Decimal:
    """The most that the customer has agreed to: the order as it is, or as it was asked to be."""
    with read(desk.engine) as conn:
        amendment = latest_amendment(conn, order_id)
    quantity = desk.order(order_id).quantity
    if amendment is None or amendment.status is not AmendmentStatus.PENDING:
        return quantity
    return max(quantity, amendment.target_quantity)


def recover(desk: Desk, order_id: str, quantity: str) -> None:
    """The broker has forgotten everything; what is left is the rows, and beat that starts ``rescue``."""
    desk.runtime.give_sends_room()

    def settled() -> bool:
        desk.forget_outbox()
        let_leases_run_out(desk)
        rescue(desk.runtime)
        desk.pump()
        desk.track()  # as beat has it done every second
        assert can_still_trade(desk, order_id) <= may_trade(desk, order_id)
        decided = amendment_of(desk, order_id).status is not AmendmentStatus.PENDING
        return decided and can_still_trade(desk, order_id) == Decimal(quantity)

    eventually(
        settled,
        within_s=120,
        describe=lambda: (
            f"an end of the amendment; {desk.end(order_id)}, {can_still_trade(desk, order_id)}: {desk.log[-9:]}"
        ),
    )


def test_every_stage_of_an_amendment_is_tried() -> None:
    assert {stage for stage in STAGES if stage.startswith("amend.")} <= {stage for stage, *_ in CRASHES}


@pytest.mark.parametrize(
    ("stage", "way", "fault", "quantity"),
    [
        pytest.param(stage, way, fault, quantity, id=f"{stage}-{way}-{quantity}")
        for stage, way, fault in CRASHES
        for quantity in ("0.03", *(["0.01"] if stage in AT_THE_VENUE else []))
    ],
)
def test_an_amendment_is_carried_out_after_a_kill(
    open_a_desk: OpenDesk, stage: str, way: str, fault: dict[str, Any] | None, quantity: str
) -> None:
    desk = open_a_desk(**QUICK_PROOF)
    desk.runtime.give_sends_room()
    order_id = at_work(desk, way)
    trade(desk, order_id, "0.004")
    # What is asked in place is short-lived, so that nobody waits long for what a dead one may have asked.
    proves_soon(desk, order_id)
    if fault is not None:
        desk.venue.arm(fault)

    def begin() -> None:
        desk.amend(order_id, quantity=quantity)
        amend_working(desk.runtime, order_id=order_id)

    with dies_at(stage) as hits, pytest.raises(Killed):
        begin()
    assert hits
    assert can_still_trade(desk, order_id) <= may_trade(desk, order_id)
    desk.amend(order_id, quantity=quantity)  # the caller has had no answer, and asks again: it is one amendment

    recover(desk, order_id, quantity)

    order = desk.order(order_id)
    assert (order.status, order.quantity, order.filled_quantity) == (
        "PARTIALLY_FILLED",
        Decimal(quantity),
        Decimal("0.004"),
    )
    assert amendment_of(desk, order_id).status is AmendmentStatus.DONE
    assert desk.held(order_id) == {"USDT": (Decimal(quantity) - Decimal("0.004")) * (order.price or 0)}
    desk.assert_books_match()


def test_an_amendment_that_took_effect_though_nobody_heard_fills_to_its_new_total(open_a_desk: OpenDesk) -> None:
    desk = open_a_desk(**QUICK_PROOF)
    desk.runtime.give_sends_room()
    order_id = at_work(desk)
    desk.amend(order_id, quantity="0.03")
    with dies_at("amend.asked"), pytest.raises(Killed):
        amend_working(desk.runtime, order_id=order_id)
    assert can_still_trade(desk, order_id) == Decimal("0.03")

    trade(desk, order_id, "0.02")  # all of what it was before
    desk.track()
    assert desk.order(order_id).status == "PENDING_AMEND", "the venue has more of it"
    assert desk.held(order_id) == {"USDT": Decimal("0.01") * (desk.order(order_id).price or 0)}
    trade(desk, order_id, "1")
    desk.track()

    assert desk.end(order_id) == ("FILLED", None, "0.03")
    assert amendment_of(desk, order_id).status is AmendmentStatus.DONE
    assert not desk.held(order_id)
    desk.assert_books_match()
