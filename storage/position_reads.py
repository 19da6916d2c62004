"""Reading positions: as they are now, or as they were at any time that the books cover."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import Connection, Row, and_, select, tuple_

from accounting.positions import Position
from models.vocabulary import Mode
from storage.position_rows import position_of
from storage.position_tables import position_changes, positions


@dataclass(frozen=True, slots=True, kw_only=True, order=True)
class PositionKey:
    venue: str
    account: str
    asset: str
    cost_asset: str
    #: empty: orders without a tag of that name
    strategy: str


@dataclass(frozen=True, slots=True, kw_only=True)
class HeldPosition:
    key: PositionKey
    mode: Mode
    position: Position
    #: the ledger's entry of its last change: rises with each
    entry_id: int
    #: when its last change was booked
    booked_at: datetime
    #: when that fill traded, by the venue
    traded_at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class PositionFilter:
    """What is None is not looked at."""

    venue: str | None = None
    account: str | None = None
    asset: str | None = None
    cost_asset: str | None = None
    strategy: str | None = None


def read_positions(
    conn: Connection, wanted: PositionFilter | None = None, *, at: datetime | None = None
) -> list[HeldPosition]:
    """Positions by their keys, those that are flat included.

    ``at``: each as it stood after the last change booked until then; one that had none yet is not listed.
    """
    query = _NOW if at is None else _at(at)
    for name in ("venue", "account", "asset", "cost_asset", "strategy"):
        value = getattr(wanted, name, None)
        if value is not None:
            query = query.where(positions.c[name] == value)
    return [_held(row) for row in conn.execute(query)]


def read_these(conn: Connection, keys: Sequence[PositionKey]) -> list[HeldPosition]:
    """The positions of these keys that exist, as they are now."""
    wanted = [(key.venue, key.account, key.asset, key.cost_asset, key.strategy) for key in keys]
    return [_held(row) for row in conn.execute(_NOW.where(_KEY.in_(wanted)))] if wanted else []


def _held(row: Row[Any]) -> HeldPosition:
    return HeldPosition(
        key=PositionKey(
            venue=row.venue, account=row.account, asset=row.asset, cost_asset=row.cost_asset, strategy=row.strategy
        ),
        mode=row.mode,
        position=position_of(row),
        entry_id=row.entry_id,
        booked_at=row.at,
        traded_at=row.traded_at,
    )


_KEY_COLUMNS = tuple(positions.c[name] for name in ("venue", "account", "asset", "cost_asset", "strategy"))
_KEY = tuple_(*_KEY_COLUMNS)
_SHOWN = (
    *_KEY_COLUMNS,
    positions.c.mode,
    *(column for column in position_changes.c if column.name != "position_id" and not column.name.startswith("lot_")),
)
_NOW = (
    select(*_SHOWN)
    .join_from(
        positions,
        position_changes,
        and_(position_changes.c.position_id == positions.c.id, position_changes.c.number == positions.c.number),
    )
    .order_by(*_KEY_COLUMNS)
)


def _at(at: datetime) -> Any:
    earlier = position_changes.alias("earlier")
    last = (
        select(earlier.c.number)
        .where(earlier.c.position_id == positions.c.id, earlier.c.at <= at)
        .order_by(earlier.c.at.desc(), earlier.c.number.desc())
        .limit(1)
        .correlate(positions)
        .scalar_subquery()
    )
    return (
        select(*_SHOWN)
        .join_from(
            positions,
            position_changes,
            and_(position_changes.c.position_id == positions.c.id, position_changes.c.number == last),
        )
        .order_by(*_KEY_COLUMNS)
    )
