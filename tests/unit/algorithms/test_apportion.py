"""Sharing lots: exact sums, minima, and the same shares wherever the sharing was interrupted."""

from __future__ import annotations

from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from algorithms.apportion import apportion, without_dust

weights = st.lists(st.integers(0, 10**9), min_size=1, max_size=40)
lots = st.integers(0, 10**9)
least = st.one_of(st.integers(1, 50), st.integers(1, 10**8))


def shares(lots: int, weights: list[int], least: int = 1) -> list[int]:
    """Lots for each slot, 0 where it gets none."""
    given = [0] * len(weights)
    for portion in apportion(lots, weights, least):
        given[portion.index] = portion.lots
    return given


@pytest.mark.parametrize(
    ("lots", "weights", "least", "expected"),
    [
        # 10 over the volumes 1, 3, 1, 1 in lots of 0.001: floors alone would lose two lots
        (10_000, [1, 3, 1, 1], 1, [1667, 5000, 1667, 1666]),
        (600, [100, 300, 100, 100], 1, [100, 300, 100, 100]),
        (1200, [1, 1, 1], 1, [400, 400, 400]),
        (10_000, [1, 1, 1], 1, [3333, 3334, 3333]),
        # fewer lots than slots
        (2, [1] * 5, 1, [1, 0, 0, 1, 0]),
        (1, [1] * 5, 1, [1, 0, 0, 0, 0]),
        (5, [1] * 6, 1, [1, 1, 1, 1, 0, 1]),
        # shares under the least are put together, at the first slot's time
        (10, [1] * 10, 2, [2, 0, 2, 0, 2, 0, 2, 0, 2, 0]),
        (19, [1] * 10, 10, [19] + [0] * 9),
        (21, [1] * 10, 10, [10, 0, 0, 0, 0, 11, 0, 0, 0, 0]),
        # a rest under the least is never left
        (20, [6, 4], 10, [10, 10]),
        # a light slot takes the least, and the heavy one after it its part of the rest
        (100, [1, 50, 1, 48], 10, [10, 45, 10, 35]),
        (9, [1, 1], 10, [0, 0]),
        (10, [0, 1, 0, 1, 0], 1, [0, 5, 0, 5, 0]),
        (10, [0, 0], 1, [0, 0]),
        (0, [1, 1], 1, [0, 0]),
    ],
)
def test_table(lots: int, weights: list[int], least: int, expected: list[int]) -> None:
    assert shares(lots, weights, least) == expected


@given(lots, weights, least)
def test_the_sum_is_exact_and_no_share_below_the_least(lots: int, weights: list[int], least: int) -> None:
    portions = list(apportion(lots, weights, least))

    assert sum(portion.lots for portion in portions) == (lots if lots >= least and any(weights) else 0)
    assert all(portion.lots >= least for portion in portions)
    assert all(weights[portion.index] > 0 for portion in portions), "a slot of weight 0 gets nothing"
    assert all(one.index < one.following <= other.index for one, other in pairwise(portions))


@given(lots, weights, least, st.data())
def test_going_on_from_any_slot_gives_the_same(lots: int, weights: list[int], least: int, data: st.DataObject) -> None:
    portions = list(apportion(lots, weights, least))
    kept = data.draw(st.integers(0, len(portions)))
    begin = portions[kept - 1].following if kept else 0
    left = lots - sum(portion.lots for portion in portions[:kept])

    again = list(apportion(left, weights[begin:], least))

    assert [(portion.index + begin, portion.lots) for portion in again] == [
        (portion.index, portion.lots) for portion in portions[kept:]
    ]


@given(st.integers(0, 10**9), st.integers(1, 60))
def test_equal_weights_get_shares_that_differ_by_one_lot_at_most(lots: int, slots: int) -> None:
    if lots >= slots:
        given = shares(lots, [7] * slots)
        assert max(given) - min(given) <= 1


@given(lots, weights)
def test_a_share_is_within_a_lot_of_its_part_of_what_was_left(lots: int, weights: list[int]) -> None:
    left, weight_left = lots, sum(weights)
    for portion in apportion(lots, weights, 1):
        if portion.following == portion.index + 1:
            assert abs(portion.lots * weight_left - left * weights[portion.index]) <= weight_left
        left -= portion.lots
        weight_left = sum(weights[portion.following :])


@given(st.integers(1, 10**6), st.integers(1, 10**6), st.integers(1, 10**4))
def test_a_rest_is_nothing_or_can_be_sent(left: int, wanted: int, least: int) -> None:
    share = without_dust(left, wanted, least)

    assert 0 < share <= left
    if left >= least:
        assert left - share == 0 or left - share >= least
        assert share <= max(wanted, 2 * least - 1)


def test_a_least_share_of_nothing_is_a_bug() -> None:
    with pytest.raises(ValueError, match="must be 1 or more"):
        list(apportion(1, [1], 0))
