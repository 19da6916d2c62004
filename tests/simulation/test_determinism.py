"""The same seed is the same schedule, byte for byte: in this process, in another, by the short way to SQL or the long."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.simulation.config import Config
from tests.simulation.simulate import Simulation

ROOT = Path(__file__).resolve().parents[2]

pytestmark = pytest.mark.timeout(600)


def test_a_seed_makes_the_same_trace_again(simulation: Simulation) -> None:
    for seed in range(20):
        assert simulation.run(seed, Config()).trace == simulation.run(seed, Config()).trace


def test_a_schedule_is_told_in_full_by_its_decisions(simulation: Simulation) -> None:
    for seed in range(20):
        result = simulation.run(seed, Config())

        again = simulation.replay(result.decisions, Config())

        assert again.trace == result.trace
        assert again.decisions == result.decisions


def test_different_seeds_make_different_schedules(simulation: Simulation) -> None:
    digests = [simulation.run(seed, Config()).digest for seed in range(20)]

    assert len(set(digests)) == len(digests)


def test_another_process_with_other_hashes_makes_the_same_schedules(simulation: Simulation) -> None:
    program = (
        "from tests.simulation.config import Config\n"
        "from tests.simulation.simulate import opened\n"
        "with opened() as simulation:\n"
        "    print(*[simulation.run(seed, Config()).digest for seed in range(10)])\n"
    )
    environment = {**os.environ, "PYTHONHASHSEED": "12345", "PYTHONPATH": str(ROOT), "TZ": "Asia/Tokyo"}
    there = subprocess.run(
        [sys.executable, "-c", program], cwd=ROOT, env=environment, capture_output=True, text=True, check=True
    )

    assert there.stdout.split() == [simulation.run(seed, Config()).digest for seed in range(10)]
