"""Amending while something else happens: a late copy, an end at the venue, a timer, a cancel, an answer not settled yet."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from decimal import Decimal
from typing import Any

import pytest

from exchanges.evidence import Evidence, VenueError
from exchanges.gateway import Gateway
from exchanges.protection.lanes import admitted
from models.reports import NewOrder, OrderReport
from models.vocabulary import ChildStatus
from storage.engine import write
from storage.reports import keep_report
from tasks import follow_up as follow_up_step
from tasks.amend import amend_working
from tasks.commit import commit
from tasks.follow_up import follow_up
from tasks.prepare import prepare
from tasks.rescue import rescue
from tasks.settle import settle
from tasks.validate import validate
from tasks.withdraw import withdraw, withdraw_child
from tests.integration.orders.amending import (
    AMEND,
    CANCEL_AND_SEND,
    FAR,
    IN_PLACE,
    WAYS,
    at_work,
    can_still_trade,
    outcome,
    price_of,
    proves_soon,
    trade,
)
from tests.integration.orders.conftest import ON_SQLITE, OpenDesk
from tests.integration.orders.in_doubt import (
    WIDE_WINDOW,
)
from tests.support.runtime import Desk, forgetful

pytestmark = [ON_SQLITE]

UNHEARD = {**AMEND, "kind": "drop", "when": "before"}


def gateway_of(desk: Desk) -> Gateway:
    return desk.runtime.gateways.get("paper", "main")


def behind_our_back(desk: Desk, order_id: str, *, quantity: str, price: Decimal | None = None) -> None:
    """The venue has the order changed, and none of us has asked for it in a way that is remembered."""
    order, child = desk.order(order_id), desk.children(order_id)[-1]
    gateway_of(desk).amend_order(
        child.symbol,
        child.venue_order_id or "",
        side=order.side,
        type=order.type,
        quantity=Decimal(quantity),
        price=price or price_of(desk, order_id),
        filled_quantity=child.filled_quantity,
        post_only=order.post_only,
        timestamp=None,
        window_ms=5_000,
    )


# ------------------------------------------------------------------------------------------------- copies that come late


def test_where_no_deadline_holds_an_order_is_never_changed_in_place(desk: Desk) -> None:
    forgetful(desk.runtime)
    order_id = at_work(desk, IN_PLACE)

    desk.amend(order_id, quantity="0.03")
    desk.pump()

    assert outcome(desk, order_id) == ("DONE", None)
    assert len(desk.at_venue(order_id)) == 2, "a copy of a request in place could come at any time"
    assert can_still_trade(desk, order_id) == Decimal("0.03")


def test_a_deadline_in_the_request_itself_is_enough(desk: Desk) -> None:
    forgetful(desk.runtime)
    caller: Any = gateway_of(desk)._caller  # type: ignore[attr-defined]
    caller.can = replace(caller.can, amend_deadline=True)
    order_id = at_work(desk, IN_PLACE)

    desk.amend(order_id, quantity="0.03")
    desk.pump()

    assert len(desk.at_venue(order_id)) == 1


@pytest.mark.parametrize("quantity", ["0.03", "0.021"])
def test_an_order_that_is_larger_at_the_venue_is_told_and_withdrawn(open_a_desk: OpenDesk, quantity: str) -> None:
    desk = open_a_desk(**WIDE_WINDOW)
    order_id = at_work(desk)
    behind_our_back(desk, order_id, quantity=quantity)
    assert can_still_trade(desk, order_id) == Decimal(quantity)

    desk.track()
    desk.pump()

    assert desk.end(order_id) == ("CANCELED", "LARGER_AT_VENUE", "0")
    assert can_still_trade(desk, order_id) == 0
    assert desk.alerts() == ["LARGER_AT_VENUE"]
    desk.assert_books_match()


def test_a_page_from_before_a_lower_amendment_is_no_news(
    open_a_desk: OpenDesk, monkeypatch: pytest.MonkeyPatch
) -> None:
    desk = open_a_desk(**WIDE_WINDOW)
    order_id = at_work(desk)
    gateway: Any = gateway_of(desk)
    real = gateway.open_orders
    page = real("BTC/USDT")
    desk.amend(order_id, quantity="0.01")
    desk.pump()
    monkeypatch.setattr(type(gateway), "open_orders", lambda self, symbol: page)

    desk.track()
    desk.pump()

    assert (desk.order(order_id).status, desk.alerts()) == ("WORKING", [])
    assert can_still_trade(desk, order_id) == Decimal("0.01")


def test_a_venue_that_shows_the_old_size_is_believed_only_after_its_lag(
    open_a_desk: OpenDesk, monkeypatch: pytest.MonkeyPatch
) -> None:
    desk = open_a_desk(**{**WIDE_WINDOW, "visibility_lag_ms": 600_000})
    order_id = at_work(desk)
    gateway: Any = gateway_of(desk)
    page = gateway.open_orders("BTC/USDT")
    (old,) = page
    desk.amend(order_id, quantity="0.01")
    desk.pump()
    with monkeypatch.context() as patched:
        patched.setattr(type(gateway), "open_orders", lambda self, symbol: page)
        patched.setattr(type(gateway), "fetch_order", lambda self, symbol, venue_order_id: old)
        desk.track()
        assert (desk.order(order_id).status, desk.alerts()) == ("WORKING", [])
        desk.runtime.advance(601)
        desk.track()
        assert (desk.order(order_id).status, desk.alerts()) == ("PENDING_CANCEL", ["LARGER_AT_VENUE"])
    desk.pump()
    assert desk.end(order_id) == ("CANCELED", "LARGER_AT_VENUE", "0")


# --------------------------------------------------------------------------------------------------- ends, and timers


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("quantity", ["0.01", "0.03"])
def test_an_end_at_the_venue_during_an_amendment_leaves_the_rest_to_the_fill_policy(
    desk: Desk, way: str, quantity: str
) -> None:
    policy = {"name": "retry_remaining", "max_attempts": 5, "delay_s": 1}
    order_id = at_work(desk, way, fill_policy=policy)
    desk.amend(order_id, quantity=quantity)
    desk.withdraw_everything()
    desk.pump()

    assert desk.order(order_id).status == "WORKING"
    assert [child.attempt for child in desk.children(order_id)] == [1, 2]
    assert outcome(desk, order_id) == ("DONE", None)
    assert can_still_trade(desk, order_id) == Decimal(quantity)
    desk.assert_books_match()


def test_a_timeout_that_an_amendment_overtakes_ends_nothing(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    policy = {"name": "cancel_and_retry", "timeout_s": 10, "max_attempts": 5, "reprice": "keep"}
    order_id = at_work(desk, CANCEL_AND_SEND, fill_policy=policy)
    (child,) = desk.children(order_id)
    desk.runtime.advance(11)
    real = withdraw_child

    def amended_first(*args: Any, **kwargs: Any) -> bool | None:
        desk.amend(order_id, quantity="0.03")
        return real(*args, **kwargs)

    monkeypatch.setattr(follow_up_step, "withdraw_child", amended_first)
    follow_up(desk.runtime, child_id=child.id)
    monkeypatch.setattr(follow_up_step, "withdraw_child", real)
    assert desk.child(order_id).status is ChildStatus.ACCEPTED

    desk.pump(lambda: outcome(desk, order_id)[0] != "PENDING")
    assert outcome(desk, order_id) == ("DONE", None)
    assert not desk.order(order_id).is_final
    assert desk.children(order_id)[-1].quantity == Decimal("0.03")


def test_an_amendment_that_overtakes_a_claimed_timeout_goes_on_with_the_rest(
    desk: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    policy = {"name": "cancel_and_retry", "timeout_s": 10, "max_attempts": 5, "reprice": "keep"}
    order_id = at_work(desk, CANCEL_AND_SEND, fill_policy=policy)
    (child,) = desk.children(order_id)
    desk.runtime.advance(11)
    gateway: Any = gateway_of(desk)
    real = gateway.cancel_order

    def amended_first(self: object, *args: Any) -> Any:
        monkeypatch.setattr(type(gateway), "cancel_order", lambda self, *args: real(*args))
        desk.amend(order_id, quantity="0.03")
        return real(*args)

    monkeypatch.setattr(type(gateway), "cancel_order", amended_first)
    follow_up(desk.runtime, child_id=child.id)

    desk.pump(lambda: outcome(desk, order_id)[0] != "PENDING")
    assert outcome(desk, order_id) == ("DONE", None)
    assert not desk.order(order_id).is_final
    assert [one.quantity for one in desk.children(order_id)] == [Decimal("0.02"), Decimal("0.03")]


def test_a_market_order_does_not_get_younger_by_being_amended(
    open_a_desk: OpenDesk, monkeypatch: pytest.MonkeyPatch
) -> None:
    desk = open_a_desk(max_age_s=60)
    order_id = desk.place(quantity="0.02")
    gateway: Any = gateway_of(desk)
    real = gateway.create_order

    def refused(self: object, order: Any) -> Any:
        raise VenueError(Evidence.NOT_SENT, "connection refused")

    monkeypatch.setattr(type(gateway), "create_order", refused)
    for step in (prepare, validate, commit):
        step(desk.runtime, order_id=order_id)
    desk.runtime.advance(55)
    desk.amend(order_id, quantity="0.03")
    desk.forget_outbox()
    amend_working(desk.runtime, order_id=order_id)
    desk.runtime.advance(20)
    monkeypatch.setattr(type(gateway), "create_order", lambda self, order: real(order))
    for _ in range(4):
        rescue(desk.runtime)
        desk.runtime.advance(3)
    desk.pump()

    assert desk.end(order_id) == ("EXPIRED", "TOO_OLD", "0")
    assert desk.at_venue(order_id) == []


# -------------------------------------------------------------------------------- cancels after the venue has been asked


def ended_while_it_is_asked(desk: Desk, order_id: str, how: str) -> None:
    if how == "cancel":
        desk.cancel(order_id)
    elif how == "expiry":
        desk.runtime.advance(601)
        rescue(desk.runtime)
    desk.pump()


@pytest.mark.parametrize("how", ["cancel", "expiry"])
@pytest.mark.parametrize("taken", [False, True], ids=["not taken", "taken"])
@pytest.mark.parametrize("traded", ["0", "0.005", "0.02"])
def test_an_order_that_is_ended_while_the_venue_is_asked_is_as_large_as_the_venue_had_it(
    desk: Desk, how: str, taken: bool, traded: str
) -> None:
    expires_at = (desk.runtime.now() + timedelta(seconds=600)).isoformat()
    order_id = at_work(desk, expires_at=expires_at)
    desk.venue.arm(UNHEARD)
    desk.amend(order_id, quantity="0.03")
    amend_working(desk.runtime, order_id=order_id)
    assert desk.order(order_id).quantity == Decimal("0.03"), "it counts before the venue has said so"
    if taken:
        behind_our_back(desk, order_id, quantity="0.03")
    if Decimal(traded):
        trade(desk, order_id, traded)

    ended_while_it_is_asked(desk, order_id, how)

    code = {"cancel": "CANCEL_REQUESTED", "expiry": "EXPIRED"}[how]
    status = {"cancel": "CANCELED", "expiry": "EXPIRED"}[how]
    filled = traded == "0.02" and not taken
    assert desk.end(order_id) == (("FILLED", None, "0.02") if filled else (status, code, traded))
    assert desk.document(order_id)["quantity"] == ("0.03" if taken else "0.02")
    assert outcome(desk, order_id)[0] == ("DONE" if taken else "REFUSED")
    assert sum(child.quantity for child in desk.children(order_id)) == desk.order(order_id).quantity
    assert can_still_trade(desk, order_id) == Decimal(traded)
    assert not desk.held(order_id)
    desk.assert_books_match()


# ------------------------------------------------------------------------------------------------------ what is not shown


@pytest.mark.parametrize("heard", [True, False])
def test_a_price_that_the_venue_does_not_show_is_taken_only_on_its_word(
    open_a_desk: OpenDesk, monkeypatch: pytest.MonkeyPatch, heard: bool
) -> None:
    desk = open_a_desk(**WIDE_WINDOW)
    order_id = at_work(desk)
    if not heard:  # what is lost is proven absent soon
        proves_soon(desk, order_id)
    gateway: Any = gateway_of(desk)
    real = gateway.fetch_order

    def without_price(self: object, *args: Any) -> OrderReport:
        report: OrderReport = real(*args)
        return replace(report, price=None)

    monkeypatch.setattr(type(gateway), "fetch_order", without_price)
    if not heard:
        desk.venue.arm(UNHEARD)
    wanted = price_of(desk, order_id) - 10
    desk.amend(order_id, price=str(wanted))
    amend_working(desk.runtime, order_id=order_id)
    assert outcome(desk, order_id)[0] == ("DONE" if heard else "PENDING")

    desk.runtime.give_sends_room()
    desk.pump(lambda: outcome(desk, order_id)[0] != "PENDING", within_s=120)
    assert [Decimal(one["price"]) for one in desk.at_venue(order_id)] == [wanted]


def answered_after_all(desk: Desk) -> str:
    """A planned child, whose copies were taken for lost, is at the venue; its answer is on record and not settled."""
    desk.venue.arm({"kind": "rate_limited", "endpoint": "order", "method": "POST", "count": 1, "retry_after_s": 1})
    order_id = desk.limit(FAR, quantity="0.02")
    desk.until_sent(order_id)
    order, child = desk.order(order_id), desk.child(order_id)
    assert (child.status, child.sends) == ("PLANNED", 1)
    copy = NewOrder(
        symbol=order.symbol,
        side=order.side,
        type=order.type,
        quantity=child.quantity,
        price=child.price,
        time_in_force=order.time_in_force,
        post_only=order.post_only,
        client_order_id=child.venue_client_order_id,
        timestamp=gateway_of(desk).estimated_time(),
        window_ms=5_000,
    )
    with admitted():  # as a copy that has left long ago
        report = gateway_of(desk).create_order(copy)
    assert report is not None
    with write(desk.engine) as conn:
        keep_report(conn, child, report, source="commit", now=desk.runtime.now())
    return order_id


def test_an_answer_that_is_not_settled_yet_comes_before_the_amendment(desk: Desk) -> None:
    order_id = answered_after_all(desk)

    desk.amend(order_id, quantity="0.03")
    assert "first what became of it" in amend_working(desk.runtime, order_id=order_id)
    settle(desk.runtime, order_id=order_id)
    desk.pump()

    assert outcome(desk, order_id) == ("DONE", None)
    assert can_still_trade(desk, order_id) == Decimal("0.03")
    assert desk.alerts() == []
    desk.assert_books_match()


def test_an_answer_that_is_not_settled_yet_comes_before_the_end(desk: Desk) -> None:
    order_id = answered_after_all(desk)

    desk.cancel(order_id)
    withdraw(desk.runtime, order_id=order_id)
    assert desk.child(order_id).status is ChildStatus.PLANNED
    settle(desk.runtime, order_id=order_id)
    desk.pump()

    assert desk.end(order_id) == ("CANCELED", "CANCEL_REQUESTED", "0")
    assert can_still_trade(desk, order_id) == 0
    assert desk.alerts() == []
    desk.assert_books_match()
