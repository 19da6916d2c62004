"""What happens to what did not fill: the four policies of the contract, with their timers and counters as rows."""

from __future__ import annotations

import itertools
from decimal import Decimal
from typing import Any

import pytest

from models.reports import OrderReport, Trade, VenueStatus
from tasks.rescue import rescue
from tasks.settle import apply_report
from tests.integration.orders.conftest import ON_SQLITE
from tests.integration.orders.in_doubt import (
    is_final,
)
from tests.support.runtime import Desk

FAR = "-1000"


def attempts(desk: Desk, order_id: str) -> list[tuple[int, str, str]]:
    return [(child.attempt, child.status.value, str(child.quantity)) for child in desk.children(order_id)]


def test_accept_partial_leaves_unfilled_what_the_venue_ended(desk: Desk) -> None:
    order_id = desk.limit(FAR, time_in_force="IOC", fill_policy={"name": "accept_partial"})
    desk.pump(is_final(desk, order_id))

    assert desk.order(order_id).status in ("CANCELED", "EXPIRED")
    assert len(desk.children(order_id)) == 1


def test_retry_remaining_sends_the_rest_as_new_attempts_and_stops_at_its_count(desk: Desk) -> None:
    policy = {"name": "retry_remaining", "max_attempts": 3, "delay_s": 5}
    order_id = desk.limit(FAR, time_in_force="IOC", fill_policy=policy)
    desk.pump(is_final(desk, order_id))

    assert [attempt for attempt, *_ in attempts(desk, order_id)] == [1, 2, 3]
    sent = [child.sent_at for child in desk.children(order_id)]
    assert all(
        (later - sooner).total_seconds() >= 4.9  # type: ignore[operator]
        for sooner, later in itertools.pairwise(sent)
    )
    assert desk.order(order_id).status in ("CANCELED", "EXPIRED")
    assert not desk.held(order_id)
    desk.assert_books_match()


def test_retry_remaining_ends_filled_once_the_market_comes(desk: Desk) -> None:
    policy = {"name": "retry_remaining", "max_attempts": 5, "delay_s": 1}
    order_id = desk.limit(FAR, time_in_force="IOC", fill_policy=policy)
    desk.pump(lambda: len(desk.children(order_id)) == 2)
    price = desk.order(order_id).price
    assert price is not None
    desk.venue.set_price("BTC/USDT", str(price - 100))
    desk.pump(is_final(desk, order_id))

    assert desk.order(order_id).status == "FILLED"
    desk.assert_books_match()


@pytest.mark.parametrize(("then", "code"), [("accept", "TIMEOUT"), ("cancel", "TIMEOUT")])
def test_wait_for_complete_cancels_the_rest_at_its_time(desk: Desk, then: str, code: str) -> None:
    order_id = desk.limit(FAR, fill_policy={"name": "wait_for_complete", "timeout_s": 30, "then": then})
    desk.pump(is_final(desk, order_id))

    assert desk.end(order_id) == ("CANCELED", code, "0")
    assert [one["status"] for one in desk.at_venue(order_id)] == ["CANCELED"]
    assert not desk.held(order_id)


@ON_SQLITE
def test_a_cancel_while_its_policy_ends_it_is_on_record_and_harmless_to_repeat(desk: Desk) -> None:
    order_id = desk.limit(FAR, fill_policy={"name": "wait_for_complete", "timeout_s": 30})
    desk.pump(lambda: desk.order(order_id).status == "PENDING_CANCEL")

    assert desk.cancel(order_id)["status"] == "PENDING_CANCEL"
    desk.pump(is_final(desk, order_id))

    assert desk.end(order_id) == ("CANCELED", "TIMEOUT", "0")
    assert desk.order(order_id).cancel_requested_at is not None
    assert desk.cancel(order_id)["status"] == "CANCELED", "asked again, it is answered and no conflict"


@ON_SQLITE
def test_wait_for_complete_accepts_what_had_traded(desk: Desk) -> None:
    order_id = desk.limit(FAR, quantity="0.02", fill_policy={"name": "wait_for_complete", "timeout_s": 30})
    desk.pump(lambda: [child.status for child in desk.children(order_id)] == ["ACCEPTED"])
    price = desk.order(order_id).price
    assert price is not None
    desk.venue.pause_market()
    try:
        desk.venue.set_price("BTC/USDT", str(price - 50), quantity="0.005")
        desk.pump(is_final(desk, order_id))
    finally:
        desk.venue.resume_market()

    status, code, filled = desk.end(order_id)
    assert (status, code) == ("CANCELED", "PARTIAL_ACCEPTED")
    assert Decimal(0) < Decimal(filled) < Decimal("0.02")
    desk.assert_books_match()


@pytest.mark.parametrize("reprice", ["join", "cross", "keep"])
def test_cancel_and_retry_sends_the_rest_at_a_new_price_within_the_limit(desk: Desk, reprice: str) -> None:
    policy = {"name": "cancel_and_retry", "timeout_s": 10, "max_attempts": 3, "reprice": reprice}
    order_id = desk.limit(FAR, fill_policy=policy)
    desk.pump(lambda: len(desk.children(order_id)) == 3)
    desk.pump()

    price = desk.order(order_id).price
    assert price is not None
    for child in desk.children(order_id):
        assert child.price is not None
        assert child.price <= price
    assert len(desk.sends(order_id)) == 3
    open_at_venue = [one for one in desk.at_venue(order_id) if one["status"] in ("NEW", "PARTIALLY_FILLED")]
    assert len(open_at_venue) <= 1, "a new attempt waits until the old one is proven final"
    desk.assert_books_match()


@ON_SQLITE
def test_a_timer_rings_though_every_message_is_lost(desk: Desk) -> None:
    policy = {"name": "cancel_and_retry", "timeout_s": 10, "max_attempts": 2, "reprice": "keep"}
    order_id = desk.limit(FAR, fill_policy=policy)
    desk.pump(lambda: [child.status for child in desk.children(order_id)] == ["ACCEPTED"])

    for _ in range(40):
        desk.forget_outbox()
        desk.runtime.advance(3)
        rescue(desk.runtime)
        desk.pump(lambda: not desk.waiting() or len(desk.children(order_id)) == 2)
        if len(desk.children(order_id)) == 2:
            break

    assert [attempt for attempt, *_ in attempts(desk, order_id)] == [1, 2]


@ON_SQLITE
@pytest.mark.parametrize(
    "policy",
    [
        {"name": "retry_remaining", "max_attempts": 2, "delay_s": 1},
        {"name": "wait_for_complete", "timeout_s": 5},
        {"name": "cancel_and_retry", "timeout_s": 5, "max_attempts": 2, "reprice": "cross"},
    ],
    ids=["retry_remaining", "wait_for_complete", "cancel_and_retry"],
)
@pytest.mark.parametrize(
    "algorithm",
    [{"name": "twap", "duration_s": 60, "slices": 3}, {"name": "iceberg", "display_quantity": "0.01"}],
    ids=["twap", "iceberg"],
)
def test_each_policy_goes_with_slices(desk: Desk, policy: dict[str, Any], algorithm: dict[str, Any]) -> None:
    order_id = desk.limit("-50", quantity="0.03", algorithm=algorithm, fill_policy=policy)
    if policy["name"] == "retry_remaining" and algorithm["name"] == "iceberg":
        desk.pump()  # nothing ends what rests
    else:
        desk.pump(lambda: len(desk.children(order_id)) >= 3 or desk.order(order_id).is_final)

    children = desk.children(order_id)
    live = sum((child.quantity for child in children if not child.is_final), Decimal(0))
    filled = sum((child.filled_quantity for child in children), Decimal(0))
    assert live + filled <= Decimal("0.03")
    if not desk.order(order_id).is_final:
        desk.cancel(order_id)
        desk.pump(is_final(desk, order_id))
    desk.assert_books_match()


def test_a_fill_told_late_while_an_attempt_is_planned_trades_no_more_than_the_order(desk: Desk) -> None:
    """Attempt 2 was planned for all of it; then the venue tells of a fill of attempt 1."""
    policy = {"name": "cancel_and_retry", "timeout_s": 10, "max_attempts": 5, "reprice": "keep"}
    order_id = desk.limit(FAR, quantity="0.02", fill_policy=policy)
    desk.pump(lambda: len(desk.children(order_id)) == 2)
    first, _ = desk.children(order_id)
    assert first.venue_order_id is not None
    assert first.price is not None
    late = Trade(
        venue_trade_id="late-1",
        venue_order_id=first.venue_order_id,
        symbol=first.symbol,
        side=desk.order(order_id).side,
        quantity=Decimal("0.005"),
        price=first.price,
        fee=Decimal(0),
        fee_asset=None,
        liquidity=None,
        traded_at=desk.runtime.now(),
    )
    report = OrderReport(
        symbol=first.symbol,
        venue_order_id=first.venue_order_id,
        client_order_id=first.venue_client_order_id,
        status=VenueStatus.CANCELED,
        quantity=first.quantity,
        filled_quantity=Decimal("0.005"),
        filled_cost=None,
        price=first.price,
        trades=(late,),
    )
    apply_report(desk.runtime, first.id, report, source="track")

    desk.pump(is_final(desk, order_id))

    assert len(desk.sends(order_id)) == 1, "0.005 and another 0.02 would be more than the order"
    assert desk.end(order_id) == ("CANCELED", "NOTHING_LEFT", "0.005")
    assert "NOTHING_LEFT" in desk.alerts()
    assert not desk.held(order_id)
