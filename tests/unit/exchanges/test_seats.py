"""Seats: how many threads of one process may wait on one venue."""

from __future__ import annotations

from contextlib import ExitStack

import pytest

from exchanges.evidence import Evidence
from exchanges.protection.refused import NoSeat
from exchanges.protection.seats import Seats, share
from tests.support.threads import in_thread


@pytest.mark.parametrize(
    ("threads", "venues", "seats"),
    [(16, 1, None), (1, 5, None), (16, 2, 10), (8, 2, 5), (16, 3, 8), (2, 2, 1), (2, 9, 1), (24, 4, 9)],
)
def test_a_venue_has_its_share_and_leaves_the_others_some(threads: int, venues: int, seats: int | None) -> None:
    assert share(threads, venues) == seats
    assert seats is None or 0 < seats < threads


def test_a_venue_whose_seats_are_taken_refuses_and_the_others_do_not() -> None:
    seats = Seats(2)
    seats.divide(4)
    assert seats.most == 2

    with ExitStack() as taken:
        for _ in range(2):
            taken.enter_context(in_thread(lambda: seats.one("hangs")))
        with pytest.raises(NoSeat) as refused, seats.one("hangs"):
            raise AssertionError("there was a seat")
        with seats.one("healthy"), seats.one("healthy"):
            assert seats.taken("healthy") == 1, "who has a seat needs no second"
        assert seats.taken("hangs") == 2
    with seats.one("hangs"):
        assert seats.taken("hangs") == 1

    assert seats.taken("hangs") == 0
    assert refused.value.evidence is Evidence.NOT_SENT
    assert refused.value.retry_after_s is not None


def test_where_nothing_is_shared_nobody_is_refused() -> None:
    seats = Seats(2)

    with ExitStack() as taken:
        for _ in range(50):
            taken.enter_context(in_thread(lambda: seats.one("paper")))
        with seats.one("paper"):
            assert seats.most is None
