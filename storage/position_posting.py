"""A fill moves its position, in the fill's own transaction and under the ledger's locks."""

from collections.abc import Iterator
from datetime import datetime

from sqlalchemy import Connection, and_, bindparam, func, insert, literal, select

from accounting.fills import FillPosting
from accounting.lots import Lot
from accounting.positions import moved, movement_of
from models.vocabulary import Mode
from storage.order_tables import order_tags
from storage.position_rows import position_of, state_values
from storage.position_tables import STRATEGY_TAG, position_changes, positions
from storage.touched import TouchedPosition, touch

#: lots that one look reads: a sale that closes more of them looks again
LOTS_A_LOOK = 50


def move_position(
    conn: Connection, fill: FillPosting, *, entry_id: int, mode: Mode, traded_at: datetime, at: datetime
) -> None:
    """Take a fill whose ledger entry was just posted into its position.

    No lock of its own: the entry's transaction holds the ledger's accounts of the base asset, which every fill of the
    position needs. Were it ever without, the primary key of the changes refuses the second of two.
    """
    key = {
        "of_venue": fill.venue,
        "of_account": fill.account,
        "of_asset": fill.base,
        "of_cost_asset": fill.quote,
        "of_order": fill.order_id,
    }
    standing = conn.execute(_STANDING, key).one()
    position_id = standing.position_id
    if position_id is None:
        values = {
            "venue": fill.venue,
            "account": fill.account,
            "asset": fill.base,
            "cost_asset": fill.quote,
            "strategy": standing.strategy,
            "mode": mode,
            "number": 0,
        }
        position_id = conn.execute(_NEW, values).scalar_one()
    change = moved(position_of(standing), movement_of(fill), lambda number: lots_after(conn, position_id, number))
    times = {"at": at if standing.at is None else max(at, standing.at), "traded_at": traded_at}
    conn.execute(
        _CHANGE, {"position_id": position_id, "entry_id": entry_id, **times, **state_values(change)}
    )  # the guards move the position's number
    touch(conn, TouchedPosition(fill.venue, fill.account, fill.base, fill.quote, standing.strategy))


def lots_after(conn: Connection, position_id: int, number: int) -> Iterator[Lot]:
    """The lots that later changes opened, oldest first, read a few at a time."""
    while True:
        found = conn.execute(_LOTS, {"of_position": position_id, "after_number": number}).all()
        for row in found:
            yield Lot(number=row.number, quantity=row.lot_quantity, cost=row.lot_cost, fees=row.lot_fees)
        if len(found) < LOTS_A_LOOK:
            return
        number = found[-1].number


_STATE = tuple(
    column for column in position_changes.c if column.name not in ("position_id", "entry_id", "traded_at")
    and not column.name.startswith("lot_")
)  # fmt: skip
_TAG = (
    select(
        func.coalesce(
            select(order_tags.c.value)
            .where(order_tags.c.order_id == bindparam("of_order"), order_tags.c.key == STRATEGY_TAG)
            .scalar_subquery(),
            literal(""),
        ).label("strategy")
    )
).subquery("tag")
_STANDING = select(_TAG.c.strategy, positions.c.id.label("position_id"), *_STATE).select_from(
    _TAG.outerjoin(
        positions,
        and_(
            positions.c.venue == bindparam("of_venue"),
            positions.c.account == bindparam("of_account"),
            positions.c.asset == bindparam("of_asset"),
            positions.c.cost_asset == bindparam("of_cost_asset"),
            positions.c.strategy == _TAG.c.strategy,
        ),
    ).outerjoin(
        position_changes,
        and_(position_changes.c.position_id == positions.c.id, position_changes.c.number == positions.c.number),
    )
)
_NEW = insert(positions).returning(positions.c.id)
_CHANGE = insert(position_changes)
_LOTS = (
    select(
        position_changes.c.number,
        position_changes.c.lot_quantity,
        position_changes.c.lot_cost,
        position_changes.c.lot_fees,
    )
    .where(
        position_changes.c.position_id == bindparam("of_position"),
        position_changes.c.number > bindparam("after_number"),
        position_changes.c.lot_quantity.is_not(None),
    )
    .order_by(position_changes.c.number)
    .limit(LOTS_A_LOOK)
)
