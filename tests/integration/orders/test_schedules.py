"""Large orders in slices: rows that a wave loop plans, sends and plans anew, on both databases and the real venue."""

from __future__ import annotations

import itertools
from collections.abc import Callable
from datetime import timedelta
from decimal import Decimal
from typing import Any

import pytest

from models.clock import parse_time
from models.reconciliation import BreakAction, BreakKind, BreakSeverity, BreakStatus, RunScope
from storage.breaks import Finding, keep_finding
from storage.engine import write
from storage.reconciliations import begin_run
from tasks.plan import plan
from tasks.rescue import rescue
from tests.integration.orders.conftest import ON_SQLITE, OpenDesk
from tests.integration.orders.in_doubt import (
    REPLY_LOST,
    is_final,
)
from tests.support.runtime import Desk
from workflows import breaks, halt

TWAP: dict[str, Any] = {"name": "twap", "duration_s": 600, "slices": 6}


def children(desk: Desk, order_id: str) -> list[dict[str, Any]]:
    return desk.document(order_id)["child_orders"]


def sums(desk: Desk, order_id: str) -> Decimal:
    return sum((Decimal(child["quantity"]) for child in children(desk, order_id)), Decimal(0))


def traded(desk: Desk, order_id: str) -> Decimal:
    """What the venue says."""
    ids = {(one["symbol"], one["order_id"]) for one in desk.at_venue(order_id)}
    return sum(
        (Decimal(one["quantity"]) for one in desk.venue.trades() if (one["symbol"], one["order_id"]) in ids), Decimal(0)
    )


def test_a_twap_sends_equal_slices_at_their_times_and_is_filled(desk: Desk) -> None:
    order_id = desk.place(quantity="0.06", algorithm=TWAP)
    desk.pump(is_final(desk, order_id))

    document = desk.document(order_id)
    due = [parse_time(child["due_at"]) for child in document["child_orders"]]
    assert document["status"] == "FILLED"
    assert [child["quantity"] for child in document["child_orders"]] == ["0.01"] * 6
    assert [later - sooner for sooner, later in itertools.pairwise(due)] == [timedelta(seconds=100)] * 5
    assert len(desk.at_venue(order_id)) == len(desk.sends(order_id)) == 6
    desk.assert_books_match()


def test_a_schedule_goes_on_when_every_message_of_it_is_lost(desk: Desk) -> None:
    order_id = desk.place(quantity="0.03", algorithm={"name": "twap", "duration_s": 60, "slices": 3})

    for _ in range(60):
        desk.forget_outbox()
        desk.runtime.advance(2.5)
        rescue(desk.runtime)
        desk.pump()
        if desk.order(order_id).is_final:
            break

    assert desk.end(order_id) == ("FILLED", None, "0.03")
    assert sums(desk, order_id) >= Decimal("0.03")
    assert sum(Decimal(send["quantity"]) for send in desk.at_venue(order_id)) == Decimal("0.03")
    desk.assert_books_match()


def test_a_wave_that_is_planned_twice_is_planned_once(desk: Desk) -> None:
    order_id = desk.place(quantity="0.06", algorithm=TWAP)
    desk.work(order_id)

    said = [plan(desk.runtime, order_id=order_id, wave=0), plan(desk.runtime, order_id=order_id)]

    assert said[0].startswith("wave 1 is planned")
    assert sums(desk, order_id) <= Decimal("0.06")


@ON_SQLITE
def test_a_slice_without_an_answer_holds_nobody_up_and_counts_whole(open_a_desk: OpenDesk) -> None:
    desk = open_a_desk(recv_window_ms=30_000)
    order_id = desk.place(quantity="0.03", algorithm={"name": "twap", "duration_s": 3, "slices": 3})
    desk.venue.arm({**REPLY_LOST, "lag_ms": 3_000})

    desk.pump(is_final(desk, order_id))

    assert desk.end(order_id) == ("FILLED", None, "0.03")
    assert len(desk.at_venue(order_id)) == 3
    desk.assert_books_match()


@ON_SQLITE
def test_a_cancel_in_the_middle_ends_it_with_what_had_traded(desk: Desk) -> None:
    order_id = desk.place(quantity="0.06", algorithm=TWAP)
    desk.pump(lambda: desk.order(order_id).filled_quantity >= Decimal("0.02"))

    desk.cancel(order_id)
    desk.pump()

    status, code, filled = desk.end(order_id)
    assert (status, code) == ("CANCELED", "CANCEL_REQUESTED")
    assert Decimal(filled) == traded(desk, order_id)
    assert not desk.held(order_id)
    desk.assert_books_match()


@ON_SQLITE
def test_a_limit_bounds_every_slice_and_what_rests_is_waited_for(desk: Desk) -> None:
    order_id = desk.limit("-1000", quantity="0.02", algorithm={"name": "twap", "duration_s": 20, "slices": 2})
    desk.pump()

    document = desk.document(order_id)
    assert document["status"] == "WORKING"
    assert [child["status"] for child in document["child_orders"]] == ["ACCEPTED", "ACCEPTED"]
    assert {child["price"] for child in document["child_orders"]} == {document["price"]}


@ON_SQLITE
def test_ioc_slices_that_do_not_trade_carry_over_and_the_schedule_ends(desk: Desk) -> None:
    twap = {"name": "twap", "duration_s": 40, "slices": 4}
    order_id = desk.limit("-1000", quantity="0.02", time_in_force="IOC", algorithm=twap)

    desk.pump(is_final(desk, order_id))

    assert desk.end(order_id) == ("EXPIRED", "SCHEDULE_OVER", "0")
    quantities = [Decimal(child["quantity"]) for child in children(desk, order_id)]
    assert quantities[-1] == Decimal("0.02"), "the last slice takes all that is left"
    assert not desk.held(order_id)


@ON_SQLITE
def test_its_time_is_over_in_the_middle(desk: Desk) -> None:
    expires_at = (desk.runtime.now() + timedelta(seconds=250)).isoformat()
    order_id = desk.place(quantity="0.06", algorithm=TWAP, expires_at=expires_at)

    over_at = parse_time(expires_at)
    desk.pump(lambda: desk.runtime.now() >= over_at)
    rescue(desk.runtime)
    desk.pump(is_final(desk, order_id))

    status, code, filled = desk.end(order_id)
    assert (status, code) == ("EXPIRED", "EXPIRED")
    assert Decimal(0) < Decimal(filled) < Decimal("0.06")
    desk.assert_books_match()


def halted(desk: Desk) -> Callable[[], object]:
    halt.halt(desk.runtime, by="test")
    return lambda: halt.resume(desk.runtime)


def frozen(desk: Desk) -> Callable[[], object]:
    """As a reconciliation freezes an asset; returns a person's word on it."""
    now = desk.runtime.now()
    finding = Finding(
        id="b" * 20, kind=BreakKind.ORDER, venue="paper", account="main", key="k", ours=None, cached=None, theirs=None,
        difference=None, severity=BreakSeverity.CRITICAL, action=BreakAction.FREEZE, message="it rests there",
    )  # fmt: skip
    with write(desk.engine) as conn:
        begin_run(conn, "r" * 26, RunScope.FULL, [], by="test", now=now, due_at=now)
        keep_finding(conn, "r" * 26, finding, BreakStatus.OPEN, ["USDT"], by="test", now=now)
    return lambda: breaks.ignore(desk.runtime, finding.id, by="ana", note="seen")


@ON_SQLITE
@pytest.mark.parametrize("stop", [halted, frozen])
def test_a_stop_in_the_middle_keeps_the_slices_and_its_end_goes_on_without_a_burst(
    desk: Desk, stop: Callable[[Desk], Callable[[], object]]
) -> None:
    order_id = desk.place(quantity="0.06", algorithm=TWAP)
    desk.pump(lambda: desk.order(order_id).filled_quantity >= Decimal("0.01"))
    go_on = stop(desk)
    sent = len(desk.sends(order_id))
    stop_at = desk.runtime.now() + timedelta(seconds=250)
    desk.pump(lambda: desk.runtime.now() >= stop_at)
    assert len(desk.sends(order_id)) == sent
    go_on()

    desk.pump(is_final(desk, order_id))

    assert desk.end(order_id) == ("FILLED", None, "0.06")
    late = [child for child in children(desk, order_id) if child["sent_at"]]
    gaps = [parse_time(b["sent_at"]) - parse_time(a["sent_at"]) for a, b in itertools.pairwise(late)]
    assert min(gaps) > timedelta(seconds=30)
    desk.assert_books_match()


@ON_SQLITE
@pytest.mark.parametrize(("stop", "code"), [(halted, "HALTED"), (frozen, "ACCOUNT_FROZEN")])
def test_slices_that_were_planned_before_a_stop_are_not_sent_under_it(
    desk: Desk, stop: Callable[[Desk], Callable[[], object]], code: str
) -> None:
    order_id = desk.place(quantity="0.06", algorithm={"name": "twap", "duration_s": 60, "slices": 6})
    desk.pump(lambda: desk.order(order_id).filled_quantity >= Decimal("0.01"))
    go_on = stop(desk)
    sent, waiting = len(desk.sends(order_id)), [one for one in children(desk, order_id) if one["status"] == "PLANNED"]
    assert waiting
    stop_at = desk.runtime.now() + timedelta(seconds=15)
    desk.pump(lambda: desk.runtime.now() >= stop_at)

    reasons = {(one["status"], (one["reason"] or {}).get("code")) for one in children(desk, order_id)}
    assert ("CANCELED", code) in reasons
    assert len(desk.sends(order_id)) == sent
    go_on()
    desk.pump(is_final(desk, order_id))

    assert desk.end(order_id) == ("FILLED", None, "0.06")


@ON_SQLITE
@pytest.mark.parametrize(
    "algorithm",
    [
        {"name": "vwap", "duration_s": 30, "slices": 3, "profile": [1, 2, 1]},
        {"name": "vwap", "duration_s": 30, "slices": 3, "profile": "history"},
        {"name": "iceberg", "display_quantity": "0.01"},
        {"name": "adaptive", "duration_s": 30, "slices": 3, "risk_aversion": "0.000001"},
    ],
    ids=["vwap-weights", "vwap-history", "iceberg", "adaptive"],
)
def test_each_algorithm_fills_a_market_that_can_be_had(desk: Desk, algorithm: dict[str, Any]) -> None:
    order_id = desk.limit("1000", quantity="0.03", algorithm=algorithm)

    desk.pump(is_final(desk, order_id))

    assert desk.end(order_id) == ("FILLED", None, "0.03"), desk.log
    assert traded(desk, order_id) == Decimal("0.03")
    desk.assert_books_match()


@ON_SQLITE
def test_what_an_algorithm_estimates_is_said_in_the_document(desk: Desk) -> None:
    adaptive = {"name": "adaptive", "duration_s": 30, "slices": 3, "risk_aversion": "0.000001"}
    order_id = desk.limit("1000", quantity="0.03", algorithm=adaptive)
    desk.pump(is_final(desk, order_id))

    algorithm = desk.document(order_id)["algorithm"]

    assert algorithm["name"] == "adaptive"
    assert algorithm["notes"]


@ON_SQLITE
def test_an_iceberg_of_the_venues_own_shows_only_a_part(desk: Desk) -> None:
    native = {"name": "iceberg", "display_quantity": "0.01", "native": True}
    order_id = desk.limit("-50", quantity="0.03", algorithm=native)
    desk.pump()

    (child,) = desk.children(order_id)
    assert (child.quantity, child.display, child.status) == (Decimal("0.03"), Decimal("0.01"), "ACCEPTED")
    desk.cancel(order_id)
    desk.pump(is_final(desk, order_id))


@ON_SQLITE
def test_our_own_iceberg_shows_one_slice_at_a_time(desk: Desk) -> None:
    order_id = desk.limit("-50", quantity="0.03", algorithm={"name": "iceberg", "display_quantity": "0.01"})
    desk.pump()
    assert [child.quantity for child in desk.children(order_id)] == [Decimal("0.01")]
    price = desk.order(order_id).price
    assert price is not None

    for _ in range(3):
        desk.venue.set_price("BTC/USDT", str(price - 200))
        desk.track()
        desk.pump()

    assert desk.end(order_id) == ("FILLED", None, "0.03")
    assert len(desk.children(order_id)) == 3
    desk.assert_books_match()
