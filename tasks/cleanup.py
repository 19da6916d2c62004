"""Cleanup: what nobody needs any more is forgotten or archived, and what went is on record."""

import secrets
from datetime import timedelta

from storage import leases
from storage.cleanup_records import CleanupRecord
from storage.early_cancels import forget_old_cancels
from storage.engine import write
from storage.events import forget_events
from storage.retention import BATCH, forget_dry_runs, forget_warnings
from tasks.archive import archive
from tasks.runtime import Runtime
from tasks.step import step
from tasks.tracking_retention import forget_messages

#: names of leases, up to the colon, whose epoch fences nothing: a row per order would stay for ever
SHORT_LIVED = ("settle", "hint", "look", "slow", "pace", "looked")
KEPT = timedelta(days=1)

#: batches of one table that one run removes, so that it does not outlast its time limit; the next one goes on
MOST_BATCHES = 20


def cleanup(runtime: Runtime) -> str:
    record = CleanupRecord(run=secrets.token_hex(8), at=runtime.now())
    with write(runtime.engine) as conn:
        forgotten = forget_old_cancels(conn, record.at)
        record.removed(conn, "early_cancels", forgotten)
        ended = leases.forget_ended(conn, SHORT_LIVED, record.at - KEPT)
        record.removed(conn, "leases", ended)
    keep = timedelta(days=runtime.settings.events.keep_days)
    changes = forget_events(runtime.engine, record.at - keep, record=record)
    messages = forget_messages(runtime, record)
    simulated, warnings = _forget_small(runtime, record)
    archived = archive(runtime, record)
    return (
        f"{forgotten} early cancels, {ended} leases, {changes} changes of the feed, {messages} messages, "
        f"{simulated} simulated orders and {warnings} warnings forgotten, {archived} orders archived"
    )


def _forget_small(runtime: Runtime, record: CleanupRecord) -> tuple[int, int]:
    kept = runtime.settings.retention
    totals = []
    for forget, days in ((forget_dry_runs, kept.dry_run_days), (forget_warnings, kept.warning_days)):
        total = 0
        for _ in range(MOST_BATCHES):
            with write(runtime.engine) as conn:
                count = forget(conn, record.at - timedelta(days=days), record)
            total += count
            if count < BATCH:
                break
        totals.append(total)
    return totals[0], totals[1]


cleanup_task = step("storage.cleanup")(cleanup)
