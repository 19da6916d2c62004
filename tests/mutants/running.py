"""Running cells in a tree, and what their outcomes say of the mutant that stands in it."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import tempfile
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from enum import StrEnum
from itertools import pairwise
from pathlib import Path

from tests.mutants.mutant import Cell
from tests.mutants.recorder import VARIABLE
from tests.mutants.tree import Tree

#: A net under a run that hangs; a cell has a limit of its own (`timeout` in pyproject.toml).
LONGEST_RUN_S = 900.0

#: How long what is broken off may take to end what it started.
ENDING_S = 20.0

#: What a mutant raises that is no program any more. A test that fails by one of these has seen a typing error.
SENSELESS = ("SyntaxError", "NameError", "ImportError", "ModuleNotFoundError", "IndentationError", "UnboundLocalError")


_running: set[subprocess.Popen[str]] = set()


class Sight(StrEnum):
    #: the test failed, as it must on a mutant
    FAILED = "failed"
    #: the test passed, as it must on the real code
    PASSED = "passed"
    #: the test did not run to a verdict: skipped, not found, an error around it, or a mutant that is no program
    NONE = "no verdict"


@dataclass(frozen=True, slots=True, kw_only=True)
class Seen:
    cell: Cell
    sight: Sight
    #: the first line of what failed
    message: str


def run_cells(tree: Tree, cells: Sequence[Cell]) -> list[Seen]:
    """Run the cells in the tree: the tests in one process of pytest, the others each in one of its own."""
    tests = [cell for cell in cells if cell.is_test]
    others = [_other(tree, cell) for cell in cells if not cell.is_test]
    if not tests:
        return others
    with tempfile.TemporaryDirectory(prefix="steadfill-cells-") as scratch:
        record = Path(scratch) / "record.jsonl"
        record.touch()
        said = _pytest(tree, [cell.test for cell in tests], record, Path(scratch) / "tmp")
        lines = [json.loads(line) for line in record.read_text().splitlines()]
    return [*(_seen(cell, lines, said) for cell in tests), *others]


def _other(tree: Tree, cell: Cell) -> Seen:
    if cell.schedules is not None:
        return _simulate(tree, cell, cell.schedules)
    assert cell.of_matrix is not None
    return _in_processes(tree, cell, cell.of_matrix)


def _in_processes(tree: Tree, cell: Cell, name: str) -> Seen:
    """A cell of the fault matrix; its stack is the last part of its name."""
    said, code = _run(tree, ["tests.matrix", "--cell", name, "--stack", name.rpartition("/")[2], "--lanes", "1"], {})
    lines = said.splitlines()
    problem = next((after.strip() for line, after in pairwise(lines) if line.startswith("FAILED ")), "")
    if code == 0:
        return Seen(cell=cell, sight=Sight.PASSED, message="")
    return Seen(cell=cell, sight=Sight.FAILED if problem else Sight.NONE, message=problem[:200] or said.strip()[-300:])


def _simulate(tree: Tree, cell: Cell, schedules: int) -> Seen:
    """Schedule after schedule, until one breaks a promise or all are done."""
    said, code = _run(tree, ["tests.simulation", "--schedules", str(schedules), "--jobs", "1", "--first"], {})
    broken = next((line for line in said.splitlines() if line.startswith("seed ")), "")
    if code == 0:
        return Seen(cell=cell, sight=Sight.PASSED, message="")
    if not broken or any(f" {name}: " in broken for name in SENSELESS):
        return Seen(cell=cell, sight=Sight.NONE, message=broken or f"it broke off: {said.strip()[-300:]}")
    return Seen(cell=cell, sight=Sight.FAILED, message=broken[:200])


def _pytest(tree: Tree, tests: Sequence[str], record: Path, scratch: Path) -> str:
    """Returns what it wrote."""
    options = ["-q", "-p", "tests.mutants.recorder", "-p", "no:xdist", "-p", "no:cacheprovider", "--hypothesis-seed=0"]
    said, _ = _run(tree, ["pytest", *options, f"--basetemp={scratch}", *dict.fromkeys(tests)], {VARIABLE: str(record)})
    return said


def _run(tree: Tree, arguments: Sequence[str], environment: Mapping[str, str]) -> tuple[str, int]:
    """A module of the tree as a process: what it wrote, and its exit code. One that hangs ends with all it started."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("STEADFILL_", "PYTEST_"))}
    # Before the checkout that the virtual environment names: processes that a cell starts run the mutant too.
    environment = {**kept, "PYTHONPATH": str(tree.root), **environment}
    process = subprocess.Popen(
        [sys.executable, "-m", *arguments], cwd=tree.root, env=environment, text=True, start_new_session=True,
        stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
    )  # fmt: skip
    _running.add(process)
    try:
        said, _ = process.communicate(timeout=LONGEST_RUN_S)
    except subprocess.TimeoutExpired:
        _kill(process)
        said, _ = process.communicate()
    finally:
        _running.discard(process)
    return said, process.returncode


def kill_all() -> None:
    """What still runs, for a command that is broken off."""
    for process in tuple(_running):
        _kill(process)


def _kill(process: subprocess.Popen[str]) -> None:
    """First as Ctrl-C would, so that it can end what it started in sessions of their own; then for good."""
    process.send_signal(signal.SIGINT)
    with suppress(subprocess.TimeoutExpired):
        process.wait(ENDING_S)
    with suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGKILL)


def _seen(cell: Cell, lines: Sequence[dict[str, str]], said: str) -> Seen:
    own = [line for line in lines if line["test"] == cell.test or line["test"].startswith(f"{cell.test}[")]
    failed = [line for line in own if (line["when"], line["outcome"]) == ("call", "failed")]
    odd = [line for line in own if line["outcome"] != "passed" and line not in failed]
    if failed:
        message = _first_line(failed[0]["message"])
        senseless = message.startswith(SENSELESS)
        return Seen(cell=cell, sight=Sight.NONE if senseless else Sight.FAILED, message=message)
    if odd or not own:
        message = _first_line(odd[0]["message"]) if odd else f"it did not run: {said.strip()[-400:]}"
        return Seen(cell=cell, sight=Sight.NONE, message=message)
    return Seen(cell=cell, sight=Sight.PASSED, message="")


def _first_line(text: str) -> str:
    return (text.strip().splitlines() or [""])[0][:200]
