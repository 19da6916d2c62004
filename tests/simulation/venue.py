"""The simulated venue: what happens there happens at one virtual moment; what it shows may lag behind.

It counts in exact decimals, keeps its own books, and is the truth that ours are compared with.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from decimal import Decimal
from functools import partial

from exchanges.evidence import Evidence, VenueError
from models.clock import micros
from models.reports import NewOrder, OrderReport, Quote, Trade, VenueBalance, VenueStatus
from models.vocabulary import Liquidity, OrderType, Side, TimeInForce
from tests.simulation.choices import Choices
from tests.simulation.clock import at_micros
from tests.simulation.config import Dedupe, FeeTaken, VenueModel

SYMBOL, BASE, QUOTE, THIRD = "BTC/USDT", "BTC", "USDT", "BNB"
BID, ASK = Decimal("99.5"), Decimal(100)
FEE_RATE = Decimal("0.001")
LOT = Decimal("0.01")
ZERO = Decimal(0)

#: pauses between the fills of an order that trades over time, in microseconds
FILL_EVERY_US = 250_000

Later = Callable[[int, str, Callable[[], None]], None]


@dataclass(slots=True)
class VenueOrder:
    number: int
    client_id: str
    side: Side
    type: OrderType
    quantity: Decimal
    price: Decimal | None
    time_in_force: TimeInForce
    accepted_at: int
    #: how long it is missing from every answer, with its trades
    hidden_us: int = 0
    status: VenueStatus = VenueStatus.OPEN
    filled: Decimal = ZERO
    cost: Decimal = ZERO
    locked: Decimal = ZERO
    #: (time, status, filled, cost), for readers that lag
    history: list[tuple[int, VenueStatus, Decimal, Decimal]] = field(default_factory=list)

    @property
    def id(self) -> str:
        return str(self.number)

    @property
    def is_open(self) -> bool:
        return self.status is VenueStatus.OPEN


@dataclass(frozen=True, slots=True)
class VenueTrade:
    at: int
    order: VenueOrder
    trade: Trade


class Venue:
    def __init__(self, model: VenueModel, choices: Choices, now: Callable[[], int], later: Later) -> None:
        self.model = model
        self._choices = choices
        self._now = now
        self._later = later
        self.orders: list[VenueOrder] = []
        self.trades: list[VenueTrade] = []
        self.free = {BASE: Decimal(5), QUOTE: Decimal(2000), THIRD: Decimal(1)}
        self.locked = {BASE: ZERO, QUOTE: ZERO, THIRD: ZERO}
        #: called with every order that was taken, before anything of it trades
        self.on_accept: Callable[[VenueOrder, NewOrder], None] = lambda _order, _new: None
        #: called with every copy of a send that arrives
        self.on_arrival: Callable[[NewOrder], None] = lambda _new: None

    # --------------------------------------------------------------------------------------------------- requests

    def clock(self) -> datetime:
        return at_micros(self._now() + self.model.clock_off_us)

    def create(self, new: NewOrder, *, refusal: str = "") -> OrderReport:
        self.on_arrival(new)
        self._refuse(new, refusal)
        order = VenueOrder(
            number=len(self.orders) + 1,
            client_id=new.client_order_id,
            side=new.side,
            type=new.type,
            quantity=new.quantity,
            price=new.price,
            time_in_force=new.time_in_force,
            accepted_at=self._now(),
            hidden_us=(0, self.model.lag_us - 1_000, self.model.lag_us // 2)[self._choices.choose("lag:hidden", 3)],
        )
        need = self._need(order)
        if need > self.free[self._paid_in(order)]:
            raise VenueError(Evidence.REJECTED, "the account has not enough", code="-2010", status=400)
        self._lock(order, need)
        self.orders.append(order)
        self._note(order)
        self.on_accept(order, new)
        self._plan_fills(order)
        if refusal == "limit":
            raise _limited()
        return self._report(order, 0, with_trades=True)

    def _refuse(self, new: NewOrder, refusal: str) -> None:
        if refusal == "limit" and self.model.rate_limit_is_rejection:
            raise _limited()
        if self.model.enforces_deadline:
            at = micros(self.clock())
            stamp = micros(new.timestamp)
            if at > stamp + new.window_ms * 1000 or stamp > at + 1_000_000:
                raise VenueError(Evidence.CLOCK, "outside of the window", code="-1021", status=400)
        if refusal == "no":
            raise VenueError(Evidence.REJECTED, "it would not do", code="-2010", status=400)
        same = [order for order in self.orders if order.client_id == new.client_order_id]
        known = {
            Dedupe.ALWAYS: bool(same),
            Dedupe.OPEN: any(order.is_open for order in same),
            Dedupe.NEVER: False,
        }[self.model.dedupe]
        if known:
            raise VenueError(Evidence.DUPLICATE, "this client id is taken", code="-2010", status=400)

    def cancel(self, venue_order_id: str, lag_us: int) -> None:
        order = self._find(venue_order_id)
        if order is None or not order.is_open or not self._shown(order, lag_us):
            raise VenueError(Evidence.NOT_FOUND, "nothing to cancel", code="-2011", status=400)
        self.end(order, VenueStatus.CANCELED)

    def fetch(self, venue_order_id: str, lag_us: int) -> OrderReport:
        order = self._find(venue_order_id)
        if order is None or not self._shown(order, lag_us):
            raise VenueError(Evidence.NOT_FOUND, "no such order", code="-2013", status=400)
        return self._report(order, lag_us)

    def by_client_id(self, client_id: str, lag_us: int) -> OrderReport:
        same = [order for order in self.orders if order.client_id == client_id and self._shown(order, lag_us)]
        if not same:
            raise VenueError(Evidence.NOT_FOUND, "no such order", code="-2013", status=400)
        return self._report(same[-1], lag_us)

    def open_orders(self, lag_us: int) -> list[OrderReport]:
        return [report for report in self._all(lag_us) if report.status is VenueStatus.OPEN]

    def ended_orders(self, lag_us: int) -> list[OrderReport]:
        return [report for report in self._all(lag_us) if report.status is not VenueStatus.OPEN]

    def trades_shown(self, since: datetime, lag_us: int) -> list[Trade]:
        first, last = micros(since) - self.model.clock_off_us, self._now() - lag_us
        return [made.trade for made in self.trades if first <= made.at <= last and self._shown(made.order, lag_us)]

    def trades_of(self, venue_order_id: str, lag_us: int) -> list[Trade]:
        last = self._now() - lag_us
        return [
            made.trade
            for made in self.trades
            if made.order.id == venue_order_id and made.at <= last and self._shown(made.order, lag_us)
        ]

    def balances(self) -> list[VenueBalance]:
        return [VenueBalance(asset=asset, free=self.free[asset], used=self.locked[asset]) for asset in self.free]

    def quote(self) -> Quote:
        return Quote(symbol=SYMBOL, bid=BID, ask=ASK, at=self.clock())

    def totals(self) -> dict[str, Decimal]:
        return {asset: self.free[asset] + self.locked[asset] for asset in self.free}

    def lag_us(self, what: str) -> int:
        """How far behind this answer is."""
        return (0, self.model.lag_us, self.model.lag_us // 2)[self._choices.choose(f"lag:{what}", 3)]

    # ---------------------------------------------------------------------------------------------------- matching

    def end(self, order: VenueOrder, status: VenueStatus) -> None:
        order.status = status
        asset = self._paid_in(order)
        self.free[asset] += order.locked
        self.locked[asset] -= order.locked
        order.locked = ZERO
        self._note(order)

    def fill(self, order: VenueOrder, quantity: Decimal) -> None:
        """Some of it trades, at its own price or the market's; more than is left is cut."""
        quantity = min(quantity, order.quantity - order.filled)
        if not order.is_open or quantity <= 0:
            return
        market = ASK if order.side is Side.BUY else BID
        price = market if order.price is None else order.price
        # A venue whose order is filled at its limit, or a little better for the customer.
        if order.price is not None and self._choices.choose("venue:better price", 2):
            price = order.price - 1 if order.side is Side.BUY else order.price + 1
        cost = quantity * price
        order.filled += quantity
        order.cost += cost
        self._settle(order, quantity, cost)
        self.trades.append(VenueTrade(self._now(), order, self._trade(order, quantity, price, cost)))
        if order.filled == order.quantity:
            self.end(order, VenueStatus.FILLED)
        else:
            self._note(order)

    def _plan_fills(self, order: VenueOrder) -> None:
        plan = self._choices.choose("venue:fills", 6)
        part = order.quantity / 2 if order.quantity % (2 * LOT) == 0 else LOT
        if order.time_in_force is TimeInForce.FOK:
            self.fill(order, order.quantity) if plan % 2 == 0 else self.end(order, VenueStatus.EXPIRED)
        elif order.type is OrderType.MARKET or order.time_in_force is TimeInForce.IOC:
            self._fill_now(order, plan, part)
        else:
            self._fill_over_time(order, plan, part)

    def _fill_now(self, order: VenueOrder, plan: int, part: Decimal) -> None:
        if plan in (0, 4):
            self.fill(order, order.quantity)
        elif plan == 1:
            self.fill(order, part)
            self.fill(order, order.quantity)
        elif plan == 2:
            self.fill(order, part)
            self.end(order, VenueStatus.EXPIRED) if order.is_open else None
        elif plan == 3:
            self.end(order, VenueStatus.EXPIRED)
        else:  # acknowledged first, traded a moment later
            self._later(FILL_EVERY_US, "fill", lambda: self.fill(order, part))
            self._later(2 * FILL_EVERY_US, "fill", lambda: self.fill(order, order.quantity))

    def _fill_over_time(self, order: VenueOrder, plan: int, part: Decimal) -> None:
        pieces = {
            0: [order.quantity],
            1: [part, part, order.quantity],
            2: [part],
            3: [],
            4: [],
            5: [LOT, order.quantity],
        }[plan]
        for place, piece in enumerate(pieces, start=1):
            self._later(place * FILL_EVERY_US, "fill", partial(self.fill, order, piece))
        if plan == 4:
            self.fill(order, order.quantity)

    def _settle(self, order: VenueOrder, quantity: Decimal, cost: Decimal) -> None:
        given, given_amount, taken, taken_amount = (
            (QUOTE, cost, BASE, quantity) if order.side is Side.BUY else (BASE, quantity, QUOTE, cost)
        )
        used = min(order.locked, given_amount)
        order.locked -= used
        self.locked[given] -= used
        self.free[given] -= given_amount - used
        # What was locked beyond the price that it got is free again.
        remaining = order.quantity - order.filled
        needed = self._need_of(order, remaining)
        back = max(order.locked - needed, ZERO)
        order.locked -= back
        self.locked[given] -= back
        self.free[given] += back
        self.free[taken] += taken_amount
        fee, fee_asset = self._fee(order.side, quantity, cost)
        self.free[fee_asset] -= fee

    def _fee(self, side: Side, quantity: Decimal, cost: Decimal) -> tuple[Decimal, str]:
        if self.model.fee is FeeTaken.THIRD:
            return (cost * FEE_RATE / 1000, THIRD)
        if self.model.fee is FeeTaken.QUOTE or side is Side.SELL:
            return (cost * FEE_RATE, QUOTE)
        return (quantity * FEE_RATE, BASE)

    def _trade(self, order: VenueOrder, quantity: Decimal, price: Decimal, cost: Decimal) -> Trade:
        fee, fee_asset = self._fee(order.side, quantity, cost)
        return Trade(
            venue_trade_id=str(len(self.trades) + 1),
            venue_order_id=order.id,
            symbol=SYMBOL,
            side=order.side,
            quantity=quantity,
            price=price,
            cost=cost,
            fee=fee,
            fee_asset=fee_asset,
            liquidity=Liquidity.TAKER if order.type is OrderType.MARKET else Liquidity.MAKER,
            traded_at=self.clock(),
        )

    # ------------------------------------------------------------------------------------------------------- books

    @staticmethod
    def _paid_in(order: VenueOrder) -> str:
        return QUOTE if order.side is Side.BUY else BASE

    def _need(self, order: VenueOrder) -> Decimal:
        return self._need_of(order, order.quantity)

    def _need_of(self, order: VenueOrder, quantity: Decimal) -> Decimal:
        if order.side is Side.SELL:
            return quantity
        need = quantity * (order.price if order.price is not None else ASK)
        return need * (1 + FEE_RATE) if self.model.fee is FeeTaken.QUOTE else need

    def _lock(self, order: VenueOrder, amount: Decimal) -> None:
        asset = self._paid_in(order)
        order.locked = amount
        self.free[asset] -= amount
        self.locked[asset] += amount

    # ------------------------------------------------------------------------------------------------------ showing

    def _note(self, order: VenueOrder) -> None:
        order.history.append((self._now(), order.status, order.filled, order.cost))

    def _find(self, venue_order_id: str) -> VenueOrder | None:
        return next((order for order in self.orders if order.id == venue_order_id), None)

    def _shown(self, order: VenueOrder, lag_us: int) -> bool:
        return order.accepted_at + max(order.hidden_us, lag_us) <= self._now()

    def _all(self, lag_us: int) -> Sequence[OrderReport]:
        return [self._report(order, lag_us) for order in self.orders if self._shown(order, lag_us)]

    def _report(self, order: VenueOrder, lag_us: int, *, with_trades: bool = False) -> OrderReport:
        as_of = self._now() - lag_us
        seen = [entry for entry in order.history if entry[0] <= as_of] or order.history[:1]
        _, status, filled, cost = seen[-1]
        trades = tuple(made.trade for made in self.trades if made.order is order) if with_trades else ()
        return OrderReport(
            symbol=SYMBOL,
            venue_order_id=order.id,
            client_order_id=order.client_id,
            status=status,
            quantity=order.quantity,
            filled_quantity=filled,
            filled_cost=cost,
            price=order.price,
            trades=trades,
        )


def _limited() -> VenueError:
    """Asked too often; where that is no rejection the venue counts after it has matched."""
    return VenueError(Evidence.RATE_LIMITED, "asked too often", status=429, retry_after_s=1.0)
