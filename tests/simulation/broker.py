"""A broker in memory that delivers late, twice, in another order, or never; and gives back what a dead worker held."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Any

from kombu.exceptions import OperationalError

from tests.simulation.config import BROKER_US

if TYPE_CHECKING:
    from tests.simulation.world import Process, World

#: what may become of a message that is published
FATES = ("delivered", "twice", "late", "lost", "refused")
LATE_US = 2_500_000
TWICE_US = 400_000


@dataclass(eq=False, slots=True)
class Message:
    number: int
    task: str
    kwargs: Mapping[str, Any]
    #: the steps after it, next one last, as Celery carries a chain
    chain: Sequence[Mapping[str, Any]]
    queue: str
    #: worthless after this, None: never
    expires_at: int | None
    holder: Any = None


class Broker:
    def __init__(self, world: World) -> None:
        self._world = world
        self._count = 0
        self._waiting: list[Message] = []
        self._held: list[Message] = []
        #: runs a task by its name with its keywords
        self.perform: Callable[[str, Mapping[str, Any]], None] = lambda _task, _kwargs: None
        self.published: dict[str, int] = {}

    @property
    def busy(self) -> bool:
        return bool(self._waiting or self._held)

    @property
    def waits(self) -> bool:
        return bool(self._waiting)

    def send(self, task: str, kwargs: Mapping[str, Any], chain: Sequence[Mapping[str, Any]], queue: str) -> None:
        """What a process publishes. Raises OperationalError while the broker refuses."""
        world = self._world
        fate = FATES[world.choices.choose(f"message:{task}", len(FATES))]
        if fate != "delivered":
            world.line(f"the message {task} is {fate}")
        if fate == "refused":
            raise OperationalError("the broker takes nothing")
        if fate == "lost":
            return
        self.publish(task, kwargs, chain, queue, delay_us=LATE_US if fate == "late" else BROKER_US)
        if fate == "twice":
            self.publish(task, kwargs, chain, queue, delay_us=TWICE_US)

    def publish(
        self,
        task: str,
        kwargs: Mapping[str, Any],
        chain: Sequence[Mapping[str, Any]],
        queue: str,
        *,
        delay_us: int = BROKER_US,
        expires_us: int | None = None,
    ) -> None:
        self._count += 1
        self.published[task] = self.published.get(task, 0) + 1
        expires_at = None if expires_us is None else self._world.now_us + expires_us
        message = Message(self._count, task, dict(kwargs), tuple(chain), queue, expires_at)
        self._world.later(delay_us, "message", lambda: self._waiting.append(message))

    def _wait(self, message: Message) -> None:
        self._waiting.append(message)

    def deliverable(self) -> list[tuple[Message, list[Process]]]:
        """Messages with the processes that have a hand free for them."""
        if not self._waiting:
            return []
        world = self._world
        able = [
            process
            for process in world.processes
            if process.name.startswith("worker") and len(process.busy) < process.slots and world.runs(process)
        ]
        if not able:
            return []
        now = world.now_us
        self._waiting = [entry for entry in self._waiting if entry.expires_at is None or entry.expires_at >= now]
        return [(message, able) for message in self._waiting]

    def take(self, message: Message, process: Process) -> None:
        self._waiting.remove(message)
        message.holder = process
        self._held.append(message)
        self._world.line(f"{process} takes {message.task} {_shown(message.kwargs)}")

    def work(self, message: Message, process: Process) -> None:
        """As a worker does: run it, publish the chain's next, acknowledge. Whatever it raises ends the chain."""
        try:
            self.perform(message.task, message.kwargs)
            if message.chain:
                *rest, following = message.chain
                self._world.point("published next")
                self.send(following["task"], following["kwargs"], rest, "steps")
        except OperationalError:
            self._world.line(f"{process} could not publish what follows {message.task}")
        finally:
            if not process.dead:
                self._held.remove(message)

    def worker_lost(self, process: Process) -> None:
        from tests.simulation.world import REDELIVERED_US

        world = self._world
        lost = [message for message in self._held if message.holder is process]
        self._held = [message for message in self._held if message.holder is not process]
        if world.over:
            return
        for message in lost:
            delay_us = REDELIVERED_US[world.choices.choose("how:redelivered", len(REDELIVERED_US))]
            if delay_us is None:
                world.line(f"{message.task} is forgotten with its worker")
            else:
                world.later(delay_us, "redelivery", partial(self._wait, message))


def _shown(kwargs: Mapping[str, Any]) -> str:
    return " ".join(f"{name}={value}" for name, value in kwargs.items())
