"""The trajectory against the figures that Almgren and Chriss published, and against its own theory."""

from __future__ import annotations

from dataclasses import replace
from itertools import pairwise
from math import acosh, exp, inf, log, nan

import pytest
from hypothesis import given
from hypothesis import strategies as st

from algorithms.trajectory import (
    Degenerate,
    Impact,
    expected_cost,
    kappa,
    trade_weights,
    trades,
    variance,
)

#: the example of the paper: a million shares at 50, 30 % volatility a year, in five days and five slices
PAPER = Impact(sigma=0.95, epsilon=0.0625, gamma=2.5e-7, eta=2.5e-6)
SHARES, DAY, SLICES = 1_000_000, 1.0, 5


def sold(risk_aversion: float) -> list[float]:
    return [SHARES * share for share in trades(kappa(PAPER, risk_aversion, DAY), DAY, SLICES)]


def test_the_trajectory_of_the_paper() -> None:
    urgency = kappa(PAPER, 2e-6, DAY)

    assert urgency == pytest.approx(0.8462971345012561)
    assert 1 / urgency == pytest.approx(1.1816180856967273)
    assert sold(2e-6) == pytest.approx([571401.15, 245666.03, 106637.09, 48652.34, 27643.38], abs=0.01)


def test_cost_and_risk_of_the_paper() -> None:
    assert expected_cost(PAPER, DAY, sold(2e-6)) == pytest.approx(1_140_715.17, abs=0.01)
    assert variance(PAPER, DAY, sold(2e-6)) == pytest.approx(201_931_287_150.52, rel=1e-9)


def test_cost_and_risk_of_equal_slices() -> None:
    equal = [SHARES / SLICES] * SLICES

    assert expected_cost(PAPER, DAY, equal) == pytest.approx(662_500)
    assert variance(PAPER, DAY, equal) == pytest.approx(1_083_000_000_000)


@pytest.mark.parametrize(
    ("risk_aversion", "cost", "risk"),
    [
        (0.001e-6, 0.6625, 1.0812), (0.003e-6, 0.6625, 1.0776), (0.005e-6, 0.6625, 1.0740),
        (0.007e-6, 0.6625, 1.0704), (0.009e-6, 0.6626, 1.0669),
    ],
)  # fmt: skip
def test_the_efficient_frontier(risk_aversion: float, cost: float, risk: float) -> None:
    quantities = sold(risk_aversion)

    assert expected_cost(PAPER, DAY, quantities) / SHARES == pytest.approx(cost, abs=6e-5)
    assert variance(PAPER, DAY, quantities) / SHARES**2 == pytest.approx(risk, abs=6e-5)


def test_both_forms_of_kappa_agree() -> None:
    kappa_tilde2 = 2e-6 * PAPER.sigma**2 / (PAPER.eta - PAPER.gamma * DAY / 2)

    assert kappa(PAPER, 2e-6, DAY) == pytest.approx(acosh(1 + kappa_tilde2 * DAY**2 / 2) / DAY)


def test_urgency_of_one_trades_two_thirds_at_once() -> None:
    assert trades(1.0, 1.0, 60)[0] == pytest.approx(1 - exp(-1), abs=1e-9)


urgencies = st.floats(1e-9, 1e6)
counts = st.integers(1, 300)


@given(urgencies, counts)
def test_shares_fall_and_sum_to_one(urgency: float, slices: int) -> None:
    shares = trades(urgency, 1.0, slices)

    assert sum(shares) == pytest.approx(1)
    assert all(share >= 0 for share in shares)
    assert all(later <= earlier for earlier, later in pairwise(shares))


@given(st.floats(1e-9, 600 / 300), counts, st.data())
def test_going_on_from_the_middle_is_the_same_trajectory(urgency: float, slices: int, data: st.DataObject) -> None:
    done = data.draw(st.integers(0, slices))

    assert trade_weights(urgency, 1.0, slices)[done:] == trade_weights(urgency, 1.0, slices - done)


@given(urgencies, counts)
def test_the_next_slice_always_has_a_weight(urgency: float, slices: int) -> None:
    assert trade_weights(urgency, 1.0, slices)[0] > 0


@given(st.floats(1e-9, 1e-4), st.floats(1.1, 100))
def test_who_minds_risk_more_pays_more_and_risks_less(risk_aversion: float, factor: float) -> None:
    calm, anxious = sold(risk_aversion), sold(risk_aversion * factor)

    assert expected_cost(PAPER, DAY, anxious) >= expected_cost(PAPER, DAY, calm) * (1 - 1e-12)
    assert variance(PAPER, DAY, anxious) <= variance(PAPER, DAY, calm) * (1 + 1e-12)


def test_little_urgency_is_nearly_equal_slices() -> None:
    assert trades(1e-6, 1.0, 4) == pytest.approx([0.25] * 4)


@pytest.mark.parametrize(
    ("impact", "risk_aversion", "why"),
    [
        (replace(PAPER, sigma=0), 1e-6, "volatility"),
        (replace(PAPER, sigma=nan), 1e-6, "volatility"),
        (replace(PAPER, sigma=-1), 1e-6, "volatility"),
        (replace(PAPER, sigma=inf), 1e-6, "volatility"),
        (PAPER, 0, "risk aversion"),
        (PAPER, nan, "risk aversion"),
        (replace(PAPER, eta=0), 1e-6, "impact"),
        (replace(PAPER, eta=nan), 1e-6, "impact"),
        (replace(PAPER, gamma=1), 1e-6, "impact"),
    ],
)
def test_figures_that_give_no_trajectory_are_named(impact: Impact, risk_aversion: float, why: str) -> None:
    with pytest.raises(Degenerate, match=why):
        kappa(impact, risk_aversion, DAY)


def test_half_of_it_is_gone_after_the_half_life_over_a_long_horizon() -> None:
    urgency = 0.01
    shares = trades(urgency, 1.0, 2000)

    assert sum(shares[: round(log(2) / urgency)]) == pytest.approx(0.5, abs=0.01)
