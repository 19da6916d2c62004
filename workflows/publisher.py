"""Publishes after the commit, off the caller's path: an answer waits for the database, never for the broker."""

import contextlib
import queue
import threading

import structlog

from failpoints import failpoint
from storage.engine import is_unavailable, write
from storage.messages import Happened
from storage.outbox import Posting, remove
from tasks.runtime import Runtime
from tasks.tracking import collecting, record_published
from workflows.publish import BrokerAway, publish

log = structlog.get_logger()

#: More than this many waiting: the relay has them from the outbox, nothing is lost by dropping the hint.
LONGEST_QUEUE = 10_000

#: seconds that a process which ends waits for what it has yet to publish
CLOSE_S = 2.0

#: rows whose deletion shares a transaction
BATCH = 50


class Publisher:
    """One thread of a process. What it can't publish stays in the outbox for the relay."""

    def __init__(self, runtime: Runtime) -> None:
        self._runtime = runtime
        #: None wakes the thread so that it ends
        self._waiting: queue.Queue[Posting | None] = queue.Queue(LONGEST_QUEUE)
        self._closing = False
        self._thread = threading.Thread(target=self._run, name="publisher", daemon=True)
        self._thread.start()

    def serves(self, runtime: Runtime) -> bool:
        return self._runtime is runtime and self._thread.is_alive()

    def hand_over(self, posting: Posting) -> None:
        """Publish a row that is committed; returns at once."""
        try:
            self._waiting.put_nowait(posting)
        except queue.Full:
            log.warning("many rows wait to be published; the relay takes this one", outbox_id=posting.id)

    def close(self, timeout_s: float = CLOSE_S) -> None:
        """Publish what waits, at most so long; the rest the relay has from the outbox."""
        if not self._thread.is_alive():  # ended, or left in the process that this one was forked from
            return
        self._closing = True
        with contextlib.suppress(queue.Full):
            self._waiting.put_nowait(None)
        self._thread.join(timeout_s)

    def _next_batch(self) -> list[Posting]:
        batch = [self._waiting.get()]
        while len(batch) < BATCH:
            try:
                batch.append(self._waiting.get_nowait())
            except queue.Empty:
                break
        return [posting for posting in batch if posting is not None]

    def _run(self) -> None:
        while not (self._closing and self._waiting.empty()):
            batch = self._next_batch()
            try:
                self._publish(batch)
            except Exception as error:
                if not (isinstance(error, BrokerAway) or is_unavailable(error)):
                    log.exception("publishing stumbled; the relay goes on with it")

    def _publish(self, batch: list[Posting]) -> None:
        published = []
        sent: list[Happened] = []
        try:
            with collecting() as sent:
                for posting in batch:
                    publish(self._runtime, posting, fresh=True)
                    published.append(posting.id)
        finally:
            if published:
                with write(self._runtime.engine) as conn:
                    remove(conn, published)
                    record_published(conn, self._runtime, sent)
                failpoint("publish.removed")


def close_publisher() -> None:
    """At the end of a process: what was handed over goes out, if the broker takes it now."""
    with _lock:
        publisher = _publisher
    if publisher is not None:
        publisher.close()


_publisher: Publisher | None = None
_lock = threading.Lock()


def publisher_of(runtime: Runtime) -> Publisher:
    """The publisher of this process; a forked child makes its own."""
    global _publisher  # noqa: PLW0603 - one per process is the point
    with _lock:
        if _publisher is None or not _publisher.serves(runtime):
            _publisher = Publisher(runtime)
        return _publisher
