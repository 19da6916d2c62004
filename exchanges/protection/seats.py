"""How many threads of one process may wait on one venue: a venue that hangs takes its share, and the others keep theirs."""

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar

from exchanges.protection.refused import no_seat
from exchanges.request_queue import LineFull, RequestQueue, WaitedTooLong

#: Who finds all seats taken waits no longer than this: a healthy venue frees one meanwhile, and a hanging one must not
#: hold the threads of the others by those who wait for it.
PATIENCE_S = 0.05

#: the venue that this thread has a seat at
_seated: ContextVar[str | None] = ContextVar("seated", default=None)


def share(threads: int, venues: int) -> int | None:
    """Seats of one venue; None where nothing is to be shared.

    With two venues one may take two thirds, with three a half: more than its equal part, since seldom all are busy, and
    never so much that one that hangs leaves the others none.
    """
    if threads < 2 or venues < 2:
        return None
    return max(1, min(threads - 1, 2 * threads // (venues + 1)))


class Seats:
    """Thread-safe; of one process. Without ``divide`` nobody is refused."""

    def __init__(self, venues: int) -> None:
        self._venues = venues
        self._lock = threading.Lock()
        self._most: int | None = None
        self._queues: dict[str, RequestQueue] = {}

    def divide(self, threads: int) -> None:
        """Tell of how many threads the work of this process is done by."""
        with self._lock:
            self._most = share(threads, self._venues)
            self._queues = {}

    @property
    def most(self) -> int | None:
        """Seats of one venue; None: as many as want."""
        return self._most

    def taken(self, venue: str) -> int:
        queue = self._queues.get(venue)
        return 0 if queue is None else queue.busy

    @contextmanager
    def one(self, venue: str) -> Iterator[None]:
        """A seat for the block; who has one at this venue needs no second. Raises NoSeat."""
        queue = None if _seated.get() == venue else self._queue(venue)
        if queue is None:
            yield
            return
        before = _seated.set(venue)
        try:
            with _place(queue, venue):
                yield
        finally:
            _seated.reset(before)

    def _queue(self, venue: str) -> RequestQueue | None:
        with self._lock:
            if self._most is None:
                return None
            return self._queues.setdefault(venue, RequestQueue(at_once=self._most, most_waiting=self._most))


@contextmanager
def _place(queue: RequestQueue, venue: str) -> Iterator[None]:
    place = queue.place(PATIENCE_S)
    try:
        place.__enter__()
    except (LineFull, WaitedTooLong):
        raise no_seat(venue) from None
    try:
        yield
    finally:
        place.__exit__(None, None, None)
