"""The matrix as data: every stage has its cells or a reason, names are stable, and every action is one that failpoints take."""

from __future__ import annotations

import importlib
from collections import Counter

import pytest

from failpoints.catalog import STAGES
from failpoints.grammar import parse
from ops.chaos import matrix, windows
from ops.chaos.cell import DEDUPE, STACKS, Outcome, cell_of, outcome_of
from ops.chaos.faults import FAULTS
from ops.chaos.run import tried
from ops.chaos.ways import WAYS


def test_every_stage_of_the_catalog_has_cells_or_a_reason_why_not() -> None:
    missing = set(matrix.unreached_stages())

    assert missing <= set(matrix.NOT_BUILT), missing - set(matrix.NOT_BUILT)
    assert not {matrix.stage_name(stage) for stage in matrix.REACHED} - set(STAGES)


def test_every_name_is_one_cell_and_makes_it_anew() -> None:
    cells = matrix.full()

    assert len({cell.name for cell in cells}) == len(cells)
    assert [cell_of(cell.name) for cell in cells] == cells


@pytest.mark.parametrize("name", ["", "commit.sending/kill", "a/b/c/d/e/f", "a/b+c/d/e/f"])
def test_what_is_no_name_is_refused(name: str) -> None:
    with pytest.raises(ValueError, match="names no cell"):
        cell_of(name)


@pytest.mark.parametrize(
    "name",
    [
        "intake.parsed/kill/market/open/sqlite-embedded",
        "commit.intent.committed/stop/canceled/always/postgres-redis",
        "intake.parsed/kill+commit.sending/kill/market/always/postgres-rabbitmq",
        "withdraw.booked/kill+rescue.expired/kill/expiring/open/postgres-rabbitmq",
        "rescue.expired/kill/expiring/always/postgres-rabbitmq",
    ],
)
def test_a_stage_that_is_added_changes_the_name_of_no_other_cell(name: str) -> None:
    """Results of earlier runs are kept by name: new stages go to the end of the table."""
    assert name in {cell.name for cell in matrix.full()}


def test_the_full_set_is_as_large_as_promised() -> None:
    assert len(matrix.full()) >= 8_000


def test_the_quick_set_kills_every_stage_on_every_stack_and_has_every_fault_and_way() -> None:
    cells = matrix.quick()
    kills = {(cell.stage, cell.stack) for cell in cells if cell.fault == "kill"}
    stacks = Counter(cell.stack for cell in cells)

    assert 470 <= len(cells) <= 500  # minutes of every `make test`
    assert kills >= {(stage, stack) for stage in matrix.REACHED for stack in STACKS}
    assert {cell.fault for cell in cells} == set(FAULTS)
    assert {cell.dedupe for cell in cells} == set(DEDUPE)
    assert min(stacks.values()) > len(cells) / 4
    assert any(cell.second for cell in cells)


def test_every_cell_names_a_fault_and_a_way_that_exist_and_its_action_can_be_armed() -> None:
    for cell in matrix.full():
        assert cell.way in WAYS
        assert cell.fault in FAULTS
        if not FAULTS[cell.fault].at_venue:
            parse(f"{matrix.stage_name(cell.stage)}={FAULTS[cell.fault].action}")


def test_no_pool_child_is_killed_with_its_parent_where_the_parent_is_none_of_ours() -> None:
    """In the API, in beat and in a worker of threads the parent is the zygote, or whoever started `up`."""
    for cell in matrix.full():
        if FAULTS[cell.fault].action.endswith("kill_parent"):
            assert matrix.REACHED[cell.stage].place == "step"


@pytest.mark.parametrize(("module", "name"), windows.PATIENCE)
def test_every_constant_that_is_shortened_is_still_there(module: str, name: str) -> None:
    assert hasattr(importlib.import_module(module), name)


def test_an_outcome_survives_its_file_and_only_failures_are_tried_again() -> None:
    passed = Outcome(cell="a", seed=1, verdict="passed", seconds=1.5, hits=(("commit.sending", 1),))
    failed = Outcome(cell="b", seed=1, verdict="failed", seconds=2.0, problems=("twice",))

    assert outcome_of(passed.as_json()) == passed
    assert outcome_of(failed.as_json()) == failed
    assert tried([passed, failed]) == {"a"}
