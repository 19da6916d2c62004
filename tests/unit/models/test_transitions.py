"""The table of legal moves: what contract 2 says of it, row by row."""

from __future__ import annotations

import pytest

from models.transitions import (
    CHILD_AT_VENUE,
    CHILD_FINAL,
    CHILD_IN_DOUBT,
    CHILD_LIVE,
    CHILD_TRANSITIONS,
    ORDER_FINAL,
    ORDER_TRANSITIONS,
    ORDER_UNSENT,
    IllegalTransition,
    assert_legal,
)
from models.vocabulary import ChildStatus as C
from models.vocabulary import OrderStatus as O

BOTH = [(ORDER_TRANSITIONS, O, O.RECEIVED), (CHILD_TRANSITIONS, C, C.PLANNED)]


@pytest.mark.parametrize(("moves", "words", "start"), BOTH, ids=["order", "child"])
def test_every_status_has_a_row_and_can_be_reached(moves, words, start) -> None:  # type: ignore[no-untyped-def]
    reached = {start}
    for _ in words:
        reached |= {target for source in reached for target in moves[source]}

    assert set(moves) == set(words) == reached


@pytest.mark.parametrize(("moves", "words", "start"), BOTH, ids=["order", "child"])
def test_assert_legal_takes_the_table_and_staying_and_nothing_else(moves, words, start) -> None:  # type: ignore[no-untyped-def]
    for source in words:
        for target in words:
            if target == source or target in moves[source]:
                assert_legal(source, target)
            else:
                with pytest.raises(IllegalTransition):
                    assert_legal(source, target)


def test_every_order_that_has_not_ended_can_end() -> None:
    for status in set(O) - ORDER_FINAL:
        assert ORDER_TRANSITIONS[status] & ORDER_FINAL


def test_what_has_ended_moves_only_for_what_the_venue_traded_after_all() -> None:
    for status in ORDER_FINAL - {O.FAILED}:
        assert ORDER_TRANSITIONS[status] <= {O.PARTIALLY_FILLED, O.FILLED}
    assert ORDER_TRANSITIONS[O.FILLED] == CHILD_TRANSITIONS[C.FILLED] == frozenset()


def test_denied_is_never_reached_from_where_something_filled() -> None:
    """DENIED is said by us before anything was traded; a partly filled order is never denied."""
    sources = {source for source, targets in ORDER_TRANSITIONS.items() if O.DENIED in targets}

    assert sources <= ORDER_UNSENT | {O.WORKING}


def test_a_child_is_planned_live_or_final_and_live_ones_are_in_doubt_or_at_the_venue() -> None:
    assert {C.PLANNED} | CHILD_LIVE | CHILD_FINAL == set(C)
    assert not CHILD_LIVE & CHILD_FINAL
    assert CHILD_IN_DOUBT | CHILD_AT_VENUE == CHILD_LIVE
    assert not CHILD_IN_DOUBT & CHILD_AT_VENUE


def test_only_an_intent_leads_from_planned_to_a_send() -> None:
    assert {source for source, targets in CHILD_TRANSITIONS.items() if C.SUBMITTING in targets} == {C.PLANNED}
    assert {source for source, targets in CHILD_TRANSITIONS.items() if C.PLANNED in targets} == CHILD_IN_DOUBT
