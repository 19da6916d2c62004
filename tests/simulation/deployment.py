"""The product inside a simulation: its settings, the runtime of each process, and the seams that are simulated."""

from __future__ import annotations

import random
import uuid
from collections.abc import Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager, nullcontext
from datetime import datetime
from pathlib import Path
from typing import Any

#: imported for their tasks and their names
from models.instrument import Instrument
from settings import Settings
from storage.engine import write
from storage.outbox import Posting
from tasks import app as celery_app
from tasks import heartbeat as heartbeats
from tasks import runtime as runtimes
from tasks.app import app
from tasks.runtime import Runtime
from tests.simulation.clock import at_micros
from tests.simulation.config import (
    LAG_MS,
    LATENCY_US,
    LEASE_MS,
    MAX_AGE_S,
    SKEW_MS,
    TIMEOUT_MS,
    WINDOW_MS,
)  # fmt: skip
from tests.simulation.database import as_engine
from tests.simulation.gateway import SimulatedGateway, instrument
from tests.simulation.patching import (
    REAL_SECRETS,
    REAL_THREADING,
    REAL_TIME,
    REAL_UUID4,
    Quiet,
    SimulatedSecrets,
    SimulatedThreading,
    SimulatedTime,
    replaced,
)  # fmt: skip
from tests.simulation.venue import SYMBOL, Venue
from tests.simulation.world import Process, World, beats
from workflows import publisher as publishers
from workflows.publisher import Publisher
from workflows.relay import sweep


def make_settings() -> Settings:
    return Settings(
        home=Path("/nonexistent"),
        broker_url="memory://",
        execution={"lease_ms": LEASE_MS, "max_age_s": MAX_AGE_S},
        venues={
            "sim": {
                "ccxt_id": "binance",
                "timeout_ms": TIMEOUT_MS,
                "recv_window_ms": WINDOW_MS,
                "clock_skew_ms": SKEW_MS,
                "visibility_lag_ms": LAG_MS,
                "accounts": {"main": {"api_key": "key", "secret": "secret"}},
            }
        },
    )


class KnownInstruments:
    """One instrument that never changes."""

    def __init__(self, known: Instrument) -> None:
        self._known = {known.symbol: known}

    def get(self, venue: str, symbol: str) -> Instrument | None:
        return self._known.get(symbol)

    peek = get

    def all_of(self, venue: str) -> Mapping[str, Instrument]:
        return self._known

    def known(self, venue: str) -> bool:
        return True

    def refresh(self, venue: str) -> list[Instrument]:
        return list(self._known.values())


class OneGateway:
    def __init__(self, gateway: SimulatedGateway) -> None:
        self._gateway = gateway

    def get(self, venue: str, account: str = "main") -> SimulatedGateway:
        return self._gateway

    def close(self) -> None:
        pass


class NothingHeldBack:
    """Breakers and rates have tests of their own; here they would only make schedules longer."""

    plans: Mapping[tuple[str, str], Any] = {}

    def turnstile(self, venue: str, account: str) -> NothingHeldBack:
        return self

    def seat(self) -> AbstractContextManager[None]:
        return nullcontext()

    def admit(self, weight: float) -> None:
        pass


class SimulatedRuntime(Runtime):
    """Of one simulated process."""

    def __init__(self, settings: Settings, world: World, process: Process, venue: Venue) -> None:
        super().__init__(settings)
        self._world = world
        self._process = process
        self.owner = f"sim:{process}"
        # What is a cached property of the real one.
        self.__dict__["engine"] = as_engine(world.engine_of(process))
        self.__dict__["protection"] = NothingHeldBack()
        fetched_at = at_micros(world.now_us)
        self.__dict__["gateways"] = OneGateway(SimulatedGateway(world, venue, fetched_at))
        self.__dict__["instruments"] = KnownInstruments(instrument(fetched_at))

    def now(self) -> datetime:
        return at_micros(self._world.now_us + self._process.clock_off_us)

    def chance(self) -> float:
        return 0.5


class SimulatedHeartbeat(heartbeats.Heartbeat):
    """The real renewals, started by virtual time; a process that is stopped or dead renews nothing."""

    def __init__(self, runtime: Runtime, world: World, process: Process) -> None:
        super().__init__(runtime)
        self._world = world
        self._process = process

    def _start(self) -> None:
        self._world.later(beats(), "heartbeat", self._beat)

    def _beat(self) -> None:
        process, world = self._process, self._world
        if process.dead or not (self._claims or self._leases) or process.beating:
            return
        process.beating = True

        def work() -> None:
            try:
                claims, leases = dict(self._claims), sorted(self._leases)
                if claims or leases:
                    self._renew(claims, leases)
            finally:
                process.beating = False
                if self._claims or self._leases:
                    world.later(beats(), "heartbeat", self._beat)

        world.spawn(process, "heartbeat", work)


class SimulatedPublisher(Publisher):
    """The real publishing after the commit, as a fiber of the process that committed."""

    def __init__(self, runtime: Runtime, world: World, process: Process) -> None:
        self._runtime = runtime
        self._world = world
        self._process = process

    def hand_over(self, posting: Posting) -> None:
        self._world.spawn(self._process, "publisher", lambda: self._go([posting]))

    def _go(self, batch: list[Posting]) -> None:
        from storage.engine import is_unavailable
        from workflows.publish import BrokerAway

        try:
            self._publish(batch)
        except Exception as error:
            if not (isinstance(error, BrokerAway) or is_unavailable(error)):
                raise


class NoProducers:
    """The pool of connections to publish through: what is published goes to the simulated broker, which needs none."""

    def acquire(self, **_: Any) -> nullcontext[None]:
        return nullcontext()


class Deployment:
    """The seams; one for many worlds, of which one at a time is the current."""

    def __init__(self) -> None:
        self.settings = make_settings()
        self.world: World | None = None
        self.dice = random.Random(0)
        self._tasks = app.tasks

    # What the code calls instead of the real thing.

    def _world(self) -> World:
        assert self.world is not None
        return self.world

    def now_us(self) -> int:
        return self.world.now_us if self.world is not None else 0

    def process(self) -> Process:
        process: Process = self._world().fiber().process
        return process

    def get_runtime(self) -> Runtime:
        runtime: Runtime = self.process().runtime
        return runtime

    def heartbeat_of(self, runtime: Runtime) -> Any:
        process = self.process()
        if process.heartbeat is None:
            process.heartbeat = SimulatedHeartbeat(runtime, self._world(), process)
        return process.heartbeat

    def publisher_of(self, runtime: Runtime) -> Publisher:
        return SimulatedPublisher(runtime, self._world(), self.process())

    def sleep(self, seconds: float) -> None:
        self._world().pause(int(seconds * 1e6))

    def send_task(self, name: str, *, kwargs: Mapping[str, Any] | None = None, queue: str = "", **options: Any) -> None:
        self._world().broker.send(name, kwargs or {}, options.get("chain") or (), queue)

    def perform(self, task: str, kwargs: Mapping[str, Any]) -> None:
        """What a worker does with a message of ours; a message for somebody else is only counted."""
        found = self._tasks.get(task)
        if found is None:
            self._world().line(f"{task} is somebody else's")
            return
        outcome = found.run(**kwargs)
        self._world().line(f"{self.process()} {task}: {outcome}")

    def sweep(self, process: Process) -> None:
        from storage.engine import is_unavailable
        from workflows.publish import BrokerAway

        try:
            sweep(process.runtime)
        except Exception as error:
            if not (isinstance(error, BrokerAway) or is_unavailable(error)):
                raise

    def slot(self) -> int:
        world = self.world
        fiber = world.fibers.current if world is not None else None
        return 0 if fiber is None else fiber.slot

    def bug(self, sentence: str) -> None:
        self._world().violate(f"an exception was swallowed: {sentence}")

    @contextmanager
    def installed(self) -> Iterator[None]:
        """Everything is replaced while the block runs; one at a time in a process."""
        assert not isinstance(vars(runtimes)["time"], SimulatedTime), "a simulation is open already"
        quiet = Quiet(self.bug)
        substitutes: dict[int, Any] = {
            id(Quiet): quiet,
            id(REAL_TIME): SimulatedTime(self.now_us, self.sleep),
            id(REAL_THREADING): SimulatedThreading(self.slot),
            id(REAL_SECRETS): SimulatedSecrets(self.dice_bytes),
            id(REAL_UUID4): lambda: uuid.UUID(int=self.dice.getrandbits(128)),
            id(runtimes.get_runtime): self.get_runtime,
            id(heartbeats.heartbeat_of): self.heartbeat_of,
            id(publishers.publisher_of): self.publisher_of,
        }
        send_task, producers = app.send_task, app.amqp._producer_pool
        app.send_task, app.amqp._producer_pool = self.send_task, NoProducers()
        try:
            with replaced(substitutes):
                yield
        finally:
            app.send_task, app.amqp._producer_pool = send_task, producers

    def dice_bytes(self, count: int = 16) -> bytes:
        return self.dice.randbytes(count)


__all__ = ["LATENCY_US", "SYMBOL", "Deployment", "SimulatedRuntime", "celery_app", "write"]
