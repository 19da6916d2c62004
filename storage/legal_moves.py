"""The table of legal transitions in the database: a copy of ``models.transitions``, for the guards to look up."""

from __future__ import annotations

from sqlalchemy import Connection, delete, insert, select

from models.transitions import CHILD_TRANSITIONS, ORDER_TRANSITIONS
from storage.order_tables import legal_transitions


def legal_moves() -> set[tuple[str, str, str]]:
    """(``order`` or ``child``, from, to), as the code has them."""
    orders = {
        ("order", source.value, target.value) for source, targets in ORDER_TRANSITIONS.items() for target in targets
    }
    children = {
        ("child", source.value, target.value) for source, targets in CHILD_TRANSITIONS.items() for target in targets
    }
    return orders | children


def legal_move_differences(connection: Connection) -> list[str]:
    """A sentence for each move that only the code or only the database allows."""
    moves, stored = legal_moves(), _stored(connection)
    return [f"the database lacks the move {' '.join(move)}" for move in sorted(moves - stored)] + [
        f"the database allows the move {' '.join(move)}" for move in sorted(stored - moves)
    ]


def write_legal_moves(connection: Connection) -> None:
    """Make the database's table that of the code; the guards must be off meanwhile."""
    connection.execute(delete(legal_transitions))
    rows = [
        {"entity": entity, "from_status": source, "to_status": target}
        for entity, source, target in sorted(legal_moves())
    ]
    connection.execute(insert(legal_transitions), rows)


def _stored(connection: Connection) -> set[tuple[str, str, str]]:
    table = legal_transitions
    return {tuple(row) for row in connection.execute(select(table.c.entity, table.c.from_status, table.c.to_status))}
