"""RabbitMQ's dead-letter queue, read into the same table as all other dead letters.

What a quorum queue set aside after too many deliveries comes here, and whatever else a queue of ours lets go. It is
acknowledged when its letter is committed: read by two workers, or twice after a crash, it is one letter.
"""

import logging
from collections.abc import Mapping, Sequence
from typing import Any

import structlog
from celery.bootsteps import ConsumerStep
from kombu import Consumer, Queue

from models.errors import Refusal
from storage.engine import is_unavailable, write
from tasks.dead_letters_consumer import AGAIN_S, keep_message
from tasks.poison_parking import DELIVERY_LIMIT, GivenUp, give_up
from tasks.queues import HOUSEKEEPING, ORDERS, ROUTES
from tasks.runtime import Runtime, get_runtime
from tasks.topology import DEAD_QUEUE, declare_topology
from tasks.tracking_subjects import bounded, keywords_of

log = structlog.get_logger()

#: letters on their way at a time
PREFETCH = 50

#: RabbitMQ's word for why, ours, and a sentence
_REASONS: Mapping[str, tuple[str, str]] = {
    "delivery_limit": (DELIVERY_LIMIT, "the broker delivered it too often: its worker died each time"),
    "rejected": ("REJECTED", "a worker refused it"),
    "expired": ("EXPIRED", "its time was over before a worker took it"),
    "maxlen": ("QUEUE_FULL", "its queue was full"),
}


class DeadLetterQueue(ConsumerStep):
    """Runs in the worker that does the housekeeping, where the broker has such a queue."""

    requires = ("celery.worker.consumer.tasks:Tasks",)

    def start(self, c: Any) -> None:
        self._worker = c
        if c.connection.transport.driver_type != "amqp" or HOUSEKEEPING not in c.app.amqp.queues.consume_from:
            return  # not even a channel: to Redis that would be one more consumer
        declare_topology(c.app)  # at each new connection: a broker that was emptied has no such queue any more
        super().start(c)

    def get_consumers(self, channel: Any) -> Sequence[Consumer]:
        channel.basic_qos(0, PREFETCH, False)
        queue = Queue(DEAD_QUEUE, no_declare=True)
        return [
            Consumer(channel, [queue], on_message=self._on_message, on_decode_error=self._on_broken, auto_declare=False)
        ]

    def _on_broken(self, message: Any, _: Exception) -> None:
        self._on_message(message)

    def _on_message(self, message: Any) -> None:
        try:
            keep_dead(get_runtime(), message)
        except Exception as error:
            if is_unavailable(error):
                log.warning("a dead letter waits for the database")
            else:
                log.exception("a dead letter could not be kept; it stays with the broker")
            self._worker.timer.call_after(AGAIN_S, self._on_message, (message,))
            return
        message.ack_log_error(logging.getLogger(__name__), self._worker.connection_errors)


def keep_dead(runtime: Runtime, message: Any) -> None:
    """Keep what a queue set aside; a step that ended its worker too often parks its order."""
    headers = message.headers if isinstance(message.headers, dict) else {}
    death = _first_death(headers)
    code, why = _REASONS.get(str(death.get("reason")), ("DEAD_LETTERED", "its queue let it go"))
    queue = bounded(death.get("queue")) or ""
    task, message_id, keywords = bounded(headers.get("task")), bounded(headers.get("id")), _keywords(message)
    ours = task in ROUTES and ROUTES[task] != ORDERS
    if code == DELIVERY_LIMIT and ours and task and message_id and isinstance(keywords, dict):
        count = death.get("count")
        given_up = GivenUp(
            message_id=message_id,
            task=task,
            queue=queue,
            kwargs=keywords,
            code=code,
            what=f"{task} never came to an end: {why}",
            deliveries=count if isinstance(count, int) and count > 1 else None,
        )
        with write(runtime.engine) as conn:
            give_up(conn, given_up, runtime.now())
        return
    keep_message(runtime, message, Refusal(f"The message was given up: {why}.", code=code), queue=queue)


def _first_death(headers: Mapping[str, Any]) -> Mapping[str, Any]:
    deaths = headers.get("x-death")
    first = deaths[-1] if isinstance(deaths, list) and deaths else None
    return first if isinstance(first, Mapping) else {}


def _keywords(message: Any) -> object:
    try:
        return keywords_of(message.payload)
    except Exception:  # noqa: BLE001 - then there are none
        return None
