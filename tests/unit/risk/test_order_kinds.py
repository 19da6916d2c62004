"""Kinds of orders that a venue does not have are refused by name, with what it has instead."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import pytest

from models.errors import InvalidRequest
from models.request import OrderRequest
from models.vocabulary import OrderType, Side, TimeInForce
from risk.order_kinds import OrderKinds, check_kind

ALL = OrderKinds(times_in_force=frozenset({"GTC", "IOC", "FOK"}), post_only=True, market_buys=True)
FEW = OrderKinds(times_in_force=frozenset({"GTC"}), post_only=False, market_buys=False)


def request(**changes: Any) -> OrderRequest:
    values = {
        "client_order_id": "a", "venue": "v", "symbol": "BTC/USDT", "side": Side.BUY, "type": OrderType.LIMIT,
        "quantity": Decimal(1), "price": Decimal(100), **changes,
    }  # fmt: skip
    return OrderRequest(**values)


@pytest.mark.parametrize(
    ("changes", "field", "value", "nearest"),
    [
        ({"time_in_force": TimeInForce.IOC}, "time_in_force", "IOC", "GTC"),
        ({"time_in_force": TimeInForce.FOK}, "time_in_force", "FOK", "GTC"),
        ({"post_only": True}, "post_only", "true", "false"),
        ({"type": OrderType.MARKET, "price": None}, "type", "market", "limit"),
    ],
)
def test_what_a_venue_does_not_have_is_refused_with_what_it_has(
    changes: dict[str, Any], field: str, value: str, nearest: str
) -> None:
    asked = request(**changes)

    check_kind(asked, ALL)
    with pytest.raises(InvalidRequest) as refused:
        check_kind(asked, FEW)

    (error,) = refused.value.errors
    assert (error.field, error.value, error.nearest) == (field, value, nearest)
    assert "v " in error.rule


@pytest.mark.parametrize(
    "changes", [{}, {"type": OrderType.MARKET, "price": None, "side": Side.SELL}, {"side": Side.SELL}]
)
def test_what_every_venue_has_passes(changes: dict[str, Any]) -> None:
    check_kind(request(**changes), FEW)
