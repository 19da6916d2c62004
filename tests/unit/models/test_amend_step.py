"""What has to happen next for an amendment: a table, and a venue that fills whenever it likes."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from models.amend_step import Conclude, InPlace, Refuse, Step, Wait, Withdraw, next_step
from models.amendment import Amendment, AmendmentStatus
from models.instrument import Instrument
from models.order import ChildOrder, Order, Reason
from models.promise import spoken_for
from models.vocabulary import ChildStatus as C
from models.vocabulary import OrderStatus, OrderType
from tests.support.order_values import NOW, make_child, make_order

D = Decimal
OLD, NEW = D(30_000), D(31_000)
INSTRUMENT = Instrument(
    venue="paper", symbol="BTC/USDT", base="BTC", quote="USDT", tick=D("0.01"), lot=D("0.1"), min_quantity=D("0.1"),
    min_notional=D(10), fetched_at=datetime(2030, 1, 1, tzinfo=UTC),
)  # fmt: skip
SCHEDULE = {"name": "twap", "duration_s": 60, "slices": 3}


def order_of(**changes: Any) -> Order:
    values = {"type": OrderType.LIMIT, "price": OLD, "quantity": D(10), "status": OrderStatus.PENDING_AMEND}
    return make_order(**{**values, **changes})


def amendment_to(quantity: str | None = None, price: Decimal | None = None) -> Amendment:
    return Amendment(
        id=7, order_id="order-1", requested_at=NOW, source="test", quantity=None if quantity is None else D(quantity),
        price=price, previous_quantity=D(10), previous_price=OLD, status=AmendmentStatus.PENDING, reason=None,
        decided_at=None,
    )  # fmt: skip


def child(status: C, quantity: str = "10", filled: str = "0", **changes: Any) -> ChildOrder:
    sends = 0 if status is C.PLANNED else 1
    values = {"price": OLD, "sends": sends, "quantity": D(quantity), "filled_quantity": D(filled), "status": status}
    return make_child(**{**values, "sent_at": NOW if sends else None, **changes})


def step_of(children: list[ChildOrder], amendment: Amendment, *, in_place: bool = False, **changes: Any) -> Step:
    is_over = changes.pop("is_over", False)
    return next_step(order_of(**changes), amendment, children, INSTRUMENT, NOW, in_place=in_place, is_over=is_over)


def told(step: Step) -> tuple[Any, ...]:
    """A step in a few words."""
    match step:
        case Wait():
            return ("wait",)
        case InPlace():
            return ("in place", str(step.quantity), step.price)
        case Withdraw():
            return ("withdraw", [one.id for one in step.children])
        case Refuse():
            return ("refuse", step.reason.code)
    return (
        "conclude", str(step.quantity), [str(one.quantity) for one in step.keep], [one.id for one in step.drop],
        [(one.after.id, str(one.quantity), one.price) for one in step.send], step.short and step.short.code,
    )  # fmt: skip


ENDED = amendment_to().ended_for_it
FIRST = "order-1-0-1"

#: the one child, the new total, in place or not → what comes next
WHOLE: list[tuple[ChildOrder, str, bool, tuple[Any, ...]]] = [
    (child(C.SUBMITTING), "5", True, ("wait",)),
    (child(C.UNKNOWN), "5", False, ("wait",)),
    (child(C.ACCEPTED), "5", True, ("in place", "5", OLD)),
    (child(C.ACCEPTED), "12", True, ("in place", "12", OLD)),
    (child(C.PENDING_AMEND), "5", True, ("in place", "5", OLD)),
    (child(C.PENDING_AMEND, "12"), "12", True, ("in place", "12", OLD)),
    (child(C.PENDING_AMEND), "5", False, ("withdraw", [FIRST])),
    (child(C.ACCEPTED), "5", False, ("withdraw", [FIRST])),
    (child(C.PARTIALLY_FILLED, filled="6"), "5", True, ("withdraw", [FIRST])),
    (child(C.PARTIALLY_FILLED, filled="5"), "5", True, ("withdraw", [FIRST])),
    (child(C.PENDING_CANCEL), "5", True, ("withdraw", [FIRST])),
    (child(C.ACCEPTED, "5"), "5", True, ("conclude", "5", [], [], [], None)),
    (child(C.CANCELED, filled="6"), "5", True, ("conclude", "6", [], [], [], None)),
    (child(C.FILLED, "5", "5"), "5", True, ("conclude", "5", [], [], [], None)),
    (child(C.CANCELED, filled="3", reason=ENDED), "5", False, ("conclude", "5", [], [], [(FIRST, "2", OLD)], None)),
    (child(C.CANCELED, filled="3", reason=ENDED), "12", False, ("conclude", "12", [], [], [(FIRST, "9", OLD)], None)),
    (child(C.CANCELED, filled="4.95", reason=ENDED), "5", False, ("conclude", "5", [], [], [], "REST_TOO_SMALL")),
    (child(C.CANCELED, filled="3"), "5", False, ("refuse", "ORDER_ENDED")),
    (child(C.EXPIRED, filled="3"), "12", True, ("refuse", "ORDER_ENDED")),
    (child(C.REJECTED), "5", True, ("refuse", "ORDER_ENDED")),
    (child(C.EXPIRED, act_at=NOW), "5", True, ("conclude", "5", [], [], [(FIRST, "5", OLD)], None)),
    (child(C.PLANNED), "5", True, ("conclude", "5", ["5"], [], [], None)),
    (child(C.PLANNED, sends=1), "5", True, ("conclude", "5", [], [FIRST], [(FIRST, "5", OLD)], None)),
]


@pytest.mark.parametrize(("one", "total", "in_place", "expected"), WHOLE, ids=[
    f"{one.status}-{one.filled_quantity}-{total}-{in_place}-{number}" for number, (one, total, in_place, _) in enumerate(WHOLE)
])  # fmt: skip
def test_an_order_that_is_sent_whole(one: ChildOrder, total: str, in_place: bool, expected: tuple[Any, ...]) -> None:
    assert told(step_of([one], amendment_to(total), in_place=in_place)) == expected


def test_what_earlier_attempts_have_filled_counts() -> None:
    first, second = child(C.CANCELED, "10", "4"), child(C.ACCEPTED, "6", attempt=2)
    assert told(step_of([first, second], amendment_to("8"), in_place=True)) == ("in place", "4", OLD)
    assert told(step_of([first, second], amendment_to("3"), in_place=True)) == ("withdraw", [second.id])


def test_a_child_that_was_ended_for_an_earlier_amendment_is_not_sent_again_for_this_one() -> None:
    other = replace(amendment_to(), id=6).ended_for_it
    assert told(step_of([child(C.CANCELED, filled="3", reason=other)], amendment_to("12"))) == ("refuse", "ORDER_ENDED")


def test_a_price_of_the_fill_policy_stays_unless_a_price_is_asked_for() -> None:
    joined = child(C.ACCEPTED, price=D(29_000))
    assert told(step_of([joined], amendment_to("5"), in_place=True)) == ("in place", "5", D(29_000))
    assert told(step_of([joined], amendment_to(None, NEW), in_place=True)) == ("in place", "10", NEW)


def test_an_order_that_the_venue_has_raised_and_ended_since_was_amended() -> None:
    raised = child(C.CANCELED, "12", "11")
    assert told(step_of([raised], amendment_to("12"), quantity=D(12)))[0] == "conclude"
    assert told(step_of([replace(raised, filled_quantity=D(10))], amendment_to("12"), quantity=D(12)))[0] == "refuse"


def slices(*children: ChildOrder) -> list[ChildOrder]:
    return [
        replace(one, slice=number, id=f"s{number}", due_at=NOW + timedelta(seconds=number))
        for number, one in enumerate(children)
    ]


#: children, the amendment → what comes next
SCHEDULED: dict[str, tuple[list[ChildOrder], Amendment, tuple[Any, ...]]] = {
    "more": (slices(child(C.FILLED, "3", "3"), child(C.PLANNED, "3")), amendment_to("12"), ("conclude", "12", ["3"], [], [], None)),
    "less than is planned: from the latest on": (
        slices(child(C.FILLED, "3", "3"), child(C.PLANNED, "3"), child(C.PLANNED, "4")),
        amendment_to("6"),
        ("conclude", "6", ["3"], ["s2"], [], None),
    ),
    "less, and the last one is cut": (
        slices(child(C.FILLED, "3", "3"), child(C.PLANNED, "3"), child(C.PLANNED, "4")),
        amendment_to("8"),
        ("conclude", "8", ["3", "2"], [], [], None),
    ),
    "less than what rests: the latest is ended": (
        slices(child(C.ACCEPTED, "3"), child(C.ACCEPTED, "3"), child(C.PLANNED, "4")),
        amendment_to("4"),
        ("withdraw", ["s1"]),
    ),
    "it is ended: what fits goes on": (
        slices(child(C.ACCEPTED, "3"), child(C.CANCELED, "3", "0.5", reason=ENDED)),
        amendment_to("4"),
        ("conclude", "4", [], [], [("s1", "0.5", OLD)], None),
    ),
    "what is in the way is in doubt": (
        slices(child(C.ACCEPTED, "3"), child(C.UNKNOWN, "3")),
        amendment_to("4"),
        ("wait",),
    ),
    "what is in doubt fits": (
        slices(child(C.UNKNOWN, "3"), child(C.PLANNED, "3")),
        amendment_to("4"),
        ("conclude", "4", ["1"], [], [], None),
    ),
    "another price for all": (
        slices(child(C.ACCEPTED, "3"), child(C.UNKNOWN, "3"), child(C.PLANNED, "4")),
        amendment_to(None, NEW),
        ("withdraw", ["s0"]),
    ),
    "another price, one in doubt": (
        slices(child(C.CANCELED, "3", "1", reason=ENDED), child(C.UNKNOWN, "3")),
        amendment_to(None, NEW),
        ("wait",),
    ),
    "another price, all ended": (
        slices(child(C.CANCELED, "3", "1", reason=ENDED), child(C.CANCELED, "3", reason=ENDED), child(C.PLANNED, "4")),
        amendment_to(None, NEW),
        ("conclude", "10", ["4"], [], [("s0", "2", NEW), ("s1", "3", NEW)], None),
    ),
    "a slice of which a copy was refused": (
        slices(child(C.PLANNED, "3", sends=1), child(C.PLANNED, "3")),
        amendment_to(None, NEW),
        ("conclude", "10", ["3"], ["s0"], [("s0", "3", NEW)], None),
    ),
    "filled beyond the new total": (
        slices(child(C.FILLED, "3", "3"), child(C.FILLED, "3", "3"), child(C.PLANNED, "4")),
        amendment_to("5"),
        ("conclude", "6", [], ["s2"], [], None),
    ),
    "filled beyond it, and one rests": (
        slices(child(C.FILLED, "6", "6"), child(C.ACCEPTED, "3")),
        amendment_to("5"),
        ("withdraw", ["s1"]),
    ),
}  # fmt: skip


@pytest.mark.parametrize("case", SCHEDULED)
def test_an_order_in_slices(case: str) -> None:
    children, amendment, expected = SCHEDULED[case]
    assert told(step_of(children, amendment, algorithm=SCHEDULE)) == expected


def test_a_schedule_that_is_over_takes_less_and_no_more() -> None:
    children = slices(child(C.ACCEPTED, "5"), child(C.ACCEPTED, "5"))
    assert told(step_of(children, amendment_to("12"), algorithm=SCHEDULE, is_over=True)) == ("refuse", "SCHEDULE_OVER")
    assert told(step_of(children, amendment_to("6"), algorithm=SCHEDULE, is_over=True)) == ("withdraw", ["s1"])


# ------------------------------------------------------------------------------ any schedule, against a venue of its own


@dataclass
class World:
    """Rows, and a venue that may fill what rests before we look. Carries steps out as tasks/amend.py does."""

    order: Order
    children: list[ChildOrder]
    amendment: Amendment
    #: child id → filled at the venue
    traded: dict[str, Decimal] = field(default_factory=dict)

    def can_trade(self) -> Decimal:
        total = D(0)
        for one in self.children:
            total += one.quantity if one.is_live else self.traded.get(one.id, D(0))
        return total

    def fill(self, which: int, quantity: Decimal) -> None:
        live = [one for one in self.children if one.is_live]
        if live:
            one = live[which % len(live)]
            self.traded[one.id] = min(self.traded.get(one.id, D(0)) + quantity, one.quantity)

    def look(self) -> None:
        """What filled is booked; what is full is final."""
        for number, one in enumerate(self.children):
            filled = self.traded.get(one.id, D(0))
            status = C.FILLED if one.is_live and filled == one.quantity else one.status
            self.children[number] = replace(one, filled_quantity=filled, status=status)

    def step(self, *, in_place: bool) -> bool:
        """One step; False once it is decided."""
        todo = next_step(self.order, self.amendment, self.children, INSTRUMENT, NOW, in_place=in_place)
        if isinstance(todo, Withdraw):
            self.look()
            ids = {one.id for one in todo.children}
            for number, one in enumerate(self.children):
                if one.id in ids and one.is_live:
                    self.children[number] = replace(one, status=C.CANCELED, reason=self.amendment.ended_for_it)
            return True
        if isinstance(todo, InPlace):
            self.look()
            (number,) = [number for number, one in enumerate(self.children) if one.id == todo.child.id]
            if self.children[number].is_live and todo.quantity > self.children[number].filled_quantity:
                changed = replace(self.children[number], quantity=todo.quantity, price=todo.price, status=C.ACCEPTED)
                self.children[number] = changed
            return True
        if isinstance(todo, Conclude):
            self._conclude(todo)
        return False

    def _conclude(self, todo: Conclude) -> None:
        dropped, kept = {one.id for one in todo.drop}, {one.id: one for one in todo.keep}
        self.children = [
            replace(one, status=C.CANCELED) if one.id in dropped else kept.get(one.id, one) for one in self.children
        ]
        for attempt in todo.send:
            number = attempt.after.attempt + 1
            name = f"{attempt.after.slice}-{number}"
            new = make_child(
                id=name, slice=attempt.after.slice, attempt=number, status=C.PLANNED, quantity=attempt.quantity,
                price=attempt.price, sends=0,
            )  # fmt: skip
            self.children.append(new)
        self.children.sort(key=lambda one: (one.slice, one.attempt))
        self.order = replace(self.order, quantity=todo.quantity, price=todo.price)

    def send(self) -> None:
        self.children = [
            replace(one, status=C.ACCEPTED, sends=1, sent_at=NOW) if one.status is C.PLANNED else one
            for one in self.children
        ]


QUANTITY = st.integers(1, 30).map(lambda lots: D(lots) / 10)


@st.composite
def worlds(draw: st.DrawFn) -> World:
    scheduled = draw(st.booleans())
    total = draw(st.integers(10, 60).map(lambda lots: D(lots) / 10))
    parts = [total]
    if scheduled:
        cut = draw(st.integers(1, int(total * 10) - 1).map(lambda lots: D(lots) / 10))
        parts = [cut, total - cut]
    statuses = st.sampled_from([C.ACCEPTED, C.PLANNED])
    children = slices(*(child(draw(statuses), str(part)) for part in parts))
    algorithm = SCHEDULE if scheduled else {"name": "single"}
    target = draw(st.none() | st.integers(1, 80).map(lambda lots: D(lots) / 10))
    price = draw(st.sampled_from([None, NEW])) if target is not None else NEW
    amendment = replace(amendment_to(None, price), quantity=target, previous_quantity=total)
    return World(order=order_of(quantity=total, algorithm=algorithm), children=children, amendment=amendment)


@given(worlds(), st.lists(st.tuples(st.integers(0, 3), QUANTITY, st.booleans(), st.booleans()), max_size=8))
def test_whatever_fills_meanwhile_no_more_than_the_larger_total_can_trade(
    world: World, fills: list[tuple[int, Decimal, bool, bool]]
) -> None:
    most = max(world.order.quantity, world.amendment.target_quantity)
    coming = iter(fills)
    for _ in range(20):
        which, quantity, looks, in_place = next(coming, (0, D(0), True, False))
        world.fill(which, quantity)
        if looks:
            world.look()
        going_on = world.step(in_place=in_place)
        assert world.can_trade() <= most
        assert spoken_for(world.children) <= most
        if not going_on:
            break
    else:
        raise AssertionError("it never ends")
    world.look()
    assert spoken_for(world.children) <= world.order.quantity
    world.send()
    assert world.can_trade() <= world.order.quantity


def test_reasons_tell_one_amendment_from_another() -> None:
    first, second = amendment_to(), replace(amendment_to(), id=8)
    assert first.ended_for_it != second.ended_for_it
    assert first.ended_for_it == Reason(code="AMENDED", message=first.ended_for_it.message)
