"""What an order cost against the prices it could have had: slippage, implementation shortfall, the interval's averages.

The shortfall is Perold's (The Implementation Shortfall: Paper versus Reality, Journal of Portfolio Management 14(3),
1988): the paper order trades at once and in full at the decision price P0, the real one fills Qf of Q at Pe on average
from an arrival price Pa, and leaves Q - Qf to a final price Pend. For a buy, with the signs of a sell mirrored:

    delay        Qf * (Pa - P0)            the time from the decision to our taking it up
    impact       Qf * (Pe - Pa)            from there to the fills: spread, our own push, the market's drift meanwhile
    execution    delay + impact
    opportunity  (Q - Qf) * (Pend - P0)    what was not traded and now costs more
    total        execution + opportunity + fees

Every amount is in quote, positive is a cost, negative a gain. What an input is missing for is None and never filled in;
where it would be multiplied by nothing (no fill: no delay, no impact; nothing left: no opportunity) it is zero.

Amounts are exact. Two roundings are made, both half to even and both at the edge: a fee in base is valued to 18 digits
after the point (``FEE_STEP``), and basis points and shares are quotients, shown to ``BPS_STEP`` and ``SHARE_STEP``.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from decimal import ROUND_HALF_EVEN, Context, Decimal
from functools import cached_property

from accounting.costs_market import IntervalMarket
from models.money import ZERO, add, average, multiply, subtract
from models.vocabulary import Liquidity, Side

#: hundredths of a basis point, as an order's document shows its slippage
BPS_STEP = Decimal("0.01")
#: shares lie between 0 and 1 (a participation may lie above: see ``OrderCost.participation``)
SHARE_STEP = Decimal("0.000001")
FEE_STEP = Decimal("1E-18")

#: wide enough for a quotient of the largest and the smallest stored number, with ``BPS_STEP`` behind it
_WIDE = Context(prec=250, rounding=ROUND_HALF_EVEN)

_BPS = Decimal(10_000)


@dataclass(frozen=True, slots=True, kw_only=True)
class CostFill:
    """One fill, as far as it matters to the cost."""

    #: base
    quantity: Decimal
    #: quote per base
    price: Decimal
    #: quote that changed hands, as it was booked
    cost: Decimal
    #: negative is a rebate
    fee: Decimal = ZERO
    #: None only where the fee is zero
    fee_asset: str | None = None
    #: None where the venue does not say
    liquidity: Liquidity | None = None
    #: on the venue's clock
    traded_at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class OrderFacts:
    """What the cost of one order is computed from; prices are quote per base, quantities base."""

    side: Side
    base: str
    quote: str
    #: the order's total as it is now, amendments included
    quantity: Decimal
    #: the price that the caller decided at; None: the request named none
    decision_price: Decimal | None = None
    #: the mid price when the order was prepared; None: it never got so far
    arrival_price: Decimal | None = None
    fills: tuple[CostFill, ...] = ()
    #: when the caller decided
    submitted_at: datetime
    #: when we took the order
    created_at: datetime
    first_sent_at: datetime | None = None
    #: None while the order works: then nothing is lost to opportunity yet
    ended_at: datetime | None = None
    #: what everybody did meanwhile; None: not known
    market: IntervalMarket | None = None
    #: quote per unit of assets other than base and quote that fees were taken in; those missing are listed apart
    fee_prices: Mapping[str, Decimal] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class Shortfall:
    """Perold's split, in quote. ``execution`` and ``total`` are exactly the sums of their parts."""

    delay: Decimal | None
    impact: Decimal | None
    execution: Decimal | None
    opportunity: Decimal | None
    #: what has a value in quote; see ``OrderCost.unvalued_fees`` for the rest
    fees: Decimal
    total: Decimal | None


# no slots: the figures are computed once, when they are first asked for
@dataclass(frozen=True, kw_only=True)
class OrderCost:
    """The figures of one order. Those in basis points are signed: positive is worse than the benchmark."""

    facts: OrderFacts

    @cached_property
    def filled_quantity(self) -> Decimal:
        return _sum(fill.quantity for fill in self.facts.fills)

    @cached_property
    def filled_cost(self) -> Decimal:
        """Quote that changed hands, fees apart."""
        return _sum(fill.cost for fill in self.facts.fills)

    @cached_property
    def unfilled_quantity(self) -> Decimal:
        return max(subtract(self.facts.quantity, self.filled_quantity), ZERO)

    @cached_property
    def average_price(self) -> Decimal | None:
        """To 18 significant digits; None without a fill. The amounts below use the exact cost and not this."""
        return average(self.filled_cost, self.filled_quantity)

    @property
    def final_price(self) -> Decimal | None:
        """Where the market stood at the end of the interval."""
        market = self.facts.market
        return None if market is None or self.facts.ended_at is None else market.last_price

    @cached_property
    def fees(self) -> Decimal:
        """In quote: a fee in base is valued at the average price, one in a third asset at its price if one is given."""
        total = ZERO
        for asset, amount in self._fees.items():
            value = self._value(asset, amount)
            total = total if value is None else add(total, value)
        return total

    @cached_property
    def unvalued_fees(self) -> Mapping[str, Decimal]:
        """Fees in assets that no price is given for, by asset: in no other figure."""
        return {asset: amount for asset, amount in self._fees.items() if self._value(asset, amount) is None}

    @cached_property
    def shortfall(self) -> Shortfall:
        facts = self.facts
        delay = self._moved(self.filled_quantity, facts.decision_price, facts.arrival_price)
        impact = self.worse_than(facts.arrival_price)
        execution = self.worse_than(facts.decision_price)
        if facts.ended_at is None:
            opportunity = None if self.unfilled_quantity else ZERO
        else:
            opportunity = self._moved(self.unfilled_quantity, facts.decision_price, self.final_price)
        total = None
        if execution is not None and opportunity is not None:
            total = add(add(execution, opportunity), self.fees)
        return Shortfall(
            delay=delay, impact=impact, execution=execution, opportunity=opportunity, fees=self.fees, total=total
        )

    @cached_property
    def shortfall_bps(self) -> Decimal | None:
        """The total over what the whole order was worth at the decision: Q * P0."""
        return basis_points(self.shortfall.total, self.decision_notional)

    @cached_property
    def slippage_bps(self) -> Decimal | None:
        """Average price against arrival price."""
        return self._bps_against(self.facts.arrival_price)

    @cached_property
    def vs_vwap_bps(self) -> Decimal | None:
        """Average price against the interval's volume-weighted average."""
        market = self.facts.market
        return self._bps_against(market.vwap if market else None)

    @cached_property
    def vs_twap_bps(self) -> Decimal | None:
        """Average price against the interval's time-weighted average."""
        market = self.facts.market
        return self._bps_against(market.twap if market else None)

    @cached_property
    def fill_rate(self) -> Decimal | None:
        """Filled over asked for."""
        return share(self.filled_quantity, self.facts.quantity)

    @cached_property
    def participation(self) -> Decimal | None:
        """Ours over everybody's volume of the interval, ours included; None where the market is not known.

        Above 1 says that the venue's candles and its fills contradict each other; it is shown as it is.
        """
        market = self.facts.market
        return share(self.filled_quantity, market.volume if market else None)

    @cached_property
    def maker_share(self) -> Decimal | None:
        """The part of the filled notional that rested; None without a fill, or where the venue left one unsaid."""
        return share(self.maker_cost, self.filled_cost)

    @cached_property
    def maker_cost(self) -> Decimal | None:
        """What the fills that rested cost, in quote; None where the venue left one unsaid."""
        fills = self.facts.fills
        if any(fill.liquidity is None for fill in fills):
            return None
        return _sum(fill.cost for fill in fills if fill.liquidity is Liquidity.MAKER)

    @cached_property
    def time_to_send(self) -> timedelta | None:
        """From the caller's decision to the first send."""
        return _later_by(self.facts.submitted_at, self.facts.first_sent_at)

    @cached_property
    def time_to_first_fill(self) -> timedelta | None:
        """From our taking the order to its first fill."""
        return _later_by(self.facts.created_at, min(self._traded, default=None))

    @cached_property
    def time_to_fill(self) -> timedelta | None:
        """From our taking the order to its last fill; None unless it was filled completely."""
        return None if self.unfilled_quantity else _later_by(self.facts.created_at, max(self._traded, default=None))

    @property
    def decision_notional(self) -> Decimal | None:
        """Q * P0, in quote."""
        price = self.facts.decision_price
        return None if price is None else multiply(self.facts.quantity, price)

    def worse_than(self, benchmark: Decimal | None) -> Decimal | None:
        """By how much the fills together were worse than at ``benchmark``, in quote; zero without fills."""
        if not self.facts.fills:
            return ZERO
        if benchmark is None:
            return None
        return self._signed(subtract(self.filled_cost, multiply(self.filled_quantity, benchmark)))

    def _bps_against(self, benchmark: Decimal | None) -> Decimal | None:
        if benchmark is None or not self.facts.fills:
            return None
        return basis_points(self.worse_than(benchmark), multiply(self.filled_quantity, benchmark))

    def _moved(self, quantity: Decimal, before: Decimal | None, after: Decimal | None) -> Decimal | None:
        """What a move of the price costs on ``quantity``; nothing where that is zero, whatever the price did."""
        if not quantity:
            return ZERO
        if before is None or after is None:
            return None
        return self._signed(multiply(quantity, subtract(after, before)))

    def _signed(self, buy: Decimal) -> Decimal:
        return buy if self.facts.side is Side.BUY else subtract(ZERO, buy)

    @cached_property
    def _fees(self) -> Mapping[str, Decimal]:
        """By asset, sorted; an asset whose fees and rebates come to nothing stays."""
        fees: dict[str, Decimal] = {}
        for fill in self.facts.fills:
            if fill.fee_asset is not None:
                fees[fill.fee_asset] = add(fees.get(fill.fee_asset, ZERO), fill.fee)
        return dict(sorted(fees.items()))

    def _value(self, asset: str, amount: Decimal) -> Decimal | None:
        facts = self.facts
        if asset == facts.quote:
            return amount
        if asset == facts.base:  # at what the fills cost on average, which in general no decimal is exactly
            return _WIDE.divide(_WIDE.multiply(amount, self.filled_cost), self.filled_quantity).quantize(
                FEE_STEP, context=_WIDE
            )
        price = facts.fee_prices.get(asset)
        return None if price is None else multiply(amount, price)

    @cached_property
    def _traded(self) -> tuple[datetime, ...]:
        return tuple(fill.traded_at for fill in self.facts.fills)


def basis_points(worse: Decimal | None, of: Decimal | None) -> Decimal | None:
    """``worse`` as basis points of ``of``; None where either is missing or the latter is not above zero."""
    return _quotient(worse, of, _BPS, BPS_STEP)


def share(part: Decimal | None, whole: Decimal | None) -> Decimal | None:
    """``part`` over ``whole``; None where either is missing or the latter is not above zero."""
    return _quotient(part, whole, Decimal(1), SHARE_STEP)


def _quotient(part: Decimal | None, whole: Decimal | None, unit: Decimal, step: Decimal) -> Decimal | None:
    if part is None or whole is None or whole <= 0:
        return None
    return _WIDE.divide(_WIDE.multiply(part, unit), whole).quantize(step, context=_WIDE)


def _sum(amounts: Iterable[Decimal]) -> Decimal:
    total = ZERO
    for amount in amounts:
        total = add(total, amount)
    return total


def _later_by(start: datetime, end: datetime | None) -> timedelta | None:
    """The time between two clocks, a venue's and ours: one that runs behind by a moment makes it zero, not less."""
    return None if end is None else max(end - start, timedelta())
