"""A task that ends its worker is begun a limited number of times, on every broker.

A broker delivers a message again when nobody acknowledged it. That is how nothing gets lost, and how a message that
kills whoever touches it would go on for ever. So before a task begins on a message that was delivered before, or that
`rescue` sent because an earlier one led to nothing, the delivery is counted in the database; when the task comes to an
end, in whatever way, the count is forgotten. A first delivery costs nothing.

What is counted is the task on its subject (an order, a child, a market) and not the message: rescue sends new ones.
"""

import contextlib
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

import structlog
from celery import Task
from celery.exceptions import Ignore, Reject, SoftTimeLimitExceeded

from storage.engine import is_unavailable, read, write
from storage.messages_unfinished import count_delivery, find_unfinished, finish, take_back
from tasks.outcomes import MovedOn
from tasks.poison_parking import POISON, GivenUp, give_up, lock_subject
from tasks.queues import ORDERS, ROUTES
from tasks.runtime import Runtime, get_runtime
from tasks.tracking_subjects import NOTHING, bounded, subject_of

log = structlog.get_logger()

#: From this many unfinished deliveries on, a subject is worked on alone in its process: those who would die with it
#: wait, and are not counted, until it has shown what it does.
ALONE_FROM = 2
#: seconds that one waits for another's turn; then it goes on, since waiting must not become a standstill
ALONE_WITHIN_S = 30.0

#: A task of beat's about nothing in particular can't be parked, since everything depends on it: given up, it is tried
#: once in this time.
PAUSE = timedelta(minutes=5)

#: seconds that a message from another service waits before it goes back, while the database is away
AWAY_S = 1.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Delivery:
    """One message, as a worker is about to begin on it."""

    message_id: str
    task: str
    queue: str
    kwargs: Mapping[str, Any]
    #: the broker gave it to a worker before
    redelivered: bool
    worker: str | None = None

    @property
    def from_outside(self) -> bool:
        return ROUTES.get(self.task) == ORDERS

    @property
    def rescued(self) -> bool:
        """Sent since an earlier message led to nothing."""
        return not self.from_outside and bool(self.kwargs.get("rescued"))

    @property
    def key(self) -> str:
        """What is counted: our own ids; of messages from outside the message, since their content is not ours."""
        return self.message_id if self.from_outside else subject_of(self.kwargs).key

    @property
    def comes_again(self) -> bool:
        """A hint of beat's, of which the next one is on its way."""
        subject = NOTHING if self.from_outside else subject_of(self.kwargs)
        return not self.from_outside and subject.order_id is None and subject.child_id is None


class OnRecord(str):
    """What a task says that has put on record itself what became of its message: nothing more is recorded of it."""

    __slots__ = ()


class GuardedTask(Task):
    """Every task of ours: tracked in the worker, and counted when it comes again."""

    abstract = True
    Request = "tasks.tracking_request:TrackedRequest"

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        request = self.request
        if request.called_directly or request.is_eager:
            return self.run(*args, **kwargs)
        info = request.delivery_info or {}
        delivery = Delivery(
            message_id=bounded(request.id) or "",
            task=self.name,
            queue=bounded(info.get("routing_key")) or "",
            kwargs=kwargs,
            redelivered=bool(info.get("redelivered")),
            worker=request.hostname,
        )
        said = guarded(get_runtime(), delivery, lambda: self.run(*args, **kwargs))
        if isinstance(said, OnRecord):
            raise Ignore(said)
        return said


def guarded(runtime: Runtime, delivery: Delivery, body: Callable[[], Any]) -> Any:
    """Run a task's body unless it has ended its worker too often. Raises Ignore where it is given up."""
    suspect = delivery.redelivered or delivery.rescued
    if not suspect and not delivery.comes_again:
        return body()
    try:
        unfinished = _unfinished(runtime, delivery)
        if not suspect and unfinished == 0:
            return body()
        with _alone() if unfinished >= ALONE_FROM else contextlib.nullcontext():
            _begin(runtime, delivery)
            return _to_an_end(runtime, delivery, body)
    except _CountedNothing as error:
        if delivery.from_outside:
            # It is not ours to drop, and nobody else knows of it: back to the broker.
            time.sleep(AWAY_S)
            raise Reject("the database is away; the message goes back", requeue=True) from error
        raise error.why from None  # a step has its row, and rescue looks at it


class _CountedNothing(Exception):
    """The database is away, so nothing could be counted and nothing was begun."""

    def __init__(self, why: Exception) -> None:
        super().__init__(str(why))
        self.why = why


def _unfinished(runtime: Runtime, delivery: Delivery) -> int:
    try:
        with read(runtime.engine) as conn:
            found = find_unfinished(conn, delivery.task, delivery.key)
    except Exception as error:
        if not is_unavailable(error):
            raise
        raise _CountedNothing(error) from error
    return 0 if found is None else found[0]


def _begin(runtime: Runtime, delivery: Delivery) -> None:
    """Count this delivery, durably. Raises Ignore, with everything on record, where it is one too many."""
    most = runtime.settings.messages.max_deliveries
    now = runtime.now()
    try:
        with write(runtime.engine) as conn:
            found = find_unfinished(conn, delivery.task, delivery.key)
            tired = delivery.comes_again and found is not None and found[0] > most
            if tired and found is not None and now - found[1] < PAUSE:
                why = "paused: it ended its worker again and again"
            else:
                if found is not None and found[0] >= most:
                    # The order before the count, as whoever cancels or replays it takes them.
                    lock_subject(conn, subject_of(delivery.kwargs))
                number = count_delivery(conn, delivery.task, delivery.key, earlier=int(delivery.redelivered), now=now)
                if number <= most or tired:
                    return
                why = f"given up after {number - 1} deliveries"
                give_up(conn, _given_up(delivery, number - 1), now)
    except Exception as error:
        if not is_unavailable(error):
            raise
        raise _CountedNothing(error) from error
    log.error("a message is not begun", task=delivery.task, message_id=delivery.message_id, why=why)
    raise Ignore(why)


def _given_up(delivery: Delivery, deliveries: int) -> GivenUp:
    return GivenUp(
        message_id=delivery.message_id,
        task=delivery.task,
        queue=delivery.queue,
        kwargs=delivery.kwargs,
        code=POISON,
        what=f"{delivery.task} was begun {deliveries} times and never came to an end: its worker died each time",
        deliveries=deliveries,
        worker=delivery.worker,
    )


def _to_an_end(runtime: Runtime, delivery: Delivery, body: Callable[[], Any]) -> Any:
    try:
        result = body()
    except SoftTimeLimitExceeded:
        raise  # it would have held its worker until somebody killed it
    except BaseException:
        _forget(runtime, delivery)
        raise
    _forget(runtime, delivery, only_this=isinstance(result, MovedOn))
    return result


def _forget(runtime: Runtime, delivery: Delivery, *, only_this: bool = False) -> None:
    """An exception is an end too. A count that stays, since the database is away, is forgotten with the next end.

    ``only_this``: it left the work to whoever has it, who may be dead: what is held against that one stays.
    """
    try:
        with write(runtime.engine) as conn:
            (take_back if only_this else finish)(conn, delivery.task, delivery.key)
    except Exception as error:
        if not is_unavailable(error):
            raise
        log.warning("a delivery stays counted: the database is away", task=delivery.task, error=str(error))


_turn = threading.Lock()


@contextlib.contextmanager
def _alone() -> Iterator[None]:
    taken = _turn.acquire(timeout=ALONE_WITHIN_S)
    try:
        yield
    finally:
        if taken:
            _turn.release()
