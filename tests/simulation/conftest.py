"""One database for the tests of a process: making it costs as much as thirty schedules."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.simulation.config import Config
from tests.simulation.simulate import Simulation, opened


@pytest.fixture(scope="module")
def simulation() -> Iterator[Simulation]:
    with opened(Config()) as opened_once:
        yield opened_once
