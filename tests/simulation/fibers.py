"""Workers as threads of which exactly one runs at any time: who goes on is decided by the simulation alone.

A fiber is a step under way with a stack of its own. When it has to wait it asks what is next, and hands over to that by
releasing its lock, or takes on a new step itself. (Greenlets would do the same at less cost; they are no dependency of
this project.)
"""

from __future__ import annotations

import threading
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any


class Killed(BaseException):
    """Raised where a process died: nothing of it may act any more, not even on its way out."""


@dataclass(eq=False, slots=True)
class Fiber:
    """One step, in one process; it begins when it is first handed over to."""

    name: str
    process: Any
    job: Callable[[], None]
    #: the thread that carries it; None before it begins
    carrier: Carrier | None = None
    done: bool = False
    #: what a thread pool would give it: the number of its slot
    slot: int = 0
    #: counts waits: a wake-up that was meant for an earlier wait is ignored
    waits: int = 0
    parked: bool = False
    state: dict[str, Any] = field(default_factory=dict)


class Carrier:
    """A thread that carries one fiber at a time."""

    def __init__(self, idle: list[Carrier]) -> None:
        self.lock = threading.Lock()
        self.lock.acquire()
        #: what it is to carry next, and for whom; None ends the thread
        self.next: tuple[Fibers, Fiber] | None = None
        self._thread = threading.Thread(target=self._run, name="simulated worker", daemon=True)
        self._thread.start()

    def _run(self) -> None:
        while True:
            self.lock.acquire()
            if self.next is None:
                return
            fibers, fiber = self.next
            fibers.carry(self, fiber)


def _nothing() -> None:
    pass


def dismiss(idle: list[Carrier]) -> None:
    """End the threads."""
    for carrier in idle:
        carrier.next = None
        carrier.lock.release()
    idle.clear()


class Fibers:
    """``pick`` says who goes on: a fiber, or None when the schedule is over. It is never called by two at a time."""

    def __init__(self, pick: Callable[[], Fiber | None], idle: list[Carrier]) -> None:
        """``idle``: threads that wait for work; they outlive a schedule, since starting one costs as much as a step."""
        self._pick = pick
        self._idle = idle
        self._main = threading.Lock()
        self._main.acquire()
        self.current: Fiber | None = None
        self.switches = 0

    def run(self) -> None:
        """Until ``pick`` says that nothing is left; called by the thread that owns the schedule."""
        fiber = self._pick()
        if fiber is None:
            return
        self._hand_over(fiber)
        self._main.acquire()

    def park(self, fiber: Fiber) -> None:
        """Let others go on until ``pick`` names this fiber."""
        chosen = self._pick()
        if chosen is fiber:
            self.current = fiber
            return
        assert fiber.carrier is not None
        self._hand_over(chosen)
        fiber.carrier.lock.acquire()

    def carry(self, carrier: Carrier, fiber: Fiber | None) -> None:
        while True:
            if fiber is None or fiber.carrier is not None:
                # Somebody else's turn: this thread waits for its next fiber.
                self._idle.append(carrier)
                self._hand_over(fiber)
                return
            fiber.carrier = carrier
            self.current = fiber
            fiber.job()
            fiber.done = True
            fiber.carrier = None
            fiber.job = _nothing  # it holds the fiber in turn, and all that it worked with
            fiber = self._pick()

    def _hand_over(self, fiber: Fiber | None) -> None:
        self.switches += 1
        self.current = fiber
        if fiber is None:
            self._main.release()
        elif fiber.carrier is not None:
            fiber.carrier.lock.release()
        else:
            carrier = self._idle.pop() if self._idle else Carrier(self._idle)
            carrier.next = (self, fiber)
            carrier.lock.release()
