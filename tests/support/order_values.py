"""Orders and children as values, with everything filled in that a test does not care about."""

from __future__ import annotations

from dataclasses import fields
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

from models.order import ChildOrder, Order
from models.reports import OrderReport, Trade, VenueStatus
from models.vocabulary import ChildStatus, Mode, OrderStatus, OrderType, Side, TimeInForce

NOW = datetime(2030, 1, 1, tzinfo=UTC)


def make_order(**changes: Any) -> Order:
    """A market buy of 1 BTC that is at work."""
    values: dict[str, Any] = {
        "id": "order-1", "client_order_id": "client-1", "account": "main", "venue": "paper", "symbol": "BTC/USDT",
        "base": "BTC", "quote": "USDT", "side": Side.BUY, "type": OrderType.MARKET, "quantity": Decimal(1),
        "requested_quantity": Decimal(1), "price": None, "time_in_force": TimeInForce.GTC, "post_only": False,
        "submitted_at": NOW, "expires_at": None, "decision_price": None, "algorithm": {"name": "single"},
        "fill_policy": {"name": "accept_partial"}, "notify": None, "mode": Mode.LIVE, "status": OrderStatus.WORKING,
        "version": 4, "filled_quantity": Decimal(0), "filled_cost": Decimal(0), "arrival_price": Decimal(30_000),
        "created_at": NOW, "updated_at": NOW, "rescues": 0,
    }  # fmt: skip
    return Order(**_complete(Order, {**values, **changes}))


def make_child(**changes: Any) -> ChildOrder:
    """The first attempt at the one slice of ``make_order()``, acknowledged."""
    values: dict[str, Any] = {
        "order_id": "order-1", "venue": "paper", "account": "main", "symbol": "BTC/USDT", "slice": 0, "attempt": 1,
        "status": ChildStatus.ACCEPTED, "version": 3, "epoch": 1, "venue_order_id": "v-1", "quantity": Decimal(1),
        "filled_quantity": Decimal(0), "filled_cost": Decimal(0), "due_at": NOW, "sends": 1, "lookups": 0,
    }  # fmt: skip
    values |= changes
    name = f"{values['order_id']}-{values['slice']}-{values['attempt']}"
    values = {"id": name, "venue_client_order_id": f"c{name}", **values}
    return ChildOrder(**_complete(ChildOrder, values))


def make_report(**changes: Any) -> OrderReport:
    """The venue says that the order of ``make_child()`` rests."""
    values: dict[str, Any] = {
        "symbol": "BTC/USDT", "venue_order_id": "v-1", "client_order_id": None, "status": VenueStatus.OPEN,
        "quantity": Decimal(1), "filled_quantity": Decimal(0), "filled_cost": None, "price": None,
    }  # fmt: skip
    return OrderReport(**{**values, **changes})


def make_trade(trade_id: str = "t-1", **changes: Any) -> Trade:
    """A fill of the order of ``make_child()``, all of it."""
    values: dict[str, Any] = {
        "venue_trade_id": trade_id, "venue_order_id": "v-1", "symbol": "BTC/USDT", "side": Side.BUY,
        "quantity": Decimal(1), "price": Decimal(30_000), "fee": Decimal(0), "fee_asset": None, "liquidity": None,
        "traded_at": NOW,
    }  # fmt: skip
    return Trade(**{**values, **changes})


def _complete(kind: type, values: dict[str, Any]) -> dict[str, Any]:
    """What is not named may be missing: None."""
    return {field.name: values.get(field.name) for field in fields(kind)}
