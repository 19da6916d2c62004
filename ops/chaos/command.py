"""From what a user asked for to cells, a run, its progress on the screen, and the exit status."""

import os
import platform
import random
import secrets
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from ops.chaos import matrix
from ops.chaos.cell import STACKS, Cell, Outcome, cell_of
from ops.chaos.report import Lines, markdown
from ops.chaos.run import Plan, Run, tried
from ops.chaos.servers import Lent


class BadRequest(ValueError):
    """The options do not make a run. The text says why."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Request:
    """The options, as they were given."""

    #: full, quick, or random (cells of the full set in random order)
    which: str = "random"
    #: these cells and no others, by name; ``*`` stands for anything
    cells: tuple[str, ...] = ()
    stacks: tuple[str, ...] = STACKS
    minutes: float | None = None
    count: int | None = None
    seed: int | None = None
    lanes: int = 3
    #: (which, of how many), from 1
    shard: tuple[int, int] = (1, 1)
    #: outcomes are added to this file, and cells that it has need not be tried again
    resume: Path | None = None
    report: Path | None = None
    lent: Lent = field(default_factory=Lent)
    keep: bool = False
    #: how somebody runs one cell alone, with a place for its name
    again: str = "steadfill chaos --cell '{cell}' --seed {seed}"


def chosen_cells(request: Request, seed: int) -> list[Cell]:
    """The cells that the options ask for, in the order of their trial. Raises BadRequest."""
    cells = _named(request.cells) if request.cells else matrix.quick() if request.which == "quick" else matrix.full()
    cells = [cell for cell in cells if cell.stack in request.stacks]
    if request.which == "random" and not request.cells:
        random.Random(seed).shuffle(cells)
    number, shards = request.shard
    if not 1 <= number <= shards:
        raise BadRequest(f"--shard {number}/{shards}: the first number goes from 1 to the second")
    cells = cells[number - 1 :: shards]
    if request.resume is not None:
        done = tried(Lines(request.resume).read())
        cells = [cell for cell in cells if cell.name not in done]
    return cells[: request.count]


def _named(names: Sequence[str]) -> list[Cell]:
    from fnmatch import fnmatchcase

    found: list[Cell] = []
    for name in names:
        if any(sign in name for sign in "*?["):
            found += [cell for cell in matrix.full() if fnmatchcase(cell.name, name)]
        else:
            try:
                found.append(cell_of(name))
            except ValueError as error:
                raise BadRequest(str(error)) from error
    if not found:
        raise BadRequest(f"no cell is named like {' '.join(names)}")
    return list(dict.fromkeys(found))


def chaos(request: Request, write: Callable[[str], None] = print) -> bool:
    """Run it; True when every cell passed that showed anything, and at least one did. Raises BadRequest."""
    seed = secrets.randbelow(1_000_000) if request.seed is None else request.seed
    cells = chosen_cells(request, seed)
    lines = Lines(request.resume) if request.resume is not None else None
    if not cells:
        write("Every one of these cells has been tried already.")
        return _finish(request, lines.read() if lines else [], [], 0.0, write)
    lanes = max(1, min(request.lanes, len(cells)))
    write(f"{len(cells)} cells, seed {seed}, {lanes} lanes; the venue is simulated, processes and kills are real")
    progress = _Progress(len(cells), write, request.again)
    outcomes: list[Outcome] = []

    def take(outcome: Outcome) -> None:
        outcomes.append(outcome)
        if lines is not None:
            lines.add(outcome)
        progress.show(outcome)

    started = time.monotonic()
    until = started + request.minutes * 60 if request.minutes is not None else None
    run = Run(Plan(cells=cells, seed=seed, lanes=lanes, lent=request.lent, until=until, keep=request.keep), take, write)
    try:
        run.run()
    except KeyboardInterrupt:
        write("Interrupted: what was started is ended; the cells so far count.")
    if request.keep:
        write(f"Logs, databases and the venue's logs are in {run.folder}")
    return _finish(request, lines.read() if lines else outcomes, run.problems, time.monotonic() - started, write)


def _finish(
    request: Request, outcomes: Sequence[Outcome], problems: Sequence[str], seconds: float, write: Callable[[str], None]
) -> bool:
    if request.report is not None:
        machine = f"{os.cpu_count()} cores, {platform.system()} {platform.release()}"
        request.report.write_text(
            markdown(outcomes, problems, seconds=seconds, lanes=request.lanes, machine=machine), encoding="utf-8"
        )
    passed = sum(outcome.verdict == "passed" for outcome in outcomes)
    failed = [outcome for outcome in outcomes if outcome.verdict == "failed"]
    unreached = len(outcomes) - passed - len(failed)
    for problem in problems:
        write(f"DOES NOT HOLD: {problem}")
    for outcome in failed:
        write(f"FAILED {outcome.cell}: {'; '.join(outcome.problems)[:400]}")
    rate = f", {len(outcomes) / seconds * 60:.0f} a minute" if seconds else ""
    aside = f", {unreached} double crashes without their second one" if unreached else ""
    write(f"{passed} passed, {len(failed)} failed{aside}; {seconds:.0f} s{rate}")
    return bool(passed) and not failed and not problems


class _Progress:
    """A line for each failure with all there is to know, and a line every few seconds for the rest."""

    EVERY_S = 5.0

    def __init__(self, total: int, write: Callable[[str], None], again: str) -> None:
        self._total = total
        self._write = write
        self._again = again
        self._count = 0
        self._failed = 0
        self._started = self._shown = time.monotonic()

    def show(self, outcome: Outcome) -> None:
        self._count += 1
        if outcome.verdict == "failed":
            self._failed += 1
            self._write(
                f"\nFAILED {outcome.cell} (seed {outcome.seed}), ended {outcome.ended or 'nothing'} after {outcome.seconds} s\n"
                + "\n".join(f"  {problem}" for problem in outcome.problems)
                + f"\n  hits: {dict(outcome.hits)}, deaths: {outcome.deaths}\n"
                + f"  alone: {self._again.format(cell=outcome.cell, seed=outcome.seed)}\n{outcome.logs}"
            )
        now = time.monotonic()
        if now - self._shown > self.EVERY_S or self._count == self._total:
            self._shown = now
            rate = self._count / max(now - self._started, 0.1) * 60
            self._write(
                f"{self._count}/{self._total} cells, {self._failed} failed, {rate:.0f} a minute; last: {outcome.cell}"
            )
            sys.stdout.flush()
