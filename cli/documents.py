"""How an order document looks on a terminal."""

from collections.abc import Iterable, Mapping
from typing import Any

from rich.console import Group, RenderableType
from rich.table import Table

from cli.output import fields, table

FINAL = frozenset({"FILLED", "CANCELED", "EXPIRED", "DENIED", "REJECTED", "FAILED"})

_COLUMNS = (
    "client order id",
    "status",
    "symbol",
    "side",
    "type",
    ">quantity",
    ">filled",
    ">price",
    ">average",
    "reason",
    "updated",
)


def orders_table(orders: Iterable[Mapping[str, Any]]) -> Table:
    return table(_COLUMNS, (_row(order) for order in orders))


def _row(order: Mapping[str, Any]) -> list[Any]:
    names = (
        "client_order_id",
        "status",
        "symbol",
        "side",
        "type",
        "quantity",
        "filled_quantity",
        "price",
        "average_price",
    )
    reason = (order.get("reason") or {}).get("code")
    return [*(order.get(name) for name in names), reason, str(order.get("updated_at", ""))[:19].replace("T", " ")]


def line(order: Mapping[str, Any]) -> str:
    """One change of an order, for output that is no terminal."""
    reason = order.get("reason") or {}
    why = f" ({reason.get('code')}: {reason.get('message')})" if reason else ""
    return (
        f"{order['updated_at']} {order['client_order_id']} {order['status']} "
        f"{order['filled_quantity']}/{order['quantity']} {order['symbol']}{why}"
    )


def order_view(order: Mapping[str, Any]) -> RenderableType:
    reason = order.get("reason") or {}
    fees = ", ".join(f"{amount} {asset}" for asset, amount in (order.get("fees") or {}).items())
    skipped = {"child_orders", "fills", "reason", "fees", "tags", "algorithm", "fill_policy", "post_only"}
    pairs = [(name.replace("_", " "), value) for name, value in order.items() if name not in skipped]
    pairs += [
        ("fees", fees),
        ("post only", "yes" if order.get("post_only") else None),
        ("algorithm", (order.get("algorithm") or {}).get("name")),
        ("fill policy", (order.get("fill_policy") or {}).get("name")),
        ("tags", ", ".join(f"{name}={value}" for name, value in (order.get("tags") or {}).items())),
        ("reason", f"{reason.get('code')}: {reason.get('message')}" if reason else None),
    ]
    parts: list[RenderableType] = [fields(pairs)]
    children = order.get("child_orders") or []
    if children:
        names = (
            "id",
            "status",
            "venue_client_order_id",
            "venue_order_id",
            "quantity",
            "price",
            "filled_quantity",
            "sent_at",
        )
        parts += [
            "",
            table(
                [name.replace("_", " ") for name in names], ([child.get(name) for name in names] for child in children)
            ),
        ]
    fills = order.get("fills") or []
    if fills:
        columns = ("venue_trade_id", "quantity", "price", "fee", "fee_asset", "liquidity", "traded_at")
        parts += [
            "",
            table(
                [name.replace("_", " ") for name in columns], ([fill.get(name) for name in columns] for fill in fills)
            ),
        ]
    return Group(*parts)
