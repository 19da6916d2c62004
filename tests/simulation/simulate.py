"""One seed, one schedule: `simulate(seed, config)`. The same seed and config give the same trace, byte for byte."""

from __future__ import annotations

import gc
import hashlib
import random
from collections.abc import Iterable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass

import failpoints
from storage.deployment import prefix_of_deployment
from storage.ledger import open_venue_account
from tests.simulation.choices import Choices, Decision
from tests.simulation.clock import at_micros
from tests.simulation.config import FACTORS, FAULTS_END_S, LAST_CALL_S, SCALED, Config
from tests.simulation.database import Database
from tests.simulation.deployment import Deployment, SimulatedRuntime
from tests.simulation.fibers import Carrier, dismiss
from tests.simulation.oracle import Oracle
from tests.simulation.scene import Clients, draw_venue, draw_wishes
from tests.simulation.venue import Venue
from tests.simulation.world import S_US, START_US, World

#: schedules between two looks for garbage; a look costs as much as some schedules
GARBAGE_EVERY = 25

#: how often beat gives its hints, in microseconds, and how long they are worth something
RESCUE_EVERY_US = 2 * S_US
WATCH_EVERY_US = S_US


@dataclass(frozen=True, slots=True, kw_only=True)
class Result:
    seed: int | None
    #: what did not hold, in the order in which it was found; empty is what is wanted
    violations: tuple[str, ...]
    #: the decisions that were not the plain ones: with `replay` they make the same schedule
    decisions: tuple[Decision, ...]
    trace: tuple[str, ...]
    #: of the trace: equal digests, equal schedules
    digest: str
    #: virtual seconds
    lasted_s: float
    picks: int
    switches: int
    #: every label under which something was decided
    labels: frozenset[str]


class Simulation:
    """Everything that many schedules share; use it as ``with opened() as simulation``."""

    def __init__(self, *, quick: bool = True) -> None:
        self._deployment = Deployment()
        self._database = Database(self._deployment.now_us, quick=quick)
        self._idle: list[Carrier] = []
        self._runs = 0
        self._collects = gc.isenabled()

    def close(self) -> None:
        if self._collects:
            gc.enable()
        gc.unfreeze()
        dismiss(self._idle)
        self._database.close()

    def prepare(self) -> None:
        """What was there before every schedule: the deployment's mark and the venue account's books."""
        at = at_micros(START_US)
        self._database.begin()
        connection = self._database.connection
        venue = Venue(draw_venue(Choices.of_decisions(())), Choices.of_decisions(()), lambda: START_US, lambda *_: None)
        prefix_of_deployment(connection, at)
        open_venue_account(connection, "sim", "main", venue.balances(), at=at)
        self._database.keep()
        # What is there by now stays: it is not looked through again and again, and never within a schedule.
        gc.collect()
        gc.freeze()
        gc.disable()

    @contextmanager
    def installed(self) -> Iterator[None]:
        with self._deployment.installed():
            yield

    def run(self, seed: int, config: Config) -> Result:
        """The schedule of a seed."""
        return self._run(choices_of(seed, config), seed, config)

    def replay(self, decisions: Iterable[Decision], config: Config) -> Result:
        """The schedule that some decisions make, all others plain."""
        return self._run(Choices.of_decisions(decisions), None, config)

    def _run(self, choices: Choices, seed: int | None, config: Config) -> Result:
        del config
        self._runs += 1
        if self._runs % GARBAGE_EVERY == 0:
            gc.collect()
            gc.freeze()  # what is still there is remembered statements and values: not to be looked through again
        deployment = self._deployment
        deployment.dice.seed(0)
        world = World(choices, self._database, self._idle)
        venue = Venue(draw_venue(choices), choices, lambda: world.now_us, world.later)
        clients = Clients(world, venue, draw_wishes(choices))
        oracle = Oracle(world, venue, clients)
        world.make_runtime = lambda process: SimulatedRuntime(deployment.settings, world, process, venue)
        world.at_rest = oracle.at_rest
        world.sweep = deployment.sweep
        world.broker.perform = deployment.perform
        deployment.world = world
        failpoints.set_hook(world.stage)
        self._database.begin()
        try:
            for name, slots in (("api", 4), ("worker-a", 2), ("worker-b", 2)):
                world.start(name, slots)
            _plan(world, clients, oracle)
            world.run()
            world.now_us += 1
            oracle.check_end()
        finally:
            deployment.world = None
            failpoints.set_hook(None)
            self._database.reset()
        result = Result(
            seed=seed,
            violations=tuple(world.violations),
            decisions=tuple(choices.made),
            trace=tuple(world.trace),
            digest=hashlib.sha256("\n".join(world.trace).encode()).hexdigest()[:16],
            lasted_s=(world.now_us - START_US) / S_US,
            picks=world.picks,
            switches=world.fibers.switches,
            labels=choices.labels,
        )
        world.dissolve()
        for part in (venue, clients, oracle):
            vars(part).clear()
        return result


def _plan(world: World, clients: Clients, oracle: Oracle) -> None:
    """What time brings by itself."""
    clients.begin()
    world.every(RESCUE_EVERY_US, "beat", lambda: _hint_to_rescue(world))
    world.every(WATCH_EVERY_US, "beat", lambda: _hint_to_watch(world))
    world.every(3 * S_US, "oracle", oracle.check_holds)
    world.later(int(FAULTS_END_S * S_US), "calm", world.calm_down)
    world.later(int(LAST_CALL_S * S_US), "last call", lambda: _last_calls(world, clients))


def _last_calls(world: World, clients: Clients) -> None:
    clients.last_call()
    world.every(10 * S_US, "last call", clients.last_call)


def _hint_to_rescue(world: World) -> None:
    """Beat's hint, left out where nothing stands: it would find nothing, and most of them do."""
    at = world.now_us + max((process.clock_off_us for process in world.processes), default=0)
    ((*dues, unapplied),) = world.database.unchanged_rows(
        "SELECT (SELECT min(rescue_at) FROM orders), (SELECT min(attend_at) FROM child_orders),"
        " (SELECT min(expires_at) FROM orders WHERE ending IS NULL), EXISTS (SELECT 1 FROM reports WHERE applied_at IS NULL)"
    )
    if unapplied or any(due is not None and due <= at for due in dues):
        world.broker.publish("orders.rescue", {}, (), "housekeeping", expires_us=RESCUE_EVERY_US)


def _hint_to_watch(world: World) -> None:
    ((rests,),) = world.database.unchanged_rows(
        "SELECT EXISTS (SELECT 1 FROM child_orders "
        "WHERE status IN ('ACCEPTED', 'PARTIALLY_FILLED', 'PENDING_CANCEL', 'PENDING_AMEND'))"
    )
    if rests:
        world.broker.publish("orders.watch", {}, (), "housekeeping", expires_us=2 * S_US)


def choices_of(seed: int, config: Config) -> Choices:
    """A seed's dice: each kind of fault is scaled for the whole schedule, so that schedules differ in what they try."""
    dice = random.Random(f"scale {seed}")
    chances = dict(config.chances)
    for kind in SCALED:
        chances[kind] = min(chances[kind] * dice.choice(FACTORS), 0.9)
    return Choices.of_seed(f"schedule {seed}", chances, config.budget)


@contextmanager
def opened(config: Config | None = None) -> Iterator[Simulation]:
    """A simulation whose seams are in place while the block runs."""
    config = config or Config()
    from tests.simulation.mutants import mutated

    with ExitStack() as stack:
        stack.enter_context(mutated(config.mutant))
        simulation = Simulation(quick=config.quick)
        stack.enter_context(simulation.installed())
        simulation.prepare()
        try:
            yield simulation
        finally:
            simulation.close()


def simulate(seed: int, config: Config | None = None) -> Result:
    """One schedule; for many of them `opened` saves making the database each time."""
    config = config or Config()
    with opened(config) as simulation:
        return simulation.run(seed, config)


def replay(decisions: Sequence[Decision], config: Config | None = None) -> Result:
    config = config or Config()
    with opened(config) as simulation:
        return simulation.replay(decisions, config)
