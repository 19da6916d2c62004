"""What a report makes of a child, whatever is told, in whatever order."""

from __future__ import annotations

from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from models.applying import lacks_trades, status_after
from models.money import average
from models.reports import OrderReport, VenueStatus
from models.transitions import CHILD_FINAL, CHILD_LIVE, assert_legal
from models.vocabulary import ChildStatus as C
from tests.support.order_values import make_child, make_report

V = VenueStatus
ENDS = [status for status in V if status is not V.OPEN]

#: status of the child, word of the venue, filled by its word, booked (of 1) -> status
TABLE = [
    (C.SUBMITTING, V.OPEN, "0", "0", C.ACCEPTED),
    (C.UNKNOWN, V.OPEN, "0", "0", C.ACCEPTED),
    (C.UNKNOWN, V.OPEN, "0.4", "0.4", C.PARTIALLY_FILLED),
    (C.UNKNOWN, V.FILLED, "1", "1", C.FILLED),
    (C.UNKNOWN, V.REJECTED, "0", "0", C.REJECTED),
    (C.ACCEPTED, V.OPEN, "0.4", "0", C.ACCEPTED),
    (C.ACCEPTED, V.FILLED, "1", "0.4", C.PARTIALLY_FILLED),
    (C.ACCEPTED, V.CANCELED, "0.4", "0", C.ACCEPTED),
    (C.ACCEPTED, V.CANCELED, "0.4", "0.4", C.CANCELED),
    (C.ACCEPTED, V.EXPIRED, "0", "0", C.EXPIRED),
    (C.ACCEPTED, V.REJECTED, "0", "0", C.REJECTED),
    (C.PARTIALLY_FILLED, V.REJECTED, "0", "0.4", C.CANCELED),
    (C.PENDING_CANCEL, V.OPEN, "0.4", "0.4", C.PENDING_CANCEL),
    (C.PENDING_CANCEL, V.CANCELED, "0.4", "0", C.PENDING_CANCEL),
    (C.PENDING_CANCEL, V.CANCELED, "0.4", "0.4", C.CANCELED),
    (C.PENDING_CANCEL, V.FILLED, "1", "1", C.FILLED),
    (C.CANCELED, V.OPEN, "0", "0", C.CANCELED),
    (C.CANCELED, V.OPEN, "0.4", "0.4", C.CANCELED),
    (C.CANCELED, V.FILLED, "1", "1", C.FILLED),
    (C.EXPIRED, V.OPEN, "0", "0", C.EXPIRED),
    (C.FILLED, V.OPEN, "0", "1", C.FILLED),
    (C.REJECTED, V.OPEN, "0.4", "0.4", C.PARTIALLY_FILLED),
    (C.REJECTED, V.CANCELED, "0", "0", C.REJECTED),
]


@pytest.mark.parametrize(("before", "word", "told", "booked", "after"), TABLE)
def test_a_report_moves_a_child(before: C, word: V, told: str, booked: str, after: C) -> None:
    report = make_report(status=word, filled_quantity=Decimal(told))

    assert status_after(make_child(status=before), report, Decimal(booked)) is after


#: What barter-rs holds of a snapshot that meets an order it tracks, in our words; those of its cases that an order of ours
#: can meet (a cancel under way is ours alone to know, so that no report tells of one).
SNAPSHOTS = [
    (C.SUBMITTING, V.FILLED, "1", C.FILLED),
    (C.SUBMITTING, V.EXPIRED, "0", C.EXPIRED),
    (C.ACCEPTED, V.FILLED, "1", C.FILLED),
    (C.ACCEPTED, V.EXPIRED, "0", C.EXPIRED),
    (C.PENDING_CANCEL, V.FILLED, "1", C.FILLED),
    (C.PENDING_CANCEL, V.EXPIRED, "0", C.EXPIRED),
    (C.SUBMITTING, V.OPEN, "1", C.FILLED),  # called open, and all of it is filled
    (C.ACCEPTED, V.OPEN, "0.5", C.PARTIALLY_FILLED),  # the newer of two
    (C.PENDING_CANCEL, V.OPEN, "0", C.PENDING_CANCEL),  # one that still shows it open takes no cancel back
    (C.PENDING_CANCEL, V.OPEN, "0.5", C.PENDING_CANCEL),
]


@pytest.mark.parametrize(("tracked", "word", "filled", "after"), SNAPSHOTS)
def test_a_snapshot_is_merged_into_what_is_known(tracked: C, word: V, filled: str, after: C) -> None:
    report = make_report(status=word, filled_quantity=Decimal(filled))

    assert status_after(make_child(status=tracked), report, Decimal(filled)) is after


@pytest.mark.parametrize("newer", ["0.5", "0.9"])
def test_an_older_snapshot_takes_nothing_back(newer: str) -> None:
    """What is booked stays booked: an older word of less neither lowers it nor opens what has ended."""
    older = make_report(status=V.OPEN, filled_quantity=Decimal("0.1"))

    assert status_after(make_child(status=C.PARTIALLY_FILLED), older, Decimal(newer)) is C.PARTIALLY_FILLED
    assert status_after(make_child(status=C.CANCELED), older, Decimal(newer)) is C.CANCELED


def test_an_order_whose_cancel_is_under_way_is_open_and_not_done() -> None:
    assert C.PENDING_CANCEL in CHILD_LIVE
    assert C.PENDING_CANCEL not in CHILD_FINAL


def test_two_fills_add_up_to_an_average_price() -> None:
    """500 at 0.5 and 500 at 1.0 are 1000 for 750."""
    fills = [(Decimal(500), Decimal("0.5")), (Decimal(500), Decimal("1.0"))]
    filled, cost = sum(q for q, _ in fills), sum(q * p for q, p in fills)

    assert (filled, cost, average(Decimal(cost), Decimal(filled))) == (1000, 750, Decimal("0.75"))
    child = make_child(status=C.PARTIALLY_FILLED, quantity=Decimal(1000))
    assert status_after(child, make_report(status=V.OPEN, filled_quantity=Decimal(1000)), Decimal(filled)) is C.FILLED


tenths = st.integers(0, 12).map(lambda number: Decimal(number) / 10)


@given(before=st.sampled_from(list(C)), word=st.sampled_from(list(V)), told=tenths, booked=tenths)
def test_whatever_is_told_the_move_is_legal(before: C, word: V, told: Decimal, booked: Decimal) -> None:
    if before is C.FILLED:
        booked = max(booked, Decimal(1))
    if before is C.PARTIALLY_FILLED:
        booked = max(booked, Decimal("0.1"))
    child = make_child(status=before)

    after = status_after(child, make_report(status=word, filled_quantity=told), booked)

    assert_legal(before, after)
    assert (after is C.FILLED) == (booked >= child.quantity)


@given(before=st.sampled_from(list(C)), word=st.sampled_from(list(V)), told=tenths, booked=tenths)
def test_an_end_counts_only_when_every_fill_that_was_told_is_booked(
    before: C, word: V, told: Decimal, booked: Decimal
) -> None:
    report = make_report(status=word, filled_quantity=told)

    after = status_after(make_child(status=before), report, booked)

    if before not in CHILD_FINAL and after in CHILD_FINAL:
        assert not lacks_trades(report, booked) or booked >= 1


@given(before=st.sampled_from(sorted(CHILD_FINAL - {C.REJECTED})), word=st.sampled_from(list(V)), booked=tenths)
def test_an_older_report_never_reopens_what_has_ended(before: C, word: V, booked: Decimal) -> None:
    after = status_after(make_child(status=before), make_report(status=word), booked)

    assert after in CHILD_FINAL


@st.composite
def _histories(draw: st.DrawFn) -> tuple[list[Decimal], V, list[tuple[int, int, bool]]]:
    """Fills of 1 in tenths, the end, and looks at it: (fills told, trades shown, ended by then)."""
    fills = draw(st.lists(st.integers(1, 4).map(lambda number: Decimal(number) / 10), max_size=5))
    while sum(fills) > 1:
        fills.pop()
    end = draw(st.sampled_from([V.CANCELED, V.EXPIRED])) if sum(fills) < 1 else V.FILLED
    look = st.integers(0, len(fills)).flatmap(
        lambda told: st.tuples(
            st.just(told), st.integers(0, told), st.booleans() if told == len(fills) else st.just(False)
        )
    )
    return fills, end, draw(st.lists(look, max_size=8))


@given(history=_histories(), start=st.sampled_from([C.SUBMITTING, C.UNKNOWN, C.ACCEPTED, C.PENDING_CANCEL]))
def test_in_whatever_order_reports_come_the_child_ends_the_same(
    history: tuple[list[Decimal], V, list[tuple[int, int, bool]]], start: C
) -> None:
    fills, end, looks = history
    last = (len(fills), len(fills), True)
    status, known = start, 0
    total = sum(fills, Decimal(0))

    for told, shown, ended in [*looks, last, *looks]:
        known = max(known, shown)
        booked = sum(fills[:known], Decimal(0))
        report: OrderReport = make_report(
            status=end if ended else V.OPEN, filled_quantity=sum(fills[:told], Decimal(0))
        )
        after = status_after(make_child(status=status), report, booked)
        assert_legal(status, after)
        assert not (after in CHILD_FINAL and status not in CHILD_FINAL) or booked == total
        status = after

    expected = {V.FILLED: C.FILLED, V.CANCELED: C.CANCELED, V.EXPIRED: C.EXPIRED}[end]
    assert (status, sum(fills[:known], Decimal(0))) == (expected, total)
