"""A send without an answer: looked for, found or proven absent, never sent twice."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest

from exchanges.paper.journal import read_requests
from storage.engine import write
from storage.order_tables import child_orders
from tasks.lookup import lookup
from tasks.rescue import rescue
from tests.integration.orders.conftest import ON_SQLITE, OpenDesk
from tests.integration.orders.in_doubt import (
    CREATE,
    QUICK_PROOF,
    REPLY_LOST,
    REQUEST_LOST,
    WIDE_WINDOW,
    is_final,
)
from tests.support.runtime import Desk, forgetful
from tests.support.waiting import eventually


@ON_SQLITE
@pytest.mark.parametrize(
    "fault",
    [
        REPLY_LOST,
        {**CREATE, "kind": "reset", "when": "after"},
        {**CREATE, "kind": "error", "when": "after", "status": 503},
        {**CREATE, "kind": "unreadable", "form": "no_id"},
        {**CREATE, "kind": "unreadable", "form": "garbage"},
        {**CREATE, "kind": "unreadable", "form": "html"},
        {**CREATE, "kind": "unreadable", "form": "cut"},
    ],
    ids=lambda fault: f"{fault['kind']}-{fault.get('form', '')}",
)
def test_an_accepted_order_whose_answer_is_lost_is_found_and_not_sent_again(desk: Desk, fault: dict[str, Any]) -> None:
    order_id = desk.place()
    desk.venue.arm(fault)

    desk.until_sent(order_id)
    assert desk.child(order_id).status == "UNKNOWN"
    desk.pump(is_final(desk, order_id))

    assert desk.order(order_id).status == "FILLED"
    assert len(desk.at_venue(order_id)) == len(desk.sends(order_id)) == 1
    desk.assert_books_match()


@pytest.mark.parametrize("order_type", ["market", "limit"])
def test_a_lost_request_is_sent_again_once_with_a_new_timestamp(open_a_desk: OpenDesk, order_type: str) -> None:
    desk = open_a_desk(**QUICK_PROOF)
    order_id = desk.place() if order_type == "market" else desk.limit("100")
    desk.venue.arm(REQUEST_LOST)

    desk.until_sent(order_id)
    desk.runtime.give_sends_room()
    desk.pump(is_final(desk, order_id))

    first, second = desk.sends(order_id)
    assert desk.order(order_id).status == "FILLED"
    assert len(desk.at_venue(order_id)) == 1
    assert second["timestamp"] > first["timestamp"] + timedelta(milliseconds=first["window_ms"])
    assert (first["outcome"], second["outcome"]) == ("ambiguous", "answered")
    assert second["epoch"] > first["epoch"]
    desk.assert_books_match()


@ON_SQLITE
def test_no_trace_before_the_venues_deadline_proves_nothing(desk: Desk) -> None:
    order_id = desk.place()
    desk.venue.arm(REQUEST_LOST)
    desk.until_sent(order_id)

    said = ""
    for _ in range(5):
        desk.runtime.advance(60)  # our clock may say what it likes
        said = lookup(desk.runtime, child_id=desk.child(order_id).id)

    assert said.startswith("no trace yet")
    assert (desk.child(order_id).status, len(desk.sends(order_id))) == ("UNKNOWN", 1)
    assert desk.held(order_id)


@ON_SQLITE
def test_a_request_that_arrives_late_inside_the_window_is_found(open_a_desk: OpenDesk) -> None:
    desk = open_a_desk(**WIDE_WINDOW)
    order_id = desk.place()
    desk.venue.arm({**CREATE, "kind": "late", "delay_ms": 500})

    desk.until_sent(order_id)
    desk.pump(is_final(desk, order_id))

    assert desk.order(order_id).status == "FILLED"
    assert len(desk.at_venue(order_id)) == len(desk.sends(order_id)) == 1


@ON_SQLITE
def test_a_copy_that_arrives_after_the_window_is_refused_by_the_venue(open_a_desk: OpenDesk) -> None:
    desk = open_a_desk(**QUICK_PROOF)
    order_id = desk.place()
    desk.venue.arm({**CREATE, "kind": "late", "delay_ms": 1600})

    desk.until_sent(order_id)
    desk.runtime.give_sends_room()
    desk.pump(is_final(desk, order_id))
    client_id = desk.child(order_id).venue_client_order_id
    eventually(
        lambda: (client_id, -1021) in [(ask.client_order_id, ask.code) for ask in read_requests(desk.venue.home)],
        within_s=60,
        describe="the venue has refused the late copy",
    )

    assert desk.order(order_id).status == "FILLED"
    assert len(desk.sends(order_id)) == 2
    assert len(desk.at_venue(order_id)) == 1


@ON_SQLITE
def test_an_order_that_the_venue_shows_late_is_waited_for(open_a_desk: OpenDesk) -> None:
    desk = open_a_desk(**{**WIDE_WINDOW, "visibility_lag_ms": 1500})
    order_id = desk.place()
    desk.venue.arm({**REPLY_LOST, "lag_ms": 1200})

    desk.until_sent(order_id)
    # As if the window had ended right after the order arrived: only the lag is left between a look and a proof.
    deadline = desk.runtime.gateways.get("paper", "main").time()
    with write(desk.engine) as conn:
        conn.execute(child_orders.update().where(child_orders.c.order_id == order_id).values(deadline=deadline))
    desk.pump(is_final(desk, order_id))

    assert desk.order(order_id).status == "FILLED"
    assert len(desk.at_venue(order_id)) == len(desk.sends(order_id)) == 1


def test_a_venue_without_deadlines_proves_no_absence_and_a_person_is_called(open_a_desk: OpenDesk) -> None:
    desk = open_a_desk(**QUICK_PROOF)
    forgetful(desk.runtime)
    order_id = desk.place()
    desk.venue.arm(REQUEST_LOST)

    desk.until_sent(order_id)
    desk.pump(lambda: "SEND_UNKNOWN" in desk.alerts())
    for _ in range(3):
        desk.runtime.advance(61)
        rescue(desk.runtime)
        desk.pump()

    assert desk.end(order_id) == ("WORKING", "SEND_UNKNOWN", "0")
    assert (len(desk.sends(order_id)), desk.at_venue(order_id)) == (1, [])
    assert desk.held(order_id), "nothing is released while a copy may turn up"
    assert desk.alerts().count("SEND_UNKNOWN") == 1


@ON_SQLITE
def test_an_order_that_turns_up_while_a_person_is_waited_for_is_followed(
    open_a_desk: OpenDesk, monkeypatch: pytest.MonkeyPatch
) -> None:
    desk = open_a_desk(**WIDE_WINDOW)
    forgetful(desk.runtime)
    order_id = desk.place()
    desk.venue.arm(REPLY_LOST)
    desk.until_sent(order_id)
    child = desk.child(order_id)
    with write(desk.engine) as conn:  # as if it had stood for long
        conn.exec_driver_sql(f"UPDATE child_orders SET deadline = 0 WHERE id = '{child.id}'")
    with monkeypatch.context() as hidden:
        hidden.setattr(desk.runtime.gateways.get("paper", "main"), "find_order", lambda *_: None)
        desk.pump(lambda: desk.end(order_id)[1] == "SEND_UNKNOWN")

    def look_again() -> bool:
        desk.runtime.advance(61)
        rescue(desk.runtime)
        desk.pump()
        return desk.order(order_id).is_final

    eventually(look_again, within_s=60, describe="the order is found and booked to its end")

    assert desk.end(order_id) == ("FILLED", None, "0.01")
    desk.assert_books_match()
