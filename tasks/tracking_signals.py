"""A message went out: Celery's signal for it, which importing this module connects, told to the tracker."""

from datetime import UTC, datetime
from typing import Any

from celery.signals import after_task_publish

from storage.messages import Happened, What
from tasks.tracking import published
from tasks.tracking_subjects import bounded, keywords_of, subject_of


@after_task_publish.connect
def _published(
    sender: Any = None,
    headers: Any = None,
    body: Any = None,
    exchange: Any = None,
    routing_key: Any = None,
    **_: Any,
) -> None:
    headers = headers if isinstance(headers, dict) else {}
    message_id = bounded(headers.get("id"))
    if message_id is None:
        return
    subject = subject_of(keywords_of(body))
    published(
        Happened(
            message_id=message_id,
            what=What.PUBLISHED,
            at=datetime.now(UTC),
            task=bounded(sender) or "",
            queue=bounded(routing_key) or bounded(exchange) or "",
            order_id=subject.order_id,
            child_id=subject.child_id,
            subject=subject.other,
        )
    )
