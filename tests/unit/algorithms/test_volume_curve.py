"""The volume curve: average shares by time of day in UTC, flat where little is known."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta, timezone
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from algorithms.candle import Candle
from algorithms.volume_curve import VolumeCurve, volume_curve
from tests.unit.algorithms.planning import D

MIDNIGHT = datetime(2030, 1, 1, tzinfo=UTC)
HOUR = timedelta(hours=1)
DAY = timedelta(days=1)


def candles(*days: list[int], begin: datetime = MIDNIGHT) -> list[Candle]:
    """Candles of one hour each."""
    return [
        Candle(opened_at=begin + DAY * day + HOUR * hour, close=D(100), volume=D(volume))
        for day, volumes in enumerate(days)
        for hour, volume in enumerate(volumes)
    ]


def test_two_days_count_as_much_as_a_flat_curve() -> None:
    busy_midnight = [25] + [3] * 23 + []  # 25 / 94 at midnight

    curve = volume_curve(candles(busy_midnight, busy_midnight))

    assert curve is not None
    assert curve.days == 2
    assert curve.daily_volume == 94
    assert float(curve.shares[0]) == pytest.approx((25 / 94 + 1 / 24) / 2)
    assert float(sum(curve.shares)) == pytest.approx(1)


def test_the_more_days_the_less_the_flat_curve_counts() -> None:
    day = [50] + [2] * 23
    measured = 50 / 96

    known = [volume_curve(candles(*[day] * days)) for days in (1, 7, 60)]

    missing = [measured - float(curve.shares[0]) for curve in known if curve is not None]
    assert len(missing) == 3
    assert missing == sorted(missing, reverse=True)
    assert missing[-1] < 0.02


def test_one_wild_day_counts_as_one_day() -> None:
    curve = volume_curve(candles([1] * 24, [1] * 24, [1_000_000] + [1] * 23))

    assert curve is not None
    assert float(curve.shares[0]) < 0.3


def test_a_day_that_lacks_an_hour_does_not_count() -> None:
    part = candles([0] * 12 + [5] * 12)[12:]

    assert volume_curve(part) is None
    whole = volume_curve(part + candles([1] * 24, begin=MIDNIGHT + DAY))
    assert whole is not None
    assert len(set(whole.shares)) == 1


@pytest.mark.parametrize("nothing", [[], candles([0] * 24)])
def test_without_volume_there_is_no_curve(nothing: list[Candle]) -> None:
    assert volume_curve(nothing) is None


def test_candles_are_put_by_utc_whatever_their_zone_and_order() -> None:
    east = timezone(timedelta(hours=5, minutes=30))
    day = candles(list(range(24)))
    elsewhere = [
        Candle(opened_at=candle.opened_at.astimezone(east), close=candle.close, volume=candle.volume) for candle in day
    ]

    assert volume_curve(list(reversed(elsewhere))) == volume_curve(day)


def test_small_candles_are_summed_into_their_bin() -> None:
    halves = [
        Candle(opened_at=candle.opened_at + HOUR / 2 * half, close=D(1), volume=candle.volume / 2)
        for candle in candles(list(range(1, 25)))
        for half in (0, 1)
    ]

    assert volume_curve(halves) == volume_curve(candles(list(range(1, 25))))


def test_a_weight_is_the_part_of_the_bins_that_lies_between_two_times() -> None:
    curve = VolumeCurve(shares=tuple(D(hour) / 276 for hour in range(24)), days=1)
    hours = [MIDNIGHT + HOUR * hour for hour in (0, 3, 3.5, 4, 5, 5.25, 23, 23.5, 24, 25, 25.5)]
    parts = [weight / curve.weights((MIDNIGHT + HOUR, MIDNIGHT + HOUR * 2))[0] for weight in curve.weights(hours)]

    assert parts == pytest.approx([0 + 1 + 2, 1.5, 1.5, 4, 1.25, sum(range(6, 23)) + 3.75, 11.5, 11.5, 0, 0.5])


def test_a_curve_of_many_days_is_the_sum_of_its_parts() -> None:
    curve = VolumeCurve(shares=tuple(D(hour) / 276 for hour in range(24)), days=1)
    times = [MIDNIGHT + timedelta(seconds=977 * step) for step in range(1000)]

    assert sum(curve.weights(times)) == curve.weights((times[0], times[-1]))[0]


def test_expected_volume_is_the_days_by_shares() -> None:
    curve = VolumeCurve(shares=(D(1) / 24,) * 24, daily_volume=D(2400), days=9)

    expected = curve.expected_volume(MIDNIGHT, MIDNIGHT + HOUR * 1.5)

    assert expected is not None
    assert float(expected) == pytest.approx(150)
    assert VolumeCurve(shares=(D(1),), days=1).expected_volume(MIDNIGHT, MIDNIGHT + HOUR) is None


@given(
    st.lists(st.lists(st.integers(0, 10**6), min_size=24, max_size=24), min_size=1, max_size=10),
    st.sampled_from([24, 12, 1]),
)
def test_shares_sum_to_one_and_none_is_nothing(days: list[list[int]], bins: int) -> None:
    curve = volume_curve(candles(*days), bins=bins)

    if not any(volume for day in days for volume in day):
        assert curve is None
    else:
        assert curve is not None
        assert abs(sum(curve.shares, Decimal(0)) - 1) < D("1e-12")
        assert min(curve.shares) > 0
