"""The script that gives slots in Redis decides as the rule in Python does, whatever came before."""

from __future__ import annotations

from itertools import count

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from redis import Redis

from risk.lane import Lane
from risk.reservation import LONGEST_AHEAD_US, SECOND_US, RatePlan, Reserved, close, hold, rate_plan, reserve
from storage.redis_reservations import RedisReservations

pytestmark = [pytest.mark.integration, pytest.mark.redis]

START_US = 1_900_000_000 * SECOND_US

#: since the step before: nothing, a little, a while, and a clock that is set back
pauses = st.one_of(
    st.just(0), st.integers(0, 5_000), st.integers(0, 90 * SECOND_US), st.integers(-3_600 * SECOND_US, -1)
)
steps = st.lists(
    st.tuples(
        pauses,
        st.one_of(
            st.tuples(st.sampled_from(list(Lane)), st.integers(1, 400), st.integers(0, LONGEST_AHEAD_US + SECOND_US)),
            st.tuples(st.sampled_from([close, hold]), st.integers(0, 120 * SECOND_US)),
        ),
    ),
    min_size=1,
    max_size=25,
)
plans = st.builds(rate_plan, st.integers(1, 3_000), st.sampled_from([1, 60, 3600]))
venues = count()


@settings(max_examples=150, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(plans, steps)
def test_the_script_and_the_rule_give_the_same_slots(
    redis_url: str, plan: RatePlan, steps: list[tuple[int, tuple]]
) -> None:  # type: ignore[type-arg]
    with Redis.from_url(redis_url, socket_timeout=60, decode_responses=True) as client:
        store, venue = RedisReservations(client), f"venue{next(venues)}"
        state, now_us = Reserved(), START_US
        for pause_us, step in steps:
            now_us += pause_us
            if step[0] in (close, hold):
                state = step[0](state, now_us + step[1])
                store.shut(venue, "main", for_us=step[1], ordinary_only=step[0] is hold, now_us=now_us)
            else:
                lane, weight, within_us = step
                state, expected = reserve(state, plan, lane, weight, now_us=now_us, latest_us=now_us + within_us)
                assert store.reserve(venue, "main", plan, lane, weight, within_us=within_us, now_us=now_us) == expected
            if step[0] not in (close, hold) and (expected.granted):
                assert store.read(venue, "main") == state
