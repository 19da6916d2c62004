"""What a planner may know of the order, the venue's rules and the market, and what it answers."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from decimal import Decimal
from typing import Any

from algorithms.volume_curve import VolumeCurve
from models.instrument import Instrument
from models.minimum import FINEST_LOT, smallest_quantity
from models.money import EXACT, ZERO, add, subtract
from models.vocabulary import Side

#: A market slice is planned minutes before it meets a price, so that it is worth this much more than the minimum.
MARKET_MARGIN = Decimal("1.02")


@dataclass(frozen=True, slots=True, kw_only=True)
class Parent:
    """The order as its rows say. The same parent, rules, market and time give the same plan, in any process."""

    #: seeds every jitter
    order_id: str
    side: Side
    #: limit of every slice, in quote per base; None: market
    price: Decimal | None
    #: base, the total; a multiple of the lot
    quantity: Decimal
    #: base, booked
    filled: Decimal = ZERO
    #: base: planned and unsent, about to be sent, resting or UNKNOWN children at their full unfilled size
    live: Decimal = ZERO
    #: number of the next slice; those below are used
    next_slice: int = 0
    #: ``Plan.next_slot`` of the last plan that was kept, 0 before the first
    next_slot: int = 0
    #: of the request, or when work on the order began
    start_at: datetime
    #: when the last kept plan was made; None before the first
    looked_at: datetime | None = None
    #: ``Plan.notes`` of the last plan that was kept
    notes: Mapping[str, Any] = field(default_factory=dict)

    @property
    def to_plan(self) -> Decimal:
        """Base that no child stands for; never below 0, also after an amendment that came too late."""
        return max(ZERO, subtract(self.quantity, add(self.filled, self.live)))


@dataclass(frozen=True, slots=True, kw_only=True)
class Rules:
    """The steps and minima of the venue that a slice has to keep."""

    #: quantity step, in base
    lot: Decimal
    #: base
    min_quantity: Decimal = ZERO
    #: quantity × price at least this, in quote
    min_notional: Decimal = ZERO
    #: price step, in quote per base
    tick: Decimal = ZERO
    #: the venue takes icebergs of its own
    native_iceberg: bool = False

    @classmethod
    def of(cls, instrument: Instrument, *, native_iceberg: bool = False) -> "Rules":
        return cls(
            lot=instrument.lot if instrument.lot > 0 else FINEST_LOT,
            min_quantity=instrument.min_quantity,
            min_notional=instrument.min_notional,
            tick=instrument.tick,
            native_iceberg=native_iceberg,
        )

    def minimum(self, price: Decimal | None) -> Decimal:
        """The smallest slice in base, a multiple of the lot; ``price`` None where none is known."""
        return smallest_quantity(self.lot, self.min_quantity, self.min_notional, price)

    def minimum_for(self, parent: Parent, market: "Market") -> Decimal:
        """The smallest slice of this order: at its limit, or at the worse of bid and ask with a margin."""
        if parent.price is not None:
            return self.minimum(parent.price)
        known = [price for price in (market.bid, market.ask) if price is not None and price > 0]
        if not known and market.last is not None and market.last > 0:
            known = [market.last]
        return self.minimum(EXACT.divide(min(known), MARKET_MARGIN)) if known else self.minimum(None)


@dataclass(frozen=True, slots=True, kw_only=True)
class Market:
    """What the venue showed. None: not known; a planner then does without and says so in its notes."""

    #: quote per base
    bid: Decimal | None = None
    ask: Decimal | None = None
    last: Decimal | None = None
    #: base that others traded since ``Parent.looked_at`` (at the first look: since ``start_at``); our fills left out,
    #: when they are booked, so that it may be below 0 where the venue told late of one
    others_volume: Decimal | None = None
    #: base that everybody traded since ``Parent.start_at``
    volume_since_start: Decimal | None = None
    #: what usually trades at which time of the day
    volume_curve: VolumeCurve | None = None
    #: base that trades in a day, where no curve says so
    daily_volume: Decimal | None = None
    #: standard deviation of the return over a day, as a fraction (0.03 is 3 %)
    volatility: float | None = None
    #: base that is offered on the side the order takes from, up to ``depth_bps`` away from the best price there
    depth: Decimal | None = None
    depth_bps: Decimal | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class PlannedSlice:
    """One slice that is to become a child row."""

    #: its place on the algorithm's grid, unique within the order and rising
    slot: int
    #: base, a multiple of the lot
    quantity: Decimal
    due_at: datetime
    #: None: market
    price: Decimal | None
    #: base that the venue's own iceberg shows; None: an ordinary order
    display: Decimal | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """A wave and what comes after it. It is kept whole, in one transaction, or not at all."""

    #: to become rows now, in order of their times
    slices: tuple[PlannedSlice, ...] = ()
    #: when to plan again; None: nothing follows by itself (a fill or a final child may still be a reason)
    look_again_at: datetime | None = None
    #: no slice will follow whatever happens: what is neither filled nor live stays unsent
    is_over: bool = False
    next_slot: int
    #: for the order's document and the next plan: JSON, numbers as strings
    notes: Mapping[str, Any] = field(default_factory=dict)
