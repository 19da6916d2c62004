"""Many cells over several lanes, one after another in each: the part that hands out cells and takes in outcomes."""

import contextlib
import json
import os
import select
import signal
import socket
import tempfile
import time
from collections import deque
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from ops.chaos.become import load_everything, ready_to_fork
from ops.chaos.cell import Cell, Outcome, outcome_of
from ops.chaos.faults import FAULTS
from ops.chaos.keeper import KEPT_LOGS, MESSAGE_BYTES, fork_keeper
from ops.chaos.servers import Lent
from ops.chaos.windows import SLOWER, SLOWEST

#: a cell that takes longer than all its attempts may hangs, and its lane is ended
HANGS_AFTER_S = 900.0

#: how long a lane may take for its last look and its end
END_S = 60.0

#: how often a lane may break under one cell, and lanes of one stack in a row, before that counts
MOST_BROKEN = 3

#: processes that want to run for each core, from which on a lane begins at a slower pace
CROWDED = 5

#: so many cells are worth another lane of a stack that has one
MANY = 12

#: cells of a stack that were late before all its lanes go at a slower pace
MOST_LATE = 3


@dataclass(slots=True)
class _Lane:
    name: str
    stack: str
    pace: float
    pid: int
    line: socket.socket
    since: float
    rabbitmq_url: str | None = None
    cell: Cell | None = None
    ready: bool = False
    ending: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """What a run is asked for."""

    cells: Sequence[Cell]
    seed: int
    #: how many lanes work at a time
    lanes: int
    lent: Lent = field(default_factory=Lent)
    #: stop handing out cells at this time of the monotonic clock
    until: float | None = None
    #: leave logs and databases of the lanes for a look
    keep: bool = False


class Run:
    """``say`` gets one line of what goes on beside the outcomes."""

    def __init__(self, plan: Plan, on_outcome: Callable[[Outcome], None], say: Callable[[str], None]) -> None:
        self._plan = plan
        self._on_outcome = on_outcome
        self._say = say
        self._waiting = {
            stack: deque(sorted((cell for cell in plan.cells if cell.stack == stack), key=_shape))
            for stack in dict.fromkeys(cell.stack for cell in plan.cells)
        }
        self._lanes: list[_Lane] = []
        self._made = 0
        #: lanes of a stack that broke in a row, and cells whose lane broke
        self._broken: dict[str, int] = {}
        self._broke_under: dict[Cell, int] = {}
        #: the usual pace of a stack, and the pace of a cell that was late
        self._pace = dict.fromkeys(self._waiting, 1.0)
        self._needs: dict[Cell, float] = {}
        self._late: dict[str, int] = {}
        self._rabbitmq = deque(plan.lent.rabbitmq_urls)
        #: what holds of whole lanes and does not of a cell
        self.problems: list[str] = []
        self.folder = Path(tempfile.mkdtemp(prefix="steadfill-chaos-"))

    def run(self) -> None:
        """Until every cell has its outcome, or the time is over. Call it before any thread or connection is made."""
        signal.signal(signal.SIGTERM, signal.default_int_handler)
        signal.signal(signal.SIGINT, signal.default_int_handler)  # a shell's background hands on that it is ignored
        load_everything()
        ready_to_fork()
        try:
            while self._busy():
                self._fill()
                self._take_in()
            self._end_lanes()
        finally:
            self._kill_lanes()
            if not self._plan.keep:
                _remove(self.folder)

    def _busy(self) -> bool:
        return any(lane.cell for lane in self._lanes) or (not self._over() and any(self._waiting.values()))

    def _over(self) -> bool:
        return self._plan.until is not None and time.monotonic() > self._plan.until

    def _fill(self) -> None:
        """Give every free lane a cell, and make lanes while there is work for them."""
        for lane in list(self._lanes):
            if not lane.ready or lane.cell or lane.ending or self._over():
                continue
            cell = self._next(lane)
            if cell is None:
                self._ask_to_end(lane)
            else:
                lane.cell, lane.since = cell, time.monotonic()
                with contextlib.suppress(OSError):  # a lane that is gone is noticed when it is listened to
                    lane.line.send(json.dumps({"cell": cell.name, "seed": self._plan.seed}).encode())
        while not self._over() and len(self._lanes) < self._plan.lanes:
            # The stack with most cells for each of its lanes gets the next one.
            load = {
                stack: len(cells) / (1 + sum(lane.stack == stack for lane in self._lanes))
                for stack, cells in self._waiting.items()
                if len(cells) > (MANY if any(lane.stack == stack for lane in self._lanes) else 0)
                and (stack != "postgres-rabbitmq" or self._rabbitmq)
            }
            if not load:
                break
            self._make(max(load, key=lambda stack: load[stack]))

    def _next(self, lane: _Lane) -> Cell | None:
        """The next cell for which this lane's windows are long enough."""
        waiting = self._waiting[lane.stack]
        for cell in waiting:
            if self._pace_of(cell) <= lane.pace:
                waiting.remove(cell)
                return cell
        return None

    def _pace_of(self, cell: Cell) -> float:
        return max(self._needs.get(cell, 1.0), self._pace[cell.stack])

    def _make(self, stack: str) -> None:
        self._made += 1
        name = f"lane-{self._made}"
        url = self._rabbitmq.popleft() if stack == "postgres-rabbitmq" else None
        pace = max(self._pace_of(self._waiting[stack][0]), SLOWER if _overloaded() else 1.0)
        others = [lane.line for lane in self._lanes]
        pid, line = fork_keeper(name, stack, self.folder / name, self._plan.lent, url, others, pace)
        self._lanes.append(
            _Lane(name=name, stack=stack, pace=pace, pid=pid, line=line, since=time.monotonic(), rabbitmq_url=url)
        )

    def _take_in(self) -> None:
        ready, _, _ = select.select([lane.line for lane in self._lanes], [], [], 0.5)
        for lane in [lane for lane in self._lanes if lane.line in ready]:
            self._hear(lane)
        for lane in list(self._lanes):
            if time.monotonic() - lane.since > HANGS_AFTER_S and not lane.ending and (lane.cell or not lane.ready):
                self._lose(lane, f"nothing was heard of it for {HANGS_AFTER_S:.0f} s")

    def _hear(self, lane: _Lane) -> None:
        try:
            message = lane.line.recv(MESSAGE_BYTES)
        except OSError:
            message = b""
        told = json.loads(message) if message else {}
        if "ready" in told:
            lane.ready = True
            pace = f" at pace {lane.pace:g}" if lane.pace != 1 else ""
            self._say(f"{lane.name} is up: {lane.stack}{pace}, in {time.monotonic() - lane.since:.1f} s")
        elif "outcome" in told:
            self._judge(lane, outcome_of(told["outcome"]))
        elif "ended" in told:
            self.problems += [f"{lane.name} ({lane.stack}): {problem}" for problem in told["ended"]]
            self._forget(lane)
        elif "used_up" in told:
            if lane.cell is not None:
                self._waiting[lane.stack].appendleft(lane.cell)
            self._forget(lane)
        else:
            self._lose(lane, told.get("broken") or "its process ended")

    def _judge(self, lane: _Lane, outcome: Outcome) -> None:
        """Take an outcome, or try a late cell once more at a slower pace. A lane in which a cell failed ends itself."""
        cell, lane.cell = lane.cell, None
        self._broken[lane.stack] = 0
        if outcome.verdict == "failed":
            lane.ending = True
        if cell is None or not outcome.late or lane.pace >= SLOWEST:
            self._on_outcome(outcome)
            return
        self._say(f"late, to be tried again at a slower pace: {outcome.cell}: {outcome.problems[0]}")
        self._needs[cell] = min(lane.pace * SLOWER, SLOWEST)
        self._waiting[lane.stack].appendleft(cell)
        self._late[lane.stack] = self._late.get(lane.stack, 0) + 1
        if self._late[lane.stack] % MOST_LATE == 0:
            self._pace[lane.stack] = min(self._pace[lane.stack] * SLOWER, SLOWEST)

    def _ask_to_end(self, lane: _Lane) -> None:
        lane.ending, lane.since = True, time.monotonic()
        with contextlib.suppress(OSError):
            lane.line.send(b'{"quit": true}')

    def _lose(self, lane: _Lane, why: str) -> None:
        """A lane that is of no more use: its cell has failed, the others go to another lane."""
        if lane.ending:  # it has said all that it was asked for
            self._forget(lane)
            return
        self._say(f"{lane.name} ({lane.stack}) is lost: {why.splitlines()[0] if why else 'it ended'}")
        cell = lane.cell
        if cell is not None:
            self._broke_under[cell] = self._broke_under.get(cell, 0) + 1
            if self._broke_under[cell] < MOST_BROKEN:
                self._waiting[lane.stack].appendleft(cell)
            else:
                self._on_outcome(_broken(cell, self._plan.seed, time.monotonic() - lane.since, why))
        self._forget(lane)
        self._broken[lane.stack] = self._broken.get(lane.stack, 0) + 1
        if self._broken[lane.stack] >= MOST_BROKEN and self._waiting[lane.stack]:
            left = len(self._waiting[lane.stack])
            self._waiting[lane.stack].clear()
            self.problems.append(
                f"{MOST_BROKEN} lanes of {lane.stack} broke in a row, so {left} cells of it were not tried: {why[-3000:]}"
            )

    def _forget(self, lane: _Lane) -> None:
        self._lanes.remove(lane)
        lane.line.close()
        _end(lane.pid, END_S)
        if lane.rabbitmq_url is not None:
            self._rabbitmq.append(lane.rabbitmq_url)

    def _end_lanes(self) -> None:
        for lane in self._lanes:
            if lane.ready and not lane.ending:
                self._ask_to_end(lane)
        deadline = time.monotonic() + END_S
        while self._lanes and time.monotonic() < deadline:
            for lane in [lane for lane in self._lanes if not lane.ready]:
                self._forget(lane)
            if self._lanes:
                self._take_in()

    def _kill_lanes(self) -> None:
        for lane in list(self._lanes):
            self._lanes.remove(lane)
            lane.line.close()
            _end(lane.pid, 5.0)


def _overloaded() -> bool:
    """Whether so many processes want each core now that short windows would mostly show that."""
    try:
        return os.getloadavg()[0] > CROWDED * (os.cpu_count() or 1)
    except OSError:
        return False


def _broken(cell: Cell, seed: int, seconds: float, why: str) -> Outcome:
    return Outcome(
        cell=cell.name,
        seed=seed,
        verdict="failed",
        seconds=round(seconds, 2),
        problems=(f"its lane broke {MOST_BROKEN} times: {why[:2_000]}",),
        logs=why[-KEPT_LOGS:],
    )


def _shape(cell: Cell) -> tuple[str, str]:
    """Cells that need the same venue and workers follow each other: changing them takes longer than a cell."""
    return FAULTS[cell.fault].layout, cell.dedupe


def _end(pid: int, within_s: float) -> None:
    """SIGTERM, which cleans up, then SIGKILL."""
    deadline = time.monotonic() + within_s
    with contextlib.suppress(ProcessLookupError, ChildProcessError):
        os.kill(pid, signal.SIGTERM)
        while os.waitpid(pid, os.WNOHANG)[0] == 0:
            if time.monotonic() > deadline:
                os.kill(pid, signal.SIGKILL)
                os.waitpid(pid, 0)
                return
            time.sleep(0.02)


def _remove(folder: Path) -> None:
    import shutil

    shutil.rmtree(folder, ignore_errors=True)


def tried(outcomes: Iterable[Outcome]) -> set[str]:
    """Cells that need no further try: those that were not shown and those that failed do."""
    return {outcome.cell for outcome in outcomes if outcome.verdict != "failed"}
