"""Breakers, shared by all processes: a locked row each, its transitions on record and alerted in one transaction."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

import structlog
from sqlalchemy import Connection, Engine, Row, bindparam, insert, select, update

from models.clock import from_micros, micros
from risk.breaker import (
    Breaker,
    BreakerPolicy,
    BreakerStatus,
    Event,
    Failed,
    Probe,
    ProbeEnded,
    Transition,
    transition,
)
from storage.alerts import Severity, record_alert
from storage.engine import read, write
from storage.protection_tables import breaker_transitions, breakers
from storage.upsert import upserts
from storage.venue_states import note_trouble

log = structlog.get_logger()

#: venue and account
Place = tuple[str, str]

_THIS = (breakers.c.venue == bindparam("the_venue"), breakers.c.account == bindparam("the_account"))
_ALL = select(breakers)
_SEEN = _ALL.where(*_THIS)
_LOCKED = _SEEN.with_for_update()
_STATE = ("status", "failures", "opened_at", "probe_due_at", "probe_token", "probe_until", "probes")
_NEW = upserts(
    breakers,
    lambda new: new.values({name: bindparam(name) for name in ("venue", "account", *_STATE)}).on_conflict_do_nothing(),
)
_KEEP = update(breakers).where(*_THIS).values({name: bindparam(name) for name in _STATE})
_RECORD = insert(breaker_transitions)


@dataclass(frozen=True, slots=True, kw_only=True)
class RecordedTransition:
    venue: str
    account: str
    transition: Transition


class DatabaseBreakers:
    """The store behind the processes' breakers."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine

    def all(self) -> Mapping[Place, Breaker]:
        with read(self._engine) as conn:
            return list_breakers(conn)

    def apply(self, venue: str, account: str, event: Event, *, policy: BreakerPolicy, now: datetime) -> Breaker:
        with write(self._engine) as conn:
            return apply_event(conn, venue, account, event, policy=policy, now=now)


def list_breakers(conn: Connection) -> Mapping[Place, Breaker]:
    """Those that ever heard of a failure; every other one is closed."""
    return {(row.venue, row.account): _breaker(row) for row in conn.execute(_ALL)}


def breaker_of(conn: Connection, venue: str, account: str) -> Breaker:
    row = conn.execute(_SEEN, {"the_venue": venue, "the_account": account}).one_or_none()
    return Breaker() if row is None else _breaker(row)


def apply_event(
    conn: Connection, venue: str, account: str, event: Event, *, policy: BreakerPolicy, now: datetime
) -> Breaker:
    """The breaker after ``event``; concurrent events take turns at its row.

    ``now`` is the deployment's time. A transition goes on record in this transaction, with an alert.
    """
    before = _locked(conn, venue, account)
    after, moved = transition(before, event, now, policy)
    if after != before:
        conn.execute(_KEEP, {"the_venue": venue, "the_account": account, **_columns(after)})
    if moved is not None:
        values = {"at": moved.at, "from_status": moved.before, "to_status": moved.after, "cause": moved.cause}
        conn.execute(_RECORD, {"venue": venue, "account": account, **values})
        _alert(conn, venue, account, before, after, moved, policy)
        if moved.after is BreakerStatus.OPEN and isinstance(event, Failed | ProbeEnded):
            # Who looks at an open breaker finds there what the venue did last, whichever step it failed.
            note_trouble(conn, venue, account, message=event.message, now=now)
    return after


def list_transitions(conn: Connection, limit: int = 100) -> Sequence[RecordedTransition]:
    """The newest first."""
    rows = conn.execute(select(breaker_transitions).order_by(breaker_transitions.c.id.desc()).limit(limit))
    return [
        RecordedTransition(
            venue=row.venue,
            account=row.account,
            transition=Transition(before=row.from_status, after=row.to_status, cause=row.cause, at=row.at),
        )
        for row in rows
    ]


def _locked(conn: Connection, venue: str, account: str) -> Breaker:
    this = {"the_venue": venue, "the_account": account}
    row = conn.execute(_LOCKED, this).one_or_none()
    if row is None:
        conn.execute(_NEW[conn.dialect.name], {"venue": venue, "account": account, **_columns(Breaker())})
        row = conn.execute(_LOCKED, this).one()
    return _breaker(row)


def _breaker(row: Row[Any]) -> Breaker:
    probe = None
    if row.probe_token is not None:
        probe = Probe(number=row.probes, token=row.probe_token, until=row.probe_until)
    return Breaker(
        status=row.status,
        failures=tuple(from_micros(at) for at in row.failures),
        opened_at=row.opened_at,
        probe_due_at=row.probe_due_at,
        probe=probe,
        probes=row.probes,
    )


def _columns(breaker: Breaker) -> dict[str, Any]:
    probe = breaker.probe
    return {
        "status": breaker.status,
        "failures": [micros(at) for at in breaker.failures],
        "opened_at": breaker.opened_at,
        "probe_due_at": breaker.probe_due_at,
        "probe_token": None if probe is None else probe.token,
        "probe_until": None if probe is None else probe.until,
        "probes": breaker.probes,
    }


def _alert(
    conn: Connection,
    venue: str,
    account: str,
    before: Breaker,
    after: Breaker,
    moved: Transition,
    policy: BreakerPolicy,
) -> None:
    """One alert an opening, counted up by each probe that fails, and one for its end."""
    detail = {"venue": venue, "account": account, "from": moved.before.value, "to": moved.after.value}
    log.warning("breaker", cause=moved.cause, **detail)
    opened_at = after.opened_at or before.opened_at
    if moved.after is BreakerStatus.HALF_OPEN or opened_at is None:
        return
    if moved.after is BreakerStatus.OPEN:
        kind, severity = "BREAKER_OPEN", Severity.CRITICAL
        message = (
            f"{venue} (account {account}) does not answer as it should: {moved.cause}. New orders for it wait, and end "
            "at their age or expiry; cancels and lookups go on. It is asked every "
            f"{_seconds(policy.probe_every)}, and orders go on once it answers. See `steadfill venues`."
        )
    else:
        kind, severity = "BREAKER_CLOSED", Severity.WARNING
        message = f"{venue} (account {account}) is used again: {moved.cause}. Orders that waited for it go on."
    record_alert(
        conn,
        f"{kind.lower()}:{venue}:{account}:{micros(opened_at)}",
        kind=kind,
        severity=severity,
        message=message,
        detail=detail,
        now=moved.at,
    )


def _seconds(span: timedelta) -> str:
    return f"{span.total_seconds():g} s"
