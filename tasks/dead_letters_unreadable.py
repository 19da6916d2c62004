"""Redis: what its scripts could not read and set aside becomes a dead letter.

A list of Redis takes any bytes, so somebody may write what is no message at all. The transport sets it aside, in the
list `redis_held.UNREADABLE`, so that it is in nobody's way; from there it is read into the table of dead letters. Each
leaves the list only after its letter is committed: read by two workers, or twice after a crash, it is one letter.
"""

import base64
import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import structlog
from celery.bootsteps import StartStopStep

from models.errors import Refusal
from storage.engine import is_unavailable
from tasks import exact_messages
from tasks.dead_letters_consumer import UNDECODABLE, keep_message
from tasks.queues import HOUSEKEEPING
from tasks.redis_held import UNREADABLE
from tasks.runtime import Runtime, get_runtime

log = structlog.get_logger()

#: seconds between two looks at the list
LOOK_EVERY_S = 1.0
#: letters in one look: the worker has other things to do in between
MOST_AT_ONCE = 100

WHY = "The message was not accepted: Redis holds it, and it is none. Send it with a Celery client."


@dataclass(frozen=True, slots=True, kw_only=True)
class RawMessage:
    """What was set aside, in the shape of a broker's message as far as it has one."""

    headers: Mapping[str, Any]
    body: bytes
    content_type: str | None
    delivery_info: Mapping[str, Any]

    @property
    def payload(self) -> Any:
        """Raises ValueError for what is no JSON."""
        return exact_messages.loads(self.body)


def raw_message(raw: bytes) -> RawMessage:
    """Read what can be read of it; the rest is its body."""
    try:
        envelope = json.loads(raw)
        properties = envelope["properties"]
        body = envelope["body"]
        if properties.get("body_encoding") == "base64":
            body = base64.b64decode(body)
        return RawMessage(
            headers=dict(envelope.get("headers") or {}),
            body=body if isinstance(body, bytes) else str(body).encode("utf-8", "replace"),
            content_type=envelope.get("content-type"),
            delivery_info=dict(properties.get("delivery_info") or {}),
        )
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError):
        return RawMessage(headers={}, body=raw, content_type=None, delivery_info={})


class UnreadableMessages(StartStopStep):
    """Runs in the worker that does the housekeeping, where the broker is a Redis."""

    requires = ("celery.worker.consumer.tasks:Tasks",)

    def __init__(self, c: Any, **options: Any) -> None:
        self._timer: Any = None
        super().__init__(c, **options)

    def start(self, c: Any) -> None:
        if c.connection.transport.driver_type == "redis" and HOUSEKEEPING in c.app.amqp.queues.consume_from:
            self._timer = c.timer.call_repeatedly(LOOK_EVERY_S, self._look, (c,))

    def stop(self, _: Any) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def _look(self, c: Any) -> None:
        try:
            # Never the channel's own client: the answer to its standing look for messages would be taken for ours.
            with c.connection.default_channel.conn_or_acquire() as client:
                keep_unreadable(get_runtime(), client)
        except Exception as error:
            if is_unavailable(error) or isinstance(error, c.connection_errors):
                return  # the next look has it
            log.exception("what Redis could not read could not be kept; it stays in Redis", key=UNREADABLE)


def keep_unreadable(runtime: Runtime, client: Any) -> int:
    """Read some of the list into dead letters, the oldest first; returns how many."""
    found = client.lrange(UNREADABLE, -MOST_AT_ONCE, -1)
    for raw in reversed(found):
        content = raw if isinstance(raw, bytes) else str(raw).encode("utf-8", "surrogateescape")
        keep_message(runtime, raw_message(content), Refusal(WHY, code=UNDECODABLE))
        client.lrem(UNREADABLE, -1, raw)
    return len(found)
