"""``python -m tests.mutants [--only NAME …] [--jobs 2] [--revision HEAD] [--write] [--list]``; exit 0: every mutant is caught."""

from __future__ import annotations

import argparse
import queue
import resource
import signal
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Collection, Sequence
from contextlib import suppress
from functools import partial
from pathlib import Path
from typing import TypeVar

from tests.mutants.catalog import MUTANTS
from tests.mutants.document import PATH, Took, page, summary
from tests.mutants.mutant import SIMULATION, Cell, DoesNotApply, Mutant
from tests.mutants.running import Seen, Sight, kill_all, run_cells
from tests.mutants.tree import ROOT, Tree, copy_of

T = TypeVar("T")
R = TypeVar("R")


def main() -> int:
    asked = _arguments()
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(1))
    signal.signal(
        signal.SIGINT, signal.default_int_handler
    )  # ignored in the background of a shell, and by what it starts
    mutants = [mutant for mutant in MUTANTS if not asked.only or mutant.name in asked.only]
    unknown = set(asked.only) - {mutant.name for mutant in MUTANTS}
    if unknown:
        print(f"No mutant is named {', '.join(sorted(unknown))}; --list names them all", file=sys.stderr)
        return 2
    if asked.list:
        print("\n".join(f"{mutant.name:34} {mutant.breaks}" for mutant in mutants))
        return 0
    begun = time.monotonic()
    with tempfile.TemporaryDirectory(prefix="steadfill-mutants-") as scratch:
        jobs = min(asked.jobs, len(mutants))
        trees = [copy_of(ROOT, Path(scratch) / f"tree-{number}", asked.revision) for number in range(jobs)]
        unsound = _failing_on_the_real_code(trees, mutants)
        caught = _shared(trees, mutants, partial(_judge, unsound))
    took = Took(wall_s=time.monotonic() - begun, cpu_s=_cpu_s(), jobs=jobs)
    print(summary(sum(caught), len(mutants), took))
    if asked.write and not asked.only and all(caught):
        (ROOT / PATH).write_text(page(MUTANTS, summary(len(mutants), len(mutants), took)))
        print(f"{PATH} is written")
    return 0 if all(caught) else 1


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m tests.mutants", description=__doc__)
    parser.add_argument("--only", action="append", default=[], metavar="NAME", help="this mutant; may be repeated")
    parser.add_argument("--jobs", type=int, default=2, metavar="N", help="trees that are worked on at a time")
    parser.add_argument("--revision", metavar="REV", help="of this commit instead of the working tree as it is")
    parser.add_argument("--write", action="store_true", help=f"write {PATH} when every mutant is caught")
    parser.add_argument("--list", action="store_true", help="only name them")
    return parser.parse_args()


def _failing_on_the_real_code(trees: Sequence[Tree], mutants: Sequence[Mutant]) -> Collection[str]:
    """The named cells that do not pass on the real code: they prove nothing about a mutant."""
    tests: dict[str, dict[str, Cell]] = {}
    simulated: list[Cell] = []
    for mutant in mutants:
        for cell in mutant.cells:
            if cell.schedules is None:
                tests.setdefault(cell.file, {}).setdefault(cell.test, cell)  # one of the matrix is a file of its own
            else:
                simulated = [max([cell, *simulated], key=lambda one: one.schedules or 0)]  # the most hold the fewer
    groups = [simulated, *(list(cells.values()) for cells in tests.values())]
    seen = [one for some in _shared(trees, groups, run_cells) for one in some]
    bad = [one for one in seen if one.sight is not Sight.PASSED]
    for one in bad:
        print(f"NOT SOUND  {one.cell.test}: {one.sight} on the real code: {one.message}")
    print(f"{len(seen) - len(bad)} of {len(seen)} cells pass on the real code", flush=True)
    return {SIMULATION if one.cell.schedules else one.cell.test for one in bad}


def _judge(unsound: Collection[str], tree: Tree, mutant: Mutant) -> bool:
    """Whether every cell of the mutant passes on the real code and fails on the mutant."""
    for cell in mutant.cells:
        if (SIMULATION if cell.schedules else cell.test) in unsound:
            print(f"NO VERDICT {mutant.name}: {cell.test} fails on the real code", flush=True)
            return False
    try:
        with tree.holding(mutant):
            seen = run_cells(tree, mutant.cells)
    except DoesNotApply as error:
        print(f"STALE      {mutant.name}: does not apply any more: {error}", flush=True)
        return False
    caught = all(one.sight is Sight.FAILED for one in seen)
    lines = [f"{'caught' if caught else 'NOT CAUGHT':10} {mutant.name}", *map(_line, seen)]
    print("\n".join(lines), flush=True)
    return caught


def _cpu_s() -> float:
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


def _line(one: Seen) -> str:
    word = {Sight.FAILED: "saw it", Sight.PASSED: "SURVIVED", Sight.NONE: "NO VERDICT"}[one.sight]
    return f"           {word}: {one.cell.test.partition('::')[2] or one.cell.test}\n                   {one.message}"


def _shared(trees: Sequence[Tree], items: Sequence[T], work: Callable[[Tree, T], R]) -> list[R]:
    """What ``work`` makes of each item, in their order; each tree takes the next one as soon as it is free."""
    waiting: queue.SimpleQueue[int] = queue.SimpleQueue()
    for number in range(len(items)):
        waiting.put(number)
    results: dict[int, R] = {}

    def run(tree: Tree) -> None:
        while True:
            try:
                number = waiting.get_nowait()
            except queue.Empty:
                return
            results[number] = work(tree, items[number])

    threads = [threading.Thread(target=run, args=(tree,)) for tree in trees]
    for thread in threads:
        thread.start()
    try:
        for thread in threads:
            thread.join()
    except BaseException:  # broken off: nothing more is begun, and what runs ends
        with suppress(queue.Empty):
            while True:
                waiting.get_nowait()
        kill_all()
        raise
    if len(results) != len(items):
        raise RuntimeError("a run broke off; its error is above")
    return [results[number] for number in range(len(items))]


if __name__ == "__main__":
    sys.exit(main())
