"""The venue breaks what it promised, or a person errs: an order that should not be there is told, and taken back.

A venue whose reads lag longer than configured is played by hiding an order from one look; everything else is real.
"""

from __future__ import annotations

from typing import Any

import pytest

from models.errors import Conflict
from models.reports import OrderReport
from storage.engine import write
from storage.reports import keep_report
from tasks.commit import commit
from tasks.lookup import lookup
from tasks.settle import settle
from tests.integration.orders.conftest import ON_SQLITE, OpenDesk
from tests.integration.orders.in_doubt import (
    REPLY_LOST,
    REQUEST_LOST,
    WIDE_WINDOW,
)
from tests.support.runtime import Desk, forgetful
from workflows.resolve import resolve_child


def hidden_and_planned_again(desk: Desk, order_id: str, monkeypatch: pytest.MonkeyPatch) -> str:
    """Send it, lose the answer, and take it for absent although the venue has it; returns the venue's id of it."""
    desk.venue.arm(REPLY_LOST)
    desk.until_sent(order_id)
    gateway: Any = desk.runtime.gateways.get("paper", "main")
    child = desk.child(order_id)
    with write(desk.engine) as conn:
        conn.exec_driver_sql(f"UPDATE child_orders SET deadline = 0, attend_at = 0 WHERE id = '{child.id}'")
    with monkeypatch.context() as patch:
        patch.setattr(gateway, "find_order", lambda *_: None)
        assert lookup(desk.runtime, child_id=child.id).startswith("proven absent")
    (theirs,) = desk.at_venue(order_id)
    return str(theirs["order_id"])


def word_of(desk: Desk, venue_order_id: str) -> OrderReport:
    return desk.runtime.gateways.get("paper", "main").fetch_order("BTC/USDT", venue_order_id)


def keep_late_word(desk: Desk, order_id: str, venue_order_id: str) -> None:
    """What a sender does that wakes up long after its claim: the venue's answer is put on record."""
    report = word_of(desk, venue_order_id)
    with write(desk.engine) as conn:
        keep_report(conn, desk.child(order_id), report, source="send", now=desk.runtime.now())


def at_venue_by_id(desk: Desk, order_id: str) -> dict[str, str]:
    return {str(order["order_id"]): order["status"] for order in desk.at_venue(order_id)}


def test_an_acknowledgement_on_record_is_settled_before_anything_is_sent_again(
    desk: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    order_id = desk.place()
    first = hidden_and_planned_again(desk, order_id, monkeypatch)
    keep_late_word(desk, order_id, first)

    commit(desk.runtime, order_id=order_id)
    assert len(desk.sends(order_id)) == 1
    settle(desk.runtime, order_id=order_id)

    assert desk.order(order_id).status == "FILLED"
    assert at_venue_by_id(desk, order_id) == {first: "FILLED"}
    desk.assert_books_match()


def test_a_second_order_under_one_id_is_told_and_taken_back(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    order_id = desk.limit("-1000")
    first = hidden_and_planned_again(desk, order_id, monkeypatch)
    # The paper venue refuses an open order's id twice: play one that takes it.
    second = _send_again_under_another_id(desk, order_id, monkeypatch)
    keep_late_word(desk, order_id, first)

    settle(desk.runtime, order_id=order_id)
    desk.pump()

    assert "STRAY_ORDER" in desk.alerts()
    assert {str(order["order_id"]): order["status"] for order in desk.venue.orders()}[first] == "CANCELED"
    assert (desk.order(order_id).status, desk.child(order_id).venue_order_id) == ("WORKING", second)
    desk.cancel(order_id)
    desk.pump(lambda: desk.order(order_id).is_final)
    desk.assert_books_match()


def test_when_the_stray_fills_the_order_the_first_is_taken_back_instead(
    desk: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    order_id = desk.limit("-100")
    first = hidden_and_planned_again(desk, order_id, monkeypatch)
    second = _send_again_under_another_id(desk, order_id, monkeypatch)
    settle(desk.runtime, order_id=order_id)
    desk.venue.pause_market()
    try:
        desk.venue.set_price("BTC/USDT", str(desk.order(order_id).price), quantity="0.01")  # the first in the queue
        keep_late_word(desk, order_id, first)
        settle(desk.runtime, order_id=order_id)
        desk.pump()
    finally:
        desk.venue.resume_market()

    statuses = {str(order["order_id"]): order["status"] for order in desk.venue.orders()}
    assert statuses[first] == "FILLED"
    assert statuses[second] == "CANCELED", "nothing of an order that has ended may rest at the venue"
    assert desk.order(order_id).status == "FILLED"
    desk.assert_books_match()


def hidden_until_a_person_is_called(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> str:
    """A resting order whose answer is lost and that no look shows; the venue proves no absence. Returns the order's id."""
    forgetful(desk.runtime)
    order_id = desk.limit("-1000")
    desk.venue.arm(REPLY_LOST)
    desk.until_sent(order_id)
    with write(desk.engine) as conn:  # as if it had stood for long
        conn.exec_driver_sql(f"UPDATE child_orders SET deadline = 0 WHERE order_id = '{order_id}'")
    with monkeypatch.context() as hidden:
        hidden.setattr(desk.runtime.gateways.get("paper", "main"), "find_order", lambda *_: None)
        desk.pump(lambda: "SEND_UNKNOWN" in desk.alerts())
    return order_id


@ON_SQLITE
def test_an_order_that_turns_up_after_a_person_called_it_absent_is_taken_back(
    open_a_desk: OpenDesk, monkeypatch: pytest.MonkeyPatch
) -> None:
    desk = open_a_desk(**WIDE_WINDOW)
    order_id = hidden_until_a_person_is_called(desk, monkeypatch)
    resolve_child(desk.runtime, order_id, desk.child(order_id).id, "absent", note="looked", by="test")
    assert desk.end(order_id)[0] == "CANCELED"
    (theirs,) = desk.at_venue(order_id)
    first = str(theirs["order_id"])
    keep_late_word(desk, order_id, first)

    settle(desk.runtime, order_id=order_id)
    desk.pump()

    assert "STRAY_ORDER" in desk.alerts()
    assert at_venue_by_id(desk, order_id) == {first: "CANCELED"}
    assert desk.order(order_id).status == "CANCELED"
    desk.assert_books_match()


@ON_SQLITE
def test_a_person_may_not_call_absent_what_could_still_arrive(desk: Desk) -> None:
    order_id = desk.place()
    desk.venue.arm(REQUEST_LOST)
    desk.until_sent(order_id)

    with pytest.raises(Conflict):
        resolve_child(desk.runtime, order_id, desk.child(order_id).id, "absent", note="impatient", by="test")

    assert desk.child(order_id).status == "UNKNOWN"
    assert desk.held(order_id)


@ON_SQLITE
def test_a_person_who_found_it_names_its_id_and_it_is_followed(
    open_a_desk: OpenDesk, monkeypatch: pytest.MonkeyPatch
) -> None:
    desk = open_a_desk(**WIDE_WINDOW)
    order_id = hidden_until_a_person_is_called(desk, monkeypatch)
    (theirs,) = desk.at_venue(order_id)

    resolve_child(
        desk.runtime, order_id, desk.child(order_id).id, "exists", venue_order_id=str(theirs["order_id"]), by="test"
    )

    assert desk.end(order_id)[:2] == ("WORKING", None)
    desk.cancel(order_id)
    desk.pump(lambda: desk.order(order_id).is_final)
    assert desk.order(order_id).status == "CANCELED"
    desk.assert_books_match()


def _send_again_under_another_id(desk: Desk, order_id: str, monkeypatch: pytest.MonkeyPatch) -> str:
    """Commit the second copy; the venue takes it as one that never saw the first id. Returns its id there."""
    from dataclasses import replace

    gateway: Any = desk.runtime.gateways.get("paper", "main")
    create = gateway.create_order
    with monkeypatch.context() as patch:
        patch.setattr(
            gateway, "create_order", lambda order: create(replace(order, client_order_id=order.client_order_id + "2"))
        )
        assert commit(desk.runtime, order_id=order_id).startswith("accepted as")
    second = desk.child(order_id).venue_order_id
    assert second is not None
    return second
