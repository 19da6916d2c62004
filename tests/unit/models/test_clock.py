"""Times as the outside sees them."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from models.clock import format_time, from_micros, from_milliseconds, micros, milliseconds, parse_time

times = st.datetimes(datetime(1970, 1, 2), datetime(9999, 12, 30), timezones=st.just(UTC))  # noqa: DTZ001 - given a zone


@given(times)
def test_a_time_reads_back_to_the_microsecond(at: datetime) -> None:
    assert parse_time(format_time(at)) == at
    assert from_micros(micros(at)) == at


@given(times)
def test_milliseconds_are_cut_not_rounded(at: datetime) -> None:
    back = from_milliseconds(milliseconds(at))

    assert timedelta(0) <= at - back < timedelta(milliseconds=1)


@pytest.mark.parametrize(
    ("text", "read"),
    [
        ("2030-01-31T12:00:00Z", "2030-01-31T12:00:00.000000Z"),
        ("2030-01-31t12:00:00z", "2030-01-31T12:00:00.000000Z"),
        ("2030-01-31 12:00:00.5+02:00", "2030-01-31T10:00:00.500000Z"),
        ("2030-01-31T12:00:00.123456789Z", "2030-01-31T12:00:00.123456Z"),
        ("2030-01-01T00:30:00+01:00", "2029-12-31T23:30:00.000000Z"),
    ],
)
def test_an_rfc_3339_time_is_read(text: str, read: str) -> None:
    assert format_time(parse_time(text)) == read


@pytest.mark.parametrize(
    "text",
    ["2030-01-31", "2030-01-31T12:00:00", "2030-02-30T12:00:00Z", "2030-01-31T25:00:00Z", "0001-01-01T00:00:00+23:59",
     "٢٠٣٠-01-31T12:00:00Z", "", 5, None, "2030-01-31T12:00:00.Z", "2030-01-31T12:00:00+2:00"],
)  # fmt: skip
def test_what_is_no_such_time_is_refused(text: object) -> None:
    with pytest.raises(ValueError, match="must be"):
        parse_time(text)
