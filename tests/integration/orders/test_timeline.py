"""What the timeline shows where the clocks of two hosts differ, and where one was set back."""

from __future__ import annotations

from datetime import datetime

import pytest

from storage.documents import timeline
from storage.engine import read
from tasks.prepare import prepare
from tests.support.runtime import Desk


def _times(desk: Desk, order_id: str) -> list[datetime]:
    with read(desk.engine) as conn:
        return [datetime.fromisoformat(step["at"]) for step in timeline(conn, order_id)]


@pytest.mark.parametrize("behind_s", [0.085, 0.9])
def test_a_host_whose_clock_is_a_moment_behind_does_not_turn_the_order_of_times(desk: Desk, behind_s: float) -> None:
    order_id = desk.place()
    desk.runtime.advance(-behind_s)
    prepare(desk.runtime, order_id=order_id)

    times = _times(desk, order_id)

    assert len(times) > 1
    assert times == sorted(times)


def test_a_clock_that_was_set_back_stays_visible(desk: Desk) -> None:
    order_id = desk.place()
    desk.runtime.advance(-3_600)
    prepare(desk.runtime, order_id=order_id)

    first, *later = _times(desk, order_id)

    assert all(at < first for at in later)
