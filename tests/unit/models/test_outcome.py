"""Where a parent stands: a function of its children, its fills and what it was told."""

from __future__ import annotations

from dataclasses import replace
from decimal import Decimal

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from models.order import ChildOrder, Order, Reason
from models.outcome import Outcome, outcome_of
from models.transitions import ORDER_FINAL, ORDER_TRANSITIONS, ORDER_UNSENT
from models.vocabulary import ChildStatus as C
from models.vocabulary import OrderStatus as O
from tests.support.order_values import make_child, make_order

WHY = Reason(code="VENUE_SAYS", message="because")
ASKED = Reason(code="CANCEL_REQUESTED", message="canceled by test")
UNKNOWN = Reason(code="SEND_UNKNOWN", message="the venue can't account for it")


def child(status: C, filled: str = "0") -> ChildOrder:
    return make_child(status=status, filled_quantity=Decimal(filled), reason=WHY)


#: parent, its ending, its child, filled -> status, code of the reason
TABLE = [
    (O.WORKING, None, C.ACCEPTED, "0", O.WORKING, None),
    (O.WORKING, None, C.UNKNOWN, "0", O.WORKING, None),
    (O.WORKING, None, C.PLANNED, "0", O.WORKING, None),
    (O.WORKING, None, C.PARTIALLY_FILLED, "0.4", O.PARTIALLY_FILLED, None),
    (O.WORKING, None, C.FILLED, "1", O.FILLED, None),
    (O.WORKING, None, C.REJECTED, "0", O.REJECTED, "VENUE_SAYS"),
    (O.WORKING, None, C.CANCELED, "0", O.CANCELED, "VENUE_SAYS"),
    (O.WORKING, None, C.EXPIRED, "0", O.EXPIRED, "VENUE_SAYS"),
    (O.PARTIALLY_FILLED, None, C.EXPIRED, "0.4", O.EXPIRED, "VENUE_SAYS"),
    (O.PARTIALLY_FILLED, None, C.CANCELED, "0.4", O.CANCELED, "VENUE_SAYS"),
    (O.PENDING_CANCEL, O.CANCELED, C.PENDING_CANCEL, "0.4", O.PENDING_CANCEL, "CANCEL_REQUESTED"),
    (O.PENDING_CANCEL, O.CANCELED, C.UNKNOWN, "0", O.PENDING_CANCEL, "CANCEL_REQUESTED"),
    (O.PENDING_CANCEL, O.CANCELED, C.CANCELED, "0.4", O.CANCELED, "CANCEL_REQUESTED"),
    (O.PENDING_CANCEL, O.CANCELED, C.EXPIRED, "0", O.CANCELED, "CANCEL_REQUESTED"),
    (O.PENDING_CANCEL, O.CANCELED, C.FILLED, "1", O.FILLED, None),
    (O.PENDING_CANCEL, O.EXPIRED, C.CANCELED, "0", O.EXPIRED, "CANCEL_REQUESTED"),
    (O.CANCELED, O.CANCELED, C.FILLED, "1", O.FILLED, None),
    (O.CANCELED, O.CANCELED, C.CANCELED, "0.4", O.CANCELED, "CANCEL_REQUESTED"),
    (O.REJECTED, None, C.PARTIALLY_FILLED, "0.4", O.PARTIALLY_FILLED, None),
]


@pytest.mark.parametrize(("status", "ending", "of_child", "filled", "expected", "code"), TABLE)
def test_the_parent_follows_its_child(
    status: O, ending: O | None, of_child: C, filled: str, expected: O, code: str | None
) -> None:
    reason = ASKED if ending else None
    order = make_order(status=status, ending=ending, reason=reason, filled_quantity=Decimal(filled))

    outcome = outcome_of(order, [child(of_child, filled)])

    assert (outcome.status, outcome.reason and outcome.reason.code) == (expected, code)


@pytest.mark.parametrize(
    ("status", "of_child", "code"),
    [
        (O.WORKING, C.UNKNOWN, "SEND_UNKNOWN"),
        (O.WORKING, C.ACCEPTED, None),
        (O.WORKING, C.PLANNED, None),
        (O.PENDING_CANCEL, C.UNKNOWN, "SEND_UNKNOWN"),
        (O.PENDING_CANCEL, C.ACCEPTED, "CANCEL_REQUESTED"),
        (O.PENDING_CANCEL, C.CANCELED, "CANCEL_REQUESTED"),
    ],
)
def test_send_unknown_stands_exactly_as_long_as_a_child_is_in_doubt(status: O, of_child: C, code: str | None) -> None:
    ending = O.CANCELED if status is O.PENDING_CANCEL else None

    outcome = outcome_of(make_order(status=status, ending=ending, reason=UNKNOWN), [child(of_child)])

    assert (outcome.reason and outcome.reason.code) == code


def test_an_order_without_children_stays_where_it_is() -> None:
    order = make_order(status=O.RECEIVED)

    assert outcome_of(order, []) == Outcome(status=O.RECEIVED, reason=None)


@st.composite
def _families(draw: st.DrawFn) -> tuple[Order, list[ChildOrder]]:
    """A parent of 1 and up to three slices; only the last attempt of a slice may be live."""
    children = []
    quantities = draw(st.sampled_from([(10,), (4, 6), (3, 3, 4)]))
    for slice_number, tenths in enumerate(quantities):
        quantity = Decimal(tenths) / 10
        attempts = draw(st.integers(1, 2))
        left = quantity
        for attempt in range(1, attempts + 1):
            is_last = attempt == attempts
            filled = left if draw(st.booleans()) and is_last else left * draw(st.integers(0, 1)) / 2
            status = C.FILLED if filled == left else draw(st.sampled_from(_statuses(filled, is_last)))
            children.append(
                make_child(
                    slice=slice_number,
                    attempt=attempt,
                    status=status,
                    quantity=left,
                    filled_quantity=filled,
                    reason=WHY,
                )
            )
            left -= filled
    filled = sum((one.filled_quantity for one in children), Decimal(0))
    impossible = {O.FILLED} if filled else {O.FILLED, O.PARTIALLY_FILLED}
    parent = draw(st.sampled_from([one for one in O if one not in impossible]))
    pending = parent is O.PENDING_CANCEL
    ending = draw(st.sampled_from([O.CANCELED, O.EXPIRED])) if pending else None
    reason = draw(st.sampled_from([ASKED, UNKNOWN] if pending else [None, UNKNOWN]))
    return make_order(status=parent, ending=ending, reason=reason, filled_quantity=filled), children


def _statuses(filled: Decimal, is_last: bool) -> list[C]:
    final = [C.CANCELED, C.EXPIRED] + ([C.REJECTED] if not filled else [])
    if not is_last:
        return final
    live = [C.PARTIALLY_FILLED, C.PENDING_CANCEL, C.PENDING_AMEND]
    return final + live + ([] if filled else [C.PLANNED, C.SUBMITTING, C.UNKNOWN, C.ACCEPTED])


@given(_families())
def test_filled_if_and_only_if_all_of_it_is_filled(family: tuple[Order, list[ChildOrder]]) -> None:
    order, children = family

    assert (outcome_of(order, children).status is O.FILLED) == (order.filled_quantity >= order.quantity)


@given(_families())
def test_nothing_ends_and_nothing_is_released_while_a_child_may_be_live(family: tuple[Order, list[ChildOrder]]) -> None:
    order, children = family
    assume(order.status not in ORDER_FINAL and any(not one.is_final for one in children))

    assert outcome_of(order, children).status not in ORDER_FINAL


@given(_families())
def test_the_outcome_is_always_a_legal_move(family: tuple[Order, list[ChildOrder]]) -> None:
    order, children = family
    unsent = all(one.status is C.PLANNED for one in children) and not order.filled_quantity
    assume(order.status not in ORDER_UNSENT or unsent)  # the intent makes it WORKING in its own transaction

    status = outcome_of(order, children).status

    assert status == order.status or status in ORDER_TRANSITIONS[order.status]


@given(_families())
def test_once_every_child_is_final_so_is_the_parent(family: tuple[Order, list[ChildOrder]]) -> None:
    order, children = family
    assume(all(one.is_final for one in children) and order.status not in ORDER_UNSENT)
    assume(order.status is not O.PENDING_AMEND)

    outcome = outcome_of(order, children)

    assert outcome.status in ORDER_FINAL
    assert outcome.reason is None or outcome.reason.code != "SEND_UNKNOWN" or order.status in ORDER_FINAL


@given(_families())
def test_an_order_that_is_being_amended_is_over_only_when_it_is_filled(family: tuple[Order, list[ChildOrder]]) -> None:
    order, children = family
    order = replace(order, status=O.PENDING_AMEND, ending=None)

    outcome = outcome_of(order, children)

    assert outcome.status is (O.FILLED if order.filled_quantity >= order.quantity else O.PENDING_AMEND)


@given(_families())
def test_following_twice_is_following_once(family: tuple[Order, list[ChildOrder]]) -> None:
    order, children = family

    once = outcome_of(order, children)

    assert outcome_of(replace(order, status=once.status, reason=once.reason), children) == once
