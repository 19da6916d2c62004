"""Positions from trades: what they lead to, whether two are the same, and the price that would explain a difference."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from accounting.reconciliation_positions import (
    Stood,
    Traded,
    correcting_price,
    matches,
    position_break,
    simulate,
)
from models.money import EXACT
from models.vocabulary import Side


def trade(side: str, quantity: Any, price: Any) -> Traded:
    return Traded(side=Side(side.lower()), quantity=Decimal(str(quantity)), price=Decimal(str(price)))


@pytest.mark.parametrize(
    ("trades", "quantity", "value"),
    [
        ([], 0, 0),
        ([("BUY", 10, 100), ("BUY", 5, 102)], 15, 1510),
        ([("BUY", 10, 100), ("SELL", 5, 102)], 5, 500),
        ([("SELL", 10, 100), ("BUY", 5, 98)], -5, 500),
        ([("SELL", 10, 100), ("BUY", 15, 102)], 5, 510),
        ([("BUY", 10, 100), ("SELL", 10, 102)], 0, 0),
        ([("BUY", 10, 100), ("SELL", 20, 105)], -10, 1050),
    ],
)
def test_what_trades_lead_to(trades: list[tuple[str, int, int]], quantity: int, value: int) -> None:
    assert simulate(trade(*one) for one in trades) == Stood(quantity=Decimal(quantity), value=Decimal(value))


@pytest.mark.parametrize(
    ("ours", "our_average", "theirs", "average", "price"),
    [
        ("0", None, "10", "100", "100"),
        ("10", "100", "15", "102", "106"),
        ("-100", "1.3", "-200", "1.28", "1.26"),
        ("100", "1.2", "-100", "1.25", "1.25"),
        ("150", "1.23456", "250", "1.24567", "1.2623350"),
        ("-50", "2.5", "0", None, "2.5"),
        ("100", "1.2", "200", "0", None),
        ("100", "2", "200", "1", None),
        ("0.02", "4200", "0.04", "4100", "4000"),
        ("-0.02", "4120", "-0.05", "4100", "4086.6666666666666666666666667"),
        ("5", "7", "5", "9", None),
    ],
)
def test_the_price_that_would_explain_a_difference(
    ours: str, our_average: str | None, theirs: str, average: str | None, price: str | None
) -> None:
    def number(text: str | None) -> Decimal | None:
        return None if text is None else Decimal(text)

    found = correcting_price(Decimal(ours), number(our_average), Decimal(theirs), number(average))

    assert (found is None) is (price is None)
    if price is not None:
        assert found is not None
        assert abs(found - Decimal(price)) < Decimal("1e-20")


@pytest.mark.parametrize(
    ("quantity", "value", "told", "average", "same"),
    [
        ("10", "1000", "10", "100", True),
        ("10", "1000", "11", "100", False),
        ("10", "1000", "10", "100.01", True),
        ("10", "1000", "10", "100.02", False),
        ("0", "0", "0", "0", True),
    ],
)
def test_whether_two_positions_are_one(quantity: str, value: str, told: str, average: str, same: bool) -> None:
    ours = Stood(quantity=Decimal(quantity), value=Decimal(value))

    assert matches(ours, Decimal(told), Decimal(average)) is same


quantities = st.decimals(min_value="0.001", max_value=1000, places=3)
prices = st.decimals(min_value="0.01", max_value=1000, places=2)
some = st.lists(st.builds(Traded, side=st.sampled_from(list(Side)), quantity=quantities, price=prices), max_size=8)


@given(trades=some)
def test_a_position_is_the_sum_of_its_trades_and_its_value_never_below_zero(trades: list[Traded]) -> None:
    stood = simulate(trades)

    assert stood.quantity == sum((one.quantity if one.side is Side.BUY else -one.quantity) for one in trades)
    assert stood.value >= 0
    assert position_break("BTC/USDT", trades, trades) is None


@given(
    trades=st.lists(
        st.builds(Traded, side=st.just(Side.BUY), quantity=quantities, price=prices), min_size=1, max_size=8
    )
)
def test_bought_only_the_average_lies_between_the_prices(trades: list[Traded]) -> None:
    average = simulate(trades).average

    assert average is not None
    slack = Decimal("1e-30")
    assert min(one.price for one in trades) - slack <= average <= max(one.price for one in trades) + slack


@given(ours=some, theirs=some)
def test_the_trade_that_would_explain_a_difference_does(ours: list[Traded], theirs: list[Traded]) -> None:
    found = position_break("BTC/USDT", ours, theirs)
    assume(found is not None and found.difference != 0)
    assert found is not None
    price = correcting_price(found.ours.quantity, found.ours.average, found.theirs.quantity, found.theirs.average)
    closing = abs(found.theirs.quantity) < abs(found.ours.quantity)
    flips = found.ours.quantity * found.theirs.quantity < 0
    assume(price is not None and (flips or not closing))
    assert price is not None
    side = Side.BUY if found.difference > 0 else Side.SELL
    explained = simulate([*ours, Traded(side=side, quantity=abs(found.difference), price=price)])

    assert explained.quantity == found.theirs.quantity
    assert explained.average is not None
    assert found.theirs.average is not None
    assert EXACT.subtract(explained.average, found.theirs.average).copy_abs() < Decimal("1e-20")


def test_a_trade_that_the_venue_shows_no_more_is_a_critical_break_with_its_figures() -> None:
    booked = [trade("buy", 1, 100), trade("buy", 1, 110)]

    found = position_break("BTC/USDT", booked, booked[:1])

    assert found is not None
    assert (found.key, found.difference, found.severity, found.action) == (
        "position:BTC/USDT",
        -1,
        "critical",
        "freeze",
    )
    assert "add up to 1 by the venue and to 2 in our books" in found.message
