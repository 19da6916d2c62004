"""Parent orders: rows to values and back, and the one way their status moves."""

from collections.abc import Mapping
from dataclasses import replace
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any

from sqlalchemy import Connection, RowMapping, bindparam, insert, select, update
from sqlalchemy.dialects import postgresql, sqlite

from models.order import Order, Reason
from models.transitions import ORDER_UNSENT, assert_legal
from models.vocabulary import Mode, OrderStatus, OrderType, Side, TimeInForce
from storage.documents import changes_of, document_around, new_changes
from storage.events import record_event
from storage.order_tables import order_tags, orders
from storage.outbox import enqueue_notice


class Stale(Exception):
    """The row has moved on since it was read: whoever moved it goes on with it, and this step has nothing to do."""


class FromNewer(Stale):
    """A row holds a word that this version does not know: a newer one wrote it, and it alone goes on with it."""

    def __init__(self, what: str, unknown: ValueError) -> None:
        super().__init__(
            f"{what} holds what this version does not know ({unknown}): a newer version is at work on this database. "
            "Nothing was done; that version goes on with it. Bring this process to that version"
        )


#: A step that has not moved an order within this many seconds is sent on again by `rescue`; doubled each time.
#: Longer than a broker needs to give a killed worker's message to another (Redis: 3 s), so that both don't.
FIRST_PATIENCE_S = 4.0
FIRST_PATIENCE = timedelta(seconds=FIRST_PATIENCE_S)

#: Statuses that some step must move on from; the others wait for the venue, or for nothing.
RESCUED = ORDER_UNSENT | {OrderStatus.PENDING_CANCEL, OrderStatus.PENDING_AMEND}

_VALUES = (
    "id", "client_order_id", "account", "venue", "symbol", "base", "quote", "side", "type", "quantity",
    "requested_quantity", "price", "time_in_force", "post_only", "submitted_at", "expires_at", "decision_price",
    "algorithm", "fill_policy", "notify", "tags", "mode", "request", "source", "status", "version", "filled_quantity",
    "filled_cost", "cause", "rescue_at", "created_at", "updated_at",
)  # fmt: skip
_NEW: dict[str, Any] = {name: bindparam(name) for name in _VALUES}
_INSERT = {
    "postgresql": postgresql.insert(orders).values(_NEW).on_conflict_do_nothing().returning(orders.c.id),
    "sqlite": sqlite.insert(orders).values(_NEW).on_conflict_do_nothing().returning(orders.c.id),
}
_INSERT_TAGS = insert(order_tags)

#: what an Order does not have, and is not read with it
_UNREAD = {"tags", "request", "source", "cause", "cause_detail", "rescue_at"}
_BY_ID = select(*(column for column in orders.c if column.name not in _UNREAD)).where(orders.c.id == bindparam("id"))
_BY_ID_LOCKED = _BY_ID.with_for_update()
_BY_CLIENT_ID = select(orders.c.id, orders.c.request).where(
    orders.c.account == bindparam("account"), orders.c.client_order_id == bindparam("client_order_id")
)

_MOVE = (
    update(orders)
    .where(
        orders.c.id == bindparam("the_id"),
        orders.c.status == bindparam("expected_status"),
        orders.c.version == bindparam("expected_version"),
    )
    .values(
        status=bindparam("status"),
        version=orders.c.version + 1,
        quantity=bindparam("quantity"),
        price=bindparam("price"),
        filled_quantity=bindparam("filled_quantity"),
        filled_cost=bindparam("filled_cost"),
        arrival_price=bindparam("arrival_price"),
        reason_code=bindparam("reason_code"),
        reason_message=bindparam("reason_message"),
        cancel_requested_at=bindparam("cancel_requested_at"),
        ending=bindparam("ending"),
        cause=bindparam("cause"),
        cause_detail=bindparam("cause_detail"),
        rescue_at=bindparam("rescue_at"),
        rescues=0,
        updated_at=bindparam("updated_at"),
    )
    .execution_options(preserve_rowcount=True)
)


def insert_order(conn: Connection, values: Mapping[str, Any]) -> bool:
    """Insert a RECEIVED order; False when its account already has an order under that client id."""
    row = conn.execute(_INSERT[conn.dialect.name], dict(values)).one_or_none()
    if row is None:
        return False
    record_event(conn, values["id"], values["version"], new_changes(values), values["updated_at"])
    if values["tags"]:
        conn.execute(
            _INSERT_TAGS, [{"order_id": row.id, "key": key, "value": value} for key, value in values["tags"].items()]
        )
    return True


def get_order(conn: Connection, order_id: str) -> Order:
    """Raises NoResultFound for an id that does not exist, FromNewer for one that only a newer version understands."""
    return _order(conn.execute(_BY_ID, {"id": order_id}).mappings().one())


def lock_order(conn: Connection, order_id: str) -> Order:
    """Read it and keep everybody else from moving it until the transaction ends."""
    return _order(conn.execute(_BY_ID_LOCKED, {"id": order_id}).mappings().one())


def find_request(conn: Connection, account: str, client_order_id: str) -> tuple[str, str] | None:
    """``(order id, canonical request)`` of the order under a client id."""
    row = conn.execute(_BY_CLIENT_ID, {"account": account, "client_order_id": client_order_id}).one_or_none()
    return None if row is None else (row.id, row.request)


def move_order(
    conn: Connection,
    order: Order,
    to: OrderStatus,
    *,
    cause: str,
    now: datetime,
    detail: Mapping[str, Any] | None = None,
    reason: Reason | None = None,
    rescue_at: datetime | None = None,
    filled_quantity: Decimal | None = None,
    filled_cost: Decimal | None = None,
    arrival_price: Decimal | None = None,
    cancel_requested_at: datetime | None = None,
    ending: OrderStatus | None = None,
    quantity: Decimal | None = None,
    price: Decimal | None = None,
) -> Order:
    """Move a parent as the table allows, as the next version, and tell who asked to be told.

    What is not named keeps its value, except ``reason``, which is set as given, and ``rescue_at``, which every
    status that some step must move on from gets by itself. Raises IllegalTransition for
    a bug and Stale when the row is no longer as ``order`` has it.
    """
    assert_legal(order.status, to)
    parameters: dict[str, Any] = {
        "the_id": order.id,
        "expected_status": order.status.value,
        "expected_version": order.version,
        "status": to.value,
        "quantity": order.quantity if quantity is None else quantity,
        "price": order.price if price is None else price,
        "filled_quantity": order.filled_quantity if filled_quantity is None else filled_quantity,
        "filled_cost": order.filled_cost if filled_cost is None else filled_cost,
        "arrival_price": order.arrival_price if arrival_price is None else arrival_price,
        "reason_code": reason and reason.code,
        "reason_message": reason and reason.message,
        "cancel_requested_at": cancel_requested_at or order.cancel_requested_at,
        "ending": ending or order.ending,
        "cause": cause,
        "cause_detail": detail,
        "rescue_at": rescue_at or (now + FIRST_PATIENCE if to in RESCUED else None),
        "updated_at": now,
    }
    if conn.execute(_MOVE, parameters).rowcount != 1:
        raise Stale(f"order {order.id} is no longer {order.status} at version {order.version}")
    _tell(conn, order, parameters, now)
    return replace(
        order,
        status=to,
        version=order.version + 1,
        quantity=parameters["quantity"],
        price=parameters["price"],
        filled_quantity=parameters["filled_quantity"],
        filled_cost=parameters["filled_cost"],
        arrival_price=parameters["arrival_price"],
        reason=reason,
        cancel_requested_at=parameters["cancel_requested_at"],
        ending=parameters["ending"],
        rescues=0,
        updated_at=now,
    )


def _tell(conn: Connection, order: Order, parameters: Mapping[str, Any], now: datetime) -> None:
    """Put the new version into the feed, and send it to who asked to be told: the same document, made once."""
    row = {
        **parameters,
        "id": order.id,
        "side": order.side,
        "version": order.version + 1,
    }
    changes = changes_of(conn, row)
    record_event(conn, order.id, order.version + 1, changes, now)
    if order.notify:
        enqueue_notice(conn, document_around(conn, order.id, changes), order.notify, now)


def _order(row: RowMapping) -> Order:
    """Raises FromNewer for words that only a newer version knows."""
    try:
        return _order_of(row)
    except ValueError as error:
        raise FromNewer(f"order {row['id']}", error) from error


def _order_of(row: RowMapping) -> Order:
    return Order(
        id=row["id"],
        client_order_id=row["client_order_id"],
        account=row["account"],
        venue=row["venue"],
        symbol=row["symbol"],
        base=row["base"],
        quote=row["quote"],
        side=Side(row["side"]),
        type=OrderType(row["type"]),
        quantity=row["quantity"],
        requested_quantity=row["requested_quantity"],
        price=row["price"],
        time_in_force=TimeInForce(row["time_in_force"]),
        post_only=row["post_only"],
        submitted_at=row["submitted_at"],
        expires_at=row["expires_at"],
        decision_price=row["decision_price"],
        algorithm=row["algorithm"],
        fill_policy=row["fill_policy"],
        notify=row["notify"],
        mode=Mode(row["mode"]),
        status=OrderStatus(row["status"]),
        version=row["version"],
        filled_quantity=row["filled_quantity"],
        filled_cost=row["filled_cost"],
        arrival_price=row["arrival_price"],
        reason=reason_of(row),
        cancel_requested_at=row["cancel_requested_at"],
        ending=OrderStatus(row["ending"]) if row["ending"] else None,
        rescues=row["rescues"],
        created_at=row["created_at"],
        updated_at=row["updated_at"],
    )


def reason_of(row: RowMapping) -> Reason | None:
    return Reason(code=row["reason_code"], message=row["reason_message"]) if row["reason_code"] else None
