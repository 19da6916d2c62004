"""What the tests of this folder share: new orders, and refusals that show no key."""

from __future__ import annotations

import time
from collections.abc import Callable
from decimal import Decimal
from itertools import count
from typing import Any

import pytest

from exchanges.evidence import Evidence, VenueError
from exchanges.gateway import Gateway
from models.clock import milliseconds
from models.reports import NewOrder
from models.vocabulary import OrderType, Side, TimeInForce
from tests.contract.dialects.dialect import KEY, PASSWORD, SECRET, WINDOW_MS, Dialect
from tests.support.waiting import eventually

D = Decimal
#: a net under hangs, in seconds
SOON_S = 60.0
#: what crosses the market at once, so that it fills
CROSSING = {"price": D("62000.00")}
MARKET = {"type": OrderType.MARKET, "price": None}

_numbers = count(1)


def new_order(gateway: Gateway, venue: Dialect, **changes: Any) -> NewOrder:
    """By default a limit buy that rests, far below the market."""
    values: dict[str, Any] = {
        "symbol": venue.symbol,
        "side": Side.BUY,
        "type": OrderType.LIMIT,
        "quantity": D("0.01"),
        "price": D("50000.01"),
        "time_in_force": TimeInForce.GTC,
        "post_only": False,
        "client_order_id": f"abc{time.time_ns() % 10**11:011d}{next(_numbers) % 10**4:04d}",
        # Never ahead of the venue's clock, as an estimate may be: it is searched from then on.
        "timestamp": gateway.time(),
        "window_ms": WINDOW_MS,
    }
    return NewOrder(**{**values, **changes})


def held(venue: Dialect, gateway: Gateway, order: NewOrder) -> int:
    """How many orders the venue has under the client id."""
    return len(venue.held(gateway.client_id(order.client_order_id)))


def refusal(action: Callable[[], object]) -> VenueError:
    with pytest.raises(VenueError) as raised:
        action()
    for secret in (KEY, SECRET, PASSWORD, "127.0.0.1"):
        assert secret not in str(raised.value)
    return raised.value


def evidence(action: Callable[[], object]) -> Evidence:
    return refusal(action).evidence


def passed(gateway: Gateway, venue: Dialect) -> None:
    """Wait until the venue's clock is past all that happened: a book in a hurry stamps some milliseconds ahead."""
    last_ms = venue.book.stamp_ms()
    eventually(lambda: milliseconds(gateway.time()) > last_ms, within_s=SOON_S, describe="the venue's clock went on")
