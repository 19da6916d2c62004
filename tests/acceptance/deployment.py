"""A whole deployment of real processes: API, workers, beat, paper venue, on one of the three stacks."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

from celery import Celery
from sqlalchemy import Engine

from ops.probe import answers
from ops.roles import Piece, pieces
from settings import load_settings
from storage.engine import make_engine
from tests.acceptance.client import SOON_S, Client
from tests.support.paper import KEY, KEY_2, SECRET, SECRET_2, PaperProcess
from tests.support.processes import Process, free_port
from tests.support.waiting import eventually

#: Short windows, so that what has to be waited out is over soon; and no order grows too old to be sent while a piece is
#: away, however slow the machine. A request that a stall makes late is refused by the venue and sent again: what a test
#: says of one request has to hold then as well.
#: The tests of this deployment deal out failures by the dozen and ask as fast as they can; what breaker and rate do then
#: has tests with configurations of their own.
CONFIGURATION = f"""[breaker]
failure_threshold = 1000

[execution]
lease_ms = 1000
max_age_s = 3600
late_slice_s = 30
retry_base_ms = 50
retry_max_ms = 1000

[reconciliation]
nightly_at = "never"
orders_every_s = 0
second_look_s = 1

[venues.paper]
paper = true
api_key = "{KEY}"
secret = "{SECRET}"
timeout_ms = 1500
recv_window_ms = 1000
clock_skew_ms = 100
visibility_lag_ms = 300
rate_limit = "100000/second"

[venues.paper.accounts.second]
api_key = "{KEY_2}"
secret = "{SECRET_2}"
"""

#: Where the market stands at the start of each test; quote per base.
PRICES = {"BTCUSDT": "62000", "ETHUSDT": "2600", "SOLUSDT": "155"}

START_S = 180.0

#: how long a test waits for the orders of the one before it
LEFT_S = 60.0


@dataclass(kw_only=True)
class Server:
    """A server of the stack that is its own, so that a test may kill it."""

    kill: Callable[[], None]
    start: Callable[[], None]


class Deployment:
    """Started by ``start``; each piece can be killed, paused and started again by its name in ops/roles."""

    def __init__(
        self,
        folder: Path,
        *,
        stack: str,
        env: Mapping[str, str],
        servers: Mapping[str, Server],
        configuration: str = CONFIGURATION,
    ) -> None:
        self.stack = stack
        self._configuration = configuration
        self.folder = folder
        self.venue = PaperProcess(folder / "venue")
        self._env = dict(env)
        #: by name, ``broker`` and ``database``; without those that are only lent
        self.servers: dict[str, Server] = dict(servers)
        self.processes: dict[str, Process] = {}
        self._pieces: dict[str, Piece] = {}
        self._log_starts: dict[str, int] = {}

    # ---------------------------------------------------------------------------------------------------- the pieces

    def start(self) -> None:
        """Everything, in the order of ops/roles; returns when orders can be taken."""
        self.folder.mkdir(parents=True, exist_ok=True)
        self.venue.start()
        file = self.folder / "steadfill.toml"
        file.write_text(self._configuration)
        self.env = {
            **self._env,
            "STEADFILL_CONFIG": str(file),
            "STEADFILL_API_PORT": str(free_port()),
            "STEADFILL_VENUES__PAPER__BASE_URL": self.venue.url,
        }
        self.settings = load_settings(self.env)
        for piece in pieces(self.settings, only=("broker", "worker", "beat", "api")):
            self._pieces[piece.name] = piece
            self.processes[piece.name] = Process(
                piece.command, log=self.folder / f"{piece.name}.log", env={**self.env, **piece.environ}
            )
        if "broker" in self.processes:
            self.servers["broker"] = Server(kill=lambda: self.kill("broker"), start=self._start_broker)
        upgrade = Process(["steadfill", "db", "upgrade"], log=self.folder / "upgrade.log", env=self.env).start()
        assert upgrade.wait(within_s=START_S) == 0, upgrade.logs()
        self.start_pieces()

    def start_pieces(self) -> None:
        """Start whatever does not run, the venue included, and wait until orders can be taken."""
        if not self.venue.alive:
            self.venue.start()
        for name, process in self.processes.items():
            if not process.is_running:
                process.start()
                if self._pieces[name].role == "broker":
                    self._wait_ready(name)
        for name in self.processes:
            self._wait_ready(name)
        eventually(self.client.is_ready, within_s=START_S, describe=lambda: f"orders are taken\n{self.tails()}")

    def kill(self, *names: str) -> None:
        """SIGKILL to these pieces and all their children."""
        for name in names:
            self.processes[name].kill()

    def kill_all(self) -> None:
        """As a power cut: API, workers, beat and the embedded broker."""
        self.kill(*self.processes)

    def restart(self, *names: str) -> None:
        self.kill(*names)
        self.start_pieces()

    def stop(self) -> None:
        for process in self.processes.values():
            process.kill()
        self.venue.kill()
        self.client.close()
        if "engine" in self.__dict__:
            self.engine.dispose()

    def _start_broker(self) -> None:
        self.processes["broker"].start()
        self._wait_ready("broker")

    def _wait_ready(self, name: str) -> None:
        piece, process = self._pieces[name], self.processes[name]
        if piece.ready is not None:
            ready = piece.ready
            process.wait_until(lambda: answers(ready), within_s=START_S, why=f"{name} answers")
        elif piece.role == "worker":
            process.wait_until(lambda: " ready" in process.logs(), within_s=START_S, why=f"{name} is ready")

    # ------------------------------------------------------------------------------------------------- ways in, looks

    @cached_property
    def client(self) -> Client:
        return Client(f"http://{self.settings.api_host}:{self.settings.api_port}")

    @cached_property
    def engine(self) -> Engine:
        """For looks that the contract has no way for: dead letters, the invariants of the ledger."""
        return make_engine(self.settings.database_url)

    def plain_celery(self) -> Celery:
        """Another service's app: it knows the broker's URL and nothing else."""
        return Celery("another-service", broker=self.settings.broker_url)

    def send_task(self, name: str, **kwargs: Any) -> None:
        with self.plain_celery() as app:
            app.send_task(name, kwargs=kwargs, queue="orders", ignore_result=True)

    def run(self, *arguments: str) -> Process:
        """A command of the command line, run to its end."""
        process = Process(["steadfill", *arguments], log=self.folder / "command.log", env=self.env).start()
        process.wait(within_s=SOON_S)
        return process

    def tails(self) -> str:
        """The end of every piece's log, for a failure."""
        return "\n".join(f"--- {name} ---\n{process.logs()[-1500:]}" for name, process in self.processes.items())

    def written(self) -> Iterator[tuple[str, str]]:
        """What each piece wrote to its log since the last ``reset``, by name."""
        for name, process in self.processes.items():
            with process.log.open("rb") as source:
                source.seek(self._log_starts.get(name, 0))
                yield name, source.read().decode(errors="replace")

    # ------------------------------------------------------------------------------------------------ between two tests

    def reset(self) -> None:
        """What a test may rely on: all pieces run, no fault is armed, nothing is halted, the market stands at PRICES, and
        nothing of a test before it is open or on its way.
        """
        for process in self.processes.values():
            if process.is_running:
                with contextlib.suppress(ProcessLookupError):
                    process.resume()
        if not self.venue.alive or not all(process.is_running for process in self.processes.values()):
            self.start_pieces()
        self.venue.disarm()
        self.venue.resume_market()
        for symbol, price in PRICES.items():
            self.venue.set_price(symbol, price)
        for scope in ({}, {"venue": "paper"}, {"venue": "paper", "account": "main"}):
            self.client.resume(**scope)
        self._end_what_is_left()
        self._log_starts = {name: process.log.stat().st_size for name, process in self.processes.items()}

    def _end_what_is_left(self) -> None:
        """An order that will not end is the failure of the test that left it, and no other's."""
        with contextlib.suppress(AssertionError):
            eventually(self._is_quiet, within_s=LEFT_S, describe="what an earlier test left has ended")

    def _is_quiet(self) -> bool:
        left = self.client.open_orders()
        for order in left:
            self.client.cancel(order["id"])
        return not left
