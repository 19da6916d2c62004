"""How many schedules a minute the simulation runs, on one core and on all."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
SCHEDULES = 4_000


@pytest.mark.bench
@pytest.mark.parametrize("jobs", [1, 2])
def test_schedules_a_minute(jobs: int) -> None:
    command = [sys.executable, "-m", "tests.simulation", "--schedules", str(SCHEDULES), "--jobs", str(jobs)]
    told = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False).stdout

    print(f"\n{told.splitlines()[0]}")
    assert re.search(r"[\d,]+ a minute", told)
