"""Retries: how often, how long apart, and never all at once."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from models.retry import JITTER, Backoff, RetryPolicy, Trouble, policies

chances = st.floats(0, 1, exclude_max=True)


@pytest.mark.parametrize(
    ("backoff", "delays"),
    [
        (Backoff.EXPONENTIAL, [0.1, 0.2, 0.4, 0.8]),
        (Backoff.LINEAR, [0.1, 0.2, 0.3, 0.4]),
        (Backoff.FIXED, [0.1, 0.1, 0.1, 0.1]),
    ],
)
def test_delays_grow_as_the_policy_says(backoff: Backoff, delays: list[float]) -> None:
    policy = RetryPolicy(backoff=backoff, base_s=0.1)

    assert [policy.delay_s(retries, 0.5) for retries in range(4)] == pytest.approx(delays)


@given(backoff=st.sampled_from(list(Backoff)), retries=st.integers(0, 10_000), chance=chances, cap=st.floats(0.01, 600))
def test_no_delay_is_over_the_cap_or_under_the_least(backoff: Backoff, retries: int, chance: float, cap: float) -> None:
    policy = RetryPolicy(backoff=backoff, base_s=0.1, cap_s=cap)

    delay = policy.delay_s(retries, chance)

    assert min(0.1, cap) * (1 - JITTER) * 0.999 <= delay <= cap


@given(retries=st.integers(0, 4), chance=chances)
def test_jitter_is_a_quarter_either_way(retries: int, chance: float) -> None:
    policy = RetryPolicy(base_s=0.1, cap_s=1_000)
    middle = 0.1 * 2**retries

    assert middle * 0.75 <= policy.delay_s(retries, chance) <= middle * 1.25
    assert policy.delay_s(retries, 0.0) == pytest.approx(middle * 0.75)


def test_delays_at_the_cap_are_spread_too() -> None:
    policy = RetryPolicy(base_s=0.1, cap_s=5)

    assert len({policy.delay_s(20, chance / 10) for chance in range(10)}) == 10


def test_so_many_retries_and_no_more() -> None:
    assert [RetryPolicy(max_retries=3).allows(retries) for retries in range(5)] == [True, True, True, False, False]
    assert RetryPolicy(max_retries=None).allows(1_000_000)


def test_every_trouble_has_a_policy_within_the_configured_cap() -> None:
    found = policies(3, 0.1, 5.0)

    assert set(found) == set(Trouble)
    assert all(policy.delay_s(50, 0.999) <= 5.0 for policy in found.values())


def test_a_limit_is_waited_out_without_end_and_a_database_gets_more_tries() -> None:
    found = policies(0, 0.1, 5.0)

    assert found[Trouble.RATE_LIMITED].allows(10_000)
    assert found[Trouble.DATABASE].allows(4)
    assert not found[Trouble.NOT_SENT].allows(0)
