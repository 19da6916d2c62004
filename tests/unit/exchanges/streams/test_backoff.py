"""Waits before the next try to connect: they grow to an end, and chance spreads them."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from exchanges.streams.backoff import FIRST_S, JITTER, LONGEST_S, reconnect_delay_s

CHANCE = st.floats(0, 1, exclude_max=True)


@given(failures=st.integers(1, 10_000), chance=CHANCE)
def test_a_wait_is_never_short_of_half_the_first_nor_beyond_the_longest(failures, chance):
    assert FIRST_S * (1 - JITTER) <= reconnect_delay_s(failures, chance) <= LONGEST_S


@given(failures=st.integers(1, 100), chance=CHANCE)
def test_waits_grow_with_the_failures(failures, chance):
    assert reconnect_delay_s(failures, chance) <= reconnect_delay_s(failures + 1, chance)


def test_the_first_tries_follow_each_other_soon():
    assert [reconnect_delay_s(failures, 0.0) for failures in (1, 2, 3, 20)] == [0.5, 1.0, 2.0, 30.0]
