"""The limiter of a process: it waits a little, sends longer waits back, and heeds what the venue itself counts."""

from __future__ import annotations

import pytest

from exchanges.evidence import Evidence
from exchanges.protection.limiter import Limiter
from exchanges.protection.refused import BudgetSpent
from exchanges.protection.usage import RateUsage
from exchanges.registry import UnknownVenue
from risk.lane import Lane
from risk.reservation import SECOND_US, RatePlan, Reserved, Slot, close, hold, rate_plan, reserve

PLACE = ("paper", "main")
START_US = 1_900_000_000 * SECOND_US
#: 96 plain requests at once, then one in 70 ms
PLAN = rate_plan(1200, 60)


class Shared:
    """A store in memory; time passes by sleeping, and by ``slowness_s`` for each call."""

    def __init__(self, slowness_s: float = 0.0) -> None:
        self.state = Reserved()
        self.now_us = START_US
        self.slowness_s = slowness_s
        self.slept: list[float] = []
        self.shuts: list[tuple[int, bool]] = []

    def reserve(self, venue: str, account: str, plan: RatePlan, lane: Lane, weight: int, *, within_us: int) -> Slot:
        latest_us = self.now_us + within_us
        self.state, slot = reserve(self.state, plan, lane, weight, now_us=self.now_us, latest_us=latest_us)
        self.pass_s(self.slowness_s)
        return slot

    def shut(self, venue: str, account: str, *, for_us: int, ordinary_only: bool = False) -> None:
        self.shuts.append((for_us // SECOND_US, ordinary_only))
        self.state = (hold if ordinary_only else close)(self.state, self.now_us + for_us)

    def ticks(self) -> float:
        return (self.now_us - START_US) / SECOND_US

    def pass_s(self, seconds: float) -> None:
        self.now_us += round(seconds * SECOND_US)

    def sleep(self, seconds: float) -> None:
        self.slept.append(round(seconds, 3))
        self.pass_s(seconds)


def limiter_on(shared: Shared, plan: RatePlan = PLAN) -> Limiter:
    return Limiter(shared, {PLACE: plan}, ticks=shared.ticks, sleep=shared.sleep)


def test_while_there_is_room_nobody_waits() -> None:
    shared = Shared()
    limiter = limiter_on(shared)

    for _ in range(96):
        limiter.acquire(*PLACE)

    assert shared.slept == []


def test_a_short_wait_is_slept_and_a_longer_one_goes_back() -> None:
    shared = Shared()
    limiter = limiter_on(shared, rate_plan(600, 10))
    for _ in range(60):
        limiter.acquire(*PLACE, patience_s=0.2)
    before = shared.state

    with pytest.raises(BudgetSpent, match="nothing was sent") as spent:
        limiter.acquire(*PLACE, weight=40)

    assert 0 < len(shared.slept) < 60
    assert max(shared.slept) <= 0.2
    assert spent.value.evidence is Evidence.NOT_SENT
    assert spent.value.retry_after_s is not None
    assert spent.value.retry_after_s > 0.2
    assert shared.state == before, "what was refused takes nothing"


def test_who_comes_back_too_late_for_his_slot_takes_another() -> None:
    shared = Shared(slowness_s=0.6)
    limiter = limiter_on(shared)

    with pytest.raises(BudgetSpent):
        limiter.acquire(*PLACE, weight=1)

    assert shared.state.ordinary_us > START_US, "the slots are lost, and nothing leaves late"


def test_a_booked_slot_is_good_for_a_moment() -> None:
    shared = Shared()
    limiter = limiter_on(shared)
    limiter.acquire(*PLACE, weight=96)

    wait_s = limiter.book(*PLACE, within_s=60)

    assert wait_s == pytest.approx(0.07, abs=0.001)
    assert limiter.is_good(*PLACE, late_s=0.5)
    assert not limiter.is_good(*PLACE, late_s=0.51)


def test_a_closed_gate_is_told_apart_from_a_spent_budget() -> None:
    shared = Shared()
    limiter = limiter_on(shared)

    limiter.close(*PLACE, 30)

    with pytest.raises(BudgetSpent, match="wants to be left alone") as closed:
        limiter.acquire(*PLACE, lane=Lane.URGENT)
    assert closed.value.retry_after_s == 30


@pytest.mark.parametrize(
    ("usage", "shuts"),
    [
        pytest.param(RateUsage(used=959, resets_in_s=20), [], id="under four fifths"),
        pytest.param(RateUsage(used=960, resets_in_s=20), [(20, True)], id="urgent requests only"),
        pytest.param(RateUsage(used=1164, resets_in_s=20), [(20, False)], id="nearly all"),
        pytest.param(RateUsage(used=79, limit=100, resets_in_s=3), [], id="by the venue's own limit"),
        pytest.param(RateUsage(used=97, limit=100, resets_in_s=3), [(3, False)], id="by the venue's own limit, all"),
        pytest.param(RateUsage(used=99, limit=100, resets_in_s=3, one_endpoint=True), [], id="one endpoint, nearly"),
        pytest.param(RateUsage(used=100, limit=100, resets_in_s=3, one_endpoint=True), [(3, True)], id="one endpoint"),
    ],
)
def test_what_the_venue_counts_slows_all_down(usage: RateUsage, shuts: list[tuple[int, bool]]) -> None:
    shared = Shared()
    limiter = limiter_on(shared)

    limiter.heed(*PLACE, usage)
    limiter.heed(*PLACE, usage)

    assert shared.shuts == shuts, "once, though every reply says it"


def test_a_place_that_is_not_configured_has_no_rate() -> None:
    with pytest.raises(UnknownVenue):
        limiter_on(Shared()).acquire("paper", "desk2")
