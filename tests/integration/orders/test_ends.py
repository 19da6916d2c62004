"""Orders that end before they fill: too old, expired, halted, cancelled."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest

from models.clock import format_time
from models.errors import Conflict
from storage.engine import write
from storage.halts import Halt, set_halt
from tasks.commit import commit
from tasks.prepare import prepare
from tasks.rescue import rescue
from tasks.validate import validate
from tests.integration.orders.conftest import ON_SQLITE, OpenDesk
from tests.integration.orders.in_doubt import (
    QUICK_PROOF,
    REPLY_LOST,
    REQUEST_LOST,
    is_final,
)
from tests.support.runtime import Desk


@ON_SQLITE
def test_a_market_order_that_was_never_sent_in_time_ends_unsent(desk: Desk) -> None:
    order_id = desk.place()
    prepare(desk.runtime, order_id=order_id)
    validate(desk.runtime, order_id=order_id)
    desk.runtime.advance(61)

    commit(desk.runtime, order_id=order_id)

    assert desk.end(order_id) == ("EXPIRED", "TOO_OLD", "0")
    assert (desk.sends(order_id), desk.held(order_id)) == ([], {})


@ON_SQLITE
@pytest.mark.parametrize("step", [prepare, validate])
def test_too_old_is_found_by_whichever_step_comes_next(desk: Desk, step: Any) -> None:
    order_id = desk.place(time_in_force="IOC", type="limit", price="30000")
    if step is validate:
        prepare(desk.runtime, order_id=order_id)
    desk.runtime.advance(61)

    step(desk.runtime, order_id=order_id)

    assert desk.end(order_id) == ("EXPIRED", "TOO_OLD", "0")


@ON_SQLITE
def test_a_limit_order_is_never_too_old(desk: Desk) -> None:
    order_id = desk.limit("100")
    desk.runtime.advance(10_000)

    assert desk.work(order_id)["status"] == "FILLED"


@ON_SQLITE
def test_an_order_that_was_first_sent_in_time_is_not_too_old_for_the_second_copy(open_a_desk: OpenDesk) -> None:
    desk = open_a_desk(**{**QUICK_PROOF, "max_age_s": 60})
    order_id = desk.place()
    desk.venue.arm(REQUEST_LOST)
    desk.until_sent(order_id)
    desk.runtime.advance(120)

    desk.pump(is_final(desk, order_id))

    assert desk.end(order_id)[1] != "TOO_OLD"


@ON_SQLITE
def test_a_window_never_reaches_beyond_the_orders_own_end(desk: Desk) -> None:
    ends = desk.runtime.now() + timedelta(seconds=20)  # before the end of the usual window
    order_id = desk.limit("-1000", expires_at=format_time(ends))

    desk.until_sent(order_id)

    (send,) = desk.sends(order_id)
    assert send["timestamp"] + timedelta(milliseconds=send["window_ms"]) <= ends
    desk.cancel(order_id)
    desk.pump(is_final(desk, order_id))


def test_what_rests_when_its_time_is_over_is_withdrawn_and_expires(desk: Desk) -> None:
    order_id = desk.limit("-1000", expires_at=format_time(desk.runtime.now() + timedelta(seconds=120)))
    desk.work(order_id)
    desk.runtime.advance(121)

    rescue(desk.runtime)
    desk.pump(is_final(desk, order_id))

    assert desk.end(order_id) == ("EXPIRED", "EXPIRED", "0")
    assert [order["status"] for order in desk.at_venue(order_id)] == ["CANCELED"]
    assert desk.held(order_id) == {}


@ON_SQLITE
def test_an_order_whose_time_is_over_before_it_is_sent_ends_unsent(desk: Desk) -> None:
    order_id = desk.limit("100", expires_at=format_time(desk.runtime.now() + timedelta(seconds=120)))
    prepare(desk.runtime, order_id=order_id)
    desk.runtime.advance(121)

    rescue(desk.runtime)

    assert desk.end(order_id) == ("EXPIRED", "EXPIRED", "0")
    assert (desk.sends(order_id), desk.held(order_id)) == ([], {})


@ON_SQLITE
@pytest.mark.parametrize("scope", [("", ""), ("paper", ""), ("paper", "main"), ("", "main")])
@pytest.mark.parametrize("meets", ["validate", "commit"])
def test_a_halt_denies_what_was_not_sent(desk: Desk, scope: tuple[str, str], meets: str) -> None:
    order_id = desk.place()
    prepare(desk.runtime, order_id=order_id)
    if meets == "commit":
        validate(desk.runtime, order_id=order_id)
    with write(desk.engine) as conn:
        now = desk.runtime.now()
        set_halt(conn, Halt(venue=scope[0], account=scope[1], reason="drill", by="test", since=now))

    desk.until_sent(order_id)

    assert desk.end(order_id) == ("DENIED", "HALTED", "0")
    assert (desk.sends(order_id), desk.held(order_id)) == ([], {})


@ON_SQLITE
def test_a_halt_elsewhere_stops_nothing_here(desk: Desk) -> None:
    with write(desk.engine) as conn:
        set_halt(conn, Halt(venue="binance", account="", reason="", by="test", since=desk.runtime.now()))
        set_halt(conn, Halt(venue="paper", account="desk2", reason="", by="test", since=desk.runtime.now()))

    assert desk.work(desk.place())["status"] == "FILLED"


def test_a_halt_does_not_keep_a_cancel_or_a_lookup_from_going_on(desk: Desk) -> None:
    resting, unknown = desk.limit("-1000"), desk.place()
    desk.work(resting)
    desk.venue.arm(REPLY_LOST)
    desk.until_sent(unknown)
    with write(desk.engine) as conn:
        set_halt(conn, Halt(venue="", account="", reason="", by="test", since=desk.runtime.now()))

    desk.cancel(resting)
    desk.pump(lambda: desk.order(resting).is_final and desk.order(unknown).is_final)

    assert (desk.order(resting).status, desk.order(unknown).status) == ("CANCELED", "FILLED")


@ON_SQLITE
@pytest.mark.parametrize("steps", [[], [prepare], [prepare, validate]], ids=["received", "prepared", "validated"])
def test_a_cancel_before_the_send_ends_it_unsent(desk: Desk, steps: list[Any]) -> None:
    order_id = desk.limit("100")
    for step in steps:
        step(desk.runtime, order_id=order_id)

    assert desk.cancel(order_id)["status"] == "CANCELED"
    desk.until_sent(order_id)

    assert desk.end(order_id) == ("CANCELED", "CANCEL_REQUESTED", "0")
    assert desk.held(order_id) == {}
    assert desk.venue.orders() is not None
    assert desk.cancel(order_id)["status"] == "CANCELED", "again, also after it ended"


def test_a_cancel_of_a_partly_filled_order_books_what_had_filled(desk: Desk) -> None:
    order_id = desk.limit("-100", quantity="0.02")
    desk.work(order_id)
    price = str(desk.order(order_id).price)
    desk.venue.pause_market()
    desk.venue.set_price("BTC/USDT", price, quantity="0.005")

    desk.cancel(order_id)
    desk.pump(is_final(desk, order_id))
    desk.venue.resume_market()

    status, code, filled = desk.end(order_id)
    (theirs,) = desk.at_venue(order_id)
    assert (status, code) == ("CANCELED", "CANCEL_REQUESTED")
    assert float(filled) == float(theirs["executed"])
    assert desk.held(order_id) == {}
    desk.assert_books_match()


@ON_SQLITE
def test_a_fill_that_is_faster_than_the_cancel_wins(desk: Desk) -> None:
    order_id = desk.limit("-100", quantity="0.01")
    desk.work(order_id)
    price = str(desk.order(order_id).price)
    desk.cancel(order_id)
    desk.venue.set_price("BTC/USDT", price, quantity="5")

    desk.pump(is_final(desk, order_id))

    assert desk.end(order_id) == ("FILLED", None, "0.01")
    with pytest.raises(Conflict):
        desk.cancel(order_id)


def test_a_cancel_of_an_unknown_send_waits_for_the_lookup_and_then_goes_out(desk: Desk) -> None:
    order_id = desk.limit("-1000")
    desk.venue.arm(REPLY_LOST)
    desk.until_sent(order_id)
    desk.cancel(order_id)
    assert desk.order(order_id).status == "PENDING_CANCEL"

    desk.pump(is_final(desk, order_id))

    assert desk.end(order_id) == ("CANCELED", "CANCEL_REQUESTED", "0")
    assert [order["status"] for order in desk.at_venue(order_id)] == ["CANCELED"]


def test_a_cancel_of_a_send_that_never_arrived_ends_it_after_the_proof(open_a_desk: OpenDesk) -> None:
    desk = open_a_desk(**QUICK_PROOF)
    order_id = desk.limit("-1000")
    desk.venue.arm(REQUEST_LOST)
    desk.until_sent(order_id)

    desk.cancel(order_id)
    desk.pump(is_final(desk, order_id))

    assert desk.end(order_id) == ("CANCELED", "CANCEL_REQUESTED", "0")
    assert (len(desk.sends(order_id)), desk.at_venue(order_id), desk.held(order_id)) == (1, [], {})


@ON_SQLITE
@pytest.mark.parametrize("when", ["before", "after"])
def test_a_cancel_whose_answer_is_lost_is_asked_again(desk: Desk, when: str) -> None:
    order_id = desk.limit("-1000")
    desk.work(order_id)
    desk.venue.arm({"kind": "drop", "when": when, "endpoint": "order", "method": "DELETE", "count": 2})

    desk.cancel(order_id)
    desk.pump(is_final(desk, order_id))

    assert desk.end(order_id) == ("CANCELED", "CANCEL_REQUESTED", "0")
    desk.assert_books_match()
