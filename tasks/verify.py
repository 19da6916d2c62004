"""Verify, by itself: once a day all of the books are read and compared; what fails is a critical alert."""

import threading
from datetime import timedelta

import structlog

from storage import leases
from storage.alerts import Severity, record_alert
from storage.engine import read, write
from storage.verifications import last_verification, record_verification
from storage.verify import Failure, verify
from tasks.heartbeat import heartbeat_of
from tasks.outcomes import MovedOn
from tasks.runtime import Runtime
from tasks.step import step

log = structlog.get_logger()

LEASE = "verify"

#: Beat looks every hour; so often as this there is a run.
EVERY = timedelta(hours=23)

#: A million fills take minutes: this task alone may run so long (seconds), in a process that nobody waits for.
SOFT_LIMIT_S = 3_600
HARD_LIMIT_S = SOFT_LIMIT_S + 60


def verify_if_due(runtime: Runtime) -> str:
    """Verify the books unless that was done within the last 23 hours. One process at a time, by a lease."""
    with read(runtime.engine) as conn:
        last = last_verification(conn)
    if last is not None and runtime.now() - last.finished_at < EVERY:
        return "verified within a day"
    owner = f"{runtime.owner}:{threading.get_ident()}"
    with write(runtime.engine) as conn:
        epoch = leases.take(conn, LEASE, owner=owner, lease_ms=runtime.settings.execution.lease_ms)
    if epoch is None:
        return MovedOn("somebody else is verifying")
    try:
        with heartbeat_of(runtime).keeping_lease(LEASE, epoch):
            return verify_now(runtime)
    finally:
        with write(runtime.engine) as conn:
            leases.give_back(conn, LEASE, epoch)


def verify_now(runtime: Runtime) -> str:
    """Read everything in one snapshot, keep what was found, and tell of each kind of failure once a day."""
    started_at = runtime.now()
    with read(runtime.engine, snapshot=True) as conn:
        report = verify(conn)
    now = runtime.now()
    with write(runtime.engine) as conn:
        record_verification(conn, report, started_at=started_at, finished_at=now)
        for failure in report.failures:
            record_alert(
                conn,
                f"verify:{failure.first.check}:{now:%Y-%m-%d}",
                kind="LEDGER_FALSE",
                severity=Severity.CRITICAL,
                message=_sentence(failure),
                detail=failure.document(),
                now=now,
            )
    for failure in report.failures:
        log.error("alert", kind="LEDGER_FALSE", message=_sentence(failure))
    log.info("ledger.verified", entries=report.entries, head=report.head, failures=len(report.failures))
    if report.failures:
        return f"{len(report.failures)} checks failed, the first at {report.failures[0].first.row}"
    return f"{report.entries} entries verified"


def _sentence(failure: Failure) -> str:
    more = f" ({failure.rows} rows in all)" if failure.rows > 1 else ""
    first = failure.first
    return (
        f"{first.row}: {first.problem}{more}. It means that {failure.advice.means}. What to do: {failure.advice.todo}."
    )


verify_task = step("ledger.verify", soft_time_limit=SOFT_LIMIT_S, time_limit=HARD_LIMIT_S)(verify_if_due)
