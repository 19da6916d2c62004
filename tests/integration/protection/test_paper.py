"""Gateways of several processes' worth of threads against the built-in venue: never past its limit, never a ban."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from datetime import UTC, datetime
from pathlib import Path

import pytest
from sqlalchemy import Engine

from exchanges.ccxt_gateway import CcxtGateway
from exchanges.config import Secret, VenueConfig
from exchanges.evidence import Evidence, VenueError
from exchanges.gateway import Gateway
from exchanges.protection.breakers import Breakers
from exchanges.protection.lanes import in_lane
from exchanges.protection.limiter import Limiter
from exchanges.protection.refused import BreakerOpen, GateClosed
from exchanges.protection.turnstile import VenueTurnstile
from risk.breaker import BreakerPolicy, BreakerStatus
from risk.lane import Lane
from risk.reservation import rate_plan
from storage.breakers import DatabaseBreakers
from storage.rate_reservations import DatabaseReservations
from tests.support.paper import KEY, SECRET, PaperProcess

PLACE = ("paper", "main")
#: what the venue allows in a minute, in its own weight, of which a plain request is 5
WEIGHT_A_MINUTE = 300
PLAN = rate_plan(WEIGHT_A_MINUTE // 5, 60)
PROCESSES = 8
#: of a read that weighs 1: all together more than is allowed, and enough for a ban
TRIES = 60


@pytest.fixture
def paper(tmp_path: Path) -> Iterator[PaperProcess]:
    with PaperProcess(tmp_path / "venue", weight_limit=WEIGHT_A_MINUTE) as venue:
        yield venue


@pytest.fixture
def breakers(engine: Engine) -> Breakers:
    return Breakers(DatabaseBreakers(engine), {PLACE: BreakerPolicy()}, now=lambda: datetime.now(UTC))


@pytest.fixture
def gateways(paper: PaperProcess, engine: Engine, breakers: Breakers) -> Iterator[list[Gateway]]:
    """Each as a process of its own would have it; they have met the venue's instruments and clock."""
    with ExitStack() as opened:
        made: list[Gateway] = []
        for _ in range(PROCESSES):
            turnstile = VenueTurnstile(breakers.get(*PLACE), Limiter(DatabaseReservations(engine), {PLACE: PLAN}))
            config = VenueConfig(
                name="paper",
                ccxt_id="binance",
                base_url=paper.url,
                api_key=Secret(KEY),
                secret=Secret(SECRET),
                timeout_ms=60_000,
                turnstile=turnstile,
            )
            made.append(CcxtGateway(config))
            opened.callback(made[-1].close)
        yield made


def outcome(gateway: Gateway, lane: Lane = Lane.ORDINARY) -> str:
    """What one small read met."""
    try:
        with in_lane(lane):
            gateway.time()
        return "answered"
    except VenueError as error:
        return type(error).__name__ if type(error) is not VenueError else error.evidence.value


def test_under_full_load_the_venue_never_says_too_many(gateways: list[Gateway], paper: PaperProcess) -> None:
    def press(gateway: Gateway) -> Counter[str]:
        met: Counter[str] = Counter()
        for number in range(TRIES):
            lane = Lane.URGENT if number % 4 == 0 else Lane.ORDINARY
            met[outcome(gateway, lane)] += 1
        return met

    with ThreadPoolExecutor(PROCESSES) as pool:
        met = sum(pool.map(press, gateways), Counter[str]())

    assert set(met) <= {"answered", "BudgetSpent"}
    assert met["answered"] > 0
    assert met["BudgetSpent"] > 0


@pytest.mark.parametrize("status", [429, 418])
def test_a_limit_that_is_met_all_the_same_closes_the_gate_for_everybody(
    gateways: list[Gateway], paper: PaperProcess, status: int
) -> None:
    paper.arm({"kind": "rate_limited", "status": status, "retry_after_s": 3_000, "count": 1})

    first = outcome(gateways[0])
    others = {outcome(gateway, lane) for gateway in gateways for lane in Lane}

    assert first == Evidence.RATE_LIMITED.value
    assert others == {GateClosed.__name__}


def test_an_outage_opens_the_breaker_for_everybody_and_urgent_requests_still_find_out(
    gateways: list[Gateway], paper: PaperProcess, breakers: Breakers
) -> None:
    paper.arm({"kind": "drop", "when": "before"})
    met = [outcome(gateway) for gateway in gateways[:5]]
    refused = {outcome(gateway) for gateway in gateways}
    urgent = outcome(gateways[0], Lane.URGENT)
    paper.disarm()
    recovered = outcome(gateways[1], Lane.URGENT)

    assert met == [Evidence.AMBIGUOUS.value] * 5
    assert refused == {BreakerOpen.__name__}
    assert urgent == Evidence.AMBIGUOUS.value
    assert recovered == "answered"
    assert breakers.get(*PLACE).state().status is BreakerStatus.OPEN
