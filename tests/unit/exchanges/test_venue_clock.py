from __future__ import annotations

import threading
import time

import pytest

from exchanges.evidence import Evidence, VenueError
from exchanges.single_flight import SingleFlight
from exchanges.venue_clock import MAX_AGE_S, VenueClock


class Ticks:
    def __init__(self) -> None:
        self.now_s = 1000.0

    def __call__(self) -> float:
        return self.now_s


@pytest.fixture
def ticks() -> Ticks:
    return Ticks()


def measured(ticks: Ticks, venue_ms: int, round_trip_s: float) -> VenueClock:
    clock = VenueClock(ticks)

    def read() -> int:
        ticks.now_s += round_trip_s
        return venue_ms

    assert clock.measure(read) == venue_ms
    return clock


def test_the_venue_read_its_clock_in_the_middle_of_the_round_trip(ticks: Ticks) -> None:
    clock = measured(ticks, 5_000_000, 0.2)

    assert clock.now_ms() == 5_000_100
    ticks.now_s += 3
    assert clock.now_ms() == 5_003_100


def test_an_offset_grows_old_is_kept_a_little_when_the_venue_is_silent_and_forgotten_on_a_clock_error(
    ticks: Ticks,
) -> None:
    clock = measured(ticks, 5_000_000, 0.0)
    assert clock.fresh()

    ticks.now_s += MAX_AGE_S + 1
    assert not clock.fresh()
    clock.keep()
    assert clock.fresh()
    assert clock.now_ms() == 5_000_000 + int(MAX_AGE_S + 1) * 1000

    clock.forget()
    assert not clock.known()
    assert not clock.fresh()


def test_a_jump_of_the_wall_clock_changes_nothing(ticks: Ticks, monkeypatch: pytest.MonkeyPatch) -> None:
    clock = measured(ticks, 5_000_000, 0.0)

    monkeypatch.setattr("time.time", lambda: 0.0)

    assert clock.now_ms() == 5_000_000


def test_a_nonce_is_always_above_the_last(ticks: Ticks, monkeypatch: pytest.MonkeyPatch) -> None:
    clock = measured(ticks, 5_000_000, 0.0)
    monkeypatch.setattr("time.time_ns", lambda: 7_000_000_000_000)

    nonces = [clock.nonce_us() for _ in range(5)]

    assert nonces == [7_000_000_000 + number for number in range(5)]


def test_nonces_of_two_processes_rise_together_whatever_each_measured(
    ticks: Ticks, monkeypatch: pytest.MonkeyPatch
) -> None:
    behind, ahead = measured(ticks, 5_000_000, 0.0), measured(ticks, 5_000_900, 0.0)
    nonces = []
    for passed_us in range(4):
        monkeypatch.setattr("time.time_ns", lambda passed_us=passed_us: (7_000_000 + passed_us) * 1000)
        nonces.append((ahead, behind)[passed_us % 2].nonce_us())

    assert nonces == sorted(set(nonces))


@pytest.mark.parametrize("fails", [False, True])
def test_threads_that_want_the_same_ask_once_and_share_what_comes(fails: bool) -> None:
    flight: SingleFlight[int] = SingleFlight()
    asked: list[int] = []
    go = threading.Event()
    outcomes: list[object] = []

    def work() -> int:
        asked.append(1)
        go.wait(10)
        if fails:
            raise VenueError(Evidence.NOT_SENT, "the venue is gone")
        return 7

    def ask() -> None:
        try:
            outcomes.append(flight.run(work))
        except VenueError as error:
            outcomes.append(error.evidence)

    threads = [threading.Thread(target=ask) for _ in range(8)]
    for thread in threads:
        thread.start()
    deadline = time.monotonic() + 60
    while _waiting(flight) < 7:
        assert time.monotonic() < deadline
        time.sleep(0.001)
    go.set()
    for thread in threads:
        thread.join()

    assert outcomes == [Evidence.NOT_SENT if fails else 7] * 8
    assert len(asked) == 1
    assert flight.run(lambda: 8) == 8, "what comes later asks anew"


def _waiting(flight: SingleFlight[int]) -> int:
    under_way = flight._flight
    return 0 if under_way is None else len(under_way.landed._cond._waiters)  # type: ignore[attr-defined]
