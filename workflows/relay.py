"""The relay: publishes what is due in the outbox, and what its writers could not publish themselves."""

import threading
from datetime import timedelta

import structlog

from failpoints import failpoint
from models.errors import Refusal
from models.retry import RetryPolicy
from storage.dead_letters import keep_dead_letter
from storage.engine import is_unavailable, read, write
from storage.messages import Happened
from storage.outbox import Kind, Posting, anything_due, postpone, put_off, remove, take_due
from tasks.runtime import Runtime
from tasks.step import step
from tasks.tracking import collecting, record_published
from tasks.tracking_subjects import subject_of
from workflows.publish import BrokerAway, publish

log = structlog.get_logger()

#: rows in one go
BATCH = 100

#: A row that is being published is not taken by another relay for this long; a killed one's rows go out after it.
CLAIM = timedelta(seconds=3)

#: Rows that the broker does not take for a ground of their own, and when a caller's notice is given up.
RETRY = RetryPolicy(base_s=5.0, cap_s=300.0, max_retries=None)
LAST_ATTEMPT = 12

#: A notice for a queue that gave no answer, or whose broker was away: never given up, and soon there when it is back.
SILENT = RetryPolicy(base_s=2.0, cap_s=30.0, max_retries=None)

#: How long a relay thread sleeps when nothing is due sooner. New rows may be due at once.
IDLE_S = 0.05
TROUBLED_S = 1.0


def relay(runtime: Runtime) -> str:
    """Publish everything that is due. Beat starts it too, in case no relay thread runs."""
    total = 0
    while True:
        count = sweep(runtime)
        total += count
        if count < BATCH:
            return f"{total} published"


def sweep(runtime: Runtime) -> int:
    """One batch; returns how many rows the broker has taken.

    Rows are claimed in one transaction and deleted in another, since a broker that hangs must not hold a lock.
    A crash between the two publishes them twice, which every receiver bears.
    """
    now = runtime.now()
    with write(runtime.engine) as conn:
        due = take_due(conn, now, BATCH)
        postpone(conn, [posting.id for posting in due], now + CLAIM)
    if due:
        failpoint("publish.claimed")
    published = []
    sent: list[Happened] = []
    silent: set[str] = set()
    try:
        with collecting() as sent:
            for posting in due:
                if posting.queue not in silent and _published(runtime, posting, silent):
                    published.append(posting.id)  # noqa: PERF401 - what went out before a failure counts
    except BrokerAway as error:
        log.warning(
            "the broker takes nothing; the outbox keeps it", error=str(error), waiting=len(due) - len(published)
        )
        raise
    finally:
        if published:
            with write(runtime.engine) as conn:
                remove(conn, published)
                record_published(conn, runtime, sent)
            failpoint("publish.removed")
    return len(published)


def _published(runtime: Runtime, posting: Posting, silent: set[str]) -> bool:
    """False for a row that can't be published for a ground of its own: it must not keep the others waiting.

    ``silent`` gathers the queues of others that gave no answer. One such says nothing of the broker: a caller may have
    named a queue that takes nothing. Raises BrokerAway for a queue of ours, and for the second of others.
    """
    try:
        publish(runtime, posting)
    except BrokerAway:
        if posting.kind is not Kind.NOTIFY:
            raise
        log.warning("a caller's queue gives no answer; its notice waits", queue=posting.queue, outbox_id=posting.id)
        with write(runtime.engine) as conn:
            pause_s = SILENT.delay_s(posting.attempts, runtime.chance())
            put_off(conn, posting.id, runtime.now() + timedelta(seconds=pause_s))
        if silent:
            raise
        silent.add(posting.queue)
        return False
    except Exception as error:
        if is_unavailable(error):
            raise  # the database's trouble, not the row's
        log.exception("a row of the outbox can't be published", outbox_id=posting.id, attempts=posting.attempts)
        return _give_up(runtime, posting)
    return True


def _give_up(runtime: Runtime, posting: Posting) -> bool:
    """Try again later and later. A caller's queue that never takes its notice becomes a dead letter: then True."""
    now = runtime.now()
    refusal = Refusal(f"the broker does not take it for the queue {posting.queue}", code="NOT_PUBLISHABLE")
    with write(runtime.engine) as conn:
        if posting.attempts < LAST_ATTEMPT or posting.kind is not Kind.NOTIFY:
            pause_s = RETRY.delay_s(posting.attempts, runtime.chance())
            put_off(conn, posting.id, now + timedelta(seconds=pause_s))
            return False
        keep_dead_letter(
            conn,
            task=posting.task,
            queue=posting.queue,
            message_id=f"outbox:{posting.id}",
            order_id=subject_of(posting.kwargs).order_id,
            body={"queue": posting.queue, **posting.kwargs},
            refusal=refusal,
            now=now,
        )
    return True


class RelayThread(threading.Thread):
    """Sweeps as long as the process lives. Any number of them may run, in any process."""

    def __init__(self, runtime: Runtime) -> None:
        super().__init__(name="relay", daemon=True)
        self._runtime = runtime
        self._stopping = threading.Event()

    def stop(self) -> None:
        self._stopping.set()

    def run(self) -> None:
        while not self._stopping.is_set():
            try:
                busy = self._anything_due() and sweep(self._runtime) == BATCH
                pause_s = 0.0 if busy else IDLE_S
            except BrokerAway:
                pause_s = TROUBLED_S
            except Exception as error:
                pause_s = TROUBLED_S
                if not is_unavailable(error):
                    log.exception("the relay stumbled; it goes on")
            self._stopping.wait(pause_s)

    def _anything_due(self) -> bool:
        """A look without a lock: most of the time there is nothing."""
        with read(self._runtime.engine) as conn:
            return anything_due(conn, self._runtime.now())


relay_task = step("orders.relay")(relay)
