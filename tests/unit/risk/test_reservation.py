"""Slots of a rate: no window holds more than the limit, urgent requests keep their share, nobody is passed over."""

from __future__ import annotations

import heapq
from collections import Counter
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from risk.lane import Lane
from risk.reservation import (
    LONGEST_AHEAD_US,
    SECOND_US,
    UNITS,
    RatePlan,
    Reserved,
    Slot,
    close,
    hold,
    rate_plan,
    reserve,
    room,
    units,
)

START_US = 1_900_000_000 * SECOND_US
ALWAYS_US = START_US + LONGEST_AHEAD_US

rates = st.sampled_from([(1, 1), (2, 1), (3, 1), (10, 1), (7, 2), (60, 60), (1200, 60), (100, 10), (5, 3600)])
calls = st.lists(
    st.tuples(
        st.one_of(st.just(0), st.integers(0, 3_000), st.integers(0, 20 * SECOND_US)),  # since the call before
        st.sampled_from(list(Lane)),
        st.sampled_from([0.2, 0.4, 1, 1, 1, 4, 16]),
        st.integers(0, 1_000),  # thousandths of the spread that it leaves late
        st.booleans(),  # whether it waits for long
    ),
    min_size=1,
    max_size=60,
)


def busiest(weights_at: list[tuple[int, int]], window_us: int) -> int:
    """The most weight in any window."""
    found, total, first = 0, 0, 0
    ordered = sorted(weights_at)
    for at_us, weight in ordered:
        total += weight
        while ordered[first][0] <= at_us - window_us:
            total -= ordered[first][1]
            first += 1
        found = max(found, total)
    return found


def counted(weight: int, slot: Slot, plan: RatePlan) -> int:
    """A weight above a lane's whole limit takes all of it."""
    lane = plan.urgent if slot.lane is Lane.URGENT and plan.urgent else plan.ordinary
    return min(weight, lane.limit)


@given(rates, calls)
def test_no_window_holds_more_than_the_limit_in_any_interleaving(
    rate: tuple[int, int], made: list[tuple[int, Lane, float, int, bool]]
) -> None:
    """Wherever the window begins, and though each request may leave late by as much as a slot is good for."""
    plan, state, now_us = rate_plan(*rate), Reserved(), START_US
    left: list[tuple[int, int]] = []
    ordinary: list[tuple[int, int]] = []
    for pause_us, lane, weight, late, is_patient in made:
        now_us += pause_us
        latest_us = now_us + (LONGEST_AHEAD_US if is_patient else SECOND_US // 5)
        before = state
        state, slot = reserve(state, plan, lane, units(weight), now_us=now_us, latest_us=latest_us)
        assert slot.at_us >= now_us
        if slot.granted:
            assert slot.at_us <= latest_us
            at_us = slot.at_us + plan.spread_us * late // 1_000
            left.append((at_us, counted(units(weight), slot, plan)))
            if lane is Lane.ORDINARY:
                ordinary.append(left[-1])
        else:
            assert state == before
    assert busiest(left, plan.window_us) <= plan.limit
    assert not ordinary or busiest(ordinary, plan.window_us) <= plan.ordinary.limit


@given(rates.filter(lambda rate: rate[0] > 1), st.integers(0, 300))
def test_an_urgent_request_finds_room_however_many_ordinary_ones_came_before(
    rate: tuple[int, int], before: int
) -> None:
    plan, state = rate_plan(*rate), Reserved()
    for _ in range(before):
        state, _ = reserve(state, plan, Lane.ORDINARY, UNITS, now_us=START_US, latest_us=ALWAYS_US)

    _, slot = reserve(state, plan, Lane.URGENT, UNITS, now_us=START_US, latest_us=START_US)

    assert slot.granted


def test_a_storm_of_cancels_uses_both_lanes() -> None:
    plan, state = rate_plan(1200, 60), Reserved()
    lanes: Counter[Lane] = Counter()
    for _ in range(1200):
        state, slot = reserve(state, plan, Lane.URGENT, UNITS, now_us=START_US, latest_us=START_US)
        if slot.granted:
            lanes[slot.lane] += 1
    assert lanes == {Lane.ORDINARY: 96, Lane.URGENT: 120}


@pytest.mark.parametrize("rate", [(10, 1), (100, 10), (60, 60), (1200, 60), (10_000, 10)])
def test_a_lane_that_is_always_wanted_carries_more_than_half_of_its_limit(rate: tuple[int, int]) -> None:
    plan, state, count = rate_plan(*rate), Reserved(), 0
    until_us = START_US + 10 * plan.window_us
    while True:
        state, slot = reserve(state, plan, Lane.ORDINARY, UNITS, now_us=START_US, latest_us=until_us)
        if not slot.granted:
            break
        count += 1
    assert count * UNITS > min(10, LONGEST_AHEAD_US / plan.window_us) * plan.ordinary.limit / 2


@given(st.integers(2, 12), st.lists(st.integers(0, 50_000), min_size=12, max_size=12))
def test_each_of_many_processes_gets_its_turn(processes: int, slowness_us: list[int]) -> None:
    """Each asks, waits for its slot, works for a while and asks again: nobody's wait is longer than all others' turns."""
    plan = rate_plan(100, 10)
    interval_us = plan.ordinary.interval_us * UNITS
    # The burst is used up: until then who asks faster gets more, and nobody waits.
    state = Reserved(ordinary_us=START_US + plan.ordinary.burst * plan.ordinary.interval_us)
    asking = [(START_US, process) for process in range(processes)]
    heapq.heapify(asking)
    served: Counter[int] = Counter()
    while served.total() < 20 * processes:
        now_us, process = heapq.heappop(asking)
        state, slot = reserve(state, plan, Lane.ORDINARY, UNITS, now_us=now_us, latest_us=ALWAYS_US)
        assert slot.granted
        assert slot.wait_us <= processes * interval_us
        served[process] += 1
        heapq.heappush(asking, (slot.at_us + slowness_us[process], process))
    # Who works for 50 ms between two requests has less time to ask than who does not; beyond that they are equal.
    assert max(served.values()) - min(served.values()) <= 1 + 0.1 * max(served.values())


def test_a_closed_gate_lets_nobody_out_and_a_held_one_only_urgent_requests() -> None:
    plan = rate_plan(1200, 60)
    minute = START_US + 60 * SECOND_US

    def first(state: Reserved) -> dict[Lane, tuple[int, bool]]:
        slots = {lane: reserve(state, plan, lane, UNITS, now_us=START_US, latest_us=ALWAYS_US)[1] for lane in Lane}
        return {lane: ((slot.at_us - START_US) // SECOND_US, slot.closed) for lane, slot in slots.items()}

    assert first(close(Reserved(), minute)) == {Lane.ORDINARY: (60, True), Lane.URGENT: (60, True)}
    assert first(hold(Reserved(), minute)) == {Lane.ORDINARY: (60, False), Lane.URGENT: (0, False)}


def test_a_shorter_word_opens_nothing_early() -> None:
    state = hold(close(Reserved(), 100), 200)

    assert close(state, 50) == hold(state, 50) == state


def test_a_heavy_request_waits_until_the_lane_has_room_for_all_of_it() -> None:
    plan = rate_plan(100, 10)
    state, _ = reserve(Reserved(), plan, Lane.ORDINARY, UNITS, now_us=START_US, latest_us=ALWAYS_US)

    _, slot = reserve(state, plan, Lane.ORDINARY, units(40), now_us=START_US, latest_us=ALWAYS_US)

    room = plan.ordinary.burst - UNITS
    assert slot.wait_us == (units(40) - room) * plan.ordinary.interval_us


def test_a_clock_that_was_set_back_stops_nobody() -> None:
    plan = rate_plan(1200, 60)
    ahead = START_US + LONGEST_AHEAD_US + 3 * plan.window_us
    state = replace(Reserved(), ordinary_us=ahead, urgent_us=ahead)

    _, slot = reserve(state, plan, Lane.ORDINARY, UNITS, now_us=START_US, latest_us=START_US)

    assert slot.granted


@pytest.mark.parametrize(
    ("weight", "expected"), [(0.2, 2), (1, 10), (0, 1), (1.25, 13), (0.3, 3), (6.66, 67), (16, 160)]
)
def test_weights_are_rounded_up_to_tenths(weight: float, expected: int) -> None:
    assert units(weight) == expected


@pytest.mark.parametrize("rate", [(0, 1), (1, 0)])
def test_a_rate_of_nothing_is_refused(rate: tuple[int, int]) -> None:
    with pytest.raises(ValueError, match="at least 1"):
        rate_plan(*rate)


@given(used=st.integers(0, 400), passed_us=st.integers(0, 30 * SECOND_US))
def test_the_room_that_is_told_is_what_may_leave_at_once(used: int, passed_us: int) -> None:
    plan, state = rate_plan(1200, 60), Reserved()
    for _ in range(used):
        state, _ = reserve(state, plan, Lane.ORDINARY, UNITS, now_us=0, latest_us=60 * SECOND_US)

    told = room(state, plan, Lane.ORDINARY, passed_us)

    taken = 0
    while True:
        state, slot = reserve(state, plan, Lane.ORDINARY, 1, now_us=passed_us, latest_us=passed_us)
        if not slot.granted:
            break
        taken += 1
    assert told == taken


def test_a_shut_lane_has_no_room() -> None:
    plan = rate_plan(1200, 60)
    held, closed = hold(Reserved(), SECOND_US), close(Reserved(), SECOND_US)

    assert [room(held, plan, lane, 0) > 0 for lane in (Lane.ORDINARY, Lane.URGENT)] == [False, True]
    assert [room(closed, plan, lane, 0) for lane in (Lane.ORDINARY, Lane.URGENT)] == [0, 0]
    assert room(closed, plan, Lane.ORDINARY, SECOND_US) > 0
    assert room(Reserved(), rate_plan(1, 60), Lane.URGENT, 0) == 0
