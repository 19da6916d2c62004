"""The breakers of a process: little is read, what others found out is known soon, and what a venue refuses is no failure."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import UTC, datetime, timedelta

import pytest

from exchanges.evidence import Evidence, VenueError
from exchanges.protection.breakers import KEPT_S, Breakers, Place, VenueBreaker
from exchanges.protection.refused import BreakerOpen, budget_spent, no_seat
from exchanges.registry import UnknownVenue
from risk.breaker import Breaker, BreakerPolicy, BreakerStatus, Event, transition
from risk.lane import Lane

START = datetime(2030, 1, 1, tzinfo=UTC)
PLACE = ("paper", "main")
AWAY = VenueError(Evidence.AMBIGUOUS, "no answer", outage=True)


class Shared:
    """A store in memory, its clock, and how often it was read."""

    def __init__(self) -> None:
        self.now = START
        self.known: dict[Place, Breaker] = {}
        self.reads = 0
        self.writes = 0
        self.broken = False

    def all(self) -> Mapping[Place, Breaker]:
        if self.broken:
            raise OSError("the store is away")
        self.reads += 1
        return dict(self.known)

    def apply(self, venue: str, account: str, event: Event, *, policy: BreakerPolicy, now: datetime) -> Breaker:
        if self.broken:
            raise OSError("the store is away")
        self.writes += 1
        place = (venue, account)
        self.known[place], _ = transition(self.known.get(place, Breaker()), event, now, policy)
        return self.known[place]

    def wait(self, seconds: float) -> None:
        self.now += timedelta(seconds=seconds)

    def process(self) -> VenueBreaker:
        """The breaker as one more process has it."""
        breakers = Breakers(
            self, {PLACE: BreakerPolicy(), ("other", "main"): BreakerPolicy()}, now=lambda: self.now, ticks=self.ticks
        )
        return breakers.get(*PLACE)

    def ticks(self) -> float:
        return (self.now - START).total_seconds()


def open_it(breaker: VenueBreaker) -> None:
    for _ in range(5):
        breaker.note(AWAY)


def test_admitting_reads_the_store_once_in_a_while() -> None:
    shared = Shared()
    breaker = shared.process()

    for _ in range(100):
        breaker.admit()
    shared.wait(KEPT_S)
    breaker.admit()

    assert (shared.reads, shared.writes) == (2, 0)


def test_an_urgent_request_reads_nothing() -> None:
    shared = Shared()
    shared.process().admit(Lane.URGENT)
    assert shared.reads == 0


def test_what_one_process_opens_is_open_in_it_at_once_and_in_others_soon() -> None:
    shared = Shared()
    here, there = shared.process(), shared.process()
    there.admit()

    open_it(here)
    with pytest.raises(BreakerOpen):
        here.admit()
    there.admit()
    shared.wait(KEPT_S)
    with pytest.raises(BreakerOpen):
        there.admit()


@pytest.mark.parametrize("was_open", [False, True])
def test_a_store_that_can_not_be_read_leaves_it_as_it_was_and_is_not_asked_each_time(was_open: bool) -> None:
    shared = Shared()
    breaker = shared.process()
    if was_open:
        open_it(breaker)
    breaker.state()
    shared.broken = True
    shared.wait(KEPT_S)

    statuses = {breaker.state().status for _ in range(5)}
    shared.broken = False
    reads = shared.reads
    breaker.state()
    asked_again_at_once = shared.reads > reads
    shared.wait(KEPT_S)
    breaker.state()

    assert statuses == {BreakerStatus.OPEN if was_open else BreakerStatus.CLOSED}
    assert not asked_again_at_once
    assert shared.reads == reads + 1


def test_the_refusal_says_that_nothing_was_sent_and_when_to_come_again() -> None:
    shared = Shared()
    breaker = shared.process()
    open_it(breaker)
    shared.wait(20)

    with pytest.raises(BreakerOpen, match="nothing was sent") as refused:
        breaker.admit()

    assert (refused.value.evidence, refused.value.outage) == (Evidence.NOT_SENT, False)
    assert refused.value.retry_after_s == 30


@pytest.mark.parametrize(
    ("error", "counts"),
    [
        pytest.param(AWAY, True, id="no answer"),
        pytest.param(VenueError(Evidence.NOT_SENT, "refused", outage=True), True, id="not connected"),
        pytest.param(VenueError(Evidence.AMBIGUOUS, "x", status=502, outage=True), True, id="502"),
        pytest.param(VenueError(Evidence.REJECTED, "min notional", status=400), False, id="a business no"),
        pytest.param(VenueError(Evidence.NOT_FOUND, "unknown order", status=404), False, id="not found"),
        pytest.param(VenueError(Evidence.AMBIGUOUS, "partly failed", status=409), False, id="409"),
        pytest.param(VenueError(Evidence.RATE_LIMITED, "slow down", status=429), False, id="429"),
        pytest.param(VenueError(Evidence.CREDENTIALS, "bad key", status=401), False, id="credentials"),
        pytest.param(BreakerOpen(Evidence.NOT_SENT, "held back by us"), False, id="our own"),
    ],
)
def test_only_what_a_venue_that_is_away_would_do_is_a_failure(error: VenueError, counts: bool) -> None:
    shared = Shared()
    breaker = shared.process()

    for _ in range(5):
        with pytest.raises(VenueError), breaker.guarding():
            raise error

    assert breaker.state().status is (BreakerStatus.OPEN if counts else BreakerStatus.CLOSED)
    assert shared.writes == (5 if counts else 0)


def test_an_open_breaker_writes_nothing_for_further_failures() -> None:
    shared = Shared()
    breaker = shared.process()
    open_it(breaker)

    with pytest.raises(VenueError), breaker.guarding(Lane.URGENT):
        raise AWAY

    assert shared.writes == 5


def test_as_a_decorator_it_guards_each_call() -> None:
    shared = Shared()
    breaker = shared.process()
    calls = []

    @breaker.guarding()
    def ask(number: int) -> None:
        calls.append(number)
        raise AWAY

    for number in range(5):
        with pytest.raises(VenueError, match="no answer"):
            ask(number)
    with pytest.raises(BreakerOpen):
        ask(5)

    assert calls == [0, 1, 2, 3, 4]


@pytest.mark.parametrize("seconds", [pytest.param(0, id="to write"), pytest.param(1, id="nor to read")])
def test_a_failure_that_cannot_be_counted_still_reaches_the_caller(seconds: int) -> None:
    shared = Shared()
    breaker = shared.process()

    breaker.admit()
    shared.broken = True
    shared.wait(seconds)

    with pytest.raises(VenueError, match="no answer"), breaker.guarding(Lane.URGENT):
        raise AWAY


def _answer() -> None:
    return


def _stay_away() -> None:
    raise AWAY


def _limit() -> None:
    raise VenueError(Evidence.RATE_LIMITED, "slow down", status=429)


def _no_seat() -> None:
    raise no_seat(PLACE[0])


def _no_room() -> None:
    raise budget_spent(*PLACE, 2.0, closed=False)


def _not_in_turn() -> None:
    raise VenueError(Evidence.NOT_SENT, "those before have not ended: nothing was sent")


@pytest.mark.parametrize(
    ("ask", "status"),
    [
        (_answer, BreakerStatus.CLOSED),
        (_stay_away, BreakerStatus.OPEN),
        (_limit, BreakerStatus.CLOSED),
        # held back by us: the venue was never asked, and may be as far away as before
        (_no_seat, BreakerStatus.OPEN),
        (_no_room, BreakerStatus.OPEN),
        (_not_in_turn, BreakerStatus.OPEN),
    ],
)
def test_a_probe_closes_it_where_the_venue_answers_at_all(ask: Callable[[], None], status: BreakerStatus) -> None:
    shared = Shared()
    breaker = shared.process()
    open_it(breaker)
    early = breaker.probe(ask)
    shared.wait(60)

    breaker.probe(ask)

    assert early == "no probe is due"
    assert shared.known[PLACE].status is status


def test_while_one_probes_another_does_not() -> None:
    shared = Shared()
    here, there = shared.process(), shared.process()
    open_it(here)
    shared.wait(60)
    there.state()  # before the other takes it
    said = []

    here.probe(lambda: said.append(there.probe(_stay_away)))

    assert said == ["somebody else probes"]
    assert here.state().status is BreakerStatus.CLOSED


def test_a_probe_that_fails_for_a_ground_of_ours_is_given_back_at_once() -> None:
    shared = Shared()
    breaker = shared.process()
    open_it(breaker)
    shared.wait(60)

    with pytest.raises(ZeroDivisionError):
        breaker.probe(lambda: 1 // 0)

    assert shared.known[PLACE].status is BreakerStatus.OPEN


def test_a_person_closes_it() -> None:
    shared = Shared()
    breaker = shared.process()
    open_it(breaker)

    breaker.reset("ann")

    breaker.admit()


def test_the_registry_knows_the_configured_venue_accounts_only() -> None:
    breakers = Breakers(Shared(), {PLACE: BreakerPolicy()}, now=lambda: START)

    assert [breaker.place for breaker in breakers] == [PLACE]
    with pytest.raises(UnknownVenue, match="desk2"):
        breakers.get("paper", "desk2")
