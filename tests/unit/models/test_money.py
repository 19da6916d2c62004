"""Exact decimals: rounding has a direction, and no context of a thread changes a digit."""

from __future__ import annotations

import decimal
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from models.instrument import Instrument
from models.money import add, average, fraction_digits, multiply, plain, round_down_to, round_up_to, subtract
from models.vocabulary import Side
from tests.support.order_values import NOW

amounts = st.decimals(0, 10**19, allow_nan=False, allow_infinity=False, places=18)
steps = st.one_of(
    st.integers(0, 18).map(lambda digits: Decimal(1).scaleb(-digits)),
    st.sampled_from([Decimal(text) for text in ("0.05", "0.25", "0.003", "5", "25", "1000")]),
)


@given(amounts, steps)
def test_down_is_the_largest_multiple_not_above(number: Decimal, step: Decimal) -> None:
    rounded = round_down_to(number, step)

    assert rounded <= number < add(rounded, step)
    assert _is_multiple(rounded, step)


@given(amounts, steps)
def test_up_is_the_smallest_multiple_not_below(number: Decimal, step: Decimal) -> None:
    rounded = round_up_to(number, step)

    assert subtract(rounded, step) < number <= rounded
    assert _is_multiple(rounded, step)


@given(amounts, steps)
def test_rounding_twice_is_rounding_once(number: Decimal, step: Decimal) -> None:
    for round_to in (round_down_to, round_up_to):
        once = round_to(number, step)
        assert round_to(once, step) == once


@given(amounts, steps)
def test_a_price_is_rounded_in_the_customers_favour(price: Decimal, tick: Decimal) -> None:
    instrument = Instrument(
        venue="paper", symbol="BTC/USDT", base="BTC", quote="USDT", tick=tick, lot=tick, min_quantity=tick,
        max_quantity=None, min_notional=Decimal(0), fetched_at=NOW,
    )  # fmt: skip

    assert instrument.round_price(price, Side.BUY) <= price <= instrument.round_price(price, Side.SELL)
    assert instrument.round_quantity(price) <= price


@given(amounts, amounts)
def test_a_threads_context_changes_no_digit(left: Decimal, right: Decimal) -> None:
    expected = add(left, right), subtract(left, right), multiply(left, right), round_down_to(left, Decimal("0.01"))
    with decimal.localcontext(decimal.Context(prec=3, rounding=decimal.ROUND_UP)):
        found = add(left, right), subtract(left, right), multiply(left, right), round_down_to(left, Decimal("0.01"))

    assert found == expected
    assert subtract(expected[0], right) == left


@given(amounts)
def test_plain_notation_reads_back_and_has_neither_exponent_nor_idle_zeros(number: Decimal) -> None:
    text = plain(number)

    assert Decimal(text) == number
    assert "E" not in text.upper()
    assert not ("." in text and text.endswith(("0", ".")))
    assert fraction_digits(number) == len(text.partition(".")[2])


@pytest.mark.parametrize(("number", "text"), [("0E-8", "0"), ("1.50E+2", "150"), ("0.00000001", "0.00000001")])
def test_plain(number: str, text: str) -> None:
    assert plain(Decimal(number)) == text


def test_an_average_of_nothing_is_none() -> None:
    assert average(Decimal(0), Decimal(0)) is None
    assert average(Decimal(100), Decimal(3)) == Decimal("33.3333333333333333")


def _is_multiple(number: Decimal, step: Decimal) -> bool:
    digits = 18
    return int(number.scaleb(digits)) % int(step.scaleb(digits)) == 0
