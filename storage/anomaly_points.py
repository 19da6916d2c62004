"""Points of the watched series, read from orders and children that ended, in the order in which they did."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import Connection, and_, bindparam, func, or_, select

from accounting.anomalies.points import FillFacts, Place, Told, delay_points, fee_point, slippage_point
from models.money import average
from models.transitions import CHILD_FINAL, ORDER_FINAL
from models.vocabulary import Mode, OrderType, Side, TimeInForce
from storage.documents import slippage_bps
from storage.order_tables import fills, orders, sends, transitions
from storage.types import Timestamp

#: On PostgreSQL a transition gets its number before its transaction commits: those of so long ago are all to be seen.
#: Longer than any transaction of ours may take.
SETTLED = timedelta(minutes=2)

_ORDER_FINAL = [status.value for status in ORDER_FINAL]
_CHILD_FINAL = [status.value for status in CHILD_FINAL]
_ENDS = or_(
    and_(
        transitions.c.entity == "order",
        transitions.c.to_status.in_(_ORDER_FINAL),
        transitions.c.from_status.not_in(_ORDER_FINAL),
    ),
    and_(
        transitions.c.entity == "child",
        transitions.c.to_status.in_(_CHILD_FINAL),
        transitions.c.from_status.not_in(_CHILD_FINAL),
    ),
)
_LAST = select(func.max(transitions.c.id)).where(
    transitions.c.id > bindparam("after"), transitions.c.at <= bindparam("before", type_=Timestamp())
)
_FOUND = (
    select(transitions.c.id, transitions.c.entity, transitions.c.entity_id, transitions.c.order_id)
    .where(transitions.c.id > bindparam("after"), transitions.c.id <= bindparam("last"), _ENDS)
    .order_by(transitions.c.id)
    .limit(bindparam("limit"))
)
_ORDERS = select(
    orders.c.id, orders.c.venue, orders.c.account, orders.c.symbol, orders.c.base, orders.c.quote, orders.c.side,
    orders.c.type, orders.c.time_in_force, orders.c.arrival_price, orders.c.filled_cost, orders.c.filled_quantity,
    orders.c.updated_at,
).where(orders.c.id.in_(bindparam("ids", expanding=True)), orders.c.mode != Mode.DRY_RUN.value)  # fmt: skip
_FILLS = (
    select(fills)
    .where(fills.c.child_id.in_(bindparam("ids", expanding=True)))
    .order_by(fills.c.traded_at, fills.c.venue_trade_id)
)
_SENDS = (
    select(sends.c.child_id, sends.c.intended_at, sends.c.answered_at)
    .where(sends.c.child_id.in_(bindparam("ids", expanding=True)), sends.c.outcome == "answered")
    .order_by(sends.c.child_id, sends.c.number)
)


@dataclass(frozen=True, slots=True, kw_only=True)
class PointPage:
    """Points behind a cursor."""

    points: tuple[Told, ...]
    #: the next page begins behind this transition
    last: int
    #: there may be more at once
    is_full: bool


def read_points(conn: Connection, *, after: int, now: datetime, limit: int) -> PointPage:
    """What up to ``limit`` orders and children tell that ended behind the transition ``after``. Dry runs tell nothing."""
    settled = conn.execute(_LAST, {"after": after, "before": now - SETTLED}).scalar_one_or_none()
    if settled is None:
        return PointPage(points=(), last=after, is_full=False)
    found = conn.execute(_FOUND, {"after": after, "last": settled, "limit": limit}).mappings().all()
    is_full = len(found) == limit
    last = found[-1]["id"] if is_full else settled
    return PointPage(points=tuple(_points(conn, found)), last=last, is_full=is_full)


def _points(conn: Connection, found: Sequence[Mapping[Any, Any]]) -> Iterator[Told]:
    order_ids = sorted({row["order_id"] for row in found})
    child_ids = [row["entity_id"] for row in found if row["entity"] == "child"]
    known = {row["id"]: row for row in conn.execute(_ORDERS, {"ids": order_ids}).mappings()}
    booked = _grouped(conn.execute(_FILLS, {"ids": child_ids}).mappings())
    answered = _grouped(conn.execute(_SENDS, {"ids": child_ids}).mappings())
    for row in found:
        order = known.get(row["order_id"])
        if order is None:
            continue
        place = Place(order_id=order["id"], venue=order["venue"], account=order["account"], symbol=order["symbol"])
        if row["entity"] == "order":
            paid = average(order["filled_cost"], order["filled_quantity"])
            worse = slippage_bps(Side(order["side"]), order["arrival_price"], paid)
            told = slippage_point(place, worse, order["updated_at"])
            yield from () if told is None else (told,)
        else:
            child = row["entity_id"]
            yield from _of_child(place, order, booked.get(child, []), answered.get(child, []))


def _of_child(
    place: Place, order: Mapping[Any, Any], booked: Sequence[Mapping[Any, Any]], answered: Sequence[Mapping[Any, Any]]
) -> Iterator[Told]:
    facts = [FillFacts(**{name: row[name] for name in FillFacts.__slots__}) for row in booked]
    for fill in facts:
        told = fee_point(place, fill, base=order["base"], quote=order["quote"])
        yield from () if told is None else (told,)
    if answered:
        rests = order["type"] != OrderType.MARKET.value and order["time_in_force"] == TimeInForce.GTC.value
        yield from delay_points(
            place,
            intended_at=answered[-1]["intended_at"],
            answered_at=answered[-1]["answered_at"],
            first_booked_at=min((fill.booked_at for fill in facts), default=None),
            rests=rests,
        )


def _grouped(rows: Iterable[Mapping[Any, Any]]) -> dict[str, list[Mapping[Any, Any]]]:
    groups: dict[str, list[Mapping[Any, Any]]] = {}
    for row in rows:
        groups.setdefault(row["child_id"], []).append(row)
    return groups
