"""Schedules in trouble: late slices, halts, limits of the venue, persons' decisions. Found by thinking hard against them."""

from __future__ import annotations

import itertools
from datetime import timedelta
from decimal import Decimal

import pytest

from models.clock import parse_time
from tasks.rescue import rescue
from tests.integration.orders.conftest import ON_SQLITE, OpenDesk
from tests.integration.orders.in_doubt import (
    CREATE,
    is_final,
)
from tests.support.runtime import Desk
from workflows import halt

LIMITED = {**CREATE, "kind": "rate_limited", "status": 429, "retry_after_s": 10}


def go_on(desk: Desk, order_id: str, seconds: int) -> None:
    """Minutes of a deployment: what is due is done, and rescue looks for what stands."""
    over_at = desk.runtime.now() + timedelta(seconds=seconds)
    while desk.runtime.now() < over_at and not desk.order(order_id).is_final:
        desk.runtime.advance(2)
        rescue(desk.runtime)
        desk.pump(lambda: not desk.due())


@ON_SQLITE
@pytest.mark.parametrize("policy", ["wait_for_complete", "cancel_and_retry"])
def test_an_iceberg_whose_slice_was_late_goes_on(desk: Desk, policy: str) -> None:
    order_id = desk.limit(
        "1000",
        quantity="0.03",
        algorithm={"name": "iceberg", "display_quantity": "0.01"},
        fill_policy={"name": policy, "timeout_s": 60},
    )
    desk.venue.arm(LIMITED)

    go_on(desk, order_id, 600)

    assert desk.end(order_id) == ("FILLED", None, "0.03")
    assert [child.reason.code for child in desk.children(order_id) if child.reason] == ["LATE_SLICE"]
    desk.assert_books_match()


@ON_SQLITE
def test_the_last_slice_that_was_late_is_sent_while_the_time_lasts(desk: Desk) -> None:
    order_id = desk.place(quantity="0.03", algorithm={"name": "twap", "duration_s": 300, "slices": 3})
    desk.pump(lambda: len(desk.sends(order_id)) == 2)
    desk.venue.arm(LIMITED)

    go_on(desk, order_id, 300)

    assert desk.end(order_id) == ("FILLED", None, "0.03")
    assert "LATE_SLICE" in [child.reason.code for child in desk.children(order_id) if child.reason]


@ON_SQLITE
def test_a_halt_adds_no_messages_and_a_schedule_ends_with_its_time_all_the_same(desk: Desk) -> None:
    order_id = desk.place(quantity="0.06", algorithm={"name": "twap", "duration_s": 60, "slices": 60})
    desk.pump(lambda: len(desk.sends(order_id)) == 2)
    halt.halt(desk.runtime, by="test")
    try:
        go_on(desk, order_id, 30)
        # Of some 30 slices that were dropped those of the last pause have a message each; none has a successor for ever.
        assert desk.waiting().count("orders.plan") <= 10
        go_on(desk, order_id, 120)
    finally:
        halt.resume(desk.runtime)

    status, code, filled = desk.end(order_id)
    assert (status, code) == ("EXPIRED", "SCHEDULE_OVER")
    assert Decimal(0) < Decimal(filled) < Decimal("0.06")
    assert not desk.held(order_id)


@ON_SQLITE
def test_a_schedule_that_could_not_begin_in_time_meets_no_other_market(open_a_desk: OpenDesk) -> None:
    desk = open_a_desk(max_age_s=60)
    order_id = desk.place(quantity="0.03", algorithm={"name": "twap", "duration_s": 3600, "slices": 3})
    desk.runtime.advance(7_200)

    desk.pump(is_final(desk, order_id))

    assert desk.end(order_id) == ("EXPIRED", "TOO_OLD", "0")
    assert desk.at_venue(order_id) == []


@ON_SQLITE
def test_slices_that_come_late_together_are_no_burst(desk: Desk) -> None:
    order_id = desk.place(quantity="0.05", algorithm={"name": "twap", "duration_s": 5, "slices": 10})
    desk.pump(lambda: len(desk.sends(order_id)) == 1)
    desk.runtime.advance(3)

    go_on(desk, order_id, 30)

    sent = sorted(child.due_at for child in desk.children(order_id) if child.sent_at is not None)
    times = sorted(parse_time(one["sent_at"]) for one in desk.document(order_id)["child_orders"] if one["sent_at"])
    together = [later for sooner, later in itertools.pairwise(times) if later - sooner < timedelta(seconds=0.1)]
    assert len(together) <= 4, (sent, times)
    assert desk.order(order_id).filled_quantity <= Decimal("0.05")
