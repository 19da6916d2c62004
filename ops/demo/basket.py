"""What the demo trades: a mixed basket, the same for the same seed. Pure; prices come in when an order is due."""

import random
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from decimal import ROUND_DOWN, Decimal
from typing import Any

SYMBOLS = ("BTC/USDT", "ETH/USDT")

#: one order in so many is sent twice, half of them at the same moment
TWICE_EVERY = 5

#: the mix, in an order that puts every kind into the first half and again into the second
KINDS = (
    "market", "near", "ioc", "far", "market", "denied", "fok", "near",
    "post_only", "market", "rejected", "near", "expiring", "crossing", "fok_too_big", "ioc",
)  # fmt: skip

#: what the demo expects of a kind, as its blotter tells it
MEANING = {
    "market": "market order",
    "near": "limit order that rests near the market",
    "far": "limit order far from the market, cancelled",
    "crossing": "limit order that takes",
    "ioc": "takes what is there, the rest is cancelled",
    "fok": "all at once",
    "fok_too_big": "all at once, more than the book holds",
    "post_only": "maker only",
    "rejected": "maker only, but would take: the venue rejects it",
    "denied": "more than the account holds: denied by us",
    "expiring": "cancelled by us when its time is up",
}

#: these rest until somebody ends them
RESTING = frozenset({"near", "far", "post_only", "crossing"})

#: priced from the side of the book where they are to rest
_AT_OUR_SIDE = frozenset({"near", "post_only", "far", "expiring"})

_TICK = Decimal("0.01")
_LOTS = {"BTC/USDT": Decimal("0.00001"), "ETH/USDT": Decimal("0.0001")}
_SIZES = {"BTC/USDT": (Decimal("0.002"), Decimal("0.05")), "ETH/USDT": (Decimal("0.05"), Decimal("1.2"))}
#: more than the venue's book holds, and more than the account does
_MORE_THAN_THE_BOOK = {"BTC/USDT": Decimal(60), "ETH/USDT": Decimal(900)}
_MORE_THAN_HELD = {"BTC/USDT": Decimal(135), "ETH/USDT": Decimal(3200)}

#: seconds an order of kind ``expiring`` lives
EXPIRES_AFTER_S = 6


@dataclass(frozen=True, slots=True, kw_only=True)
class Planned:
    number: int
    kind: str
    symbol: str
    side: str
    quantity: Decimal
    #: from the quote it gets, in parts of the price
    distance: Decimal
    #: sent a second time, either at the same moment or a little later
    twice: bool
    at_once: bool

    @property
    def client_order_id(self) -> str:
        return f"demo-{self.number:03}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Quote:
    bid: Decimal
    ask: Decimal


def basket(count: int, seed: int) -> list[Planned]:
    """``count`` orders over both symbols, every fifth to be sent twice."""
    dice = random.Random(seed)
    return [_planned(number, dice) for number in range(1, count + 1)]


def _planned(number: int, dice: random.Random) -> Planned:
    index = number - 1
    kind = KINDS[index % len(KINDS)]
    # Shifted by one each round, so that every kind is traded in both symbols.
    symbol = SYMBOLS[(index + index // len(KINDS)) % len(SYMBOLS)]
    low, high = _SIZES[symbol]
    quantity = low + (high - low) * Decimal(dice.randrange(1000)) / 1000
    special = {"fok_too_big": _MORE_THAN_THE_BOOK, "denied": _MORE_THAN_HELD}.get(kind)
    twice = number % TWICE_EVERY == 0
    return Planned(
        number=number,
        kind=kind,
        symbol=symbol,
        side="sell" if kind == "denied" else dice.choice(("buy", "sell")),
        quantity=special[symbol] if special else quantity.quantize(_LOTS[symbol], ROUND_DOWN),
        distance=Decimal(dice.randrange(5, 20)) / 100_000,
        twice=twice,
        at_once=twice and number % (2 * TWICE_EVERY) == 0,
    )


def request(planned: Planned, quote: Quote, now: datetime) -> Mapping[str, Any]:
    """The order request, priced by the market as it is now."""
    made: dict[str, Any] = {
        "client_order_id": planned.client_order_id,
        "venue": "paper",
        "symbol": planned.symbol,
        "side": planned.side,
        "type": "limit",
        "quantity": format(planned.quantity, "f"),
        "tags": {"demo": planned.kind},
    }
    # Towards the worse price for us is a price that takes; away from it one that rests.
    worse = Decimal(1) if planned.side == "buy" else Decimal(-1)
    rests = planned.kind in _AT_OUR_SIDE
    reference = quote.bid if rests == (planned.side == "buy") else quote.ask
    offsets = {
        "near": -worse * planned.distance,
        "post_only": -worse * planned.distance * 3,
        "far": -worse * Decimal("0.08"),
        "expiring": -worse * Decimal("0.05"),
        "denied": worse * Decimal("-0.01"),
        "rejected": worse * Decimal("0.004"),
    }
    if planned.kind == "market":
        return {**made, "type": "market"}
    price = (reference * (1 + offsets.get(planned.kind, worse * Decimal("0.002")))).quantize(_TICK)
    made["price"] = format(price, "f")
    if planned.kind in ("post_only", "rejected"):
        made["post_only"] = True
    if planned.kind in ("ioc", "fok", "fok_too_big"):
        made["time_in_force"] = "IOC" if planned.kind == "ioc" else "FOK"
    if planned.kind == "expiring":
        made["expires_at"] = (now + timedelta(seconds=EXPIRES_AFTER_S)).isoformat().replace("+00:00", "Z")
    return made
