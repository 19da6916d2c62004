"""`docs/mutants.md`, made from the catalog: the table that says which cell catches which bug, and by what."""

from __future__ import annotations

import platform
from collections.abc import Sequence
from dataclasses import dataclass

from tests.mutants.mutant import Mutant

PATH = "docs/mutants.md"

BEGIN, END = "<!-- table -->", "<!-- end of the table -->"

HEAD = """\
# Mutants

A test that nothing can make fail proves nothing. So each promise of [`guarantees.md`](guarantees.md) is broken here on
purpose: a *mutant* is one small edit of the real code, a bug that somebody could write, and each is caught by the *cells*
named beside it. A cell is a test; it fails on the mutant and passes on the real code, and both are run.

```
make mutants                                     # all of them, a few minutes; writes nothing
python -m tests.mutants --only blind-retry       # one of them, with what each cell said
python -m tests.mutants --list
```

Each runs in a copy of the tree, never in the tree itself. It is *caught* when every named cell fails, and not by a typing
error; one that survives, or whose words are no longer in the code, makes the command fail. `tests/unit/mutants/` checks
with every `make test` that each still applies, that its cells exist and that this page is the catalog's
(`tests/mutants/catalog.py`; written by `python -m tests.mutants --write`).
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Took:
    wall_s: float
    #: of all that the run started
    cpu_s: float
    #: trees that were worked on at a time
    jobs: int


def summary(caught: int, count: int, took: Took) -> str:
    return (
        f"{caught} of {count} mutants caught in {took.wall_s / 60:.1f} minutes, {took.jobs} at a time, with "
        f"{took.cpu_s / 60:.1f} minutes of processor time (Python {platform.python_version()})."
    )


def table(mutants: Sequence[Mutant]) -> str:
    """One row a mutant; a cell's file stands without the folder that all share."""
    rows = ["| mutant | what it breaks | caught by | how |", "|---|---|---|---|"]
    for mutant in mutants:
        cells = "<br>".join(f"`{cell.test.removeprefix('tests/')}`" for cell in mutant.cells)
        sees = "<br>".join(dict.fromkeys(cell.sees for cell in mutant.cells))
        rows.append(f"| `{mutant.name}` | {mutant.breaks} | {cells} | {sees} |")
    return "\n".join([BEGIN, *rows, END])


def page(mutants: Sequence[Mutant], last_run: str) -> str:
    from tests.mutants.notes import NOTES

    return "\n".join([HEAD, f"Last whole run: {last_run}\n", table(mutants), "", NOTES])
