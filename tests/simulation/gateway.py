"""The way to the venue: requests that leave, arrive late, never or twice as late as allowed, and answers that get lost.

A gateway of one process. It asks as `exchanges.ccxt_gateway` does: a look for an order is four requests.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from decimal import Decimal
from functools import cache, lru_cache
from typing import TYPE_CHECKING, Any, NoReturn, TypeVar

from exchanges.capabilities import CAREFUL, Capabilities, IdScope
from exchanges.client_ids import shape
from exchanges.evidence import Evidence, NotAmendable, VenueError
from exchanges.venue_clock import VenueClock
from models.clock import from_milliseconds, milliseconds
from models.instrument import Instrument
from models.market_data import Candle, OrderBook, PublicTrades
from models.movement import Movement
from models.reports import NewOrder, OrderReport, Quote, Trade, VenueBalance
from tests.simulation.config import LATENCY_US, TIMEOUT_MS, Dedupe, FeeTaken, VenueModel
from tests.simulation.venue import BASE, FEE_RATE, LOT, QUOTE, SYMBOL, Venue

if TYPE_CHECKING:
    from tests.simulation.world import World

#: what can become of a request that changes something
CREATE_FATES = (
    "well",
    "reply lost",
    "request lost",
    "not connected",
    "late inside",
    "late outside",
    "very late",
    "error before",
    "error after",
    "no id",
    "limit",
    "no",
    "slow",
)
#: likewise of a cancel
CANCEL_FATES = (
    "well",
    "reply lost",
    "request lost",
    "not connected",
    "late inside",
    "error before",
    "error after",
    "limit",
)
#: and of one that reads
READ_FATES = ("well", "reply lost", "request lost", "not connected", "error before", "limit", "slow")

#: how long after it left a request arrives, in microseconds
_ARRIVES_US = {"late inside": 1_440_000, "late outside": 1_900_000, "very late": 9_000_000}
_SLOW_US = 900_000

_DEDUPE = {Dedupe.OPEN: IdScope.OPEN_ORDERS, Dedupe.ALWAYS: IdScope.ALWAYS, Dedupe.NEVER: IdScope.UNKNOWN}


Answer = TypeVar("Answer")


@dataclass(slots=True)
class Flight:
    """One request under way."""

    answer: Any = None
    error: VenueError | None = None
    landed: bool = False


class SimulatedGateway:
    venue = "sim"
    account = "main"

    def __init__(self, world: World, venue: Venue, fetched_at: datetime) -> None:
        self._world = world
        self._venue = venue
        self._fetched_at = fetched_at
        self._clock = VenueClock(lambda: world.now_us / 1e6)
        self.capabilities = capabilities_of(venue.model)

    # ------------------------------------------------------------------------------------------------- the protocol

    def client_id(self, common_id: str) -> str:
        return shape("binance", common_id)

    def instruments(self) -> Sequence[Instrument]:
        return [instrument(self._fetched_at)]

    def time(self) -> datetime:
        return from_milliseconds(
            self._clock.measure(lambda: self._ask("time", lambda _: milliseconds(self._venue.clock())))
        )

    def estimated_time(self) -> datetime:
        if not self._clock.fresh():
            self.time()
        return from_milliseconds(self._clock.now_ms())

    def quote(self, symbol: str) -> Quote:
        del symbol
        return self._ask("quote", lambda _: self._venue.quote())

    def candles(self, symbol: str, interval: timedelta, since: datetime, until: datetime) -> Sequence[Candle]:
        del symbol, interval, since, until
        raise VenueError(Evidence.REJECTED, "this venue shows no candles")

    def public_trades(self, symbol: str, since: datetime) -> PublicTrades:
        del symbol, since
        raise VenueError(Evidence.REJECTED, "this venue shows no trades")

    def order_book(self, symbol: str, levels: int) -> OrderBook:
        del symbol, levels
        raise VenueError(Evidence.REJECTED, "this venue shows no order book")

    def balances(self) -> Sequence[VenueBalance]:
        return self._ask("balances", lambda _: self._venue.balances())

    def movements(self, since: datetime) -> Sequence[Movement]:
        del since
        return ()

    def create_order(self, order: NewOrder) -> OrderReport:
        try:
            report: OrderReport = self._change(
                "create", CREATE_FATES, lambda fate: self._venue.create(order, refusal=fate)
            )
            return report
        except VenueError as error:
            if error.evidence is Evidence.CLOCK:
                self._clock.forget()
            raise

    def fetch_order(self, symbol: str, venue_order_id: str) -> OrderReport:
        del symbol
        return self._ask("order", lambda lag: self._venue.fetch(venue_order_id, lag))

    def find_order(self, symbol: str, client_order_id: str, since: datetime) -> OrderReport | None:
        try:
            return self._ask("by id", lambda lag: self._venue.by_client_id(client_order_id, lag))
        except VenueError as error:
            if error.evidence is not Evidence.NOT_FOUND:
                raise
        self._world.stage("lookup.asked.id")
        listed = list(self.open_orders(symbol))
        self._world.stage("lookup.asked.open")
        listed += self._ask("ended", self._venue.ended_orders)
        self._world.stage("lookup.asked.closed")
        for report in listed:
            if report.client_order_id == client_order_id:
                return report
        shown = {report.venue_order_id for report in listed}
        trades = self.trades_since(symbol, since)
        self._world.stage("lookup.asked.trades")
        for venue_order_id in dict.fromkeys(trade.venue_order_id for trade in trades):
            if venue_order_id not in shown:
                report = self.fetch_order(symbol, venue_order_id)
                if report.client_order_id == client_order_id:
                    return report
        return None

    def open_orders(self, symbol: str) -> Sequence[OrderReport]:
        del symbol
        return self.all_open_orders()

    def all_open_orders(self) -> Sequence[OrderReport]:
        return self._ask("open", self._venue.open_orders)

    def order_trades(self, symbol: str, venue_order_id: str, since: datetime) -> Sequence[Trade]:
        del symbol, since
        return self._ask("order trades", lambda lag: self._venue.trades_of(venue_order_id, lag))

    def trades_since(self, symbol: str, since: datetime) -> Sequence[Trade]:
        del symbol
        return self._ask("trades", lambda lag: self._venue.trades_shown(since, lag))

    def cancel_order(self, symbol: str, venue_order_id: str) -> None:
        del symbol
        self._change("cancel", CANCEL_FATES, lambda _: self._venue.cancel(venue_order_id, self._venue.lag_us("cancel")))

    def amend_order(
        self, symbol: str, venue_order_id: str, *, quantity: Decimal, price: Decimal, **terms: object
    ) -> OrderReport | None:
        del symbol, venue_order_id, quantity, price, terms
        raise NotAmendable(Evidence.REJECTED, "this venue amends nothing", code="NOT_IN_PLACE")

    def close(self) -> None:
        pass

    # --------------------------------------------------------------------------------------------------- the network

    def _ask(self, name: str, work: Callable[[int], Answer]) -> Answer:
        fate = READ_FATES[self._world.choices.choose(f"net:{name}", len(READ_FATES))]
        if fate == "limit":
            work = _limited
        answer: Answer = self._send(name, fate, lambda: work(self._venue.lag_us(name)))
        return answer

    def _change(self, name: str, fates: Sequence[str], work: Callable[[str], Any]) -> Any:
        fate = fates[self._world.choices.choose(f"net:{name}", len(fates))]
        if name == "cancel" and fate == "limit":
            return self._send(name, fate, lambda: _limited(0))
        return self._send(name, fate, lambda: work(fate if fate in ("limit", "no") else ""))

    def _send(self, name: str, fate: str, work: Callable[[], Any]) -> Any:
        world = self._world
        world.point(f"{name} leaves")
        if fate == "not connected":
            world.pause(LATENCY_US)
            raise VenueError(Evidence.NOT_SENT, "no connection", outage=True)
        fiber, flight = world.fiber(), Flight()
        if fate != "request lost":
            world.flying += 1
            world.later(
                _ARRIVES_US.get(fate, LATENCY_US), name, lambda: _arrive(world, fiber, flight, name, fate, work)
            )
        world.wait(fiber, lambda: flight.landed, TIMEOUT_MS * 1000)
        world.point(f"{name} answered")
        if not flight.landed:
            raise VenueError(Evidence.AMBIGUOUS, "no answer in time", outage=True)
        if flight.error is not None:
            raise flight.error
        return flight.answer


def _arrive(world: World, fiber: Any, flight: Flight, name: str, fate: str, work: Callable[[], Any]) -> None:
    """The request is at the venue; what it says goes back, or gets lost."""
    world.flying -= 1
    world.line(f"venue: {name} arrives ({fate})")
    try:
        if fate == "error before":
            raise VenueError(Evidence.AMBIGUOUS, "HTTP 503", status=503, outage=True)
        flight.answer = work()
        if fate in ("error after", "no id"):
            raise VenueError(Evidence.AMBIGUOUS, f"HTTP 502 or no id ({fate})", status=502, outage=True)
    except VenueError as error:
        flight.error = error
        world.line(f"venue: {name} refused: {error.evidence}")
    if fate in ("reply lost", "late inside", "late outside", "very late"):
        return

    def land() -> None:
        flight.landed = True
        world.wake(fiber)

    world.later(_SLOW_US if fate == "slow" else LATENCY_US, f"{name} answer", land)


def _limited(_lag_us: int) -> NoReturn:
    raise VenueError(Evidence.RATE_LIMITED, "asked too often", status=429, retry_after_s=0.5)


@cache
def capabilities_of(model: VenueModel) -> Capabilities:
    return replace(
        CAREFUL,
        enforces_deadline=model.enforces_deadline,
        rate_limit_is_rejection=model.rate_limit_is_rejection,
        client_ids_unique=_DEDUPE[model.dedupe],
        fee_in="quote" if model.fee is FeeTaken.QUOTE else "received",
        acknowledges_only=False,
    )


@lru_cache(maxsize=1_024)
def instrument(fetched_at: datetime) -> Instrument:
    return Instrument(
        venue="sim",
        symbol=SYMBOL,
        base=BASE,
        quote=QUOTE,
        tick=Decimal("0.5"),
        lot=LOT,
        min_quantity=LOT,
        maker_fee=FEE_RATE,
        taker_fee=FEE_RATE,
        fetched_at=fetched_at,
    )
