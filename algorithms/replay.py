"""One order run against a tape on a virtual clock: the planners and the rules of the live wave loop, without its rows.

What the live loop (tasks/plan.py, tasks/timers.py, tasks/follow_up.py) reads from rows and messages is kept here in
memory, and nothing is late, lost or refused: a message arrives at its time, a send at once.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from decimal import Decimal
from heapq import heappop, heappush
from typing import Any, Literal

from algorithms.parent import Parent, Plan, Rules
from algorithms.plan import LATE_SLICE, plan
from algorithms.replay_market import ReplayMarket
from algorithms.replay_venue import ReplayVenue, VenueFill, VenueModel
from algorithms.tape import Tape
from models.canonical_parts import algorithm_from_json, fill_policy_from_json
from models.fill_policy import Then, WaitForComplete
from models.ids import child_id
from models.instrument import Instrument
from models.money import ZERO, add, multiply, plain, subtract
from models.next_attempt import delay_before_next, is_sendable, next_price, timeout_of
from models.order import ChildOrder, Order, Reason
from models.outcome import outcome_of
from models.vocabulary import ChildStatus, OrderStatus, TimeInForce

#: How far a wave reaches, as live.
AHEAD = timedelta(seconds=30)

#: An order that would be sent in more pieces is not worth waiting for; live it would run into the venue's limits.
MAX_CHILDREN = 100_000

Kind = Literal["plan", "send", "act"]


class TooManyPieces(ValueError):
    """The order falls into more than MAX_CHILDREN children."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Replayed:
    """How an order went. Fills in order of time, children in the order in which they were planned."""

    order: Order
    children: Sequence[ChildOrder]
    fills: Sequence[VenueFill]
    #: of the last plan
    notes: Mapping[str, Any]
    #: how often it was planned
    waves: int
    ended_at: datetime


def replay(
    order: Order,
    instrument: Instrument,
    tape: Tape,
    model: VenueModel,
    *,
    ahead: timedelta = AHEAD,
    late_slice: timedelta = LATE_SLICE,
) -> Replayed:
    """Run ``order`` from ``created_at`` to its end, at ``expires_at`` at the latest, which it must have.

    ``order`` is WORKING, with its quantity and price in the steps of ``instrument``. The same arguments give the same
    result. Raises ValueError for a tape without a trade before the order, and TooManyPieces.
    """
    if order.expires_at is None or order.expires_at <= order.created_at:
        raise ValueError("a replayed order ends after it begins: it needs an expires_at behind its created_at")
    return _Run(order, order.expires_at, instrument, tape, model, ahead, late_slice).run()


class _Run:
    def __init__(
        self,
        order: Order,
        ends_at: datetime,
        instrument: Instrument,
        tape: Tape,
        model: VenueModel,
        ahead: timedelta,
        late_slice: timedelta,
    ) -> None:
        self._order, self._ends_at, self._instrument = order, ends_at, instrument
        self._algorithm = algorithm_from_json(order.algorithm)
        self._policy = fill_policy_from_json(order.fill_policy)
        self._rules = Rules.of(instrument)
        self._ahead, self._late_slice = ahead, late_slice
        self._venue = ReplayVenue(tape, model, order.side, order.created_at)
        self._market = ReplayMarket(tape, self._venue)
        #: (when, a number that keeps what is due at once in the order in which it was wished for, what, of whom)
        self._agenda: list[tuple[datetime, int, Kind, str]] = []
        self._wishes = 0
        self._children: dict[str, ChildOrder] = {}
        #: those that are live or will be followed by another attempt
        self._open: dict[str, ChildOrder] = {}
        self._fills: list[VenueFill] = []
        self._start_at: datetime = getattr(self._algorithm, "start_at", None) or order.created_at
        self._kept = Plan(next_slot=0)
        self._looked_at: datetime | None = None
        self._waves = self._slices = 0
        self._ended_at: datetime | None = None

    def run(self) -> Replayed:
        self._wish(self._order.created_at, "plan", "0")
        while self._ended_at is None:
            due_at = min(self._agenda[0][0], self._ends_at) if self._agenda else self._ends_at
            fills = self._venue.next_fills(due_at)
            if fills:
                for fill in fills:
                    self._book(fill)
            elif due_at >= self._ends_at:
                self._end(OrderStatus.EXPIRED, Reason(code="EXPIRED", message="its time was over"), due_at)
            else:
                _, _, kind, name = heappop(self._agenda)
                {"plan": self._plan, "send": self._send, "act": self._act}[kind](name, due_at)
        return Replayed(
            order=self._order,
            children=tuple(self._children.values()),
            fills=tuple(self._fills),
            notes=self._kept.notes,
            waves=self._waves,
            ended_at=self._ended_at,
        )

    def _plan(self, follows: str, now: datetime) -> None:
        if follows != str(self._waves) or self._kept.is_over:
            return
        order = self._order
        parent = Parent(
            order_id=order.id,
            side=order.side,
            price=order.price,
            quantity=order.quantity,
            filled=order.filled_quantity,
            live=self._live(),
            next_slice=self._slices,
            next_slot=self._kept.next_slot,
            start_at=self._start_at,
            looked_at=self._looked_at,
            notes=self._kept.notes,
        )
        market = self._market.market(self._algorithm, now, self._start_at, self._looked_at)
        self._kept = plan(
            self._algorithm, parent, self._rules, market, now, ahead=self._ahead, late_slice=self._late_slice
        )
        self._waves, self._looked_at = self._waves + 1, now
        for piece in self._kept.slices:
            self._add(self._slices, 1, piece.quantity, piece.price, piece.due_at)
            self._slices += 1
        if self._kept.look_again_at is not None and not self._kept.is_over:
            self._wish(self._kept.look_again_at, "plan", str(self._waves))
        self._follow(now)

    def _plan_what_waits(self, now: datetime) -> None:
        """Something ended: an iceberg goes on at once; other schedules take the rest along at their next look."""
        if self._order.waits_for_ends and not self._kept.is_over:
            self._wish(now, "plan", str(self._waves))

    def _add(self, slice_number: int, attempt: int, quantity: Decimal, price: Decimal | None, due_at: datetime) -> None:
        if len(self._children) >= MAX_CHILDREN:
            raise TooManyPieces(f"the order falls into more than {MAX_CHILDREN:,} pieces")
        order = self._order
        name = child_id(order.id, slice_number, attempt)
        self._keep(
            ChildOrder(
                id=name,
                order_id=order.id,
                venue=order.venue,
                account=order.account,
                symbol=order.symbol,
                slice=slice_number,
                attempt=attempt,
                status=ChildStatus.PLANNED,
                version=1,
                epoch=0,
                venue_client_order_id=name,
                venue_order_id=None,
                quantity=quantity,
                price=price,
                filled_quantity=ZERO,
                filled_cost=ZERO,
                due_at=due_at,
                sent_at=None,
                deadline=None,
                sends=0,
                lookups=0,
                attend_at=None,
                reason=None,
            )
        )
        self._wish(due_at, "send", name)

    def _send(self, name: str, now: datetime) -> None:
        child, timeout = self._children[name], timeout_of(self._policy)
        act_at = None if timeout is None else now + timeout
        self._keep(replace(child, status=ChildStatus.ACCEPTED, sent_at=now, sends=1, act_at=act_at))
        wanted, limit = child.quantity, child.price
        takes = wanted if limit is None else self._venue.takeable(wanted, limit, now)
        time_in_force = self._order.time_in_force
        if takes == wanted or (takes and time_in_force is not TimeInForce.FOK):
            self._book(self._venue.take(name, takes, limit, now))
        child = self._children[name]
        if child.is_final:
            return
        if time_in_force is TimeInForce.GTC:
            assert limit is not None  # a market slice takes all of it
            self._venue.rest(name, limit, child.remaining_quantity, now)
            if act_at is not None:
                self._wish(act_at, "act", name)
        else:
            self._finish(child, ChildStatus.EXPIRED, now)

    def _book(self, fill: VenueFill) -> None:
        cost = multiply(fill.quantity, fill.price)
        child, order = self._children[fill.id], self._order
        filled = add(child.filled_quantity, fill.quantity)
        child = replace(
            child,
            filled_quantity=filled,
            filled_cost=add(child.filled_cost, cost),
            status=ChildStatus.PARTIALLY_FILLED,
        )
        self._order = replace(
            order,
            filled_quantity=add(order.filled_quantity, fill.quantity),
            filled_cost=add(order.filled_cost, cost),
            status=OrderStatus.PARTIALLY_FILLED,
        )
        self._fills.append(fill)
        self._market.note(fill)
        self._keep(child)
        if not child.remaining_quantity:
            self._finish(child, ChildStatus.FILLED, fill.at)

    def _finish(self, child: ChildOrder, status: ChildStatus, now: datetime, reason: Reason | None = None) -> None:
        """A child has ended: its policy may wish for another attempt, else its schedule has the rest again."""
        child = replace(child, status=status, reason=reason, act_at=None)
        delay = delay_before_next(self._policy, self._order, child)
        if delay is not None:
            child = replace(child, act_at=now + delay)
            self._wish(now + delay, "act", child.id)
        self._keep(child)
        self._follow(now)
        if delay is None and self._ended_at is None:
            self._plan_what_waits(now)

    def _act(self, name: str, now: datetime) -> None:
        """The fill policy's timer of a child has rung."""
        child = self._children[name]
        if child.act_at != now:
            return  # it was set anew, or is gone
        if child.is_final:
            self._send_the_rest(child, now)
        elif isinstance(self._policy, WaitForComplete) and not self._goes_on_without(self._policy):
            code = "PARTIAL_ACCEPTED" if self._policy.then is Then.ACCEPT else "TIMEOUT"
            message = f"it was not complete {plain(self._policy.timeout_s)} s after it was sent; the rest was cancelled"
            self._end(OrderStatus.CANCELED, Reason(code=code, message=message), now)
        else:
            self._venue.withdraw(name)
            self._finish(child, ChildStatus.CANCELED, now)

    def _goes_on_without(self, policy: WaitForComplete) -> bool:
        """A schedule that accepts a part plans the rest of one slice anew; an iceberg has no later slices."""
        order = self._order
        return order.is_scheduled and policy.then is Then.ACCEPT and not order.waits_for_ends

    def _send_the_rest(self, child: ChildOrder, now: datetime) -> None:
        child = self._keep(replace(child, act_at=None))
        order = self._order
        others = subtract(order.quantity, add(order.filled_quantity, self._live()))
        quantity = min(child.remaining_quantity, others)
        price = next_price(self._policy, order, child, self._venue.quote(now), self._instrument)
        if is_sendable(quantity, price, self._instrument):
            self._add(child.slice, child.attempt + 1, quantity, price, now)
            return
        self._follow(now)
        if self._ended_at is None:
            self._plan_what_waits(now)

    def _end(self, status: OrderStatus, reason: Reason, now: datetime) -> None:
        """The rest of the whole order is cancelled."""
        self._order = replace(self._order, status=OrderStatus.PENDING_CANCEL, ending=status, reason=reason)
        for child in list(self._open.values()):
            self._venue.withdraw(child.id)
            ended = ChildStatus.EXPIRED if status is OrderStatus.EXPIRED else ChildStatus.CANCELED
            self._keep(replace(child, status=child.status if child.is_final else ended, act_at=None, reason=reason))
        self._follow(now)

    def _follow(self, now: datetime) -> None:
        """The order ends with its last fill, or once nothing is live and nothing more will be sent."""
        order = self._order
        more_to_come = self._open or not (self._kept.is_over or order.ending)
        if order.filled_quantity < order.quantity and more_to_come:
            return
        outcome = outcome_of(order, tuple(self._children.values()))
        self._order = replace(order, status=outcome.status, reason=outcome.reason, updated_at=now)
        if self._order.is_final:
            self._ended_at = now

    def _live(self) -> Decimal:
        total = ZERO
        for child in self._open.values():
            total = add(total, child.remaining_quantity)
        return total

    def _keep(self, child: ChildOrder) -> ChildOrder:
        self._children[child.id] = child
        if child.is_final and child.act_at is None:
            self._open.pop(child.id, None)
        else:
            self._open[child.id] = child
        return child

    def _wish(self, at: datetime, kind: Kind, name: str) -> None:
        self._wishes += 1
        heappush(self._agenda, (at, self._wishes, kind, name))
