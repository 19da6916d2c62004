"""Which orders have ended, and what their venues show of the market while they worked."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import Connection, RowMapping, bindparam, exists, func, select, update
from sqlalchemy.dialects import postgresql, sqlite

from accounting.costs_market import CandleSpan, IntervalMarket, whole_candles
from models.clock import micros
from models.market_data import Candle
from models.money import plain
from models.transitions import ORDER_FINAL
from models.vocabulary import OrderStatus
from storage.cost_tables import cost_cursor, order_markets
from storage.order_tables import child_orders, fills, orders, transitions
from storage.types import Timestamp
from storage.upsert import upsert

#: What has ended and was meant for the market; an order that we denied never was.
MEASURED = frozenset(ORDER_FINAL - {OrderStatus.DENIED})

#: On PostgreSQL a transition gets its number before its transaction commits: those of so long ago are looked at again.
#: Longer than any transaction of ours may take.
OVERLAP = timedelta(minutes=2)

#: A venue may show a candle a moment after its end, and our clock may be ahead of the venue's.
CANDLE_LAG = timedelta(seconds=10)

_THE_ONE = 1

_MEASURED = [status.value for status in MEASURED]
_CURSOR = select(cost_cursor.c.transition_id)
_IS_NOTED = exists().where(
    order_markets.c.order_id == transitions.c.order_id, order_markets.c.order_version >= transitions.c.version
)
_ENDED = (
    select(transitions.c.id, transitions.c.order_id)
    .where(
        transitions.c.id > bindparam("after"),
        transitions.c.entity == "order",
        transitions.c.to_status.in_(_MEASURED),
        ~_IS_NOTED,
    )
    .order_by(transitions.c.id)
    .limit(bindparam("limit"))
)
_LAST_SETTLED = select(func.max(transitions.c.id)).where(
    transitions.c.id > bindparam("after"), transitions.c.at <= bindparam("before", type_=Timestamp())
)
_FIRST_DUE = (
    select(func.min(child_orders.c.due_at))
    .where(child_orders.c.order_id == orders.c.id)
    .correlate(orders)
    .scalar_subquery()
)
_LAST_FILL = (
    select(func.max(fills.c.traded_at)).where(fills.c.order_id == orders.c.id).correlate(orders).scalar_subquery()
)
_INTERVALS = (
    select(
        orders.c.id,
        orders.c.venue,
        orders.c.symbol,
        orders.c.status,
        orders.c.version,
        orders.c.created_at,
        orders.c.updated_at,
        _FIRST_DUE.label("first_due"),
        _LAST_FILL.label("last_fill"),
    )
    .where(orders.c.id.in_(bindparam("ids", expanding=True)), orders.c.status.in_(_MEASURED))
    .order_by(orders.c.id)
)

_INTERVAL = ("order_version", "start_at", "end_at", "candle_s", "due_at")
_FIGURES = ("captured_at", "problem", "volume", "vwap", "twap", "first_price", "last_price", "path")


def _noting(insert: postgresql.Insert | sqlite.Insert) -> postgresql.Insert | sqlite.Insert:
    """A new interval stands for the old one, whose figures say nothing of it; an older one stands for none."""
    new = insert.values({name: bindparam(name) for name in ("order_id", "venue", "symbol", *_INTERVAL)})
    return new.on_conflict_do_update(
        index_elements=["order_id"],
        set_={**{name: new.excluded[name] for name in _INTERVAL}, **dict.fromkeys(_FIGURES), "attempts": 0},
        where=order_markets.c.order_version < new.excluded.order_version,
    )


_NOTE = {
    "postgresql": _noting(postgresql.insert(order_markets)),
    "sqlite": _noting(sqlite.insert(order_markets)),
}

_IS_DUE = order_markets.c.due_at <= bindparam("now", type_=Timestamp())
_VENUES_DUE = select(order_markets.c.venue).where(_IS_DUE).distinct()
_DUE = (
    select(order_markets)
    .where(order_markets.c.venue == bindparam("the_venue"), _IS_DUE)
    .order_by(order_markets.c.due_at, order_markets.c.order_id)
    .limit(bindparam("limit"))
)
_THIS = (order_markets.c.order_id == bindparam("the_order"), order_markets.c.order_version == bindparam("the_version"))
_CAPTURE = (
    update(order_markets)
    .where(*_THIS)
    .values(
        due_at=None,
        captured_at=bindparam("captured_at"),
        problem=bindparam("problem"),
        volume=bindparam("volume"),
        vwap=bindparam("vwap"),
        twap=bindparam("twap"),
        first_price=bindparam("first_price"),
        last_price=bindparam("last_price"),
        path=bindparam("path"),
    )
)
_PUT_OFF = (
    update(order_markets)
    .where(*_THIS)
    .values(attempts=order_markets.c.attempts + 1, due_at=bindparam("due_at"), problem=bindparam("problem"))
)


@dataclass(frozen=True, slots=True, kw_only=True)
class PendingMarket:
    """An interval that a venue is to be asked for."""

    order_id: str
    order_version: int
    symbol: str
    span: CandleSpan
    #: how often it was asked in vain
    attempts: int


def note_ended_orders(conn: Connection, now: datetime, limit: int) -> int:
    """Note up to ``limit`` orders that have ended since the last look; returns how many. Repeating it is harmless."""
    after = conn.execute(_CURSOR).scalar_one_or_none() or 0
    found = conn.execute(_ENDED, {"after": after, "limit": limit}).all()
    ended = conn.execute(_INTERVALS, {"ids": sorted({one.order_id for one in found})}).mappings()
    intervals = [_interval_of(row) for row in ended]
    if intervals:
        conn.execute(_NOTE[conn.dialect.name], intervals)
    settled = conn.execute(_LAST_SETTLED, {"after": after, "before": now - OVERLAP}).scalar_one() or after
    if len(found) >= limit:  # there are more, and none of them may fall behind the cursor
        settled = min(settled, found[-1].id)
    if settled > after:
        statement = upsert(conn, cost_cursor).values(id=_THE_ONE, transition_id=settled)
        conn.execute(statement.on_conflict_do_update(index_elements=["id"], set_={"transition_id": settled}))
    return len(found)


def _interval_of(row: RowMapping) -> dict[str, Any]:
    """From when its first slice was due to its last fill if that filled it, else to its end."""
    filled = row["status"] == OrderStatus.FILLED.value and row["last_fill"] is not None
    end_at = row["last_fill"] if filled else row["updated_at"]
    span = whole_candles(min(row["first_due"] or row["created_at"], end_at), end_at)
    return {
        "order_id": row["id"],
        "venue": row["venue"],
        "symbol": row["symbol"],
        "order_version": row["version"],
        "start_at": span.start_at,
        "end_at": span.end_at,
        "candle_s": span.length // timedelta(seconds=1),
        "due_at": span.end_at + CANDLE_LAG,
    }


def venues_due(conn: Connection, now: datetime) -> Sequence[str]:
    """Venues with intervals that they can be asked for by now."""
    return sorted(conn.execute(_VENUES_DUE, {"now": now}).scalars())


def markets_due(conn: Connection, venue: str, now: datetime, limit: int) -> Sequence[PendingMarket]:
    """Intervals to ask a venue for, the longest due first."""
    rows = conn.execute(_DUE, {"the_venue": venue, "now": now, "limit": limit}).mappings()
    return [
        PendingMarket(
            order_id=row["order_id"],
            order_version=row["order_version"],
            symbol=row["symbol"],
            span=CandleSpan(start_at=row["start_at"], end_at=row["end_at"], length=timedelta(seconds=row["candle_s"])),
            attempts=row["attempts"],
        )
        for row in rows
    ]


def capture(
    conn: Connection,
    pending: PendingMarket,
    market: IntervalMarket,
    candles: Sequence[Candle],
    *,
    problem: str | None,
    now: datetime,
) -> None:
    """Keep what the venue showed; nothing happens where the order has got another interval meanwhile."""
    conn.execute(
        _CAPTURE,
        {
            "the_order": pending.order_id,
            "the_version": pending.order_version,
            "captured_at": now,
            "problem": problem,
            "volume": market.volume,
            "vwap": market.vwap,
            "twap": market.twap,
            "first_price": market.first_price,
            "last_price": market.last_price,
            "path": [[micros(one.open_at), plain(one.close), plain(one.volume)] for one in candles],
        },
    )


def put_off(conn: Connection, pending: PendingMarket, *, problem: str, until: datetime | None) -> None:
    """The venue did not show it: it is asked again at ``until``; None: not any more."""
    conn.execute(
        _PUT_OFF,
        {
            "the_order": pending.order_id,
            "the_version": pending.order_version,
            "due_at": until,
            "problem": problem,
        },
    )
