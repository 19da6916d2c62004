"""The door for other services: the Celery tasks `orders.submit`, `orders.cancel` and `orders.amend` on the queue `orders`."""

import json
import time
from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Any

import structlog
from celery import Task
from celery.exceptions import Reject, SoftTimeLimitExceeded
from sqlalchemy import Connection

from failpoints import failpoint
from models.errors import FieldError, InvalidRequest, Refusal, Unavailable
from models.exact_json import json_shown
from models.request import DEFAULT_ACCOUNT
from models.request_fields import Fields
from models.request_parts import read_notify
from storage.alerts import Severity, record_alert
from storage.dead_letters import keep_dead_letter
from storage.documents import find_order_id, order_document
from storage.engine import is_unavailable, write
from storage.messages import Happened, What, record
from storage.orders import get_order
from storage.outbox import Kind, enqueue
from tasks.app import app
from tasks.dead_letters import clean_refusal, kept_body
from tasks.exact_messages import exact
from tasks.poison import OnRecord
from tasks.queues import ORDERS
from tasks.runtime import Runtime, get_runtime
from tasks.tracking_subjects import bounded, subject_of
from workflows.amend import amend_by_client_id, parse_amend
from workflows.cancel import cancel_by_client_id, parse_cancel
from workflows.submit import InstrumentsUnknown, submit_order

log = structlog.get_logger()

SOURCE = "celery"

#: between tries while the database is away; the message waits here, unacknowledged
RETRY_S = 1.0

#: how long a message waits in the outbox while the instruments of its venue are not known
COMES_BACK = timedelta(seconds=10)

#: one delivery is tried for so long: shorter than the soft time limit; then the message goes back to the broker
TRIED_FOR_S = 20.0


@app.task(name="orders.submit", bind=True)
def submit(self: Task, *args: Any, **message: Any) -> str:
    """``kwargs={"request": {…}}``: the same validation and idempotency as over HTTP; a no becomes a dead letter."""

    def take(runtime: Runtime) -> str:
        _refuse_positional(args)
        taken = submit_order(runtime, exact(message.get("request")), source=SOURCE)
        failpoint("intake.message.taken")
        return f"{'created' if taken.created else 'known as'} {taken.document['id']}"

    return _answer(self, {**message, **({"args": args} if args else {})}, take)


@app.task(name="orders.cancel", bind=True)
def cancel(self: Task, *args: Any, **message: Any) -> str:
    """``kwargs={"client_order_id", "account"}``; one that comes before its order is remembered for a day."""

    def take(runtime: Runtime) -> str:
        _refuse_positional(args)
        return cancel_by_client_id(runtime, *parse_cancel(message), source=SOURCE)

    return _answer(self, {**message, **({"args": args} if args else {})}, take)


@app.task(name="orders.amend", bind=True)
def amend(self: Task, *args: Any, **message: Any) -> str:
    """``kwargs={"client_order_id", "account", "quantity", "price", "if_version"}``; quantity is the new total."""

    def take(runtime: Runtime) -> str:
        _refuse_positional(args)
        return amend_by_client_id(runtime, parse_amend(exact(message)), source=SOURCE)

    return _answer(self, {**message, **({"args": args} if args else {})}, take)


def _refuse_positional(args: tuple[Any, ...]) -> None:
    if args:
        raise InvalidRequest([FieldError(field="args", rule="must be empty: send keyword arguments (kwargs)")])


def _answer(task: Task, message: dict[str, Any], work: Callable[[Runtime], str]) -> str:
    """Do it, or keep the refusal as a dead letter. What can't be decided now stays with the broker."""
    runtime = get_runtime()
    give_up_at = time.monotonic() + TRIED_FOR_S
    try:
        while time.monotonic() < give_up_at:
            try:
                return _decide(task, runtime, message, work)
            except InstrumentsUnknown as error:
                return _come_back(task, runtime, message, error)
            except Exception as error:
                if not (isinstance(error, Unavailable) or is_unavailable(error)):
                    raise
                log.warning("a message waits", task=task.name, why=str(error))
            time.sleep(RETRY_S)
    except SoftTimeLimitExceeded:
        log.warning("a message waits", task=task.name, why="it took longer than a task may")
    raise Reject("it can't be decided now; the message goes back", requeue=True)


def _come_back(task: Task, runtime: Runtime, message: dict[str, Any], why: InstrumentsUnknown) -> str:
    """A venue that has not been heard of yet keeps no worker waiting: the message goes into the outbox for a while.

    The request is sound, or its instruments had not been asked for; its decimals go on as strings of their digits.
    """
    now = runtime.now()
    kept = {"request": message["request"]} if "request" in message else message
    keywords = json.loads(json.dumps(exact(kept), default=str))
    with write(runtime.engine) as conn:
        enqueue(conn, Kind.TASK, task.name, ORDERS, keywords, now=now, due_at=now + COMES_BACK)
        record_alert(
            conn,
            f"instruments-unknown:{why.venue}",
            kind="INSTRUMENTS_UNKNOWN",
            severity=Severity.WARNING,
            message=(
                f"Orders for {why.venue} wait: its instruments could not be read since this deployment began. See "
                "`steadfill doctor` and the venue's base_url; they are tried again by themselves."
            ),
            detail={"venue": why.venue},
            now=now,
        )
    log.warning("a message waits", task=task.name, why=str(why))
    return f"comes back in {COMES_BACK.total_seconds():.0f} s: {why}"


def _decide(task: Task, runtime: Runtime, message: dict[str, Any], work: Callable[[Runtime], str]) -> str:
    try:
        return work(runtime)
    except (Unavailable, SoftTimeLimitExceeded):  # no word about the message itself
        raise
    except Refusal as refusal:
        return _refuse(task, runtime, message, refusal)
    except Exception as error:
        if is_unavailable(error):
            raise
        log.exception("a message met a bug and is kept as a dead letter", task=task.name)
        bug = Refusal(f"it met a bug in this program ({type(error).__name__}); see the log", code="INTERNAL_ERROR")
        return _refuse(task, runtime, message, bug)


def _refuse(task: Task, runtime: Runtime, message: dict[str, Any], refusal: Refusal) -> str:
    now = runtime.now()
    content, refusal = kept_body(message), clean_refusal(refusal)
    message_id, subject = bounded(task.request.id) or "", subject_of(message)
    with write(runtime.engine) as conn:
        new = keep_dead_letter(
            conn,
            task=task.name,
            queue=ORDERS,
            message_id=message_id,
            body=content.body,
            kept=content.kept,
            refusal=refusal,
            now=now,
        )
        if new:
            if task.name == "orders.amend":
                _notify_of_refused_amendment(conn, message, refusal, now)
            else:
                _notify_of_refusal(conn, message, refusal, now)
            dead = Happened(
                message_id=message_id,
                what=What.DEAD,
                at=now,
                task=task.name,
                queue=ORDERS,
                subject=subject.other,
                worker=task.request.hostname,
                detail={"code": refusal.code},
            )
            record(conn, [dead])
    log.info("a message was refused", task=task.name, code=refusal.code, message=refusal.message)
    return OnRecord(f"refused: {refusal.code}")


def _notify_of_refusal(conn: Connection, message: dict[str, Any], refusal: Refusal, now: datetime) -> None:
    """A caller that asked to be told hears of a no as well."""
    request = message.get("request")
    if not isinstance(request, dict):
        return
    fields = Fields({"notify": request.get("notify")}, ("notify",))
    notify = read_notify(fields)
    if notify is None or fields.errors:
        return
    document = {
        "client_order_id": json_shown(request.get("client_order_id")),
        "status": None,
        **_why(refusal),
    }
    enqueue(
        conn,
        Kind.NOTIFY,
        notify.task,
        notify.queue,
        {"document": document, "version": 0},
        now=now,
        due_at=now,
    )


def _notify_of_refused_amendment(conn: Connection, message: dict[str, Any], refusal: Refusal, now: datetime) -> None:
    """Whoever is told of the order hears that it stays as it is, and why."""
    client_order_id, account = message.get("client_order_id"), message.get("account", DEFAULT_ACCOUNT)
    if not isinstance(client_order_id, str) or not isinstance(account, str):
        return
    order_id = find_order_id(conn, account, client_order_id)
    order = None if order_id is None else get_order(conn, order_id)
    if order is None or order.notify is None:
        return
    document = {**(order_document(conn, order.id) or {}), **_why(refusal)}
    told = {"document": document, "version": order.version}
    enqueue(conn, Kind.NOTIFY, order.notify["task"], order.notify["queue"], told, now=now, due_at=now)


def _why(refusal: Refusal) -> dict[str, Any]:
    return {
        "reason": {"code": refusal.code, "message": refusal.message},
        "errors": [
            {"field": error.field, "rule": error.rule, "value": error.value, "nearest": error.nearest}
            for error in refusal.errors
        ],
    }
