"""Thousands of schedules of the real protocol: whatever breaks, dies, stops, repeats or lies, every promise holds."""

from __future__ import annotations

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.simulation.choices import Decision
from tests.simulation.config import Config
from tests.simulation.simulate import Simulation

#: a run of the tests takes these; `python -m tests.simulation` takes as many as one likes
SCHEDULES = 1_000
BATCHES = 5

#: a machine that has other things to do takes its time; nothing here depends on how long
pytestmark = pytest.mark.timeout(900)


@pytest.mark.parametrize("batch", range(BATCHES))
def test_no_schedule_of_the_fixed_seeds_breaks_a_promise(simulation: Simulation, batch: int) -> None:
    config = Config()

    broken = {}
    for seed in range(batch, SCHEDULES, BATCHES):
        result = simulation.run(seed, config)
        if result.violations:
            broken[seed] = result.violations

    assert not broken, f"python -m tests.simulation --replay {min(broken)} --shrink shows how: {broken}"


def labels_of(simulation: Simulation) -> list[str]:
    """What can be decided, as forty schedules met it."""
    met: set[str] = set()
    for seed in range(40):
        met |= simulation.run(seed, Config()).labels
    return sorted(met)


def test_no_schedule_that_hypothesis_thinks_of_breaks_a_promise(simulation: Simulation) -> None:
    """A failure comes out shrunk to the decisions that it takes."""
    decisions = st.lists(
        st.builds(Decision, st.sampled_from(labels_of(simulation)), st.integers(0, 2), st.integers(1, 12)), max_size=10
    )

    @settings(max_examples=150, derandomize=True, deadline=None, database=None, suppress_health_check=list(HealthCheck))
    @given(decisions)
    def holds(made: list[Decision]) -> None:
        result = simulation.replay(made, Config())
        assert not result.violations, [str(entry) for entry in result.decisions]

    holds()
