"""Tapes and what a stretch of one says: nothing of the future, exact sums, estimates that were computed by hand."""

from __future__ import annotations

import random
from datetime import timedelta
from decimal import Decimal
from math import log, sqrt

import pytest
from hypothesis import given
from hypothesis import strategies as st

from accounting.costs_market import market_of_trades
from algorithms.tape import NOT_SAID, Tape
from algorithms.tape_figures import curve_before, interval, lately, spread_bps
from models.clock import from_micros, micros
from models.market_data import PublicTrade
from models.money import average
from tests.unit.algorithms.replaying import D, after, tape

HOUR = 3600


def test_a_tape_knows_what_was_before_a_time_and_not_what_is_at_it():
    past = tape((0, "100", "1"), (1, "101", "2"), (1, "102", "3"), (2, "103", "4"))

    assert [past.last_price(after(at)) for at in (0, 0.5, 1, 1.5, 9)] == [None, D(100), D(100), D(102), D(103)]
    assert past.volume(after(0), after(1)) == D(1)
    assert past.volume(after(1), after(2)) == D(5)
    assert past.volume(after(1), after(9)) == D(9)


def test_a_tape_has_trades_and_equally_long_columns():
    with pytest.raises(ValueError, match="at least one"):
        Tape.of([], [], [], digits=2)
    with pytest.raises(ValueError, match="equally long"):
        Tape.of([1, 2], [1], [1, 2], digits=2)


def test_numbers_beyond_eight_bytes_are_exact():
    huge = 10**38
    past = Tape.of([micros(after(0)), micros(after(1))], [1, 1], [huge, huge + 1], digits=18)

    assert past.volume(after(0), after(2)) == Decimal("200000000000000000000.000000000000000001")


@given(
    st.lists(
        st.tuples(st.integers(0, 4_000_000), st.integers(1, 10_000), st.integers(1, 1000)), min_size=1, max_size=30
    ),
    st.integers(-5, 40),
    st.integers(0, 40),
)
def test_an_interval_is_what_the_cost_report_makes_of_its_trades(
    rows: list[tuple[int, int, int]], begin: int, length: int
):
    at, clock = [], micros(after(0))
    for gap, _, _ in rows:
        clock += gap
        at.append(clock)
    past = Tape.of(at, [price for _, price, _ in rows], [size for _, _, size in rows], digits=2)
    trades = [
        PublicTrade(id="", price=D(price).scaleb(-2), quantity=D(size).scaleb(-2), at=from_micros(when), taker=None)
        for when, (_, price, size) in zip(at, rows, strict=True)
    ]

    known = market_of_trades(trades, after(begin), after(begin + length))
    found = interval(past, after(begin), after(begin + length))

    assert found.volume == known.volume
    assert average(found.cost, found.volume) == known.vwap
    assert average(found.weighted, found.weight) == known.twap
    assert (found.first_price, found.last_price) == (known.first_price, known.last_price)


def test_the_spread_is_the_median_step_from_sales_to_purchases():
    # 99.99 is sold and 100.01 bought: 2 bps; while the market leaps once
    rows = [(at, "99.99" if at % 2 else "100.01", "1", "sell" if at % 2 else "buy") for at in range(30)]
    past = tape(*rows, (30, "110", "1", "buy"))

    found = spread_bps(past, 0, len(past.at))
    assert found is not None
    assert abs(found - 2) < D("0.001")


def test_without_sides_the_spread_is_rolls():
    # price = middle ± 5 bps by chance: 10 bps, as well as 20,000 trades can tell
    dice = random.Random(4)
    prices = [1_000_000 + dice.choice((-500, 500)) for _ in range(20_000)]
    past = Tape.of(range(20_000), prices, [1] * 20_000, digits=4)

    found = spread_bps(past, 0, 20_000)

    assert set(past.takers) == {NOT_SAID}
    assert found is not None
    assert abs(found - 10) < D("0.5")


def test_a_trend_has_no_spread_and_few_trades_have_none_that_is_known():
    rising = Tape.of(range(100), [10_000 + index * index for index in range(100)], [1] * 100, digits=2)

    assert spread_bps(rising, 0, 100) == 0
    assert spread_bps(rising, 0, 10) is None


def test_volatility_is_from_the_longest_candles_of_which_there_are_enough():
    # closes of minutes alternate by 1 %
    past = tape(*((60 * minute + 59, "100" if minute % 2 else "101", "2") for minute in range(30)))

    found = lately(past, after(30 * 60))

    assert found.candle == timedelta(minutes=1)
    assert found.volatility == pytest.approx(log(1.01) * sqrt(24 * 60))
    # 60 base in 29 minutes and a second
    assert found.daily_volume is not None
    assert float(found.daily_volume) == pytest.approx(60 / (30 * 60 - 59) * 86_400)


def test_of_the_future_nothing_is_known():
    past = [(60 * minute + 59, "100" if minute % 2 else "101", "2") for minute in range(30)]
    future = [(2000 + index, "500", "99") for index in range(100)]

    assert lately(tape(*past), after(1800)) == lately(tape(*past, *future), after(1800))
    assert lately(tape(*past), after(0)).volatility is None


def test_the_curve_is_of_whole_days_before_today():
    # from 12:00 of the day before yesterday to 12:00 today: one whole day, which traded in its first hour only
    rows = [
        (-36 * HOUR + 1, "100", "1"),
        (-36 * HOUR + 60, "100", "1"),
        (-12 * HOUR - 60, "100", "0.0001"),
        (-60, "100", "1"),
    ]
    past = tape((-40 * HOUR, "100", "5"), *rows)

    curve = curve_before(past, after(0), 7)

    assert curve is not None
    assert curve.days == 1
    assert curve.daily_volume == D("2.0001")
    assert curve.shares[0] > D("0.3") > curve.shares[1] > 0
    assert curve_before(tape(*rows[2:]), after(0), 7) is None
