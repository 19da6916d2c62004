"""What a venue knows, told in no venue's dialect: one account, one instrument, its orders and their fills.

Nothing happens by itself and nothing by chance: a limit away from the market rests, what crosses it fills at once, and
``fill`` lets somebody trade against an order that rests.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from decimal import Decimal
from enum import StrEnum
from typing import Literal

D = Decimal
#: price and base quantity, best first, as they stand after each reset
BIDS = ((D("61999.99"), D(1)), (D("61990.00"), D(5)))
ASKS = ((D("62000.00"), D(1)), (D("62010.00"), D(5)))
FUNDS = {"BTC": D(100), "USDT": D(10_000_000)}
FEE = D("0.001")
TICK, LOT, MIN_NOTIONAL = D("0.01"), D("0.00001"), D(5)

#: what becomes of a client id that was used before
Dedupe = Literal["open", "always", "replay", "never"]


class Reason(StrEnum):
    """Why the venue says no."""

    FUNDS = "funds"
    POST_ONLY = "post_only"
    NOTIONAL = "notional"
    STEP = "step"
    DUPLICATE = "duplicate"
    #: there is no such order
    NOT_FOUND = "not_found"
    #: there is, and it has ended
    NOT_OPEN = "not_open"
    FOK = "fok"


class Refused(Exception):
    def __init__(self, reason: Reason, order: BookOrder | None = None) -> None:
        super().__init__(reason.value)
        self.reason = reason
        self.order = order


@dataclass(slots=True, kw_only=True)
class Fill:
    id: int
    order: BookOrder = field(repr=False)
    quantity: Decimal
    price: Decimal
    fee: Decimal
    fee_asset: str
    maker: bool
    at_ms: int


@dataclass(slots=True, kw_only=True)
class BookOrder:
    id: str
    number: int
    client_id: str | None
    side: str
    type: str
    quantity: Decimal
    #: None for market orders
    price: Decimal | None
    time_in_force: str = "GTC"
    post_only: bool = False
    display_quantity: Decimal | None = None
    #: open, filled, canceled
    status: str = "open"
    created_ms: int = 0
    updated_ms: int = 0
    fills: list[Fill] = field(default_factory=list)

    @property
    def filled(self) -> Decimal:
        return sum((fill.quantity for fill in self.fills), D(0))

    @property
    def cost(self) -> Decimal:
        return sum((fill.quantity * fill.price for fill in self.fills), D(0))

    @property
    def remaining(self) -> Decimal:
        return self.quantity - self.filled

    @property
    def average(self) -> Decimal:
        return self.cost / self.filled if self.filled else D(0)

    @property
    def fees(self) -> dict[str, Decimal]:
        paid: dict[str, Decimal] = {}
        for fill in self.fills:
            paid[fill.fee_asset] = paid.get(fill.fee_asset, D(0)) + fill.fee
        return paid


class Book:
    """Not thread-safe: the server lets one request at a time to it."""

    def __init__(
        self,
        *,
        dedupe: Dedupe,
        fee_in: str,
        tick: Decimal = TICK,
        lot: Decimal = LOT,
        min_notional: Decimal = MIN_NOTIONAL,
        post_only_ends: Literal["refused", "canceled"] = "refused",
        fok_ends: Literal["refused", "canceled"] = "canceled",
        order_id: Callable[[int], str] = lambda number: str(100_000 + number),
    ) -> None:
        self.tick, self.lot, self.min_notional = tick, lot, min_notional
        self._dedupe, self._fee_in = dedupe, fee_in
        self._post_only_ends, self._fok_ends = post_only_ends, fok_ends
        self._order_id = order_id
        self.bids, self.asks = list(BIDS), list(ASKS)
        self.orders: list[BookOrder] = []
        self.fills: list[Fill] = []
        self.total = dict(FUNDS)
        #: the venue's clock is ahead of ours by so much
        self.offset_ms = 0
        #: orders that are made while this holds show up in no answer until it ends, as where reads lag
        self.lags = False
        self._unseen: list[BookOrder] = []
        #: so many happenings share a millisecond
        self.a_moment = 1
        self._last_ms = self._stamped = 0

    # ------------------------------------------------------------------------------------------------------- what is

    def now_ms(self) -> int:
        return time.time_ns() // 1_000_000 + self.offset_ms

    def used(self, asset: str) -> Decimal:
        return sum((self._locked(order)[1] for order in self.open() if self._locked(order)[0] == asset), D(0))

    def free(self, asset: str) -> Decimal:
        return self.total[asset] - self.used(asset)

    def open(self) -> list[BookOrder]:
        return [order for order in self.orders if order.status == "open"]

    def seen(self) -> list[BookOrder]:
        """What answers may tell of, oldest first."""
        unseen = self._unseen if self.lags else []
        return [order for order in self.orders if order not in unseen]

    def find(self, order_id: str | None = None, client_id: str | None = None) -> BookOrder:
        """The latest with that id. Raises Refused(NOT_FOUND)."""
        for order in reversed(self.seen()):
            if (order_id and order.id == order_id) or (client_id and order.client_id == client_id):
                return order
        raise Refused(Reason.NOT_FOUND)

    def seen_fills(self) -> list[Fill]:
        """Oldest first."""
        seen = self.seen()
        return [fill for fill in self.fills if fill.order in seen]

    def levels(self, side: str, count: int) -> list[tuple[Decimal, Decimal]]:
        """Of one side, with the customer's resting orders, best first."""
        standing: dict[Decimal, Decimal] = {}
        background = self.bids if side == "buy" else self.asks
        resting = [(order.price, order.remaining) for order in self.open() if order.side == side and order.price]
        for price, quantity in [*background, *resting]:
            standing[price] = standing.get(price, D(0)) + quantity
        return sorted(standing.items(), reverse=side == "buy")[:count]

    # -------------------------------------------------------------------------------------------------- what happens

    def place(
        self,
        *,
        side: str,
        type: str,  # noqa: A002 - the order's own word
        quantity: Decimal,
        price: Decimal | None = None,
        client_id: str | None = None,
        time_in_force: str = "GTC",
        post_only: bool = False,
        display_quantity: Decimal | None = None,
    ) -> BookOrder:
        """Raises Refused. ``quantity`` is base; words are lower case, times in force upper case."""
        assert side in {"buy", "sell"}, side
        assert type in {"limit", "market"}, type
        assert time_in_force in {"GTC", "IOC", "FOK"}, time_in_force
        assert (price is None) is (type == "market"), (type, price)
        known = self._same_id(client_id)
        if known is not None:
            return known
        number = len(self.orders) + 1
        now_ms = self.stamp_ms()
        order = BookOrder(
            id=self._order_id(number),
            number=number,
            client_id=client_id,
            side=side,
            type=type,
            quantity=quantity,
            price=price,
            time_in_force=time_in_force,
            post_only=post_only,
            display_quantity=display_quantity,
            created_ms=now_ms,
            updated_ms=now_ms,
        )
        self._check(order)
        self.orders.append(order)
        if self.lags:
            self._unseen.append(order)
        self._match(order)
        return order

    def cancel(self, order_id: str | None = None, client_id: str | None = None) -> BookOrder:
        order = self._open_one(order_id, client_id)
        order.status, order.updated_ms = "canceled", self.stamp_ms()
        return order

    def amend(self, order_id: str, quantity: Decimal, price: Decimal) -> BookOrder:
        """``quantity`` is the new total, fills included."""
        order = self._open_one(order_id, None)
        if quantity % self.lot or price % self.tick:
            raise Refused(Reason.STEP, order)
        if quantity * price < self.min_notional or quantity <= order.filled:
            raise Refused(Reason.NOTIONAL, order)
        if order.side == "buy" and quantity * price > self.free("USDT") + self._locked(order)[1]:
            raise Refused(Reason.FUNDS, order)
        order.quantity, order.price, order.updated_ms = quantity, price, self.stamp_ms()
        return order

    def fill(self, order: BookOrder, quantity: Decimal) -> None:
        """Somebody trades against what rests, at its price."""
        assert order.status == "open"
        assert order.price is not None
        assert quantity <= order.remaining
        self._book_fill(order, quantity, order.price, maker=True)
        if not order.remaining:
            order.status = "filled"

    def stamp_ms(self) -> int:
        """A millisecond of its own for whatever happens, later than every one before; shared where ``a_moment`` says so."""
        self._stamped += 1
        if self._stamped % self.a_moment == 0:
            self._last_ms = max(self._last_ms + 1, self.now_ms())
        return self._last_ms

    # --------------------------------------------------------------------------------------------------------- inside

    def _same_id(self, client_id: str | None) -> BookOrder | None:
        """The order that a replay gives back. Raises Refused(DUPLICATE)."""
        same = [order for order in self.orders if client_id is not None and order.client_id == client_id]
        if self._dedupe == "open":
            same = [order for order in same if order.status == "open"]
        if not same or self._dedupe == "never":
            return None
        if self._dedupe == "replay":
            return same[0]
        raise Refused(Reason.DUPLICATE, same[0])

    def _check(self, order: BookOrder) -> None:
        worst = order.price if order.price is not None else (self.asks if order.side == "buy" else self.bids)[-1][0]
        if order.quantity % self.lot or order.quantity <= 0 or (order.price is not None and order.price % self.tick):
            raise Refused(Reason.STEP, order)
        if order.quantity * worst < self.min_notional:
            raise Refused(Reason.NOTIONAL, order)
        asset, amount = ("USDT", order.quantity * worst) if order.side == "buy" else ("BTC", order.quantity)
        if amount > self.free(asset):
            raise Refused(Reason.FUNDS, order)
        reachable = sum((quantity for _, quantity in self._crossed(order)), D(0))
        if order.post_only and reachable and self._post_only_ends == "refused":
            raise Refused(Reason.POST_ONLY, order)
        if order.time_in_force == "FOK" and reachable < order.quantity and self._fok_ends == "refused":
            raise Refused(Reason.FOK, order)

    def _crossed(self, order: BookOrder) -> list[tuple[Decimal, Decimal]]:
        if order.side == "buy":
            return [level for level in self.asks if order.price is None or level[0] <= order.price]
        return [level for level in self.bids if order.price is None or level[0] >= order.price]

    def _match(self, order: BookOrder) -> None:
        crossed = self._crossed(order)
        reachable = sum((quantity for _, quantity in crossed), D(0))
        if (order.post_only and crossed) or (order.time_in_force == "FOK" and reachable < order.quantity):
            order.status = "canceled"
            return
        side = self.asks if order.side == "buy" else self.bids
        for price, standing in crossed:
            taken = min(standing, order.remaining)
            if taken:
                self._book_fill(order, taken, price, maker=False)
                side[:] = [(at, left - taken if at == price else left) for at, left in side]
        side[:] = [level for level in side if level[1]]
        if not order.remaining:
            order.status = "filled"
        elif order.type == "market" or order.time_in_force != "GTC":
            order.status = "canceled"

    def _book_fill(self, order: BookOrder, quantity: Decimal, price: Decimal, *, maker: bool) -> None:
        received = "BTC" if order.side == "buy" else "USDT"
        fee_asset = {"received": received, "quote": "USDT", "base": "BTC"}[self._fee_in]
        fee = FEE * (quantity if fee_asset == "BTC" else quantity * price)
        order.updated_ms = self.stamp_ms()
        fill = Fill(
            id=len(self.fills) + 1,
            order=order,
            quantity=quantity,
            price=price,
            fee=fee,
            fee_asset=fee_asset,
            maker=maker,
            at_ms=order.updated_ms,
        )
        sign = 1 if order.side == "buy" else -1
        self.total["BTC"] += sign * quantity
        self.total["USDT"] -= sign * quantity * price
        self.total[fee_asset] -= fee
        order.fills.append(fill)
        self.fills.append(fill)

    def _open_one(self, order_id: str | None, client_id: str | None) -> BookOrder:
        order = self.find(order_id, client_id)
        if order.status != "open":
            raise Refused(Reason.NOT_OPEN, order)
        return order

    @staticmethod
    def _locked(order: BookOrder) -> tuple[str, Decimal]:
        if order.side == "sell":
            return "BTC", order.remaining
        return "USDT", order.remaining * (order.price or D(0))


@dataclass(frozen=True, slots=True, kw_only=True)
class CandleRow:
    open_ms: int
    open: Decimal
    high: Decimal
    low: Decimal
    close: Decimal
    volume: Decimal


def candle(open_ms: int, span_ms: int) -> CandleRow:
    """The one candle that opens then: made of its time, so that each differs from its neighbours."""
    step = D(open_ms // span_ms % 1000)
    price = D(60_000) + step
    return CandleRow(
        open_ms=open_ms,
        open=price,
        high=price + D("20.5"),
        low=price - D("10.25"),
        close=price + D(1),
        volume=D("1.5") + step / 1000,
    )


def candles(span_ms: int, first_ms: int, last_ms: int) -> list[CandleRow]:
    """Those that open from ``first_ms`` to ``last_ms``, both included, oldest first."""
    begin = -(-first_ms // span_ms) * span_ms
    return [candle(open_ms, span_ms) for open_ms in range(begin, last_ms + 1, span_ms)]


def plain(value: Decimal) -> str:
    """Without an exponent and without zeros at the end."""
    text = f"{value:f}"
    return text.rstrip("0").rstrip(".") if "." in text else text


def newest(found: Iterable[BookOrder]) -> list[BookOrder]:
    """Newest first, as most venues list them."""
    return sorted(found, key=lambda order: order.created_ms, reverse=True)
