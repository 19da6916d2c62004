"""From the outbox to the broker."""

import contextlib
from collections.abc import Callable
from functools import cache, partial
from typing import Any

import structlog
from amqp import ChannelError, PreconditionFailed, RecoverableConnectionError
from kombu import Producer
from kombu.exceptions import OperationalError
from redis import ResponseError
from redis import TimeoutError as RedisTimeoutError
from sqlalchemy import Connection, select

import tasks.tracking_signals  # noqa: F401 - what goes out from here is on record
from failpoints import failpoint
from models.vocabulary import OrderStatus
from storage.engine import read
from storage.order_tables import orders
from storage.outbox import Kind, Posting
from tasks.app import app
from tasks.runtime import Runtime
from telemetry.sentry import continued_trace
from workflows.order import start_chain
from workflows.slices import start_wave

log = structlog.get_logger()

_STATUSES = frozenset(status.value for status in OrderStatus)

#: A broker that has not taken a message by then counts as away: RabbitMQ, out of memory or disk, reads on and confirms
#: nothing until an operator has made room.
TAKEN_WITHIN_S = 5.0
GIVE_UP_WITHIN_S = 0.5


class BrokerAway(Exception):
    """The broker takes nothing now. What was to be published stays in the outbox, and the relay tries again."""


def publish(runtime: Runtime, posting: Posting, *, fresh: bool = False) -> None:
    """Hand one row of the outbox to the broker. Raises BrokerAway.

    ``fresh``: its writer committed it a moment ago, so an order stands where its intake left it.
    """
    try:
        with continued_trace(posting.headers, name=posting.task, op="queue.publish"):
            failpoint("publish.sending")
            _send(runtime, posting, fresh)
            failpoint("publish.sent")
    except Exception as error:
        if not _is_away(error):
            raise
        raise BrokerAway(f"{posting.task} could not be published: {type(error).__name__}: {error}") from error


def _is_away(error: Exception) -> bool:
    """Whether it is the broker that takes nothing, and not this row that it does not take."""
    if isinstance(error, _connection_errors()):
        return True
    # A Redis that is full, read only or loading says so as an answer; one that holds something else than a queue under
    # the name of a caller's queue does too, and that is this row's own trouble.
    return isinstance(error, ResponseError) and not str(error).startswith("WRONGTYPE")


@cache
def _connection_errors() -> tuple[type[Exception], ...]:
    """What the configured transport raises when there is nobody at the other end."""
    connection = app.connection_for_write()
    return (OperationalError, OSError, *connection.recoverable_connection_errors, *connection.connection_errors)


def _send(runtime: Runtime, posting: Posting, fresh: bool) -> None:
    if posting.kind is Kind.WAVE:
        _publish_by(partial(start_wave, posting.kwargs, runtime.now()))
        return
    if posting.kind is not Kind.ORDER:
        _publish_by(partial(_send_task, posting, dict(posting.kwargs)))
        return
    order_id = posting.kwargs["order_id"]
    if fresh:
        _publish_by(partial(start_chain, order_id, OrderStatus.RECEIVED))
        return
    with read(runtime.engine) as conn:
        status = _status_of(conn, order_id)
    if status is not None:
        again = posting.kwargs
        _publish_by(partial(start_chain, order_id, status, again.get("tries", 0), rescued=bool(again.get("rescued"))))


def _publish_by(send: Callable[..., None]) -> None:
    """Publish through a connection that is given up after any failure.

    A confirmation that comes late must not be taken for that of the next message; and a queue that a broker has lost
    is declared again only by a connection that does not remember having done so.
    """
    options = {"timeout": TAKEN_WITHIN_S, "confirm_timeout": TAKEN_WITHIN_S, "mandatory": True}
    for is_last in (False, True):
        with app.producer_pool.acquire(block=True) as producer:
            try:
                send(producer=producer, **options)
                return
            except Exception as error:
                _give_up(producer)
                if is_last or not _may_go_better(error):
                    raise


def _may_go_better(error: Exception) -> bool:
    """Whether a fresh connection is worth a try at once.

    It declares the queue or exchange that the broker has lost; and one that stood idle may have been closed by the
    broker, for want of heartbeats, without the broker being away. One that was silent will be silent again.
    """
    cause = error.__cause__ or error
    if isinstance(cause, (TimeoutError, RedisTimeoutError)):
        return False
    return isinstance(cause, (ChannelError, RecoverableConnectionError, ConnectionError))


def _give_up(producer: Producer) -> None:
    with contextlib.suppress(Exception):  # it is broken already
        producer.connection.collect(GIVE_UP_WITHIN_S)


def _send_task(posting: Posting, kwargs: dict[str, Any], **options: Any) -> None:
    """To a queue of ours or another service's: made if there is none, taken as it is if its owner made it otherwise."""
    # Without ignore_result each message would subscribe to a result that nobody waits for.
    send = partial(
        app.send_task, posting.task, kwargs=kwargs, queue=posting.queue, ignore_result=True, retry=False, **options
    )
    try:
        send()
    except PreconditionFailed:
        send(declare=[])


def _status_of(conn: Connection, order_id: str) -> OrderStatus | None:
    """None for an order that does not exist, or stands where only a newer version knows what comes next."""
    found = conn.execute(select(orders.c.status).where(orders.c.id == order_id)).scalar_one_or_none()
    return OrderStatus(found) if found in _STATUSES else None
