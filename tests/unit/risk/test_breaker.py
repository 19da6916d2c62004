"""The breaker's table: when it opens, who may probe, what closes it, whatever order the processes come in."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from risk.breaker import (
    Breaker,
    BreakerPolicy,
    BreakerStatus,
    Event,
    Failed,
    ProbeEnded,
    ProbeWanted,
    Reset,
    transition,
)
from risk.lane import Lane

START = datetime(2030, 1, 1, tzinfo=UTC)
SECOND = timedelta(seconds=1)
POLICY = BreakerPolicy()
FAILED = Failed(message="no answer")


def after(*events: tuple[float, Event], breaker: Breaker | None = None, policy: BreakerPolicy = POLICY) -> Breaker:
    """The breaker after events at so many seconds from START."""
    breaker = breaker or Breaker()
    for seconds, event in events:
        breaker, _ = transition(breaker, event, START + seconds * SECOND, policy)
    return breaker


def opened() -> Breaker:
    """At START."""
    return after(*[(0.0, FAILED)] * 5)


@pytest.mark.parametrize(
    ("failures_at", "status"),
    [
        pytest.param([0, 1, 2, 3], BreakerStatus.CLOSED, id="one short"),
        pytest.param([0, 1, 2, 3, 4], BreakerStatus.OPEN, id="five at once"),
        pytest.param([0, 10, 20, 30, 59.9], BreakerStatus.OPEN, id="five within the window"),
        pytest.param([0, 10, 20, 30, 60], BreakerStatus.CLOSED, id="the first has left the window"),
        pytest.param([0, 20, 40, 60, 80, 100, 120], BreakerStatus.CLOSED, id="three in each window"),
        pytest.param([50, 0, 10, 20, 30], BreakerStatus.OPEN, id="told in another order"),
        pytest.param([100, 0, 10, 20, 30], BreakerStatus.CLOSED, id="told late, of another window"),
    ],
)
def test_it_opens_at_five_failures_in_any_minute(failures_at: list[float], status: BreakerStatus) -> None:
    assert after(*((at, FAILED) for at in failures_at)).status is status


@pytest.mark.parametrize(
    ("event", "seconds", "status"),
    [
        pytest.param(FAILED, 1, BreakerStatus.OPEN, id="a request that was under way fails as well"),
        pytest.param(ProbeWanted(token="a"), 49.9, BreakerStatus.OPEN, id="a probe before its time"),
        pytest.param(ProbeWanted(token="a"), 50, BreakerStatus.HALF_OPEN, id="a probe in time"),
        pytest.param(ProbeEnded(number=0, answered=True, message=""), 50, BreakerStatus.OPEN, id="nobody's probe"),
        pytest.param(Reset(by="ann"), 1, BreakerStatus.CLOSED, id="a person"),
    ],
)
def test_what_becomes_of_an_open_breaker(event: Event, seconds: float, status: BreakerStatus) -> None:
    assert after((seconds, event), breaker=opened()).status is status


def test_only_urgent_requests_pass_an_open_or_half_open_breaker() -> None:
    half_open = after((50, ProbeWanted(token="a")), breaker=opened())

    passes = {lane: [breaker.admits(lane) for breaker in (Breaker(), opened(), half_open)] for lane in Lane}

    assert passes == {Lane.ORDINARY: [True, False, False], Lane.URGENT: [True, True, True]}


def test_a_probe_that_is_answered_closes_it_and_the_count_begins_anew() -> None:
    closed = after(
        (50, ProbeWanted(token="a")), (51, ProbeEnded(number=1, answered=True, message="")), breaker=opened()
    )

    assert closed.status is BreakerStatus.CLOSED
    assert after(*[(52.0, FAILED)] * 4, breaker=closed).status is BreakerStatus.CLOSED


def test_a_probe_that_fails_opens_it_for_ten_seconds_more() -> None:
    again = after(
        (50, ProbeWanted(token="a")), (53, ProbeEnded(number=1, answered=False, message="")), breaker=opened()
    )

    assert (again.status, again.is_probe_due(START + 62.9 * SECOND)) == (BreakerStatus.OPEN, False)
    assert again.is_probe_due(START + 63 * SECOND)


def test_a_killed_prober_frees_the_slot_and_its_late_word_does_not_count() -> None:
    half_open = after((50, ProbeWanted(token="killed")), breaker=opened())

    waiting = after((59.9, ProbeWanted(token="next")), breaker=half_open)
    taken = after((60, ProbeWanted(token="next")), breaker=half_open)
    zombie = after((61, ProbeEnded(number=1, answered=True, message="")), breaker=taken)

    assert waiting == half_open
    assert taken.probe is not None
    assert (taken.probe.token, taken.probe.number) == ("next", 2)
    assert zombie == taken


def test_a_probe_of_an_earlier_opening_does_not_count_in_this_one() -> None:
    first = after((50, ProbeWanted(token="slow")), (51, Reset(by="ann")), breaker=opened())
    second = after(*[(52.0, FAILED)] * 5, (110, ProbeWanted(token="b")), breaker=first)

    assert after((111, ProbeEnded(number=1, answered=True, message="")), breaker=second) == second


@pytest.mark.parametrize("recovery_s", [0.1, 1, 12, 60, 600])
def test_it_is_closed_again_within_the_recovery_timeout_of_the_venues_recovery(recovery_s: float) -> None:
    """A beat that looks now and then, a probe that takes its time, a venue that comes back at the worst moment."""
    policy = BreakerPolicy(recovery_timeout=recovery_s * SECOND)
    tick = recovery_s / 30
    for recovered_s in [recovery_s * part / 20 for part in range(60)]:
        breaker, seconds = after(*[(0.0, FAILED)] * 5, policy=policy), 0.0
        while breaker.status is not BreakerStatus.CLOSED:
            seconds += tick
            breaker = after((seconds, ProbeWanted(token="a")), breaker=breaker, policy=policy)
            if breaker.probe is not None:
                ended = ProbeEnded(number=breaker.probes, answered=seconds >= recovered_s, message="")
                breaker = after((seconds + tick, ended), breaker=breaker, policy=policy)
        assert seconds + tick <= recovered_s + recovery_s


def test_each_move_says_why() -> None:
    breaker = Breaker()
    causes = []
    for seconds, event in [
        *[(at, Failed(message=f"no answer {at}")) for at in range(5)],
        (60, ProbeWanted(token="a")),
        (75, ProbeWanted(token="b")),
        (76, ProbeEnded(number=2, answered=False, message="HTTP 502")),
        (86, ProbeWanted(token="c")),
        (87, ProbeEnded(number=3, answered=True, message="")),
    ]:
        breaker, moved = transition(breaker, event, START + seconds * SECOND, POLICY)
        if moved is not None:
            causes.append((moved.before.value, moved.after.value, moved.cause))
    assert causes == [
        ("closed", "open", "5 failures within 4.0 s; the last: no answer 4"),
        ("open", "half_open", "probe 1 is taken"),
        ("half_open", "half_open", "probe 2 is taken: whoever took probe 1 fell silent"),
        ("half_open", "open", "probe 2 failed: HTTP 502"),
        ("open", "half_open", "probe 3 is taken"),
        ("half_open", "closed", "probe 3 was answered"),
    ]


class ManyProcesses(RuleBasedStateMachine):
    """Failures, probers that end or fall silent, and people, in any order and at any time."""

    @initialize(threshold=st.integers(1, 6), recovery=st.integers(1, 100))
    def begin(self, threshold: int, recovery: int) -> None:
        self.policy = BreakerPolicy(failure_threshold=threshold, recovery_timeout=recovery * SECOND)
        self.now = START
        self.breaker = Breaker()
        self.tokens = 0
        #: number → until when its holder may believe in it
        self.held: dict[int, datetime] = {}
        self.failures: list[datetime] = []

    def tell(self, event: Event) -> None:
        before = self.breaker
        self.breaker, moved = transition(before, event, self.now, self.policy)
        assert (moved is None) == (before.status is self.breaker.status and before.probe == self.breaker.probe)

    @rule(seconds=st.integers(0, 40))
    def wait(self, seconds: int) -> None:
        self.now += seconds * SECOND

    @rule()
    def fail(self) -> None:
        was_closed = self.breaker.status is BreakerStatus.CLOSED
        if was_closed:
            self.failures.append(self.now)
        self.tell(FAILED)
        lately = [at for at in self.failures if at > self.now - self.policy.window]
        if was_closed:
            is_open = self.breaker.status is BreakerStatus.OPEN
            assert is_open == (len(lately) >= self.policy.failure_threshold)
            if is_open:
                self.failures = []

    @rule()
    def want_a_probe(self) -> None:
        self.tokens += 1
        before = self.breaker
        self.tell(ProbeWanted(token=str(self.tokens)))
        probe = self.breaker.probe
        if probe is None or probe.token != str(self.tokens):
            assert before == self.breaker
            return
        assert not [number for number, until in self.held.items() if until > self.now], "two probes at once"
        self.held[probe.number] = probe.until

    @precondition(lambda self: self.held)
    @rule(data=st.data(), answered=st.booleans())
    def end_a_probe(self, data: st.DataObject, answered: bool) -> None:
        number = data.draw(st.sampled_from(sorted(self.held)))
        before = self.breaker
        self.tell(ProbeEnded(number=number, answered=answered, message="x"))
        is_current = before.probe is not None and before.probe.number == number
        assert is_current or self.breaker == before
        if is_current:
            assert self.breaker.status is (BreakerStatus.CLOSED if answered else BreakerStatus.OPEN)
        self.held.pop(number)

    @rule()
    def reset(self) -> None:
        self.tell(Reset(by="ann"))
        self.failures = []
        self.held = dict.fromkeys(self.held, START)  # what they find out counts no more
        assert self.breaker.status is BreakerStatus.CLOSED

    @invariant()
    def is_whole(self) -> None:
        if not hasattr(self, "breaker"):
            return
        breaker = self.breaker
        is_closed = breaker.status is BreakerStatus.CLOSED
        assert is_closed == (breaker.opened_at is None) == (breaker.next_look_at is None)
        assert (breaker.status is BreakerStatus.HALF_OPEN) == (breaker.probe is not None)
        assert len(breaker.failures) < self.policy.failure_threshold
        assert is_closed or not breaker.failures


TestManyProcesses = ManyProcesses.TestCase
