"""The times of a schedule: exact on the grid, in order, never outside."""

from __future__ import annotations

from datetime import timedelta
from decimal import Decimal

from hypothesis import given
from hypothesis import strategies as st

from algorithms.grid import Grid
from algorithms.jitter import PARTS, jitter_parts
from tests.unit.algorithms.planning import START, D, after

FIRST_RUN = [227271782, 411188260, -409479974]

grids = st.builds(
    lambda order_id, slots, per_slot_us, rest_us, jitter: Grid(
        order_id=order_id, start_at=START, slots=slots, jitter=jitter,
        duration=timedelta(microseconds=slots * per_slot_us + rest_us % slots),
    ),
    st.sampled_from(["01hqorder", "01hqother", "01hqthird", "01hqfourth", "01hqfifth", "01hqsixth"]),
    st.integers(1, 500),
    st.integers(100_000, 10**9),
    st.integers(0, 500),
    st.sampled_from([D(0), D("0.01"), D("0.5")]),
)  # fmt: skip


@given(grids)
def test_times_rise_within_the_schedule(grid: Grid) -> None:
    times = [grid.due_at(slot) for slot in range(grid.slots)]

    assert times == sorted(set(times))
    assert times[0] >= START
    assert times[-1] < grid.end_at
    for slot, due_at in enumerate(times):
        assert abs(due_at - grid.begins_at(slot)) <= grid.interval * float(grid.jitter) / 2 + timedelta(microseconds=1)


@given(grids)
def test_slots_begin_on_the_grid_to_the_microsecond(grid: Grid) -> None:
    whole_us = grid.duration // timedelta(microseconds=1)

    for slot in (0, 1, grid.slots // 2, grid.slots - 1, grid.slots):
        exact = Decimal(whole_us) * slot / grid.slots
        assert 0 <= exact - (grid.begins_at(slot) - START) // timedelta(microseconds=1) < 1
    assert grid.begins_at(grid.slots) == grid.end_at


@given(grids, st.integers(-10, 10**9), st.integers(0, 500))
def test_the_first_slot_that_is_not_past(grid: Grid, at_ms: int, first: int) -> None:
    at = after(at_ms / 1000)

    found = grid.first_due(at, min(first, grid.slots))

    expected = [slot for slot in range(first, grid.slots) if grid.due_at(slot) >= at]
    assert found == (expected[0] if expected else max(min(first, grid.slots), grid.slots))


def test_no_jitter_puts_a_slice_before_the_start() -> None:
    grids = [
        Grid(order_id=str(number), start_at=START, duration=timedelta(seconds=60), slots=6, jitter=D("0.5"))
        for number in range(50)
    ]

    assert min(grid.due_at(0) for grid in grids) >= START
    assert len({grid.due_at(0) for grid in grids}) == 50, "and none is put on it"


def test_a_jitter_is_the_same_in_every_process() -> None:
    # Figures of the first run: a schedule that was begun by one version goes on with the next one.
    assert [jitter_parts("01hqorder", "time", slot, D("0.5")) for slot in range(3)] == FIRST_RUN
    assert jitter_parts("01hqorder", "size", 0, D("0.5")) != FIRST_RUN[0]
    assert jitter_parts("01hqorder", "time", 0, D(0)) == 0


def test_a_jitter_is_spread_over_its_whole_range() -> None:
    parts = [jitter_parts("01hqorder", "size", slot, D("0.5")) for slot in range(10_000)]

    assert min(parts) < -0.49 * PARTS
    assert max(parts) > 0.49 * PARTS
    assert abs(sum(parts) / len(parts)) < 0.01 * PARTS
