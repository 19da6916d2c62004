"""Orders as the outside sees them: documents, short statuses, timelines, pages of a list."""

import base64
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from decimal import Context, Decimal
from itertools import accumulate
from typing import Any

from sqlalchemy import Connection, RowMapping, bindparam, select

from models.clock import format_time, format_time_or_none
from models.money import ZERO, add, average, plain, plain_or_none, subtract
from models.vocabulary import Side
from storage.order_tables import child_orders, fills, order_tags, orders, transitions
from storage.schedule_tables import schedules

DEFAULT_PAGE = 50
LARGEST_PAGE = 500

#: children, and fills, that the document of one change holds at most: in the feed and in notices
LISTED_IN_A_CHANGE = 50

#: Hosts tell the database's time to some milliseconds, a loaded one worse: less than this is no clock set back.
CLOCKS_DIFFER_BY = timedelta(seconds=1)

_ORDER_ID = re.compile(r"[0-9a-z]{26}", re.ASCII)


@dataclass(frozen=True, slots=True, kw_only=True)
class OrderFilter:
    """Which orders to list; None means any. ``tag`` is ``(key, value)``, ``since`` bounds ``created_at``."""

    status: str | None = None
    venue: str | None = None
    account: str | None = None
    symbol: str | None = None
    tag: tuple[str, str] | None = None
    since: datetime | None = None
    limit: int = DEFAULT_PAGE
    #: opaque; from the page before
    cursor: str | None = None


class BadCursor(ValueError):
    """The cursor is none that a page gave."""


#: an order's row, and what the algorithm of a schedule has said of itself
_ORDERS = select(orders, schedules.c.notes.label("schedule_notes")).outerjoin(
    schedules, schedules.c.order_id == orders.c.id
)
_ORDER = _ORDERS.where(orders.c.id == bindparam("id"))
_CHILDREN = (
    select(
        child_orders.c.id,
        child_orders.c.slice,
        child_orders.c.attempt,
        child_orders.c.status,
        child_orders.c.venue_client_order_id,
        child_orders.c.venue_order_id,
        child_orders.c.quantity,
        child_orders.c.price,
        child_orders.c.filled_quantity,
        child_orders.c.filled_cost,
        child_orders.c.due_at,
        child_orders.c.sent_at,
        child_orders.c.reason_code,
        child_orders.c.reason_message,
    )
    .where(child_orders.c.order_id == bindparam("id"))
    .order_by(child_orders.c.slice, child_orders.c.attempt)
)
#: the same, those that changed last: an order of a thousand slices would write a megabyte with each change
_LATEST_CHILDREN = (
    _CHILDREN.order_by(None)
    .order_by(child_orders.c.updated_at.desc(), child_orders.c.slice.desc(), child_orders.c.attempt.desc())
    .limit(LISTED_IN_A_CHANGE)
)
_FILLS = select(fills).where(fills.c.order_id == bindparam("id")).order_by(fills.c.traded_at, fills.c.venue_trade_id)
_STATUS = select(
    orders.c.id,
    orders.c.client_order_id,
    orders.c.status,
    orders.c.quantity,
    orders.c.filled_quantity,
    orders.c.filled_cost,
    orders.c.version,
    orders.c.updated_at,
).where(orders.c.id == bindparam("id"))
_ID = select(orders.c.id).where(
    orders.c.account == bindparam("account"), orders.c.client_order_id == bindparam("client_order_id")
)
_TIMELINE = select(transitions).where(transitions.c.order_id == bindparam("id")).order_by(transitions.c.id)


def order_document(conn: Connection, order_id: str) -> dict[str, Any] | None:
    """The whole document, or None for an id that does not exist."""
    row = conn.execute(_ORDER, {"id": order_id}).mappings().one_or_none()
    if row is None:
        return None
    children = conn.execute(_CHILDREN, {"id": order_id}).mappings().all()
    booked = conn.execute(_FILLS, {"id": order_id}).mappings().all()
    return _document(row, children, booked)


def new_document(values: Mapping[str, Any]) -> dict[str, Any]:
    """The document of an order that was inserted with ``values`` a moment ago: nothing else can be known of it."""
    return document_of(values, new_changes(values))


def new_changes(values: Mapping[str, Any]) -> dict[str, Any]:
    """The changing part of the document of an order that is being inserted with ``values``."""
    return _changes({"arrival_price": None, "reason_code": None, **values}, [], [])


def changes_of(conn: Connection, row: Mapping[str, Any]) -> dict[str, Any]:
    """The changing part of a document, from the order's row as it was just written and what stands under it now.

    ``row`` has ``id``, ``side`` and the columns that change, so that no row is read again that is at hand. Of an order
    with more than LISTED_IN_A_CHANGE children or fills it lists the latest; the order's own page lists them all.
    """
    # Fills are booked together with the filled quantity: where that is 0 there are none.
    latest = conn.execute(_LATEST_CHILDREN, {"id": row["id"]}).mappings().all()
    children = sorted(latest, key=lambda child: (child["slice"], child["attempt"]))
    booked = conn.execute(_FILLS, {"id": row["id"]}).mappings().all() if row["filled_quantity"] else ()
    return _changes(row, children, booked, listed=LISTED_IN_A_CHANGE)


def document_around(conn: Connection, order_id: str, changes: Mapping[str, Any]) -> dict[str, Any]:
    """The document that ``changes`` are the changing part of."""
    return document_of(conn.execute(_ORDER, {"id": order_id}).mappings().one(), changes)


def order_status(conn: Connection, order_id: str) -> dict[str, Any] | None:
    """The short form that is polled; None for an id that does not exist."""
    row = conn.execute(_STATUS, {"id": order_id}).mappings().one_or_none()
    if row is None:
        return None
    return {
        "id": row["id"],
        "client_order_id": row["client_order_id"],
        "status": row["status"],
        "filled_quantity": plain(row["filled_quantity"]),
        "remaining_quantity": plain(subtract(row["quantity"], row["filled_quantity"])),
        "average_price": plain_or_none(average(row["filled_cost"], row["filled_quantity"])),
        "version": row["version"],
        "updated_at": format_time(row["updated_at"]),
    }


def find_order_id(conn: Connection, account: str, client_order_id: str) -> str | None:
    """Our id of the order under a client id."""
    return conn.execute(_ID, {"account": account, "client_order_id": client_order_id}).scalar_one_or_none()


def timeline(conn: Connection, order_id: str) -> list[dict[str, Any]]:
    """Every change of the parent and its children, oldest first.

    The rows keep the times as they were told, and they are in the order of what happened. Where two hosts' clocks
    differ by a moment, a change is shown at the time of the one before it.
    """
    rows = conn.execute(_TIMELINE, {"id": order_id}).mappings().all()
    shown_at = accumulate((row["at"] for row in rows), _not_before)
    return [
        {
            "at": format_time(at),
            "entity": row["entity"],
            "entity_id": row["entity_id"],
            "from": row["from_status"],
            "to": row["to_status"],
            "cause": row["cause"],
            "detail": {
                "version": row["version"],
                "filled_quantity": plain(row["filled_quantity"]),
                **(row["detail"] or {}),
            },
        }
        for row, at in zip(rows, shown_at, strict=True)
    ]


def _not_before(previous: datetime, told: datetime) -> datetime:
    """A clock that was really set back stays visible; what is less than that is two clocks that differ."""
    return previous if timedelta() < previous - told < CLOCKS_DIFFER_BY else told


def list_orders(conn: Connection, wanted: OrderFilter) -> tuple[list[dict[str, Any]], str | None]:
    """One page of documents, newest first, and the cursor of the next; None after the last.

    Raises BadCursor.
    """
    statement = _ORDERS.order_by(orders.c.id.desc()).limit(wanted.limit + 1)
    for column in ("status", "venue", "account", "symbol"):
        value = getattr(wanted, column)
        if value is not None:
            statement = statement.where(orders.c[column] == value)
    if wanted.since is not None:
        statement = statement.where(orders.c.created_at >= wanted.since)
    if wanted.tag is not None:
        key, value = wanted.tag
        tagged = select(order_tags.c.order_id).where(order_tags.c.key == key, order_tags.c.value == value)
        statement = statement.where(orders.c.id.in_(tagged))
    if wanted.cursor is not None:
        statement = statement.where(orders.c.id < _decode_cursor(wanted.cursor))
    rows = conn.execute(statement).mappings().all()
    page, more = rows[: wanted.limit], len(rows) > wanted.limit
    return _documents(conn, page), _encode_cursor(page[-1]["id"]) if more else None


def _documents(conn: Connection, rows: Sequence[RowMapping]) -> list[dict[str, Any]]:
    ids = [row["id"] for row in rows]
    children = _grouped(
        conn.execute(
            select(child_orders)
            .where(child_orders.c.order_id.in_(ids))
            .order_by(child_orders.c.slice, child_orders.c.attempt)
        ).mappings()
    )
    booked = _grouped(
        conn.execute(
            select(fills).where(fills.c.order_id.in_(ids)).order_by(fills.c.traded_at, fills.c.venue_trade_id)
        ).mappings()
    )
    return [_document(row, children.get(row["id"], []), booked.get(row["id"], [])) for row in rows]


def _grouped(rows: Any) -> dict[str, list[RowMapping]]:
    groups: dict[str, list[RowMapping]] = {}
    for row in rows:
        groups.setdefault(row["order_id"], []).append(row)
    return groups


def _document(
    row: RowMapping | Mapping[str, Any], children: Sequence[RowMapping], booked: Sequence[RowMapping]
) -> dict[str, Any]:
    return document_of(row, _changes(row, children, booked))


def document_of(row: RowMapping | Mapping[str, Any], changes: Mapping[str, Any]) -> dict[str, Any]:
    """What the customer asked for, from the order's row at any time, with what ``changes`` say of one version."""
    return {
        "id": row["id"],
        "client_order_id": row["client_order_id"],
        "status": changes["status"],
        "mode": row["mode"],
        "venue": row["venue"],
        "account": row["account"],
        "symbol": row["symbol"],
        "side": row["side"],
        "type": row["type"],
        "quantity": changes["quantity"],
        "requested_quantity": plain(row["requested_quantity"]),
        "price": changes["price"],
        "time_in_force": row["time_in_force"],
        "post_only": row["post_only"],
        "submitted_at": format_time(row["submitted_at"]),
        "expires_at": format_time_or_none(row["expires_at"]),
        "decision_price": plain_or_none(row["decision_price"]),
        "algorithm": _algorithm(row),
        "fill_policy": row["fill_policy"],
        "tags": row["tags"],
        "filled_quantity": changes["filled_quantity"],
        "remaining_quantity": changes["remaining_quantity"],
        "average_price": changes["average_price"],
        "fees": changes["fees"],
        "arrival_price": changes["arrival_price"],
        "slippage_bps": changes["slippage_bps"],
        "reason": changes["reason"],
        "version": changes["version"],
        "created_at": format_time(row["created_at"]),
        "updated_at": changes["updated_at"],
        "child_orders": changes["child_orders"],
        "fills": changes["fills"],
    }


def _algorithm(row: RowMapping | Mapping[str, Any]) -> Mapping[str, Any]:
    """As asked for, with ``notes``: what it estimated, and what it says of its schedule so far."""
    notes = row.get("schedule_notes")
    return {**row["algorithm"], "notes": notes} if notes else row["algorithm"]


def _changes(
    row: RowMapping | Mapping[str, Any],
    children: Sequence[RowMapping],
    booked: Sequence[RowMapping],
    *,
    listed: int | None = None,
) -> dict[str, Any]:
    """The part of the document that may differ between two versions of an order."""
    average_price = average(row["filled_cost"], row["filled_quantity"])
    return {
        "status": row["status"],
        "quantity": plain(row["quantity"]),
        "price": plain_or_none(row["price"]),
        "filled_quantity": plain(row["filled_quantity"]),
        "remaining_quantity": plain(subtract(row["quantity"], row["filled_quantity"])),
        "average_price": plain_or_none(average_price),
        "fees": _fees(booked),
        "arrival_price": plain_or_none(row["arrival_price"]),
        "slippage_bps": plain_or_none(slippage_bps(Side(row["side"]), row["arrival_price"], average_price)),
        "reason": _reason(row),
        "version": row["version"],
        "updated_at": format_time(row["updated_at"]),
        "child_orders": [_child(child) for child in children],
        "fills": [_fill(fill) for fill in (booked[-listed:] if listed else booked)],
    }


def slippage_bps(side: Side, arrival: Decimal | None, average_price: Decimal | None) -> Decimal | None:
    """How much worse than the arrival price it traded, in basis points to two digits; negative is better."""
    if arrival is None or average_price is None or arrival == 0:
        return None
    context = Context(prec=250)  # whatever a venue calls a price: a document must be written
    difference = context.subtract(average_price, arrival)
    worse = difference if side is Side.BUY else context.minus(difference)
    return context.quantize(context.divide(context.multiply(worse, Decimal(10_000)), arrival), Decimal("0.01"))


def _fees(booked: Sequence[RowMapping]) -> dict[str, str]:
    fees: dict[str, Decimal] = {}
    for fill in booked:
        if fill["fee_asset"] is not None:
            fees[fill["fee_asset"]] = add(fees.get(fill["fee_asset"], ZERO), fill["fee"])
    return {asset: plain(amount) for asset, amount in sorted(fees.items())}


def _child(row: RowMapping) -> dict[str, Any]:
    return {
        "id": row["id"],
        "slice": row["slice"],
        "attempt": row["attempt"],
        "status": row["status"],
        "venue_client_order_id": row["venue_client_order_id"],
        "venue_order_id": row["venue_order_id"],
        "quantity": plain(row["quantity"]),
        "price": plain_or_none(row["price"]),
        "filled_quantity": plain(row["filled_quantity"]),
        "average_price": plain_or_none(average(row["filled_cost"], row["filled_quantity"])),
        "due_at": format_time(row["due_at"]),
        "sent_at": format_time_or_none(row["sent_at"]),
        "reason": _reason(row),
    }


def _fill(row: RowMapping) -> dict[str, Any]:
    return {
        "venue_trade_id": row["venue_trade_id"],
        "child_order_id": row["child_id"],
        "quantity": plain(row["quantity"]),
        "price": plain(row["price"]),
        "fee": plain(row["fee"]),
        "fee_asset": row["fee_asset"],
        "liquidity": row["liquidity"],
        "traded_at": format_time(row["traded_at"]),
    }


def _reason(row: RowMapping | Mapping[str, Any]) -> Mapping[str, str] | None:
    return {"code": row["reason_code"], "message": row["reason_message"]} if row["reason_code"] else None


def _encode_cursor(order_id: str) -> str:
    return base64.urlsafe_b64encode(order_id.encode()).decode()


def _decode_cursor(cursor: str) -> str:
    try:
        order_id = base64.b64decode(cursor.encode(), altchars=b"-_", validate=True).decode()
    except ValueError:
        order_id = ""
    if not _ORDER_ID.fullmatch(order_id):
        raise BadCursor("the cursor is none that a page of this list gave")
    return order_id
