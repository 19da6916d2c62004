"""The gate that a venue closes for itself: shared by all processes, never opened early."""

from datetime import UTC, datetime, timedelta

import pytest
from sqlalchemy import Engine

from storage.engine import read, write
from storage.venue_states import closed_until, note_success, note_trouble

NOW = datetime(2030, 1, 31, 12, tzinfo=UTC)
HOUR, SECOND = timedelta(hours=1), timedelta(seconds=1)


@pytest.mark.parametrize(
    ("closings", "expected"),
    [
        pytest.param([HOUR], HOUR, id="one ban"),
        pytest.param([HOUR, 2 * SECOND], HOUR, id="a later, shorter word does not open it"),
        pytest.param([2 * SECOND, HOUR], HOUR, id="a later, longer word keeps it closed"),
        pytest.param([HOUR, None], HOUR, id="trouble of another kind leaves it"),
    ],
)
def test_the_longest_word_of_a_venue_closes_its_gate(
    engine: Engine, closings: list[timedelta | None], expected: timedelta
) -> None:
    for closing in closings:
        with write(engine) as conn:
            closed = None if closing is None else NOW + closing
            note_trouble(conn, "paper", "main", message="asked too often", now=NOW, closed=closed)
    with write(engine) as conn:
        note_success(conn, "paper", "main", latency_ms=3, now=NOW)
    with read(engine) as conn:
        assert closed_until(conn, "paper", "main") == NOW + expected
        assert closed_until(conn, "paper", "desk2") is None
