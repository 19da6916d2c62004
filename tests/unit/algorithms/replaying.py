"""Small tapes, a simple venue and an order to run against them."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

from algorithms.replay import Replayed, replay
from algorithms.replay_venue import VenueModel
from algorithms.tape import BOUGHT, NOT_SAID, SOLD, Tape
from models.clock import micros
from models.instrument import Instrument
from models.order import Order
from models.vocabulary import Mode, OrderStatus, OrderType, Side, TimeInForce

D = Decimal
START = datetime(2030, 1, 31, 12, tzinfo=UTC)
DIGITS = 4

#: (seconds after START, price, quantity, who took)
Row = tuple[float, str, str] | tuple[float, str, str, str]

_TAKERS = {"buy": BOUGHT, "sell": SOLD}


def after(seconds: float) -> datetime:
    return START + timedelta(seconds=seconds)


def tape(*rows: Row) -> Tape:
    return Tape.of(
        [micros(after(row[0])) for row in rows],
        [int(D(row[1]).scaleb(DIGITS)) for row in rows],
        [int(D(row[2]).scaleb(DIGITS)) for row in rows],
        digits=DIGITS,
        takers=bytes(_TAKERS.get(row[3], NOT_SAID) if len(row) == 4 else NOT_SAID for row in rows),
    )


def model(**changes: Any) -> VenueModel:
    values: dict[str, Any] = {
        "spread_bps": D(0), "impact_factor": D(0), "volatility": D(0), "daily_volume": None,
        "recovery": timedelta(seconds=60), "cap": D("0.5"), "tick": D("0.01"), "lot": D("0.01"),
    }  # fmt: skip
    return VenueModel(**{**values, **changes})


def order(quantity: str, algorithm: dict[str, Any] | None = None, *, lasting_s: float = 60, **changes: Any) -> Order:
    price = changes.get("price")
    values: dict[str, Any] = {
        "id": "simulated", "client_order_id": "simulated", "account": "main", "venue": "simulation",
        "symbol": "BTC/USDT", "base": "BTC", "quote": "USDT", "side": Side.BUY,
        "type": OrderType.MARKET if price is None else OrderType.LIMIT, "quantity": D(quantity),
        "requested_quantity": D(quantity), "price": None, "time_in_force": TimeInForce.GTC, "post_only": False,
        "submitted_at": START, "expires_at": after(lasting_s), "decision_price": None,
        "algorithm": algorithm or {"name": "single"}, "fill_policy": {"name": "accept_partial"}, "notify": None,
        "mode": Mode.DRY_RUN, "status": OrderStatus.WORKING, "version": 1, "filled_quantity": D(0),
        "filled_cost": D(0), "arrival_price": None, "reason": None, "cancel_requested_at": None, "ending": None,
        "rescues": 0, "created_at": START, "updated_at": START,
    }  # fmt: skip
    return Order(**{**values, **changes})


def instrument(**changes: Any) -> Instrument:
    values: dict[str, Any] = {
        "venue": "simulation", "symbol": "BTC/USDT", "base": "BTC", "quote": "USDT", "tick": D("0.01"),
        "lot": D("0.01"), "min_quantity": D("0.01"), "fetched_at": START,
    }  # fmt: skip
    return Instrument(**{**values, **changes})


def run(what: Order, past: Tape, venue: VenueModel | None = None, **changes: Any) -> Replayed:
    return replay(what, instrument(**changes), past, venue or model())


def fills(replayed: Replayed) -> Sequence[tuple[float, str, str, str]]:
    """(seconds after START, quantity, price, liquidity)."""
    return [
        ((fill.at - START).total_seconds(), f"{fill.quantity:.2f}", f"{fill.price:.2f}", fill.liquidity.value)
        for fill in replayed.fills
    ]
