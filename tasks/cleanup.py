"""Cleanup: what nobody needs any more is forgotten or archived, and what went is on record."""

import secrets
from collections.abc import Callable
from datetime import timedelta
from functools import partial

from sqlalchemy import Connection

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
    forgotten = _in_batches(runtime, partial(_forget_cancels, record=record))
    ended = _in_batches(runtime, partial(_forget_leases, record=record))
    keep = timedelta(days=runtime.settings.events.keep_days)
    changes = forget_events(runtime.engine, record.at - keep, record=record)
    messages = forget_messages(runtime, record)
    kept = runtime.settings.retention
    young = record.at - timedelta(days=kept.dry_run_days)
    simulated = _in_batches(runtime, partial(forget_dry_runs, before=young, record=record))
    young = record.at - timedelta(days=kept.warning_days)
    warnings = _in_batches(runtime, partial(forget_warnings, before=young, record=record))
    archived = archive(runtime, record)
    return (
        f"{forgotten} early cancels, {ended} leases, {changes} changes of the feed, {messages} messages, "
        f"{simulated} simulated orders and {warnings} warnings forgotten, {archived} orders archived"
    )


def _in_batches(runtime: Runtime, forget: Callable[[Connection], int]) -> int:
    """Each a transaction of its own, so that nobody waits long for one; what is left after many is the next run's."""
    total = 0
    for _ in range(MOST_BATCHES):
        with write(runtime.engine) as conn:
            count = forget(conn)
        total += count
        if count < BATCH:
            break
    return total


def _forget_cancels(conn: Connection, record: CleanupRecord) -> int:
    count = forget_old_cancels(conn, record.at, BATCH)
    record.removed(conn, "early_cancels", count)
    return count


def _forget_leases(conn: Connection, record: CleanupRecord) -> int:
    count = leases.forget_ended(conn, SHORT_LIVED, record.at - KEPT, BATCH)
    record.removed(conn, "leases", count)
    return count


cleanup_task = step("storage.cleanup")(cleanup)
