"""Each step against the real venue and a real database: what follows from what the venue does."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest

from exchanges.paper.journal import read_requests
from models.clock import format_time
from models.errors import Conflict
from storage.engine import read, write
from storage.halts import Halt, set_halt
from storage.ledger import balances
from storage.order_tables import child_orders
from tasks.commit import commit
from tasks.lookup import lookup
from tasks.prepare import prepare
from tasks.rescue import rescue
from tasks.settle import settle
from tasks.validate import validate
from tasks.withdraw import withdraw
from tests.integration.orders.conftest import ON_SQLITE, OpenDesk
from tests.support.runtime import Desk, forgetful
from tests.support.waiting import eventually

#: The venue proves an absence soon: its deadline is short, and what it has it shows at once. For sends that do not
#: arrive: one that is to arrive may be late for it, so that ``give_sends_room`` comes before the next.
QUICK_PROOF = {"recv_window_ms": 800, "clock_skew_ms": 0, "visibility_lag_ms": 100, "max_age_s": 86_400}

#: for what must get to the venue inside the window, however slow this machine is: nobody waits for its end
WIDE_WINDOW = {**QUICK_PROOF, "recv_window_ms": 30_000}

CREATE = {"endpoint": "order", "method": "POST", "count": 1}
REQUEST_LOST = {**CREATE, "kind": "drop", "when": "before"}
REPLY_LOST = {**CREATE, "kind": "drop", "when": "after"}


def is_final(desk: Desk, order_id: str) -> Any:
    return lambda: desk.order(order_id).is_final


# ------------------------------------------------------------------------------------------------------ the usual way


def test_a_market_order_is_sent_filled_and_booked(desk: Desk) -> None:
    order_id = desk.place(quantity="0.01")

    document = desk.work(order_id)

    assert desk.end(order_id) == ("FILLED", None, "0.01")
    assert desk.moves(order_id, "order") == ["RECEIVED", "PREPARED", "VALIDATED", "WORKING", "FILLED"]
    assert desk.moves(order_id, "child") == ["PLANNED", "SUBMITTING", "ACCEPTED", "FILLED"]
    assert desk.held(order_id) == {}
    assert sum(float(fill["quantity"]) for fill in document["fills"]) == 0.01
    desk.assert_books_match()


def test_every_message_three_times_is_one_order_and_one_booking(desk: Desk) -> None:
    order_id = desk.place()

    for step in (prepare, validate, commit, settle):
        for _ in range(3):
            step(desk.runtime, order_id=order_id)

    assert desk.order(order_id).status == "FILLED"
    assert len(desk.at_venue(order_id)) == len(desk.sends(order_id)) == 1
    desk.assert_books_match()


@ON_SQLITE
def test_messages_in_the_wrong_order_change_nothing_before_their_turn(desk: Desk) -> None:
    order_id = desk.place()

    for step in (settle, commit, validate, withdraw):
        step(desk.runtime, order_id=order_id)

    assert desk.moves(order_id, "order") == ["RECEIVED"]
    assert desk.work(order_id)["status"] == "FILLED"


def test_a_resting_order_is_followed_to_its_last_fill(desk: Desk) -> None:
    order_id = desk.limit("-100", quantity="0.02")
    desk.work(order_id)
    price = str(desk.order(order_id).price)
    assert (desk.order(order_id).status, desk.child(order_id).status) == ("WORKING", "ACCEPTED")

    desk.venue.market_order("BTC/USDT", "sell", "0.005", price=price)
    desk.track()
    statuses = [desk.order(order_id).status]
    desk.venue.set_price("BTC/USDT", price, quantity="1")
    desk.track()

    assert [*statuses, desk.order(order_id).status] == ["WORKING", "FILLED"] or statuses == ["PARTIALLY_FILLED"]
    assert desk.order(order_id).status == "FILLED"
    desk.assert_books_match()


@ON_SQLITE
def test_a_look_that_shows_nothing_new_leaves_no_row(desk: Desk) -> None:
    order_id = desk.limit("-1000")
    desk.work(order_id)
    before = (len(desk.reports(order_id)), desk.order(order_id).version)

    for _ in range(3):
        desk.track()

    assert (len(desk.reports(order_id)), desk.order(order_id).version) == before


# ------------------------------------------------------------------------------------------- a send without an answer


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


# ------------------------------------------------------------------------------------------------- surely not taken


def test_a_venue_that_refuses_connections_is_tried_again_until_it_is_back(desk: Desk) -> None:
    order_id = desk.limit("100")
    prepare(desk.runtime, order_id=order_id)
    validate(desk.runtime, order_id=order_id)
    desk.venue.stop()
    try:
        said = commit(desk.runtime, order_id=order_id)
        assert desk.child(order_id).status == "PLANNED", said
        assert [send["outcome"] for send in desk.sends(order_id)] == ["not_sent"]
    finally:
        desk.venue.start()

    desk.pump(is_final(desk, order_id))

    assert desk.order(order_id).status == "FILLED"
    assert len(desk.at_venue(order_id)) == 1


@ON_SQLITE
def test_a_limit_closes_the_gate_for_all_and_opens_it_in_time(desk: Desk) -> None:
    first, second = desk.limit("100"), desk.limit("100")
    desk.venue.arm({**CREATE, "kind": "rate_limited", "status": 429, "retry_after_s": 600})
    begun = desk.runtime.now()
    desk.until_sent(first)

    desk.until_sent(second)

    assert desk.sends(second) == [], "the second order was not sent into the limit"
    desk.pump(lambda: desk.order(first).is_final and desk.order(second).is_final)
    assert {desk.order(first).status, desk.order(second).status} == {"FILLED"}
    assert desk.sends(second)[0]["intended_at"] >= begun + timedelta(seconds=600)


@ON_SQLITE
def test_a_rejection_ends_the_order_with_its_words_and_gives_the_hold_back(desk: Desk) -> None:
    order_id = desk.limit("200", post_only=True)

    desk.work(order_id)

    assert desk.end(order_id) == ("REJECTED", "VENUE_REJECTED", "0")
    assert desk.held(order_id) == {}
    assert len(desk.sends(order_id)) == 1


def test_want_of_funds_denies_and_says_what_is_missing(desk: Desk) -> None:
    order_id = desk.place(side="sell", quantity="170")

    said = prepare(desk.runtime, order_id=order_id)

    assert said == "denied: INSUFFICIENT_FUNDS"
    assert desk.end(order_id) == ("DENIED", "INSUFFICIENT_FUNDS", "0")
    assert desk.held(order_id) == {}


def test_a_deposit_is_taken_over_before_an_order_is_denied(desk: Desk) -> None:
    desk.work(desk.place())  # opens the books
    with read(desk.engine) as conn:
        (ours,) = (held.total for held in balances(conn, "paper", "main") if held.asset == "SOL")
    desk.venue.deposit("main", "SOL", "10")
    order_id = desk.place(symbol="SOL/USDT", side="sell", quantity=str(ours + 5))

    said = prepare(desk.runtime, order_id=order_id)

    assert said == "prepared after a deposit"
    desk.cancel(order_id)
    desk.assert_books_match()


# ---------------------------------------------------------------------------------------------------- age and expiry


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


# ----------------------------------------------------------------------------------------------------- halts, cancels


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
