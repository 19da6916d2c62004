"""The built-in venue itself, behind the suite's own server so that it goes wrong in the same ways as the others.

Everything is the venue's own from the reading of a request to its answer; only its HTTP layer is not, which
``tests/contract/gateway`` proves on a real process.
"""

from __future__ import annotations

import json
import shutil
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from decimal import Decimal
from pathlib import Path
from typing import Any

from exchanges.capabilities import Capabilities, capabilities
from exchanges.paper.amounts import parse_e8
from exchanges.paper.api import Admitted, admit, execute
from exchanges.paper.calls import Call, HttpRequest
from exchanges.paper.config import AccountConfig, PaperConfig
from exchanges.paper.handlers import admin, orders, public
from exchanges.paper.journal import venue_order
from exchanges.paper.venue import Venue
from tests.contract.dialects.binance import SYMBOL, Binance
from tests.contract.dialects.book import ASKS, BIDS, FUNDS, LOT, MIN_NOTIONAL, TICK, BookOrder, CandleRow, plain
from tests.contract.dialects.dialect import KEY, SECRET
from tests.contract.dialects.server import Operation, Reply, Request, Route
from tests.contract.dialects.tape import Print

D = Decimal


class Paper(Binance):
    settings = {"paper_amends": True}  # noqa: RUF012

    def __init__(self) -> None:
        self._home = Path(tempfile.mkdtemp(prefix="paper-"))
        self._runs = 0
        super().__init__()

    @property
    def can(self) -> Capabilities:
        return capabilities("binance", paper_amends=True)

    def routes(self) -> Sequence[Route]:
        amend = "/api/v3/order/amend/keepPriority"
        return (
            *(replace(route, answer=self._forward, signed=False) for route in super().routes()),
            Route(method="PUT", path=amend, operation=Operation.AMEND, answer=self._forward, signed=False),
        )

    def close(self) -> None:
        super().close()
        self.book.venue.close()
        shutil.rmtree(self._home)

    def reset(self) -> None:
        self.book.venue.close()
        super().reset()

    def held(self, client_id: str) -> list[BookOrder]:
        return [order for order in self.book.orders if order.client_id == client_id]

    def fill(self, client_id: str, quantity: Decimal) -> None:
        self._sweep(client_id, quantity, 1)

    def fill_in_parts(self, client_id: str, count: int) -> None:
        self._sweep(client_id, LOT, count)

    def rest_many(self, count: int) -> None:
        for _ in range(count):
            self._place()
        self.book.venue.commit()

    def trade_publicly(self, count: int) -> Sequence[Print]:
        call = Call(name="POST order", params={}, account="main", now_ms=self.book.venue.now_ms())
        for number in range(1, count + 1):
            side = "BUY" if number % 3 else "SELL"
            params = {"symbol": SYMBOL, "side": side, "type": "MARKET", "quantity": plain(LOT * (number + 100))}
            orders.new_order(self.book.venue, replace(call, params=params))
        self.book.venue.commit()
        return [
            Print(
                number=one.id,
                at_ms=one.at_ms,
                price=D(one.price_e8) / 10**8,
                quantity=D(one.quantity_e8) / 10**8,
                side="buy" if one.taker_buys else "sell",
            )
            for one in self.book.venue.engine.prints[SYMBOL].since(first_id=0, first_ms=0)
        ]

    def end_many(self, count: int) -> None:
        for _ in range(count):
            placed = self._place()
            params = {"symbol": SYMBOL, "orderId": str(placed.params["orderId"])}
            orders.cancel_order(self.book.venue, replace(placed, params=params))
        self.book.venue.commit()

    def lag(self, lags: bool) -> None:
        self.book.lags = lags
        for order in self.book.venue.engine.state.orders.get(SYMBOL, ()):
            order.visible_ms = 0

    def candles(self, first_ms: int, last_ms: int) -> list[CandleRow]:
        params = {"symbol": SYMBOL, "interval": "1m", "startTime": str(first_ms), "endTime": str(last_ms)}
        venue = self.book.venue
        rows = public.klines(venue, Call(name="GET klines", params=params, now_ms=venue.now_ms()))
        names = ("open", "high", "low", "close", "volume")
        return [
            CandleRow(open_ms=row[0], **{name: D(value) for name, value in zip(names, row[1:6], strict=True)})
            for row in rows
        ]

    # -------------------------------------------------------------------------------------------------------- inside

    def _forward(self, request: Request) -> Reply:
        venue = self.book.venue
        asked = HttpRequest(
            method=request.method,
            path=request.path,
            query=request.query_text,
            body=request.body,
            headers=dict(request.headers),
            peer="127.0.0.1",
        )
        admitted = admit(venue, asked)
        lag_ms = 1 << 40 if self.book.lags else 0
        answer = execute(venue, asked, admitted, lag_ms=lag_ms) if isinstance(admitted, Admitted) else admitted
        return Reply(status=answer.status, body=json.loads(answer.body, parse_float=str))

    def _place(self) -> Call:
        """The call, with the order's id among its parameters."""
        terms = {"symbol": SYMBOL, "side": "BUY", "type": "LIMIT", "timeInForce": "GTC", "quantity": "0.01"}
        now_ms = self.book.venue.now_ms()
        call = Call(name="POST order", params={**terms, "price": "40000"}, account="main", now_ms=now_ms)
        placed = orders.new_order(self.book.venue, call)
        return replace(call, params={**call.params, "orderId": placed["orderId"]})

    def _sweep(self, client_id: str, quantity: Decimal, times: int) -> None:
        (order,) = self.held(client_id)
        side = "sell" if order.side == "buy" else "buy"
        body = {"symbol": SYMBOL, "side": side, "quantity": plain(quantity), "price": plain(order.price or D(0))}
        with self._market_aside():
            for _ in range(times):
                assert D(admin.trade(self.book.venue, body)["traded"]) == quantity, "something else stood before it"

    @contextmanager
    def _market_aside(self) -> Iterator[None]:
        """Nobody but the customer in the book."""
        venue = self.book.venue
        venue.engine.requote(SYMBOL, {}, {}, venue.now_ms(), appetite_e8=0)
        yield
        _quote_as_usual(venue)
        venue.commit()

    def _new_book(self) -> Any:
        self._runs += 1
        book = PaperBook(self._home / str(self._runs))
        _quote_as_usual(book.venue)
        return book


class PaperBook:
    """What the suite asks of a book, told by the venue."""

    tick, lot, min_notional = TICK, LOT, MIN_NOTIONAL

    def __init__(self, home: Path) -> None:
        self.offset_ms = 0
        self.lags = False
        account = AccountConfig(
            name="main", key=KEY, secret=SECRET, balances={asset: plain(amount) for asset, amount in FUNDS.items()}
        )
        config = PaperConfig.from_mapping({"home": home, "market": "still", "symbols": "BTC/USDT", "weight_limit": 0})
        self.venue = Venue(replace(config, accounts=(account,)), clock_ms=self.now_ms)
        self.venue.market.paused = True

    def now_ms(self) -> int:
        return time.time_ns() // 1_000_000 + self.offset_ms

    def stamp_ms(self) -> int:
        return self.now_ms()

    @property
    def orders(self) -> list[BookOrder]:
        state = self.venue.engine.state
        return [_book_order(state, order) for order in state.orders.get(SYMBOL, ())]


def _book_order(state: Any, order: Any) -> BookOrder:
    told = venue_order(state, order)
    display_e8 = order.accepted.iceberg_e8
    return BookOrder(
        id=str(told.order_id),
        number=told.order_id,
        client_id=told.client_order_id,
        side=told.side.lower(),
        type="market" if told.type == "MARKET" else "limit",
        quantity=told.quantity,
        price=told.price,
        display_quantity=D(display_e8) / 10**8 if display_e8 else None,
    )


def _quote_as_usual(venue: Venue) -> None:
    bids, asks = ({parse_e8(plain(p)): parse_e8(plain(q)) for p, q in side} for side in (BIDS, ASKS))
    venue.engine.requote(SYMBOL, bids, asks, venue.now_ms(), appetite_e8=0)


DIALECT = Paper
