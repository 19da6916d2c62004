"""Child processes that end with their parent, and processes that a killed parent left behind."""

import contextlib
import ctypes
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Protocol

#: bytes of a log from which on it is set aside as ``.1`` at the next start of its piece
LOG_ROTATE_BYTES = 20_000_000

_PR_SET_PDEATHSIG = 1
# Loaded here and not after the fork, where only calls that take no lock are safe.
_LIBC = ctypes.CDLL(None, use_errno=True) if sys.platform == "linux" else None

#: seconds between looks while waiting for a process to end
_POLL_S = 0.02


class Process(Protocol):
    """What a started and an adopted process have in common."""

    @property
    def pid(self) -> int: ...

    def poll(self) -> int | None:
        """The exit status, negative for a signal, or None while it runs."""
        ...


class Adopted:
    """A process that another process started: it can be watched and signalled, its status stays unknown."""

    def __init__(self, pid: int) -> None:
        self.pid = pid
        self._marker = start_marker(pid)

    def poll(self) -> int | None:
        return None if self._marker is not None and start_marker(self.pid) == self._marker else 0


def spawn(
    command: Sequence[str], *, log: Path, environ: Mapping[str, str], folder: Path, dies_with_parent: bool = True
) -> subprocess.Popen[bytes]:
    """Start a process in a group of its own, its output appended to ``log``.

    Call it from the main thread: on Linux the child gets SIGTERM when the *thread* that started it ends.
    """
    with contextlib.suppress(FileNotFoundError):
        if log.stat().st_size > LOG_ROTATE_BYTES:
            log.replace(log.with_suffix(log.suffix + ".1"))
    with log.open("ab") as output:
        return subprocess.Popen(
            command,
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
            env=dict(environ),
            cwd=folder,
            process_group=0,
            preexec_fn=_end_with(os.getpid()) if dies_with_parent else None,  # noqa: PLW1509 - see _LIBC
        )


def _end_with(parent: int) -> Callable[[], None] | None:
    if _LIBC is None:
        return None
    prctl = _LIBC.prctl

    def request() -> None:
        prctl(_PR_SET_PDEATHSIG, signal.SIGTERM, 0, 0, 0)
        if os.getppid() != parent:  # it ended before the request
            os._exit(1)

    return request


def start_marker(pid: int) -> str | None:
    """Something that no later process with the same pid has; None when there is no such process, or a zombie."""
    try:
        stat = Path(f"/proc/{pid}/stat").read_text()
    except FileNotFoundError:
        if Path("/proc/self").exists():
            return None
    except OSError:
        return None
    else:
        fields = stat.rpartition(")")[2].split()
        return None if fields[0] in "ZX" else fields[19]
    listed = subprocess.run(["ps", "-o", "lstart=", "-p", str(pid)], capture_output=True, text=True, check=False)  # noqa: S607 - macOS has no /proc
    return listed.stdout.strip() or None


def signal_group(pid: int, number: signal.Signals) -> None:
    """To the group that ``pid`` leads, its orphans included. Nothing happens where none is left."""
    with contextlib.suppress(ProcessLookupError, PermissionError):
        os.killpg(pid, number)


def wait_gone(process: Process, timeout_s: float) -> bool:
    deadline = time.monotonic() + timeout_s
    while process.poll() is None:
        if time.monotonic() >= deadline:
            return False
        time.sleep(_POLL_S)
    return True


def end(process: Process, timeout_s: float) -> None:
    """SIGTERM to the process, SIGKILL to its group after ``timeout_s``; returns when it is gone."""
    if process.poll() is None:
        with contextlib.suppress(ProcessLookupError):
            os.kill(process.pid, signal.SIGTERM)
        wait_gone(process, timeout_s)
    signal_group(process.pid, signal.SIGKILL)
    wait_gone(process, 5)
