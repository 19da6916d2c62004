"""The venues' streams, for those who look: documents, a component of the health, and metrics."""

from collections.abc import Iterable, Mapping
from datetime import datetime
from typing import Any

import structlog
from sqlalchemy.exc import SQLAlchemyError

from exchanges.streams.status import StreamState
from models.clock import format_time_or_none
from storage.engine import is_unavailable, read
from storage.streams import list_streams
from tasks.runtime import Runtime
from tasks.stream_health import BELIEVED_S
from telemetry.metrics import Count, Gauge

log = structlog.get_logger(__name__)

_LABELS = ("venue", "account")
_COUNTS = {
    "messages": ("steadfill_stream_messages", "Messages that the venue account's stream told"),
    "reconnects": ("steadfill_stream_reconnects", "Times that the venue account's stream came up again"),
    "gaps": ("steadfill_stream_gaps", "Times after which events of the stream may have been missing"),
    "fills": ("steadfill_stream_fills", "Fills that the stream told of before polling did"),
}

Row = Mapping[str, Any]


def describe_stream(row: Row | None, now: datetime) -> dict[str, Any]:
    """One venue account's stream; one that nobody has told of, or not lately, is down."""
    if row is None:
        nothing = dict.fromkeys(("told_at", "heard_at", "lag_ms"))
        counts = dict.fromkeys(_COUNTS, 0)
        said = "no process listens: `steadfill up` starts one, with the role stream"
        down = {"state": StreamState.DOWN.value, "since": format_time_or_none(now), "healthy": False, "error": said}
        return {**down, **nothing, **counts}
    silent = _is_silent(row, now)
    return {
        "state": StreamState.DOWN.value if silent else row["state"],
        "since": format_time_or_none(row["told_at"] if silent else row["since"]),
        "healthy": _is_healthy(row, now),
        "told_at": format_time_or_none(row["told_at"]),
        "heard_at": format_time_or_none(row["heard_at"]),
        "lag_ms": row["lag_ms"],
        "error": "the process that listens tells nothing any more" if silent else row["error"],
        **{name: row[name] for name in _COUNTS},
    }


def stream_component(runtime: Runtime) -> tuple[str, str] | None:
    """(status, detail) for the health; None where nothing is to be streamed. Never down: without it all is polled."""
    places = _places(runtime)
    if not places:
        return None
    now = runtime.now()
    with read(runtime.engine) as conn:
        rows = {(row["venue"], row["account"]): row for row in list_streams(conn)}
    states = {place: describe_stream(rows.get(place), now)["state"] for place in places}
    quiet = [
        f"{venue} ({account}) {states[venue, account]}" for venue, account in places if states[venue, account] != "live"
    ]
    if quiet:
        return "degraded", f"polled only: {', '.join(quiet)}"
    return "ok", f"{len(places)} live"


def read_streams(runtime: Runtime) -> Iterable[Gauge | Count]:
    """Nothing where the database does not answer, or nothing is to be streamed."""
    places = _places(runtime)
    if not places:
        return
    try:
        with read(runtime.engine) as conn:
            rows = {(row["venue"], row["account"]): row for row in list_streams(conn)}
    except Exception as error:
        if not is_unavailable(error) and not isinstance(error, SQLAlchemyError):
            raise
        log.warning("metrics.no_database", error=str(error))
        return
    now = runtime.now()
    live: dict[tuple[str, ...], float] = {
        place: float(describe_stream(rows.get(place), now)["state"] == "live") for place in places
    }
    yield Gauge(
        name="steadfill_stream_connected",
        help="Whether the venue account's stream is up",
        label_names=_LABELS,
        values=live,
    )
    known = {place: rows[place] for place in places if place in rows}
    yield Gauge(
        name="steadfill_stream_last_message_seconds",
        help="Age of the last message of the venue account's stream",
        label_names=_LABELS,
        values={
            place: max(0.0, (now - row["heard_at"]).total_seconds())
            for place, row in known.items()
            if row["heard_at"] is not None
        },
    )
    yield Gauge(
        name="steadfill_stream_lag_seconds",
        help="From the last trade that the stream told of to its event",
        label_names=_LABELS,
        values={place: row["lag_ms"] / 1000 for place, row in known.items() if row["lag_ms"] is not None},
    )
    for column, (name, text) in _COUNTS.items():
        counted: dict[tuple[str, ...], float] = {place: float(row[column]) for place, row in known.items()}
        yield Count(name=name, help=text, label_names=_LABELS, values=counted)


def _places(runtime: Runtime) -> list[tuple[str, str]]:
    return sorted(
        (name, account)
        for name, venue in runtime.settings.venues.items()
        if venue.streams
        for account in venue.accounts
    )


def _is_silent(row: Row, now: datetime) -> bool:
    silent: bool = (now - row["told_at"]).total_seconds() > BELIEVED_S
    return silent


def _is_healthy(row: Row, now: datetime) -> bool:
    return row["healthy_until"] is not None and row["healthy_until"] > now
