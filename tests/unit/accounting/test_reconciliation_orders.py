"""Orders: what does not agree between our rows and the venue's lists, and what proves nothing."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from accounting.reconciliation_orders import OrderBreak, OrderProblem, order_breaks
from models.order import ChildOrder
from models.reports import OrderReport, VenueStatus
from models.vocabulary import ChildStatus
from tests.support.order_values import make_child, make_report

Case = tuple[list[ChildOrder], list[OrderReport], dict[str, OrderReport | None], list[str]]

CHILD = make_child()
OURS = CHILD.venue_client_order_id


def compare(
    children: list[ChildOrder], shown: list[OrderReport], asked: dict[str, OrderReport | None]
) -> list[OrderBreak]:
    return order_breaks(children, shown, asked, lambda client_id: client_id.startswith("ours-"))


def child(**changes: Any) -> ChildOrder:
    return make_child(**changes)


CASES: dict[str, Case] = {
    "rests here and there": ([CHILD], [make_report()], {}, []),
    "not in the list and not asked for: it may be over": ([CHILD], [], {}, []),
    "the venue does not know it": ([CHILD], [], {"v-1": None}, ["not_at_venue"]),
    "ended there, and our row is about to follow": ([CHILD], [], {"v-1": make_report(status=VenueStatus.CANCELED)}, []),
    "filled there, and its trades are not shown": (
        [CHILD],
        [],
        {"v-1": make_report(status=VenueStatus.FILLED, filled_quantity=Decimal(1))},
        ["trades_missing"],
    ),
    "more booked than the venue tells": (
        [child(filled_quantity=Decimal(100), quantity=Decimal(150))],
        [make_report(filled_quantity=Decimal(75), quantity=Decimal(150))],
        {},
        ["overbooked"],
    ),
    "another quantity rests": ([CHILD], [make_report(quantity=Decimal(2))], {}, ["other_quantity"]),
    "a quantity that the venue does not tell": ([CHILD], [make_report(quantity=None)], {}, []),
    "somebody else's": ([], [make_report(client_order_id="by-hand")], {}, ["foreign"]),
    "somebody else's without a client id": ([], [make_report()], {}, ["foreign"]),
    "ours by its id, and on no row": ([], [make_report(client_order_id="ours-7")], {}, ["not_on_record"]),
    "ended here, rests there": ([child(status=ChildStatus.CANCELED)], [make_report()], {}, ["rests_after_end"]),
    "a second one under our id": ([CHILD], [make_report(), make_report(venue_order_id="v-2", client_order_id=OURS)], {}, ["second"]),
    "sent without an answer: its lookup finds it": (
        [child(status=ChildStatus.UNKNOWN, venue_order_id=None)],
        [make_report(client_order_id=OURS)],
        {},
        [],
    ),
    "being cancelled: not found proves nothing": ([child(status=ChildStatus.PENDING_CANCEL)], [], {"v-1": None}, []),
    "being amended: its size is in other hands": (
        [child(status=ChildStatus.PENDING_AMEND)],
        [make_report(quantity=Decimal(2))],
        {},
        [],
    ),
    "the same id in another symbol is another order": (
        [CHILD],
        [make_report(), make_report(symbol="ETH/USDT")],
        {},
        ["foreign"],
    ),
}  # fmt: skip


@pytest.mark.parametrize("case", CASES)
def test_what_does_not_agree(case: str) -> None:
    children, shown, asked, problems = CASES[case]

    assert [one.problem for one in compare(children, shown, asked)] == problems


def test_what_is_not_ours_is_told_and_everything_else_stops_the_account() -> None:
    for children, shown, asked, _ in CASES.values():
        for one in compare(children, shown, asked):
            stops = one.problem is not OrderProblem.FOREIGN
            assert (one.severity, one.action) == (("critical", "freeze") if stops else ("tolerance", "report"))
            assert one.message.startswith(f"order {one.venue_order_id} in {one.symbol}: ")


statuses = st.sampled_from(list(ChildStatus))
filled = st.decimals(min_value=0, max_value=1, places=3)


@given(
    children=st.lists(st.tuples(statuses, filled), max_size=5),
    shown=st.lists(st.tuples(st.integers(0, 6), filled), max_size=6, unique_by=lambda pair: pair[0]),
    gone=st.sets(st.integers(0, 6)),
)
def test_a_look_is_the_same_whatever_the_order_of_rows(
    children: list[tuple[ChildStatus, Decimal]], shown: list[tuple[int, Decimal]], gone: set[int]
) -> None:
    rows = [
        make_child(slice=number, venue_order_id=f"v-{number}", status=status, filled_quantity=amount)
        for number, (status, amount) in enumerate(children)
    ]
    listed = [make_report(venue_order_id=f"v-{number}", filled_quantity=amount) for number, amount in shown]
    asked: dict[str, OrderReport | None] = {f"v-{number}": None for number in gone}

    found = compare(rows, listed, asked)

    assert found == compare(rows[::-1], listed[::-1], dict(reversed(asked.items())))
    assert len({one.key for one in found}) == len(found)
    agreeing = [make_report(venue_order_id=row.venue_order_id, filled_quantity=row.filled_quantity) for row in rows]
    assert all(one.problem is OrderProblem.RESTS_AFTER_END for one in compare(rows, agreeing, {}))
