"""The deployment's clock is the database's, told by a clock that only passes; the host's may leap as it likes."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from tasks.clock import ASK_AGAIN_S, ASK_EVERY_S, DatabaseClock
from tests.support.waiting import eventually

START = datetime(2026, 3, 1, 12, 0, tzinfo=UTC)
HOUR = timedelta(hours=1)


class World:
    """A database, a host, and what passes for both."""

    def __init__(self) -> None:
        self.passed_s = 1_000.0
        self.database_ahead = timedelta()
        self.host_ahead = timedelta()
        self.answers = True
        self.takes_s = 0.0
        self.questions = 0
        self.clock = DatabaseClock(self.ask, passing=lambda: self.passed_s, host=self.host)

    def ask(self) -> datetime:
        self.questions += 1
        self.passed_s += self.takes_s
        if not self.answers:
            raise ConnectionError
        return self.true() + self.database_ahead - timedelta(seconds=self.takes_s / 2)

    def true(self) -> datetime:
        return START + timedelta(seconds=self.passed_s - 1_000.0)

    def host(self) -> datetime:
        return self.true() + self.host_ahead

    def after_the_next_question(self) -> datetime:
        asked = self.questions
        self.passed_s += ASK_EVERY_S
        self.clock.now()
        eventually(
            lambda: self.questions > asked and not self.clock._is_asking, within_s=60, describe="the database is asked"
        )
        return self.clock.now()


@pytest.mark.parametrize("leap", [HOUR, -HOUR])
def test_a_leap_of_the_host_changes_nothing(leap: timedelta) -> None:
    world = World()
    before = world.clock.now()
    world.host_ahead = leap
    world.passed_s += 2.0

    assert world.clock.now() - before == timedelta(seconds=2)
    assert world.after_the_next_question() == world.true()


def test_the_database_is_right_whatever_the_host_said_at_the_start() -> None:
    world = World()
    world.host_ahead = -HOUR
    world.database_ahead = timedelta(minutes=3)

    assert world.clock.now() == world.true() + timedelta(minutes=3)


def test_a_database_that_moves_its_clock_is_followed() -> None:
    world = World()
    world.clock.now()
    world.database_ahead = timedelta(seconds=5)

    assert world.after_the_next_question() == world.true() + timedelta(seconds=5)


def test_the_way_of_an_answer_is_halved() -> None:
    world = World()
    world.takes_s = 0.5

    assert world.clock.now() == world.true()


def test_the_answer_that_paid_for_the_connection_is_not_the_one_that_is_believed() -> None:
    """Its way there is longer than its way back, so half of it is wrong by a tenth of a second."""
    world = World()
    connecting_s = iter([0.2])

    def connect_first() -> datetime:
        world.passed_s += next(connecting_s, 0.0)
        return world.ask()

    world.clock._ask = connect_first

    assert world.clock.now() == world.true()
    assert world.questions == 2


def test_a_slow_answer_is_not_believed() -> None:
    world = World()
    world.clock.now()
    world.takes_s, world.database_ahead = 4.0, HOUR

    assert world.after_the_next_question() == world.true()


def test_without_the_database_the_clock_goes_on_and_at_first_the_host_s_has_to_do() -> None:
    world = World()
    world.answers = False
    world.host_ahead = HOUR
    assert world.clock.now() == world.true() + HOUR

    world.answers = True
    world.passed_s += ASK_AGAIN_S
    assert world.clock.now() == world.true()

    world.answers = False
    assert world.after_the_next_question() == world.true()


def test_it_is_not_asked_for_each_look() -> None:
    world = World()
    for _ in range(100):
        world.clock.now()
        world.passed_s += ASK_EVERY_S / 200

    assert world.questions == 1
