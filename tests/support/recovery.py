"""A deployment under `steadfill up` whose processes die at a stage that the test names, and when which stage was reached."""

from __future__ import annotations

import contextlib
import os
import signal
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import httpx

from ops import state
from tests.acceptance.client import Client
from tests.support.paper import KEY, SECRET, PaperProcess
from tests.support.processes import Process, free_port
from tests.support.waiting import eventually

#: nets under hangs, in seconds
START_S = 120.0
REACHED_S = 120.0


@dataclass(frozen=True, kw_only=True, slots=True, order=True)
class Hit:
    #: seconds since the epoch, as the file system has it
    at: float
    pid: int
    stage: str


class Watched:
    """`up` without its paper venue: the venue is the test's, and outlives every kill."""

    def __init__(
        self, folder: Path, env: Mapping[str, str], *, configuration: str = "", venue_workers: int = 1
    ) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        self.venue = PaperProcess(folder / "venue")
        self.home = Path(env["STEADFILL_HOME"])
        self._hits = folder / "hits"
        self._hits.mkdir()
        self._armed = folder / "failpoints"
        self._config = folder / "steadfill.toml"
        self._configuration = configuration
        self._venue_workers = venue_workers
        self._log = folder / "up.log"
        port = free_port()
        self._env = {
            **env,
            "STEADFILL_CONFIG": str(self._config),
            "STEADFILL_API_PORT": str(port),
            "STEADFILL_FAILPOINTS": f"@{self._armed}",
            "STEADFILL_FAILPOINTS_DIR": str(self._hits),
        }
        self.client = Client(f"http://127.0.0.1:{port}")
        self.up: Process | None = None

    def start(self) -> None:
        """Start everything; returns at once. The embedded broker of a killed run is adopted."""
        if not self.venue.alive:
            self.venue.start()
            self._config.write_text(
                f'{self._configuration}\n[venues.paper]\npaper = true\napi_key = "{KEY}"\nsecret = "{SECRET}"\n'
                f'base_url = "{self.venue.url}"\n'
            )
        command = ["steadfill", "up", "--only", "broker,worker,beat,api", "--workers", str(self._venue_workers)]
        self.up = Process(command, log=self._log, env=self._env).start()

    def wait_until_ready(self) -> None:
        assert self.up is not None
        self.up.wait_until(self._is_ready, within_s=START_S, why="orders are taken")
        eventually(
            lambda: all(" ready" in self._written_by(kind) for kind in ("steps", "venue", "urgent")),
            within_s=START_S,
            describe="every worker is ready",
        )

    def kill_everything(self) -> None:
        """As a power cut, the embedded broker included."""
        assert self.up is not None
        records = state.records(self.home)
        self.up.kill()
        for record in records:
            if record.running:
                _kill_group(record.pid)
        eventually(
            lambda: not any(record.running for record in records), within_s=START_S, describe="everything has ended"
        )

    def stop(self) -> None:
        self.client.close()
        if self.up is not None:
            self.disarm()
            self.kill_everything()
        self.venue.kill()

    def arm(self, stages: Mapping[str, str]) -> None:
        """Arm these stages in every process, counted anew."""
        self.disarm()
        for file in self._hits.iterdir():
            file.unlink()
        self._write("\n".join(f"{stage}={actions}" for stage, actions in stages.items()))

    def disarm(self) -> None:
        self._write("")

    def _write(self, text: str) -> None:
        new = self._armed.with_suffix(".new")
        new.write_text(text)
        new.replace(self._armed)

    def hits(self, *stages: str) -> Sequence[Hit]:
        """When these stages were reached since `arm`, and by whom, the first one first."""
        found = []
        for file in self._hits.iterdir():
            stage = file.name.rpartition(".")[0]
            if stage in stages:
                found.append(Hit(at=file.stat().st_mtime, pid=int(file.read_text() or 0), stage=stage))
        return sorted(found)

    def wait_for(self, *stages: str, after: float = 0.0) -> Hit:
        """The first time that one of these was reached after ``after``."""

        def reached() -> Sequence[Hit]:
            return [hit for hit in self.hits(*stages) if hit.at > after]

        return eventually(
            reached, within_s=REACHED_S, describe=lambda: f"{stages} is reached: {list(self._hits.iterdir())}"
        )[0]

    def tails(self) -> str:
        """The end of every log, for a failure."""
        return "\n".join(f"--- {log.name} ---\n{log.read_text()[-1500:]}" for log in (self.home / "logs").glob("*.log"))

    def _written_by(self, kind: str) -> str:
        with contextlib.suppress(FileNotFoundError):
            return (self.home / "logs" / f"worker-{kind}.log").read_text(errors="replace")
        return ""

    def _is_ready(self) -> bool:
        with contextlib.suppress(httpx.HTTPError):
            return self.client.http.get("/health").status_code == 200
        return False


def _kill_group(pid: int) -> None:
    with contextlib.suppress(ProcessLookupError):
        os.killpg(pid, signal.SIGKILL)
