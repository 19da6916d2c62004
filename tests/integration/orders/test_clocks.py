"""A clock that leaps delays nothing for longer than a lease, and makes nothing be sent twice."""

from __future__ import annotations

from datetime import timedelta

import pytest

from storage.children import claim
from storage.engine import read, write
from storage.leases import take
from storage.now import db_now
from storage.order_tables import child_orders, orders
from storage.outbox import anything_due
from storage.service_tables import leases
from tasks.lookup import lookup
from tasks.prepare import prepare
from tasks.rescue import rescue
from tests.support.runtime import Desk
from workflows.relay import RelayThread

HOUR_S = 3600.0


def test_a_clock_set_back_by_an_hour_delays_no_step(desk: Desk) -> None:
    """The order was taken in, and its rows written, before the clock was set back."""
    desk.runtime.advance(HOUR_S)
    order_id = desk.place()
    desk.forget_outbox()
    desk.runtime.ahead = timedelta()

    assert rescue(desk.runtime) == "1 orders"
    desk.pump()

    assert desk.end(order_id)[0] == "FILLED"
    assert len(desk.at_venue(order_id)) == 1


def test_what_waits_to_be_published_goes_out_although_the_clock_was_set_back(desk: Desk) -> None:
    desk.runtime.advance(HOUR_S)
    desk.place()
    desk.runtime.ahead = timedelta()

    assert RelayThread(desk.runtime)._anything_due()


def test_what_is_planned_for_later_waits_for_its_time(desk: Desk) -> None:
    before = desk.runtime.now() - timedelta(seconds=5)
    desk.place()
    with write(desk.engine) as conn:
        conn.execute(orders.update().values(rescue_at=desk.runtime.now() + timedelta(hours=1)))
        rows = desk.waiting()
    with read(desk.engine) as conn:
        assert not anything_due(conn, before)

    assert rescue(desk.runtime) == "nothing stands"
    assert desk.waiting() == rows


def test_a_send_without_an_answer_is_looked_for_although_the_clock_was_set_back(desk: Desk) -> None:
    desk.venue.arm({"kind": "drop", "when": "after", "endpoint": "order", "method": "POST", "count": 1})
    desk.runtime.advance(HOUR_S)
    order_id = desk.place()
    assert desk.until_sent(order_id).startswith("unknown")
    desk.forget_outbox()
    desk.runtime.ahead = timedelta()

    assert "children" in rescue(desk.runtime)
    assert lookup(desk.runtime, child_id=desk.child(order_id).id).startswith("found")

    assert len(desk.at_venue(order_id)) == 1
    assert desk.end(order_id)[0] == "FILLED"


@pytest.mark.parametrize("hours", [1, -1])
def test_a_lease_of_a_clock_that_leapt_is_over_and_its_owner_writes_nothing_more(desk: Desk, hours: int) -> None:
    order_id = desk.place()
    prepare(desk.runtime, order_id=order_id)
    child = desk.child(order_id)
    with write(desk.engine) as conn:
        before = claim(conn, child, owner="before the leap", lease_ms=3_000)
        conn.execute(child_orders.update().values(lease_until=db_now(timedelta(hours=hours))))
        assert take(conn, "a lease", owner="before the leap", lease_ms=3_000) == 1
        conn.execute(leases.update().values(until=db_now(timedelta(hours=hours))))

    with write(desk.engine) as conn:
        assert take(conn, "a lease", owner="after the leap", lease_ms=3_000) == 2
        after = claim(conn, before, owner="after the leap", lease_ms=3_000)

    assert after.epoch == before.epoch + 1
