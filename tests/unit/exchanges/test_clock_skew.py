"""How far a venue's clock is from ours: never more than the answer proves, however long it was on its way."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from exchanges.clock_skew import measure_skew

NOW = datetime(2030, 1, 31, 12, 0, 0, 123_000, UTC)


def ms(number: float) -> timedelta:
    return timedelta(milliseconds=number)


def clock(*times: datetime) -> Callable[[], datetime]:
    waiting = list(times)
    return lambda: waiting.pop(0)


@pytest.mark.parametrize(
    ("took", "theirs", "at_least", "apart_ms"),
    [
        (0, 0, 0, 0),
        (20, 10, 0, 0),
        (20, 710, 690, 700),
        (20, -690, 690, 700),
        (3000, 700, 0, 800),
        (3000, 4000, 1000, 2500),
    ],
)
def test_a_skew_is_what_is_left_when_the_way_is_taken_off(took: int, theirs: int, at_least: int, apart_ms: int) -> None:
    skew = measure_skew(lambda: NOW + ms(theirs), clock(NOW, NOW + ms(took)))

    assert (skew.at_least, skew.apart_ms, skew.took) == (ms(at_least), apart_ms, ms(took))


def test_a_clock_that_tells_whole_seconds_is_not_blamed_for_it() -> None:
    now = NOW.replace(microsecond=900_000)

    assert measure_skew(lambda: now.replace(microsecond=0), clock(now, now)).at_least == ms(0)


@given(
    offset=st.integers(-5_000_000, 5_000_000),
    way=st.integers(0, 4_000_000),
    back=st.integers(0, 4_000_000),
    whole=st.booleans(),
)
def test_it_never_claims_more_than_is_so(offset: int, way: int, back: int, whole: bool) -> None:
    read_at = NOW + timedelta(microseconds=way)
    theirs = read_at + timedelta(microseconds=offset)
    told = theirs.replace(microsecond=0) if whole else theirs

    skew = measure_skew(lambda: told, clock(NOW, read_at + timedelta(microseconds=back)))

    assert skew.at_least <= abs(timedelta(microseconds=offset))
