"""A lane: one long-lived deployment of real processes with servers and a venue of its own, in which cell follows cell."""

import contextlib
import json
import os
import secrets
import signal
import socket
import time
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any, Self

import requests
from sqlalchemy import Engine

from ops.chaos import servers, windows
from ops.chaos.become import Piece
from ops.chaos.cell import DEDUPE
from ops.chaos.venue_log import VenueLog
from ops.chaos.zygote import fork_zygote
from ops.roles import QUEUES
from settings import Settings, load_settings
from tasks.queues import HOUSEKEEPING

#: a lane must answer within this, on however slow a machine
START_S = 300.0

#: what a lane waits at most for one of its own servers to come back
BACK_S = 120.0

#: seconds between two looks at whether something has come about
LOOK_EVERY_S = 0.02

#: of the lanes' servers, which come back on the port that they had: below the range that Linux hands out (32768 on)
PORTS = range(20_000, 32_000)

_HTTP_TIMEOUTS_S = (1.0, 3.0)

#: besides ``main``: accounts whose books are not open yet, one for each cell that opens some
FRESH_ACCOUNTS = 16

#: who does the steps: ``threads`` two workers of several threads, ``prefork`` one worker of child processes, with the
#: housekeeping beside it in a worker of its own
LAYOUTS: Mapping[str, tuple[str, ...]] = {"threads": ("worker-1", "worker-2"), "prefork": ("prefork", "housekeeping")}

_STEPS = ",".join(name for name in QUEUES.split(",") if name != HOUSEKEEPING)


class LaneBroken(Exception):
    """The lane itself can't go on. The text says what happened, with the end of the logs."""


class LaneUsedUp(Exception):
    """The lane has nothing wrong, and not what the cell needs: a new one has."""


class Lane:
    """Use it as a context manager, in the process that is to be its own: it forks before it opens anything."""

    def __init__(
        self, name: str, stack: str, home: Path, lent: servers.Lent, rabbitmq_url: str | None = None, pace: float = 1.0
    ) -> None:
        self.pace = pace
        self.name = name
        self.stack = stack
        self.home = home
        self._lent = lent
        self._rabbitmq_url = rabbitmq_url
        self._cleanup = contextlib.ExitStack()
        #: piece → pid of the process that is it now
        self.pids: dict[str, int] = {}
        #: how often any process of the lane has ended
        self.deaths = 0
        self._failpoints = home / "failpoints"
        self.hits_folder = home / "hits"
        self._fresh = iter(range(FRESH_ACCOUNTS))

    # ------------------------------------------------------------------------------------------------ start and stop

    def __enter__(self) -> Self:
        try:
            self._start()
        except BaseException:
            self._cleanup.close()
            raise
        return self

    def __exit__(self, *_: object) -> None:
        self._cleanup.close()

    def _start(self) -> None:
        self.hits_folder.mkdir(parents=True)
        self.arm({})
        self.accounts = {"main": ("chaos-key", "chaos-secret")} | {
            f"fresh{number}": (f"chaos-key-{number}", f"chaos-secret-{number}") for number in range(FRESH_ACCOUNTS)
        }
        database_url = self._cleanup.enter_context(servers.database(self._lent, self.stack, self.name))
        pieces, environ = self._pieces(database_url)
        zygote, self._line = fork_zygote(pieces, environ=environ, logs=self.home / "logs", pace=self.pace)
        self._cleanup.callback(_end_zygote, zygote, self._line)
        self._line.setblocking(False)
        self.settings: Settings = load_settings({"HOME": str(self.home), **environ})
        self._open(environ)
        if self.stack == "postgres-rabbitmq":
            self._empty_queues()
        self.start_piece("broker")
        self.layout = "threads"
        self.dedupe = DEDUPE[0]
        self.start_piece(f"paper-{self.dedupe}")
        self.until(self.venue_answers, BACK_S, "the paper venue answers")
        for name in (*LAYOUTS[self.layout], "beat", "api"):
            self.start_piece(name)
        self.until(self.takes_orders, START_S, "orders are taken")

    def _open(self, environ: Mapping[str, str]) -> None:
        """What the lane itself looks with; only after the fork of the zygote."""
        from celery import Celery

        from storage.engine import make_engine
        from storage.schema import upgrade

        del environ
        upgrade(self.settings.database_url)
        self.engine: Engine = make_engine(self.settings.database_url)
        self._cleanup.callback(self.engine.dispose)
        self.log = VenueLog(self.home / "venue")
        self.http = requests.Session()
        self.http.trust_env = False
        self._cleanup.callback(self.http.close)
        #: another service's app: it knows the broker's URL and nothing else
        self.celery = Celery("another-service", broker=self.settings.broker_url, set_as_current=False)
        self._cleanup.callback(self.celery.close)
        self.api_url = f"http://127.0.0.1:{self.settings.api_port}"
        self.venue_url = str(self.settings.venues["paper"].base_url)

    def _empty_queues(self) -> None:
        """The virtual host may have served a lane before, whose orders nobody knows here."""
        from tasks.queues import QUEUES

        with self.celery.connection_for_write() as connection:
            for queue in QUEUES:
                # A channel of its own: one that is refused anything is closed.
                with contextlib.suppress(*connection.channel_errors), connection.channel() as channel:
                    channel.queue_delete(queue)

    def _pieces(self, database_url: str | None) -> tuple[list[Piece], dict[str, str]]:
        api_port, paper_port = _free_port(), _free_port()
        over_tcp = self.stack != "sqlite-embedded"
        broker, redis_url = servers.redis_piece(self.home, port=_free_port() if over_tcp else None)
        config = self.home / "steadfill.toml"
        config.write_text(windows.configuration(self.accounts, paper_port=paper_port, pace=self.pace))
        environ = {
            "STEADFILL_CONFIG": str(config),
            "STEADFILL_HOME": str(self.home),
            "STEADFILL_API_PORT": str(api_port),
            "STEADFILL_REDIS_URL": redis_url,
            "STEADFILL_BROKER_URL": redis_url,
            "STEADFILL_FAILPOINTS": f"@{self._failpoints}",
            "STEADFILL_FAILPOINTS_DIR": str(self.hits_folder),
            "TMPDIR": str(self.home),
        }
        if database_url is not None:
            environ["STEADFILL_DATABASE_URL"] = database_url
        if self.stack == "postgres-rabbitmq":
            if self._rabbitmq_url is None:
                raise servers.NoServer("postgres-rabbitmq needs RabbitMQ: name a virtual host of its own per lane")
            environ["STEADFILL_BROKER_URL"] = self._rabbitmq_url
        pieces = [
            broker,
            *(self._paper(dedupe, paper_port) for dedupe in DEDUPE),
            _worker("worker-1", QUEUES, "threads", 6),
            _worker("worker-2", QUEUES, "threads", 6),
            _worker("prefork", _STEPS, "prefork", 3),
            _worker("housekeeping", HOUSEKEEPING, "threads", 2),
            Piece(name="beat", kind="beat", arguments=("--schedule", str(self.home / "beat-schedule"))),
            Piece(name="api", kind="api", arguments=()),
        ]
        return pieces, environ

    def _paper(self, dedupe: str, port: int) -> Piece:
        options = {
            "home": str(self.home / "venue"), "port": port, "market": "still", "weight_limit": 0, "dedupe": dedupe,
            "accounts": [
                {"name": name, "key": key, "secret": secret} for name, (key, secret) in self.accounts.items()
            ],
        }  # fmt: skip
        return Piece(name=f"paper-{dedupe}", kind="paper", arguments=(json.dumps(options),))

    # ----------------------------------------------------------------------------------------------------- processes

    def start_piece(self, name: str) -> None:
        self._command({"do": "start", "name": name})

    def stop_piece(self, name: str, number: signal.Signals = signal.SIGKILL) -> None:
        """It stays away until ``start_piece``."""
        self._command({"do": "stop", "name": name, "signal": int(number)})

    def kill_piece(self, name: str) -> None:
        """SIGKILL to it and all its children; the zygote starts it anew at once."""
        self._command({"do": "kill", "name": name})

    def kill_all_of_ours(self) -> None:
        """As a power cut: workers, beat, API, and the broker where it is the lane's own."""
        for name in list(self.pids):
            if not name.startswith("paper") and not (name == "broker" and self.stack == "postgres-rabbitmq"):
                self.kill_piece(name)

    def use(self, *, layout: str, dedupe: str) -> None:
        """Bring the lane into the shape that a cell asks for."""
        if dedupe != self.dedupe:
            self._replace([f"paper-{self.dedupe}"], [f"paper-{dedupe}"])
            self.dedupe = dedupe
            self.until(self.venue_answers, BACK_S, "the paper venue answers")
        if layout != self.layout:
            self._replace(LAYOUTS[self.layout], LAYOUTS[layout])
            self.layout = layout

    def _replace(self, old: tuple[str, ...] | list[str], new: tuple[str, ...] | list[str]) -> None:
        for name in old:
            self.stop_piece(name)
        self.until(lambda: not any(name in self.pids for name in old), BACK_S, f"{old} have ended")
        for name in new:
            self.start_piece(name)
        self.until(lambda: all(name in self.pids for name in new), BACK_S, f"{new} run")

    def _command(self, command: Mapping[str, Any]) -> None:
        self._line.setblocking(True)
        try:
            self._line.send(json.dumps(command).encode())
        except OSError as error:
            raise LaneBroken(f"the zygote of {self.name} is gone: {error}\n{self.tails()}") from error
        finally:
            self._line.setblocking(False)

    def listen(self) -> None:
        """Take in what the zygote tells of starts and ends."""
        while True:
            try:
                message = self._line.recv(65_536)
            except BlockingIOError:
                return
            if not message:
                raise LaneBroken(f"the zygote of {self.name} is gone\n{self.tails()}")
            told = json.loads(message)
            if "started" in told:
                self.pids[told["started"]] = told["pid"]
            elif self.pids.get(told["ended"]) == told["pid"]:
                del self.pids[told["ended"]]
                self.deaths += 1

    def until(self, is_so: Callable[[], object], within_s: float, what: str) -> None:
        """Wait for it. Raises LaneBroken."""
        deadline = time.monotonic() + within_s
        while True:
            self.listen()
            if is_so():
                return
            if time.monotonic() > deadline:
                raise LaneBroken(f"within {within_s:.0f} s it did not come about that {what}\n{self.tails()}")
            time.sleep(LOOK_EVERY_S)

    # ----------------------------------------------------------------------------------------------------- failpoints

    def arm(self, actions: Mapping[str, str]) -> None:
        """Put these at their stages, in every process of the lane, and forget earlier hits."""
        self._write_failpoints({})
        for file in self.hits_folder.iterdir():
            file.unlink(missing_ok=True)
        if actions:
            self._write_failpoints(actions)

    def arm_nothing(self) -> None:
        """The hits so far stay."""
        self._write_failpoints({})

    def _write_failpoints(self, actions: Mapping[str, str]) -> None:
        # A new file each time: processes tell by inode and time that it has changed.
        fresh = self._failpoints.with_suffix(".new")
        fresh.write_text("".join(f"{stage}={action}\n" for stage, action in actions.items()))
        fresh.replace(self._failpoints)

    def hits(self) -> dict[str, list[int]]:
        """stage → the processes that hit it, first one first."""
        found: dict[str, list[tuple[str, int]]] = {}
        with contextlib.suppress(FileNotFoundError):
            for file in self.hits_folder.iterdir():
                stage, _, number = file.name.rpartition(".")
                with contextlib.suppress(ValueError, FileNotFoundError):
                    found.setdefault(stage, []).append((number, int(file.read_text())))
        return {stage: [pid for _, pid in sorted(pids)] for stage, pids in found.items()}

    # ------------------------------------------------------------------------------------------- callers of the lane

    def ask(self, method: str, path: str, body: Any = None) -> tuple[int, Any, bool] | None:
        """(status, document, replayed) of the API; None where no answer came."""
        try:
            answer = self.http.request(method, self.api_url + path, json=body, timeout=_HTTP_TIMEOUTS_S)
            return answer.status_code, answer.json(), "Idempotency-Replayed" in answer.headers
        except (requests.RequestException, ValueError):
            return None

    def takes_orders(self) -> bool:
        answer = self.ask("GET", "/health")
        return answer is not None and answer[0] == 200

    def venue_answers(self) -> bool:
        return self.venue("GET", "health") is not None

    def venue(self, method: str, page: str, body: Mapping[str, Any] | None = None) -> Any:
        """The admin side of the paper venue; None where it does not answer."""
        try:
            answer = self.http.request(method, f"{self.venue_url}/paper/{page}", json=body, timeout=_HTTP_TIMEOUTS_S)
        except requests.RequestException:
            return None
        if answer.status_code != 200:
            raise LaneBroken(f"{method} /paper/{page} {body} was answered {answer.status_code}: {answer.text[:500]}")
        return answer.json()

    def tell_venue(self, page: str, body: Mapping[str, Any]) -> None:
        """POST to the admin side, again until it is taken."""
        self.until(lambda: self.venue("POST", page, body) is not None, BACK_S, f"the venue takes {page}")

    def fresh_account(self) -> str:
        """An account whose books nobody has opened. Raises LaneUsedUp."""
        number = next(self._fresh, None)
        if number is None:
            raise LaneUsedUp("every account of the lane has been opened")
        return f"fresh{number}"

    # ---------------------------------------------------------------------------------------------------------- logs

    def mark_logs(self) -> dict[Path, int]:
        return {file: file.stat().st_size for file in (self.home / "logs").glob("*.log")}

    def tails(self, since: Mapping[Path, int] | None = None, characters: int = 3_000) -> str:
        """The end of what each piece wrote since the mark."""
        return "\n".join(self._tails(since or {}, characters))

    def _tails(self, since: Mapping[Path, int], characters: int) -> Iterator[str]:
        for file in sorted((self.home / "logs").glob("*.log")):
            with file.open("rb") as source:
                source.seek(since.get(file, 0))
                text = source.read().decode(errors="replace")
            if text.strip():
                yield f"--- {file.name} ---\n{text[-characters:]}"


def _worker(name: str, queues: str, pool: str, slots: int) -> Piece:
    arguments = ("-n", f"{name}@%h", "-Q", queues, "-P", pool, "-c", str(slots))
    return Piece(name=name, kind="worker", arguments=arguments)


def _free_port() -> int:
    """A port that nobody listens on, out of reach of those that the system hands to connections by itself."""
    while True:
        port = secrets.choice(PORTS)
        with socket.socket() as probe, contextlib.suppress(OSError):
            probe.bind(("127.0.0.1", port))
            return port


def _end_zygote(pid: int, line: socket.socket) -> None:
    """It ends everything it has forked, and then itself."""
    line.close()
    with contextlib.suppress(ChildProcessError):
        deadline = time.monotonic() + BACK_S
        while os.waitpid(pid, os.WNOHANG)[0] == 0:
            if time.monotonic() > deadline:
                os.killpg(pid, signal.SIGKILL)
            time.sleep(LOOK_EVERY_S)
