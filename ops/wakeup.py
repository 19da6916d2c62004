"""Signals as something to wait for: a stop asked for, a child that ended."""

import contextlib
import select
import signal
import socket
from collections.abc import Iterator
from types import FrameType
from typing import Any

_STOPS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


class Wakeup:
    """Counts the requests to stop, and ends a wait at once when one or a child's end arrives."""

    def __init__(self) -> None:
        self.stops = 0
        self._read, self._write = socket.socketpair()
        self._read.setblocking(False)
        self._write.setblocking(False)

    @contextlib.contextmanager
    def listening(self) -> Iterator[None]:
        """From the main thread; handlers are as before afterwards."""
        before: dict[signal.Signals, Any] = {number: signal.getsignal(number) for number in (*_STOPS, signal.SIGCHLD)}
        for number in _STOPS:
            signal.signal(number, self._stop)
        signal.signal(signal.SIGCHLD, lambda *_: None)
        old = signal.set_wakeup_fd(self._write.fileno(), warn_on_full_buffer=False)
        try:
            yield
        finally:
            signal.set_wakeup_fd(old)
            for number, handler in before.items():
                signal.signal(number, handler)
            self._read.close()
            self._write.close()

    def wait(self, timeout_s: float) -> None:
        ready, _, _ = select.select([self._read], [], [], max(0.0, timeout_s))
        if ready:
            with contextlib.suppress(BlockingIOError):
                self._read.recv(4096)

    def _stop(self, _number: int, _frame: FrameType | None) -> None:
        self.stops += 1
