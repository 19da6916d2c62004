"""Messages: what became of each, as a row that is brought up to date and a history that only grows."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Any

from sqlalchemy import Connection, Table, and_, bindparam, case, delete, func, insert, literal, or_, select
from sqlalchemy.dialects import postgresql, sqlite

from storage.message_tables import message_events, messages

#: rows that one DELETE of the retention takes, so that no lock is held for long
FORGET_BATCH = 5_000


class What(StrEnum):
    """What can happen to a message. All but PUBLISHED, RECEIVED and REDELIVERED are also the status it then has."""

    PUBLISHED = "published"
    RECEIVED = "received"
    #: received again: an earlier delivery was not acknowledged
    REDELIVERED = "redelivered"
    SUCCEEDED = "succeeded"
    #: its task ended with an exception
    FAILED = "failed"
    #: the process that worked on it died; the broker delivers it again
    KILLED = "killed"
    #: given back to the broker, to be delivered again
    RETURNED = "returned"
    #: its time was over, or it was revoked, before a worker began
    EXPIRED = "expired"
    #: a dead letter; final
    DEAD = "dead"


_STATUS = {What.REDELIVERED: What.RECEIVED}
_ENDS = frozenset({What.SUCCEEDED, What.FAILED, What.EXPIRED, What.DEAD})
_DELIVERIES = frozenset({What.RECEIVED, What.REDELIVERED})

STATUSES = tuple(what.value for what in What if what is not What.REDELIVERED)


@dataclass(frozen=True, slots=True, kw_only=True)
class Happened:
    """One thing that happened to one message."""

    message_id: str
    what: What
    #: on the clock of the process that saw it
    at: datetime
    task: str
    queue: str
    order_id: str | None = None
    child_id: str | None = None
    #: what else the message is about
    subject: str | None = None
    worker: str | None = None
    pid: int | None = None
    #: when its task began, where that is over
    started_at: datetime | None = None
    #: milliseconds its task ran
    run_ms: int | None = None
    detail: Mapping[str, Any] | None = None


def _upsert(make: Any) -> Any:
    values = {column.name: bindparam(column.name, type_=column.type) for column in messages.c}
    statement = make(messages).values(values)
    new, old = statement.excluded, messages.c
    published, dead = literal(What.PUBLISHED.value), literal(What.DEAD.value)
    # Batches of several processes arrive in any order. To be published is where a message begins, whatever the clocks say.
    takes = and_(
        old.status != dead,
        new.status != published,
        or_(old.status == published, new.status_at >= old.status_at, new.status == dead),
    )
    known = ("order_id", "child_id", "subject", "published_at", "received_at", "started_at")
    return statement.on_conflict_do_update(
        index_elements=["id"],
        set_={
            **{name: func.coalesce(old[name], new[name]) for name in known},
            "attempts": old.attempts + new.attempts,
            "status": case((takes, new.status), else_=old.status),
            "status_at": case((takes, new.status_at), else_=old.status_at),
            "ended_at": case((takes, new.ended_at), else_=old.ended_at),
            "run_ms": func.coalesce(new.run_ms, old.run_ms),
            "worker": func.coalesce(new.worker, old.worker),
        },
    )


_UPSERT = {"postgresql": _upsert(postgresql.insert), "sqlite": _upsert(sqlite.insert)}
_INSERT_EVENT = insert(message_events)


def record(conn: Connection, happened: Sequence[Happened]) -> None:
    """Put on record what happened to some messages, each event once: a repeat of the call is a repeat on record."""
    if not happened:
        return
    rows: dict[str, dict[str, Any]] = {}
    for item in happened:
        _add(rows, item)
    # In one order everywhere: two transactions that touch the same messages wait for each other, and no more.
    conn.execute(_UPSERT[conn.dialect.name], [rows[key] for key in sorted(rows)])
    conn.execute(
        _INSERT_EVENT,
        [
            {
                "message_id": item.message_id,
                "event": item.what.value,
                "at": item.at,
                "worker": item.worker,
                "pid": item.pid,
                "detail": _detail(item),
            }
            for item in happened
        ],
    )


def _detail(item: Happened) -> dict[str, Any] | None:
    detail = dict(item.detail or {})
    if item.run_ms is not None:
        detail["run_ms"] = item.run_ms
    return detail or None


def _add(rows: dict[str, dict[str, Any]], item: Happened) -> None:
    row = rows.setdefault(
        item.message_id,
        {
            **dict.fromkeys(column.name for column in messages.c),
            "id": item.message_id,
            "task": item.task,
            "queue": item.queue,
            "status": What.PUBLISHED.value,
            "attempts": 0,
            "first_at": item.at,
            "status_at": item.at,
        },
    )
    for name in ("order_id", "child_id", "subject", "started_at"):
        row[name] = row[name] or getattr(item, name)
    row["worker"] = item.worker or row["worker"]
    row["run_ms"] = item.run_ms if item.run_ms is not None else row["run_ms"]
    if item.what is What.PUBLISHED:
        row["published_at"] = row["published_at"] or item.at
        return
    if item.what in _DELIVERIES:
        row["attempts"] += 1
        row["received_at"] = row["received_at"] or item.at
    if row["status"] != What.DEAD.value:
        row["status"] = _STATUS.get(item.what, item.what).value
        row["status_at"] = item.at
        row["ended_at"] = item.at if item.what in _ENDS else None


@dataclass(frozen=True, slots=True, kw_only=True)
class MessageFilter:
    status: str | None = None
    task: str | None = None
    queue: str | None = None
    order_id: str | None = None
    limit: int = 50


def list_messages(conn: Connection, wanted: MessageFilter) -> Sequence[Mapping[str, Any]]:
    """Messages, those last that were first heard of."""
    statement = select(messages).order_by(messages.c.first_at.desc(), messages.c.id).limit(wanted.limit)
    for name in ("status", "task", "queue", "order_id"):
        value = getattr(wanted, name)
        if value is not None:
            statement = statement.where(messages.c[name] == value)
    return [dict(row) for row in conn.execute(statement).mappings()]


def events_of(conn: Connection, message_id: str, limit: int = 500) -> Sequence[Mapping[str, Any]]:
    """What happened to one message, oldest first by the clocks of those who saw it."""
    statement = (
        select(message_events)
        .where(message_events.c.message_id == message_id)
        .order_by(message_events.c.at, message_events.c.id)
        .limit(limit)
    )
    return [dict(row) for row in conn.execute(statement).mappings()]


def ended_before(
    conn: Connection, before: datetime, *, tasks: Sequence[str] | None = None, since: datetime | None = None
) -> Sequence[tuple[str, datetime]]:
    """Messages that came to their status before ``before``: id, and when first heard of; at most a batch of them.

    Dead ones stay as long as their letters. ``tasks`` limits it to these, ``since`` to those first seen then or later.
    """
    conditions = [
        messages.c.first_at < before,
        messages.c.status_at < before,
        messages.c.status != What.DEAD.value,
    ]
    if tasks is not None:
        conditions.append(messages.c.task.in_(tasks))
    if since is not None:
        conditions.append(messages.c.first_at >= since)
    found = conn.execute(select(messages.c.id, messages.c.first_at).where(*conditions).limit(FORGET_BATCH))
    return [(row.id, row.first_at) for row in found]


def forget(conn: Connection, ids: Sequence[str]) -> None:
    """Forget messages, with their events."""
    if ids:
        _delete(conn, messages, messages.c.id, ids)
        _delete(conn, message_events, message_events.c.message_id, ids)


def _delete(conn: Connection, table: Table, column: Any, values: Sequence[str]) -> None:
    for start in range(0, len(values), 500):
        conn.execute(delete(table).where(column.in_(values[start : start + 500])))
