"""What the tests of this folder ask the gateway, and how they wait for it."""

from __future__ import annotations

import time
from collections.abc import Callable
from decimal import Decimal
from itertools import count
from typing import Any

import pytest

from exchanges.ccxt_gateway import CcxtGateway
from exchanges.config import Secret, VenueConfig
from exchanges.evidence import VenueError
from exchanges.gateway import Gateway
from models.reports import NewOrder
from models.vocabulary import OrderType, Side, TimeInForce
from tests.support.paper import KEY, SECRET, PaperProcess

SYMBOL = "BTC/USDT"

D = Decimal

#: a net under hangs, in seconds
SOON_S = 60.0

#: how long a create may be on its way to the venue, in milliseconds: nobody waits for the end of it
WINDOW_MS = 30_000

_numbers = count(1)


def make(venue: PaperProcess, **changes: Any) -> CcxtGateway:
    values: dict[str, Any] = {
        "name": "paper",
        "ccxt_id": "binance",
        "base_url": venue.url,
        "api_key": Secret(KEY),
        "secret": Secret(SECRET),
        "timeout_ms": 60_000,
        "recv_window_ms": WINDOW_MS,
    }
    return CcxtGateway(VenueConfig(**{**values, **changes}))


def new_order(gateway: Gateway, **changes: Any) -> NewOrder:
    values: dict[str, Any] = {
        "symbol": SYMBOL,
        "side": Side.BUY,
        "type": OrderType.LIMIT,
        "quantity": D("0.01"),
        "price": D("50000"),
        "time_in_force": TimeInForce.GTC,
        "post_only": False,
        "client_order_id": f"abc{time.time_ns() % 10**11:011d}{next(_numbers) % 10**4:04d}",
        "timestamp": gateway.time(),  # never ahead of the venue's clock, as an estimate may be: it is searched from then on
        "window_ms": WINDOW_MS,
    }
    values |= changes
    if values["type"] is OrderType.MARKET:
        values["price"] = None
    return NewOrder(**values)


def at_venue(venue: PaperProcess, client_order_id: str) -> list[dict[str, Any]]:
    return [entry for entry in venue.orders() if entry["client_order_id"] == client_order_id]


def eventually(condition: Callable[[], bool]) -> None:
    deadline = time.monotonic() + SOON_S
    while not condition():
        assert time.monotonic() < deadline, "it did not come about"
        time.sleep(0.01)


def refusal(action: Callable[[], object]) -> VenueError:
    with pytest.raises(VenueError) as raised:
        action()
    assert KEY not in str(raised.value)
    assert SECRET not in str(raised.value)
    assert "127.0.0.1" not in str(raised.value)
    return raised.value
