"""Tolerance, persistence and CUSUM: what stays silent whatever it looks like, and what is told once."""

from __future__ import annotations

import decimal
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from accounting.anomalies.detector import Finding, Point, SeriesState, baseline_of, step, steps
from accounting.anomalies.series import Policy

NOW = datetime(2030, 1, 1, tzinfo=UTC)
POLICY = Policy(tolerance=Decimal(1), training=20, persistence=4)
USUAL = [Decimal(10)] * POLICY.training

#: in tenths
tenths = st.integers(-100_000, 100_000).map(lambda number: Decimal(number) / 10)
calm = st.integers(-10, 10).map(lambda number: Decimal(10) + Decimal(number) / 10)


def points(values: list[Decimal]) -> list[Point]:
    return [
        Point(value=value, at=NOW + timedelta(minutes=number), source=f"order-{number}")
        for number, value in enumerate(values)
    ]


def found(values: list[Decimal], policy: Policy = POLICY) -> list[Finding]:
    return steps(points(values), policy)


@given(st.lists(calm, max_size=200))
def test_what_stays_within_the_tolerance_is_never_told(values: list[Decimal]) -> None:
    assert found([*USUAL, *values]) == []


@given(st.lists(st.tuples(tenths, st.integers(0, 30)), max_size=20))
def test_outliers_are_not_told_while_the_usual_stands_between_them(outliers: list[tuple[Decimal, int]]) -> None:
    """Each weighs at most the clip, and so much of the usual lets it go again."""
    between = int(POLICY.clip / POLICY.allowance)
    values = [value for outlier, more in outliers for value in (outlier, *[Decimal(10)] * (between + more))]

    assert found([*USUAL, *values]) == []


@given(st.sampled_from([-1, 1]), st.integers(20, 10_000), st.lists(calm, max_size=50))
def test_a_move_that_lasts_is_told_once_with_its_way_and_its_size(
    side: int, tenths_of_move: int, before: list[Decimal]
) -> None:
    move = side * Decimal(tenths_of_move) / 10
    after = [Decimal(10) + move] * 60

    (told,) = found([*USUAL, *before, *after])

    assert told.drift == move or before, "the move itself, where nothing came before it"

    assert told.direction == ("up" if side > 0 else "down")
    assert told.beyond >= POLICY.persistence
    assert told.drift * side > POLICY.tolerance
    assert told.baseline.median == 10
    assert told.last_at < NOW + timedelta(minutes=len(USUAL) + len(before) + 20), "within twenty points"


def test_a_move_is_told_after_as_many_points_as_must_persist() -> None:
    patient = Policy(tolerance=Decimal(1), training=20, persistence=12)

    (told,) = found([*USUAL, *[Decimal(15)] * 40], patient)

    assert (told.points, told.beyond, told.source) == (12, 12, f"order-{20 + 12 - 1}")
    assert (told.first_at, told.last_at) == (NOW + timedelta(minutes=20), NOW + timedelta(minutes=31))


def test_a_single_point_is_never_enough_however_far_it_is_and_however_little_must_persist() -> None:
    hasty = Policy(tolerance=Decimal(1), training=20, persistence=1)

    assert found([*USUAL, Decimal(10_000), *[Decimal(10)] * 20], hasty) == []


def test_a_level_within_the_tolerance_is_not_told_though_some_points_are_beyond_it() -> None:
    nearly = [Decimal("10.9"), Decimal("10.9"), Decimal("11.05")] * 20

    assert found([*USUAL, *nearly]) == []


def test_after_a_finding_the_new_level_is_learned_and_the_way_back_is_told_too() -> None:
    up_and_back = [*USUAL, *[Decimal(15)] * 60, *[Decimal(10)] * 60]

    assert [told.direction for told in found(up_and_back)] == ["up", "down"]


def test_nothing_is_told_while_the_baseline_is_learned() -> None:
    wild = [Decimal(number * 100) for number in range(POLICY.training)]

    assert found(wild) == []


@settings(max_examples=30)
@given(st.lists(tenths, min_size=30, max_size=120))
def test_the_mirror_of_a_series_has_the_mirrored_findings(values: list[Decimal]) -> None:
    mirrored = {"up": "down", "down": "up"}

    there = [(told.last_at, mirrored[told.direction], -told.drift) for told in found(values)]

    assert [(told.last_at, told.direction, told.drift) for told in found([-value for value in values])] == there


@settings(max_examples=30)
@given(st.lists(tenths, min_size=30, max_size=120), st.integers(1, 6))
def test_another_unit_changes_nothing_but_the_figures(values: list[Decimal], digits: int) -> None:
    factor = Decimal(10) ** digits
    larger = Policy(tolerance=POLICY.tolerance * factor, training=20, persistence=4)

    there = [(told.last_at, told.direction, told.points) for told in found(values)]

    assert [
        (told.last_at, told.direction, told.points) for told in found([v * factor for v in values], larger)
    ] == there


@given(st.lists(tenths, max_size=150))
def test_what_is_remembered_does_not_grow(values: list[Decimal]) -> None:
    state = SeriesState()
    for point in points(values):
        state, _ = step(state, point, POLICY)
        assert len(state.training) < POLICY.training
        assert max(len(run.recent) for run in (state.up, state.down)) <= POLICY.persistence
        assert max(len(str(run.cusum)) for run in (state.up, state.down)) < 30
    assert state.points == len(values)


@settings(max_examples=30)
@given(st.lists(tenths, min_size=30, max_size=60))
def test_the_decimal_context_of_the_thread_changes_nothing(values: list[Decimal]) -> None:
    expected = found(values)
    with decimal.localcontext(prec=3, rounding=decimal.ROUND_UP):
        assert found(values) == expected


def test_the_scales_of_a_long_tail_are_those_of_their_sides() -> None:
    tailed = [Decimal(value) for value in (9, 9, 10, 10, 10, 12, 15, 20, 40)]

    baseline = baseline_of(tailed, POLICY)

    assert baseline.median == 10
    assert baseline.scale_up > 10 * baseline.scale_down


def test_a_relative_tolerance_counts_where_it_is_the_larger() -> None:
    half = Policy(tolerance=Decimal(1), relative_tolerance=Decimal("0.5"), training=20, persistence=4)

    assert found([*USUAL, *[Decimal(14)] * 60], half) == []
    assert len(found([*USUAL, *[Decimal(18)] * 60], half)) == 1


@pytest.mark.parametrize("value", ["NaN", "Infinity", "-Infinity"])
def test_what_is_no_number_is_refused_and_changes_nothing(value: str) -> None:
    with pytest.raises(ValueError, match="finite"):
        step(SeriesState(), Point(value=Decimal(value), at=NOW), POLICY)


@pytest.mark.parametrize(
    "wrong",
    [{"tolerance": Decimal(0)}, {"persistence": 0}, {"training": 1}, {"clip": Decimal(0)}],
    ids=lambda wrong: next(iter(wrong)),
)
def test_a_policy_that_could_not_tell_is_refused(wrong: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match="must be"):
        Policy(**{"tolerance": Decimal(1), **wrong})
