"""A mutant as a value: which words of which file become which, what that breaks, and which cells must see it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

SIMULATION = "simulation"
MATRIX = "matrix"


class DoesNotApply(Exception):
    """The words that a mutant replaces are not there exactly once any more: its row must follow the code."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Edit:
    #: from the root of the repository
    file: str
    #: occurs exactly once in the file
    old: str
    new: str

    def apply_to(self, text: str) -> str:
        """The text with the edit in it. Raises DoesNotApply."""
        count = text.count(self.old)
        if count != 1:
            first = self.old.strip().splitlines()[0]
            raise DoesNotApply(f"{self.file} holds {first!r} … {count} times instead of once")
        return text.replace(self.old, self.new)


@dataclass(frozen=True, slots=True, kw_only=True)
class Cell:
    #: pytest's id of a test; without a parameter in brackets every variant of it. Or ``simulation:600``: the schedules
    #: of so many seeds from 0 on, of which one at least must break a promise (`python -m tests.simulation`). Or
    #: ``matrix:NAME``: a cell of the fault matrix, with real processes and a real kill (`python -m tests.matrix`)
    test: str
    #: what shows the bug, as half a sentence
    sees: str

    @property
    def schedules(self) -> int | None:
        """How many schedules of the simulation it is; None for a test."""
        kind, _, count = self.test.partition(":")
        return int(count) if kind == SIMULATION else None

    @property
    def of_matrix(self) -> str | None:
        """The name of the cell of the fault matrix that it is; None for others."""
        kind, _, name = self.test.partition(":")
        return name if kind == MATRIX else None

    @property
    def is_test(self) -> bool:
        return self.schedules is None and self.of_matrix is None

    @property
    def file(self) -> str:
        return self.test.partition("::")[0]

    @property
    def function(self) -> str:
        return self.test.partition("::")[2].partition("[")[0]


@dataclass(frozen=True, slots=True, kw_only=True)
class Mutant:
    name: str
    #: the bug, and what it costs, in one sentence
    breaks: str
    edits: tuple[Edit, ...]
    #: each of these must fail on it
    cells: tuple[Cell, ...]

    def texts(self, root: Path) -> Mapping[str, str]:
        """The files that it changes, as it leaves them. Raises DoesNotApply."""
        texts: dict[str, str] = {}
        for edit in self.edits:
            path = root / edit.file
            if not path.is_file():
                raise DoesNotApply(f"{edit.file} is not there any more")
            texts[edit.file] = edit.apply_to(texts.get(edit.file) or path.read_text())
        return texts
