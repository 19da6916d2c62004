"""The catalog, the code and the documentation name the same stages."""

from __future__ import annotations

import ast
import re
from collections import Counter
from pathlib import Path

from failpoints.catalog import STAGES

ROOT = Path(__file__).resolve().parents[3]
PLACES = ("exchanges", "storage", "alerts", "telemetry", "tasks", "workflows", "api", "ops")


def stages_in_the_code() -> Counter[str]:
    found: Counter[str] = Counter()
    for folder in PLACES:
        for path in (ROOT / folder).rglob("*.py"):
            for node in ast.walk(ast.parse(path.read_text())):
                if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id == "failpoint":
                    (name,) = node.args
                    assert isinstance(name, ast.Constant), f"{path}:{node.lineno}: a stage is named where it stands"
                    found[str(name.value)] += 1
    return found


def test_every_stage_of_the_catalog_stands_in_the_code_and_no_other() -> None:
    assert set(stages_in_the_code()) == set(STAGES)


def test_every_stage_is_documented() -> None:
    documented = set(re.findall(r"^\| `([a-z_.]+)` \|", (ROOT / "docs" / "guarantees.md").read_text(), re.MULTILINE))

    assert documented == set(STAGES)


def test_there_are_at_least_forty() -> None:
    assert len(STAGES) >= 40
