"""Amendments that break a rule, come too late or come again."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import pytest

from models.errors import Conflict, InvalidRequest, NotFound
from tasks.commit import commit
from tasks.prepare import prepare
from tasks.validate import validate
from tests.integration.orders.amending import (
    CANCEL_AND_SEND,
    at_work,
    can_still_trade,
    outcome,
    price_of,
    trade,
)
from tests.integration.orders.conftest import ON_SQLITE
from tests.support.runtime import Desk
from workflows import halt
from workflows.amend import NotAmendableNow, OtherVersion


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
