"""What can't be done now goes back to a row with a time; no worker waits for it."""

from collections.abc import Mapping
from datetime import datetime, timedelta

import structlog
from sqlalchemy import Connection

from failpoints import failpoint
from models.order import ChildOrder, Order
from models.retry import Trouble
from storage.alerts import Severity, record_alert
from storage.attention import attend_planned, leave_to
from storage.engine import write
from storage.outbox import Kind, enqueue
from tasks.outcomes import PutOff
from tasks.queues import VENUE
from tasks.runtime import Runtime
from tasks.step import retry_delay_s

log = structlog.get_logger()


#: How long after its time a planned step may begin before rescue takes its message for lost.
STEP_PATIENCE = timedelta(seconds=4)


#: Among a message's keywords: it was sent since an earlier one led to nothing, so its delivery is counted (tasks/poison.py).
RESCUED: Mapping[str, bool] = {"rescued": True}


def send_on_at(
    conn: Connection, order_id: str, due_at: datetime, *, tries: int, now: datetime, child_id: str | None = None
) -> None:
    """Have the relay start the order again from where it stands, at ``due_at``; rescue keeps away until after it.

    ``child_id``: only this slice of it.
    """
    if child_id is not None:
        attend_planned(conn, child_id, due_at + STEP_PATIENCE)
        send_slice_at(conn, order_id, child_id, due_at, tries=tries, now=now)
        return
    leave_to(conn, order_id, due_at + STEP_PATIENCE)
    _start(conn, order_id, due_at, tries, now)


def send_slice_at(
    conn: Connection, order_id: str, child_id: str, due_at: datetime, *, now: datetime, tries: int = 0
) -> None:
    """A hint for one planned child."""
    kwargs = {"order_id": order_id, "child_id": child_id, "tries": tries}
    enqueue(conn, Kind.TASK, "orders.commit", VENUE, kwargs, now=now, due_at=due_at)


def named(order: Order, child: ChildOrder) -> str | None:
    """The child that a message must name: an order that is sent whole, at its first attempt, has but one."""
    return child.id if order.is_scheduled or child.attempt > 1 else None


def start_again(conn: Connection, order_id: str, now: datetime, *, rescued: bool = False) -> None:
    """Have the relay start the order again at once. ``rescued``: since an earlier start led to nothing."""
    _start(conn, order_id, now, 0, now, **RESCUED if rescued else {})


def _start(conn: Connection, order_id: str, due_at: datetime, tries: int, now: datetime, **more: bool) -> None:
    enqueue(
        conn,
        Kind.ORDER,
        "orders.start",
        "",
        {"order_id": order_id, "tries": tries, **more},
        now=now,
        due_at=due_at,
    )


def try_again_later(
    runtime: Runtime, order: Order, trouble: Trouble, tries: int, why: str, *, child_id: str | None = None
) -> str:
    """Plan the next try of a step that met trouble before anything was sent.

    When the policy allows no more, `rescue` takes the order up at its slower pace, until age or expiry ends it.
    """
    delay_s = retry_delay_s(runtime, trouble, tries)
    now = runtime.now()
    with write(runtime.engine) as conn:
        if delay_s is None:
            alert_unreachable(conn, order.venue, order.account, why, now)
            return f"left to rescue after {tries} retries: {why}"
        due_at = now + timedelta(seconds=delay_s)
        send_on_at(conn, order.id, due_at, tries=tries + 1, now=now, child_id=child_id)
    failpoint("retry.scheduled")
    return PutOff(f"again in {delay_s:.2f} s: {why}")


def alert_unreachable(conn: Connection, venue: str, account: str, why: str, now: datetime) -> None:
    message = (
        f"{venue} (account {account}) can't be reached: {why}. Orders for it wait; market, IOC and FOK orders expire "
        "at their age. See `steadfill venues` and `steadfill doctor`."
    )
    if record_alert(
        conn,
        f"venue-unreachable:{venue}:{account}:{now:%Y-%m-%dT%H}",
        kind="VENUE_UNREACHABLE",
        severity=Severity.WARNING,
        message=message,
        detail={"venue": venue, "account": account, "error": why},
        now=now,
    ):
        log.warning("alert", kind="VENUE_UNREACHABLE", message=message)
