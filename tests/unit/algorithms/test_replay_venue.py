"""What comes to orders at rest: the better price first, then the earlier; a part of a lot belongs to one of them."""

from __future__ import annotations

import pytest

from algorithms.replay_venue import ReplayVenue
from algorithms.tape import Tape
from models.vocabulary import Side
from tests.unit.algorithms.replaying import D, after, model, tape


def came(venue: ReplayVenue, until_s: float) -> list[tuple[float, str, str]]:
    """(second, whose, quantity) of everything before a time."""
    found = []
    while fills := venue.next_fills(after(until_s)):
        found += [((fill.at - after(0)).total_seconds(), fill.id, f"{fill.quantity:.2f}") for fill in fills]
    return found


def resting(past: Tape, *orders: tuple[str, str, str], side: Side = Side.BUY) -> ReplayVenue:
    venue = ReplayVenue(past, model(), side, after(0))
    for name, price, quantity in orders:
        venue.rest(name, D(price), D(quantity), after(0))
    return venue


@pytest.mark.parametrize(
    ("side", "prices", "trades"), [(Side.BUY, ("99", "100"), ("99", "98")), (Side.SELL, ("100", "99"), ("100", "101"))]
)
def test_the_better_price_comes_first_and_what_it_leaves_is_the_others(
    side: Side, prices: tuple[str, str], trades: tuple[str, str]
):
    past = tape((-1, "99.5", "1"), (1, trades[0], "0.8"), (2, trades[1], "0.8"))

    venue = resting(past, ("worse", prices[0], "1"), ("better", prices[1], "0.3"), side=side)

    # of the first trade a tenth was left, but it stands at the worse one's price: others came before it
    assert came(venue, 9) == [(1, "better", "0.30"), (2, "worse", "0.40")]


def test_of_equal_prices_the_earlier_comes_first():
    venue = resting(tape((-1, "101", "1"), (1, "99", "0.5")), ("early", "100", "0.2"), ("late", "100", "0.2"))

    assert came(venue, 9) == [(1, "early", "0.20"), (1, "late", "0.05")]


def test_a_part_of_a_lot_stays_with_the_order_that_it_came_to():
    # halves of 0.01 each
    past = tape((-1, "101", "1"), (1, "99", "0.01"), (2, "99", "0.01"), (3, "99", "0.01"), (4, "99", "0.01"))
    venue = resting(past, ("early", "100", "0.01"), ("late", "100", "1"))

    assert came(venue, 9) == [(2, "early", "0.01"), (4, "late", "0.01")]


def test_what_was_withdrawn_gets_nothing():
    venue = resting(tape((-1, "101", "1"), (1, "99", "1"), (3, "99", "1")), ("gone", "100", "1"), ("here", "99.5", "1"))
    assert came(venue, 2) == [(1, "gone", "0.50")]

    venue.withdraw("gone")

    assert came(venue, 9) == [(3, "here", "0.50")]


def test_a_limit_off_the_ticks_is_never_exceeded():
    busy = model(impact_factor=D(1), volatility=D("0.04"), daily_volume=D(100))
    venue = ReplayVenue(tape((-1, "100", "1")), busy, Side.BUY, after(0))

    takes = venue.takeable(D(9), D("100.609"), after(0))

    assert takes == D(1)
    assert venue.take("it", takes, D("100.609"), after(0)).price == D("100.40")
    assert venue.takeable(D(9), D("99.99"), after(0)) == 0
