"""`python -m tests.simulation`: many schedules, or one again.

Run from the root of a checkout, patched or not: it simulates the code of that tree. Exits 1 when something did not hold.
"""

from __future__ import annotations

import argparse
import os
import sys
import time
from collections import Counter
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass

from tests.simulation.choices import Decision
from tests.simulation.config import Config
from tests.simulation.mutants import MUTANTS
from tests.simulation.shrinking import shrunk
from tests.simulation.simulate import Result, opened


@dataclass(frozen=True, slots=True)
class Batch:
    """What a process ran."""

    count: int
    wall_s: float
    cpu_s: float
    virtual_s: float
    digest: int
    #: seed → what did not hold
    found: dict[int, tuple[str, ...]]


def main() -> int:
    options = _parse()
    config = Config(mutant=options.mutant, quick=not options.plain)
    if options.replay is not None or options.decisions:
        return _again(options, config)
    cores = min(options.jobs, options.schedules)
    seeds = [range(options.seed + core, options.seed + options.schedules, cores) for core in range(cores)]
    started = time.monotonic()
    if cores == 1:
        batches = [_run(seeds[0], config, options.first, None)]
    else:
        with ProcessPoolExecutor(cores) as pool:
            batches = list(pool.map(_run, seeds, [config] * cores, [options.first] * cores, range(cores)))
    return _tell(batches, time.monotonic() - started, options.seed)


def _run(seeds: range, config: Config, first: bool, core: int | None) -> Batch:
    if core is not None and hasattr(os, "sched_setaffinity"):
        # Threads hand over to each other: three times as fast on one core as across two.
        cores = sorted(os.sched_getaffinity(0))
        os.sched_setaffinity(0, {cores[core % len(cores)]})
    found: dict[int, tuple[str, ...]] = {}
    virtual_s, digest, count = 0.0, 0, 0
    with opened(config) as simulation:
        wall, cpu = time.perf_counter(), time.process_time()
        for seed in seeds:
            result = simulation.run(seed, config)
            count += 1
            virtual_s += result.lasted_s
            digest ^= int(result.digest, 16) * (seed + 1) % (1 << 64)
            if result.violations:
                found[seed] = result.violations
                print(f"seed {seed}: {result.violations[0]}", flush=True)
                if first:
                    break
        wall, cpu = time.perf_counter() - wall, time.process_time() - cpu
    return Batch(count, wall, cpu, virtual_s, digest, found)


def _tell(batches: list[Batch], wall_s: float, seed: int) -> int:
    count = sum(batch.count for batch in batches)
    digest = 0
    for batch in batches:
        digest ^= batch.digest
    found = {seed: sentences for batch in batches for seed, sentences in batch.found.items()}
    per_core = sum(batch.count / batch.cpu_s for batch in batches) / len(batches) * 60
    print(
        f"{count} schedules from seed {seed}: {len(found)} with violations; {count / wall_s * 60:,.0f} a minute on "
        f"{len(batches)} processes in {wall_s:.1f} s ({per_core:,.0f} a minute of one core's time); "
        f"{sum(batch.virtual_s for batch in batches) / 3600:.1f} virtual hours; digest {digest:016x}"
    )
    kinds = Counter(" ".join(sentences[0].split()[:6]) for sentences in found.values())
    for kind, number in kinds.most_common(12):
        print(f"  {number:5d} × {kind} …")
    if found:
        print(f"the first again, with its trace: python -m tests.simulation --replay {min(found)} --shrink")
    return 1 if found else 0


def _again(options: argparse.Namespace, config: Config) -> int:
    with opened(config) as simulation:
        if options.decisions:
            result = simulation.replay([Decision.parse(text) for text in options.decisions], config)
        else:
            result = simulation.run(options.replay, config)
        if options.shrink and result.violations:
            result = shrunk(simulation, result, config)
    _show(result)
    return 1 if result.violations else 0


def _show(result: Result) -> None:
    print("\n".join(result.trace))
    print(f"\n{len(result.decisions)} decisions that were not the plain ones:")
    print("--decisions " + " ".join(repr(str(entry)) for entry in result.decisions))
    print(f"digest {result.digest}; {result.lasted_s:.1f} virtual seconds")
    for sentence in result.violations:
        print(f"VIOLATION {sentence}")


def _parse() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m tests.simulation", description=__doc__)
    parser.add_argument("--schedules", type=int, default=1_000, metavar="N")
    parser.add_argument("--seed", type=int, default=0, metavar="S", help="the first seed")
    parser.add_argument("--jobs", type=int, default=os.cpu_count() or 1, metavar="N", help="processes")
    parser.add_argument("--replay", type=int, metavar="SEED", help="one schedule again, with its trace")
    parser.add_argument("--decisions", nargs="+", metavar="LABEL#N=V", help="the schedule that these decisions make")
    parser.add_argument("--shrink", action="store_true", help="with --replay: only the decisions that it takes")
    parser.add_argument("--mutant", choices=sorted(MUTANTS), help="with a seeded bug")
    parser.add_argument("--first", action="store_true", help="stop at the first violation")
    parser.add_argument("--plain", action="store_true", help="statements through SQLAlchemy's own connection")
    return parser.parse_args()


if __name__ == "__main__":
    sys.exit(main())
