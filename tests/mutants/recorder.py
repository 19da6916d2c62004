"""A plugin of pytest that writes what became of each test, a line of JSON each: ``-p tests.mutants.recorder``."""

from __future__ import annotations

import json
import os
from pathlib import Path

import pytest

#: names the file that it appends to
VARIABLE = "STEADFILL_MUTANTS_RECORD"


def pytest_runtest_logreport(report: pytest.TestReport) -> None:
    if report.when == "call" or report.outcome != "passed":
        crash = getattr(report.longrepr, "reprcrash", None)
        line = {
            "test": report.nodeid,
            "when": report.when,
            "outcome": report.outcome,
            "message": crash.message if crash is not None else str(report.longrepr or ""),
        }
        with Path(os.environ[VARIABLE]).open("a") as record:
            record.write(json.dumps(line) + "\n")
