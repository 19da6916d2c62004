"""The table of seeded bugs can't rot: each still applies to the code, and names cells that are there."""

from __future__ import annotations

import ast
from functools import cache
from pathlib import Path

import pytest

from ops.chaos.cell import STACKS, cell_of
from tests.mutants.catalog import MUTANTS
from tests.mutants.document import PATH, table
from tests.mutants.mutant import DoesNotApply, Edit, Mutant
from tests.mutants.tree import ROOT

ROWS = pytest.mark.parametrize("mutant", MUTANTS, ids=lambda mutant: mutant.name)


@ROWS
def test_a_mutant_applies_to_the_code_as_it_is_and_is_a_program(mutant: Mutant) -> None:
    """When this fails the code has moved on: write the edit anew, so that it breaks the same promise, and run it
    (`python -m tests.mutants --only NAME`)."""
    for file, text in mutant.texts(ROOT).items():
        assert text != (ROOT / file).read_text()
        compile(text, file, "exec")


@ROWS
def test_the_cells_of_a_mutant_are_there(mutant: Mutant) -> None:
    assert mutant.cells
    for cell in mutant.cells:
        if cell.is_test:
            assert cell.function in _functions(cell.file), cell.test
        elif cell.of_matrix is not None:
            assert cell_of(cell.of_matrix).stack in STACKS
        else:
            assert cell.schedules
        assert cell.sees


def test_every_mutant_has_a_name_of_its_own_and_there_are_enough() -> None:
    assert len({mutant.name for mutant in MUTANTS}) == len(MUTANTS) >= 20


def test_the_page_holds_the_table_as_it_is() -> None:
    """`python -m tests.mutants --write` writes it, after a whole run."""
    assert table(MUTANTS) in (ROOT / PATH).read_text()


@pytest.mark.parametrize("text", ["", "b = 1", "a = 1\na = 1"])
def test_words_that_are_not_there_exactly_once_are_an_error(tmp_path: Path, text: str) -> None:
    (tmp_path / "code.py").write_text(text)
    edits = (Edit(file="code.py", old="a = 1", new="a = 2"),)

    with pytest.raises(DoesNotApply):
        Mutant(name="any", breaks="", edits=edits, cells=()).texts(tmp_path)


def test_edits_of_one_file_come_one_after_the_other(tmp_path: Path) -> None:
    (tmp_path / "code.py").write_text("a = 1\nb = 1\n")
    edits = tuple(Edit(file="code.py", old=f"{name} = 1", new=f"{name} = 2") for name in "ab")

    texts = Mutant(name="any", breaks="", edits=edits, cells=()).texts(tmp_path)

    assert texts == {"code.py": "a = 2\nb = 2\n"}
    assert (tmp_path / "code.py").read_text() == "a = 1\nb = 1\n", "nothing is written"


@cache
def _functions(file: str) -> frozenset[str]:
    tree = ast.parse((ROOT / file).read_text())
    return frozenset(node.name for node in tree.body if isinstance(node, ast.FunctionDef))
