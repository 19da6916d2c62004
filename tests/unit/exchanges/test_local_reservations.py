"""Slots that a process gives itself, and how it goes on while no shared store gives any."""

from __future__ import annotations

import pytest

from exchanges.protection.lanes import FIRST_PATIENCE_S, PATIENCE_S, patience_after
from exchanges.protection.limiter import Limiter
from exchanges.protection.local import AWAY_S, PART, CarefulReservations, LocalReservations
from exchanges.protection.refused import BudgetSpent, GateClosed
from risk.lane import Lane
from risk.reservation import SECOND_US, UNITS, RatePlan, Slot, rate_plan

PLACE = ("paper", "main")
PLAN = rate_plan(1200, 60)


class Clock:
    def __init__(self) -> None:
        self.seconds = 1_000.0

    def __call__(self) -> float:
        return self.seconds

    def sleep(self, seconds: float) -> None:
        self.seconds += seconds


class Switched(LocalReservations):
    """A shared store that may be away."""

    away = False
    asked = 0

    def reserve(self, venue: str, account: str, plan: RatePlan, lane: Lane, weight: int, *, within_us: int) -> Slot:
        self.asked += 1
        if self.away:
            raise ConnectionError("away")
        return super().reserve(venue, account, plan, lane, weight, within_us=within_us)

    def shut(self, venue: str, account: str, *, for_us: int, ordinary_only: bool = False) -> None:
        if self.away:
            raise ConnectionError("away")
        super().shut(venue, account, for_us=for_us, ordinary_only=ordinary_only)


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def shared(clock: Clock) -> Switched:
    return Switched(ticks=clock)


@pytest.fixture
def limiter(shared: Switched, clock: Clock) -> Limiter:
    return Limiter(CarefulReservations(shared, ticks=clock), {PLACE: PLAN}, ticks=clock, sleep=clock.sleep)


def at_once(limiter: Limiter, lane: Lane = Lane.ORDINARY) -> int:
    """Plain requests that leave without waiting."""
    for count in range(10_000):
        try:
            limiter.acquire(*PLACE, lane=lane, patience_s=0.0)
        except BudgetSpent:
            return count
    raise AssertionError("there is no limit")


def test_one_process_alone_holds_the_whole_rate(clock: Clock) -> None:
    store = LocalReservations(ticks=clock)
    granted = 0
    while store.reserve(*PLACE, PLAN, Lane.ORDINARY, UNITS, within_us=60 * SECOND_US).granted:
        granted += 1

    assert granted > 900, "what may leave within a minute"
    assert store.read(*PLACE)[1] == round(clock() * SECOND_US)
    assert store.reserve("paper", "desk2", PLAN, Lane.ORDINARY, UNITS, within_us=0).granted


@pytest.mark.parametrize("lane", list(Lane))
def test_while_the_store_is_away_requests_go_on_at_a_part_of_the_rate(
    limiter: Limiter, shared: Switched, clock: Clock, lane: Lane
) -> None:
    shared.away = True

    first = at_once(limiter, lane)
    asked = shared.asked
    shared.away = False
    clock.seconds += AWAY_S
    limiter.acquire(*PLACE, lane=lane)

    part = rate_plan(1200 // PART, 60)
    assert part.urgent is not None
    most = (part.ordinary.burst + (part.urgent.burst if lane is Lane.URGENT else 0)) // UNITS
    assert most - 1 <= first <= most
    assert asked == 1, "each try may cost its caller seconds"
    assert shared.asked == 2


def test_a_gate_that_can_not_be_closed_for_all_is_closed_here(limiter: Limiter, shared: Switched) -> None:
    shared.away = True
    with pytest.raises(ConnectionError):  # its caller tells the log, and goes on
        limiter.close(*PLACE, 60.0)

    with pytest.raises(GateClosed):
        limiter.acquire(*PLACE, lane=Lane.URGENT)


def test_a_small_rate_has_a_part_as_well(clock: Clock, shared: Switched) -> None:
    limiter = Limiter(CarefulReservations(shared, ticks=clock), {PLACE: rate_plan(1, 60)}, ticks=clock)
    shared.away = True

    assert at_once(limiter) == 1


def test_patience_grows_with_each_return_up_to_what_a_worker_may_be_held() -> None:
    patience = [patience_after(returns) for returns in range(6)]

    assert patience[0] == FIRST_PATIENCE_S
    assert patience == sorted(patience)
    assert patience[3:] == [PATIENCE_S] * 3


def test_while_a_lane_is_full_nobody_overtakes_who_came_back_more_often(clock: Clock) -> None:
    """Who was sent back three times takes each slot up to 200 ms ahead; a newcomer may wait for a nearer one only."""
    limiter = Limiter(LocalReservations(ticks=clock), {PLACE: PLAN}, ticks=clock, sleep=lambda _: None)
    store_full = at_once(limiter)
    served = dict.fromkeys((0, 1, 2, 3), 0)
    for _ in range(400):  # ten seconds in which one of each kind asks every 25 ms, the newest first
        for returns in served:
            try:
                limiter.acquire(*PLACE, patience_s=patience_after(returns))
                served[returns] += 1
            except BudgetSpent:
                continue
        clock.seconds += 0.025

    assert store_full > 0
    assert served[3] > 100
    assert served[0] + served[1] + served[2] <= 3 * PATIENCE_S * 1000 // 60, "but for the first 200 ms ahead"
