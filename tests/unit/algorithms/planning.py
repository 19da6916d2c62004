"""A schedule run in virtual time against a market that a test makes up."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

from algorithms.parent import Market, Parent, Plan, PlannedSlice, Rules
from algorithms.plan import LATE_SLICE, plan
from models.algorithm import Algorithm
from models.vocabulary import Side

D = Decimal
NOTHING = Decimal(0)
START = datetime(2030, 1, 31, 12, tzinfo=UTC)
RULES = Rules(lot=D("0.001"), min_quantity=D("0.001"), tick=D("0.01"))
QUIET = Market(bid=D("99.99"), ask=D("100.01"), last=D(100))
MINUTE = timedelta(minutes=1)


def after(seconds: float) -> datetime:
    return START + timedelta(seconds=seconds)


def parent(quantity: Decimal | str = "10", **changes: Any) -> Parent:
    values: dict[str, Any] = {
        "order_id": "01hqorder", "side": Side.BUY, "price": D(100), "quantity": D(quantity), "start_at": START,
    }  # fmt: skip
    return Parent(**{**values, **changes})


@dataclass
class Child:
    slice: PlannedSlice
    filled: Decimal = NOTHING
    ended: bool = False

    @property
    def live(self) -> Decimal:
        return D(0) if self.ended else self.slice.quantity - self.filled


@dataclass
class Run:
    """What a deployment keeps of one order, and what happened."""

    algorithm: Algorithm
    first: Parent
    rules: Rules = RULES
    market: Callable[[datetime], Market] = lambda _: QUIET
    ahead: timedelta = MINUTE
    late_slice: timedelta = LATE_SLICE
    children: list[Child] = field(default_factory=list)
    plans: list[tuple[datetime, Plan]] = field(default_factory=list)
    next_slot: int = 0
    looked_at: datetime | None = None
    notes: dict[str, Any] = field(default_factory=dict)

    @property
    def parent(self) -> Parent:
        return replace(
            self.first,
            filled=sum((child.filled for child in self.children), D(0)),
            live=sum((child.live for child in self.children), D(0)),
            next_slice=len(self.children),
            next_slot=self.next_slot,
            looked_at=self.looked_at,
            notes=self.notes,
        )

    @property
    def slices(self) -> list[PlannedSlice]:
        return [child.slice for child in self.children]

    def look(self, now: datetime) -> Plan:
        """Plan and keep, checking what must hold of every plan."""
        known, market = self.parent, self.market(now)
        made = self.ask(now)
        assert made == self.ask(now), "the same question has the same answer"
        assert sum((piece.quantity for piece in made.slices), D(0)) <= known.to_plan
        assert made.next_slot >= known.next_slot
        assert made.look_again_at is None or made.look_again_at > now, "a look leads to a later one"
        assert not made.is_over or made.look_again_at is None
        least = self.rules.minimum_for(known, market)
        last_slot = known.next_slot - 1
        for piece in made.slices:
            assert piece.quantity % self.rules.lot == 0
            assert piece.quantity >= least
            assert last_slot < piece.slot < made.next_slot
            assert self.first.start_at <= piece.due_at <= now + self.ahead
            assert piece.due_at >= now - self.late_slice
            last_slot = piece.slot
        times = [piece.due_at for piece in [*self.slices, *made.slices]]
        assert times == sorted(times)
        self.children += [Child(piece) for piece in made.slices]
        self.next_slot, self.looked_at, self.notes = made.next_slot, now, dict(made.notes)
        self.plans.append((now, made))
        return made

    def ask(self, now: datetime) -> Plan:
        """Plan without keeping it, as a process does that dies before its commit."""
        return plan(
            self.algorithm, self.parent, self.rules, self.market(now), now, ahead=self.ahead, late_slice=self.late_slice
        )

    def fill(self, until: datetime, share: Callable[[PlannedSlice], Decimal] = lambda _: D(1)) -> None:
        """Every child that is due trades ``share`` of its lots, and the rest of it is cancelled."""
        for child in self.children:
            if not child.ended and child.slice.due_at <= until:
                lots = int(child.slice.quantity / self.rules.lot * share(child.slice))
                child.filled, child.ended = lots * self.rules.lot, True

    def through(
        self,
        share: Callable[[PlannedSlice], Decimal] = lambda _: D(1),
        *,
        late: Callable[[int], timedelta] = lambda _: timedelta(0),
    ) -> Run:
        """Look whenever a plan asks for it, ``late`` by what the number of the look says, until it is over."""
        now = self.first.start_at
        for _ in range(100_000):
            made = self.look(now)
            if made.look_again_at is None:
                self.fill(datetime.max.replace(tzinfo=UTC), share)
                return self
            now = made.look_again_at + late(len(self.plans))
            self.fill(now, share)
        raise AssertionError("it never ends")


def totals(slices: list[PlannedSlice]) -> Decimal:
    return sum((piece.quantity for piece in slices), D(0))


def offsets(slices: list[PlannedSlice]) -> Iterator[float]:
    return ((piece.due_at - START).total_seconds() for piece in slices)
