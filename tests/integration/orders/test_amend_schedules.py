"""Any schedule of amendments, fills, cancels, looks and lost messages: what can trade is never more than was agreed to."""

from __future__ import annotations

from contextlib import suppress
from decimal import Decimal
from typing import Any

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from models.errors import Conflict, InvalidRequest
from models.vocabulary import OrderStatus
from storage.amendments import pending_amendment
from storage.engine import read
from tasks.rescue import rescue
from tests.integration.orders.amending import (
    IN_PLACE,
    WAYS,
    amends,
    at_work,
    can_still_trade,
    trade,
)
from tests.integration.orders.conftest import ON_SQLITE
from tests.integration.orders.test_amend_crashes import may_trade
from tests.support.runtime import Desk

QUANTITIES = st.sampled_from(["0.004", "0.008", "0.012", "0.02", "0.03"])

ACTIONS = st.lists(
    st.one_of(
        st.tuples(st.just("amend"), QUANTITIES),
        st.tuples(st.just("reprice"), st.sampled_from(["-7", "5", "11"])),
        st.tuples(st.just("fill"), st.sampled_from(["0.001", "0.003", "0.006", "0.011"])),
        st.tuples(st.just("step"), st.integers(1, 3)),
        st.tuples(st.just("way"), st.sampled_from(WAYS)),
        st.tuples(st.sampled_from(["look", "lose messages"]), st.none()),
    ),
    min_size=3,
    max_size=12,
)


def act(desk: Desk, order_id: str, action: str, value: Any) -> None:
    if action == "amend":
        ask(desk, order_id, quantity=value)
    elif action == "reprice":
        price = desk.order(order_id).price
        assert price is not None
        ask(desk, order_id, price=str(price + Decimal(value)))
    elif action == "fill":
        trade(desk, order_id, value)
    elif action == "step":
        left = iter(range(value))
        desk.pump(lambda: next(left, None) is None or not desk.waiting())
    elif action == "way":
        amends(desk, value)
    elif action == "look":
        desk.track()
    elif action == "lose messages":
        desk.forget_outbox()
        desk.runtime.advance(10)
        rescue(desk.runtime)
    elif action == "cancel":
        with suppress(Conflict):  # it has ended
            desk.cancel(order_id)


def ask(desk: Desk, order_id: str, **change: Any) -> None:
    with suppress(Conflict, InvalidRequest):  # a no is an answer, and changes nothing
        desk.amend(order_id, **change)


def check(desk: Desk, order_id: str) -> None:
    order = desk.order(order_id)
    with read(desk.engine) as conn:
        pending = pending_amendment(conn, order_id)
    assert can_still_trade(desk, order_id) <= may_trade(desk, order_id)
    assert (pending is not None) == (order.status is OrderStatus.PENDING_AMEND)
    assert order.filled_quantity <= order.quantity
    assert (order.status is OrderStatus.FILLED) == (order.filled_quantity == order.quantity)


@ON_SQLITE
@settings(max_examples=12, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(actions=ACTIONS, ends=st.booleans())
def test_no_schedule_trades_more_than_the_total(desk: Desk, actions: list[tuple[str, Any]], ends: bool) -> None:
    order_id = at_work(desk, IN_PLACE)
    for action, value in [*actions, *([("cancel", None)] if ends else [])]:
        act(desk, order_id, action, value)
        check(desk, order_id)

    for _ in range(4):
        desk.pump()
        desk.track()
        act(desk, order_id, "lose messages", None)
        check(desk, order_id)

    order = desk.order(order_id)
    assert order.status is not OrderStatus.PENDING_AMEND
    traded = sum(Decimal(one["executed"]) for one in desk.at_venue(order_id))
    assert order.filled_quantity == traded <= order.quantity
    if not order.is_final:
        assert can_still_trade(desk, order_id) == order.quantity
        desk.cancel(order_id)
        desk.pump()
    assert not desk.held(order_id)
    desk.assert_books_match()
