"""Cancel: the wish is on record in one transaction; the venue hears of it from a task."""

from datetime import timedelta
from typing import Any

from sqlalchemy.exc import NoResultFound

from failpoints import failpoint
from models.errors import Conflict, FieldError, InvalidRequest, NotFound, Unavailable
from models.order import Order, Reason, unless_in_doubt
from models.transitions import ORDER_UNSENT
from models.vocabulary import OrderStatus
from storage.amendments import refuse_amendment
from storage.children import children_of
from storage.documents import find_order_id, order_document
from storage.early_cancels import remember_cancel
from storage.engine import is_unavailable, read, write
from storage.messages_unfinished import unpark
from storage.orders import FromNewer, lock_order, move_order
from storage.outbox import Kind, Posting, enqueue
from tasks.ending import end_unsent
from tasks.postpone import STEP_PATIENCE
from tasks.queues import URGENT
from tasks.runtime import Runtime
from workflows.publisher import publisher_of

#: How long a cancel waits for its order.
EARLY_CANCEL_LIFE = timedelta(hours=24)


#: the code of an answer that only a process of a newer version can give
NEWER_VERSION = "NEWER_VERSION"


class OtherwiseEnded(Conflict):
    """The order has ended, and not by a cancel."""

    code = "ORDER_ENDED"


def request_cancel(runtime: Runtime, order_id: str, *, source: str) -> dict[str, Any]:
    """Record the wish to cancel and start on it; returns the document. Harmless to repeat.

    Raises NotFound, OtherwiseEnded, Unavailable.
    """
    try:
        document, posting = _record(runtime, order_id, source)
    except NoResultFound as error:
        raise NotFound(f"there is no order {order_id}") from error
    except FromNewer as error:
        raise Unavailable(f"{error}; send the cancel again", code=NEWER_VERSION) from error
    except Exception as error:
        if is_unavailable(error):
            raise Unavailable(
                "the database can't be reached, so whether the cancel is on record is not known; send it again"
            ) from error
        raise
    failpoint("cancel.committed")
    if posting is not None:
        publisher_of(runtime).hand_over(posting)
    return document


def cancel_by_client_id(runtime: Runtime, account: str, client_order_id: str, *, source: str) -> str:
    """Cancel by the caller's own id; one that comes before its order is remembered for a day."""
    known = _find(runtime, account, client_order_id)
    if known is None:
        now = runtime.now()
        with write(runtime.engine) as conn:
            remember_cancel(conn, account, client_order_id, now=now, until=now + EARLY_CANCEL_LIFE)
        # The order may have come in between; `prepare` looks for early cancels after the order's commit,
        # and we look for the order after the cancel's commit: one of the two sees the other.
        known = _find(runtime, account, client_order_id)
    if known is None:
        return "remembered: the order has not come yet"
    request_cancel(runtime, known, source=source)
    return f"canceling order {known}"


def _find(runtime: Runtime, account: str, client_order_id: str) -> str | None:
    with read(runtime.engine) as conn:
        return find_order_id(conn, account, client_order_id)


def _record(runtime: Runtime, order_id: str, source: str) -> tuple[dict[str, Any], Posting | None]:
    now = runtime.now()
    posting = None
    with write(runtime.engine) as conn:
        order = lock_order(conn, order_id)
        # A new aim: the step that ended its worker on the way to the old one need not stand in its way.
        unparked = unpark(conn, order_id, *(child.id for child in children_of(conn, order_id)))
        if order.is_final:
            _refuse_unless_canceled(order)
        elif order.status in ORDER_UNSENT:
            reason = Reason(code="CANCEL_REQUESTED", message=f"canceled by {source} before anything was sent")
            order = move_order(
                conn, order, order.status, cause=f"cancel by {source}", reason=reason, now=now,
                cancel_requested_at=now, ending=OrderStatus.CANCELED, rescue_at=now,
            )  # fmt: skip
            end_unsent(conn, order, OrderStatus.CANCELED, reason, cause=f"cancel by {source}", now=now)
        elif order.status is not OrderStatus.PENDING_CANCEL:
            refuse_amendment(conn, order_id, "CANCEL_REQUESTED", f"the order was canceled by {source} meanwhile", now)
            move_order(
                conn,
                order,
                OrderStatus.PENDING_CANCEL,
                cause=f"cancel by {source}",
                reason=unless_in_doubt(order, Reason(code="CANCEL_REQUESTED", message=f"canceled by {source}")),
                now=now,
                cancel_requested_at=now,
                ending=OrderStatus.CANCELED,
                rescue_at=now + STEP_PATIENCE,
            )
            posting = enqueue(conn, Kind.TASK, "orders.withdraw", URGENT, {"order_id": order_id}, now=now)
        elif order.cancel_requested_at is None:
            # Its fill policy or its time is ending it: the same end, and now somebody has asked for it.
            move_order(
                conn, order, order.status, cause=f"cancel by {source}", reason=order.reason, now=now,
                cancel_requested_at=now, rescue_at=now + STEP_PATIENCE,
            )  # fmt: skip
            posting = enqueue(conn, Kind.TASK, "orders.withdraw", URGENT, {"order_id": order_id}, now=now)
        elif unparked:
            posting = enqueue(conn, Kind.TASK, "orders.withdraw", URGENT, {"order_id": order_id}, now=now)
        failpoint("cancel.recorded")
        document = order_document(conn, order_id)
    assert document is not None
    return document, posting


def _refuse_unless_canceled(order: Order) -> None:
    if order.status is OrderStatus.CANCELED and order.cancel_requested_at is not None:
        return
    raise OtherwiseEnded(f"order {order.id} has ended as {order.status}; there is nothing to cancel")


def parse_cancel(data: object) -> tuple[str, str]:
    """``(account, client_order_id)`` of a cancel message. Raises InvalidRequest."""
    errors = []
    if not isinstance(data, dict):
        raise InvalidRequest([FieldError(field="", rule="must be an object with client_order_id and account")])
    client_order_id, account = data.get("client_order_id"), data.get("account", "main")
    if not isinstance(client_order_id, str) or not 1 <= len(client_order_id) <= 64:
        errors.append(FieldError(field="client_order_id", rule="must be the id of the order to cancel"))
    if not isinstance(account, str) or not account:
        errors.append(FieldError(field="account", rule="must be the name of an account"))
    if errors:
        raise InvalidRequest(errors)
    return str(account), str(client_order_id)
