"""The pieces of a deployment on one machine, as data: what each runs, when it is ready, how long it may take to stop."""

import json
import os
import sys
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

from ops import embedded_broker
from settings import PAPER_KEYS, Settings, VenueSettings, embedded_socket

#: in the order of their start; they stop in the order of STOP_ORDER
ROLES = ("broker", "paper", "worker", "beat", "stream", "api")

#: intake first, so that what is running can end; the broker last, since all others speak through it
STOP_ORDER = ("api", "worker", "beat", "stream", "paper", "broker")

#: seconds a worker gets to end: the soft shutdown timeout for its running tasks, and what handing back the rest takes
WORKER_DRAIN_S = 30.0

#: the queues and pools of Celery: what waits on a venue runs on many threads, the rest in processes
WORKERS = (
    ("steps", "orders,steps,housekeeping", "prefork", 2),
    ("venue", "venue", "threads", 16),
    ("urgent", "urgent", "threads", 8),
)
QUEUES = ",".join(queues for _, queues, _, _ in WORKERS)


@dataclass(frozen=True, slots=True, kw_only=True)
class Piece:
    role: str
    #: unique in the deployment; the log file has this name
    name: str
    command: tuple[str, ...]
    #: seconds from SIGTERM to SIGKILL
    stop_timeout_s: float
    #: host and port it will listen on, to be found free before it starts
    listens: tuple[str, int] | None = None
    #: what answers once it is ready: an http:// address, or the path of the broker's socket; None: at once
    ready: str | Path | None = None
    #: warnings of its log are no news for the console
    quiet: bool = False
    #: over the environment of the supervisor
    environ: dict[str, str] = field(default_factory=dict)


def pieces(settings: Settings, *, only: Sequence[str] = ROLES, venue_workers: int = 1) -> list[Piece]:
    """What runs for these roles, in the order of start. An external broker leaves out the embedded one."""
    made: list[Piece] = []
    if "broker" in only and settings.embedded_broker:
        made.append(_broker(settings))
    if "paper" in only:
        made += [_paper(settings, name, venue) for name, venue in settings.venues.items() if venue.paper]
    if settings.broker_url.startswith("memory://"):
        # Its queues live in one process, so everything that speaks through them has to live there too.
        return [*made, _one_process(settings)] if {"worker", "beat", "api"} & set(only) else made
    if "worker" in only:
        made += _workers(venue_workers)
    if "beat" in only:
        made.append(_beat(settings))
    if "stream" in only and any(venue.streams for venue in settings.venues.values()):
        made.append(_stream())
    if "api" in only:
        made.append(_api(settings))
    return made


def _broker(settings: Settings) -> Piece:
    address = embedded_socket(settings.home)
    embedded_broker.prepare(settings.home, address)
    command = embedded_broker.command(embedded_broker.binary(), settings.home, address)
    return Piece(role="broker", name="broker", command=tuple(command), stop_timeout_s=5, ready=address, quiet=True)


def _paper(settings: Settings, name: str, venue: VenueSettings) -> Piece:
    folder = paper_folder(settings, name)
    folder.mkdir(parents=True, exist_ok=True)
    options = {**venue.paper_options(), "home": str(folder), "host": "127.0.0.1"}
    keys = {
        account: (held.api_key.get_secret_value(), held.secret.get_secret_value())
        for account, held in venue.accounts.items()
    }
    if keys != {"main": tuple(PAPER_KEYS.values())}:  # with its own keys it has a second account as well
        options["accounts"] = [{"name": name, "key": key, "secret": secret} for name, (key, secret) in keys.items()]
    # In a file and not on the command line, which every user of the machine can read.
    file = folder / "config.json"
    with open(os.open(file, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "w", encoding="utf-8") as sink:  # noqa: PTH123
        json.dump(options, sink)
    return Piece(
        role="paper",
        name="paper" if name == "paper" else f"paper-{name}",
        command=(sys.executable, "-m", "exchanges.paper", "--config", str(file)),
        stop_timeout_s=5,
        listens=("127.0.0.1", venue.port),
        # The side that no fault strikes: an outage that it was told to have is no ground to start it again.
        ready=f"http://127.0.0.1:{venue.port}/paper/health",
    )


def paper_folder(settings: Settings, name: str) -> Path:
    """Where a paper venue keeps its journal."""
    return settings.home / "paper" / name


def _workers(venue_workers: int) -> list[Piece]:
    made = []
    for kind, queues, pool, slots in WORKERS:
        for number in range(1, (venue_workers if kind == "venue" else 1) + 1):
            name = kind if number == 1 else f"{kind}{number}"
            options = ("-n", f"{name}@%h", "-Q", queues, "-P", pool, "-c", str(slots))
            command = _celery("worker", *options, "--without-mingle", "--without-gossip", "--loglevel", "INFO")
            made.append(Piece(role="worker", name=f"worker-{name}", command=command, stop_timeout_s=WORKER_DRAIN_S))
    return made


def _beat(settings: Settings) -> Piece:
    folder = settings.home / "beat"
    folder.mkdir(parents=True, exist_ok=True)
    command = _celery("beat", "--schedule", str(folder / "schedule"), "--pidfile", "", "--loglevel", "INFO")
    return Piece(role="beat", name="beat", command=command, stop_timeout_s=5)


def _stream() -> Piece:
    """Where no venue streams it is left out, and where all tasks share a process: polling finds everything."""
    return Piece(role="stream", name="stream", command=(sys.executable, "-m", "ops.stream"), stop_timeout_s=15)


def _api(settings: Settings) -> Piece:
    return Piece(
        role="api",
        name="api",
        command=(sys.executable, "-m", "api"),
        stop_timeout_s=15,
        listens=(settings.api_host, settings.api_port),
        ready=f"{api_url(settings)}/health/live",
    )


def _one_process(settings: Settings) -> Piece:
    return Piece(
        role="worker",
        name="all-in-one",
        command=(sys.executable, "-m", "ops.one_process"),
        stop_timeout_s=WORKER_DRAIN_S,
        listens=(settings.api_host, settings.api_port),
        ready=f"{api_url(settings)}/health/live",
    )


def _celery(*arguments: str) -> tuple[str, ...]:
    return (sys.executable, "-m", "celery", "-A", "tasks", *arguments)


def api_url(settings: Settings) -> str:
    """Where this machine reaches the API; one that listens everywhere is reached on loopback."""
    host = {"0.0.0.0": "127.0.0.1", "::": "::1"}.get(settings.api_host, settings.api_host)  # noqa: S104
    return f"http://{f'[{host}]' if ':' in host else host}:{settings.api_port}"
