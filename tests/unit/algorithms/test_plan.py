"""The door to all planners: what a parent leaves to plan, single orders, and a context that rounds everything."""

from __future__ import annotations

import decimal
from dataclasses import replace
from datetime import timedelta
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from algorithms.parent import Market, Rules
from algorithms.plan import plan
from algorithms.volume_curve import VolumeCurve
from models.algorithm import Adaptive, Algorithm, Iceberg, Pov, Single, Twap, Vwap
from models.instrument import Instrument
from tests.unit.algorithms.planning import MINUTE, QUIET, RULES, START, D, Run, after, parent, totals

CURVE = VolumeCurve(shares=tuple(D(hour + 3) / 348 for hour in range(24)), daily_volume=D(50_000), days=9)
BUSY = replace(
    QUIET, others_volume=D("33.333"), volume_since_start=D(700), volume_curve=CURVE, volatility=0.04, depth=D(30),
    depth_bps=D(10),
)  # fmt: skip

ALGORITHMS: list[Algorithm] = [
    Single(),
    Twap(duration_s=D(600), slices=7, jitter=D("0.3")),
    Vwap(duration_s=D(600), slices=7, jitter=D("0.3"), lookback_days=7),
    Vwap(duration_s=D(600), profile=(D("0.123456789"), D(3), D("1.1"))),
    Iceberg(display_quantity=D("0.37"), jitter=D("0.3")),
    Pov(participation=D("0.123"), duration_s=D(600)),
    Adaptive(duration_s=D(600), slices=7, risk_aversion=D("0.01")),
]


# ----------------------------------------------------------------------------------------------- what is left to plan


@pytest.mark.parametrize(
    ("quantity", "filled", "live", "to_plan"),
    [
        # what is filled and what is open are both spoken for
        ("3", "1", "2", "0"),
        ("4", "1", "2", "1"),
        ("10", "2", "2", "6"),
        ("2", "1", "0", "1"),
        # an amendment that came too late leaves nothing, and less than nothing is nothing
        ("1", "2", "0", "0"),
        ("3", "2", "2", "0"),
    ],
)
def test_what_is_filled_or_open_is_spoken_for(quantity: str, filled: str, live: str, to_plan: str) -> None:
    assert parent(quantity, filled=D(filled), live=D(live)).to_plan == D(to_plan)


@given(st.integers(0, 1000), st.integers(0, 1000), st.integers(0, 1000))
def test_a_fill_moves_quantity_and_changes_nothing_of_what_is_left(filled: int, live: int, traded: int) -> None:
    traded = min(traded, live)
    before = parent("1500", filled=D(filled), live=D(live))

    assert replace(before, filled=D(filled + traded), live=D(live - traded)).to_plan == before.to_plan


# ------------------------------------------------------------------------------------------------------------- single


def test_a_single_order_is_one_slice_once() -> None:
    run = Run(Single(), parent("10"))
    made = run.look(START)

    assert [(piece.slot, piece.quantity, piece.due_at, piece.price) for piece in made.slices] == [
        (0, D(10), START, D(100))
    ]
    assert made.is_over
    run.fill(START, lambda _: D("0.5"))
    assert run.look(after(1)).slices == (), "what came back is a matter of its fill policy"


# ------------------------------------------------------------------------------------------------------- all of them


@pytest.mark.parametrize("algorithm", ALGORITHMS, ids=lambda algorithm: algorithm.name)
def test_a_threads_decimal_context_changes_nothing(algorithm: Algorithm) -> None:
    run = Run(
        algorithm, parent("9.876", price=None), rules=replace(RULES, min_notional=D("7.77")), market=lambda _: BUSY
    )
    for second in (0, 13, 100, 101.5, 599):
        known, now = run.parent, after(second)
        with decimal.localcontext() as context:
            context.prec, context.rounding = 2, decimal.ROUND_UP
            rounded = plan(algorithm, known, run.rules, BUSY, now, ahead=run.ahead, late_slice=run.late_slice)

        assert rounded == run.look(now)


@pytest.mark.parametrize("algorithm", ALGORITHMS, ids=lambda algorithm: algorithm.name)
def test_an_order_that_is_filled_is_over(algorithm: Algorithm) -> None:
    made = plan(algorithm, parent("10", filled=D(10)), RULES, BUSY, after(1), ahead=MINUTE)

    assert (made.slices, made.is_over, made.look_again_at) == ((), True, None)


@pytest.mark.parametrize("algorithm", ALGORITHMS, ids=lambda algorithm: algorithm.name)
def test_what_is_all_out_plans_nothing(algorithm: Algorithm) -> None:
    assert plan(algorithm, parent("10", live=D(10)), RULES, BUSY, after(1), ahead=MINUTE).slices == ()


@pytest.mark.parametrize("algorithm", ALGORITHMS[1:], ids=lambda algorithm: algorithm.name)
@given(st.integers(0, 20_000), st.integers(0, 20_000), st.integers(-100, 900), st.integers(0, 3), st.booleans())
def test_no_plan_exceeds_what_is_left(
    algorithm: Algorithm, filled: int, live: int, second: int, next_slot: int, known: bool
) -> None:
    order = parent("10", filled=D(filled) / 1000, live=D(live) / 1000, next_slot=next_slot)

    made = plan(algorithm, order, RULES, BUSY if known else Market(), after(second), ahead=MINUTE)

    assert totals(list(made.slices)) <= order.to_plan
    assert made.next_slot >= next_slot
    assert all(START <= piece.due_at <= max(START, after(second)) + MINUTE for piece in made.slices)


@pytest.mark.parametrize(("ahead_s", "late_s"), [(0, 5), (-1, 5), (60, -1)])
def test_a_plan_reaches_into_the_future(ahead_s: int, late_s: int) -> None:
    with pytest.raises(ValueError, match="must reach into the future"):
        plan(
            ALGORITHMS[1], parent(), RULES, QUIET, START, ahead=timedelta(seconds=ahead_s),
            late_slice=timedelta(seconds=late_s),
        )  # fmt: skip


# -------------------------------------------------------------------------------------------------------------- rules


def test_rules_are_the_instruments() -> None:
    instrument = Instrument(
        venue="paper", symbol="BTC/USDT", base="BTC", quote="USDT", tick=D("0.01"), lot=D("0.001"),
        min_quantity=D("0.002"), min_notional=D(10), fetched_at=START,
    )  # fmt: skip

    assert Rules.of(instrument, native_iceberg=True) == Rules(
        lot=D("0.001"), min_quantity=D("0.002"), min_notional=D(10), tick=D("0.01"), native_iceberg=True
    )
    assert Rules.of(replace(instrument, lot=D(0))).lot == D("0.000000000000000001")


@pytest.mark.parametrize(
    ("price", "market", "smallest"),
    [
        ("100", QUIET, "0.1"),
        (None, Market(bid=D(99), ask=D(101)), "0.104"),
        (None, Market(ask=D(101), last=D(50)), "0.101"),
        (None, Market(last=D(102)), "0.1"),
        (None, Market(), "0.001"),
        (None, Market(bid=D(0)), "0.001"),
    ],
)
def test_the_smallest_slice_is_worth_the_minimum_at_the_limit_or_the_worse_price(
    price: str | None, market: Market, smallest: str
) -> None:
    rules = Rules(lot=D("0.001"), min_notional=D(10))
    order = parent(price=None if price is None else Decimal(price))

    assert rules.minimum_for(order, market) == D(smallest)
