"""Cancels that came before their order: remembered, so that the order ends unsent when it comes."""

from datetime import datetime

from sqlalchemy import Connection, bindparam, delete, select, tuple_

from storage.service_tables import early_cancels
from storage.upsert import upserts

_FIND = select(early_cancels.c.received_at).where(
    early_cancels.c.account == bindparam("account"),
    early_cancels.c.client_order_id == bindparam("client_order_id"),
    early_cancels.c.until > bindparam("now"),
)

_REMEMBER = upserts(
    early_cancels,
    lambda insert: insert.values(
        {name: bindparam(name) for name in ("account", "client_order_id", "received_at", "until")}
    ).on_conflict_do_update(index_elements=["account", "client_order_id"], set_={"until": insert.excluded.until}),
)


def remember_cancel(conn: Connection, account: str, client_order_id: str, *, now: datetime, until: datetime) -> None:
    values = {"account": account, "client_order_id": client_order_id, "received_at": now, "until": until}
    conn.execute(_REMEMBER[conn.dialect.name], values)


def early_cancel_of(conn: Connection, account: str, client_order_id: str, now: datetime) -> datetime | None:
    """When the cancel of an order came that is only now being worked on; None when there is none."""
    return conn.execute(
        _FIND, {"account": account, "client_order_id": client_order_id, "now": now}
    ).scalar_one_or_none()


def forget_old_cancels(conn: Connection, now: datetime, limit: int) -> int:
    """Delete up to ``limit`` of those whose time is over; returns how many."""
    key = (early_cancels.c.account, early_cancels.c.client_order_id)
    old = [tuple(row) for row in conn.execute(select(*key).where(early_cancels.c.until <= now).limit(limit))]
    return conn.execute(delete(early_cancels).where(tuple_(*key).in_(old), early_cancels.c.until <= now)).rowcount
