"""The feed of changes: each version of each order once, in an order that a reader can resume at any place.

A number that the database counts up is no place in a feed: on PostgreSQL it is drawn before the commit, and who pages
by it skips the rows of slower transactions. So a change is written without a place, and gets one when a reader comes by
and sees it committed: one reader at a time numbers what has none. The versions of one order follow each other, since a
later one is written, and can be seen, only after the commit of the one before, which held the order's row.
"""

import secrets
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import Connection, Engine, bindparam, delete, exists, func, insert, select, update

from models.clock import format_time
from storage.cleanup_records import CleanupRecord
from storage.documents import document_of
from storage.engine import read, write
from storage.event_tables import event_head, order_events
from storage.order_tables import orders
from storage.upsert import upsert

#: positions that are given, and rows that are deleted, in one transaction
BATCH = 1_000

#: batches that one cleanup deletes, so that a long feed does not outlast its time limit; the next one goes on
MOST_BATCHES = 100

_THE_ONE = 1
_FEED_BYTES = 4


@dataclass(frozen=True, slots=True, kw_only=True)
class Head:
    #: names the feed in its cursors
    feed: str
    #: the last position given
    position: int
    #: the last position whose change is deleted; 0 while all are there
    forgotten: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Page:
    head: Head
    #: as the feed shows them, oldest first
    items: Sequence[Mapping[str, Any]]
    #: committed changes wait for their positions
    unnumbered: bool


_INSERT = insert(order_events)
_HEAD = select(event_head.c.feed, event_head.c.position, event_head.c.forgotten)
_HEAD_LOCKED = _HEAD.with_for_update()
_ANY_UNNUMBERED = select(exists().where(order_events.c.position.is_(None)))
_PAGE = (
    select(
        order_events.c.position,
        order_events.c.at.label("event_at"),
        order_events.c.changes,
        *(column for column in orders.c if column.name != "request"),
    )
    .join(orders, orders.c.id == order_events.c.order_id)
    .where(order_events.c.position > bindparam("after"))
    .order_by(order_events.c.position)
    .limit(bindparam("limit"))
)
_WITHOUT_PLACE = (
    select(order_events.c.id)
    .where(order_events.c.position.is_(None))
    .order_by(order_events.c.id)
    .limit(bindparam("most"))
    .subquery("without_place")
)
_PLACES = select(_WITHOUT_PLACE.c.id, func.row_number().over(order_by=_WITHOUT_PLACE.c.id).label("nth")).subquery(
    "places"
)
_NUMBER = (
    update(order_events)
    .values(position=bindparam("last") + _PLACES.c.nth)
    .where(order_events.c.id == _PLACES.c.id)
    .execution_options(preserve_rowcount=True)
)
_MOVE_HEAD = update(event_head).values(position=bindparam("last"))
_FORGET_TO = update(event_head).values(forgotten=bindparam("last"))
_OLDEST_KEPT = select(func.min(order_events.c.position)).where(order_events.c.at >= bindparam("before"))
_SPAN = select(func.min(order_events.c.at), func.max(order_events.c.at), func.count()).where(
    order_events.c.position > bindparam("first"), order_events.c.position <= bindparam("last")
)
_DELETE = (
    delete(order_events).where(order_events.c.position <= bindparam("last")).execution_options(preserve_rowcount=True)
)


def record_event(conn: Connection, order_id: str, version: int, changes: Mapping[str, Any], now: datetime) -> None:
    """Put a version of an order into the feed; in the transaction that makes it, under the order's lock."""
    conn.execute(_INSERT, {"order_id": order_id, "version": version, "at": now, "changes": changes, "position": None})


def read_page(engine: Engine, after: int | None, limit: int) -> Page:
    """Up to ``limit`` changes behind the position ``after``; None begins with the oldest that is kept.

    Gives positions to what has none yet where the page has room for it.
    """
    page = _look(engine, after, limit)
    if len(page.items) >= limit or not (page.unnumbered or page.head.feed == ""):
        return page
    number(engine)
    return _look(engine, after, limit)


def _look(engine: Engine, after: int | None, limit: int) -> Page:
    with read(engine, snapshot=True) as conn:
        head = _head_of(conn)
        start = head.forgotten if after is None else after
        rows = conn.execute(_PAGE, {"after": start, "limit": limit}).mappings().all()
        unnumbered = bool(conn.execute(_ANY_UNNUMBERED).scalar_one())
    return Page(head=head, items=[_item(row) for row in rows], unnumbered=unnumbered)


def _item(row: Mapping[Any, Any]) -> dict[str, Any]:
    document = document_of(row, row["changes"])
    return {
        "position": row["position"],
        "order_id": row["id"],
        "client_order_id": row["client_order_id"],
        "version": document["version"],
        "at": format_time(row["event_at"]),
        "document": document,
    }


def news(engine: Engine) -> tuple[int, bool]:
    """The last position given, and whether changes wait for theirs: a look that costs next to nothing."""
    with read(engine) as conn:
        return _head_of(conn).position, bool(conn.execute(_ANY_UNNUMBERED).scalar_one())


def number(engine: Engine, most: int = BATCH) -> int:
    """Give positions to committed changes, at most so many; returns how many got one. One process at a time."""
    with write(engine) as conn:
        head = _lock_head(conn)
        # A statement of its own, so that it sees all that was committed before the lock was ours.
        count = conn.execute(_NUMBER, {"last": head.position, "most": most}).rowcount
        if count:
            conn.execute(_MOVE_HEAD, {"last": head.position + count})
    return count


def forget_events(engine: Engine, before: datetime, *, record: CleanupRecord | None = None) -> int:
    """Delete the changes at the feed's beginning that are older; returns how many. A reader behind them is told so."""
    while _oldest_unnumbered_before(engine, before) and number(engine):
        pass  # a feed that nobody reads grows old too
    deleted = 0
    for _ in range(MOST_BATCHES):
        with write(engine) as conn:
            head = _lock_head(conn)
            kept = conn.execute(_OLDEST_KEPT, {"before": before}).scalar_one()
            last = min(head.position if kept is None else kept - 1, head.forgotten + BATCH)
            if last <= head.forgotten:
                break
            conn.execute(_FORGET_TO, {"last": last})
            if record is not None:
                _note(conn, head.forgotten, last, record)
            deleted += conn.execute(_DELETE, {"last": last}).rowcount
    return deleted


def _note(conn: Connection, first: int, last: int, record: CleanupRecord) -> None:
    oldest, newest, count = conn.execute(_SPAN, {"first": first, "last": last}).one()
    record.removed(conn, order_events.name, count, oldest=oldest, newest=newest)


def _oldest_unnumbered_before(engine: Engine, before: datetime) -> bool:
    oldest = select(order_events.c.at).where(order_events.c.position.is_(None)).order_by(order_events.c.id).limit(1)
    with read(engine) as conn:
        at = conn.execute(oldest).scalar_one_or_none()
    return at is not None and at < before


def _head_of(conn: Connection) -> Head:
    row = conn.execute(_HEAD).one_or_none()
    if row is None:
        return Head(feed="", position=0, forgotten=0)
    return Head(feed=row.feed, position=row.position, forgotten=row.forgotten)


def _lock_head(conn: Connection) -> Head:
    if conn.execute(_HEAD).one_or_none() is None:
        values = {"id": _THE_ONE, "feed": secrets.token_hex(_FEED_BYTES), "position": 0, "forgotten": 0}
        conn.execute(upsert(conn, event_head).values(values).on_conflict_do_nothing())
    row = conn.execute(_HEAD_LOCKED).one()
    return Head(feed=row.feed, position=row.position, forgotten=row.forgotten)
