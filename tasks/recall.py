"""Recall: an order of ours that should not be at the venue is cancelled there, and what it traded is booked."""

import contextlib
from datetime import timedelta

from exchanges.evidence import VenueError
from exchanges.protection.lanes import in_lane
from failpoints import failpoint
from models.reports import VenueStatus
from risk.lane import Lane
from storage.children import get_child
from storage.engine import read, write
from storage.outbox import Kind, enqueue
from tasks.queues import URGENT
from tasks.reads import note_failed_read
from tasks.runtime import Runtime
from tasks.settle import apply_report, with_all_trades
from tasks.step import step

FIRST_PAUSE_S = 0.5
LONGEST_PAUSE_S = 30.0


@in_lane(Lane.URGENT)
def recall(runtime: Runtime, *, child_id: str, venue_order_id: str, tries: int = 0) -> str:
    """Cancel and read until the venue shows it ended; doing it again is harmless."""
    with read(runtime.engine) as conn:
        child = get_child(conn, child_id)
    gateway = runtime.gateways.get(child.venue, child.account)
    try:
        with contextlib.suppress(VenueError):  # whatever the cancel said, the read after it is the truth
            gateway.cancel_order(child.symbol, venue_order_id)
        failpoint("recall.canceled")
        report = gateway.fetch_order(child.symbol, venue_order_id)
    except VenueError as error:
        note_failed_read(runtime, child.venue, child.account, error)
        return _again(runtime, child_id, venue_order_id, tries, error.message)
    apply_report(runtime, child_id, with_all_trades(runtime, child, report), source="recall")
    if report.status is VenueStatus.OPEN:
        return _again(runtime, child_id, venue_order_id, tries, "it is still open")
    return f"ended at the venue: {report.status}"


def _again(runtime: Runtime, child_id: str, venue_order_id: str, tries: int, why: str) -> str:
    now = runtime.now()
    pause_s = min(FIRST_PAUSE_S * 2.0 ** min(tries, 10), LONGEST_PAUSE_S)
    kwargs = {"child_id": child_id, "venue_order_id": venue_order_id, "tries": tries + 1}
    with write(runtime.engine) as conn:
        due_at = now + timedelta(seconds=pause_s)
        enqueue(conn, Kind.TASK, "orders.recall", URGENT, kwargs, now=now, due_at=due_at)
    return f"again in {pause_s:.1f} s: {why}"


recall_task = step("orders.recall")(recall)
