"""Schedules that once showed a bug of the product, and show none since."""

from __future__ import annotations

import pytest

from tests.simulation.simulate import simulate

FOUND = {
    42684: "a look at a symbol went on over a database that was away, and moved its cursor past what was not booked",
    48797: "the same, at the commit of a fill",
}


@pytest.mark.parametrize("seed", FOUND)
def test_what_was_found_once_stays_mended(seed: int) -> None:
    assert simulate(seed).violations == ()
