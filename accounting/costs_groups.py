"""What many orders cost together: by venue, symbol, algorithm, day or tag.

Amounts are sums in one quote asset, so orders of a group must share it. Averages in basis points and shares are
notional-weighted, each over the orders that have the figure, and ``counted`` says how many these are:

    figure                 weight of an order
    slippage               filled quantity * arrival price
    against VWAP, TWAP     filled quantity * that average
    shortfall              quantity * decision price
    fill rate              quantity * arrival price
    participation          market volume * VWAP (ours: filled quantity * VWAP)
    maker share            what its fills cost

So a group's slippage is what its fills cost more than at arrival, over what they would have cost: it adds up as money
does, and a small order that went badly does not outweigh a large one. Times are plain means per order.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import timedelta
from decimal import Decimal

from accounting.costs import OrderCost, Shortfall, basis_points, share
from models.money import ZERO, add, multiply

_NO_SHORTFALL = Shortfall(delay=ZERO, impact=ZERO, execution=ZERO, opportunity=ZERO, fees=ZERO, total=ZERO)


@dataclass(frozen=True, slots=True, kw_only=True)
class GroupCost:
    """The figures of a group, as ``OrderCost`` has them of an order; None where no order has the figure."""

    quote: str
    orders: int
    #: with at least one fill
    filled_orders: int
    #: what the fills cost, in quote
    filled_notional: Decimal
    #: what the fills cost more than at their arrival prices, in quote
    slippage: Decimal | None
    slippage_bps: Decimal | None
    #: sums over the orders whose shortfall is known, fees included; None where there is none
    shortfall: Shortfall | None
    shortfall_bps: Decimal | None
    vs_vwap_bps: Decimal | None
    vs_twap_bps: Decimal | None
    #: of all orders, as far as they have a value in quote
    fees: Decimal
    #: the others, by asset
    unvalued_fees: Mapping[str, Decimal]
    fill_rate: Decimal | None
    participation: Decimal | None
    maker_share: Decimal | None
    time_to_send: timedelta | None
    time_to_first_fill: timedelta | None
    time_to_fill: timedelta | None
    #: of how many orders each averaged figure is, by its name
    counted: Mapping[str, int]


@dataclass(slots=True)
class _Ratio:
    """A sum over a sum, of the orders that have both."""

    part: Decimal = ZERO
    whole: Decimal = ZERO
    count: int = 0

    def take(self, part: Decimal | None, whole: Decimal | None) -> None:
        if part is not None and whole is not None and whole > 0:
            self.part = add(self.part, part)
            self.whole = add(self.whole, whole)
            self.count += 1

    @property
    def bps(self) -> Decimal | None:
        return basis_points(self.part, self.whole)

    @property
    def share(self) -> Decimal | None:
        return share(self.part, self.whole)


@dataclass(slots=True)
class _Mean:
    total: timedelta = timedelta()
    count: int = 0

    def take(self, time: timedelta | None) -> None:
        if time is not None:
            self.total += time
            self.count += 1

    @property
    def value(self) -> timedelta | None:
        return self.total / self.count if self.count else None


@dataclass(slots=True)
class CostSum:
    """Takes orders one by one: a group of a million needs no more memory than a group of one."""

    quote: str
    _orders: int = 0
    _filled_orders: int = 0
    _notional: Decimal = ZERO
    _fees: Decimal = ZERO
    _unvalued_fees: dict[str, Decimal] = field(default_factory=dict)
    _shortfall: Shortfall = _NO_SHORTFALL
    _ratios: defaultdict[str, _Ratio] = field(default_factory=lambda: defaultdict(_Ratio))
    _means: defaultdict[str, _Mean] = field(default_factory=lambda: defaultdict(_Mean))

    def take(self, cost: OrderCost) -> None:
        """Raises ValueError for an order in another quote asset: its amounts can't be added to these."""
        if cost.facts.quote != self.quote:
            raise ValueError(
                f"a group in {self.quote} can't take an order in {cost.facts.quote}: its amounts don't add up"
            )
        self._orders += 1
        self._filled_orders += 1 if cost.facts.fills else 0
        self._notional = add(self._notional, cost.filled_cost)
        self._fees = add(self._fees, cost.fees)
        for asset, amount in cost.unvalued_fees.items():
            self._unvalued_fees[asset] = add(self._unvalued_fees.get(asset, ZERO), amount)
        if cost.shortfall_bps is not None:
            self._shortfall = _sum_of(self._shortfall, cost.shortfall)
        self._take_ratios(cost)
        self._means["time_to_send"].take(cost.time_to_send)
        self._means["time_to_first_fill"].take(cost.time_to_first_fill)
        self._means["time_to_fill"].take(cost.time_to_fill)

    def _take_ratios(self, cost: OrderCost) -> None:
        facts, market, filled = cost.facts, cost.facts.market, cost.filled_quantity
        arrival = facts.arrival_price
        vwap, twap, volume = (market.vwap, market.twap, market.volume) if market else (None, None, None)
        take = self._ratios
        take["slippage_bps"].take(cost.worse_than(arrival), _times(filled, arrival))
        take["shortfall_bps"].take(cost.shortfall.total, cost.decision_notional)
        take["vs_vwap_bps"].take(cost.worse_than(vwap), _times(filled, vwap))
        take["vs_twap_bps"].take(cost.worse_than(twap), _times(filled, twap))
        take["fill_rate"].take(_times(filled, arrival), _times(facts.quantity, arrival))
        take["participation"].take(_times(filled, vwap), _times(volume, vwap))
        take["maker_share"].take(cost.maker_cost, cost.filled_cost)

    def result(self) -> GroupCost:
        ratios, means = self._ratios, self._means
        return GroupCost(
            quote=self.quote,
            orders=self._orders,
            filled_orders=self._filled_orders,
            filled_notional=self._notional,
            slippage=ratios["slippage_bps"].part if ratios["slippage_bps"].count else None,
            slippage_bps=ratios["slippage_bps"].bps,
            shortfall=self._shortfall if ratios["shortfall_bps"].count else None,
            shortfall_bps=ratios["shortfall_bps"].bps,
            vs_vwap_bps=ratios["vs_vwap_bps"].bps,
            vs_twap_bps=ratios["vs_twap_bps"].bps,
            fees=self._fees,
            unvalued_fees=dict(sorted(self._unvalued_fees.items())),
            fill_rate=ratios["fill_rate"].share,
            participation=ratios["participation"].share,
            maker_share=ratios["maker_share"].share,
            time_to_send=means["time_to_send"].value,
            time_to_first_fill=means["time_to_first_fill"].value,
            time_to_fill=means["time_to_fill"].value,
            counted={name: one.count for name, one in (ratios | means).items()},
        )


def _sum_of(left: Shortfall, right: Shortfall) -> Shortfall:
    """Part by part; a part that one of them can't name is not known of the sum."""
    return Shortfall(
        delay=_added(left.delay, right.delay),
        impact=_added(left.impact, right.impact),
        execution=_added(left.execution, right.execution),
        opportunity=_added(left.opportunity, right.opportunity),
        fees=add(left.fees, right.fees),
        total=_added(left.total, right.total),
    )


def _added(left: Decimal | None, right: Decimal | None) -> Decimal | None:
    return None if left is None or right is None else add(left, right)


def _times(quantity: Decimal | None, price: Decimal | None) -> Decimal | None:
    return None if quantity is None or price is None else multiply(quantity, price)
