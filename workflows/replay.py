"""Replay and discard: a person's decision on a dead letter, once and on record.

A replay never sends the raw message of a step again. A request of another service goes through intake as a new one
would, with the same idempotency; an order starts from where it stands, as `rescue` starts it; and one whose child is
UNKNOWN can't be replayed at all, since only evidence or a person may say what became of a send.
"""

from collections.abc import Callable, Mapping, Sequence
from datetime import datetime
from typing import Any

import structlog
from sqlalchemy import Connection
from sqlalchemy.exc import NoResultFound

from models.errors import Conflict, FieldError, InvalidRequest, NotFound
from models.order import SEND_UNKNOWN, ChildOrder, Order
from models.transitions import ORDER_UNSENT
from models.vocabulary import ChildStatus, OrderStatus
from storage.children import children_of
from storage.dead_letters import Decision, Kept, LetterStatus, decide, get_dead_letter
from storage.engine import read, write
from storage.messages_unfinished import finish, unpark
from storage.orders import lock_order, move_order
from storage.outbox import Kind, enqueue
from tasks.poison_parking import DELIVERY_LIMIT, PARKED, POISON
from tasks.postpone import start_again
from tasks.queues import ORDERS, ROUTES, URGENT, VENUE
from tasks.runtime import Runtime
from tasks.tracking_subjects import subject_of
from workflows.amend import amend_by_client_id, parse_amend
from workflows.cancel import cancel_by_client_id, parse_cancel
from workflows.submit import submit_order

log = structlog.get_logger()

NOT_PUBLISHABLE = "NOT_PUBLISHABLE"

Letter = Mapping[str, Any]


class LetterDecided(Conflict):
    """Somebody has decided otherwise before."""

    code = "LETTER_DECIDED"


class NotReplayable(Conflict):
    """There is nothing in this letter that could be done again."""

    code = "NOT_REPLAYABLE"


class OnlyResolvable(Conflict):
    """A send without an answer: no replay can tell what became of it."""

    code = SEND_UNKNOWN


def replay(runtime: Runtime, letter_id: int, *, by: str, note: str = "") -> tuple[Letter, bool]:
    """Do again what a letter was about; returns it as it is now, and False where that was done before.

    Raises NotFound, LetterDecided, NotReplayable, OnlyResolvable, and whatever refuses the request again: then the
    letter stays open.
    """
    letter = _find(runtime, letter_id)
    if letter["status"] != LetterStatus.OPEN.value:
        return _as_decided(letter, LetterStatus.REPLAYED), False
    act = _way_of(letter)
    now = runtime.now()
    return _decided(runtime, letter_id, LetterStatus.REPLAYED, by=by, note=note, now=now, act=act)


def discard(runtime: Runtime, letter_id: int, *, by: str, note: str = "") -> tuple[Letter, bool]:
    """Lay a letter aside for good; returns it, and False where that was done before. Raises NotFound, LetterDecided.

    An order that was parked for it stays parked: only a replay, a cancel or a resolve takes it up again.
    """
    letter = _find(runtime, letter_id)
    if letter["status"] != LetterStatus.OPEN.value:
        return _as_decided(letter, LetterStatus.DISCARDED), False
    now = runtime.now()
    return _decided(runtime, letter_id, LetterStatus.DISCARDED, by=by, note=note, now=now, act=_lay_aside)


Act = Callable[[Runtime, Letter, "_Who"], "_Done"]


class _Who:
    """Who decides, why and when."""

    __slots__ = ("by", "note", "now")

    def __init__(self, by: str, note: str, now: datetime) -> None:
        self.by, self.note, self.now = by, note, now


class _SomebodyWasFaster(Exception):
    pass


#: what a decision does in the transaction that puts it on record; returns its outcome in words
_Done = Callable[[Connection], str]


def _decided(
    runtime: Runtime, letter_id: int, status: LetterStatus, *, by: str, note: str, now: datetime, act: Act
) -> tuple[Letter, bool]:
    done = act(runtime, _find(runtime, letter_id), _Who(by, note, now))
    try:
        with write(runtime.engine) as conn:
            # First what it does, which locks the order, then the letter: the order in which a letter is written too.
            outcome = done(conn)
            if not decide(conn, letter_id, Decision(status=status, by=by, note=note, outcome=outcome, at=now)):
                raise _SomebodyWasFaster  # so nothing of this is done
    except (_SomebodyWasFaster, Conflict):
        letter = _find(runtime, letter_id)
        if letter["status"] == LetterStatus.OPEN.value:
            raise
        return _as_decided(letter, status), False
    letter = _find(runtime, letter_id)
    log.info("a dead letter was decided on", letter_id=letter_id, status=status.value, by=by, outcome=outcome)
    return letter, True


def _find(runtime: Runtime, letter_id: int) -> Letter:
    with read(runtime.engine) as conn:
        letter = get_dead_letter(conn, letter_id)
    if letter is None:
        raise NotFound(
            f"There is no dead letter {letter_id}. `steadfill dead-letters list` shows those that there are."
        )
    return letter


def _as_decided(letter: Letter, wanted: LetterStatus) -> Letter:
    if letter["status"] == wanted.value:
        return letter
    raise LetterDecided(
        f"Dead letter {letter['id']} was {letter['status']} by {letter['decided_by']}: {letter['outcome']}. "
        "A letter is decided once"
    )


def _lay_aside(_: Runtime, __: Letter, ___: _Who) -> _Done:
    return lambda _: "laid aside"


def _way_of(letter: Letter) -> Act:
    """How a letter is replayed. Raises NotReplayable."""
    task = letter["task"]
    if letter["code"] == NOT_PUBLISHABLE:
        return _tell_again
    if task not in ROUTES:
        raise NotReplayable(
            f"no worker of this version knows a task {task or 'without a name'}, so there is nothing to do again. "
            f"Have its sender send what it meant, then `steadfill dead-letters discard {letter['id']}`"
        )
    if ROUTES[task] == ORDERS:
        if letter["kept"] != Kept.WHOLE.value:
            raise NotReplayable(
                f"only a part of the message was kept ({letter['kept']}). Have its sender send it again, then "
                f"`steadfill dead-letters discard {letter['id']}`"
            )
        # In this process a request that ends its worker would end the API.
        return _through_the_door if letter["code"] in (POISON, DELIVERY_LIMIT) else _ask_again
    return _go_on if letter["order_id"] else _try_again


def _ask_again(runtime: Runtime, letter: Letter, _: _Who) -> _Done:
    """A request that was refused, through intake as a new one: raises its refusal if that still stands."""
    body = letter["body"]
    if "args" in body:
        raise InvalidRequest([FieldError(field="args", rule="must be empty: send keyword arguments (kwargs)")])
    if letter["task"] == "orders.cancel":
        said = cancel_by_client_id(runtime, *parse_cancel(body), source="celery")
        return lambda _: said
    if letter["task"] == "orders.amend":
        amended = amend_by_client_id(runtime, parse_amend(body), source="celery")
        return lambda _: amended
    taken = submit_order(runtime, body.get("request"), source="celery")
    outcome = f"{'created order' if taken.created else 'is order'} {taken.document['id']}"
    return lambda _: outcome


def _through_the_door(_: Runtime, letter: Letter, who: _Who) -> _Done:
    def send(conn: Connection) -> str:
        enqueue(conn, Kind.TASK, letter["task"], ORDERS, letter["body"], now=who.now, due_at=who.now)
        return f"sent to the queue {ORDERS} again, under a new id"

    return send


def _tell_again(_: Runtime, letter: Letter, who: _Who) -> _Done:
    body = dict(letter["body"])
    queue = body.pop("queue")

    def send(conn: Connection) -> str:
        enqueue(conn, Kind.NOTIFY, letter["task"], queue, body, now=who.now, due_at=who.now)
        return f"sent to the queue {queue} again"

    return send


def _try_again(_: Runtime, letter: Letter, __: _Who) -> _Done:
    def forget(conn: Connection) -> str:
        finish(conn, letter["task"], subject_of(letter["body"]).key)
        return "the next one that beat starts is begun again"

    return forget


def _go_on(_: Runtime, letter: Letter, who: _Who) -> _Done:
    def start(conn: Connection) -> str:
        try:
            order = lock_order(conn, letter["order_id"])
        except NoResultFound:
            raise NotReplayable(f"there is no order {letter['order_id']}") from None
        children = children_of(conn, order.id)
        _refuse_doubt(order, children)
        unpark(conn, order.id, *(child.id for child in children))
        if order.is_final:
            return f"order {order.id} has ended as {order.status} meanwhile: nothing is left to do"
        if order.reason is not None and order.reason.code == PARKED:
            detail = {"dead_letter_id": letter["id"], "by": who.by, "note": who.note}
            order = move_order(conn, order, order.status, cause="replayed", detail=detail, reason=None, now=who.now)
        _send_on(conn, order, children, who.now)
        return f"order {order.id} goes on from {order.status}"

    return start


def _refuse_doubt(order: Order, children: Sequence[ChildOrder]) -> None:
    unknown = [child for child in children if child.status is ChildStatus.UNKNOWN]
    if unknown:
        raise OnlyResolvable(
            f"child {unknown[0].id} of order {order.id} is UNKNOWN: it was sent and nobody has said what became of it, so "
            f"nothing may be started for it. Look at {order.venue} for {unknown[0].venue_client_order_id}, then "
            f"`steadfill order resolve {order.id} --child {unknown[0].id} --outcome absent|exists`"
        )


def _send_on(conn: Connection, order: Order, children: Sequence[ChildOrder], now: datetime) -> None:
    """As rescue does: by what stands, never by what a message said."""
    statuses = {child.status for child in children}
    if order.status is OrderStatus.PENDING_CANCEL:
        enqueue(conn, Kind.TASK, "orders.withdraw", URGENT, {"order_id": order.id}, now=now, due_at=now)
    elif order.status is OrderStatus.PENDING_AMEND:
        enqueue(conn, Kind.TASK, "orders.amend_working", URGENT, {"order_id": order.id}, now=now, due_at=now)
    elif order.status in ORDER_UNSENT or ChildStatus.PLANNED in statuses:
        start_again(conn, order.id, now)
    else:
        enqueue(conn, Kind.TASK, "orders.settle", VENUE, {"order_id": order.id}, now=now, due_at=now)
    for child in children:
        if child.status is ChildStatus.SUBMITTING:
            enqueue(conn, Kind.TASK, "orders.lookup", URGENT, {"child_id": child.id}, now=now, due_at=now)
