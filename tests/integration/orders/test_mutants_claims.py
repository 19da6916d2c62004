"""Schedules that catch seeded bugs: claims, leases and the send."""

from __future__ import annotations

import time

import pytest
from sqlalchemy import Engine

from models.vocabulary import ChildStatus, OrderStatus
from storage.children import insert_child, move_child
from storage.engine import write
from storage.orders import Stale, lock_order, move_order
from tasks.commit import commit
from tasks.lookup import lookup
from tasks.prepare import prepare
from tasks.validate import validate
from tests.integration.orders.conftest import ON_SQLITE, OpenDesk
from tests.integration.orders.in_doubt import (
    CREATE,
    QUICK_PROOF,
    is_final,
)
from tests.integration.orders.schedules_played import (
    standing_still_at,
    take_over_and_look,
)
from tests.integration.orders.test_crashes import Pause, _gateway, _in_thread
from tests.integration.orders.test_guards import _insert_order
from tests.support.order_values import NOW, make_child
from tests.support.runtime import Desk, forgetful
from tests.support.waiting import eventually
from workflows.resolve import resolve_child


@ON_SQLITE
def test_a_lookup_leaves_a_send_alone_whose_lease_holds(open_a_desk: OpenDesk, monkeypatch: pytest.MonkeyPatch) -> None:
    sender, other = open_a_desk(lease_ms=60_000), open_a_desk(lease_ms=60_000)
    order_id = sender.place()
    prepare(sender.runtime, order_id=order_id)
    validate(sender.runtime, order_id=order_id)
    pause = Pause(_gateway(sender), monkeypatch, after=True)
    thread, said = _in_thread(lambda: commit(sender.runtime, order_id=order_id))
    try:
        assert pause.reached.wait(60)
        other.runtime.advance(3_600)
        with pytest.raises(Stale):
            lookup(other.runtime, child_id=other.child(order_id).id)
    finally:
        pause.go_on.set()
        thread.join()

    assert said[0].startswith("accepted as")


@ON_SQLITE
def test_a_sender_that_stood_still_before_its_send_sends_nothing_when_it_wakes_up(open_a_desk: OpenDesk) -> None:
    """The venue would still take the copy, and a person has called it absent meanwhile: only the lease says no."""
    windows = {**QUICK_PROOF, "recv_window_ms": 60_000, "lease_ms": 500}
    stopped, other = open_a_desk(**windows), open_a_desk(**windows)
    forgetful(other.runtime)
    order_id = stopped.place()
    prepare(stopped.runtime, order_id=order_id)
    validate(stopped.runtime, order_id=order_id)
    with standing_still_at("commit.intent.committed", lambda: commit(stopped.runtime, order_id=order_id)) as said:
        stood_since = time.monotonic()
        with write(other.engine) as conn:  # as if it had stood for long
            conn.exec_driver_sql("UPDATE child_orders SET deadline = 0")
        take_over_and_look(other, order_id)
        child_id = other.child(order_id).id
        resolve_child(other.runtime, order_id, child_id, "absent", note="looked", by="test")
        eventually(lambda: time.monotonic() > stood_since + 0.5, within_s=60, describe="the lease is over")

    assert other.at_venue(order_id) == []
    assert said == ["stalled before the send; left to lookup"]
    assert other.end(order_id)[0] == "CANCELED"


@ON_SQLITE
def test_what_was_canceled_before_its_next_try_is_not_sent(desk: Desk) -> None:
    order_id = desk.limit("100")
    desk.venue.arm({**CREATE, "kind": "rate_limited", "status": 429, "retry_after_s": 1})
    desk.until_sent(order_id)
    assert desk.child(order_id).status == "PLANNED"
    desk.runtime.advance(2)
    desk.cancel(order_id)

    commit(desk.runtime, order_id=order_id)  # its message is faster than the cancel's
    desk.pump(is_final(desk, order_id))

    assert desk.at_venue(order_id) == []
    assert desk.end(order_id) == ("CANCELED", "CANCEL_REQUESTED", "0")


def test_a_value_of_an_order_that_is_out_of_date_moves_nothing(desk: Desk) -> None:
    order_id = desk.place()
    known = desk.order(order_id)
    with write(desk.engine) as conn:
        move_order(conn, lock_order(conn, order_id), OrderStatus.PREPARED, cause="test", now=NOW)

    with pytest.raises(Stale), write(desk.engine) as conn:
        move_order(conn, known, OrderStatus.CANCELED, cause="too late", now=NOW)

    assert desk.order(order_id).status == "PREPARED"


def test_a_value_of_a_child_that_is_out_of_date_moves_nothing_even_within_its_status(engine: Engine) -> None:
    with write(engine) as conn:
        _insert_order(conn)
        child = make_child(status=ChildStatus.PLANNED, venue_order_id=None, version=1, epoch=0, sends=0)
        insert_child(conn, child, cause="test", now=NOW)
        known = move_child(conn, child, ChildStatus.SUBMITTING, cause="test", now=NOW)
        move_child(conn, known, ChildStatus.SUBMITTING, cause="test", now=NOW, sends=2)

    with pytest.raises(Stale), write(engine) as conn:
        move_child(conn, known, ChildStatus.SUBMITTING, cause="too late", now=NOW, sends=9)
