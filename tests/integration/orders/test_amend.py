"""Amending: in place and by cancel and send, on both databases and the real venue; never more than the new total."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta
from decimal import Decimal
from typing import Any

import pytest

from exchanges.capabilities import Amend
from models.amendment import Amendment, AmendmentStatus
from models.errors import Conflict, InvalidRequest, NotFound
from models.order import Order
from models.vocabulary import ChildStatus, OrderStatus
from settings import Settings
from storage.amendments import latest_amendment
from storage.engine import read, write
from storage.order_tables import child_orders
from tasks import prepare as prepare_step
from tasks.amend import amend_working
from tasks.commit import commit
from tasks.prepare import prepare
from tasks.rescue import rescue
from tasks.validate import validate
from tests.integration.orders.conftest import ON_SQLITE, OpenDesk
from tests.integration.orders.test_steps import QUICK_PROOF, REPLY_LOST, REQUEST_LOST, is_final
from tests.support.runtime import Desk
from workflows import halt
from workflows.amend import NotAmendableNow, OtherVersion

IN_PLACE, CANCEL_AND_SEND = "in place", "cancel and send"
WAYS = (IN_PLACE, CANCEL_AND_SEND)

#: far below the market: it rests
FAR = "-1000"

AMEND = {"endpoint": "order/amend/keepPriority", "method": "PUT", "count": 1}
OF_CANCEL = {"endpoint": "order", "method": "DELETE", "count": 1}

TWAP: dict[str, Any] = {"name": "twap", "duration_s": 600, "slices": 6}


def amends(desk: Desk, way: str) -> None:
    """What the venue can do, as the gateway knows it."""
    caller = desk.runtime.gateways.get("paper", "main")._caller  # type: ignore[attr-defined]
    caller.can = replace(caller.can, amend=Amend.IN_PLACE if way == IN_PLACE else Amend.REPLACE)


def at_work(desk: Desk, way: str = IN_PLACE, *, quantity: str = "0.02", **changes: Any) -> str:
    amends(desk, way)
    order_id = desk.limit(FAR, quantity=quantity, **changes)
    assert desk.work(order_id)["status"] == "WORKING"
    if "fill_policy" not in changes:
        desk.forget_outbox()  # what is left there is its start
    return order_id


def price_of(desk: Desk, order_id: str) -> Decimal:
    price = desk.order(order_id).price
    assert price is not None
    return price


def amendment_of(desk: Desk, order_id: str) -> Amendment:
    with read(desk.engine) as conn:
        amendment = latest_amendment(conn, order_id)
    assert amendment is not None
    return amendment


def outcome(desk: Desk, order_id: str) -> tuple[str, str | None]:
    amendment = amendment_of(desk, order_id)
    return amendment.status.value, amendment.reason.code if amendment.reason else None


def can_still_trade(desk: Desk, order_id: str) -> Decimal:
    """At the venue, as the venue has it: what has traded, and what rests."""
    total = Decimal(0)
    for one in desk.at_venue(order_id):
        open_now = one["status"] in ("NEW", "PARTIALLY_FILLED")
        total += Decimal(one["quantity"] if open_now else one["executed"])
    return total


def trade(desk: Desk, order_id: str, quantity: str) -> None:
    """Somebody trades with what rests of the order and with nothing else; then the market is above it again."""
    price = price_of(desk, order_id)
    desk.venue.pause_market()
    desk.venue.set_depth("BTC/USDT", bids=[(str(price - 1000), "1")], asks=[(str(price + 2000), "100")])
    desk.venue.market_order("BTC/USDT", "sell", quantity, price=str(price))
    desk.venue.set_price("BTC/USDT", str(price + 1000))
    desk.venue.resume_market()


def assert_never_more(desk: Desk, order_id: str) -> None:
    order = desk.order(order_id)
    assert can_still_trade(desk, order_id) <= order.quantity
    assert (order.status is OrderStatus.PENDING_AMEND) == (
        amendment_of(desk, order_id).status is AmendmentStatus.PENDING
    )


# --------------------------------------------------------------------------------------------------------- the usual way


@pytest.mark.parametrize("way", WAYS)
def test_quantity_and_price_of_a_resting_order_become_what_was_asked(desk: Desk, way: str) -> None:
    order_id = at_work(desk, way)
    price = price_of(desk, order_id)

    document = desk.amend(order_id, quantity="0.030004", price=str(price - 10) + "9")
    assert (document["status"], document["quantity"]) == ("PENDING_AMEND", "0.02")
    desk.pump()

    wanted = (Decimal("0.03000"), price - 10)
    order = desk.order(order_id)
    assert (order.status, order.quantity, order.price, order.reason) == ("WORKING", *wanted, None)
    (resting,) = [one for one in desk.at_venue(order_id) if one["status"] == "NEW"]
    assert (Decimal(resting["quantity"]), Decimal(resting["price"])) == wanted
    assert len(desk.at_venue(order_id)) == (1 if way == IN_PLACE else 2)
    assert desk.children(order_id)[-1].quantity == wanted[0]
    assert desk.held(order_id) == {"USDT": wanted[0] * wanted[1]}
    assert outcome(desk, order_id) == ("DONE", None)
    assert_never_more(desk, order_id)
    desk.assert_books_match()


@ON_SQLITE
@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("quantity", ["0.01", "0.04"], ids=["lower", "higher"])
def test_what_has_filled_counts_in_the_new_total(desk: Desk, way: str, quantity: str) -> None:
    order_id = at_work(desk, way)
    trade(desk, order_id, "0.005")
    desk.track()

    desk.amend(order_id, quantity=quantity)
    desk.pump()

    order = desk.order(order_id)
    assert (order.status, order.quantity, order.filled_quantity) == (
        "PARTIALLY_FILLED",
        Decimal(quantity),
        Decimal("0.005"),
    )
    assert can_still_trade(desk, order_id) == Decimal(quantity)
    assert desk.held(order_id) == {"USDT": (Decimal(quantity) - Decimal("0.005")) * price_of(desk, order_id)}
    desk.assert_books_match()


@ON_SQLITE
@pytest.mark.parametrize("way", WAYS)
def test_an_order_can_be_amended_to_what_has_filled_and_is_filled_then(desk: Desk, way: str) -> None:
    order_id = at_work(desk, way)
    trade(desk, order_id, "0.005")
    desk.track()

    desk.amend(order_id, quantity="0.005")
    desk.pump()

    assert desk.end(order_id) == ("FILLED", None, "0.005")
    assert can_still_trade(desk, order_id) == Decimal("0.005")
    assert not desk.held(order_id)
    desk.assert_books_match()


@pytest.mark.parametrize("way", WAYS)
def test_an_amended_order_is_followed_to_its_last_fill(desk: Desk, way: str) -> None:
    order_id = at_work(desk, way)
    desk.amend(order_id, quantity="0.03")
    desk.pump()

    trade(desk, order_id, "1")
    desk.track()

    assert desk.end(order_id) == ("FILLED", None, "0.03")
    assert not desk.held(order_id)
    desk.assert_books_match()


@ON_SQLITE
@pytest.mark.parametrize("way", WAYS)
def test_it_can_be_amended_again_and_again(desk: Desk, way: str) -> None:
    order_id = at_work(desk, way)
    for quantity in ("0.03", "0.01", "0.025", "0.02"):
        desk.amend(order_id, quantity=quantity)
        desk.pump()
        assert can_still_trade(desk, order_id) == desk.order(order_id).quantity == Decimal(quantity)
    desk.assert_books_match()


# ----------------------------------------------------------------------------------------------------- before it is sent


@pytest.mark.parametrize("steps", [0, 1, 2], ids=["received", "prepared", "validated"])
def test_an_order_that_is_not_sent_yet_is_amended_at_once(desk: Desk, steps: int) -> None:
    order_id = desk.limit(FAR, quantity="0.02")
    for step in (prepare, validate)[:steps]:
        step(desk.runtime, order_id=order_id)
    before = desk.order(order_id)
    price = price_of(desk, order_id) - 100

    document = desk.amend(order_id, quantity="0.03", price=str(price))

    assert (document["status"], document["quantity"], document["version"]) == (
        before.status,
        "0.03",
        before.version + 1,
    )
    assert desk.held(order_id) == ({} if not steps else {"USDT": Decimal("0.03") * price})
    assert desk.work(order_id)["status"] == "WORKING"
    (resting,) = desk.at_venue(order_id)
    assert (Decimal(resting["quantity"]), Decimal(resting["price"])) == (Decimal("0.03"), price)
    assert desk.held(order_id) == {"USDT": Decimal("0.03") * price}
    desk.assert_books_match()


@ON_SQLITE
@pytest.mark.parametrize("quantity", ["0.004", "0.04"])
def test_a_market_order_that_waits_takes_another_quantity_and_holds_for_it(desk: Desk, quantity: str) -> None:
    order_id = desk.place(quantity="0.02")
    prepare(desk.runtime, order_id=order_id)
    held = desk.held(order_id)["USDT"]

    desk.amend(order_id, quantity=quantity)

    assert desk.held(order_id)["USDT"] == pytest.approx(held * Decimal(quantity) / Decimal("0.02"))
    assert desk.work(order_id)["status"] == "FILLED"
    assert desk.end(order_id) == ("FILLED", None, quantity)
    desk.assert_books_match()


@ON_SQLITE
def test_an_order_that_is_amended_while_it_is_prepared_holds_for_its_new_values(
    desk: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    order_id = desk.limit(FAR, quantity="0.02")
    real: Callable[..., str] = prepare_step._reserve
    seen: list[str] = []

    def reserve(runtime: Any, order: Order, *rest: Any) -> str:
        if not seen:
            desk.amend(order_id, quantity="0.03")
        seen.append(real(runtime, order, *rest))
        return seen[-1]

    monkeypatch.setattr(prepare_step, "_reserve", reserve)
    prepare(desk.runtime, order_id=order_id)
    assert desk.order(order_id).status == "RECEIVED"
    assert not desk.held(order_id)
    desk.pump(lambda: desk.order(order_id).status == "WORKING")

    assert seen == [prepare_step.AMENDED, "prepared"]
    assert desk.held(order_id) == {"USDT": Decimal("0.03") * price_of(desk, order_id)}
    assert can_still_trade(desk, order_id) == Decimal("0.03")


@ON_SQLITE
def test_a_send_that_surely_never_left_goes_out_with_the_new_values_under_another_id(desk: Desk) -> None:
    desk.venue.arm({"kind": "rate_limited", "endpoint": "order", "method": "POST", "count": 1, "retry_after_s": 1})
    order_id = desk.limit(FAR, quantity="0.02")
    desk.until_sent(order_id)
    assert (desk.child(order_id).status, desk.child(order_id).sends) == ("PLANNED", 1)

    desk.amend(order_id, quantity="0.03")
    desk.pump()

    first, second = desk.children(order_id)
    assert (first.status, first.reason and first.reason.code) == ("CANCELED", "AMENDED")
    assert (second.attempt, second.quantity, second.status) == (2, Decimal("0.03"), "ACCEPTED")
    assert can_still_trade(desk, order_id) == Decimal("0.03")


# ------------------------------------------------------------------------------------------------------------ refused


@ON_SQLITE
@pytest.mark.parametrize(
    ("change", "field", "nearest"),
    [
        ({"quantity": "0.004"}, "quantity", "0.005"),
        ({"quantity": "0.00001"}, "quantity", "0.005"),
        ({"quantity": "0.00501"}, "quantity", None),
        ({"quantity": "0"}, "quantity", None),
        ({"quantity": "-1"}, "quantity", None),
        ({"quantity": "99999999"}, "quantity", None),
        ({"price": "0.001"}, "price", None),
        ({"price": "1"}, "price", None),
        ({"price": "x"}, "price", None),
        ({"side": "sell"}, "side", None),
        ({"quantity": "0.03", "tags": {}}, "tags", None),
        ({}, "", None),
    ],
    ids=str,
)
def test_what_breaks_a_rule_is_refused_and_changes_nothing(
    desk: Desk, change: dict[str, Any], field: str, nearest: str | None
) -> None:
    order_id = at_work(desk)
    trade(desk, order_id, "0.005")
    desk.track()
    before, held = desk.document(order_id), desk.held(order_id)

    with pytest.raises(InvalidRequest) as refused:
        desk.amend(order_id, **change)

    assert refused.value.errors[0].field == field
    assert nearest is None or refused.value.errors[0].nearest == nearest
    assert (desk.document(order_id), desk.held(order_id), desk.waiting()) == (before, held, [])


@ON_SQLITE
def test_the_nearest_that_would_do_is_taken(desk: Desk) -> None:
    order_id = at_work(desk)
    trade(desk, order_id, "0.005")
    desk.track()
    with pytest.raises(InvalidRequest) as refused:
        desk.amend(order_id, quantity="0.00501")
    (error,) = refused.value.errors

    desk.amend(order_id, quantity=error.nearest)
    desk.pump()

    assert desk.document(order_id)["quantity"] == error.nearest
    assert can_still_trade(desk, order_id) == Decimal(str(error.nearest))


@ON_SQLITE
def test_a_market_order_has_no_price_to_amend(desk: Desk) -> None:
    order_id = desk.place()
    with pytest.raises(InvalidRequest, match="a market order has none"):
        desk.amend(order_id, price="50000")


@pytest.mark.parametrize("steps", [1, 3], ids=["prepared", "working"])
def test_what_the_books_can_not_hold_is_refused_with_what_is_missing(desk: Desk, steps: int) -> None:
    order_id = desk.limit("1000", side="sell", quantity="0.02")
    for step in (prepare, validate, commit)[:steps]:
        step(desk.runtime, order_id=order_id)
    before, held = desk.document(order_id), desk.held(order_id)

    with pytest.raises(NotAmendableNow, match=r"BTC more, and .* BTC are available") as refused:
        desk.amend(order_id, quantity="110")

    assert refused.value.code == "INSUFFICIENT_FUNDS"
    assert (desk.document(order_id), desk.held(order_id)) == (before, held)


@ON_SQLITE
def test_an_order_that_has_ended_is_not_amended(desk: Desk) -> None:
    order_id = desk.place()
    desk.work(order_id)

    with pytest.raises(NotAmendableNow) as refused:
        desk.amend(order_id, quantity="0.02")
    assert refused.value.code == "ORDER_ENDED"
    with pytest.raises(NotFound):
        desk.amend("0" * 26, quantity="0.02")


@ON_SQLITE
def test_an_order_that_is_to_end_is_not_amended(desk: Desk) -> None:
    order_id = at_work(desk)
    desk.cancel(order_id)

    with pytest.raises(Conflict) as refused:
        desk.amend(order_id, quantity="0.03")
    assert refused.value.code == "ORDER_ENDING"


@ON_SQLITE
def test_nothing_is_ended_for_an_amendment_while_sends_are_halted(desk: Desk) -> None:
    order_id = at_work(desk, CANCEL_AND_SEND)
    halt.halt(desk.runtime, by="test")

    with pytest.raises(NotAmendableNow) as refused:
        desk.amend(order_id, quantity="0.03")
    assert refused.value.code == "HALTED"

    halt.resume(desk.runtime)
    desk.amend(order_id, quantity="0.03")
    halt.halt(desk.runtime, by="test")
    desk.pump()
    assert (desk.order(order_id).status, outcome(desk, order_id)) == ("WORKING", ("REFUSED", "HALTED"))
    assert can_still_trade(desk, order_id) == Decimal("0.02")
    assert desk.held(order_id) == {"USDT": Decimal("0.02") * price_of(desk, order_id)}
    halt.resume(desk.runtime)


# --------------------------------------------------------------------------------------------------- versions and repeats


def test_asking_for_the_same_again_changes_nothing(desk: Desk) -> None:
    order_id = at_work(desk)
    first = desk.amend(order_id, quantity="0.03")
    assert desk.amend(order_id, quantity="0.030") == first
    desk.pump()
    done = desk.document(order_id)

    assert desk.amend(order_id, quantity="0.03") == done
    assert desk.amend(order_id, quantity="0.03", price=done["price"]) == done
    assert desk.waiting() == []
    trade(desk, order_id, "1")
    desk.track()
    assert desk.amend(order_id, quantity="0.03")["status"] == "FILLED", "a repeat, though the order has ended since"


@ON_SQLITE
def test_another_amendment_waits_for_the_first(desk: Desk) -> None:
    order_id = at_work(desk)
    desk.amend(order_id, quantity="0.03")

    with pytest.raises(NotAmendableNow) as refused:
        desk.amend(order_id, quantity="0.04")
    assert refused.value.code == "AMENDMENT_PENDING"
    desk.pump()
    desk.amend(order_id, quantity="0.04")
    desk.pump()
    assert can_still_trade(desk, order_id) == Decimal("0.04")


@ON_SQLITE
def test_only_the_version_that_was_seen_is_amended(desk: Desk) -> None:
    order_id = at_work(desk)
    version = desk.order(order_id).version

    with pytest.raises(OtherVersion, match=f"at version {version}"):
        desk.amend(order_id, if_match=version - 1, quantity="0.03")
    assert desk.order(order_id).version == version
    assert desk.amend(order_id, if_match=version, quantity="0.03")["status"] == "PENDING_AMEND"


# ---------------------------------------------------------------------------------------------------------------- races


@pytest.mark.parametrize("way", WAYS)
def test_what_fills_before_the_venue_hears_of_a_lower_total_settles_to_its_truth(desk: Desk, way: str) -> None:
    order_id = at_work(desk, way)
    desk.amend(order_id, quantity="0.004")
    trade(desk, order_id, "0.011")
    desk.pump()

    assert desk.end(order_id) == ("FILLED", None, "0.011")
    assert desk.document(order_id)["quantity"] == "0.011"
    assert outcome(desk, order_id) == ("DONE", None)
    assert can_still_trade(desk, order_id) == Decimal("0.011")
    assert not desk.held(order_id)
    desk.assert_books_match()


@pytest.mark.parametrize("way", WAYS)
def test_what_fills_before_the_venue_hears_of_it_is_not_sent_again(desk: Desk, way: str) -> None:
    order_id = at_work(desk, way)
    desk.amend(order_id, quantity="0.03")
    trade(desk, order_id, "0.004")
    desk.pump()

    assert can_still_trade(desk, order_id) == Decimal("0.03")
    assert desk.order(order_id).filled_quantity == Decimal("0.004")
    assert desk.held(order_id) == {"USDT": Decimal("0.026") * price_of(desk, order_id)}
    desk.assert_books_match()


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("quantity", ["0.01", "0.03"])
def test_an_order_that_has_filled_meanwhile_is_not_amended(desk: Desk, way: str, quantity: str) -> None:
    order_id = at_work(desk, way)
    desk.amend(order_id, quantity=quantity)
    trade(desk, order_id, "1")
    desk.pump()

    assert desk.end(order_id) == ("FILLED", None, "0.02")
    assert desk.document(order_id)["quantity"] == "0.02"
    assert [child.status for child in desk.children(order_id)] == ["FILLED"]
    assert outcome(desk, order_id) == ("REFUSED", "ORDER_ENDED")
    assert not desk.held(order_id)
    desk.assert_books_match()


@ON_SQLITE
@pytest.mark.parametrize("way", WAYS)
def test_an_order_that_the_venue_has_ended_meanwhile_ends_as_it_did(desk: Desk, way: str) -> None:
    order_id = at_work(desk, way)
    desk.amend(order_id, quantity="0.03")
    desk.withdraw_everything()
    desk.pump()

    assert desk.end(order_id) == ("CANCELED", "VENUE_CANCELED", "0") or way == CANCEL_AND_SEND
    assert outcome(desk, order_id)[0] == ("REFUSED" if way == IN_PLACE else "DONE")
    assert_never_more(desk, order_id)
    desk.assert_books_match()


@ON_SQLITE
def test_fills_during_the_cancel_that_leave_too_little_end_the_order_with_a_sentence(desk: Desk) -> None:
    order_id = at_work(desk, CANCEL_AND_SEND)
    desk.amend(order_id, quantity="0.01")
    trade(desk, order_id, "0.00999")
    desk.pump()

    assert desk.end(order_id) == ("CANCELED", "REST_TOO_SMALL", "0.00999")
    assert desk.document(order_id)["quantity"] == "0.01"
    assert not desk.held(order_id)
    desk.assert_books_match()


@pytest.mark.parametrize("way", WAYS)
def test_a_cancel_wins(desk: Desk, way: str) -> None:
    order_id = at_work(desk, way)
    desk.amend(order_id, quantity="0.03")
    desk.cancel(order_id)
    desk.pump()

    assert desk.end(order_id) == ("CANCELED", "CANCEL_REQUESTED", "0")
    assert outcome(desk, order_id) == ("REFUSED", "CANCEL_REQUESTED")
    assert can_still_trade(desk, order_id) == 0
    assert not desk.held(order_id)
    desk.assert_books_match()


@ON_SQLITE
@pytest.mark.parametrize("way", WAYS)
def test_its_time_is_over_during_the_amendment(desk: Desk, way: str) -> None:
    order_id = at_work(desk, way, expires_at=(desk.runtime.now() + timedelta(seconds=60)).isoformat())
    desk.amend(order_id, quantity="0.03")
    desk.forget_outbox()
    desk.runtime.advance(61)
    rescue(desk.runtime)
    desk.pump()

    assert desk.end(order_id) == ("EXPIRED", "EXPIRED", "0")
    assert outcome(desk, order_id) == ("REFUSED", "EXPIRED")
    assert can_still_trade(desk, order_id) == 0
    desk.assert_books_match()


# ------------------------------------------------------------------------------------------------------------- no answers


@pytest.mark.parametrize("fault", [REPLY_LOST, REQUEST_LOST], ids=["reply lost", "request lost"])
def test_first_what_became_of_a_send_in_doubt(open_a_desk: OpenDesk, fault: dict[str, Any]) -> None:
    desk = open_a_desk(**QUICK_PROOF)
    amends(desk, CANCEL_AND_SEND)
    order_id = desk.limit(FAR, quantity="0.02")
    desk.venue.arm(fault)
    desk.until_sent(order_id)
    desk.runtime.give_sends_room()
    assert desk.child(order_id).status == "UNKNOWN"

    desk.amend(order_id, quantity="0.03")
    assert "first what became of it" in amend_working(desk.runtime, order_id=order_id)
    desk.pump(lambda: amendment_of(desk, order_id).status is not AmendmentStatus.PENDING, within_s=120)
    desk.pump()

    assert outcome(desk, order_id) == ("DONE", None)
    assert can_still_trade(desk, order_id) == Decimal("0.03")
    desk.assert_books_match()


@ON_SQLITE
@pytest.mark.parametrize("when", ["before", "after"])
@pytest.mark.parametrize("quantity", ["0.01", "0.03"])
def test_an_amendment_without_an_answer_is_what_the_venue_shows(
    open_a_desk: OpenDesk, when: str, quantity: str
) -> None:
    desk = open_a_desk(**QUICK_PROOF)
    desk.runtime.give_sends_room()
    order_id = at_work(desk)
    proves_soon(desk, order_id)
    desk.venue.arm({**AMEND, "kind": "drop", "when": when})

    desk.amend(order_id, quantity=quantity)
    said = amend_working(desk.runtime, order_id=order_id)
    if when == "before":
        assert "has not said whether it took it" in said
        assert desk.child(order_id).status is ChildStatus.PENDING_AMEND
        assert desk.child(order_id).quantity == max(Decimal(quantity), Decimal("0.02")), "it counts at the larger size"
    desk.runtime.give_sends_room()
    desk.pump(lambda: amendment_of(desk, order_id).status is not AmendmentStatus.PENDING, within_s=120)

    assert outcome(desk, order_id) == ("DONE", None)
    assert can_still_trade(desk, order_id) == desk.child(order_id).quantity == Decimal(quantity)
    desk.assert_books_match()


def proves_soon(desk: Desk, order_id: str) -> None:
    """What is asked from here on is short-lived, and the window of the create, which was answered, is long over."""
    desk.runtime.settings = with_windows_of(desk, 800)
    over = desk.runtime.gateways.get("paper", "main").time()
    with write(desk.engine) as conn:
        conn.execute(child_orders.update().where(child_orders.c.order_id == order_id).values(deadline=over))


def with_windows_of(desk: Desk, window_ms: int) -> Settings:
    settings = desk.runtime.settings
    venues = {name: venue.model_copy(update={"recv_window_ms": window_ms}) for name, venue in settings.venues.items()}
    return settings.model_copy(update={"venues": venues})


@pytest.mark.parametrize("quantity", ["0.01", "0.03"])
def test_an_amendment_that_the_venue_refuses_leaves_all_as_before(desk: Desk, quantity: str) -> None:
    order_id = at_work(desk)
    held = desk.held(order_id)
    words = {"status": 400, "code": -2010, "msg": "Account has insufficient balance for requested action."}
    desk.venue.arm({**AMEND, "kind": "error", "when": "before", **words})

    desk.amend(order_id, quantity=quantity)
    desk.pump()

    document = desk.document(order_id)
    assert (document["status"], document["quantity"], document["reason"]["code"]) == (
        "WORKING",
        "0.02",
        "AMEND_REFUSED",
    )
    assert "insufficient balance" in document["reason"]["message"]
    assert (desk.child(order_id).status, desk.child(order_id).quantity) == ("ACCEPTED", Decimal("0.02"))
    assert outcome(desk, order_id) == ("REFUSED", "VENUE_REJECTED")
    assert desk.held(order_id) == held
    assert can_still_trade(desk, order_id) == Decimal("0.02")
    desk.amend(order_id, quantity=quantity)
    desk.pump()
    assert desk.document(order_id)["reason"] is None
    assert can_still_trade(desk, order_id) == Decimal(quantity)


@ON_SQLITE
@pytest.mark.parametrize("when", ["before", "after"])
def test_a_cancel_for_an_amendment_without_an_answer_is_tried_until_the_venue_has_ended_it(
    desk: Desk, when: str
) -> None:
    order_id = at_work(desk, CANCEL_AND_SEND)
    desk.venue.arm({**OF_CANCEL, "kind": "drop", "when": when})

    desk.amend(order_id, quantity="0.03")
    desk.pump()

    assert outcome(desk, order_id) == ("DONE", None)
    assert can_still_trade(desk, order_id) == Decimal("0.03")
    desk.assert_books_match()


@pytest.mark.parametrize("way", WAYS)
def test_an_amendment_whose_messages_are_lost_is_carried_out_all_the_same(desk: Desk, way: str) -> None:
    order_id = at_work(desk, way)
    desk.amend(order_id, quantity="0.03")

    for _ in range(10):
        desk.forget_outbox()
        desk.runtime.advance(6)
        rescue(desk.runtime)
        desk.pump()
        if can_still_trade(desk, order_id) == Decimal("0.03"):
            break

    assert outcome(desk, order_id) == ("DONE", None)
    assert desk.order(order_id).status == "WORKING"
    assert can_still_trade(desk, order_id) == Decimal("0.03")


@ON_SQLITE
@pytest.mark.parametrize("way", WAYS)
def test_every_message_three_times_is_one_amendment(desk: Desk, way: str) -> None:
    order_id = at_work(desk, way)
    desk.amend(order_id, quantity="0.03")
    for _ in range(3):
        amend_working(desk.runtime, order_id=order_id)
    desk.pump()

    assert len(desk.at_venue(order_id)) == len(desk.children(order_id)) == (1 if way == IN_PLACE else 2)
    assert can_still_trade(desk, order_id) == Decimal("0.03")
    desk.assert_books_match()


# --------------------------------------------------------------------------------------------------------- fill policies


@ON_SQLITE
@pytest.mark.parametrize("way", WAYS)
def test_a_fill_policy_counts_its_own_attempts_and_starts_its_timer_anew(desk: Desk, way: str) -> None:
    policy = {"name": "cancel_and_retry", "timeout_s": 100, "max_attempts": 2, "reprice": "keep"}
    order_id = at_work(desk, way, fill_policy=policy)
    desk.runtime.advance(50)
    desk.amend(order_id, quantity="0.03")
    desk.pump(lambda: amendment_of(desk, order_id).status is AmendmentStatus.DONE)
    amended_at = desk.runtime.now()
    attempts = 1 if way == IN_PLACE else 2
    desk.pump(lambda: len(desk.children(order_id)) == attempts + 1)

    waited_s = (desk.runtime.now() - amended_at).total_seconds()
    assert waited_s == pytest.approx(50 if way == IN_PLACE else 100, abs=45 if way == IN_PLACE else 60)
    desk.pump()
    assert len(desk.children(order_id)) == attempts + 1, "the second attempt of the policy is its last"
    assert desk.children(order_id)[-1].quantity == Decimal("0.03")


@ON_SQLITE
def test_what_a_fill_policy_was_to_send_again_goes_out_with_the_new_values_at_its_time(desk: Desk) -> None:
    policy = {"name": "retry_remaining", "max_attempts": 2, "delay_s": 500}
    order_id = desk.limit(FAR, quantity="0.02", time_in_force="IOC", fill_policy=policy)
    desk.work(order_id)
    assert desk.child(order_id).is_final

    desk.amend(order_id, quantity="0.03")
    desk.pump(lambda: len(desk.children(order_id)) == 2)

    due_in_s = (desk.children(order_id)[1].due_at - desk.runtime.now()).total_seconds()
    assert due_in_s > 300
    desk.pump(is_final(desk, order_id))
    assert [str(child.quantity) for child in desk.children(order_id)] == ["0.02", "0.03"]


# ------------------------------------------------------------------------------------------------------------- schedules


def planned_and_live(desk: Desk, order_id: str) -> Decimal:
    total = Decimal(0)
    for child in desk.children(order_id):
        total += child.filled_quantity if child.is_final else child.quantity
    return total


@pytest.mark.parametrize("quantity", ["0.03", "0.09"], ids=["lower", "higher"])
def test_a_schedule_ends_with_its_new_total(desk: Desk, quantity: str) -> None:
    order_id = desk.place(quantity="0.06", algorithm=TWAP)
    desk.pump(lambda: desk.order(order_id).filled_quantity >= Decimal("0.02"))

    desk.amend(order_id, quantity=quantity)
    desk.pump(is_final(desk, order_id))

    assert desk.end(order_id) == ("FILLED", None, quantity)
    assert sum(Decimal(one["executed"]) for one in desk.at_venue(order_id)) == Decimal(quantity)
    assert not desk.held(order_id)
    desk.assert_books_match()


def test_slices_that_rest_at_another_price_are_ended_and_their_rest_goes_on_at_the_new_one(desk: Desk) -> None:
    twap = {"name": "twap", "duration_s": 20, "slices": 2}
    order_id = desk.limit(FAR, quantity="0.02", algorithm=twap)
    desk.pump()
    price = price_of(desk, order_id) + 10

    desk.amend(order_id, price=str(price))
    desk.pump()

    resting = [one for one in desk.at_venue(order_id) if one["status"] == "NEW"]
    assert [Decimal(one["price"]) for one in resting] == [price, price]
    assert can_still_trade(desk, order_id) == Decimal("0.02")
    assert {(child.slice, child.attempt) for child in desk.children(order_id)} == {(0, 1), (0, 2), (1, 1), (1, 2)}
    assert desk.held(order_id) == {"USDT": Decimal("0.02") * price}


@ON_SQLITE
def test_a_lower_total_takes_the_latest_resting_slices_away(desk: Desk) -> None:
    order_id = desk.limit(FAR, quantity="0.04", algorithm={"name": "twap", "duration_s": 20, "slices": 4})
    desk.pump()

    desk.amend(order_id, quantity="0.015")
    desk.pump()

    assert can_still_trade(desk, order_id) == planned_and_live(desk, order_id) == Decimal("0.015")
    assert [child.slice for child in desk.children(order_id) if child.is_live] == [0, 1]
    assert desk.order(order_id).status == "WORKING"
    desk.assert_books_match()


@ON_SQLITE
def test_a_schedule_that_is_over_takes_no_more(desk: Desk) -> None:
    order_id = desk.limit(FAR, quantity="0.02", algorithm={"name": "twap", "duration_s": 20, "slices": 2})
    desk.pump()

    with pytest.raises(NotAmendableNow, match="is over: its last slices are planned") as refused:
        desk.amend(order_id, quantity="0.03")
    assert refused.value.code == "SCHEDULE_OVER"
    desk.amend(order_id, quantity="0.01")
    desk.pump()
    assert can_still_trade(desk, order_id) == Decimal("0.01")


@ON_SQLITE
def test_a_slice_in_doubt_counts_whole_while_the_total_is_lowered(open_a_desk: OpenDesk) -> None:
    desk = open_a_desk(recv_window_ms=30_000)
    order_id = desk.limit(FAR, quantity="0.02", algorithm={"name": "twap", "duration_s": 20, "slices": 2})
    desk.venue.arm({**REPLY_LOST, "lag_ms": 1_000})
    desk.pump(lambda: any(child.status is ChildStatus.UNKNOWN for child in desk.children(order_id)))

    desk.amend(order_id, quantity="0.01")
    desk.pump(lambda: amendment_of(desk, order_id).status is AmendmentStatus.DONE)
    desk.pump()

    assert can_still_trade(desk, order_id) == Decimal("0.01")
    desk.assert_books_match()


@ON_SQLITE
def test_a_schedule_that_has_not_begun_is_amended_at_once(desk: Desk) -> None:
    order_id = desk.place(quantity="0.06", algorithm=TWAP)
    prepare(desk.runtime, order_id=order_id)
    validate(desk.runtime, order_id=order_id)

    assert desk.amend(order_id, quantity="0.03")["status"] == "VALIDATED"
    desk.pump(is_final(desk, order_id))

    assert desk.end(order_id) == ("FILLED", None, "0.03")
    desk.assert_books_match()
