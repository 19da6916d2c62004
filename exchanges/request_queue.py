"""Who may make a request now: so many at once, so many in line behind them, and nobody for ever."""

import threading
from collections import deque
from collections.abc import Iterator
from contextlib import contextmanager


class LineFull(Exception):
    """As many wait as may: nobody else is let in."""


class WaitedTooLong(Exception):
    """No place became free in time."""


class RequestQueue:
    """Thread-safe; who waits longest is next."""

    def __init__(self, *, at_once: int, most_waiting: int) -> None:
        self._at_once = at_once
        self._most_waiting = most_waiting
        self._lock = threading.Lock()
        self._busy = 0
        self._line: deque[threading.Event] = deque()

    @property
    def busy(self) -> int:
        return self._busy

    @property
    def waiting(self) -> int:
        return len(self._line)

    @contextmanager
    def place(self, patience_s: float) -> Iterator[None]:
        """Raises LineFull at once, or WaitedTooLong after ``patience_s``."""
        self._come_in(patience_s)
        try:
            yield
        finally:
            with self._lock:
                self._leave()

    def _come_in(self, patience_s: float) -> None:
        with self._lock:
            if self._busy < self._at_once:
                self._busy += 1
                return
            if len(self._line) >= self._most_waiting:
                raise LineFull
            called = threading.Event()
            self._line.append(called)
        if called.wait(patience_s):
            return
        with self._lock:
            if called.is_set():
                return  # at the last moment: the place is ours
            self._line.remove(called)
        raise WaitedTooLong

    def _leave(self) -> None:
        """The place goes to the first in line, without being free in between: nobody overtakes."""
        if self._line:
            self._line.popleft().set()
        else:
            self._busy -= 1
