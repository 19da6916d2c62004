"""The tracker of a process: collects what happens to messages, and writes it down in batches from a thread of its own.

What a SIGKILL takes with it is what this process collected since its last flush (`[messages] flush_ms`). While the
database is away the buffer is bounded; what does not fit is counted, and said once the database is back.
"""

import atexit
import contextlib
import os
import threading
from collections import deque
from collections.abc import Callable, Iterator, Sequence

import structlog
from sqlalchemy import Connection, Engine, event, text

from storage.alerts import Severity, record_alert
from storage.engine import is_unavailable, make_engine, write
from storage.messages import Happened, record
from tasks.runtime import Runtime

log = structlog.get_logger()

#: events that wait for the database; a worker that handles 500 messages a second fills it in half a minute
MOST_WAITING = 50_000

#: events in one transaction: a longer one would keep SQLite's only writer waiting
BATCH = 500

#: between tries while the database is away
TROUBLED_S = 1.0

#: how long the end of a process waits for the last flush
STOP_WITHIN_S = 3.0

#: A process must not fork while a thread is inside the database's client, whose locks the child would inherit locked.
_between_forks = threading.Lock()


def _release_in_child() -> None:
    global _between_forks, _lock, _tracker  # noqa: PLW0603 - a child begins anew
    _between_forks, _lock = threading.Lock(), threading.Lock()
    _tracker = None
    _collected.__dict__.clear()


def _before_fork() -> None:
    _between_forks.acquire()


def _after_fork() -> None:
    _between_forks.release()


os.register_at_fork(before=_before_fork, after_in_parent=_after_fork, after_in_child=_release_in_child)


class Tracker:
    """One thread of a process. ``record`` never waits and never fails."""

    def __init__(self, runtime: Runtime, *, flush_s: float, most_waiting: int = MOST_WAITING) -> None:
        self._runtime = runtime
        self._flush_s = flush_s
        self._engine = _engine(runtime.settings.database_url)
        self._waiting: deque[Happened] = deque()
        self._most = most_waiting
        self._dropped = 0
        self._wake = threading.Condition()
        self._stopping = False
        self._thread = threading.Thread(target=self._run, name="message-tracker", daemon=True)
        self._thread.start()

    def record(self, happened: Happened) -> None:
        with self._wake:
            if len(self._waiting) >= self._most:
                self._dropped += 1
                return
            self._waiting.append(happened)
            if len(self._waiting) == 1:
                self._wake.notify()

    def stop(self, within_s: float = STOP_WITHIN_S) -> None:
        """Write what is left, if the database takes it in time, and end the thread."""
        with self._wake:
            self._stopping = True
            self._wake.notify()
        self._thread.join(within_s)
        if self._thread.is_alive():
            log.warning("what happened to some messages is not on record", count=len(self._waiting))
        else:
            self._engine.dispose()

    def _run(self) -> None:
        while True:
            with self._wake:
                while not self._waiting and not self._stopping:
                    self._wake.wait()
                if not self._stopping:
                    self._wake.wait(self._flush_s)  # let a batch come together
                last = self._stopping
            written = self._flush()
            if last:
                if not written:
                    log.warning("what happened to some messages is not on record", count=len(self._waiting))
                return
            if not written:
                with self._wake:
                    if not self._stopping:
                        self._wake.wait(TROUBLED_S)

    def _flush(self) -> bool:
        """Write all that waits; False when the database takes nothing now."""
        while True:
            with self._wake:
                batch = [self._waiting[index] for index in range(min(BATCH, len(self._waiting)))]
                dropped = self._dropped
            if not batch:
                return True
            try:
                self._write(batch, dropped)
            except Exception as error:
                if is_unavailable(error):
                    return False
                log.exception("what happened to some messages can't be put on record and is dropped", count=len(batch))
            with self._wake:
                for _ in batch:
                    self._waiting.popleft()
                self._dropped -= dropped

    def _write(self, batch: Sequence[Happened], dropped: int) -> None:
        with _between_forks, write(self._engine) as conn:
            if conn.dialect.name == "postgresql":
                # A server that loses power may forget the last of it; it need not make the orders wait for the disk.
                conn.execute(text("SET LOCAL synchronous_commit TO off"))
            record(conn, batch)
            if dropped:
                self._say_dropped(conn, dropped)

    def _say_dropped(self, conn: Connection, dropped: int) -> None:
        message = (
            f"{dropped} events of messages were not put on record: the database was away for longer than this process "
            f"({os.getpid()}) could remember. Orders are not concerned; `steadfill messages stats` lacks them."
        )
        log.warning("alert", kind="MESSAGES_UNTRACKED", message=message)
        now = self._runtime.now()
        record_alert(
            conn,
            f"messages-untracked:{now:%Y-%m-%dT%H}",
            kind="MESSAGES_UNTRACKED",
            severity=Severity.WARNING,
            message=message,
            detail={"dropped": dropped},
            now=now,
        )


def _engine(url: str) -> Engine:
    """A connection of its own, whose commits need not wait for the disk: those of orders take them along."""
    engine = make_engine(url, pool_size=1, max_overflow=1)
    if engine.dialect.name == "sqlite":
        event.listen(engine, "connect", lambda connection, _: connection.execute("PRAGMA synchronous=NORMAL"))
    return engine


_tracker: Tracker | None = None
_lock = threading.Lock()
_runtime_of: Callable[[], Runtime] | None = None


def track_this_process(runtime_of: Callable[[], Runtime]) -> None:
    """From now on this process, and what it forks, puts on record what it sees of messages, if it is configured to."""
    global _runtime_of  # noqa: PLW0603 - one tracker per process is the point
    if runtime_of().settings.messages.track:
        _runtime_of = runtime_of
        atexit.register(stop_tracking)


def happened(item: Happened) -> None:
    """Put it on record soon, where this process tracks; nothing otherwise."""
    tracker = _tracker_of_process()
    if tracker is not None:
        tracker.record(item)


def stop_tracking() -> None:
    """The last flush of this process."""
    global _tracker, _runtime_of  # noqa: PLW0603
    _runtime_of = None
    with _lock:
        tracker, _tracker = _tracker, None
    if tracker is not None:
        tracker.stop()


def _tracker_of_process() -> Tracker | None:
    global _tracker  # noqa: PLW0603
    if _tracker is None and _runtime_of is not None:
        with _lock:
            if _tracker is None:
                runtime = _runtime_of()
                settings = runtime.settings.messages
                _tracker = Tracker(runtime, flush_s=settings.flush_ms / 1000)
    return _tracker


_collected = threading.local()


@contextlib.contextmanager
def collecting() -> Iterator[list[Happened]]:
    """What this thread publishes meanwhile is given to the caller, for a transaction of its own."""
    before = getattr(_collected, "items", None)
    items: list[Happened] = []
    _collected.items = items
    try:
        yield items
    finally:
        _collected.items = before


def record_published(conn: Connection, runtime: Runtime, sent: Sequence[Happened]) -> None:
    """Put on record what was collected, in the transaction that takes it from the outbox."""
    if runtime.settings.messages.track:
        record(conn, sent)


def published(item: Happened) -> None:
    """A message went out: to whoever collects in this thread, else on record."""
    items = getattr(_collected, "items", None)
    if items is not None:
        items.append(item)
    else:
        happened(item)
