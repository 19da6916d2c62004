"""Positions as rows and back."""

from decimal import Decimal
from typing import Any

from accounting.lots import Lot
from accounting.positions import Basis, Change, Position
from models.money import plain

_LOT = {"lot_quantity": "quantity", "lot_cost": "cost", "lot_fees": "fees"}


def state_values(change: Change) -> dict[str, Any]:
    """The columns of ``position_changes`` that are the state, and the lot."""
    after = change.after
    lot = change.opened
    return {
        "number": after.number,
        "quantity": after.quantity,
        **_basis_values("average", after.average),
        **_basis_values("fifo", after.fifo),
        "head_number": after.head.number,
        "head_quantity": after.head.quantity,
        "head_cost": after.head.cost,
        "head_fees": after.head.fees,
        "paid": {asset: plain(amount) for asset, amount in after.paid.items()},
        **{column: None if lot is None else getattr(lot, name) for column, name in _LOT.items()},
    }


def position_of(row: Any) -> Position:
    """The state that a row of ``position_changes`` holds; the one before any change where there is none."""
    if row.quantity is None:
        return Position()
    return Position(
        number=row.number,
        quantity=row.quantity,
        average=Basis(
            cost=row.average_cost,
            fees=row.average_fees,
            realized=row.average_realized,
            realized_fees=row.average_realized_fees,
        ),
        fifo=Basis(
            cost=row.fifo_cost, fees=row.fifo_fees, realized=row.fifo_realized, realized_fees=row.fifo_realized_fees
        ),
        head=Lot(number=row.head_number, quantity=row.head_quantity, cost=row.head_cost, fees=row.head_fees),
        paid={asset: Decimal(amount) for asset, amount in row.paid.items()},
    )


def _basis_values(name: str, basis: Basis) -> dict[str, Any]:
    return {
        f"{name}_cost": basis.cost,
        f"{name}_fees": basis.fees,
        f"{name}_realized": basis.realized,
        f"{name}_realized_fees": basis.realized_fees,
    }
