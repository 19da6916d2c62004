"""Watched series and what was found in them: states as rows, findings append-only, a cursor over what was read."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from typing import Any

from sqlalchemy import Connection, insert, select

from accounting.anomalies.detector import Baseline, Finding, Run, SeriesState
from accounting.anomalies.series import SeriesKey, SeriesKind
from models.clock import from_micros, micros
from models.money import plain
from storage.anomaly_tables import anomalies, anomaly_cursor, anomaly_series
from storage.upsert import upsert, upserts

_THE_ONE = 1
_BEGINNING = from_micros(0)
_KEY = (anomaly_series.c.kind, anomaly_series.c.venue, anomaly_series.c.account, anomaly_series.c.subject)
_SAVE = upserts(
    anomaly_series,
    lambda new: new.on_conflict_do_update(
        index_elements=list(_KEY), set_={"state": new.excluded.state, "last_at": new.excluded.last_at}
    ),
)


@dataclass(frozen=True, slots=True, kw_only=True)
class AnomalyFilter:
    """Which findings to list; None means any. ``since`` bounds when they were found."""

    kind: SeriesKind | None = None
    venue: str | None = None
    account: str | None = None
    since: datetime | None = None
    limit: int = 50


@dataclass(frozen=True, slots=True, kw_only=True)
class Cursor:
    """Up to where points were read."""

    transition_id: int = 0
    look_at: datetime = _BEGINNING


def cursor_of(conn: Connection) -> Cursor:
    row = conn.execute(select(anomaly_cursor)).one_or_none()
    return Cursor() if row is None else Cursor(transition_id=row.transition_id, look_at=row.look_at)


def move_cursor(conn: Connection, cursor: Cursor) -> None:
    values = {"transition_id": cursor.transition_id, "look_at": cursor.look_at}
    statement = upsert(conn, anomaly_cursor).values(id=_THE_ONE, **values)
    conn.execute(statement.on_conflict_do_update(index_elements=["id"], set_=values))


def load_series(conn: Connection, key: SeriesKey) -> SeriesState:
    """As it was saved last; a new one for a series that was not seen before."""
    where = (_KEY[0] == key.kind, _KEY[1] == key.venue, _KEY[2] == key.account, _KEY[3] == key.subject)
    saved = conn.execute(select(anomaly_series.c.state).where(*where)).scalar_one_or_none()
    return SeriesState() if saved is None else _state(saved)


def save_series(conn: Connection, key: SeriesKey, state: SeriesState, last_at: datetime) -> None:
    values = {"kind": key.kind, "venue": key.venue, "account": key.account, "subject": key.subject}
    conn.execute(_SAVE[conn.dialect.name], {**values, "state": _saved(state), "last_at": last_at})


def list_series(conn: Connection) -> Sequence[tuple[SeriesKey, SeriesState, datetime]]:
    """Every series with what is remembered of it and the time of its latest point."""
    rows = conn.execute(select(anomaly_series).order_by(*_KEY)).mappings()
    return [(_key(row), _state(row["state"]), row["last_at"]) for row in rows]


def record_finding(conn: Connection, key: SeriesKey, finding: Finding, now: datetime) -> int:
    """Put a finding on record; returns its number."""
    values = {
        "found_at": now,
        "kind": key.kind,
        "venue": key.venue,
        "account": key.account,
        "subject": key.subject,
        "direction": finding.direction,
        "median": finding.baseline.median,
        "scale": finding.baseline.scale(1 if finding.direction == "up" else -1),
        "drift": finding.drift,
        "tolerance": finding.tolerance,
        "cusum": finding.cusum,
        "points": finding.points,
        "beyond": finding.beyond,
        "first_at": finding.first_at,
        "last_at": finding.last_at,
        "order_id": finding.source,
    }
    number: int = conn.execute(insert(anomalies).returning(anomalies.c.id), values).scalar_one()
    return number


def list_anomalies(conn: Connection, wanted: AnomalyFilter) -> Sequence[Mapping[str, Any]]:
    """What was found, the latest first."""
    statement = select(anomalies).order_by(anomalies.c.id.desc()).limit(wanted.limit)
    for name in ("kind", "venue", "account"):
        value = getattr(wanted, name)
        if value is not None:
            statement = statement.where(anomalies.c[name] == value)
    if wanted.since is not None:
        statement = statement.where(anomalies.c.found_at >= wanted.since)
    return [dict(row) for row in conn.execute(statement).mappings()]


def _key(row: Mapping[Any, Any]) -> SeriesKey:
    return SeriesKey(kind=row["kind"], venue=row["venue"], account=row["account"], subject=row["subject"])


def _saved(state: SeriesState) -> dict[str, Any]:
    baseline = state.baseline
    return {
        "points": state.points,
        "training": [plain(value) for value in state.training],
        "baseline": baseline and [plain(value) for value in (baseline.median, baseline.scale_up, baseline.scale_down)],
        "up": _saved_run(state.up),
        "down": _saved_run(state.down),
    }


def _saved_run(run: Run) -> list[Any] | None:
    if run.first_at is None:
        return None
    return [
        plain(run.cusum),
        run.points,
        run.beyond,
        plain(run.total),
        [plain(value) for value in run.recent],
        micros(run.first_at),
    ]


def _state(saved: Mapping[str, Any]) -> SeriesState:
    baseline = saved["baseline"]
    if baseline is not None:
        median, up, down = (Decimal(value) for value in baseline)
        baseline = Baseline(median=median, scale_up=up, scale_down=down)
    return SeriesState(
        points=saved["points"],
        training=tuple(Decimal(value) for value in saved["training"]),
        baseline=baseline,
        up=_run(saved["up"]),
        down=_run(saved["down"]),
    )


def _run(saved: Sequence[Any] | None) -> Run:
    if saved is None:
        return Run()
    cusum, points, beyond, total, recent, first_at = saved
    return Run(
        cusum=Decimal(cusum),
        points=points,
        beyond=beyond,
        total=Decimal(total),
        recent=tuple(Decimal(value) for value in recent),
        first_at=from_micros(first_at),
    )
