"""What the conformance suite needs of a venue, and what every dialect shares."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import replace
from decimal import Decimal
from typing import Any, ClassVar, Literal

from exchanges.capabilities import Capabilities, capabilities
from exchanges.config import Secret, VenueConfig
from exchanges.evidence import Evidence
from tests.contract.dialects import tape
from tests.contract.dialects.book import Book, BookOrder, CandleRow, Dedupe, Reason, Refused, candles
from tests.contract.dialects.server import Fault, Operation, Reply, Request, Route, Server, Speaker
from tests.contract.dialects.tape import Print

KEY = "canary-key-0123456789abcdef"
SECRET = "Y2FuYXJ5LXNlY3JldC0wMTIzNDU2Nzg5YWJjZGVmMDEyMzQ1Njc4OQ=="
PASSWORD = "canary-password"
#: nobody waits for the end of these: a machine that stands still fails no test, in milliseconds
TIMEOUT_MS = 60_000
WINDOW_MS = 30_000
#: how far ahead of the venue's clock a request may be signed. Venues allow a second, but a machine that stands still for
#: three while their clock is asked takes it for one and a half seconds later than it is
AHEAD_MS = 10_000


class Dialect(Speaker):
    """A venue on a server of its own. A subclass tells its routes, its refusals, and below what it can't do."""

    ccxt_id: ClassVar[str]
    symbol: ClassVar[str] = "BTC/USDT"

    # What differs between venues in how they behave (what gateways can do there is in exchanges.capabilities).

    #: what becomes of a client id that was used before
    dedupe: ClassVar[Dedupe]
    #: a post-only order that would take: refused, or taken and cancelled at once
    post_only_ends: ClassVar[Literal["refused", "canceled"]] = "refused"
    #: a fill-or-kill order that can't be filled
    fok_ends: ClassVar[Literal["refused", "canceled"]] = "canceled"
    #: quote; 0 where the instrument's description names none
    min_notional: ClassVar[Decimal] = Decimal(5)
    #: the description of the instrument names it
    tells_min_notional: ClassVar[bool] = True
    #: its clock can be asked
    tells_time: ClassVar[bool] = True
    #: its trades say who was the maker
    tells_liquidity: ClassVar[bool] = True
    #: open orders are read over all pages; else more than one page of them is said to be too many
    open_orders_to_the_last: ClassVar[bool] = True
    #: the most that one answer holds of open orders, of trades, and of ended orders
    open_orders_a_page: ClassVar[int] = 100
    trades_a_page: ClassVar[int] = 100
    ended_orders_a_page: ClassVar[int] = 100
    #: every place where a look for an order by its client id asks before it says that there is none
    looks: ClassVar[tuple[Operation, ...]] = (
        Operation.ORDER,
        Operation.OPEN_ORDERS,
        Operation.ENDED_ORDERS,
        Operation.TRADES,
    )
    #: what its answers prove of an order that it does not know, of one to cancel that has ended, and of an unknown key
    unknown_proves: ClassVar[Evidence] = Evidence.NOT_FOUND
    ended_proves: ClassVar[Evidence] = Evidence.NOT_FOUND
    unknown_key_proves: ClassVar[Evidence] = Evidence.CREDENTIALS
    #: the server can tell a request that was signed with another secret
    checks_signatures: ClassVar[bool] = True
    #: the most public trades that one answer holds
    prints_a_page: ClassVar[int] = 1000
    #: further settings of the gateway
    settings: ClassVar[Mapping[str, Any]] = {}

    def __init__(self) -> None:
        self.book = self._new_book()
        #: what anybody traded, oldest first
        self.prints: list[Print] = []
        self.server = Server(self)

    # ------------------------------------------------------------------------------------------ what the suite asks for

    @property
    def can(self) -> Capabilities:
        return capabilities(self.ccxt_id)

    def config(self, **changes: Any) -> VenueConfig:
        made = VenueConfig(
            name="venue",
            ccxt_id=self.ccxt_id,
            base_url=self.server.url,
            api_key=Secret(KEY),
            secret=Secret(SECRET),
            password=Secret(PASSWORD),
            timeout_ms=TIMEOUT_MS,
            recv_window_ms=WINDOW_MS,
            **self.settings,
        )
        return replace(made, **changes)

    def reset(self) -> None:
        """As new: no orders, no faults. Raises AssertionError for what the server could not answer."""
        self.server.calm()
        self.book = self._new_book()
        self.prints = []

    def close(self) -> None:
        self.server.close()

    def held(self, client_id: str) -> list[BookOrder]:
        """What the venue has under a client id, whatever it shows."""
        return [order for order in self.book.orders if order.client_id == client_id]

    def fill(self, client_id: str, quantity: Decimal) -> None:
        """Somebody trades against an order that rests."""
        (order,) = self.held(client_id)
        self.book.fill(order, quantity)

    def fill_in_parts(self, client_id: str, count: int) -> None:
        """One lot each, ten of them in the same millisecond."""
        (order,) = self.held(client_id)
        with self._in_a_hurry():
            for _ in range(count):
                self.book.fill(order, self.book.lot)

    def rest_many(self, count: int) -> None:
        """So many orders that rest, without a client id of ours."""
        order = {"side": "buy", "type": "limit", "quantity": Decimal("0.001"), "price": Decimal(40_000)}
        with self._in_a_hurry():
            for _ in range(count):
                self.book.place(**order)

    def end_many(self, count: int) -> None:
        """So many orders that were placed and cancelled, without a client id of ours; five in the same millisecond."""
        order = {"side": "buy", "type": "limit", "quantity": Decimal("0.01"), "price": Decimal(40_000)}
        with self._in_a_hurry():
            for _ in range(count):
                self.book.cancel(self.book.place(**order).id)

    def strike(self, fault: Fault, operation: Operation, times: int | None = 1) -> None:
        self.server.strike(fault, operation, times)

    def calm(self) -> None:
        """No more faults."""
        self.server.calm()

    def lag(self, lags: bool) -> None:
        """While it lags, new orders show up in no answer."""
        self.book.lags = lags

    def candles(self, first_ms: int, last_ms: int) -> list[CandleRow]:
        """Those of a minute that open between the two, both included, oldest first."""
        return candles(60_000, first_ms, last_ms)

    def trade_publicly(self, count: int) -> Sequence[Print]:
        """So many trades of others, one a second and the last one now, oldest first."""
        now_ms = self.book.now_ms()
        self.prints = [
            Print(
                number=1_000 + number,
                at_ms=now_ms - 1000 * (count - number),
                price=Decimal(62_000) + number,
                quantity=Decimal(number) / 8,
                side="buy" if number % 3 else "sell",
            )
            for number in range(1, count + 1)
        ]
        return self.prints

    def public_trades(self, request: Request) -> Reply:
        rows = tape.page(self.ccxt_id, self.prints, request.query, self.prints_a_page)
        return Reply(body=tape.answer(self.ccxt_id, rows))

    def forget_ended(self) -> None:
        """As after a restart of the venue: what ended stands only where the venue says that it keeps it."""

    def set_clock(self, ahead_ms: int) -> None:
        self.book.offset_ms = ahead_ms

    # --------------------------------------------------------------------------------------------- what a dialect tells

    def routes(self) -> Sequence[Route]:
        raise NotImplementedError

    def unsigned(self, request: Request) -> Reply | None:
        """The venue's refusal of a request without the right key, signature or time; None where all is well."""
        raise NotImplementedError

    def refusal(self, refused: Refused, operation: Operation) -> Reply:
        """A no in the venue's words."""
        raise NotImplementedError

    def no_funds(self) -> Reply:
        return self.refusal(Refused(Reason.FUNDS), Operation.CREATE)

    def order_id(self, number: int) -> str:
        return str(100_000 + number)

    # -------------------------------------------------------------------------------------------------------- inside

    def perform(self, route: Route, request: Request) -> Reply:
        operation = route.operation if isinstance(route.operation, Operation) else route.operation(request)
        if route.signed:
            refused = self.unsigned(request)
            if refused is not None:
                return refused
        try:
            return route.answer(request)
        except Refused as error:
            return self.refusal(error, operation)

    @contextmanager
    def _in_a_hurry(self) -> Iterator[None]:
        self.book.a_moment = 10
        yield
        self.book.a_moment = 1

    def _new_book(self) -> Book:
        return Book(
            dedupe=self.dedupe,
            fee_in=self.can.fee_in,
            min_notional=self.min_notional,
            post_only_ends=self.post_only_ends,
            fok_ends=self.fok_ends,
            order_id=self.order_id,
        )
