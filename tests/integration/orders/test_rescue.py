"""What stands is sent on, and what is away is not flooded with it."""

from __future__ import annotations

from typing import Any

import pytest

from tasks.lookup import lookup
from tasks.rescue import rescue
from tests.integration.orders.conftest import ON_SQLITE, OpenDesk
from tests.integration.orders.in_doubt import (
    QUICK_PROOF,
    REQUEST_LOST,
)
from tests.support.runtime import Desk


def _in_doubt(desk: Desk) -> str:
    """An order whose send got no answer, with no look planned."""
    order_id = desk.place()
    desk.venue.arm(REQUEST_LOST)
    desk.until_sent(order_id)
    assert desk.child(order_id).status == "UNKNOWN"
    desk.forget_outbox()
    return order_id


def test_looks_that_nobody_takes_up_are_sent_for_more_and_more_seldom(open_a_desk: OpenDesk) -> None:
    """An hour without a broker: each look would be another message for it."""
    desk = open_a_desk(**QUICK_PROOF)
    _in_doubt(desk)

    sent = []
    for _ in range(360):
        desk.runtime.advance(10)
        # Leases run on the database's clock, which no test can turn: over once so much of the application's has passed.
        with_leases_shifted(desk, 10)
        rescue(desk.runtime)
        sent.append(desk.waiting().count("orders.lookup"))

    assert sent[2] >= 1, "the first looks come soon"
    assert sent[-1] <= 90, "after an hour at most one a minute, and those of the beginning"
    assert sent[-1] >= 50, "they go on"


def with_leases_shifted(desk: Desk, seconds: int) -> None:
    with desk.engine.begin() as conn:
        conn.exec_driver_sql(f"UPDATE leases SET until = until - {seconds * 1_000_000}")


@ON_SQLITE
def test_a_look_that_fails_for_a_ground_of_ours_goes_on_and_calls_a_person(
    open_a_desk: OpenDesk, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A venue that is configured no more, or a bug: nothing is concluded, nothing is silent, and a person can resolve it."""
    desk = open_a_desk(**QUICK_PROOF)
    order_id = _in_doubt(desk)
    child = desk.child(order_id)

    def gone(*_: Any) -> None:
        raise LookupError("no such venue")

    with monkeypatch.context() as broken:
        broken.setattr(desk.runtime.gateways, "get", gone)
        for _ in range(12):
            desk.runtime.advance(61)
            lookup(desk.runtime, child_id=child.id)

    assert desk.end(order_id) == ("WORKING", "SEND_UNKNOWN", "0")
    assert desk.alerts().count("SEND_UNKNOWN") == 1
    assert desk.child(order_id).status == "UNKNOWN"
    desk.pump(lambda: desk.order(order_id).is_final)  # configured again: the venue's word decides
    assert desk.end(order_id)[0] == "FILLED"
