"""Real processes for tests: started, watched, killed, and never left behind, not even by a killed pytest."""

from __future__ import annotations

import contextlib
import os
import random
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import uuid
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from types import TracebackType
from typing import Self

from tests.support.guard import MARK_VARIABLE, kill, marked
from tests.support.waiting import eventually

ROOT = Path(__file__).resolve().parents[2]

#: How much of a log a failure quotes, in characters.
LOG_TAIL = 4_000

#: A net under a process that does not end, in seconds.
END_S = 120.0

#: Servers of tests listen from here up to where the kernel's ports for outgoing connections begin.
LOWEST_PORT = 10_000
#: More workers of pytest than these may choose the same port.
PORT_LANES = 16

_mark = uuid.uuid4().hex
_guard: subprocess.Popen[str] | None = None
_running: dict[int, Process] = {}
_watched: set[Path] = set()
_given_ports: set[int] = set()
_scratch: set[Path] = set()

#: pytest's temporary folder, set by tests/conftest.py: what works below it was started by a test.
base_temp: Path | None = None


class Process:
    """One process in a group of its own, with its output in a log file.

    Starting it again after its end is a restart: the log goes on, `logs()` shows what the current run wrote.
    """

    def __init__(
        self,
        command: Sequence[str | Path],
        *,
        log: Path,
        env: Mapping[str, str] | None = None,
        cwd: Path = ROOT,
        user: int | None = None,
    ) -> None:
        """`env` is added to `clean_environment()`; `user` is the numeric id to run as, for a test run by root."""
        self.command = [str(part) for part in command]
        self.log = log
        # What a killed process leaves in its temporary folder goes with the test's.
        self.env = {**clean_environment(), "TMPDIR": str(log.parent), **(env or {}), MARK_VARIABLE: _mark}
        self.cwd = cwd
        self.user = user
        self._popen: subprocess.Popen[bytes] | None = None
        self._log_start = 0

    @property
    def name(self) -> str:
        """Short, for messages."""
        return Path(self.command[0]).name

    @property
    def pid(self) -> int:
        """Of the current or the last run."""
        if self._popen is None:
            raise RuntimeError(f"{self.name} was never started, so it has no process id: call start() first.")
        return self._popen.pid

    @property
    def is_running(self) -> bool:
        """Started and not ended. A stopped (SIGSTOP) process is running."""
        return self._popen is not None and self._popen.poll() is None

    @property
    def exit_code(self) -> int | None:
        """None while it runs; minus the signal's number where one ended it."""
        return None if self._popen is None else self._popen.poll()

    def start(self) -> Self:
        """Start it and return at once; use `wait_until` for being ready."""
        if self.is_running:
            raise RuntimeError(f"{self.name} is running already as process {self.pid}: end it before a new start.")
        self.log.parent.mkdir(parents=True, exist_ok=True)
        with self.log.open("ab") as sink:
            self._log_start = sink.tell()
            self._popen = subprocess.Popen(
                self.command,
                stdin=subprocess.DEVNULL,
                stdout=sink,
                stderr=subprocess.STDOUT,
                env=self.env,
                cwd=self.cwd,
                start_new_session=True,
                user=self.user,
            )
        _running[self.pid] = self
        _tell_guard(f"group {self.pid}")
        return self

    def logs(self) -> str:
        """What the current (or last) run wrote so far."""
        with self.log.open("rb") as source:
            source.seek(self._log_start)
            return source.read().decode(errors="replace")

    def wait_until(self, is_so: Callable[[], object], *, within_s: float, why: str) -> None:
        """Wait until `is_so()` is true; AssertionError with the end of the log if it is not, or the process ends."""

        def look() -> bool:
            has_ended = not self.is_running  # before the look: what it said last counts
            if is_so():
                return True
            if has_ended:
                raise ProcessEndedError(f"{self.name} ended with {self.exit_code} before {why}.\n{self._tail()}")
            return False

        eventually(look, within_s=within_s, describe=lambda: f"{why} ({self.name})\n{self._tail()}\n")

    def send(self, number: signal.Signals) -> None:
        """A signal to the process alone."""
        if self.is_running:
            os.kill(self.pid, number)

    def pause(self) -> None:
        """SIGSTOP to the whole group, until `resume`."""
        os.killpg(self.pid, signal.SIGSTOP)

    def resume(self) -> None:
        """SIGCONT to the whole group."""
        os.killpg(self.pid, signal.SIGCONT)

    def kill(self, number: signal.Signals = signal.SIGKILL, *, group: bool = True) -> None:
        """A deadly signal, to the whole group or the process alone; waits for the end of the process."""
        if self._popen is None:
            return
        with contextlib.suppress(ProcessLookupError):
            (os.killpg if group else os.kill)(self.pid, number)
        self.wait(within_s=END_S)

    def stop(self, *, within_s: float = END_S) -> int:
        """SIGTERM to the process, then SIGKILL to what is left of its group; the exit code."""
        self.send(signal.SIGTERM)
        self.send(signal.SIGCONT)
        try:
            return self.wait(within_s=within_s)
        except subprocess.TimeoutExpired:
            raise AssertionError(f"{self.name} did not end within {within_s:g} s of SIGTERM.\n{self._tail()}") from None
        finally:
            self.kill()

    def wait(self, *, within_s: float) -> int:
        """Wait for its end; the exit code. subprocess.TimeoutExpired if it goes on."""
        assert self._popen is not None, f"{self.name} was never started"
        code = self._popen.wait(timeout=within_s)
        _running.pop(self.pid, None)
        if not _group_exists(self.pid):
            _tell_guard(f"ended {self.pid}")
        return code

    def _tail(self) -> str:
        return f"--- end of {self.log} ---\n{self.logs()[-LOG_TAIL:]}"

    def __enter__(self) -> Self:
        return self if self.is_running else self.start()

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self.kill()


class ProcessEndedError(Exception):
    """It ended while something was expected of it; the message holds its exit code and the end of its log."""


def clean_environment() -> dict[str, str]:
    """This process's environment without anything that would configure Steadfill, Celery or pytest."""
    # Without bytecode on disk each of some thousand processes would compile everything anew.
    dropped = ("STEADFILL_", "CELERY_", "PYTEST_", "SENTRY_", "PYTHONDONTWRITEBYTECODE")
    kept = {key: value for key, value in os.environ.items() if not key.startswith(dropped)}
    # `steadfill` and `celery` are those of the environment that the tests run in.
    path = os.pathsep.join((str(Path(sys.executable).parent), os.environ.get("PATH", os.defpath)))
    return {**kept, "PATH": path, "PYTHONUNBUFFERED": "1"}


def free_port() -> int:
    """A TCP port of 127.0.0.1 that was free a moment ago, and that this run gives nobody else.

    It is none of those that the kernel gives to outgoing connections: any client could get such a port while its server
    is being restarted, and one that calls its dead server could even be connected to itself.
    """
    lane = int(os.environ.get("PYTEST_XDIST_WORKER", "gw0").removeprefix("gw")) % PORT_LANES
    candidates = range(LOWEST_PORT + lane, _first_outgoing_port(), PORT_LANES)
    for port in random.sample(candidates, len(candidates)):
        if port not in _given_ports and _can_be_bound(port):
            _given_ports.add(port)
            return port
    with socket.socket() as probe:  # a machine that gives every port to clients
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def _first_outgoing_port() -> int:
    try:
        return int(Path("/proc/sys/net/ipv4/ip_local_port_range").read_text().split()[0])
    except OSError:
        return 32_768


def _can_be_bound(port: int) -> bool:
    with socket.socket() as probe:
        try:
            probe.bind(("127.0.0.1", port))
        except OSError:
            return False
    return True


def answers(port: int, host: str = "127.0.0.1") -> bool:
    """Whether something takes connections there."""
    try:
        with socket.create_connection((host, port), timeout=1):
            return True
    except OSError:
        return False


def scratch_dir(purpose: str, *, owner: int | None = None) -> Path:
    """A new folder outside pytest's own, which only its owner may enter; removed at the end of the run."""
    folder = Path(tempfile.mkdtemp(prefix=f"steadfill-{purpose}-"))
    if owner is not None:
        os.chown(folder, owner, -1)
    _scratch.add(folder)
    _tell_guard(f"remove {folder}")
    return folder


def watch_dir(folder: Path) -> None:
    """Whatever works in `folder` is a test's process, and ends with the run."""
    _watched.add(folder)
    _tell_guard(f"watch {folder}")


def end_all() -> list[int]:
    """End what still runs and remove scratch folders; the ids of processes that nobody had ended."""
    global _guard  # noqa: PLW0603 - see _tell_guard
    for process in list(_running.values()):
        process.kill()
    left = marked(_mark, tuple(_watched | _scratch))
    for pid in left:
        kill(pid)
    for folder in _scratch:
        shutil.rmtree(folder, ignore_errors=True)
    if _guard is not None:
        _guard.communicate()
        _guard = None
    return left


def _group_exists(group: int) -> bool:
    try:
        os.killpg(group, 0)
    except (ProcessLookupError, PermissionError):
        return False
    return True


def _tell_guard(line: str) -> None:
    global _guard  # noqa: PLW0603 - one guard for the whole pytest process
    if _guard is None:
        guard = [sys.executable, "-I", "-S", str(ROOT / "tests/support/guard.py"), _mark]
        # A session of its own: a signal to pytest's group is not for the guard.
        _guard = subprocess.Popen(guard, stdin=subprocess.PIPE, text=True, start_new_session=True, cwd="/")
        if base_temp is not None:
            watch_dir(base_temp)
    assert _guard.stdin is not None
    print(line, file=_guard.stdin, flush=True)
