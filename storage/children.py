"""Child orders: rows to values and back, claims with lease and epoch, and the one way their status moves."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import replace
from datetime import datetime
from decimal import Decimal
from enum import Enum
from typing import Any

from sqlalchemy import BigInteger, Connection, RowMapping, and_, bindparam, func, insert, or_, select, update

from models.order import ChildOrder, Reason
from models.transitions import CHILD_FINAL, CHILD_IN_DOUBT, assert_legal
from models.vocabulary import ChildStatus
from storage.now import LEAP, db_now
from storage.order_tables import AT_VENUE, child_orders, reports, sends
from storage.orders import FromNewer, Stale, reason_of


class Keep(Enum):
    """Stands for "as it is" where None means something."""

    KEEP = "keep"


KEEP = Keep.KEEP

#: what a ChildOrder does not have, and is not read with it
_UNREAD = {"lease_owner", "lease_until", "cause", "cause_detail", "created_at", "updated_at"}
_CHILD = select(*(column for column in child_orders.c if column.name not in _UNREAD))
_BY_ID = _CHILD.where(child_orders.c.id == bindparam("id"))
_OF_ORDER = _CHILD.where(child_orders.c.order_id == bindparam("order_id")).order_by(
    child_orders.c.slice, child_orders.c.attempt
)
_CHILDREN_AT_VENUE = _CHILD.where(
    child_orders.c.venue == bindparam("venue"),
    child_orders.c.account == bindparam("account"),
    child_orders.c.symbol == bindparam("symbol"),
    AT_VENUE,
    # What the venue has just said of it is about to be settled: looking again meanwhile would be a waste.
    ~select(reports.c.id).where(reports.c.child_id == child_orders.c.id, reports.c.applied_at.is_(None)).exists(),
)
_BY_VENUE_IDS = _CHILD.where(
    child_orders.c.venue == bindparam("venue"),
    child_orders.c.account == bindparam("account"),
    child_orders.c.symbol == bindparam("symbol"),
    child_orders.c.venue_order_id.in_(bindparam("venue_order_ids", expanding=True)),
)
_INSERT = insert(child_orders)

_MOVE = (
    update(child_orders)
    .where(
        child_orders.c.id == bindparam("the_id"),
        child_orders.c.status == bindparam("expected_status"),
        child_orders.c.version == bindparam("expected_version"),
        child_orders.c.epoch == bindparam("expected_epoch"),
    )
    .values(
        status=bindparam("status"),
        version=child_orders.c.version + 1,
        venue_order_id=bindparam("venue_order_id"),
        quantity=bindparam("quantity"),
        price=bindparam("price"),
        filled_quantity=bindparam("filled_quantity"),
        filled_cost=bindparam("filled_cost"),
        sent_at=bindparam("sent_at"),
        deadline=bindparam("deadline"),
        sends=bindparam("sends"),
        attend_at=bindparam("attend_at"),
        act_at=bindparam("act_at"),
        reason_code=bindparam("reason_code"),
        reason_message=bindparam("reason_message"),
        cause=bindparam("cause"),
        cause_detail=bindparam("cause_detail"),
        updated_at=bindparam("updated_at"),
    )
    .execution_options(preserve_rowcount=True)
)

_LEASE_END = db_now(bindparam("lease_us", type_=BigInteger()))
#: for everybody who must not act on a child while another does
NOT_LEASED = or_(
    child_orders.c.lease_until.is_(None),
    child_orders.c.lease_until < db_now(),
    child_orders.c.lease_until > db_now(LEAP),
)
_CLAIM = (
    update(child_orders)
    .where(
        child_orders.c.id == bindparam("the_id"),
        child_orders.c.status == bindparam("expected_status"),
        child_orders.c.epoch == bindparam("expected_epoch"),
        NOT_LEASED,
    )
    .values(
        epoch=child_orders.c.epoch + 1,
        lease_owner=bindparam("owner"),
        lease_until=_LEASE_END,
    )
    .execution_options(preserve_rowcount=True)
)
_OWNED = and_(
    child_orders.c.id == bindparam("the_id"),
    child_orders.c.epoch == bindparam("expected_epoch"),
    child_orders.c.lease_owner == bindparam("owner"),
)
_RENEW = update(child_orders).where(_OWNED).values(lease_until=_LEASE_END).execution_options(preserve_rowcount=True)
_RELEASE = update(child_orders).where(_OWNED).values(lease_owner=None, lease_until=None)
_RELEASE_ALL = (
    update(child_orders)
    .where(child_orders.c.lease_owner == bindparam("owner"), child_orders.c.lease_until >= db_now())
    .values(lease_owner=None, lease_until=None)
    .execution_options(preserve_rowcount=True)
)
_ATTEND = (
    update(child_orders)
    .where(
        child_orders.c.id == bindparam("the_id"),
        child_orders.c.epoch == bindparam("expected_epoch"),
        child_orders.c.status.in_([status.value for status in CHILD_IN_DOUBT]),
    )
    .values(attend_at=bindparam("attend_at"), lookups=child_orders.c.lookups + bindparam("looked"))
)
_ACT_ON = update(child_orders).where(child_orders.c.id == bindparam("the_id")).values(act_at=bindparam("at"))
_INTEND = insert(sends)
_FORGET_LOOKUPS = update(child_orders).where(child_orders.c.id == bindparam("the_id")).values(lookups=0)
_FIRST_SEND = select(func.min(sends.c.timestamp)).where(sends.c.child_id == bindparam("the_child"))
_ANSWER = (
    update(sends)
    .where(
        sends.c.child_id == bindparam("the_child"), sends.c.number == bindparam("the_number"), sends.c.outcome.is_(None)
    )
    .values(answered_at=bindparam("answered_at"), outcome=bindparam("outcome"), message=bindparam("message"))
)


def insert_child(conn: Connection, child: ChildOrder, *, cause: str, now: datetime) -> None:
    """Insert a PLANNED child; the database refuses a second live attempt at one slice."""
    conn.execute(
        _INSERT,
        {
            "id": child.id,
            "order_id": child.order_id,
            "venue": child.venue,
            "account": child.account,
            "symbol": child.symbol,
            "slice": child.slice,
            "attempt": child.attempt,
            "status": child.status.value,
            "version": 1,
            "venue_client_order_id": child.venue_client_order_id,
            "quantity": child.quantity,
            "price": child.price,
            "display": child.display,
            "filled_quantity": child.filled_quantity,
            "filled_cost": child.filled_cost,
            "due_at": child.due_at,
            "attend_at": child.attend_at,
            "cause": cause,
            "created_at": now,
            "updated_at": now,
        },
    )


def get_child(conn: Connection, child_id: str) -> ChildOrder:
    """Raises NoResultFound for an id that does not exist."""
    return child_of(conn.execute(_BY_ID, {"id": child_id}).mappings().one())


def children_of(conn: Connection, order_id: str) -> Sequence[ChildOrder]:
    """All children of a parent, by slice and attempt."""
    return [child_of(row) for row in conn.execute(_OF_ORDER, {"order_id": order_id}).mappings()]


def children_at_venue(conn: Connection, venue: str, account: str, symbol: str) -> Sequence[ChildOrder]:
    """Children that the venue has acknowledged and not ended."""
    rows = conn.execute(_CHILDREN_AT_VENUE, {"venue": venue, "account": account, "symbol": symbol}).mappings()
    return [child_of(row) for row in rows]


def children_by_venue_ids(
    conn: Connection, venue: str, account: str, symbol: str, venue_order_ids: Collection[str]
) -> Sequence[ChildOrder]:
    """Our children behind some of the venue's order ids, ended ones too."""
    if not venue_order_ids:
        return []
    place = {"venue": venue, "account": account, "symbol": symbol}
    rows = conn.execute(_BY_VENUE_IDS, {**place, "venue_order_ids": sorted(venue_order_ids)}).mappings()
    return [child_of(row) for row in rows]


def first_send_at(conn: Connection, child_id: str) -> datetime | None:
    """When the first send of a child was signed, on the venue's clock."""
    at: datetime | None = conn.execute(_FIRST_SEND, {"the_child": child_id}).scalar_one()
    return at


def move_child(
    conn: Connection,
    child: ChildOrder,
    to: ChildStatus,
    *,
    cause: str,
    now: datetime,
    detail: Mapping[str, Any] | None = None,
    reason: Reason | None = None,
    attend_at: datetime | None = None,
    venue_order_id: str | None = None,
    filled_quantity: Decimal | None = None,
    filled_cost: Decimal | None = None,
    sent_at: datetime | None = None,
    deadline: datetime | None = None,
    sends: int | None = None,
    never_left: bool = False,
    act_at: datetime | Keep | None = KEEP,
    quantity: Decimal | None = None,
    price: Decimal | None = None,
) -> ChildOrder:
    """Move a child as the table allows, as the next version.

    What is not named keeps its value, except ``reason`` and ``attend_at``, which are set as given; ``never_left``
    takes ``sent_at`` back, since every copy so far surely was not taken. Raises
    IllegalTransition for a bug and Stale when the row moved on or another owner has claimed it.
    """
    assert_legal(child.status, to)
    parameters: dict[str, Any] = {
        "the_id": child.id,
        "expected_status": child.status.value,
        "expected_version": child.version,
        "expected_epoch": child.epoch,
        "status": to.value,
        "venue_order_id": venue_order_id or child.venue_order_id,
        "filled_quantity": child.filled_quantity if filled_quantity is None else filled_quantity,
        "filled_cost": child.filled_cost if filled_cost is None else filled_cost,
        "sent_at": None if never_left else sent_at or child.sent_at,
        "deadline": deadline or child.deadline,
        "sends": child.sends if sends is None else sends,
        "attend_at": None if to in CHILD_FINAL else attend_at,
        "act_at": _timer_after(child, to, act_at),
        "quantity": child.quantity if quantity is None else quantity,
        "price": child.price if price is None else price,
        "reason_code": reason and reason.code,
        "reason_message": reason and reason.message,
        "cause": cause,
        "cause_detail": detail,
        "updated_at": now,
    }
    if conn.execute(_MOVE, parameters).rowcount != 1:
        raise Stale(f"child {child.id} is no longer {child.status} at version {child.version}, epoch {child.epoch}")
    return replace(
        child,
        status=to,
        version=child.version + 1,
        venue_order_id=parameters["venue_order_id"],
        filled_quantity=parameters["filled_quantity"],
        filled_cost=parameters["filled_cost"],
        sent_at=parameters["sent_at"],
        deadline=parameters["deadline"],
        sends=parameters["sends"],
        attend_at=parameters["attend_at"],
        act_at=parameters["act_at"],
        quantity=parameters["quantity"],
        price=parameters["price"],
        reason=reason,
    )


def _timer_after(child: ChildOrder, to: ChildStatus, act_at: datetime | Keep | None) -> datetime | None:
    """What ends before it was at the venue leaves its fill policy nothing to act on."""
    if child.status is ChildStatus.PLANNED and to in CHILD_FINAL:
        return None
    return child.act_at if isinstance(act_at, Keep) else act_at


def act_on(conn: Connection, child: ChildOrder, at: datetime | None) -> ChildOrder:
    """Say when the fill policy acts on a child; the caller holds the parent's lock."""
    conn.execute(_ACT_ON, {"the_id": child.id, "at": at})
    return replace(child, act_at=at)


def claim(conn: Connection, child: ChildOrder, *, owner: str, lease_ms: int) -> ChildOrder:
    """Take the child for ``lease_ms`` on the database's clock; from now on only this epoch's updates match.

    Raises Stale when it has moved on or somebody else holds a lease that has not run out.
    """
    parameters = {
        "the_id": child.id,
        "expected_status": child.status.value,
        "expected_epoch": child.epoch,
        "owner": owner,
        "lease_us": lease_ms * 1000,
    }
    if conn.execute(_CLAIM, parameters).rowcount != 1:
        raise Stale(f"child {child.id} moved on from {child.status}, or is somebody else's at present")
    return replace(child, epoch=child.epoch + 1)


def renew(conn: Connection, child_id: str, epoch: int, *, owner: str, lease_ms: int) -> bool:
    """Extend a lease that is still ours; False when another owner has taken the child over."""
    parameters = {"the_id": child_id, "expected_epoch": epoch, "owner": owner, "lease_us": lease_ms * 1000}
    return conn.execute(_RENEW, parameters).rowcount == 1


def release_all(conn: Connection, *, owner: str) -> int:
    """Let go of every claim of a process that ends; returns how many."""
    return conn.execute(_RELEASE_ALL, {"owner": owner}).rowcount


def release(conn: Connection, child: ChildOrder, *, owner: str) -> None:
    """Give the claim back; nothing happens when it is no longer ours."""
    conn.execute(_RELEASE, {"the_id": child.id, "expected_epoch": child.epoch, "owner": owner})


def attend(conn: Connection, child: ChildOrder, at: datetime | None, *, looked: bool = False) -> None:
    """Say when the child must be looked at again; ``looked`` counts a lookup at the venue."""
    conn.execute(_ATTEND, {"the_id": child.id, "expected_epoch": child.epoch, "attend_at": at, "looked": int(looked)})


def intend(
    conn: Connection, child: ChildOrder, *, number: int, owner: str, timestamp: datetime, window_ms: int, now: datetime
) -> None:
    """The durable intent: committed before the request leaves the process. Looks for an earlier send are over."""
    if child.lookups:
        conn.execute(_FORGET_LOOKUPS, {"the_id": child.id})
    conn.execute(
        _INTEND,
        {
            "child_id": child.id,
            "number": number,
            "epoch": child.epoch,
            "owner": owner,
            "timestamp": timestamp,
            "window_ms": window_ms,
            "intended_at": now,
        },
    )


def answer(conn: Connection, child_id: str, number: int, *, outcome: str, message: str | None, now: datetime) -> None:
    """What became of a send, once; a later word on it does not replace the first."""
    conn.execute(
        _ANSWER,
        {"the_child": child_id, "the_number": number, "answered_at": now, "outcome": outcome, "message": message},
    )


def child_of(row: RowMapping) -> ChildOrder:
    """Raises FromNewer for a status that only a newer version knows."""
    try:
        status = ChildStatus(row["status"])
    except ValueError as error:
        raise FromNewer(f"child {row['id']}", error) from error
    return ChildOrder(
        id=row["id"],
        order_id=row["order_id"],
        venue=row["venue"],
        account=row["account"],
        symbol=row["symbol"],
        slice=row["slice"],
        attempt=row["attempt"],
        status=status,
        version=row["version"],
        epoch=row["epoch"],
        venue_client_order_id=row["venue_client_order_id"],
        venue_order_id=row["venue_order_id"],
        quantity=row["quantity"],
        price=row["price"],
        display=row["display"],
        filled_quantity=row["filled_quantity"],
        filled_cost=row["filled_cost"],
        due_at=row["due_at"],
        sent_at=row["sent_at"],
        deadline=row["deadline"],
        sends=row["sends"],
        lookups=row["lookups"],
        attend_at=row["attend_at"],
        act_at=row["act_at"],
        reason=reason_of(row),
    )
