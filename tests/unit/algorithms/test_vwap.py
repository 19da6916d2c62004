"""Vwap: slices follow the curve or the given weights, and lean toward the volume that is observed."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime, timedelta
from decimal import Decimal
from fractions import Fraction

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from algorithms.grid import Grid
from algorithms.parent import Market, Rules
from algorithms.volume_curve import VolumeCurve
from algorithms.vwap import observed_tilt, tilted
from models.algorithm import Twap, Vwap
from tests.unit.algorithms.planning import QUIET, START, D, Run, after, parent, totals

#: hourly shares of a day of BTC/USDT; 12:00 UTC, at which schedules here begin, is the thirteenth
SHARES = tuple(
    D(text)
    for text in [
        "0.03933",
        "0.02756",
        "0.02695",
        "0.03478",
        "0.02957",
        "0.0233",
        "0.0209",
        "0.02482",
        "0.03815",
        "0.03212",
        "0.03691",
        "0.03577",
        "0.04026",
        "0.04957",
        "0.07002",
        "0.06467",
        "0.05804",
        "0.05229",
        "0.05224",
        "0.05721",
        "0.05698",
        "0.04786",
        "0.04079",
        "0.03992",
    ]
)
CURVE = VolumeCurve(shares=SHARES, daily_volume=D(24_000), days=30)
KNOWN = replace(QUIET, volume_curve=CURVE)


def vwap(duration_s: int, slices: int | None = None, **more: object) -> Vwap:
    return Vwap(duration_s=D(duration_s), slices=slices, **more)  # type: ignore[arg-type]


def weighted(duration_s: int, *weights: str, **more: object) -> Vwap:
    return vwap(duration_s, profile=tuple(D(weight) for weight in weights), lookback_days=None, **more)


@pytest.mark.parametrize(
    ("quantity", "weights", "slices"),
    [
        ("600", ["100", "300", "100", "100"], ["100", "300", "100", "100"]),
        ("10", ["1", "3", "1", "1"], ["1.667", "5", "1.667", "1.666"]),
        ("10", ["0.000000000000000001", "0.000000000000000003"], ["2.5", "7.5"]),
        ("10", ["0", "1", "0", "1"], ["5", "5"]),
    ],
)
def test_given_weights_share_the_order(quantity: str, weights: list[str], slices: list[str]) -> None:
    run = Run(weighted(60, *weights), parent(quantity)).through()

    assert [piece.quantity for piece in run.slices] == [D(text) for text in slices]
    assert run.notes["profile"] == "given"


def test_slices_follow_the_days_rhythm_from_the_hour_they_begin_at() -> None:
    run = Run(vwap(4 * 3600, 4), parent("220.52"), market=lambda _: KNOWN).through()

    parts = [float(piece.quantity / run.first.quantity) for piece in run.slices]
    assert parts == pytest.approx([float(share / sum(SHARES[12:16])) for share in SHARES[12:16]], abs=1e-5)
    assert totals(run.slices) == D("220.52")
    assert run.notes["curve_days"] == "30"


def test_without_history_the_slices_are_equal_and_it_is_said() -> None:
    run = Run(vwap(60, 6), parent("6")).through()

    assert [piece.quantity for piece in run.slices] == [D(1)] * 6
    assert "volume history is not known" in run.notes["fallback"]


def test_a_busier_market_draws_the_next_slices_up_and_the_later_ones_down() -> None:
    def busy(now: datetime) -> Market:
        expected = CURVE.expected_volume(START, now) or D(0)
        return replace(KNOWN, volume_since_start=2 * expected)

    ahead = timedelta(minutes=5)
    usual = Run(vwap(7200, 24), parent("100"), market=lambda _: KNOWN, ahead=ahead)
    drawn = Run(vwap(7200, 24), parent("100"), market=busy, ahead=ahead)
    for run in (usual, drawn):
        run.look(START)
        run.fill(START)
    next_usual, next_drawn = (run.look(after(310)).slices[0].quantity for run in (usual, drawn))

    assert next_drawn > next_usual * D("1.3")
    assert float(drawn.notes["observed_to_expected"]) == pytest.approx(1 + 310 / 610, abs=1e-3)
    assert totals(drawn.through().slices) == D(100)


@pytest.mark.parametrize(
    ("observed", "elapsed_s", "tilt"),
    [
        ("1", 3600, None),
        ("as expected", 3600, 1),
        ("twice", 3600, 1 + 3600 / 3900),
        ("nothing", 36_000, 0.5),
        ("a hundred times", 3600, 2),
        ("twice", 3, 1 + 3 / 303),
    ],
)
def test_the_observed_volume_counts_by_the_time_it_was_observed(
    observed: str, elapsed_s: int, tilt: float | None
) -> None:
    grid = Grid(order_id="a", start_at=START, duration=timedelta(hours=24), slots=288)
    factor = {"as expected": 1, "twice": 2, "nothing": 0, "a hundred times": 100}.get(observed)
    expected = CURVE.expected_volume(START, after(elapsed_s)) or D(0)
    volume = None if factor is None else expected * factor

    found = observed_tilt(CURVE, grid, volume, after(elapsed_s))

    assert found is None if tilt is None else float(found or 0) == pytest.approx(tilt, rel=1e-6)


def test_at_the_start_and_without_a_daily_volume_nothing_leans() -> None:
    grid = Grid(order_id="a", start_at=START, duration=timedelta(hours=1), slots=6)

    assert observed_tilt(CURVE, grid, D(1), START) is None
    assert observed_tilt(replace(CURVE, daily_volume=None), grid, D(1), after(60)) is None


def test_a_tilt_fades_from_slot_to_slot() -> None:
    assert [weight / 2**20 for weight in tilted([100] * 4, Fraction(2))] == [200, 150, 125, 112.5]
    assert [weight / 2**20 for weight in tilted([100] * 4, Fraction(1, 2))] == [50, 75, 87.5, 93.75]


@pytest.mark.parametrize("jitter", ["0", "0.5"])
def test_equal_weights_are_a_twap(jitter: str) -> None:
    twap = Twap(duration_s=D(60), slices=6, jitter=D(jitter))

    slices = Run(weighted(60, *["2"] * 6, jitter=D(jitter)), parent("10")).through().slices

    assert slices == Run(twap, parent("10")).through().slices


profiles = st.lists(st.integers(0, 10**6), min_size=1, max_size=50).filter(any)


@settings(deadline=None)
@given(
    profiles, st.integers(1, 10**6), st.sampled_from([D(0), D("0.5")]), st.sampled_from([D(0), D(10), D(700)]),
    st.sampled_from([1, 45, 100_000]), st.sampled_from([1, 45, 100_000]),
)  # fmt: skip
def test_given_weights_sum_exactly_whatever_the_waves(
    profile: list[int], lots: int, jitter: Decimal, min_notional: Decimal, one_s: int, other_s: int
) -> None:
    rules = Rules(lot=D("0.001"), min_notional=min_notional)
    algorithm = weighted(600, *[str(weight) for weight in profile], jitter=jitter)
    quantity = lots * rules.lot

    runs = [
        Run(algorithm, parent(quantity), rules=rules, ahead=timedelta(seconds=ahead_s)).through()
        for ahead_s in (one_s, other_s)
    ]

    assert runs[0].slices == runs[1].slices
    assert totals(runs[0].slices) == (quantity if quantity >= rules.minimum(D(100)) else 0)


@settings(deadline=None)
@given(
    st.integers(1, 50), st.integers(60, 200_000), st.integers(1, 10**6), st.lists(st.integers(0, 300), min_size=1),
    st.lists(st.integers(0, 100), min_size=1),
)  # fmt: skip
def test_whatever_is_observed_and_fills_the_order_is_never_exceeded(
    slices: int, duration_s: int, lots: int, busy: list[int], filled: list[int]
) -> None:
    def market(now: datetime) -> Market:
        expected = CURVE.expected_volume(START, now) or D(0) if now > START else D(0)
        return replace(KNOWN, volume_since_start=expected * busy[now.second % len(busy)] / 100)

    run = Run(vwap(duration_s, slices), parent(lots * D("0.001")), market=market)
    run.through(lambda piece: D(filled[piece.slot % len(filled)]) / 100)

    assert run.parent.filled + run.parent.live <= run.first.quantity
    if set(filled) == {100}:
        assert totals(run.slices) == run.first.quantity
