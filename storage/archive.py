"""Which orders' histories may leave the database, what belongs to a history, and its removal once a file has it.

An order keeps its row, its children and its fills for good: its client id is taken for ever, its document is made from
them, and a late trade finds its child and the fills before it there. What goes is how it came about: transitions, sends,
reports, amendments, and the path of the market. Entries of the ledger stay.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from itertools import islice
from typing import Any

from sqlalchemy import Connection, Table, and_, bindparam, delete, exists, func, insert, or_, select, update

from models.amendment import AmendmentStatus
from models.reconciliation import BreakStatus
from models.transitions import CHILD_FINAL, ORDER_FINAL
from models.vocabulary import OrderStatus
from storage.amendment_tables import amendments
from storage.archive_files import ArchivedFile
from storage.cleanup_records import CleanupRecord
from storage.cleanup_tables import archive_files, archived_orders
from storage.cost_tables import cost_cursor, order_markets
from storage.documents import order_document, timeline
from storage.ledger_tables import ledger_entries, ledger_legs, order_holds
from storage.message_tables import parked_orders
from storage.order_tables import child_orders, fills, orders, reports, sends, transitions
from storage.reconciliation_tables import breaks
from storage.schedule_tables import schedules
from storage.types import Timestamp

#: what is closed for good; an order that FAILED waits for a person
CLOSED = frozenset(ORDER_FINAL - {OrderStatus.FAILED})

_ENDED_CHILD = [status.value for status in CHILD_FINAL]
_LIVE_CHILD = exists().where(child_orders.c.order_id == orders.c.id, child_orders.c.status.not_in(_ENDED_CHILD))
_UNSETTLED = exists().where(reports.c.order_id == orders.c.id, reports.c.applied_at.is_(None))
_AMENDING = exists().where(amendments.c.order_id == orders.c.id, amendments.c.status == AmendmentStatus.PENDING.value)
_HOLDING = exists().where(order_holds.c.order_id == orders.c.id, order_holds.c.amount != 0)
_PARKED = exists().where(parked_orders.c.order_id == orders.c.id)
_BROKEN = exists().where(breaks.c.order_id == orders.c.id, breaks.c.status == BreakStatus.OPEN)
#: its end is not noted for `steadfill report` yet, or its venue is still to be asked for the market
_UNMEASURED = or_(
    exists().where(
        transitions.c.order_id == orders.c.id,
        transitions.c.id > func.coalesce(select(cost_cursor.c.transition_id).scalar_subquery(), 0),
    ),
    exists().where(order_markets.c.order_id == orders.c.id, order_markets.c.due_at.is_not(None)),
)
_ARCHIVED = exists().where(archived_orders.c.order_id == orders.c.id, archived_orders.c.version == orders.c.version)
_MAY_GO = and_(
    orders.c.status.in_([status.value for status in CLOSED]),
    orders.c.updated_at < bindparam("before", type_=Timestamp()),
    *(
        ~condition
        for condition in (_LIVE_CHILD, _UNSETTLED, _AMENDING, _HOLDING, _PARKED, _BROKEN, _UNMEASURED, _ARCHIVED)
    ),
)
_LOOKED_AT = (
    select(orders.c.id)
    .where(orders.c.id > bindparam("after"), orders.c.id < bindparam("young"))
    .order_by(orders.c.id)
    .offset(bindparam("most"))
    .limit(1)
)
_CANDIDATES = (
    select(orders.c.id)
    .where(
        orders.c.id > bindparam("after"), orders.c.id < bindparam("young"), orders.c.id <= bindparam("last"), _MAY_GO
    )
    .order_by(orders.c.id)
    .limit(bindparam("limit"))
)
_LOCK = (
    select(orders.c.id).where(orders.c.id.in_(bindparam("ids", expanding=True))).order_by(orders.c.id).with_for_update()
)


def _newest(table: Table) -> Any:
    newest = select(func.max(table.c.id)).where(table.c.order_id == orders.c.id).correlate(orders).scalar_subquery()
    return func.coalesce(newest, 0)


_STILL = select(orders.c.id, orders.c.version, _newest(transitions), _newest(reports), _newest(amendments)).where(
    orders.c.id.in_(bindparam("ids", expanding=True)), _MAY_GO
)

#: what a history is made of, by the column that names the order; the rows of these stay in the database as well …
_KEPT: Mapping[Table, Any] = {
    orders: orders.c.id,
    child_orders: child_orders.c.order_id,
    fills: fills.c.order_id,
    schedules: schedules.c.order_id,
    order_markets: order_markets.c.order_id,
    ledger_entries: ledger_entries.c.order_id,
}
#: … and those of these go
_GONE: Mapping[Table, Any] = {
    transitions: transitions.c.order_id,
    reports: reports.c.order_id,
    amendments: amendments.c.order_id,
}
_INSERT_FILE = insert(archive_files)
_INSERT_ORDER = insert(archived_orders)
_PARTS = (
    select(archived_orders.c.file, archived_orders.c.line, archived_orders.c.sha256, archive_files.c.host)
    .join(archive_files, archive_files.c.name == archived_orders.c.file)
    .where(archived_orders.c.order_id == bindparam("order_id"))
    .order_by(archived_orders.c.version)
)

#: the highest id that any order may have, for a look without an end
LAST_ID = "~"


@dataclass(frozen=True, slots=True, kw_only=True)
class Look:
    """What one look over a part of the orders found."""

    #: ids of orders whose history may go
    found: tuple[str, ...]
    #: where the next look goes on; empty: this one came to the end
    goes_on_after: str


@dataclass(frozen=True, slots=True, kw_only=True)
class History:
    """One order as it was read, in one snapshot."""

    order_id: str
    version: int
    #: how many rows its removal deletes
    rows: int
    last_transition_id: int
    last_report_id: int
    last_amendment_id: int
    #: what the archive's line holds
    content: Mapping[str, Any]

    @property
    def state(self) -> tuple[int, int, int, int]:
        """What is no longer the same once anything of the order has changed."""
        return self.version, self.last_transition_id, self.last_report_id, self.last_amendment_id


@dataclass(frozen=True, slots=True, kw_only=True)
class Part:
    """Where a part of an order's history is."""

    file: str
    line: int
    sha256: str
    host: str


def look_for_closed(conn: Connection, *, after: str, young: str, before: datetime, most: int, limit: int) -> Look:
    """Up to ``limit`` orders among the next ``most`` behind ``after`` whose history may go.

    ``young``: no order from this id on is looked at; ``before``: nor one that changed since.
    """
    end = conn.execute(_LOOKED_AT, {"after": after, "young": young, "most": most - 1}).scalar_one_or_none()
    last = LAST_ID if end is None else end
    values = {"after": after, "young": young, "last": last, "before": before, "limit": limit}
    found = tuple(conn.execute(_CANDIDATES, values).scalars())
    if len(found) == limit:
        return Look(found=found, goes_on_after=found[-1])
    return Look(found=found, goes_on_after=end or "")


def read_histories(conn: Connection, ids: Sequence[str]) -> Iterator[History]:
    """Their histories, in the order of their ids; the connection is to be a snapshot."""
    for order_id in ids:
        yield _history(conn, order_id)


def _history(conn: Connection, order_id: str) -> History:
    rows = {table.name: _rows(conn, table, column, order_id) for table, column in {**_KEPT, **_GONE}.items()}
    children = [child["id"] for child in rows["child_orders"]]
    rows["sends"] = _rows(conn, sends, sends.c.child_id, *children)
    rows["ledger_legs"] = _rows(
        conn, ledger_legs, ledger_legs.c.entry_id, *(one["id"] for one in rows["ledger_entries"])
    )
    removed = sum(len(rows[table.name]) for table in (*_GONE, sends))
    return History(
        order_id=order_id,
        version=rows["orders"][0]["version"],
        rows=removed,
        last_transition_id=_last(rows["transitions"]),
        last_report_id=_last(rows["reports"]),
        last_amendment_id=_last(rows["amendments"]),
        content={"document": order_document(conn, order_id), "timeline": timeline(conn, order_id), "rows": rows},
    )


#: bound values in one statement; SQLite takes 32,766
_AT_ONCE = 500


def _rows(conn: Connection, table: Table, column: Any, *values: Any) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = []
    pending = iter(values)
    while some := list(islice(pending, _AT_ONCE)):
        statement = select(table).where(column.in_(some)).order_by(*table.primary_key.columns)
        found += [dict(row) for row in conn.execute(statement).mappings()]
    return found


def _last(rows: Sequence[Mapping[str, Any]]) -> int:
    return max((row["id"] for row in rows), default=0)


def note_file(conn: Connection, file: ArchivedFile, *, host: str, now: datetime) -> None:
    """Put a file on record, once; the same content written again is the same file."""
    if conn.execute(select(archive_files.c.name).where(archive_files.c.name == file.name)).one_or_none() is None:
        values = {"name": file.name, "sha256": file.sha256, "bytes": file.bytes, "orders": len(file.lines)}
        conn.execute(_INSERT_FILE, {**values, "host": host, "written_at": now})


def remove_histories(
    conn: Connection,
    histories: Sequence[History],
    file: ArchivedFile,
    *,
    before: datetime,
    record: CleanupRecord,
) -> int:
    """Take these histories out of the database, where the file has them as they are now; returns how many orders.

    An order that changed since it was read stays, whatever the file says of it.
    """
    ids = sorted(one.order_id for one in histories)
    conn.execute(_LOCK, {"ids": ids}).all()
    # A statement of its own: on PostgreSQL only so it sees what those did that the lock has waited for.
    still = {row[0]: row[1:] for row in conn.execute(_STILL, {"ids": ids, "before": before})}
    going = [one for one in histories if still.get(one.order_id) == one.state]
    places = {(line.order_id, line.version): (number, line) for number, line in enumerate(file.lines, 1)}
    for one in going:
        number, line = places[one.order_id, one.version]
        conn.execute(
            _INSERT_ORDER,
            {
                "order_id": one.order_id,
                "version": one.version,
                "file": file.name,
                "line": number,
                "sha256": line.sha256,
                "last_transition_id": one.last_transition_id,
                "last_report_id": one.last_report_id,
                "last_amendment_id": one.last_amendment_id,
                "archived_at": record.at,
            },
        )
    if going:
        _delete(conn, going, file.name, record)
    return len(going)


def _delete(conn: Connection, going: Sequence[History], file: str, record: CleanupRecord) -> None:
    ids = [one.order_id for one in going]
    last = {
        transitions: max(one.last_transition_id for one in going),
        reports: max(one.last_report_id for one in going),
        amendments: max(one.last_amendment_id for one in going),
    }
    times = {transitions: transitions.c.at, reports: reports.c.received_at, amendments: amendments.c.requested_at}
    for table, column in _GONE.items():
        _remove(conn, table, and_(column.in_(ids), table.c.id <= last[table]), times[table], file, record)
    children = select(child_orders.c.id).where(child_orders.c.order_id.in_(ids))
    _remove(conn, sends, sends.c.child_id.in_(children), sends.c.intended_at, file, record)
    emptied = update(order_markets).where(order_markets.c.order_id.in_(ids), order_markets.c.path.is_not(None))
    record.removed(conn, "order_markets.path", conn.execute(emptied.values(path=None)).rowcount, file=file)


def _remove(conn: Connection, table: Table, which: Any, time: Any, file: str, record: CleanupRecord) -> None:
    oldest, newest = conn.execute(select(func.min(time), func.max(time)).where(which)).one()
    count = conn.execute(delete(table).where(which)).rowcount
    record.removed(conn, table.name, count, oldest=oldest, newest=newest, file=file)


def parts_of(conn: Connection, order_id: str) -> Sequence[Part]:
    """Where an order's archived history is, the oldest part first; empty: all of it is in the database."""
    return [Part(**row) for row in conn.execute(_PARTS, {"order_id": order_id}).mappings()]
