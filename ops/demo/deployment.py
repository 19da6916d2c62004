"""The demo's own deployment: a temporary home and free ports, so that it touches no other and runs beside any."""

import contextlib
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Self

from ops import probe, state
from ops.process import end, signal_group, spawn
from ops.tail import last_lines
from ops.up import ROOT, free_port

#: seconds from the start until orders can be taken
START_TIMEOUT_S = 90.0

#: market seconds per second: enough movement for resting orders to fill within the demo
MARKET_SPEED = 6

#: So many faults in so short a time would open the breaker, and on a machine that stands still for seconds keep it open past
#: the demo's end. What the breaker does has tests of its own.
_CONFIGURATION = """\
[breaker]
failure_threshold = 1000

[venues.paper]
paper = true
port = {port}
seed = {seed}
speed = {speed}
timeout_ms = 2000
recv_window_ms = 3000
visibility_lag_ms = 1000
"""


class DemoError(Exception):
    """The demo could not run; the text says why and where to look."""


class Deployment:
    def __init__(self, *, seed: int) -> None:
        self.home = Path(tempfile.mkdtemp(prefix="steadfill-demo-"))
        self.api_url = f"http://127.0.0.1:{free_port()}"
        self.venue_url = f"http://127.0.0.1:{free_port()}"
        file = self.home / "demo.toml"
        port = int(self.venue_url.rpartition(":")[2])
        file.write_text(_CONFIGURATION.format(port=port, seed=seed, speed=MARKET_SPEED))
        temporary = self.home / "tmp"  # so that what a killed process leaves goes with the home
        temporary.mkdir()
        dropped = ("STEADFILL_", "CELERY_", "SENTRY_")
        self._environ = {
            **{name: value for name, value in os.environ.items() if not name.startswith(dropped)},
            "STEADFILL_CONFIG": str(file),
            "STEADFILL_HOME": str(self.home),
            "TMPDIR": str(temporary),
            "STEADFILL_API_PORT": self.api_url.rpartition(":")[2],
            "PYTHONPATH": os.pathsep.join(filter(None, [str(ROOT), os.environ.get("PYTHONPATH")])),
        }
        self._log = self.home / "up.log"
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def journal(self) -> Path:
        """The venue's own log."""
        return self.home / "paper" / "paper"

    def start(self, tell: Callable[[str], None]) -> Self:
        """Returns once orders can be taken. Raises DemoError."""
        command = [sys.executable, "-P", "-m", "ops", "up"]
        self._process = spawn(command, log=self._log, environ=self._environ, folder=self.home)
        told: set[str] = set()
        deadline = time.monotonic() + START_TIMEOUT_S
        while not probe.answers(f"{self.api_url}/health"):
            for record in state.records(self.home):
                if record.name not in told:
                    told.add(record.name)
                    tell(f"{record.name} started (pid {record.pid})")
            if self._process.poll() is not None or time.monotonic() > deadline:
                shown = "\n".join(f"    {line}" for line in last_lines(self._log, 25))
                raise DemoError(f"The demo's deployment did not come up. The end of {self._log}:\n{shown}")
            time.sleep(0.2)
        return self

    def kill_worker(self, name: str) -> int | None:
        """SIGKILL, without warning, to a worker and its pool; the pid, or None where it is down just now."""
        for record in state.records(self.home):
            if record.name == name and record.running:
                signal_group(record.pid, signal.SIGKILL)
                return record.pid
        return None

    def restarts(self, name: str) -> int:
        return max((record.restarts for record in state.records(self.home) if record.name == name), default=0)

    def stop(self) -> None:
        """Drain and end everything."""
        if self._process is not None:
            with contextlib.suppress(ProcessLookupError):
                end(self._process, 40)
            state.end_leftovers(self.home, ("api", "worker", "beat", "paper", "broker"))

    def remove(self) -> None:
        shutil.rmtree(self.home, ignore_errors=True)
