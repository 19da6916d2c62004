"""How long messages are remembered: ended ones for `[messages] keep_days`, beat's hints for an hour."""

from collections.abc import Sequence
from datetime import datetime, timedelta

from sqlalchemy import Engine

from storage.cleanup_records import CleanupRecord
from storage.engine import read, write
from storage.messages import FORGET_BATCH, ended_before, forget
from storage.messages_unfinished import forget_unfinished
from tasks.queues import HOUSEKEEPING, ROUTES
from tasks.runtime import Runtime

#: What beat starts every second or so, and what that starts: a day of it is as much as 30,000 orders.
HINTS = (
    *(task for task, queue in ROUTES.items() if queue == HOUSEKEEPING),
    "orders.track",
    "venues.refresh",
    "venues.measure",
)
HINTS_KEPT = timedelta(hours=1)
#: Only the latest are looked for, or each cleanup would read all that is kept; any that stayed go with the rest.
HINTS_LOOKED_FOR = timedelta(hours=3)

#: batches that one cleanup deletes of each kind, so that it does not outlast its time limit
MOST_BATCHES = 20

#: a step that last began so long ago is a matter of the past, whatever became of it
UNFINISHED_KEPT = timedelta(days=1)


def forget_messages(runtime: Runtime, record: CleanupRecord) -> int:
    """Forget what is over; returns how many messages. Each batch is a transaction of its own."""
    now = record.at
    kept = timedelta(days=runtime.settings.messages.keep_days)
    with write(runtime.engine) as conn:
        forget_unfinished(conn, now - UNFINISHED_KEPT)
    total = _forget(runtime.engine, now - kept, record)
    before = now - min(HINTS_KEPT, kept)
    return total + _forget(runtime.engine, before, record, tasks=HINTS, since=before - HINTS_LOOKED_FOR)


def _forget(
    engine: Engine,
    before: datetime,
    record: CleanupRecord,
    *,
    tasks: Sequence[str] | None = None,
    since: datetime | None = None,
) -> int:
    """Looks without a lock, and deletes a batch at a time; what is left after many batches is the next cleanup's."""
    total = 0
    for _ in range(MOST_BATCHES):
        with read(engine) as conn:
            old = ended_before(conn, before, tasks=tasks, since=since)
        with write(engine) as conn:
            forget(conn, [message_id for message_id, _ in old])
            times = [first_at for _, first_at in old]
            record.removed(conn, "messages", len(old), oldest=min(times, default=None), newest=max(times, default=None))
        total += len(old)
        if len(old) < FORGET_BATCH:
            break
    return total
