"""Schedules that catch seeded bugs: the proof that a send is absent."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any

import pytest

from models.reports import OrderReport
from storage.engine import write
from tasks import heartbeat
from tasks.commit import commit
from tasks.prepare import prepare
from tasks.validate import validate
from tests.integration.orders.conftest import ON_SQLITE, OpenDesk
from tests.integration.orders.in_doubt import (
    CREATE,
    QUICK_PROOF,
    REPLY_LOST,
    WIDE_WINDOW,
    is_final,
)
from tests.integration.orders.schedules_played import (
    in_doubt,
    look,
    standing_still_at,
    take_over_and_look,
)
from tests.integration.orders.test_crashes import Pause, _gateway, _in_thread
from tests.integration.orders.test_strays import hidden_and_planned_again
from tests.support.runtime import Desk, forgetful
from tests.support.waiting import eventually

#: room for what a schedule does inside a venue's window; a machine that needs more sends again, which is no failure
ROOMY = {**QUICK_PROOF, "recv_window_ms": 2_500}

#: the places of one look, and what each says when it shows nothing
LOOKS: dict[str, Any] = {"_by_client_id": None, "open_orders": [], "_ended_orders": [], "_by_trades": None}


def venue_time(desk: Desk) -> datetime:
    return desk.runtime.gateways.get("paper", "main").time()


def wait_until_proven(desk: Desk, order_id: str, margin: timedelta = timedelta()) -> None:
    """Until no copy that was sent so far can arrive any more, and a look without a trace is proof."""
    deadline = desk.child(order_id).deadline
    assert deadline is not None
    settings = desk.runtime.settings.venues["paper"]
    proven_at = deadline + timedelta(milliseconds=settings.clock_skew_ms + settings.visibility_lag_ms) + margin
    eventually(lambda: venue_time(desk) > proven_at, within_s=60, describe="the venue's clock passes the deadline")


def end_quietly(desk: Desk, order_id: str) -> None:
    """The order's end, and after it the end of all that could still arrive."""
    desk.pump(is_final(desk, order_id))
    wait_until_proven(desk, order_id)


def assert_one_effect(desk: Desk, order_id: str, quantity: str = "0.01") -> None:
    at_venue = desk.at_venue(order_id)
    assert len(at_venue) == 1, f"{len(at_venue)} orders at the venue: {desk.log}"
    assert desk.end(order_id) == ("FILLED", None, quantity)
    desk.assert_books_match()


@pytest.fixture
def stopped_hearts(monkeypatch: pytest.MonkeyPatch) -> None:
    """Leases run out although this process lives: its heartbeat stands still with the rest."""
    monkeypatch.setattr(heartbeat, "renew", lambda *_, **__: True)


@ON_SQLITE
@pytest.mark.parametrize(
    "fault",
    [REPLY_LOST, {**CREATE, "kind": "error", "when": "after", "status": 503}, {**CREATE, "kind": "unreadable", "form": "no_id"}],
    ids=["no answer", "a 5xx", "no id"],
)  # fmt: skip
def test_an_order_that_filled_at_once_and_whose_answer_proves_nothing_is_one_order(
    open_a_desk: OpenDesk, fault: dict[str, Any]
) -> None:
    desk = open_a_desk(**QUICK_PROOF)
    order_id = in_doubt(desk, fault)

    end_quietly(desk, order_id)

    assert_one_effect(desk, order_id)


@ON_SQLITE
def test_a_limit_is_no_proof_where_the_venue_matches_before_it_counts(open_a_desk: OpenDesk) -> None:
    desk = open_a_desk(**QUICK_PROOF)
    caller: Any = _gateway(desk)._caller
    caller.can = replace(caller.can, rate_limit_is_rejection=False)
    order_id = in_doubt(desk, {**CREATE, "kind": "error", "when": "after", "status": 429})

    end_quietly(desk, order_id)

    assert_one_effect(desk, order_id)


@ON_SQLITE
@pytest.mark.parametrize("place", LOOKS)
def test_each_place_that_shows_the_order_is_enough(desk: Desk, monkeypatch: pytest.MonkeyPatch, place: str) -> None:
    """Venues drop orders from one list before another has them: only all of them together prove an absence."""
    order_id = desk.limit("-1000") if place == "open_orders" else desk.place()
    desk.work(order_id)
    child = desk.child(order_id)
    assert child.sent_at is not None
    for other, nothing in LOOKS.items():
        if other != place:
            monkeypatch.setattr(_gateway(desk)._lookup, other, lambda *_, nothing=nothing: nothing)

    found = _gateway(desk).find_order(child.symbol, child.venue_client_order_id, child.sent_at - timedelta(minutes=1))

    assert found is not None
    assert found.venue_order_id == child.venue_order_id


@ON_SQLITE
def test_a_copy_that_is_refused_as_a_duplicate_is_the_order_itself(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    """The venue hid the first copy longer than it promised; that it knows the id says that the order rests there."""
    order_id = desk.limit("-1000")
    first = hidden_and_planned_again(desk, order_id, monkeypatch)

    commit(desk.runtime, order_id=order_id)
    desk.pump()

    assert desk.child(order_id).venue_order_id == first
    assert desk.end(order_id)[:2] == ("WORKING", None)
    assert desk.held(order_id)


@ON_SQLITE
def test_a_slow_look_proves_only_what_the_clock_said_before_it(
    open_a_desk: OpenDesk, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The look is over before the copy arrives; its answer is on the way until the deadline has passed."""
    desk = open_a_desk(**ROOMY)
    order_id = in_doubt(desk, {**CREATE, "kind": "late", "delay_ms": 900})
    gateway = _gateway(desk)
    real = gateway.find_order

    def slow(*place: Any) -> OrderReport | None:
        found: OrderReport | None = real(*place)
        wait_until_proven(desk, order_id)
        return found

    with monkeypatch.context() as patch:
        patch.setattr(gateway, "find_order", slow)
        look(desk, order_id)

    end_quietly(desk, order_id)

    assert_one_effect(desk, order_id)


@ON_SQLITE
@pytest.mark.parametrize("margin", ["clock_skew_ms", "visibility_lag_ms"])
def test_a_look_within_skew_and_lag_of_the_deadline_proves_nothing(open_a_desk: OpenDesk, margin: str) -> None:
    """Neither the venue's clock nor what it shows is the matching engine's to the millisecond."""
    desk = open_a_desk(**{**QUICK_PROOF, "clock_skew_ms": 0, "visibility_lag_ms": 0, margin: 60_000})
    order_id = in_doubt(desk)
    wait_until_proven(desk, order_id, margin=timedelta(seconds=-59))

    said = look(desk, order_id)

    assert said.startswith("no trace yet")
    assert (desk.child(order_id).status, len(desk.sends(order_id))) == ("UNKNOWN", 1)


@ON_SQLITE
def test_a_proof_of_one_sends_absence_says_nothing_of_a_later_send(open_a_desk: OpenDesk, stopped_hearts: None) -> None:
    """UNKNOWN → PLANNED → SUBMITTING → UNKNOWN while a look stands still: the status is the same, the send is not.

    The experiment behind this protocol did not catch updates without the epoch; this is the schedule that does.
    """
    stopped, other = open_a_desk(**ROOMY), open_a_desk(**ROOMY)
    order_id = in_doubt(stopped)
    wait_until_proven(stopped, order_id)
    with standing_still_at("lookup.absent", lambda: look(stopped, order_id)):
        assert take_over_and_look(other, order_id).startswith("proven absent")
        other.forget_outbox()
        other.venue.arm({**CREATE, "kind": "late", "delay_ms": 900})
        commit(other.runtime, order_id=order_id)
        assert [send["number"] for send in other.sends(order_id)] == [1, 2]
    # It woke up, with the proof of send 1 in its hand, while send 2 was on its way.
    end_quietly(other, order_id)

    assert_one_effect(other, order_id)


@ON_SQLITE
def test_a_refusal_of_an_old_send_does_not_make_a_later_one_go_out_again(
    open_a_desk: OpenDesk, monkeypatch: pytest.MonkeyPatch, stopped_hearts: None
) -> None:
    """Send 1 wakes up and is refused for its time while send 2 is under way: SUBMITTING then as now, another claim."""
    stopped, other, third = (open_a_desk(**ROOMY) for _ in range(3))
    order_id = stopped.place()
    prepare(stopped.runtime, order_id=order_id)
    validate(stopped.runtime, order_id=order_id)
    first, second = (Pause(_gateway(desk), monkeypatch, after=False) for desk in (stopped, other))
    sender_1, said_1 = _in_thread(lambda: commit(stopped.runtime, order_id=order_id))
    threads = [(sender_1, first)]
    try:
        assert first.reached.wait(60)
        wait_until_proven(other, order_id)
        assert take_over_and_look(other, order_id).startswith("proven absent")
        sender_2, _ = _in_thread(lambda: commit(other.runtime, order_id=order_id))
        threads.append((sender_2, second))
        assert second.reached.wait(60)
        first.go_on.set()
        sender_1.join()
        assert said_1, "the first sender has ended"
        commit(third.runtime, order_id=order_id)
    finally:
        for thread, pause in threads:
            pause.go_on.set()
            thread.join()

    end_quietly(third, order_id)

    assert_one_effect(third, order_id)


@ON_SQLITE
def test_a_look_that_wakes_up_late_calls_nobody_for_an_order_that_was_found(
    open_a_desk: OpenDesk, monkeypatch: pytest.MonkeyPatch, stopped_hearts: None
) -> None:
    stopped, other = open_a_desk(**WIDE_WINDOW), open_a_desk(**WIDE_WINDOW)
    for desk in (stopped, other):
        forgetful(desk.runtime)
    order_id = stopped.limit("-1000")
    stopped.venue.arm(REPLY_LOST)
    stopped.until_sent(order_id)
    with write(stopped.engine) as conn:  # as if it had stood for long
        conn.exec_driver_sql(f"UPDATE child_orders SET deadline = 0 WHERE order_id = '{order_id}'")
    # As one that asked before the venue showed the order.
    for place in ("_by_client_id", "open_orders", "_ended_orders"):
        monkeypatch.setattr(_gateway(stopped)._lookup, place, lambda *_, nothing=LOOKS[place]: nothing)
    with standing_still_at("lookup.asked.trades", lambda: look(stopped, order_id)):
        assert take_over_and_look(other, order_id).startswith("found as")

    assert other.end(order_id) == ("WORKING", None, "0")
    assert "SEND_UNKNOWN" not in other.alerts()
    other.cancel(order_id)
    other.pump(is_final(other, order_id))
