"""What is known of each venue account, shared by all processes: when it may be asked again, its last trouble."""

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

from sqlalchemy import Connection, bindparam, case, select
from sqlalchemy.dialects.postgresql import Insert

from storage.service_tables import venue_states
from storage.upsert import upserts

_CLOSED = select(venue_states.c.closed_until).where(
    venue_states.c.venue == bindparam("venue"), venue_states.c.account == bindparam("account")
)


def _noting(*changes: str) -> Mapping[str, Insert]:
    """The statements that keep these columns of a venue account, whether it is known or not."""

    def finish(insert: Insert) -> Insert:
        values: dict[str, Any] = {name: bindparam(name) for name in ("venue", "account", *changes)}
        kept: dict[str, Any] = {name: insert.excluded[name] for name in changes}
        if "closed_until" in kept:  # a later word never opens a gate earlier
            known, told = venue_states.c.closed_until, insert.excluded.closed_until
            kept["closed_until"] = case((known > told, known), else_=told)
        return insert.values(values).on_conflict_do_update(index_elements=["venue", "account"], set_=kept)

    return upserts(venue_states, finish)


_NOTE_SUCCESS = _noting("last_success_at", "latency_ms")
_NOTE_TROUBLE = _noting("last_error", "last_error_at")
_NOTE_CLOSED = _noting("last_error", "last_error_at", "closed_until")


def closed_until(conn: Connection, venue: str, account: str) -> datetime | None:
    """Until when the venue wants to be left alone; may be over."""
    return conn.execute(_CLOSED, {"venue": venue, "account": account}).scalar_one_or_none()


def note_trouble(
    conn: Connection, venue: str, account: str, *, message: str, now: datetime, closed: datetime | None = None
) -> None:
    """Keep the last error; ``closed`` shuts the gate for every process until then."""
    values: dict[str, Any] = {"venue": venue, "account": account, "last_error": message, "last_error_at": now}
    if closed is None:
        conn.execute(_NOTE_TROUBLE[conn.dialect.name], values)
    else:
        conn.execute(_NOTE_CLOSED[conn.dialect.name], {**values, "closed_until": closed})


def note_success(conn: Connection, venue: str, account: str, *, latency_ms: int, now: datetime) -> None:
    values = {"venue": venue, "account": account, "last_success_at": now, "latency_ms": latency_ms}
    conn.execute(_NOTE_SUCCESS[conn.dialect.name], values)


def list_venue_states(conn: Connection) -> Sequence[dict[str, Any]]:
    return [dict(row) for row in conn.execute(select(venue_states)).mappings()]
