"""Which rows somebody must look at: found by time, by what stands too long, by what rests at a venue."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from sqlalchemy import Connection, and_, bindparam, literal, literal_column, or_, select, update

from models.transitions import ORDER_FINAL, ORDER_UNSENT
from models.vocabulary import ChildStatus, OrderStatus
from storage.children import NOT_LEASED
from storage.message_tables import parked_orders
from storage.messages_unfinished import is_parked
from storage.now import LEAP, db_now
from storage.order_tables import AT_VENUE, child_orders, orders, reports
from storage.schedule_tables import schedules
from storage.schedules import SCHEDULE_STANDS
from storage.service_tables import leases
from storage.types import Timestamp

#: name, before an order's id, of the lease under which rescue has its reports settled
SETTLE_LEASE = "settle:"
#: the same, before a child's id, for looks at it: while a venue or a broker is away they would pile up
LOOK_LEASE = "look:"
#: the same, before a child's id, for timers of fill policies that are rung again
TIMER_LEASE = "timer:"
#: the same, before an order's id, for waves that are planned since nobody did
PLAN_LEASE = "plan:"

#: a status of a newer version is left to that version
_KNOWN = [status.value for status in OrderStatus]
_KNOWN_CHILD = [status.value for status in ChildStatus]
_OPEN = [status.value for status in OrderStatus if status not in ORDER_FINAL]

_NOW = bindparam("now", type_=Timestamp())
#: later than this nothing can have been written, unless a clock was set back since
_TO_COME = bindparam("to_come", type_=Timestamp())

_ORDER_STANDS = and_(
    orders.c.rescue_at.is_not(None),
    or_(
        orders.c.rescue_at <= _NOW,
        and_(orders.c.rescue_at > _TO_COME, orders.c.updated_at > _TO_COME),
    ),
    orders.c.status.in_(_KNOWN),
    ~is_parked(orders.c.id),
)
_BEING_LOOKED_AT = select(leases.c.name).where(
    leases.c.name == literal(LOOK_LEASE) + child_orders.c.id,
    leases.c.until > db_now(),
    leases.c.until <= db_now(LEAP),
)
# Words that a partial index names stand in the statement's text. Bound, SQLite would have to plan the statement again
# at each execution, to see whether that index answers it.
_SENDER_IS_GONE = child_orders.c.status == literal_column(f"'{ChildStatus.SUBMITTING.value}'")
#: A child whose sender is gone needs a look at once, its order parked or not; for the others a look is planned, and its message may be late.
_CHILD_STANDS = and_(
    child_orders.c.attend_at.is_not(None),
    or_(
        child_orders.c.attend_at <= bindparam("slack", type_=Timestamp()),
        and_(child_orders.c.attend_at <= _NOW, _SENDER_IS_GONE),
        and_(child_orders.c.attend_at > _TO_COME, child_orders.c.updated_at > _TO_COME),
    ),
    child_orders.c.status.in_(_KNOWN_CHILD),
    NOT_LEASED,
    or_(_SENDER_IS_GONE, and_(~is_parked(child_orders.c.order_id), ~_BEING_LOOKED_AT.exists())),
)
_IS_OVER = and_(
    orders.c.expires_at.is_not(None),
    orders.c.expires_at <= _NOW,
    orders.c.status.in_(_OPEN),
    orders.c.ending.is_(None),
)
_BEING_SETTLED = select(leases.c.name).where(
    leases.c.name == literal(SETTLE_LEASE) + reports.c.order_id,
    leases.c.until > db_now(),
    leases.c.until <= db_now(LEAP),
)
_IS_UNSETTLED = and_(
    reports.c.applied_at.is_(None),
    reports.c.received_at <= bindparam("before", type_=Timestamp()),
    ~_BEING_SETTLED.exists(),
    ~is_parked(reports.c.order_id),
)
#: A fill policy should have acted by then: its message may be lost.
_POLICY_STANDS = and_(
    child_orders.c.act_at.is_not(None),
    child_orders.c.act_at <= bindparam("slack", type_=Timestamp()),
    child_orders.c.status.in_(_KNOWN_CHILD),
    ~is_parked(child_orders.c.order_id),
)
_ANYTHING_STANDS = select(
    or_(
        select(orders.c.id).where(_ORDER_STANDS).exists(),
        select(child_orders.c.id).where(_CHILD_STANDS).exists(),
        select(orders.c.id).where(_IS_OVER).exists(),
        select(reports.c.id).where(_IS_UNSETTLED).exists(),
        select(schedules.c.order_id).where(SCHEDULE_STANDS).exists(),
        select(child_orders.c.id).where(_POLICY_STANDS).exists(),
    )
)

_STANDING_ORDERS = (
    select(orders.c.id, orders.c.status, orders.c.rescues)
    .where(_ORDER_STANDS)
    .order_by(orders.c.rescue_at)
    .limit(bindparam("limit"))
)
_POSTPONE_RESCUE = (
    update(orders)
    .where(
        orders.c.id == bindparam("the_id"),
        orders.c.rescues == bindparam("seen"),
        _ORDER_STANDS,
    )
    .values(rescues=orders.c.rescues + 1, rescue_at=bindparam("next", type_=Timestamp()))
    .execution_options(preserve_rowcount=True)
)
_PARKED_UNSENT = (
    select(orders.c.id)
    .join(parked_orders, parked_orders.c.order_id == orders.c.id)
    .where(orders.c.status.in_([status.value for status in ORDER_UNSENT]))
    .limit(bindparam("limit"))
)
_OVER = select(orders.c.id).where(_IS_OVER).order_by(orders.c.expires_at).limit(bindparam("limit"))
_STANDING_POLICIES = (
    select(child_orders.c.id).where(_POLICY_STANDS).order_by(child_orders.c.act_at).limit(bindparam("limit"))
)
_TAKE_POLICY = (
    update(child_orders)
    .where(child_orders.c.id == bindparam("the_id"), _POLICY_STANDS)
    .values(act_at=bindparam("next", type_=Timestamp()))
    .execution_options(preserve_rowcount=True)
)
_STANDING_CHILDREN = (
    select(
        child_orders.c.id,
        child_orders.c.order_id,
        child_orders.c.status,
        child_orders.c.attempt,
        child_orders.c.updated_at,
        select(schedules.c.order_id).where(schedules.c.order_id == child_orders.c.order_id).exists().label("scheduled"),
    )
    .where(_CHILD_STANDS)
    .order_by(child_orders.c.attend_at)
    .limit(bindparam("limit"))
)
_POSTPONE_CHILD = (
    update(child_orders)
    .where(child_orders.c.id == bindparam("the_id"), _CHILD_STANDS)
    .values(attend_at=bindparam("next", type_=Timestamp()))
    .execution_options(preserve_rowcount=True)
)
_LEAVE_ORDER = (
    update(orders)
    .where(orders.c.id == bindparam("the_id"), orders.c.rescue_at.is_not(None))
    .values(rescue_at=bindparam("until"))
)
_ATTEND_PLANNED = (
    update(child_orders)
    .where(child_orders.c.id == bindparam("the_id"), child_orders.c.status == ChildStatus.PLANNED.value)
    .values(attend_at=bindparam("until"))
)
_LEAVE_CHILDREN = (
    update(child_orders)
    .where(
        child_orders.c.order_id == bindparam("the_id"),
        child_orders.c.status == literal_column(f"'{ChildStatus.PLANNED.value}'"),
        child_orders.c.attend_at.is_not(None),
    )
    .values(attend_at=bindparam("until"))
)
_WATCHED = select(child_orders.c.venue, child_orders.c.account, child_orders.c.symbol).where(AT_VENUE).distinct()
_UNSETTLED = select(reports.c.order_id).where(_IS_UNSETTLED).distinct().limit(bindparam("limit"))


@dataclass(frozen=True, slots=True, kw_only=True)
class StandingOrder:
    id: str
    status: OrderStatus
    rescues: int


@dataclass(frozen=True, slots=True, kw_only=True)
class StandingChild:
    id: str
    order_id: str
    status: ChildStatus
    #: the first attempt of an order that is sent whole: its order's chain leads to it
    is_only_one: bool
    #: its last move
    updated_at: datetime


@dataclass(frozen=True, slots=True, kw_only=True, order=True)
class Watched:
    """A venue account and symbol with something of ours at the venue."""

    venue: str
    account: str
    symbol: str


def anything_stands(conn: Connection, now: datetime, *, slack: timedelta, patience: timedelta) -> bool:
    """One look whether any of the lists below has a row: most of the time none has."""
    parameters = {**_times(now, slack), "before": now - patience}
    return bool(conn.execute(_ANYTHING_STANDS, parameters).scalar_one())


def standing_orders(conn: Connection, now: datetime, limit: int) -> Sequence[StandingOrder]:
    """Orders that no step has moved for longer than a step may take."""
    return [
        StandingOrder(id=row.id, status=OrderStatus(row.status), rescues=row.rescues)
        for row in conn.execute(_STANDING_ORDERS, {"now": now, "to_come": now + LEAP, "limit": limit})
    ]


def postpone_rescue(conn: Connection, order: StandingOrder, now: datetime, until: datetime) -> bool:
    """Take the rescue of an order for ourselves; False when another process was faster."""
    parameters = {"the_id": order.id, "seen": order.rescues, "now": now, "to_come": now + LEAP, "next": until}
    return conn.execute(_POSTPONE_RESCUE, parameters).rowcount == 1


def leave_to(conn: Connection, order_id: str, until: datetime) -> None:
    """Somebody has planned the order's next step: rescue keeps away from it until ``until``."""
    conn.execute(_LEAVE_ORDER, {"the_id": order_id, "until": until})
    conn.execute(_LEAVE_CHILDREN, {"the_id": order_id, "until": until})


def attend_planned(conn: Connection, child_id: str, until: datetime) -> None:
    """Somebody has planned the send of this child: rescue keeps away from it until ``until``."""
    conn.execute(_ATTEND_PLANNED, {"the_id": child_id, "until": until})


def parked_unsent(conn: Connection, limit: int) -> Sequence[str]:
    """Parked orders of which nothing is at a venue."""
    return list(conn.execute(_PARKED_UNSENT, {"limit": limit}).scalars())


def standing_children(conn: Connection, now: datetime, slack: timedelta, limit: int) -> Sequence[StandingChild]:
    """Children whose claim, if any, has run out, and that somebody was to look at ``slack`` ago; at once if it is the
    sender who is gone, since then nobody else has a look planned.
    """
    return [
        StandingChild(
            id=row.id,
            order_id=row.order_id,
            status=ChildStatus(row.status),
            is_only_one=row.attempt == 1 and not row.scheduled,
            updated_at=row.updated_at,
        )
        for row in conn.execute(_STANDING_CHILDREN, {**_times(now, slack), "limit": limit})
    ]


def postpone_attention(conn: Connection, child: StandingChild, now: datetime, slack: timedelta) -> bool:
    """Take the look at a child for ourselves, to be had now; False when another process was faster."""
    parameters = {**_times(now, slack), "the_id": child.id, "next": now}
    return conn.execute(_POSTPONE_CHILD, parameters).rowcount == 1


def standing_policies(conn: Connection, before: datetime, limit: int) -> Sequence[str]:
    """Children whose fill policy should have acted at ``before``."""
    return list(conn.execute(_STANDING_POLICIES, {"slack": before, "limit": limit}).scalars())


def take_policy(conn: Connection, child_id: str, before: datetime, next_at: datetime) -> bool:
    """Take a standing policy up, and leave it alone until ``next_at``; False when another process was faster."""
    return conn.execute(_TAKE_POLICY, {"the_id": child_id, "slack": before, "next": next_at}).rowcount == 1


def _times(now: datetime, slack: timedelta) -> dict[str, datetime]:
    return {"now": now, "slack": now - slack, "to_come": now + LEAP}


def orders_whose_time_is_over(conn: Connection, now: datetime, limit: int) -> Sequence[str]:
    return list(conn.execute(_OVER, {"now": now, "limit": limit}).scalars())


def orders_with_unapplied_reports(conn: Connection, before: datetime, limit: int) -> Sequence[str]:
    """Orders of which the venue said something before ``before`` that nothing was concluded from."""
    return list(conn.execute(_UNSETTLED, {"before": before, "limit": limit}).scalars())


def watched(conn: Connection) -> Sequence[Watched]:
    """Every venue account and symbol with something of ours at the venue."""
    return sorted(Watched(venue=row.venue, account=row.account, symbol=row.symbol) for row in conn.execute(_WATCHED))
