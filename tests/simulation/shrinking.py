"""Of a failing schedule's decisions only those that it takes: parts are left out as long as it still fails alike."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from tests.simulation.choices import Decision
from tests.simulation.config import Config

if TYPE_CHECKING:
    from tests.simulation.simulate import Result, Simulation

#: schedules that one shrinking may run
MOST_TRIES = 400


def shrunk(simulation: Simulation, failing: Result, config: Config) -> Result:
    """The smallest schedule found that fails with a sentence of the same kind; ``failing`` itself at the worst."""
    kind = _kind(failing)
    best = failing
    tries, size = 0, max(len(best.decisions) // 2, 1)
    while size >= 1 and tries < MOST_TRIES:
        smaller = None
        for start in range(0, len(best.decisions), size):
            tries += 1
            result = simulation.replay(_without(best.decisions, start, size), config)
            if result.violations and _kind(result) == kind and len(result.decisions) < len(best.decisions):
                smaller = result
                break
        if smaller is not None:
            best = smaller
            size = min(size, max(len(best.decisions), 1))
        else:
            size //= 2
    return best


def _without(decisions: Sequence[Decision], start: int, size: int) -> Sequence[Decision]:
    return (*decisions[:start], *decisions[start + size :])


def _kind(result: Result) -> str:
    """A violation without its numbers and names."""
    words = result.violations[0].split()
    return " ".join(word for word in words if word.isalpha())[:60]
