"""Alert records: what a person should know, once per key while it stands."""

from collections.abc import Mapping, Sequence
from datetime import datetime
from enum import StrEnum
from typing import Any

from sqlalchemy import Connection, select

from storage.service_tables import alerts
from storage.upsert import upsert


class Severity(StrEnum):
    WARNING = "warning"
    CRITICAL = "critical"


def record_alert(
    conn: Connection,
    key: str,
    *,
    kind: str,
    severity: Severity,
    message: str,
    detail: Mapping[str, Any],
    now: datetime,
) -> bool:
    """Record an alert; True when it is new, False when one with this key stands and was counted up."""
    insert = upsert(conn, alerts).values(
        key=key,
        kind=kind,
        severity=severity.value,
        message=message,
        detail=dict(detail),
        count=1,
        first_at=now,
        last_at=now,
    )
    statement = insert.on_conflict_do_update(
        index_elements=["key"], set_={"count": alerts.c.count + 1, "last_at": now, "message": message}
    ).returning(alerts.c.count)
    count: int = conn.execute(statement).scalar_one()
    return count == 1


def last_alert(conn: Connection, key_prefix: str) -> Mapping[str, Any] | None:
    """The newest alert whose key begins so."""
    statement = select(alerts).where(alerts.c.key.startswith(key_prefix, autoescape=True))
    row = conn.execute(statement.order_by(alerts.c.id.desc()).limit(1)).mappings().one_or_none()
    return None if row is None else dict(row)


def list_alerts(conn: Connection, limit: int = 100) -> Sequence[Mapping[str, Any]]:
    """The newest alerts first."""
    return [dict(row) for row in conn.execute(select(alerts).order_by(alerts.c.id.desc()).limit(limit)).mappings()]
