"""A process that has loaded everything once and forks real processes within milliseconds; it watches them, too.

It runs no thread and opens no connection, so that a fork of it is a clean start. It speaks JSON over a socket with the
lane that made it: one message a datagram.
"""

import contextlib
import json
import os
import select
import signal
import socket
import sys
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ops.chaos import windows
from ops.chaos.become import Piece, become, ready_to_fork

#: a process that ends sooner than this after its start is started again only after BACKOFF_S
SHORT_LIFE_S = 0.3
BACKOFF_S = 0.2

_MESSAGE_BYTES = 65_536


@dataclass(slots=True)
class _Running:
    piece: Piece
    pid: int
    since: float


class Zygote:
    """The forking side. ``serve`` returns only in the process that is to end."""

    def __init__(self, line: socket.socket, pieces: Sequence[Piece], logs: Path) -> None:
        self._line = line
        self._pieces = {piece.name: piece for piece in pieces}
        self._logs = logs
        self._running: dict[int, _Running] = {}
        self._wanted: set[str] = set()
        #: name → when it is to be started again
        self._due: dict[str, float] = {}

    def serve(self) -> None:
        read, write = os.pipe()
        os.set_blocking(write, False)
        os.set_blocking(read, False)
        signal.signal(signal.SIGCHLD, lambda *_: None)
        signal.signal(signal.SIGINT, signal.SIG_IGN)
        signal.set_wakeup_fd(write, warn_on_full_buffer=False)
        while True:
            timeout = max(0.0, min(self._due.values()) - time.monotonic()) if self._due else None
            ready, _, _ = select.select([self._line.fileno(), read], [], [], timeout)
            if read in ready:
                with contextlib.suppress(BlockingIOError):
                    os.read(read, 4096)
            self._bury()
            self._start_due()
            if self._line.fileno() in ready and not self._obey():
                break
        self._end_all()

    def _obey(self) -> bool:
        message = self._line.recv(_MESSAGE_BYTES)
        if not message:
            return False
        command = json.loads(message)
        name = command.get("name", "")
        match command["do"]:
            case "start":
                self._wanted.add(name)
                if not self._pids(name):
                    self._start(name)
            case "stop":
                self._wanted.discard(name)
                self._due.pop(name, None)
                for pid in self._pids(name):
                    with contextlib.suppress(ProcessLookupError):
                        os.killpg(pid, command["signal"])
            case "kill":  # it comes back at once
                for pid in self._pids(name):
                    with contextlib.suppress(ProcessLookupError):
                        os.killpg(pid, signal.SIGKILL)
            case "quit":
                return False
        return True

    def _pids(self, name: str) -> list[int]:
        return [pid for pid, running in self._running.items() if running.piece.name == name]

    def _start(self, name: str) -> None:
        piece = self._pieces[name]
        pid = os.fork()
        if pid == 0:
            become(piece, log=self._logs / f"{name}.log")
        with contextlib.suppress(OSError):  # the child does it too: whoever comes first
            os.setpgid(pid, pid)
        self._running[pid] = _Running(piece, pid, time.monotonic())
        self._tell({"started": name, "pid": pid})

    def _bury(self) -> None:
        while True:
            try:
                pid, status = os.waitpid(-1, os.WNOHANG)
            except ChildProcessError:
                return
            if pid == 0:
                return
            running = self._running.pop(pid, None)
            if running is None:
                continue
            with contextlib.suppress(ProcessLookupError, PermissionError):
                os.killpg(pid, signal.SIGKILL)  # what the dead left in its group
            name = running.piece.name
            self._tell({"ended": name, "pid": pid, "status": os.waitstatus_to_exitcode(status)})
            if name in self._wanted:
                short = time.monotonic() - running.since < SHORT_LIFE_S
                self._due[name] = time.monotonic() + (BACKOFF_S if short else 0.0)

    def _start_due(self) -> None:
        for name, at in list(self._due.items()):
            if at <= time.monotonic():
                del self._due[name]
                self._start(name)

    def _tell(self, message: Mapping[str, Any]) -> None:
        with contextlib.suppress(OSError):
            self._line.send(json.dumps(message).encode())

    def _end_all(self) -> None:
        for pid in list(self._running):
            with contextlib.suppress(ProcessLookupError):
                os.killpg(pid, signal.SIGKILL)
        for pid in list(self._running):
            with contextlib.suppress(ChildProcessError):
                os.waitpid(pid, 0)


def fork_zygote(
    pieces: Sequence[Piece], *, environ: Mapping[str, str], logs: Path, pace: float
) -> tuple[int, socket.socket]:
    """Fork one for a lane: (pid, the lane's end of the line). Call it before any thread or connection is made."""
    ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    logs.mkdir(parents=True, exist_ok=True)
    pid = os.fork()
    if pid:
        theirs.close()
        return pid, ours
    ours.close()
    code = 1
    try:
        os.setpgid(0, 0)
        os.environ.update(environ)
        _load_configuration(pace)
        ready_to_fork()
        Zygote(theirs, pieces, logs).serve()
        code = 0
    except BaseException as error:  # noqa: BLE001 - it must not go on as the lane that it was forked from
        print(f"the zygote of {logs} failed: {error!r}", file=sys.stderr, flush=True)  # noqa: T201
    finally:
        os._exit(code)


def _load_configuration(pace: float) -> None:
    """What every piece of the lane has in common, loaded once: Celery's settings and tasks, with the short windows."""
    from settings import load_settings
    from tasks.app import app
    from telemetry.redact import remember
    from telemetry.start import secrets_of

    # Known before the fork, so that no process has to make the pattern of all keys anew.
    remember(*secrets_of(load_settings()))
    app.loader.import_default_modules()
    app.finalize()
    for entry in app.conf.beat_schedule.values():
        seconds = windows.EVERY_S.get(entry["task"])
        if seconds is not None:
            entry["schedule"] = seconds
    app.conf.beat_max_loop_interval = min(windows.EVERY_S.values())
    windows.shorten(pace)
