"""A worker's request that tells the tracker what becomes of it.

It lives in the worker's main process, which sees the death of a pool process that the dead one can't tell of itself.
"""

import os
from datetime import UTC, datetime
from typing import Any

from celery.exceptions import Ignore, Reject, Retry, TimeLimitExceeded, WorkerLostError
from celery.signals import task_received
from celery.worker.request import Request

from storage.messages import Happened, What
from tasks.tracking import happened
from tasks.tracking_subjects import Subject, bounded, subject_of


class TrackedRequest(Request):
    """Celery's own, and a record of its delivery and its end."""

    #: what its acknowledgement will mean
    ending: What | None = What.SUCCEEDED
    ending_detail: dict[str, Any] | None = None

    def delivered(self) -> None:
        """It came from the broker, and a worker will begin on it."""
        again = bool(self.delivery_info.get("redelivered"))
        self._tell(What.REDELIVERED if again else What.RECEIVED)

    def on_failure(self, exc_info: Any, send_failed_event: bool = True, return_ok: bool = False) -> Any:
        error = exc_info.exception
        error = getattr(error, "exc", error) if type(error).__name__ == "ExceptionWithTraceback" else error
        if isinstance(error, WorkerLostError):
            self.ending = What.KILLED
            self.ending_detail = {"error": "the process that worked on it died", "pool_pid": self.worker_pid}
        elif isinstance(error, Ignore):
            self.ending = None  # its task has put on record itself what became of it
        elif isinstance(error, (Reject, Retry)):
            self.ending = What.RETURNED
        else:
            self.ending, self.ending_detail = What.FAILED, {"error": type(error).__name__}
        return super().on_failure(exc_info, send_failed_event, return_ok)

    def on_timeout(self, soft: bool, timeout: float) -> None:
        if not soft:
            self.ending = What.KILLED  # it goes back to the broker
            self.ending_detail = {"error": TimeLimitExceeded.__name__, "limit_s": timeout}
        super().on_timeout(soft, timeout)

    def _announce_revoked(self, reason: str, terminated: bool, signum: Any, expired: bool) -> None:
        self.ending, self.ending_detail = What.EXPIRED, {"why": reason}
        super()._announce_revoked(reason, terminated, signum, expired)

    def acknowledge(self) -> None:
        new = not self.acknowledged
        super().acknowledge()
        if new and self.ending is not None:
            self._tell(self.ending, self.ending_detail)

    def reject(self, requeue: bool = False) -> None:
        new = not self.acknowledged
        super().reject(requeue)
        if new:
            ended = self.ending if self.ending is What.KILLED else What.RETURNED if requeue else What.FAILED
            self._tell(ended, self.ending_detail)

    def _tell(self, what: What, detail: dict[str, Any] | None = None) -> None:
        subject: Subject = subject_of(self.kwargs)
        now = datetime.now(UTC)
        # `time_start` is the pool's own, which is exact; the end is when this process heard of it.
        started_at = datetime.fromtimestamp(self.time_start, UTC) if self.time_start else None
        run_ms = None
        if started_at is not None and what in (What.SUCCEEDED, What.FAILED):
            run_ms = max(0, round((now - started_at).total_seconds() * 1000))
        happened(
            Happened(
                message_id=bounded(self.id) or "",
                what=what,
                at=now,
                task=bounded(self.name) or "",
                queue=bounded(self.delivery_info.get("routing_key")) or "",
                order_id=subject.order_id,
                child_id=subject.child_id,
                subject=subject.other,
                worker=self._hostname,
                pid=self.worker_pid or os.getpid(),
                started_at=started_at,
                run_ms=run_ms,
                detail=detail,
            )
        )


@task_received.connect
def _received(request: Any = None, **_: Any) -> None:
    if isinstance(request, TrackedRequest):
        request.delivered()
