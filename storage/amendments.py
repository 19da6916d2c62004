"""Amendments: written when a change is asked for, decided once."""

from datetime import datetime

from sqlalchemy import Connection, RowMapping, bindparam, insert, select, text, update

from models.amendment import Amendment, AmendmentStatus, Change
from models.order import Order, Reason
from storage.amendment_tables import amendments
from storage.order_tables import orders
from storage.orders import reason_of

_INSERT = insert(amendments).returning(amendments.c.id)
# The status is spelled out and not bound: only so can SQLite see that the partial index answers it.
_PENDING = select(amendments).where(amendments.c.order_id == bindparam("of_order"), text("status = 'PENDING'"))
_LATEST = (
    select(amendments).where(amendments.c.order_id == bindparam("of_order")).order_by(amendments.c.id.desc()).limit(1)
)
_QUANTITY = select(orders.c.quantity).where(orders.c.id == bindparam("of_order"))
_DECIDE = (
    update(amendments)
    .where(amendments.c.order_id == bindparam("of_order"), text("status = 'PENDING'"))
    .values(
        status=bindparam("decision"),
        reason_code=bindparam("code"),
        reason_message=bindparam("message"),
        decided_at=bindparam("at"),
    )
    .execution_options(preserve_rowcount=True)
)


def insert_amendment(conn: Connection, order: Order, change: Change, *, source: str, now: datetime) -> Amendment:
    """Put a change on record as PENDING; the caller holds the order's lock. The database takes one at a time."""
    values = {
        "order_id": order.id,
        "requested_at": now,
        "source": source,
        "quantity": change.quantity,
        "price": change.price,
        "previous_quantity": order.quantity,
        "previous_price": order.price,
        "status": AmendmentStatus.PENDING.value,
    }
    amendment_id = conn.execute(_INSERT, values).scalar_one()
    return Amendment(
        **{**values, "id": amendment_id, "status": AmendmentStatus.PENDING, "reason": None, "decided_at": None}
    )


def pending_amendment(conn: Connection, order_id: str) -> Amendment | None:
    """The change that is under way, if any."""
    row = conn.execute(_PENDING, {"of_order": order_id}).mappings().one_or_none()
    return None if row is None else _amendment(row)


def latest_amendment(conn: Connection, order_id: str) -> Amendment | None:
    row = conn.execute(_LATEST, {"of_order": order_id}).mappings().one_or_none()
    return None if row is None else _amendment(row)


def decide_amendment(
    conn: Connection, order_id: str, status: AmendmentStatus, *, now: datetime, reason: Reason | None = None
) -> bool:
    """Say what became of the pending change, once; False where there is none. The caller holds the order's lock."""
    parameters = {
        "of_order": order_id,
        "decision": status.value,
        "code": reason and reason.code,
        "message": reason and reason.message,
        "at": now,
    }
    return conn.execute(_DECIDE, parameters).rowcount == 1


def refuse_amendment(conn: Connection, order_id: str, code: str, message: str, now: datetime) -> bool:
    """Something else ends the order meanwhile; False where nothing was pending, or where nobody can say yet.

    Once a venue was asked to raise it in place (the order counts at the larger size since), only what the venue has in
    the end says what came of it: until then the change stays PENDING.
    """
    pending = pending_amendment(conn, order_id)
    if pending is None or conn.execute(_QUANTITY, {"of_order": order_id}).scalar_one() > pending.previous_quantity:
        return False
    reason = Reason(code=code, message=message)
    return decide_amendment(conn, order_id, AmendmentStatus.REFUSED, now=now, reason=reason)


def _amendment(row: RowMapping) -> Amendment:
    return Amendment(
        id=row["id"],
        order_id=row["order_id"],
        requested_at=row["requested_at"],
        source=row["source"],
        quantity=row["quantity"],
        price=row["price"],
        previous_quantity=row["previous_quantity"],
        previous_price=row["previous_price"],
        status=AmendmentStatus(row["status"]),
        reason=reason_of(row),
        decided_at=row["decided_at"],
    )
