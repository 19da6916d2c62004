"""Adaptive: estimates from the market, the trajectory in lots, and equal slices where nothing can be estimated."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime, timedelta
from decimal import Decimal
from itertools import pairwise
from math import inf, log, nan, sqrt

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from algorithms.candle import Candle
from algorithms.impact import estimate, impact_from_json, impact_to_json, plain_float, volatility
from algorithms.parent import Market, Rules
from algorithms.trajectory import Degenerate, Impact
from algorithms.volume_curve import VolumeCurve
from models.algorithm import Adaptive, Twap
from tests.unit.algorithms.planning import START, D, Run, after, parent, totals

#: the market of the paper's example: 50 a share with a spread of an eighth, five million shares a day, 1.9 % a day
PAPER = Market(bid=D("49.9375"), ask=D("50.0625"), daily_volume=D(5_000_000), volatility=0.019)
BOOK = Market(bid=D("99.9"), ask=D("100.1"), volatility=0.03, depth=D(50), depth_bps=D(20))
RULES = Rules(lot=D(1))


def adaptive(risk_aversion: str, *, slices: int = 5, duration_s: int = 5 * 86_400) -> Adaptive:
    return Adaptive(duration_s=D(duration_s), slices=slices, risk_aversion=D(risk_aversion))


def paper_run(risk_aversion: str, market: Market = PAPER) -> Run:
    order = parent("1000000", price=None)
    return Run(adaptive(risk_aversion), order, rules=RULES, market=lambda _: market).through()


def test_the_papers_parameters_come_out_of_the_papers_market() -> None:
    impact = estimate(PAPER, 1.0)

    assert impact.sigma == pytest.approx(0.95)
    assert impact.epsilon == pytest.approx(0.0625)
    assert impact.gamma == pytest.approx(2.5e-7)
    assert impact.eta == pytest.approx(2.5e-6)


def test_the_papers_trajectory_in_whole_shares() -> None:
    run = paper_run("0.000002")

    assert [piece.quantity for piece in run.slices] == [D(571401), D(245666), D(106637), D(48653), D(27643)]
    assert float(run.plans[0][1].notes["kappa"]) == pytest.approx(0.8462971345)
    assert float(run.plans[0][1].notes["expected_cost"]) == pytest.approx(1_140_715, abs=1)
    assert float(run.plans[0][1].notes["risk"]) == pytest.approx(449_367.65, abs=1)


def test_depth_gives_the_temporary_impact_where_it_is_known() -> None:
    tau = 1 / 24
    impact = estimate(BOOK, tau)

    # 50 within 0.2 of the price: a slice of 10 moves it by 0.04 and pays 0.02 more on average
    assert impact.eta / tau * 10 == pytest.approx(0.02)
    assert impact.gamma == 0
    with_volume = replace(BOOK, volume_curve=VolumeCurve(shares=(D(1),), daily_volume=D(1000), days=3))
    assert estimate(with_volume, tau).gamma == pytest.approx(0.2 / 100)


@pytest.mark.parametrize(
    ("market", "why"),
    [
        (Market(), "bid and ask"),
        (replace(BOOK, ask=None), "bid and ask"),
        (replace(BOOK, bid=D(101)), "bid and ask"),
        (replace(BOOK, bid=D(0)), "bid and ask"),
        (replace(BOOK, volatility=None), "volatility"),
        (replace(BOOK, volatility=0.0), "volatility"),
        (replace(BOOK, volatility=nan), "volatility"),
        (replace(BOOK, volatility=inf), "volatility"),
        (replace(BOOK, depth=None), "depth"),
        (replace(BOOK, depth=D(0)), "depth"),
        (replace(PAPER, daily_volume=D(0)), "depth nor the daily volume"),
        (replace(PAPER, bid=D(50), ask=D(50)), "impact"),
    ],
)
def test_what_can_not_be_estimated_falls_back_to_a_twap_and_is_said(market: Market, why: str) -> None:
    run = paper_run("0.000002", market)

    assert [piece.quantity for piece in run.slices] == [D(200_000)] * 5
    assert why in run.notes["fallback"]
    assert "equal slices, as a twap" in run.notes["fallback"]


def test_without_aversion_to_risk_it_is_a_twap_and_is_said() -> None:
    run = paper_run("0")

    twap = Run(Twap(duration_s=D(5 * 86_400), slices=5), parent("1000000", price=None), rules=RULES).through()
    assert run.slices == twap.slices
    assert "risk aversion is 0" in run.notes["fallback"]


def test_figures_that_are_not_known_any_more_are_those_of_the_last_plan() -> None:
    def market(now: datetime) -> Market:
        return PAPER if now == START else Market()

    order = parent("1000000", price=None)
    run = Run(adaptive("0.000002"), order, rules=RULES, market=market).through()

    assert run.slices == paper_run("0.000002").slices
    assert "fallback" not in run.notes


def test_a_market_that_turns_wild_makes_it_hurry() -> None:
    calm = paper_run("0.000001")

    def market(now: datetime) -> Market:
        return replace(PAPER, volatility=0.019 if now == START else 0.06)

    order = parent("1000000", price=None)
    wild = Run(adaptive("0.000001"), order, rules=RULES, market=market).through()

    assert wild.slices[0] == calm.slices[0]
    assert wild.slices[1].quantity > calm.slices[1].quantity * D("1.2")
    assert totals(wild.slices) == D(1_000_000)


def test_an_extreme_aversion_sends_nearly_all_of_it_at_once() -> None:
    run = paper_run("1000000000")

    assert run.slices[0].quantity > D(999_999)
    assert totals(run.slices) == D(1_000_000)


def test_estimates_are_read_back_as_they_were_written() -> None:
    impact = Impact(sigma=0.1 + 0.2, epsilon=1e-9, gamma=0.0, eta=123456.789e12)

    assert impact_from_json(impact_to_json(impact)) == impact
    assert impact_from_json({}) is None
    assert (plain_float(1e-7), plain_float(-2.5e-7)) == ("0.0000001", "-0.00000025")


# -------------------------------------------------------------------------------------------------------- volatility


def candles(*closes: float, every: timedelta = timedelta(minutes=1)) -> list[Candle]:
    return [
        Candle(opened_at=START + every * index, close=D(str(close)), volume=D(1)) for index, close in enumerate(closes)
    ]


def test_volatility_is_scaled_to_a_day() -> None:
    back_and_forth = [100 if index % 2 else 101 for index in range(31)]

    assert volatility(candles(*back_and_forth)) == pytest.approx(log(1.01) * sqrt(1440))
    hourly = candles(*back_and_forth, every=timedelta(hours=1))
    assert volatility(hourly) == pytest.approx(log(1.01) * sqrt(24))


def test_a_price_that_does_not_move_has_no_volatility() -> None:
    assert volatility(candles(*[100] * 20)) == 0


@pytest.mark.parametrize("closes", [[], [100.0], [100.0, 101.0] * 5, [0.0] * 30])
def test_too_few_returns_say_nothing(closes: list[float]) -> None:
    assert volatility(candles(*closes)) is None


def test_a_gap_counts_by_its_time() -> None:
    steady = candles(*[100 * 1.001**index for index in range(60)])
    with_gap = [candle for index, candle in enumerate(steady) if index % 3 == 0]

    assert (volatility(with_gap) or 0) == pytest.approx((volatility(steady) or 0) * sqrt(3), rel=1e-6)


# -------------------------------------------------------------------------------------------------------- properties

markets = st.builds(
    lambda price, spread_bps, daily, sigma, depth, band: Market(
        bid=price, ask=price * (1 + D(spread_bps) / 10_000), daily_volume=daily, volatility=sigma, depth=depth,
        depth_bps=band,
    ),
    st.decimals(D("0.0001"), D(100_000), places=4),
    st.integers(0, 500),
    st.one_of(st.none(), st.decimals(0, 10**9, places=2)),
    st.one_of(st.none(), st.floats()),
    st.one_of(st.none(), st.decimals(0, 10**6, places=3)),
    st.one_of(st.none(), st.decimals(0, 100, places=1)),
)  # fmt: skip
aversions = st.one_of(st.just(D(0)), st.decimals(D("1e-12"), D(10**9), places=12))


@settings(deadline=None)
@given(
    aversions, markets, st.integers(1, 60), st.integers(60, 100_000), st.integers(1, 10**6),
    st.lists(st.integers(0, 100), min_size=1, max_size=10),
)  # fmt: skip
def test_whatever_the_market_shows_the_order_is_planned_and_never_exceeded(
    aversion: Decimal, market: Market, slices: int, duration_s: int, lots: int, filled: list[int]
) -> None:
    rules = Rules(lot=D("0.001"))
    algorithm = adaptive(str(aversion), slices=slices, duration_s=duration_s)
    run = Run(algorithm, parent(lots * rules.lot), rules=rules, market=lambda _: market)
    run.through(lambda piece: D(filled[piece.slot % len(filled)]) / 100)

    assert run.parent.filled + run.parent.live <= run.first.quantity
    if set(filled) == {100}:
        assert totals(run.slices) == run.first.quantity
    assert all(START <= piece.due_at < after(duration_s) for piece in run.slices)


@settings(deadline=None)
@given(
    st.decimals(D("1e-9"), D("0.001"), places=9), st.integers(1, 60), st.integers(60, 100_000), st.integers(1, 10**6),
    st.sampled_from([5, 60, 3600, 10**6]),
)  # fmt: skip
def test_the_length_of_waves_changes_nothing(
    aversion: Decimal, slices: int, duration_s: int, lots: int, ahead_s: int
) -> None:
    algorithm = adaptive(str(aversion), slices=slices, duration_s=duration_s)
    order = parent(lots * D("0.001"))

    runs = [
        Run(algorithm, order, rules=Rules(lot=D("0.001")), market=lambda _: BOOK, ahead=timedelta(seconds=ahead))
        for ahead in (60, ahead_s)
    ]

    assert runs[0].through().slices == runs[1].through().slices
    quantities = [piece.quantity for piece in runs[0].slices]
    assert all(later <= earlier + D("0.001") for earlier, later in pairwise(quantities))


def test_an_estimate_without_a_book_or_a_volume_is_refused() -> None:
    with pytest.raises(Degenerate, match="neither"):
        estimate(replace(BOOK, depth_bps=None), 1.0)
