"""A message that is given up: its letter, its order parked, and a person told, in one transaction."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import structlog
from sqlalchemy import Connection
from sqlalchemy.exc import NoResultFound

from models.errors import Refusal
from models.order import SEND_UNKNOWN, Order, Reason, unless_in_doubt
from models.vocabulary import ChildStatus
from storage.alerts import Severity, record_alert
from storage.children import children_of, get_child
from storage.dead_letters import keep_dead_letter, letter_id_of
from storage.messages import Happened, What, record
from storage.messages_unfinished import find_unfinished, park, parked_task
from storage.orders import lock_order, move_order
from tasks.dead_letters import kept_body
from tasks.tracking_subjects import Subject, subject_of

log = structlog.get_logger()

POISON = "POISON"
#: the same, as a broker counted it
DELIVERY_LIMIT = "DELIVERY_LIMIT"
#: the reason's code of an order that waits for a person since one of its steps kills its worker
PARKED = "PARKED"


@dataclass(frozen=True, slots=True, kw_only=True)
class GivenUp:
    """A message that no worker shall begin on again."""

    message_id: str
    task: str
    queue: str
    kwargs: Mapping[str, Any]
    #: ``POISON``, or what a broker's dead-letter queue calls it
    code: str
    #: what happened, as the beginning of a sentence: ``orders.commit has ended its worker 5 times``
    what: str
    #: how often a worker began on it
    deliveries: int | None
    worker: str | None = None


def give_up(conn: Connection, message: GivenUp, now: datetime) -> None:
    """Keep it as a dead letter, and park the order that it is about. Harmless to repeat."""
    subject = subject_of(message.kwargs)
    order = lock_subject(conn, subject)
    known = None if order is None else parked_task(conn, order.id)
    if known is None:
        _bury(conn, message, subject, order, now)
    record(
        conn,
        [
            Happened(
                message_id=message.message_id,
                what=What.DEAD,
                at=now,
                task=message.task,
                queue=message.queue,
                order_id=subject.order_id,
                child_id=subject.child_id,
                subject=subject.other,
                worker=message.worker,
                detail={"code": message.code, **({"parked_for": known} if known else {})},
            )
        ],
    )


def _bury(conn: Connection, message: GivenUp, subject: Subject, order: Order | None, now: datetime) -> None:
    kept = kept_body(message.kwargs)
    keep_dead_letter(
        conn,
        task=message.task,
        queue=message.queue,
        message_id=message.message_id,
        order_id=order.id if order else subject.order_id,
        child_id=subject.child_id,
        body=kept.body,
        kept=kept.kept,
        refusal=Refusal(f"{message.what}; it is not begun again by itself", code=message.code),
        deliveries=message.deliveries,
        now=now,
    )
    letter_id = letter_id_of(conn, message.message_id)
    advice = f"See `steadfill dead-letters show {letter_id}`; once the cause is gone: "
    if order is not None and not order.is_final and _began(conn, message, subject):
        advice = _park(conn, message, order, letter_id, now)
    else:
        advice += f"`steadfill dead-letters replay {letter_id}`, or `steadfill dead-letters discard {letter_id}`."
    text = f"{message.what}. {advice}"
    log.error("alert", kind="POISON_MESSAGE", message=text, task=message.task, message_id=message.message_id)
    record_alert(
        conn,
        f"poison:{message.task}:{subject.key or message.message_id}",
        kind="POISON_MESSAGE",
        severity=Severity.CRITICAL,
        message=text,
        detail={"dead_letter_id": letter_id, "task": message.task, "order_id": order.id if order else None},
        now=now,
    )


def _began(conn: Connection, message: GivenUp, subject: Subject) -> bool:
    """Whether workers died of it. A broker also counts what it gave to one that was cut off before it began; such an
    order is left to rescue.
    """
    if message.code != DELIVERY_LIMIT:
        return True
    unfinished = find_unfinished(conn, message.task, subject.key)
    return unfinished is not None and unfinished[0] > 1


def _park(conn: Connection, message: GivenUp, order: Order, letter_id: int, now: datetime) -> str:
    """Rescue leaves the order alone from here on. Returns what a person is to do."""
    park(conn, order.id, message.task, letter_id, now)
    unknown = [child for child in children_of(conn, order.id) if child.status is ChildStatus.UNKNOWN]
    if unknown:
        advice = (
            f"Nothing more is sent for order {order.id}. Look at {order.venue} for "
            f"{', '.join(child.venue_client_order_id for child in unknown)}, then say what you found: `steadfill order "
            f"resolve {order.id} --child {unknown[0].id} --outcome absent|exists`."
        )
    else:
        advice = (
            f"Order {order.id} stands still and nothing of it is lost. Once the cause is gone: "
            f"`steadfill dead-letters replay {letter_id}`; `steadfill order cancel {order.id}` ends it instead."
        )
    reason = Reason(code=SEND_UNKNOWN if unknown else PARKED, message=f"{message.what}. {advice}")
    move_order(
        conn,
        order,
        order.status,
        cause="parked",
        detail={"dead_letter_id": letter_id, "task": message.task},
        reason=unless_in_doubt(order, reason),
        now=now,
    )
    return advice


def lock_subject(conn: Connection, subject: Subject) -> Order | None:
    """The order that a message is about, locked; None where there is none."""
    try:
        order_id = subject.order_id
        if order_id is None and subject.child_id is not None:
            order_id = get_child(conn, subject.child_id).order_id
        return None if order_id is None else lock_order(conn, order_id)
    except NoResultFound:
        return None
