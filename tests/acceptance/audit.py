"""The venue's books against ours, order by order and atom by atom: what must hold after whatever happened."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from decimal import Decimal
from typing import Any

from sqlalchemy import text

from storage.engine import read
from storage.ledger_invariants import invariants
from storage.position_proof import prove_equal
from tests.acceptance.client import FINAL, Document
from tests.acceptance.deployment import Deployment
from tests.support.waiting import eventually

#: How the venue may have ended the order of a child that ended like this; None: it has no such order.
AGREES: Mapping[str, frozenset[str | None]] = {
    "FILLED": frozenset({"FILLED"}),
    "CANCELED": frozenset({"CANCELED", "EXPIRED", None}),
    "EXPIRED": frozenset({"CANCELED", "EXPIRED", None}),
    "REJECTED": frozenset({None}),
}

#: orders of which the feed lacks a version; that none is there twice, nor any that is not, the database itself holds
UNTOLD = text(
    "SELECT o.id, o.version, count(e.id) AS told FROM orders o LEFT JOIN order_events e ON e.order_id = o.id "
    "GROUP BY o.id, o.version HAVING count(e.id) <> o.version"
)

#: a net under hangs
QUIET_WITHIN_S = 120.0


def audit(deployment: Deployment, *, within_s: float = QUIET_WITHIN_S) -> None:
    """Wait until every order has ended, then compare everything; AssertionError with each difference."""
    eventually(
        lambda: not _open(deployment),
        within_s=within_s,
        describe=lambda: (
            "every order has ended; open are\n"
            + "\n\n".join(deployment.client.story(order["id"]) for order in _open(deployment))
        ),
    )
    wrong = [*differences(list(deployment.client.orders()), deployment.venue.orders())]
    wrong += _balance_differences(deployment.client.balances(), deployment.venue.state()["balances"])
    with read(deployment.engine, snapshot=True) as conn:
        wrong += invariants(conn)
        wrong += prove_equal(conn)
        wrong += [
            f"{row.id} has {row.version} versions, {row.told} of them in the feed" for row in conn.execute(UNTOLD)
        ]
    assert not wrong, "\n".join(wrong)


def differences(ours: Sequence[Document], theirs: Sequence[Document]) -> Iterator[str]:
    """Everything that our documents and the venue's journal do not agree on."""
    by_client_id: dict[str, list[Document]] = {}
    for order in theirs:
        by_client_id.setdefault(order["client_order_id"], []).append(order)
    children = {child["venue_client_order_id"] for order in ours for child in order["child_orders"]}
    for client_id, orders in by_client_id.items():
        if len(orders) > 1:
            yield f"{client_id} was accepted {len(orders)} times"
        if client_id not in children:
            yield f"{client_id} is at the venue and none of our orders sent it"
    for order in ours:
        yield from _order_differences(order, by_client_id)


def _order_differences(order: Document, by_client_id: Mapping[str, Sequence[Document]]) -> Iterator[str]:
    name = f"{order['client_order_id']} ({order['status']})"
    booked = Counter(_fill(fill, "venue_trade_id", "fee_asset") for fill in order["fills"])
    traded: Counter[tuple[Any, ...]] = Counter()
    at_venue = Decimal(0)
    for child in order["child_orders"]:
        found = by_client_id.get(child["venue_client_order_id"], ())
        traded += Counter(_fill(trade, "trade_id", "fee_asset") for accepted in found for trade in accepted["trades"])
        at_venue += sum((Decimal(accepted["executed"]) for accepted in found), Decimal(0))
        for status in [accepted["status"] for accepted in found] or [None]:
            if status not in AGREES[child["status"]]:
                yield f"{name}: its child is {child['status']}, at the venue {status}"
    if booked != traded:
        yield f"{name}: only booked {dict(booked - traded)}, only at the venue {dict(traded - booked)}"
    if Decimal(order["filled_quantity"]) != at_venue:
        yield f"{name}: filled {order['filled_quantity']}, at the venue {at_venue}"
    if (order["status"] == "FILLED") != (order["filled_quantity"] == order["quantity"]):
        yield f"{name}: filled {order['filled_quantity']} of {order['quantity']}"


def _fill(fill: Document, number: str, fee_asset: str) -> tuple[Any, ...]:
    return str(fill[number]), Decimal(fill["quantity"]), Decimal(fill["price"]), Decimal(fill["fee"]), fill[fee_asset]


def _balance_differences(ours: Sequence[Document], theirs: Mapping[str, Mapping[str, Document]]) -> Iterator[str]:
    """Each asset of each account whose books are open: in all, and what is held."""
    for item in ours:
        there = theirs[item["account"]][item["asset"]]
        free, locked = Decimal(there["free"]), Decimal(there["locked"])
        if (Decimal(item["total"]), Decimal(item["held"])) != (free + locked, locked):
            yield f"{item['account']} {item['asset']}: our books {item}, the venue {there}"
        if Decimal(item["available"]) != Decimal(item["total"]) - Decimal(item["held"]):
            yield f"{item['account']} {item['asset']}: available is not what is not held: {item}"


def _open(deployment: Deployment) -> list[Document]:
    return [order for order in deployment.client.orders() if order["status"] not in FINAL]
