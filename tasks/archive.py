"""Archive: the histories of orders that closed long ago go into files, and from the database once the files have them."""

import socket
import threading
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from datetime import datetime, timedelta
from itertools import islice
from typing import Any

import structlog

from failpoints import failpoint
from models.ids import ORDER_ID_RANDOM_BYTES, order_id
from storage.alerts import Severity, record_alert
from storage.archive import History, look_for_closed, note_file, read_histories, remove_histories
from storage.archive_files import ArchivedFile, ArchiveProblem, remove_unfinished, write_file
from storage.cleanup_records import CleanupRecord, cursor_of, move_cursor
from storage.engine import read, write
from storage.leases import give_back, holds, take
from tasks.heartbeat import heartbeat_of
from tasks.runtime import Runtime

log = structlog.get_logger()

LEASE = "archive"
CURSOR = "archive"

#: orders that one look passes over, and histories that one file has at most: some megabytes
ORDERS_A_LOOK = 50_000
ORDERS_A_FILE = 500
#: rows of histories that one file has at most, but for one order alone: a schedule of hours has thousands
ROWS_A_FILE = 100_000
#: what one transaction removes at most, but for one order alone, so that on SQLite no writer waits long for it
ORDERS_A_TRANSACTION = 50
ROWS_A_TRANSACTION = 5_000
#: No file is begun after so many seconds of one run: well within the time limit of its task.
BEGIN_WITHIN_S = 10.0


def archive(runtime: Runtime, record: CleanupRecord) -> int:
    """Archive what closed long enough ago, a few files' worth; returns how many orders. One process at a time."""
    days = runtime.settings.retention.archive_after_days
    if days == 0:
        return 0
    name = f"{runtime.owner}:{threading.get_ident()}"
    with write(runtime.engine) as conn:
        epoch = take(conn, LEASE, owner=name, lease_ms=runtime.settings.execution.lease_ms)
    if epoch is None:
        return 0
    try:
        with heartbeat_of(runtime).keeping_lease(LEASE, epoch):
            remove_unfinished(runtime.settings.archive_folder)
            return _archive(runtime, record, record.at - timedelta(days=days), epoch)
    except ArchiveProblem as error:
        _alert(runtime, error)
        return 0
    finally:
        with write(runtime.engine) as conn:
            give_back(conn, LEASE, epoch)


def _archive(runtime: Runtime, record: CleanupRecord, before: datetime, epoch: int) -> int:
    begun, total = time.monotonic(), 0
    # An order that closed before then was taken before then, and its id tells when.
    young = order_id(before, bytes(ORDER_ID_RANDOM_BYTES))
    while time.monotonic() - begun < BEGIN_WITHIN_S:
        with read(runtime.engine) as conn:
            after = cursor_of(conn, CURSOR)
            look = look_for_closed(
                conn, after=after, young=young, before=before, most=ORDERS_A_LOOK, limit=ORDERS_A_FILE
            )
        goes_on_after = look.goes_on_after
        if look.found:
            gone, last = _archive_some(runtime, look.found, before, record, epoch)
            total += gone
            goes_on_after = goes_on_after if last == look.found[-1] else last
        with write(runtime.engine) as conn:
            move_cursor(conn, CURSOR, goes_on_after)
        if not goes_on_after or not look.found:
            break
    return total


def _archive_some(
    runtime: Runtime, ids: Sequence[str], before: datetime, record: CleanupRecord, epoch: int
) -> tuple[int, str]:
    """Write one file and remove what it has; returns how many orders, and the last one that the file took."""
    written: list[History] = []
    file = write_file(runtime.settings.archive_folder, _contents(runtime, ids, written))
    failpoint("cleanup.written")
    with write(runtime.engine) as conn:
        note_file(conn, file, host=socket.gethostname(), now=record.at)
    failpoint("cleanup.noted")
    gone = sum(_remove(runtime, some, file, before, record, epoch) for some in _portions(written))
    return gone, written[-1].order_id


def _contents(runtime: Runtime, ids: Sequence[str], written: list[History]) -> Iterator[Mapping[str, Any]]:
    """What the lines hold; notes in ``written``, without that, what was read."""
    waiting, rows = iter(ids), 0
    while some := list(islice(waiting, ORDERS_A_TRANSACTION)):
        with read(runtime.engine, snapshot=True) as conn:
            for one in read_histories(conn, some):
                yield one.content
                written.append(replace(one, content={}))
                rows += one.rows
                if rows > ROWS_A_FILE:
                    return


def _portions(histories: Sequence[History]) -> Iterator[list[History]]:
    portion: list[History] = []
    for one in histories:
        rows = one.rows + sum(other.rows for other in portion)
        if portion and (len(portion) == ORDERS_A_TRANSACTION or rows > ROWS_A_TRANSACTION):
            yield portion
            portion = []
        portion.append(one)
    if portion:
        yield portion


def _remove(
    runtime: Runtime, some: Sequence[History], file: ArchivedFile, before: datetime, record: CleanupRecord, epoch: int
) -> int:
    with write(runtime.engine) as conn:
        if not holds(conn, LEASE, epoch):
            return 0  # somebody else goes on; what this file has and nobody removed is in theirs again
        gone = remove_histories(conn, some, file, before=before, record=record)
        failpoint("cleanup.removing")
    failpoint("cleanup.removed")
    return gone


def _alert(runtime: Runtime, error: ArchiveProblem) -> None:
    log.warning("archive.failed", why=str(error))
    with write(runtime.engine) as conn:
        record_alert(
            conn,
            "archive-failed",
            kind="ARCHIVE_FAILED",
            severity=Severity.WARNING,
            message=f"Closed orders can't be archived: {error}.",
            detail={"folder": str(runtime.settings.archive_folder)},
            now=runtime.now(),
        )
