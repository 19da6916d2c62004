"""Amend: a change to quantity or price is on record in one transaction; what rests at a venue is changed by a task."""

from datetime import datetime
from itertools import count
from typing import Any

from sqlalchemy import Connection
from sqlalchemy.exc import NoResultFound

from failpoints import failpoint
from models.amend_step import schedule_is_over
from models.amending import CHANGE_FIELDS, check_change, in_steps, read_change
from models.amendment import AmendmentStatus, Change
from models.errors import Conflict, FieldError, InvalidRequest, NotFound, Refusal, Unavailable
from models.instrument import Instrument
from models.money import plain, plain_or_none
from models.order import Order
from models.request import CLIENT_ORDER_ID, DEFAULT_ACCOUNT
from models.transitions import ORDER_UNSENT
from models.vocabulary import ChildStatus, OrderStatus
from storage.amendments import decide_amendment, insert_amendment, latest_amendment, pending_amendment
from storage.children import children_of, move_child
from storage.documents import find_order_id, order_document
from storage.engine import is_conflict, is_unavailable, read, write
from storage.halts import halt_meeting
from storage.ledger import InsufficientFunds
from storage.messages_unfinished import parked_task
from storage.orders import FromNewer, get_order, lock_order, move_order
from storage.outbox import Kind, Posting, enqueue
from storage.schedules import get_schedule
from tasks.amend_hold import hold_wanted, lower_to, raise_to
from tasks.postpone import STEP_PATIENCE
from tasks.queues import URGENT
from tasks.runtime import Runtime
from tasks.stops import ACCOUNT_FROZEN, freeze_of
from workflows.cancel import NEWER_VERSION
from workflows.publisher import publisher_of
from workflows.submit import MOST_TRIES, InstrumentsUnknown

MESSAGE_FIELDS = ("client_order_id", "account", *CHANGE_FIELDS, "if_version")


class OtherVersion(Refusal):
    """The order has moved on from the version that the caller has seen."""

    status = 412
    code = "VERSION_MISMATCH"


class NotAmendableNow(Conflict):
    """The order, as it stands, can't be changed. ``code`` says why: ORDER_ENDED, AMENDMENT_PENDING, HALTED …"""


def request_amend(
    runtime: Runtime, order_id: str, data: object, *, if_match: int | None = None, source: str
) -> dict[str, Any]:
    """Take a change ``{"quantity": …, "price": …}`` (absolute; one may be missing); returns the document.

    Asking for the same again changes nothing. ``if_match``: the version that the caller has seen. Raises
    InvalidRequest, NotFound, OtherVersion, NotAmendableNow, Unavailable; then nothing has changed.
    """
    asked = read_change(data)
    for begun in count(1):
        try:
            document, posting = _take(runtime, order_id, asked, if_match, source)
            break
        except NoResultFound as error:
            raise NotFound(f"there is no order {order_id}") from error
        except FromNewer as error:
            raise Unavailable(f"{error}; send the amendment again", code=NEWER_VERSION) from error
        except InsufficientFunds as short:
            raise NotAmendableNow(
                f"amended, the order would have to hold {plain(short.needed)} {short.asset} more, and "
                f"{plain(short.available)} {short.asset} are available; it stays as it is",
                code="INSUFFICIENT_FUNDS",
            ) from short
        except Exception as error:
            if is_conflict(error) and begun < MOST_TRIES:
                continue  # lost against another transaction: nothing of it happened
            if is_unavailable(error):
                raise Unavailable(
                    "the database can't be reached, so whether the amendment is on record is not known; send it again"
                ) from error
            raise
    failpoint("amend.committed")
    if posting is not None:
        publisher_of(runtime).hand_over(posting)
    return document


def amend_by_client_id(runtime: Runtime, message: "AmendMessage", *, source: str) -> str:
    """Amend by the caller's own id. Raises what ``request_amend`` raises."""
    client_order_id, account, data, if_version = message
    with read(runtime.engine) as conn:
        order_id = find_order_id(conn, account, client_order_id)
    if order_id is None:
        raise NotFound(f"there is no order {client_order_id} in the account {account}")
    document = request_amend(runtime, order_id, data, if_match=if_version, source=source)
    return f"amending order {order_id}: {document['status']}"


#: client order id, account, the change as it came, and the version that the caller has seen
AmendMessage = tuple[str, str, dict[str, object], int | None]


def parse_amend(data: object) -> AmendMessage:
    """Of a message of another service. Raises InvalidRequest."""
    if not isinstance(data, dict):
        raise InvalidRequest([FieldError(field="", rule="must be an object with client_order_id, quantity and price")])
    change = {name: data[name] for name in data if name not in ("client_order_id", "account", "if_version")}
    client_order_id, account = data.get("client_order_id"), data.get("account", DEFAULT_ACCOUNT)
    if_version = data.get("if_version")
    errors = []
    if not isinstance(client_order_id, str) or not CLIENT_ORDER_ID.fullmatch(client_order_id):
        errors.append(FieldError(field="client_order_id", rule="must be the id of the order to amend"))
    if not isinstance(account, str) or not account:
        errors.append(FieldError(field="account", rule="must be the name of an account"))
    if if_version is not None and (isinstance(if_version, bool) or not isinstance(if_version, int)):
        errors.append(FieldError(field="if_version", rule="must be a version of the order, as 7"))
    try:
        read_change(change)
    except InvalidRequest as refusal:
        errors += refusal.errors
    if errors:
        raise InvalidRequest(errors)
    return str(client_order_id), str(account), change, if_version


def _take(
    runtime: Runtime, order_id: str, asked: Change, if_match: int | None, source: str
) -> tuple[dict[str, Any], Posting | None]:
    with read(runtime.engine) as conn:
        order = get_order(conn, order_id)
    instrument = runtime.instruments.all_of(order.venue).get(order.symbol)
    if instrument is None:
        raise InstrumentsUnknown(order.venue)
    with write(runtime.engine) as conn:
        order = lock_order(conn, order_id)
        if if_match is not None and order.version != if_match:
            raise OtherVersion(
                f"order {order_id} is at version {order.version} by now, not {if_match}; look at it, then decide again"
            )
        change = in_steps(order, asked, instrument)
        posting = None
        if not _is_repeat(conn, order, change):
            _refuse_if_impossible(conn, order, change)
            check_change(order, asked, instrument)
            posting = _record(conn, runtime, order, _what_changes(order, change), instrument, source)
            failpoint("amend.recorded")
        document = order_document(conn, order_id)
    assert document is not None
    return document, posting


def _is_repeat(conn: Connection, order: Order, change: Change) -> bool:
    """Whether the order is as it is asked to be, will be, or was before it ended."""
    pending = pending_amendment(conn, order.id)
    if pending is not None:
        if not pending.asks_for(change):
            raise NotAmendableNow(
                f"order {order.id} is being amended to {plain(pending.target_quantity)} at "
                f"{plain_or_none(pending.target_price) or 'the market'}; wait until that is decided",
                code="AMENDMENT_PENDING",
            )
        return True
    if order.is_final or order.ending is not None:
        latest = latest_amendment(conn, order.id)
        return latest is not None and latest.status is AmendmentStatus.DONE and latest.asks_for(change)
    nothing = Change(quantity=None, price=None)
    return _what_changes(order, change) == nothing


def _what_changes(order: Order, change: Change) -> Change:
    return Change(
        quantity=None if change.quantity == order.quantity else change.quantity,
        price=None if change.price == order.price else change.price,
    )


def _refuse_if_impossible(conn: Connection, order: Order, change: Change) -> None:
    if order.is_final:
        raise NotAmendableNow(
            f"order {order.id} has ended as {order.status}; there is nothing to amend", code="ORDER_ENDED"
        )
    if order.ending is not None:
        raise NotAmendableNow(
            f"order {order.id} is to end as {order.ending}; there is nothing to amend", code="ORDER_ENDING"
        )
    if parked_task(conn, order.id) is not None:
        raise NotAmendableNow(
            f"order {order.id} is parked: one of its steps ends its worker. See `steadfill dead-letters list --order "
            f"{order.id}`; once it goes on it can be amended",
            code="PARKED",
        )
    if order.status in ORDER_UNSENT:
        return
    halt = halt_meeting(conn, order.venue, order.account)
    if halt is not None:
        raise NotAmendableNow(
            f"{halt.sentence()}, and what is ended for an amendment could not be sent again; the order stays as it is",
            code="HALTED",
        )
    freeze = freeze_of(conn, order)
    if freeze is not None:
        raise NotAmendableNow(
            f"{freeze.sentence()}. What is ended for an amendment could not be sent again; the order stays as it is",
            code=ACCOUNT_FROZEN,
        )
    more = change.quantity is not None and change.quantity > order.quantity
    if order.is_scheduled and more and get_schedule(conn, order.id).is_over:
        reason = schedule_is_over(order)
        raise NotAmendableNow(reason.message, code=reason.code)


def _record(
    conn: Connection, runtime: Runtime, order: Order, change: Change, instrument: Instrument, source: str
) -> Posting | None:
    now = runtime.now()
    amendment = insert_amendment(conn, order, change, source=source, now=now)
    quantity, price = amendment.target_quantity, amendment.target_price
    cause = f"amend by {source}"
    detail = {"amendment": amendment.id, "quantity": plain(quantity), "price": plain_or_none(price)}
    if order.status in ORDER_UNSENT:
        if order.status is not OrderStatus.RECEIVED:
            _amend_planned(conn, order, change, cause, now)
            hold = hold_wanted(conn, runtime, order, instrument, quantity=quantity, price=price)
            raise_to(conn, order, hold, amendment, now)
            failpoint("amend.held")
            lower_to(conn, order, hold, amendment, now)
        decide_amendment(conn, order.id, AmendmentStatus.DONE, now=now)
        move_order(
            conn, order, order.status, cause=cause, detail=detail, reason=order.reason, now=now, quantity=quantity, price=price
        )  # fmt: skip
        return None
    hold = hold_wanted(conn, runtime, order, instrument, quantity=quantity, price=price)
    raise_to(conn, order, hold, amendment, now)
    failpoint("amend.held")
    move_order(
        conn,
        order,
        OrderStatus.PENDING_AMEND,
        cause=cause,
        detail=detail,
        reason=order.reason,
        now=now,
        rescue_at=now + STEP_PATIENCE,
    )
    return enqueue(conn, Kind.TASK, "orders.amend_working", URGENT, {"order_id": order.id}, now=now)


def _amend_planned(conn: Connection, order: Order, change: Change, cause: str, now: datetime) -> None:
    """The one slice of an order that is sent whole; a schedule has planned none yet."""
    for child in children_of(conn, order.id):
        if child.status is ChildStatus.PLANNED:
            move_child(
                conn,
                child,
                ChildStatus.PLANNED,
                cause=cause,
                now=now,
                attend_at=child.attend_at,
                quantity=change.quantity,
                price=change.price,
            )
