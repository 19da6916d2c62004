"""A venue made of a tape: what a slice would have paid to take, and what would have come to one that rested.

A model, and meant to be on the dull side of the truth (docs/simulate.md):

- Who takes gets all of it at once, for a buy at last price * (1 + half the spread + impact) on average, for a sell with
  minus signs, rounded to the tick against the order. The impact of a quantity q is the square root of its share of a day's
  volume V, Y * sigma * √(q / V), as measured for whole orders at many markets (B. Tóth et al., "Anomalous price impact and
  the critical nature of liquidity in financial markets", Phys. Rev. X 1, 021006, 2011; Y is about 1).
- It is temporary: what was taken comes back to the book evenly over ``recovery``. Of P that has not come back yet, the next
  q pays what P + q pay together less what P pays: slices in one instant cost what one would.
- A limit order that crosses takes until the next lot would be beyond its limit, where the marginal impact is
  3/2 * Y * sigma * √((P + q) / V); the rest waits.
- What waits is filled by later trades through its price (those at its price went to others who came first), by
  ``cap`` of their quantity at most, at its own price.

Prices of others are as they were: what is sent leaves no trace in the tape.
"""

from bisect import bisect_left, bisect_right
from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from decimal import ROUND_CEILING, ROUND_FLOOR, ROUND_HALF_EVEN, Context, Decimal

from algorithms.tape import Tape
from models.clock import from_micros, micros
from models.money import ZERO, add, multiply, round_down_to, round_up_to, subtract
from models.reports import Quote
from models.vocabulary import Liquidity, Side

#: A model's price, rounded to the tick at the end.
_MODEL = Context(prec=28, rounding=ROUND_HALF_EVEN)

_ONE = Decimal(1)
#: the next lot's impact over the average one's, of a square root
_MARGINAL = Decimal("1.5")
_HALF_BPS = Decimal("0.00005")
_MICROSECOND = timedelta(microseconds=1)


@dataclass(frozen=True, slots=True, kw_only=True)
class VenueModel:
    #: between bid and ask
    spread_bps: Decimal
    #: 0: whatever is taken pays half the spread and no more
    impact_factor: Decimal
    #: standard deviation of the return over a day, as a fraction
    volatility: Decimal
    #: base; None: not known, and then there is no impact
    daily_volume: Decimal | None
    #: how long what was taken is missing from the book
    recovery: timedelta
    #: share of a trade that an order at rest may get, above 0 and at most 1
    cap: Decimal
    #: price step, in quote per base
    tick: Decimal
    #: quantity step, in base
    lot: Decimal

    @property
    def has_impact(self) -> bool:
        return bool(self.impact_factor and self.volatility and self.daily_volume)


@dataclass(frozen=True, slots=True, kw_only=True)
class VenueFill:
    #: of the child
    id: str
    at: datetime
    #: base
    quantity: Decimal
    #: quote per base
    price: Decimal
    liquidity: Liquidity


@dataclass(slots=True, kw_only=True)
class _Resting:
    id: str
    price: Decimal
    remaining: Decimal
    #: only trades from this index on can fill it
    first: int
    #: base, less than a lot: its share of trades that no whole lot has come of yet
    carried: Decimal = ZERO


class ReplayVenue:
    """One order's side of the market; time goes forward only. Its state at a time is what trades before it made."""

    def __init__(self, tape: Tape, model: VenueModel, side: Side, begins_at: datetime) -> None:
        self._tape, self._model, self._side = tape, model, side
        self._buys = side is Side.BUY
        self._index = tape.seen(begins_at)
        #: best price first, and of equal prices the earlier
        self._resting: list[_Resting] = []
        #: (microseconds, base) of what has not come back yet, and exact sums: of base, and of base times microseconds
        self._taken: deque[tuple[int, Decimal]] = deque()
        self._taken_total = self._taken_moment = ZERO

    def quote(self, at: datetime) -> Quote:
        """Half the spread on either side of the last price, to the tick."""
        last = self._last(at)
        half = multiply(last, multiply(self._model.spread_bps, _HALF_BPS))
        tick = self._model.tick
        bid = max(round_down_to(subtract(last, half), tick), tick)
        return Quote(symbol="", bid=bid, ask=round_up_to(add(last, half), tick), at=at)

    def take(self, id: str, quantity: Decimal, limit: Decimal | None, at: datetime) -> VenueFill:  # noqa: A002 - a child's
        price = self.price_of(quantity, at)
        if limit is not None:  # where ``takeable`` was rounded in its last digit
            price = min(price, limit) if self._buys else max(price, limit)
        self._taken.append((micros(at), quantity))
        self._add_taken(micros(at), quantity)
        return VenueFill(id=id, at=at, quantity=quantity, price=price, liquidity=Liquidity.TAKER)

    def price_of(self, quantity: Decimal, at: datetime) -> Decimal:
        """What taking so much would pay, on average and to the tick."""
        worse = add(multiply(self._model.spread_bps, _HALF_BPS), self._impact(quantity, at))
        last, tick = self._last(at), self._model.tick
        if self._buys:
            return round_up_to(_MODEL.multiply(last, _MODEL.add(_ONE, worse)), tick)
        return max(round_down_to(_MODEL.multiply(last, _MODEL.subtract(_ONE, worse)), tick), tick)

    def takeable(self, quantity: Decimal, limit: Decimal, at: datetime) -> Decimal:
        """The most of ``quantity``, in lots, of which no lot would pay worse than ``limit``."""
        model = self._model
        last, tick = self._last(at), model.tick
        limit = round_down_to(limit, tick) if self._buys else round_up_to(limit, tick)
        away = subtract(limit, last) if self._buys else subtract(last, limit)
        room = _MODEL.subtract(_MODEL.divide(away, last), multiply(model.spread_bps, _HALF_BPS))
        if room < 0:
            return ZERO
        if not model.has_impact:
            return quantity
        assert model.daily_volume is not None
        margin = _MODEL.multiply(_MARGINAL, _MODEL.multiply(model.impact_factor, model.volatility))
        ratio = _MODEL.divide(room, margin)
        most = _MODEL.subtract(_MODEL.multiply(_MODEL.multiply(ratio, ratio), model.daily_volume), self._missing(at))
        return min(round_down_to(max(most, ZERO), model.lot), quantity)

    def rest(self, id: str, price: Decimal, quantity: Decimal, at: datetime) -> None:  # noqa: A002 - a child's
        """From now on; a trade of the same microsecond came before."""
        first = max(bisect_right(self._tape.at, micros(at)), self._index)
        self._resting.append(_Resting(id=id, price=price, remaining=quantity, first=first))
        self._resting.sort(key=lambda order: order.price, reverse=self._buys)

    def withdraw(self, id: str) -> None:  # noqa: A002 - a child's
        self._resting = [order for order in self._resting if order.id != id]

    def next_fills(self, until: datetime) -> Sequence[VenueFill]:
        """What the next trade before ``until`` fills, of one or several orders; nothing where no trade fills any."""
        stop = bisect_left(self._tape.at, micros(until), self._index)
        while self._resting and self._index < stop:
            index = self._first_through(stop)
            self._index = min(index + 1, stop)
            if index < stop:
                fills = self._share(index)
                if fills:
                    return fills
        self._index = stop
        return ()

    def _first_through(self, stop: int) -> int:
        """The next trade that is through the best of our prices; ``stop`` where there is none."""
        prices, best = self._tape.prices, self._tape.units(self._resting[0].price)
        if self._buys:
            limit = int(best.to_integral_value(rounding=ROUND_CEILING))
            for index in range(self._index, stop):
                if prices[index] < limit:
                    return index
        else:
            limit = int(best.to_integral_value(rounding=ROUND_FLOOR))
            for index in range(self._index, stop):
                if prices[index] > limit:
                    return index
        return stop

    def _share(self, index: int) -> list[VenueFill]:
        """``cap`` of one trade among the orders that it went through, the best price first."""
        tape, model = self._tape, self._model
        price, at = tape.decimal(tape.prices[index]), from_micros(tape.at[index])
        left = multiply(model.cap, tape.decimal(tape.quantities[index]))
        fills = []
        for order in self._resting:
            if not left or not (price < order.price if self._buys else price > order.price):
                break
            if index < order.first:
                continue
            may = add(order.carried, left)
            lots = min(round_down_to(may, model.lot), order.remaining)
            if lots:
                fills.append(VenueFill(id=order.id, at=at, quantity=lots, price=order.price, liquidity=Liquidity.MAKER))
            order.remaining = subtract(order.remaining, lots)
            unused = subtract(may, lots)
            # A part of a lot is kept for it; what it has no use for goes to the next one.
            order.carried, left = (ZERO, min(unused, left)) if not order.remaining else (unused, ZERO)
        self._resting = [order for order in self._resting if order.remaining]
        return fills

    def _impact(self, quantity: Decimal, at: datetime) -> Decimal:
        """As a fraction of the price."""
        model = self._model
        if not model.has_impact:
            return ZERO
        assert model.daily_volume is not None
        missing = self._missing(at)
        whole = _MODEL.add(missing, quantity)
        paid = _MODEL.subtract(
            _MODEL.multiply(whole, _MODEL.sqrt(whole)), _MODEL.multiply(missing, _MODEL.sqrt(missing))
        )
        root = _MODEL.divide(paid, _MODEL.multiply(quantity, _MODEL.sqrt(model.daily_volume)))
        return _MODEL.multiply(_MODEL.multiply(model.impact_factor, model.volatility), root)

    def _missing(self, at: datetime) -> Decimal:
        """Base that was taken and has not come back: the sum of q * (taken_at + recovery - now) / recovery."""
        now, whole = micros(at), self._model.recovery // _MICROSECOND
        while self._taken and now - self._taken[0][0] >= whole:
            taken_at, quantity = self._taken.popleft()
            self._add_taken(taken_at, subtract(ZERO, quantity))
        if not self._taken:
            return ZERO
        left = subtract(self._taken_moment, multiply(self._taken_total, Decimal(now - whole)))
        return _MODEL.divide(left, Decimal(whole))

    def _add_taken(self, taken_at: int, quantity: Decimal) -> None:
        self._taken_total = add(self._taken_total, quantity)
        self._taken_moment = add(self._taken_moment, multiply(quantity, Decimal(taken_at)))

    def _last(self, at: datetime) -> Decimal:
        last = self._tape.last_price(at)
        if last is None:
            raise ValueError(f"the tape has no trade before {at.isoformat()}")
        return last
