"""The worker's consumer, which keeps what it can't accept instead of dropping it with a line in the log.

A message is acknowledged only when its letter is committed. While the database is away it stays with this worker,
unacknowledged, and is tried again.
"""
# ruff: noqa: ARG002 - the signatures are Celery's

import logging
from collections.abc import Callable
from typing import Any

import structlog
from celery.worker.consumer import Consumer

from models.errors import Refusal
from models.exact_json import json_shown
from storage.dead_letters import keep_dead_letter
from storage.engine import is_unavailable, write
from storage.messages import Happened, What, record
from tasks.dead_letters import KeptBody, clean_refusal, digest_of, kept_body, unreadable_body
from tasks.queues import ROUTES
from tasks.runtime import Runtime, get_runtime
from tasks.tracking_subjects import bounded, keywords_of, subject_of

log = structlog.get_logger()

#: seconds until a letter is tried again that the database did not take
AGAIN_S = 1.0

UNDECODABLE = "UNDECODABLE"
NO_TASK = "NO_TASK_NAME"
UNKNOWN_TASK = "UNKNOWN_TASK"
NOT_A_TASK = "NOT_A_TASK_MESSAGE"


#: what a message of another shape raises
_SHAPELESS = (LookupError, TypeError, ValueError, AttributeError, RecursionError)


class KeepingConsumer(Consumer):
    """Celery's own, but for what it can't accept."""

    def create_task_handler(self, *args: Any, **kwargs: Any) -> Callable[[Any], Any]:
        handle = super().create_task_handler(*args, **kwargs)
        connection_errors = (*self.connection_errors, *self.channel_errors)

        def carefully(message: Any) -> Any:
            try:
                return handle(message)
            except Exception as error:
                # What is shaped unlike any task message fails anywhere in there, and would end the worker, or have it
                # connect again and again: to Redis' transport a KeyError is a lost connection.
                lost = isinstance(error, connection_errors) and not isinstance(error, _SHAPELESS)
                if lost or message.acknowledged:
                    raise
                return self.on_invalid_task(None, message, error)

        return carefully

    def on_decode_error(self, message: Any, exc: Exception) -> None:
        self._keep(message, UNDECODABLE, f"its body can't be read: {_short(exc)}. Send JSON as application/json")

    def on_unknown_message(self, body: Any, message: Any) -> None:
        self._keep(message, NO_TASK, "it names no task: this queue takes Celery's task messages only")

    def on_invalid_task(self, body: Any, message: Any, exc: Exception) -> None:
        self._keep(message, NOT_A_TASK, f"it is no task message that can be worked off: {_short(exc)}")

    def on_unknown_task(self, body: Any, message: Any, exc: Exception) -> None:
        name = json_shown(message.headers.get("task"))
        known = ", ".join(sorted(ROUTES))
        self._keep(message, UNKNOWN_TASK, f"no worker of this version knows the task {name}; known are {known}")

    def _keep(self, message: Any, code: str, sentence: str) -> None:
        self._try_to_keep(message, Refusal(f"The message was not accepted: {sentence}.", code=code))

    def _try_to_keep(self, message: Any, refusal: Refusal) -> None:
        try:
            keep_message(get_runtime(), message, refusal)
        except Exception as error:
            if is_unavailable(error):
                log.warning("a message that can't be accepted waits for the database", code=refusal.code)
            else:
                log.exception("a message that can't be accepted could not be kept; it stays with the broker")
            self.timer.call_after(AGAIN_S, self._try_to_keep, (message, refusal))
            return
        message.ack_log_error(logging.getLogger(__name__), self.connection_errors)


def keep_message(runtime: Runtime, message: Any, refusal: Refusal, *, queue: str | None = None) -> None:
    """Keep a broker's message as a dead letter; read twice it is one letter. Raises what the database raises."""
    headers = message.headers if isinstance(message.headers, dict) else {}
    refusal = clean_refusal(refusal)
    content, keywords = _content(message, headers)
    message_id = bounded(headers.get("id")) or digest_of(message.body, headers, message.content_type)
    task = bounded(headers.get("task")) or ""
    queue = queue or bounded((message.delivery_info or {}).get("routing_key")) or ""
    subject = subject_of(keywords)
    now = runtime.now()
    with write(runtime.engine) as conn:
        new = keep_dead_letter(
            conn,
            task=task,
            queue=queue,
            message_id=message_id,
            order_id=subject.order_id,
            child_id=subject.child_id,
            body=content.body,
            kept=content.kept,
            refusal=refusal,
            now=now,
        )
        if new:
            dead = Happened(
                message_id=message_id,
                what=What.DEAD,
                at=now,
                task=task,
                queue=queue,
                order_id=subject.order_id,
                child_id=subject.child_id,
                subject=subject.other,
                detail={"code": refusal.code},
            )
            record(conn, [dead])
    if new:
        log.info("a message was not accepted", task=task, code=refusal.code, message=refusal.message)


def _content(message: Any, headers: dict[str, Any]) -> tuple[KeptBody, object]:
    """Its keywords where it is a task message after all, else the beginning of what it is."""
    try:
        keywords = keywords_of(message.payload)
        if isinstance(keywords, dict) and isinstance(headers.get("task"), str):
            return kept_body(keywords), keywords
    except Exception as error:  # noqa: BLE001 - whatever it holds, its beginning can be kept
        log.debug("a body can't be read", error=str(error))
    return unreadable_body(message.body, headers, message.content_type), None


def _short(error: Exception) -> str:
    return f"{type(error).__name__}: {json_shown(str(error))}"
