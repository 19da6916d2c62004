"""What each request passes: breaker, then rate, in the thread's lane; and what replies tell both."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import pytest

from exchanges.evidence import Evidence, VenueError
from exchanges.protection.breakers import Breakers
from exchanges.protection.lanes import admitted, current_lane, in_lane
from exchanges.protection.limiter import Limiter
from exchanges.protection.refused import BreakerOpen, BudgetSpent, NotAdmitted
from exchanges.protection.turnstile import VenueTurnstile
from risk.breaker import BreakerPolicy, BreakerStatus
from risk.lane import Lane
from risk.reservation import rate_plan
from tests.unit.exchanges import test_breakers, test_limiter

PLACE = ("paper", "main")
AWAY = VenueError(Evidence.AMBIGUOUS, "no answer", outage=True)


class Desk:
    def __init__(self) -> None:
        self.rate = test_limiter.Shared()
        self.breakers = Breakers(
            test_breakers.Shared(), {PLACE: BreakerPolicy()}, now=lambda: datetime(2030, 1, 1, tzinfo=UTC)
        )
        limiter = Limiter(self.rate, {PLACE: rate_plan(1200, 60)}, ticks=self.rate.ticks, sleep=self.rate.sleep)
        self.turnstile = VenueTurnstile(self.breakers.get(*PLACE), limiter)

    def open_breaker(self) -> None:
        for _ in range(5):
            self.turnstile.failed(AWAY)


def test_an_open_breaker_lets_urgent_requests_through_only() -> None:
    desk = Desk()
    desk.open_breaker()

    with pytest.raises(BreakerOpen):
        desk.turnstile.enter(1)
    with in_lane(Lane.URGENT):
        desk.turnstile.enter(1)


def test_what_the_breaker_refuses_takes_no_slot() -> None:
    desk = Desk()
    desk.open_breaker()

    with pytest.raises(BreakerOpen):
        desk.turnstile.enter(1)

    assert desk.rate.state.ordinary_us == 0


def test_what_was_admitted_before_its_intent_passes_whatever_happens_meanwhile() -> None:
    desk = Desk()
    desk.turnstile.admit(0.2)
    desk.open_breaker()

    with admitted():
        desk.turnstile.enter(0.2)
    with pytest.raises(BreakerOpen):
        desk.turnstile.enter(0.2)


@pytest.mark.parametrize(
    ("error", "closed_s"),
    [
        pytest.param(VenueError(Evidence.RATE_LIMITED, "x", status=429, retry_after_s=7), 7, id="429 with its time"),
        pytest.param(VenueError(Evidence.RATE_LIMITED, "x", status=418), 2, id="418 without"),
        pytest.param(VenueError(Evidence.AMBIGUOUS, "x", status=503, retry_after_s=9, outage=True), 9, id="503"),
        pytest.param(AWAY, None, id="no answer"),
        pytest.param(NotAdmitted(Evidence.NOT_SENT, "x", retry_after_s=60), None, id="our own refusal"),
    ],
)
def test_a_venue_that_wants_to_be_left_alone_is_left_alone_by_all(error: VenueError, closed_s: int | None) -> None:
    desk = Desk()

    desk.turnstile.failed(error)

    assert desk.rate.shuts == ([] if closed_s is None else [(closed_s, False)])
    if closed_s is not None:
        with in_lane(Lane.URGENT), pytest.raises(BudgetSpent, match="left alone"):
            desk.turnstile.enter(0.2)


def test_replies_are_heeded(monkeypatch: pytest.MonkeyPatch) -> None:
    desk = Desk()

    desk.turnstile.replied({"X-MBX-USED-WEIGHT-1M": "5900", "Date": "Tue, 01 Jan 2030 12:00:30 GMT"})
    desk.turnstile.replied({})

    assert desk.rate.shuts == [(30, False)]


def test_a_store_that_is_away_hides_nothing_from_the_caller(monkeypatch: pytest.MonkeyPatch) -> None:
    desk = Desk()

    def away(*_: Any, **__: Any) -> None:
        raise OSError("the store is away")

    monkeypatch.setattr(desk.rate, "shut", away)

    desk.turnstile.failed(VenueError(Evidence.RATE_LIMITED, "x"))
    desk.turnstile.replied({"X-MBX-USED-WEIGHT-1M": "6000"})

    assert desk.breakers.get(*PLACE).state().status is BreakerStatus.CLOSED


def test_the_lane_is_that_of_the_block() -> None:
    with in_lane(Lane.URGENT):
        assert current_lane() is Lane.URGENT
        with in_lane(Lane.ORDINARY):
            assert current_lane() is Lane.ORDINARY
        assert current_lane() is Lane.URGENT
    assert current_lane() is Lane.ORDINARY
