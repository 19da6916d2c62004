"""What must be published: written with the change that makes it necessary, deleted once the broker has it."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Any

from sqlalchemy import Connection, and_, bindparam, delete, func, insert, or_, select, update

from storage.now import LEAP
from storage.service_tables import outbox
from storage.types import Timestamp

#: The relay leaves a fresh row alone for this long: whoever committed it publishes it at once.
GRACE = timedelta(seconds=1)


class Kind(StrEnum):
    #: one message
    TASK = "task"
    #: the chain of an order, from where the order stands when it is published
    ORDER = "order"
    #: the slices of a schedule that are due next, each at its time, and the plan that follows them
    WAVE = "wave"
    #: an order's document for the queue and task that its caller named
    NOTIFY = "notify"


@dataclass(frozen=True, slots=True, kw_only=True)
class Posting:
    """A row of the outbox."""

    id: int
    kind: Kind
    task: str
    queue: str
    kwargs: Mapping[str, Any]
    #: of the trace that it belongs to
    headers: Mapping[str, str] | None
    attempts: int


_INSERT = insert(outbox).returning(outbox.c.id)
_DELETE = delete(outbox).where(outbox.c.id.in_(bindparam("ids", expanding=True)))
_POSTPONE = (
    update(outbox)
    .where(outbox.c.id.in_(bindparam("ids", expanding=True)))
    .values(attempts=outbox.c.attempts + 1, due_at=bindparam("due"))
)
_PUT_OFF = update(outbox).where(outbox.c.id == bindparam("the_id")).values(due_at=bindparam("due"))
#: what a newer version publishes in a way of its own is left to it
_KNOWN = outbox.c.kind.in_([kind.value for kind in Kind])
_TO_COME = bindparam("to_come", type_=Timestamp())
_IS_DUE = or_(
    outbox.c.due_at <= bindparam("now", type_=Timestamp()),
    # written by a clock that has been set back since
    and_(outbox.c.due_at > _TO_COME, outbox.c.created_at > _TO_COME),
)
_DUE = (
    select(outbox)
    .where(_IS_DUE, _KNOWN)
    .order_by(outbox.c.due_at, outbox.c.id)
    .limit(bindparam("limit"))
    .with_for_update(skip_locked=True)
)
_ANY_DUE = select(select(outbox.c.id).where(_IS_DUE, _KNOWN).exists())
_NEXT = select(func.min(outbox.c.due_at)).where(_KNOWN)


def enqueue(
    conn: Connection,
    kind: Kind,
    task: str,
    queue: str,
    kwargs: Mapping[str, Any],
    *,
    now: datetime,
    due_at: datetime | None = None,
    headers: Mapping[str, str] | None = None,
) -> Posting:
    """Add a row; without ``due_at`` its writer publishes it after the commit and the relay only if that fails."""
    values = {
        "kind": kind.value,
        "task": task,
        "queue": queue,
        "kwargs": dict(kwargs),
        "headers": dict(headers) if headers else None,
        "due_at": due_at or now + GRACE,
        "created_at": now,
    }
    row_id = conn.execute(_INSERT, values).scalar_one()
    return Posting(id=row_id, kind=kind, task=task, queue=queue, kwargs=kwargs, headers=headers, attempts=0)


def enqueue_notice(conn: Connection, document: Mapping[str, Any], notify: Mapping[str, str], now: datetime) -> None:
    """Tell a caller of a change, with the document as the change left it: by the relay, at once, at least once."""
    enqueue(
        conn,
        Kind.NOTIFY,
        notify["task"],
        notify["queue"],
        {"document": document, "version": document["version"]},
        now=now,
        due_at=now,
    )


def take_due(conn: Connection, now: datetime, limit: int) -> Sequence[Posting]:
    """Rows whose time has come, locked until the transaction ends; other relays pass them over."""
    return [_posting(row) for row in conn.execute(_DUE, {"now": now, "to_come": now + LEAP, "limit": limit}).mappings()]


def remove(conn: Connection, ids: Sequence[int]) -> None:
    """The broker has them."""
    if ids:
        conn.execute(_DELETE, {"ids": list(ids)})


def postpone(conn: Connection, ids: Sequence[int], due: datetime) -> None:
    """Publishing failed: try again at ``due``."""
    if ids:
        conn.execute(_POSTPONE, {"ids": list(ids), "due": due})


def put_off(conn: Connection, row_id: int, due: datetime) -> None:
    """Keep a claimed row until ``due``; the attempt is counted already."""
    conn.execute(_PUT_OFF, {"the_id": row_id, "due": due})


def anything_due(conn: Connection, now: datetime) -> bool:
    """Whether `take_due` would find a row; takes no lock."""
    return bool(conn.execute(_ANY_DUE, {"now": now, "to_come": now + LEAP}).scalar_one())


def next_due(conn: Connection) -> datetime | None:
    """When the earliest row is due; None when there is none."""
    earliest: datetime | None = conn.execute(_NEXT).scalar_one()
    return earliest


def _posting(row: Any) -> Posting:
    return Posting(
        id=row["id"],
        kind=Kind(row["kind"]),
        task=row["task"],
        queue=row["queue"],
        kwargs=row["kwargs"],
        headers=row["headers"],
        attempts=row["attempts"],
    )
