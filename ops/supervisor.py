"""Keeps the pieces of one machine running: starts them in order, restarts what dies, drains them when asked to stop."""

import contextlib
import os
import signal
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

from ops import embedded_broker, probe, state
from ops.process import Adopted, Process, end, signal_group, spawn
from ops.roles import STOP_ORDER, Piece
from ops.tail import Tail, last_lines
from ops.wakeup import Wakeup

#: seconds a piece has to answer after its start: a few on an idle machine, many times that on one that is overloaded
START_TIMEOUT_S = 120.0

#: seconds before a restart, doubled while a piece keeps dying within STEADY_S of its start
BACKOFF_FIRST_S = 0.2
BACKOFF_MOST_S = 5.0
STEADY_S = 10.0

#: seconds between two looks whether the pieces answer, and of silence after which one is taken for hung
HEALTH_EVERY_S = 5.0
HUNG_AFTER_S = 20.0

#: seconds between looks at logs and clocks; a child's end and a signal are noticed at once
_TICK_S = 0.25

Say = Callable[[str, str], None]


class StartError(Exception):
    """A piece did not come up; what had been started is stopped again. The text says which, why and what to do."""


class _Stopped(Exception):
    """A stop was asked for while starting."""


class Running:
    """One piece and its present process."""

    def __init__(self, piece: Piece, log: Path) -> None:
        self.piece = piece
        self.log = log
        self.process: Process | None = None
        self.started = 0.0
        self.restarts = 0
        self.backoff_s = BACKOFF_FIRST_S
        #: when this process was last known to answer, on the monotonic clock
        self.answered: float | None = None
        #: when to start it again, on the monotonic clock, while it is down
        self.due = 0.0
        self.tail = Tail(log)


class Supervisor:
    """``say(name, text)`` shows one line. Run it in the main thread."""

    def __init__(
        self, pieces: Sequence[Piece], *, home: Path, environ: Mapping[str, str], say: Say, verbose: bool = False
    ) -> None:
        self._home = home
        self._environ = dict(environ)
        self._say = say
        self._verbose = verbose
        self._logs = home / "logs"
        self._logs.mkdir(parents=True, exist_ok=True)
        self._running = [Running(piece, self._logs / f"{piece.name}.log") for piece in pieces]
        self._wakeup = Wakeup()
        self._cut_short = False
        self._next_health = 0.0

    def run(self, ready: Callable[[], None] = lambda: None) -> bool:
        """Until a stop is asked for; ``ready`` is called once all pieces answer. Raises StartError.

        True when everything drained; False when it was ended at once.
        """
        with self._wakeup.listening():
            try:
                self._start_all()
                ready()
                while not self._wakeup.stops:
                    self._look_after()
                    self._wakeup.wait(_TICK_S)
            except _Stopped:
                pass
            finally:
                self._stop_all()
        return not self._cut_short

    def _start_all(self) -> None:
        # An adopted server of ours holds its own address; any other holder is told before anything starts.
        for running in self._running:
            if running.piece.listens is not None and not probe.free(*running.piece.listens):
                host, port = running.piece.listens
                raise StartError(
                    f"{host}:{port}, where {running.piece.name} is to listen, is in use by another program. "
                    "Stop that program, or configure another port (STEADFILL_API_PORT; port in the venue's section)."
                )
        for running in self._running:
            self._start(running)
            if running.piece.role in ("broker", "paper"):
                self._await_ready(running)
        for running in self._running:
            self._await_ready(running)

    def _start(self, running: Running) -> None:
        piece = running.piece
        running.process = embedded_broker.adopt(self._home, piece.ready) if isinstance(piece.ready, Path) else None
        verb = "adopted: it was still running" if running.process else "started"
        if running.process is None:
            environ = {**self._environ, **piece.environ}
            running.process = spawn(piece.command, log=running.log, environ=environ, folder=self._home)
        running.started, running.answered = time.monotonic(), None
        pid = running.process.pid
        state.write(self._home, role=piece.role, name=piece.name, pid=pid, restarts=running.restarts)
        self._say(piece.name, f"{verb} (pid {pid})")

    def _await_ready(self, running: Running) -> None:
        while running.piece.ready is not None and not probe.answers(running.piece.ready):
            if self._wakeup.stops:
                raise _Stopped
            self._show_logs()
            process = running.process
            if isinstance(process, Adopted) and process.poll() is not None:
                # It answered once more while the end of its own `up` was ending it.
                self._start(running)
                continue
            if process is not None and process.poll() is not None:
                raise self._would_not_start(running, f"ended ({_status(process)})")
            if time.monotonic() > running.started + START_TIMEOUT_S:
                raise self._would_not_start(running, f"did not answer within {START_TIMEOUT_S:.0f} s")
            self._wakeup.wait(0.1)
        running.answered = time.monotonic()

    def _would_not_start(self, running: Running, what: str) -> StartError:
        shown = "\n".join(f"    {line}" for line in last_lines(running.log, 12))
        return StartError(f"{running.piece.name} {what} while starting. The end of its log, {running.log}:\n{shown}")

    def _look_after(self) -> None:
        self._show_logs()
        now = time.monotonic()
        for running in self._running:
            if running.process is None:
                if now >= running.due:
                    running.restarts += 1
                    self._start(running)
            elif running.process.poll() is not None:
                self._bury(running, now)
        if now >= self._next_health:
            self._next_health = now + HEALTH_EVERY_S
            for running in self._running:
                self._check_health(running)

    def _check_health(self, running: Running) -> None:
        """A piece that runs and answers nothing is of no more use than a dead one, and is made one."""
        process, ready = running.process, running.piece.ready
        if process is None or ready is None:
            return
        if probe.answers(ready):
            running.answered = time.monotonic()
            return
        allowed_s = START_TIMEOUT_S if running.answered is None else HUNG_AFTER_S
        if time.monotonic() - (running.answered or running.started) > allowed_s:
            self._say(running.piece.name, f"has not answered for {allowed_s:.0f} s and counts as hung; killing it")
            signal_group(process.pid, signal.SIGKILL)

    def _bury(self, running: Running, now: float) -> None:
        process = running.process
        if process is None:
            return
        signal_group(process.pid, signal.SIGKILL)  # what the dead left in its group
        steady = now - running.started >= STEADY_S
        wait_s = BACKOFF_FIRST_S if steady else running.backoff_s
        running.backoff_s = min(wait_s * 2, BACKOFF_MOST_S)
        running.due = now + wait_s
        running.process = None
        state.remove(self._home, running.piece.name)
        self._say(running.piece.name, f"died ({_status(process)}); starting it again in {wait_s:.1f} s")

    def _stop_all(self) -> None:
        """Role by role; a further request to stop ends everything at once."""
        asked = self._wakeup.stops
        alive = [running for running in self._running if running.process is not None]
        if alive:
            self._say("up", "stopping: what runs is finished first (Ctrl-C again ends everything at once)")
        for role in STOP_ORDER:
            group = [running for running in alive if running.piece.role == role]
            for running in group:
                _terminate(running)
            longest = max((running.piece.stop_timeout_s for running in group), default=0.0)
            deadline = time.monotonic() + longest
            while any(_alive(running) for running in group) and time.monotonic() < deadline:
                if self._wakeup.stops > asked or asked > 1:
                    self._cut_short = True
                    self._say("up", "ending everything at once")
                    break
                self._wakeup.wait(0.1)
            else:
                for running in group:
                    self._finish(running)
                continue
            break
        for running in alive:
            self._finish(running)

    def _finish(self, running: Running) -> None:
        process = running.process
        if process is None:
            return
        slow = process.poll() is None
        end(process, 0)
        running.process = None
        state.remove(self._home, running.piece.name)
        self._say(running.piece.name, "killed" if slow else "stopped")

    def _show_logs(self) -> None:
        for running in self._running:
            if running.piece.quiet and not self._verbose:
                continue
            for line in running.tail.lines(everything=self._verbose):
                self._say(running.piece.name, line)


def _alive(running: Running) -> bool:
    return running.process is not None and running.process.poll() is None


def _terminate(running: Running) -> None:
    if running.process is not None and running.process.poll() is None:
        with contextlib.suppress(ProcessLookupError):
            os.kill(running.process.pid, signal.SIGTERM)


def _status(process: Process) -> str:
    code = process.poll()
    if code is not None and code < 0:
        with contextlib.suppress(ValueError):
            return f"by {signal.Signals(-code).name}"
        return f"by signal {-code}"
    return f"exit status {code}"
