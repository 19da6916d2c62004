"""Dead letters: messages that can't be accepted or that kill their worker, each once, until a person decides on it."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Any

from sqlalchemy import Connection, bindparam, select, update

from models.errors import Refusal
from storage.message_tables import dead_letters
from storage.upsert import upsert


class Kept(StrEnum):
    """Whether a letter's body is what was sent. Only a whole one can be sent again."""

    WHOLE = "whole"
    #: it was longer than what is kept
    CUT = "cut"
    #: something in it looked like a secret
    REDACTED = "redacted"
    #: it is no JSON object
    UNREADABLE = "unreadable"


class LetterStatus(StrEnum):
    OPEN = "open"
    REPLAYED = "replayed"
    DISCARDED = "discarded"


LETTER_STATUSES = tuple(status.value for status in LetterStatus)


@dataclass(frozen=True, slots=True, kw_only=True)
class Decision:
    """What a person did with a letter."""

    status: LetterStatus
    by: str
    note: str
    #: what came of it, in words
    outcome: str
    at: datetime


def keep_dead_letter(
    conn: Connection,
    *,
    task: str,
    message_id: str | None,
    body: Any,
    refusal: Refusal,
    now: datetime,
    queue: str | None = None,
    order_id: str | None = None,
    child_id: str | None = None,
    kept: Kept = Kept.WHOLE,
    deliveries: int | None = None,
) -> bool:
    """Keep a message with the reason; False when it was kept before, which only counts it."""
    insert = upsert(conn, dead_letters).values(
        task=task,
        queue=queue,
        message_id=message_id,
        order_id=order_id,
        child_id=child_id,
        body=body,
        kept=kept.value,
        code=refusal.code,
        message=refusal.message,
        errors=[
            {"field": error.field, "rule": error.rule, "value": error.value, "nearest": error.nearest}
            for error in refusal.errors
        ],
        deliveries=deliveries,
        count=1,
        created_at=now,
        status=LetterStatus.OPEN.value,
    )
    statement = insert.on_conflict_do_update(
        index_elements=["message_id"], set_={"count": dead_letters.c.count + 1}
    ).returning(dead_letters.c.count)
    count: int = conn.execute(statement).scalar_one()
    return count == 1


def letter_id_of(conn: Connection, message_id: str) -> int:
    """The number of the letter that a message became. Raises NoResultFound."""
    found: int = conn.execute(select(dead_letters.c.id).where(dead_letters.c.message_id == message_id)).scalar_one()
    return found


def get_dead_letter(conn: Connection, letter_id: int, *, lock: bool = False) -> Mapping[str, Any] | None:
    statement = select(dead_letters).where(dead_letters.c.id == letter_id)
    row = conn.execute(statement.with_for_update() if lock else statement).mappings().one_or_none()
    return None if row is None else dict(row)


_DECIDE = (
    update(dead_letters)
    .where(dead_letters.c.id == bindparam("the_id"), dead_letters.c.status == LetterStatus.OPEN.value)
    .values(
        status=bindparam("new_status"),
        decided_at=bindparam("at"),
        decided_by=bindparam("by"),
        note=bindparam("the_note"),
        outcome=bindparam("the_outcome"),
    )
    .execution_options(preserve_rowcount=True)
)


def decide(conn: Connection, letter_id: int, decision: Decision) -> bool:
    """Put a person's decision on record; False when somebody was faster."""
    parameters = {
        "the_id": letter_id,
        "new_status": decision.status.value,
        "at": decision.at,
        "by": decision.by,
        "the_note": decision.note,
        "the_outcome": decision.outcome,
    }
    return conn.execute(_DECIDE, parameters).rowcount == 1


@dataclass(frozen=True, slots=True, kw_only=True)
class LetterFilter:
    status: str | None = None
    code: str | None = None
    order_id: str | None = None
    #: only letters with a smaller number: the last one of the page before
    before: int | None = None
    limit: int = 100


def find_dead_letters(conn: Connection, wanted: LetterFilter) -> Sequence[dict[str, Any]]:
    """Letters that match, the newest first."""
    statement = select(dead_letters).order_by(dead_letters.c.id.desc()).limit(wanted.limit)
    for name in ("status", "code", "order_id"):
        value = getattr(wanted, name)
        if value is not None:
            statement = statement.where(dead_letters.c[name] == value)
    if wanted.before is not None:
        statement = statement.where(dead_letters.c.id < wanted.before)
    return [dict(row) for row in conn.execute(statement).mappings()]


def list_dead_letters(conn: Connection, limit: int = 100) -> Sequence[dict[str, Any]]:
    """The newest first, whatever became of them."""
    return find_dead_letters(conn, LetterFilter(limit=limit))
