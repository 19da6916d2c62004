"""What a change to an order may be: rounded to the venue's steps, refused with the nearest that would do."""

from __future__ import annotations

from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from models.amending import check_change, in_steps, read_change
from models.amendment import Change
from models.errors import InvalidRequest
from models.instrument import Instrument
from models.order import Order
from models.vocabulary import OrderType, Side
from tests.support.order_values import make_order

D = Decimal
INSTRUMENT = Instrument(
    venue="paper", symbol="BTC/USDT", base="BTC", quote="USDT", tick=D("0.5"), lot=D("0.01"), min_quantity=D("0.05"),
    max_quantity=D(100), max_market_quantity=D(50), min_price=D(1), max_price=D(100_000), min_notional=D(10),
    max_notional=D(1_000_000), fetched_at=datetime(2030, 1, 1, tzinfo=UTC),
)  # fmt: skip


def limit(**changes: Any) -> Order:
    values = {"type": OrderType.LIMIT, "price": D(1000), "quantity": D(2), "filled_quantity": D("0.5")}
    return make_order(**{**values, **changes})


def change(quantity: str | None = None, price: str | None = None) -> Change:
    return Change(quantity=None if quantity is None else D(quantity), price=None if price is None else D(price))


#: order, change → field, nearest
REFUSED: dict[str, tuple[Order, Change, str, str | None]] = {
    "below what has filled": (limit(), change("0.4"), "quantity", "0.5"),
    "below it once it is rounded": (limit(filled_quantity=D("0.504")), change("0.509"), "quantity", "0.56"),
    "a rest below the minimum": (limit(), change("0.54"), "quantity", "0.55"),
    "a rest below the notional": (limit(price=D(50)), change("0.6"), "quantity", "0.7"),
    "nothing at all": (limit(filled_quantity=D(0)), change("0.009"), "quantity", "0.05"),
    "above the venue's most": (limit(), change("101"), "quantity", "100"),
    "above a market order's most": (make_order(), change("51"), "quantity", "50"),
    "worth too much": (limit(price=D(50_000)), change("21"), "quantity", "20"),
    "a price that makes it worth too much": (limit(quantity=D(20)), change(None, "60000"), "price", "50000"),
    "a price below the tick": (limit(), change(None, "0.4"), "price", "7"),
    "a price above the venue's": (limit(), change(None, "100001"), "price", "100000"),
    "a price at which the rest is too little": (limit(), change(None, "2"), "price", "7"),
    "a price of a market order": (make_order(), change(None, "1000"), "price", None),
}


@pytest.mark.parametrize("case", REFUSED)
def test_what_is_refused_names_the_field_and_the_nearest(case: str) -> None:
    order, asked, field, nearest = REFUSED[case]

    with pytest.raises(InvalidRequest) as refused:
        check_change(order, asked, INSTRUMENT)

    (error,) = refused.value.errors
    assert (error.field, error.nearest) == (field, nearest)
    if nearest is not None:
        check_change(order, change(**{field: nearest}), INSTRUMENT)


def test_both_are_named_where_both_are_wrong() -> None:
    with pytest.raises(InvalidRequest) as refused:
        check_change(limit(), change("0.1", "0.1"), INSTRUMENT)
    assert {error.field for error in refused.value.errors} == {"quantity", "price"}


@pytest.mark.parametrize(("side", "price"), [(Side.BUY, "1000"), (Side.SELL, "1000.5")])
def test_it_is_rounded_down_to_the_lot_and_in_the_customers_favour(side: Side, price: str) -> None:
    assert in_steps(limit(side=side), change("3.019", "1000.3"), INSTRUMENT) == change("3.01", price)


def test_what_has_filled_may_be_all_of_it() -> None:
    check_change(limit(), change("0.5"), INSTRUMENT)


@pytest.mark.parametrize(
    "data", [{}, {"quantity": None}, [], "x", None, {"quantity": "1", "Price": "2"}, {"price": True}]
)
def test_what_is_no_change_is_refused(data: object) -> None:
    with pytest.raises(InvalidRequest):
        read_change(data)


@given(
    filled=st.integers(0, 500),
    quantity=st.none() | st.decimals(D("0.001"), 200, places=3),
    price=st.none() | st.decimals(D("0.1"), 120_000, places=1),
)
def test_a_refusal_that_names_one_field_names_a_value_that_does(
    filled: int, quantity: Decimal | None, price: Decimal | None
) -> None:
    order = limit(quantity=D(6), filled_quantity=D(filled) / 100)
    asked = Change(quantity=quantity, price=price)
    try:
        check_change(order, asked, INSTRUMENT)
    except InvalidRequest as refusal:
        (error, *others) = refusal.errors
        assume(not others and (quantity is None or price is None) and error.nearest is not None)
        check_change(order, change(**{error.field: error.nearest}), INSTRUMENT)
