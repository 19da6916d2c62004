"""The world of one schedule: virtual time, processes that live, stop and die, and who goes on next.

`pick` is the whole scheduler: of everything that could go on now it chooses one, and lets time pass when nothing can.
What runs in between two picks runs alone.
"""

from __future__ import annotations

import heapq
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import partial
from typing import Any

from tests.simulation.broker import Broker, Message
from tests.simulation.choices import Choices
from tests.simulation.config import BROKER_US, FAULTS_END_S, LEASE_MS, MOST_PICKS, PATIENCE_S
from tests.simulation.database import Broken, Database, SimulatedEngine
from tests.simulation.fibers import Carrier, Fiber, Fibers, Killed

#: where virtual time begins: 2030-01-01, so that nothing of it is mistaken for a real time
START_US = 1_893_456_000_000_000
S_US = 1_000_000

#: how long a stopped process stands, in microseconds: under a lease, over it, past the venue's window, far past it
STOPS_US = (200_000, 1_000_000, 2_600_000, 8_000_000)
#: how far a host's clock jumps
JUMPS_US = (-5 * S_US, 5 * S_US, -60 * S_US, 40 * S_US)
RESTARTS_US = (300_000, 2_000_000)
#: when the broker gives back what a dead worker held: it noticed at once, by a visibility timeout, or it forgot it
REDELIVERED_US = (100_000, 5_000_000, None)

_NO_RELAY: tuple[int, None] = (0, None)

#: relays look at the outbox this often
RELAY_US = 20_000


@dataclass(eq=False)
class Process:
    """One life of one worker process; what comes after a death is another one."""

    name: str
    number: int
    slots: int
    runtime: Any = None
    heartbeat: Any = None
    dead: bool = False
    stopped_until: int = 0
    #: of the host's clock from the true time
    clock_off_us: int = 0
    fibers: list[Fiber] = field(default_factory=list)
    #: which slots of its pool are taken
    busy: set[int] = field(default_factory=set)
    relaying: bool = False
    beating: bool = False

    def __str__(self) -> str:
        return f"{self.name}.{self.number}"


class World:
    def __init__(self, choices: Choices, database: Database, idle: list[Carrier]) -> None:
        self.choices = choices
        self.database = database
        self.now_us = START_US
        self.processes: list[Process] = []
        #: all that ever were, the dead as well
        self.lives: list[Process] = []
        self.broker = Broker(self)
        self.fibers = Fibers(self._pick_safely, idle)
        self.trace: list[str] = []
        self.violations: list[str] = []
        #: requests that have left and not arrived
        self.flying = 0
        self.calm = False
        self.over = False
        self.in_transaction = False
        self.picks = 0
        #: makes the runtime of a new process
        self.make_runtime: Callable[[Process], Any] = lambda _process: None
        #: whether nothing is left to do, asked when everything stands still after the faults' end
        self.at_rest: Callable[[], bool] = lambda: False
        #: started by a relay
        self.sweep: Callable[[Process], None] = lambda _process: None
        self._ready: list[Fiber] = []
        self._unwinding: list[Fiber] = []
        self._events: list[tuple[int, int, str, Callable[[], None]]] = []
        self._sequence = 0

    def dissolve(self) -> None:
        """It is over. Everything of it holds the world and is held by it: let go, so that nobody has to look for it."""
        for process in self.lives:
            process.__dict__.clear()
        self.__dict__.clear()

    # ------------------------------------------------------------------------------------------------------- telling

    def line(self, text: str) -> None:
        self.trace.append(f"{(self.now_us - START_US) / 1e6:10.6f} {text}")

    def violate(self, sentence: str) -> None:
        self.violations.append(sentence)
        self.line(f"VIOLATION {sentence}")

    # ------------------------------------------------------------------------------------------------------ processes

    def start(self, name: str, slots: int) -> Process:
        process = Process(name=name, number=len(self.lives) + 1, slots=slots)
        process.runtime = self.make_runtime(process)
        self.processes.append(process)
        self.lives.append(process)
        self.line(f"{process} starts")
        return process

    def process(self, name: str) -> Process | None:
        """The one that lives under a name; None while it is dead."""
        return next((process for process in self.processes if process.name == name), None)

    def kill(self, process: Process) -> None:
        """Nothing of it acts from now on. It comes back after a while, as another process."""
        if process.dead:
            return
        self.line(f"{process} is killed")
        process.dead = True
        process.busy.clear()
        self.processes.remove(process)
        for fiber in process.fibers:
            if fiber.carrier is not None:
                self._unwinding.append(fiber)
        self._ready = [fiber for fiber in self._ready if fiber.process is not process]
        self.broker.worker_lost(process)
        if not self.over:
            delay = RESTARTS_US[self.choices.choose("how:restart", len(RESTARTS_US))]
            self.later(delay, "restart", lambda: self._restart(process))

    def _restart(self, dead: Process) -> None:
        if not self.over:
            self.start(dead.name, dead.slots)
            if dead.name.startswith("worker"):
                self.broker.publish("orders.rescue", {}, (), "housekeeping")

    def stop(self, process: Process, duration_us: int) -> None:
        """SIGSTOP, and SIGCONT later: its clock goes on, it does not."""
        self.line(f"{process} is stopped for {duration_us / 1e6:g} s")
        process.stopped_until = max(process.stopped_until, self.now_us + duration_us)
        self.later(duration_us, "continue", lambda: None)

    def jump(self, process: Process, by_us: int) -> None:
        self.line(f"the clock of {process} jumps by {by_us / 1e6:g} s")
        process.clock_off_us = by_us

    def calm_down(self) -> None:
        """The fair end: no more faults, everybody lives, clocks are right."""
        self.line("the faults end")
        self.calm = self.choices.calm = True
        for process in self.processes:
            process.stopped_until = 0
            process.clock_off_us = 0

    def runs(self, process: Process) -> bool:
        return not process.dead and process.stopped_until <= self.now_us

    # --------------------------------------------------------------------------------------------------------- fibers

    def fiber(self) -> Fiber:
        fiber = self.fibers.current
        assert fiber is not None
        return fiber

    def spawn(self, process: Process, name: str, work: Callable[[], None], *, slot: int | None = None) -> Fiber:
        """Have a process do something, as soon as it is its turn."""

        def job() -> None:
            try:
                if not process.dead:
                    work()
            except Killed:
                pass
            except Exception as error:  # noqa: BLE001 - whatever it is, it is found
                self.violate(f"{name} in {process} crashed: {type(error).__name__}: {error}")
            finally:
                self.in_transaction = False
                process.fibers.remove(fiber)
                if slot is not None:
                    process.busy.discard(slot)

        fiber = Fiber(name=name, process=process, job=job, slot=slot if slot is not None else 100 + len(process.fibers))
        process.fibers.append(fiber)
        self._ready.append(fiber)
        return fiber

    def stage(self, name: str) -> None:
        """A failpoint of the code is reached."""
        fiber = self.fibers.current
        if fiber is not None:
            if self.in_transaction:
                self._inside(fiber, name)
            else:
                self.point(name)

    def point(self, place: str) -> None:
        """Where anything may happen to the process that runs, and others may go on."""
        fiber = self.fibers.current
        assert fiber is not None
        process = fiber.process
        if process.dead:
            raise Killed
        assert not self.in_transaction, f"a transaction is open at {place}"
        what = self.choices.choose(f"at:{fiber.name} {place}", 8)
        if what == 0:
            return
        self.line(f"{process} {fiber.name} at {place}: {what}")
        if what <= 2:
            self._yield(fiber)
        elif what == 3:
            self.kill(process)
        elif what == 4:
            self.pause(300_000)
        elif what == 5:
            self.jump(process, JUMPS_US[self.choices.choose("how:jump", len(JUMPS_US))])
        elif what == 6:
            for other in list(self.processes):
                self.kill(other)
        else:
            self.stop(process, STOPS_US[self.choices.choose("how:stop", len(STOPS_US))])
            self._yield(fiber)
        if process.dead:
            raise Killed

    def _inside(self, fiber: Fiber, place: str) -> None:
        """In a transaction: its process may die, or its connection break."""
        what = self.choices.choose(f"in:{fiber.name} {place}", 3)
        if what == 0:
            return
        self.line(f"{fiber.process} {fiber.name} in a transaction at {place}: {what}")
        if what == 1:
            self.kill(fiber.process)
            raise Killed
        raise Broken("the connection broke")

    def pause(self, duration_us: int) -> None:
        """Sleep."""
        fiber = self.fiber()
        until = self.now_us + duration_us
        self.wait(fiber, lambda: self.now_us >= until, duration_us)

    def wait(self, fiber: Fiber, happened: Callable[[], bool], at_most_us: int) -> None:
        """Until it happened and somebody wakes the fiber, or the time is over."""
        if self.in_transaction:
            self.violate(f"{fiber.name} waits inside a transaction")
        until = self.now_us + at_most_us
        self.later(at_most_us, "time is over", lambda: self.wake(fiber))
        while not happened() and self.now_us < until:
            fiber.parked = True
            self.fibers.park(fiber)
            fiber.parked = False
            if fiber.process.dead:
                raise Killed

    def wake(self, fiber: Fiber) -> None:
        if fiber.parked and not fiber.done and not fiber.process.dead and fiber not in self._ready:
            self._ready.append(fiber)

    def _yield(self, fiber: Fiber) -> None:
        self._ready.append(fiber)
        self.fibers.park(fiber)
        if fiber.process.dead:
            raise Killed

    # ----------------------------------------------------------------------------------------------------- scheduling

    def later(self, delay_us: int, name: str, happens: Callable[[], None]) -> None:
        self._sequence += 1
        heapq.heappush(self._events, (self.now_us + delay_us, self._sequence, name, happens))

    def every(self, period_us: int, name: str, happens: Callable[[], None]) -> None:
        def again() -> None:
            if not self.over:
                happens()
                self.later(period_us, name, again)

        self.later(period_us, name, again)

    def run(self) -> None:
        self.fibers.run()

    def _pick_safely(self) -> Fiber | None:
        try:
            return self._pick()
        except Exception as error:  # noqa: BLE001 - a defect of the simulation must not hang it
            self.violate(f"the simulation itself failed: {type(error).__name__}: {error}")
            self._end()
            return self._unwinding.pop() if self._unwinding else None

    def _pick(self) -> Fiber | None:
        while True:
            while self._unwinding:
                dying = self._unwinding.pop()
                if not dying.done:
                    return dying
            if self.over:
                return None
            self.picks += 1
            if self.picks > MOST_PICKS or self.now_us > START_US + int(PATIENCE_S * S_US):
                self.violate("it does not come to rest")
                self._end()
                continue
            if self._ready or self.broker.waits:
                fiber = self._next_ready()
                if fiber is not None:
                    return fiber
            self._let_time_pass()

    def _next_ready(self) -> Fiber | None:
        able = [fiber for fiber in self._ready if self.runs(fiber.process)] if self._ready else []
        messages = self.broker.deliverable() if self.broker.waits else ()
        count = len(able) + len(messages)
        if not count:
            return None
        chosen = self.choices.choose("pick", min(count, 4)) if count > 1 else 0
        if chosen < len(able):
            fiber = able[chosen]
            self._ready.remove(fiber)
            return fiber
        return self._deliver(*messages[chosen - len(able)])

    def _deliver(self, message: Message, able: list[Process]) -> Fiber:
        process = able[self.choices.choose("who", len(able))] if len(able) > 1 else able[0]
        slot = next(slot for slot in range(process.slots) if slot not in process.busy)
        process.busy.add(slot)
        self.broker.take(message, process)
        fiber = self.spawn(process, message.task, lambda: self.broker.work(message, process), slot=slot)
        self._ready.remove(fiber)
        return fiber

    def _let_time_pass(self) -> None:
        """Nothing can go on now: on to the next moment at which something may."""
        relay_at, relaying = self._next_relay()
        next_at = self._events[0][0] if self._events else None
        if relaying is not None and (next_at is None or relay_at < next_at):
            self.now_us = max(self.now_us, relay_at)
            relaying.relaying = True
            self.spawn(relaying, "relay", partial(self._relay, relaying))
            return
        if self.calm and self.at_rest():
            self._end()
            return
        if next_at is None:
            self.violate("nothing is left that could go on")
            self._end()
            return
        at, _, _, happens = heapq.heappop(self._events)
        self.now_us = max(self.now_us, at)
        happens()

    def _next_relay(self) -> tuple[int, Process | None]:
        """When the first row of the outbox is due for the first process whose relay thread is free."""
        ((due,),) = self.database.unchanged_rows("SELECT min(due_at) FROM outbox")
        if due is None:
            return _NO_RELAY
        found: tuple[int, Process | None] = (0, None)
        for process in self.processes:
            if process.name.startswith("worker") and not process.relaying and self.runs(process):
                at = max(due - process.clock_off_us, self.now_us) + RELAY_US
                if found[1] is None or at < found[0]:
                    found = (at, process)
        return found

    def _relay(self, process: Process) -> None:
        try:
            self.sweep(process)
        finally:
            process.relaying = False

    def _end(self) -> None:
        """Everything is taken down, so that every thread comes back."""
        self.over = True
        self.choices.calm = True
        for process in list(self.processes):
            self.kill(process)

    # ------------------------------------------------------------------------------------------------------- database

    def _enter(self, fiber: Fiber) -> None:
        self.point("begin")
        if self.choices.choose(f"db:{fiber.name} begin", 2):
            self.line(f"{fiber.process} {fiber.name}: the database is away")
            raise Broken("the database is away")
        self.in_transaction = True

    def engine_of(self, process: Process) -> SimulatedEngine:
        def enter(writes: bool) -> None:
            if process.dead:
                raise Killed
            if writes and self.fibers.current is not None:
                self._enter(self.fibers.current)

        def leave() -> tuple[bool, bool]:
            if process.dead:
                raise Killed
            fiber = self.fibers.current
            if fiber is None:
                return True, True
            what = self.choices.choose(f"db:{fiber.name} commit", 3)
            if what:
                self.line(
                    f"{process} {fiber.name}: the connection breaks in a commit that {'fails' if what == 1 else 'holds'}"
                )
            return what != 1, what == 0

        def ended() -> None:
            self.in_transaction = False

        return SimulatedEngine(self.database, enter, leave, ended)


def beats(lease_ms: int = LEASE_MS) -> int:
    """Microseconds between two renewals."""
    return lease_ms * 1000 // 3


__all__ = ["BROKER_US", "FAULTS_END_S", "START_US", "S_US", "Process", "World", "beats"]
