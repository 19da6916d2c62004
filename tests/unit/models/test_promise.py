"""Promise 1: filled + open + unknown + about to be sent is never more than the order."""

from __future__ import annotations

from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from models.order import ChildOrder
from models.promise import PromiseBroken, assert_one_effect, exposure
from models.vocabulary import ChildStatus as C
from tests.support.order_values import make_child, make_order


def child(slice_number: int, attempt: int, status: C, quantity: str, filled: str = "0") -> ChildOrder:
    return make_child(
        slice=slice_number, attempt=attempt, status=status, quantity=Decimal(quantity), filled_quantity=Decimal(filled)
    )


#: other children of an order of 1, and the quantity about to be sent as slice 0, attempt 2
ALLOWED = {
    "nothing else": ([], "1"),
    "an attempt that filled in part": ([child(0, 1, C.CANCELED, "1", "0.4")], "0.6"),
    "an attempt that was rejected": ([child(0, 1, C.REJECTED, "1")], "1"),
    "another slice at the venue": ([child(1, 1, C.ACCEPTED, "0.5")], "0.5"),
    "another slice that is only planned": ([child(1, 1, C.PLANNED, "0.5")], "1"),
}
REFUSED = {
    "more than the order": ([], "1.1"),
    "more than what an attempt left": ([child(0, 1, C.CANCELED, "1", "0.4")], "0.7"),
    "a slice in doubt counts whole": ([child(1, 1, C.UNKNOWN, "0.6")], "0.5"),
    "a slice about to be sent counts whole": ([child(1, 1, C.SUBMITTING, "0.6")], "0.5"),
    "a slice partly filled counts whole": ([child(1, 1, C.PARTIALLY_FILLED, "0.6", "0.1")], "0.5"),
    "a slice being canceled counts whole": ([child(1, 1, C.PENDING_CANCEL, "0.6", "0.1")], "0.5"),
    "an earlier attempt still planned": ([child(0, 1, C.PLANNED, "0.1")], "0.1"),
    "an earlier attempt in doubt": ([child(0, 1, C.UNKNOWN, "0.1")], "0.1"),
    "an earlier attempt at the venue": ([child(0, 1, C.ACCEPTED, "0.1")], "0.1"),
}


@pytest.mark.parametrize("case", ALLOWED)
def test_what_keeps_the_promise_may_be_sent(case: str) -> None:
    others, quantity = ALLOWED[case]
    about = child(0, 2, C.PLANNED, quantity)

    assert_one_effect(make_order(), [*others, about], about)


@pytest.mark.parametrize("case", REFUSED)
def test_what_could_trade_more_is_never_sent(case: str) -> None:
    others, quantity = REFUSED[case]
    about = child(0, 2, C.PLANNED, quantity)

    with pytest.raises(PromiseBroken):
        assert_one_effect(make_order(), [*others, about], about)


tenths = st.integers(1, 10).map(lambda number: Decimal(number) / 10)


@given(st.lists(st.tuples(st.sampled_from(list(C)), tenths, st.integers(0, 10)), max_size=5), tenths)
def test_what_is_sent_plus_all_that_can_trade_is_never_over_the_order(
    others: list[tuple[C, Decimal, int]], quantity: Decimal
) -> None:
    children = [
        make_child(slice=number, status=status, quantity=size, filled_quantity=size * part / 10)
        for number, (status, size, part) in enumerate(others, start=1)
    ]
    about = make_child(status=C.PLANNED, quantity=quantity)
    try:
        assert_one_effect(make_order(), [*children, about], about)
    except PromiseBroken:
        assert exposure(children) + quantity > 1
    else:
        worst = sum(
            (one.filled_quantity if one.is_final else one.quantity for one in children if one.status != C.PLANNED),
            Decimal(0),
        )
        assert worst + quantity <= 1
