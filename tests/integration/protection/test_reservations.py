"""A rate shared by real processes: no slot is given twice, none is passed over, and what the venue says counts for all."""

from __future__ import annotations

from bisect import bisect_left

import pytest

from risk.lane import Lane
from risk.reservation import LONGEST_AHEAD_US, SECOND_US, UNITS, Reserved, Slot, rate_plan, reserve
from tests.integration.protection.conftest import AtOnce
from tests.support.at_once import ACCOUNT, VENUE, reservations

NOW_US = 1_900_000_000 * SECOND_US
RATE = [1200, 60]
PLAN = rate_plan(*RATE)
PROCESSES = 8


def slots_of_one(count: int) -> list[int]:
    """The times that one process alone is given."""
    state, times = Reserved(), []
    for _ in range(count):
        state, slot = reserve(state, PLAN, Lane.ORDINARY, UNITS, now_us=NOW_US, latest_us=NOW_US + LONGEST_AHEAD_US)
        times.append(slot.at_us)
    return times


def test_the_slots_of_eight_processes_are_those_of_one_so_the_ceiling_holds(store_url: str, at_once: AtOnce) -> None:
    told = at_once(PROCESSES, "book", url=store_url, rate=RATE, count=60, now_us=NOW_US)

    assert sorted(at_us for times in told for at_us in times) == slots_of_one(PROCESSES * 60)


def test_nobody_waits_for_more_than_one_turn_of_each_other_process(store_url: str, at_once: AtOnce) -> None:
    """By the store's clock at the moment when a slot is given: however slow a process is, only it comes later."""
    rate, count = [100, 1], 20
    plan = rate_plan(*rate)
    interval_us = plan.ordinary.interval_us * UNITS

    told = at_once(PROCESSES, "take_turns", url=store_url, rate=rate, count=count)

    assert [len(turns) for turns in told] == [count] * PROCESSES
    assert max(at_us - now_us for turns in told for now_us, at_us in turns) <= PROCESSES * interval_us
    times = sorted(at_us for turns in told for _, at_us in turns)
    assert max(bisect_left(times, at_us + SECOND_US) - nth for nth, at_us in enumerate(times)) <= 80, "in any second"


def test_what_is_shut_is_shut_for_all_and_a_shorter_word_opens_nothing(store_url: str) -> None:
    with reservations(store_url) as first, reservations(store_url) as second:

        def slot(lane: Lane, within_s: int = 0) -> Slot:
            within_us = within_s * SECOND_US
            return second.reserve(VENUE, ACCOUNT, PLAN, lane, UNITS, within_us=within_us, now_us=NOW_US)

        first.shut(VENUE, ACCOUNT, for_us=60 * SECOND_US, ordinary_only=True, now_us=NOW_US)
        held = {lane: slot(lane).granted for lane in Lane}
        first.shut(VENUE, ACCOUNT, for_us=30 * SECOND_US, now_us=NOW_US)
        first.shut(VENUE, ACCOUNT, for_us=2 * SECOND_US, now_us=NOW_US)
        closed = {lane: slot(lane, within_s=29) for lane in Lane}
        assert second.read(VENUE, ACCOUNT) == first.read(VENUE, ACCOUNT)

    assert held == {Lane.ORDINARY: False, Lane.URGENT: True}
    assert {lane: (given.granted, given.closed) for lane, given in closed.items()} == dict.fromkeys(Lane, (False, True))
    assert closed[Lane.URGENT].wait_us == 30 * SECOND_US
    assert closed[Lane.ORDINARY].wait_us == 60 * SECOND_US


def test_each_venue_account_has_a_rate_of_its_own(store_url: str) -> None:
    with reservations(store_url) as store:
        granted = [
            store.reserve(*place, rate_plan(1, 60), Lane.ORDINARY, UNITS, within_us=0, now_us=NOW_US).granted
            for place in [("a", "main"), ("a", "main"), ("a", "desk2"), ("b", "main")]
        ]

    assert granted == [True, False, True, True]


def test_the_stores_own_clock_goes_on(store_url: str) -> None:
    with reservations(store_url) as store:
        first, second = (store.reserve(VENUE, ACCOUNT, PLAN, Lane.ORDINARY, UNITS, within_us=0) for _ in range(2))

    assert first.granted
    assert second.granted
    assert first.at_us == first.now_us < second.now_us


@pytest.mark.parametrize("weight", [1, 960, 9_600, 100_000])
def test_any_weight_is_given_a_slot_in_the_end(store_url: str, weight: int) -> None:
    with reservations(store_url) as store:
        slot = store.reserve(VENUE, ACCOUNT, PLAN, Lane.ORDINARY, weight, within_us=0, now_us=NOW_US)

    assert slot.granted
