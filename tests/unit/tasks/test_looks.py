"""Looks that were asked for: each place once, at its time, and again until one could be started."""

from __future__ import annotations

from contextlib import suppress

from storage.attention import Watched
from tasks.looks import AGAIN_S, Looks

HERE = Watched(venue="v", account="main", symbol="BTC/USDT")
THERE = Watched(venue="v", account="main", symbol="ETH/USDT")


class World:
    def __init__(self) -> None:
        self.at = 0.0
        self.busy: set[Watched] = set()
        self.started: list[Watched] = []
        self.looks = Looks(self.start, ticks=lambda: self.at)

    def start(self, _, place: Watched) -> bool:
        if place in self.busy:
            return False
        self.started.append(place)
        return True

    def pass_s(self, seconds: float) -> int:
        self.at += seconds
        return self.looks.run(None)  # type: ignore[arg-type]


def test_a_place_that_is_asked_for_often_is_looked_at_once():
    world = World()
    for _ in range(10):
        world.looks.ask([HERE, THERE])
    assert world.pass_s(0) == 2
    assert world.pass_s(100) == 0


def test_a_later_look_waits_and_a_sooner_one_goes_first():
    world = World()
    world.looks.ask([HERE], in_s=1.0)
    assert world.pass_s(0.5) == 0
    world.looks.ask([HERE])
    assert world.pass_s(0) == 1
    assert world.pass_s(1.0) == 0


def test_one_that_is_under_way_is_asked_for_again_until_a_new_one_begins():
    world = World()
    world.busy = {HERE}
    world.looks.ask([HERE])
    assert [world.pass_s(0), world.pass_s(AGAIN_S), world.pass_s(AGAIN_S)] == [0, 0, 0]
    world.busy = set()
    assert world.pass_s(AGAIN_S) == 1


def test_a_second_look_follows_the_first_at_its_own_time():
    world = World()
    world.looks.ask([HERE], again_in_s=5.0)
    assert [world.pass_s(0), world.pass_s(4.9), world.pass_s(0.2), world.pass_s(60)] == [1, 0, 1, 0]
    assert world.looks.waiting == 0


def test_what_fails_is_not_forgotten():
    world = World()

    def fail(*_: object) -> bool:
        raise ConnectionError

    looks = Looks(fail, ticks=lambda: world.at)
    looks.ask([HERE])
    for _ in range(2):
        with suppress(ConnectionError):
            looks.run(None)  # type: ignore[arg-type]
    assert looks.waiting == 1
