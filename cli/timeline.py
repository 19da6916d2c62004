"""How an order's transitions look on a terminal."""

from collections.abc import Mapping
from typing import Any

from rich.table import Table

from cli.output import table


def timeline_table(steps: Mapping[str, Any] | list[Mapping[str, Any]]) -> Table:
    items = steps.get("items", []) if isinstance(steps, Mapping) else steps
    columns = ("at", "entity", "entity id", "from", "to", "cause", "detail")
    return table(columns, ([item.get(name.replace(" ", "_")) for name in columns] for item in items))
