"""Breaks: what reconciliation found, its latest figures, and what became of it. One stands open per key."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from typing import Any

from sqlalchemy import Connection, insert, or_, select, update

from models.reconciliation import BREAK_TRANSITIONS, BreakAction, BreakKind, BreakSeverity, BreakStatus
from storage.freezes import freeze
from storage.reconciliation_tables import breaks, corrections
from storage.reconciliation_tables import reconciliation_findings as findings


@dataclass(frozen=True, slots=True, kw_only=True)
class Finding:
    """A break as one run sees it."""

    id: str
    kind: BreakKind
    venue: str
    account: str
    #: what it is about, within its venue account
    key: str
    asset: str | None = None
    symbol: str | None = None
    order_id: str | None = None
    child_id: str | None = None
    venue_order_id: str | None = None
    ours: Decimal | None
    cached: Decimal | None
    theirs: Decimal | None
    difference: Decimal | None
    severity: BreakSeverity
    action: BreakAction
    message: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Break(Finding):
    """A break with what became of it."""

    run_id: str
    status: BreakStatus
    found_at: datetime
    #: when a run found it last
    seen_at: datetime
    decided_at: datetime | None
    decided_by: str | None
    note: str | None


class Decided(Exception):
    """The break is closed; ``status`` says how."""

    def __init__(self, break_id: str, status: BreakStatus) -> None:
        super().__init__(f"break {break_id} is {status}: it was decided on before")
        self.status = status


_FIGURES = ("ours", "cached", "theirs", "difference", "severity", "action", "message")
_WHAT = ("id", "kind", "venue", "account", "key", "asset", "symbol", "order_id", "child_id", "venue_order_id")
_ENDS = ("run_id", "status", "found_at", "seen_at", "decided_at", "decided_by", "note")


def newest_break(conn: Connection, venue: str, account: str, key: str, *, lock: bool = False) -> Break | None:
    """The break of a key that was found last, whatever became of it."""
    query = (
        select(breaks)
        .where(breaks.c.venue == venue, breaks.c.account == account, breaks.c.key == key)
        .order_by((breaks.c.status != BreakStatus.OPEN), breaks.c.found_at.desc(), breaks.c.id.desc())
        .limit(1)
    )
    row = conn.execute(query.with_for_update() if lock else query).mappings().one_or_none()
    return None if row is None else _break(row)


def get_break(conn: Connection, break_id: str, *, lock: bool = False) -> Break | None:
    query = select(breaks).where(breaks.c.id == break_id)
    row = conn.execute(query.with_for_update() if lock else query).mappings().one_or_none()
    return None if row is None else _break(row)


def keep_finding(
    conn: Connection, run_id: str, found: Finding, status: BreakStatus, frozen: Sequence[str], *, by: str, now: datetime
) -> Break:
    """Put on record what a run found: a new break, or the one that stands open under its key, with its latest figures.

    ``status`` is OPEN or CORRECTED; ``frozen`` are the assets on which nothing new is sent until it is closed.
    """
    known = newest_break(conn, found.venue, found.account, found.key, lock=True)
    figures = {name: getattr(found, name) for name in _FIGURES}
    decision = {} if status is BreakStatus.OPEN else {"decided_at": now, "decided_by": by, "note": found.message}
    is_new = known is None or known.status is not BreakStatus.OPEN
    if is_new:
        what = {name: getattr(found, name) for name in _WHAT}
        times = {"found_at": now, "seen_at": now}
        conn.execute(insert(breaks), {"run_id": run_id, "status": status, **what, **figures, **times, **decision})
        break_id = found.id
    else:
        assert known is not None
        break_id = known.id
        values = {**figures, "status": status, "seen_at": now, **decision}
        conn.execute(update(breaks).where(breaks.c.id == break_id).values(values))
    row = {"run_id": run_id, "break_id": break_id, "is_new": int(is_new), "found_at": now}
    conn.execute(insert(findings), {**row, **figures})
    if status is BreakStatus.OPEN and frozen:
        freeze(conn, break_id, found.venue, found.account, frozen, now=now)
    kept = get_break(conn, break_id)
    assert kept is not None
    return kept


def close_break(conn: Connection, seen: Break, status: BreakStatus, *, by: str, note: str, now: datetime) -> None:
    """Close a break; what it froze is free again. Raises Decided when it was closed before."""
    current = get_break(conn, seen.id, lock=True)
    assert current is not None
    if status not in BREAK_TRANSITIONS[current.status]:
        raise Decided(seen.id, current.status)
    values = {"status": status, "decided_at": now, "decided_by": by, "note": note}
    conn.execute(update(breaks).where(breaks.c.id == seen.id).values(values))


def open_breaks_of(conn: Connection, venue: str, account: str) -> list[Break]:
    query = select(breaks).where(breaks.c.venue == venue, breaks.c.account == account)
    query = query.where(breaks.c.status == BreakStatus.OPEN).order_by(breaks.c.key)
    return [_break(row) for row in conn.execute(query).mappings()]


def find_breaks(
    conn: Connection,
    *,
    status: BreakStatus | None,
    venue: str | None = None,
    account: str | None = None,
    limit: int = 100,
    after: Break | None = None,
) -> list[Break]:
    """The newest first; those that come behind ``after`` in that order, whatever became of it since."""
    query = select(breaks)
    if after is not None:
        earlier = breaks.c.found_at < after.found_at
        query = query.where(or_(earlier, (breaks.c.found_at == after.found_at) & (breaks.c.id < after.id)))
    for column, value in ((breaks.c.status, status), (breaks.c.venue, venue), (breaks.c.account, account)):
        if value is not None:
            query = query.where(column == value)
    query = query.order_by(breaks.c.found_at.desc(), breaks.c.id.desc()).limit(limit)
    return [_break(row) for row in conn.execute(query).mappings()]


def found_in(conn: Connection, run_id: str) -> list[tuple[Break, bool]]:
    """What a run found, with the figures of that run, the status of now, and whether it found it first."""
    named = [findings.c[name].label(f"run_{name}") for name in _FIGURES]
    query = (
        select(breaks, findings.c.is_new, *named)
        .join(findings, findings.c.break_id == breaks.c.id)
        .where(findings.c.run_id == run_id)
        .order_by(breaks.c.venue, breaks.c.account, breaks.c.kind, breaks.c.key)
    )
    return [
        (_break({**row, **{name: row[f"run_{name}"] for name in _FIGURES}}), bool(row["is_new"]))
        for row in conn.execute(query).mappings()
    ]


def corrections_of(conn: Connection, break_id: str) -> list[Mapping[str, Any]]:
    query = select(corrections).where(corrections.c.break_id == break_id).order_by(corrections.c.id)
    return [dict(row) for row in conn.execute(query).mappings()]


def _break(row: Mapping[Any, Any]) -> Break:
    return Break(**{name: row[name] for name in (*_WHAT, *_FIGURES, *_ENDS)})
