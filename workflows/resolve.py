"""Resolve: a person's word on a send that the venue can't account for."""

from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import Connection
from sqlalchemy.exc import IntegrityError, NoResultFound

from failpoints import failpoint
from models.clock import format_time
from models.errors import Conflict, FieldError, InvalidRequest, NotFound, Unavailable
from models.order import SEND_UNKNOWN, ChildOrder, Order, Reason
from models.vocabulary import ChildStatus
from storage.children import get_child, move_child
from storage.documents import order_document
from storage.engine import write
from storage.messages_unfinished import unpark
from storage.orders import FromNewer, lock_order
from storage.outbox import Kind, Posting, enqueue
from tasks.ending import follow_children
from tasks.queues import URGENT
from tasks.runtime import Runtime
from tasks.timers import after_end
from workflows.cancel import NEWER_VERSION
from workflows.publisher import publisher_of

ABSENT, EXISTS = "absent", "exists"
OUTCOMES = (ABSENT, EXISTS)


class NotInDoubt(Conflict):
    """Only a child that is UNKNOWN can be resolved: of the others the venue has said what they are."""

    code = "NOT_IN_DOUBT"


def resolve_child(
    runtime: Runtime,
    order_id: str,
    child_id: str,
    outcome: str,
    *,
    venue_order_id: str | None = None,
    note: str = "",
    by: str,
) -> Mapping[str, Any]:
    """Put a person's finding on record and go on from there; returns the document.

    ``absent``: the child ends CANCELED and is never sent again. ``exists``: it is followed under ``venue_order_id``.
    Raises NotFound, NotInDoubt, InvalidRequest.
    """
    if outcome == EXISTS and not venue_order_id:
        rule = "is required with the outcome exists: the order's id at the venue"
        raise InvalidRequest([FieldError(field="venue_order_id", rule=rule)])
    detail = {"by": by, "note": note, "outcome": outcome, "venue_order_id": venue_order_id}
    now = runtime.now()
    posting: Posting | None = None
    with write(runtime.engine) as conn:
        try:
            order = lock_order(conn, order_id)
            child = get_child(conn, child_id)
        except NoResultFound as error:
            raise NotFound(f"there is no child {child_id} of an order {order_id}") from error
        except FromNewer as error:
            raise Unavailable(f"{error}; send it again", code=NEWER_VERSION) from error
        _require_doubt(order_id, child)
        if outcome == ABSENT:
            _require_alert(order)
            _require_time(runtime, child)
            reason = Reason(code="RESOLVED_ABSENT", message=f"resolved by {by}: it is not at the venue. {note}".strip())
            ended = move_child(
                conn, child, ChildStatus.CANCELED, cause="resolved", detail=detail, reason=reason, now=now
            )
            after_end(conn, order, ended, now)
        else:
            _follow_as(conn, child, str(venue_order_id), detail, now)
            if order.ending is not None:
                posting = enqueue(conn, Kind.TASK, "orders.withdraw", URGENT, {"order_id": order_id}, now=now)
        unpark(conn, order_id, child_id)
        follow_children(conn, order, cause="resolved", now=now)
        document = order_document(conn, order_id)
    failpoint("resolve.committed")
    if posting is not None:
        publisher_of(runtime).hand_over(posting)
    assert document is not None
    return document


def _follow_as(conn: Connection, child: ChildOrder, venue_order_id: str, detail: dict[str, Any], now: datetime) -> None:
    try:
        with conn.begin_nested():
            move_child(
                conn,
                child,
                ChildStatus.ACCEPTED,
                cause="resolved",
                detail=detail,
                now=now,
                venue_order_id=venue_order_id,
            )
    except IntegrityError as error:
        raise Conflict(f"order {venue_order_id} at {child.venue} belongs to another child of ours") from error


def _require_alert(order: Order) -> None:
    if order.reason is None or order.reason.code != SEND_UNKNOWN:
        raise NotInDoubt(
            f"order {order.id} is still being looked up: until the venue's own deadline has passed a copy may arrive, "
            "so nobody can say that it is absent. Wait until its reason is SEND_UNKNOWN"
        )


def _require_time(runtime: Runtime, child: ChildOrder) -> None:
    """An order that was parked while its send was looked up may say SEND_UNKNOWN before the venue's deadline."""
    venue = runtime.settings.venues.get(child.venue)
    if child.deadline is None or venue is None:
        return
    over_at = child.deadline + timedelta(milliseconds=venue.clock_skew_ms + venue.visibility_lag_ms)
    if runtime.now() <= over_at:
        raise NotInDoubt(
            f"until {format_time(over_at)} a copy of child {child.id} may still arrive at {child.venue}, so nobody can "
            "say that it is absent. Look again after that"
        )


def _require_doubt(order_id: str, child: ChildOrder) -> None:
    if child.order_id != order_id:
        raise NotFound(f"child {child.id} belongs to another order")
    if child.status is not ChildStatus.UNKNOWN:
        raise NotInDoubt(f"child {child.id} is {child.status}; only one that is UNKNOWN can be resolved")
