"""Tasks for the tests of the test tools. They run in a worker that has nothing but Celery, so they import nothing else."""

from __future__ import annotations

import time

from celery import Task, shared_task
from celery.utils.log import get_task_logger

logger = get_task_logger(__name__)

#: Longer than any test: only a kill ends the first delivery.
FOREVER_S = 3_600


@shared_task(name="toy.add")
def add(left: int, right: int) -> int:
    return left + right


@shared_task(bind=True, name="toy.hang_once", acks_late=True, reject_on_worker_lost=True)
def hang_once(self: Task, label: str) -> str:
    """Hangs when it is delivered for the first time, answers when it is delivered again."""
    redelivered = bool(self.request.delivery_info.get("redelivered"))
    logger.warning("%s is delivered %s", label, "again" if redelivered else "first")
    if not redelivered:
        time.sleep(FOREVER_S)
    return f"{label} done"
