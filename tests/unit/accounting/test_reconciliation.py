"""Balances: what stands, how bad it is, what is done; and that a correction makes both sides equal."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from accounting.correction import correction_legs
from accounting.legs import OWNED, AccountKind, AccountRef, moves, sum_per_asset
from accounting.reconciliation import BalanceSeen, Tolerance, differing, judge, seen, standing
from models.money import ZERO, add
from models.reconciliation import BreakAction, BreakSeverity

TOLERANCE = Tolerance(
    dust=Decimal("0.00000001"),
    absolute=Decimal("0.5"),
    relative=Decimal("0.001"),
    daily_absolute=Decimal(1),
    daily_relative=Decimal("0.005"),
)
amounts = st.decimals(min_value=0, max_value=10**9, places=8, allow_nan=False)
signed = st.decimals(min_value=-(10**9), max_value=10**9, places=8, allow_nan=False)
books = st.dictionaries(st.sampled_from(["BTC", "ETH", "USDT", "SOL"]), amounts)


def one(ours: str, theirs: str) -> BalanceSeen:
    return BalanceSeen(asset="BTC", ours=Decimal(ours), cached=None, theirs=Decimal(theirs))


@pytest.mark.parametrize(
    ("ours", "theirs", "corrected", "live", "severity", "action"),
    [
        ("1", "1.00000001", "0", False, "dust", "correct"),
        ("1", "1.00000002", "0", False, "tolerance", "correct"),
        ("1", "1.5", "0", False, "tolerance", "correct"),
        ("1", "1.50000001", "0", False, "critical", "freeze"),
        ("1000", "1001", "0", False, "tolerance", "correct"),  # a share of the larger side
        ("1000", "1001.1", "0", False, "critical", "freeze"),
        ("1001", "1000", "0", False, "tolerance", "correct"),
        ("1", "1.5", "0.5", False, "tolerance", "correct"),
        ("1", "1.5", "0.50000001", False, "critical", "freeze"),  # the day's cap
        ("1", "1.5", "0", True, "tolerance", "wait"),
        ("1", "9", "0", True, "critical", "freeze"),
        ("-1", "0", "0", False, "critical", "freeze"),  # what suspense lacks
        ("0", "0.00000001", "0", False, "dust", "correct"),
    ],
)
def test_a_standing_difference_is_judged_by_size_share_day_and_what_rests(
    ours: str, theirs: str, corrected: str, live: bool, severity: str, action: str
) -> None:
    verdict = judge(one(ours, theirs), TOLERANCE, corrected=Decimal(corrected), live=live)

    assert (verdict.severity, verdict.action) == (severity, action)


def test_an_almost_empty_account_may_be_corrected_by_an_atom_a_few_times_a_day() -> None:
    strict = Tolerance(dust=Decimal(1), absolute=ZERO, relative=ZERO, daily_absolute=ZERO, daily_relative=ZERO)

    assert judge(one("0", "1"), strict, corrected=Decimal(9), live=False).action is BreakAction.CORRECT
    assert judge(one("0", "1"), strict, corrected=Decimal(10), live=False).action is BreakAction.FREEZE


@given(ours=books, theirs=books)
def test_both_sides_are_judged_alike_whichever_has_more(ours: dict[str, Decimal], theirs: dict[str, Decimal]) -> None:
    there = {found.asset: found for found in seen(ours, None, theirs)}
    back = {found.asset: found for found in seen(theirs, None, ours)}

    assert there.keys() == back.keys()
    for asset, found in there.items():
        assert found.difference == -back[asset].difference
        first = judge(found, TOLERANCE, corrected=ZERO, live=False)
        assert first.severity is judge(back[asset], TOLERANCE, corrected=ZERO, live=False).severity


@given(ours=books)
def test_books_that_are_equal_have_no_difference(ours: dict[str, Decimal]) -> None:
    assert differing(seen(ours, ours, ours)) == []


@given(ours=books, theirs=books, first=books)
def test_only_what_is_the_same_in_both_looks_stands(
    ours: dict[str, Decimal], theirs: dict[str, Decimal], first: dict[str, Decimal]
) -> None:
    stand, unjudged = standing(first, seen(ours, None, theirs), frozenset({"ETH"}))

    assert all(first[found.asset] == found.difference != 0 for found in stand)
    assert "ETH" not in {found.asset for found in stand}
    assert set(unjudged) <= {"ETH"}


@given(difference=signed.filter(bool), available=amounts, suspense=signed, explained=st.booleans())
def test_a_correction_makes_the_total_the_venues_and_takes_nothing_that_is_not_there(
    difference: Decimal, available: Decimal, suspense: Decimal, explained: bool
) -> None:
    legs = correction_legs("BTC", difference, available=available, suspense=suspense, explained=explained)

    moved = moves(legs)
    owned = ZERO
    for account, amount in moved.items():
        owned = add(owned, amount) if account.kind in OWNED else owned
    assert owned == difference
    assert sum_per_asset(legs) == {"BTC": 0}
    left = add(available, moved.get(AccountRef("BTC", AccountKind.AVAILABLE), ZERO))
    assert left >= 0
    assert AccountRef("BTC", AccountKind.HOLD) not in moved
    if difference > 0 and not explained:
        assert left == available, "what nobody has explained is not spent"
    if difference < 0:
        short = add(suspense, moved.get(AccountRef("BTC", AccountKind.SUSPENSE), ZERO))
        assert short >= min(suspense, ZERO) or left == 0, "a debt is left only when nothing is available any more"


@given(ours=books, theirs=books)
def test_after_one_pass_a_second_finds_nothing(ours: dict[str, Decimal], theirs: dict[str, Decimal]) -> None:
    corrected = dict(ours)
    for found in differing(seen(ours, None, theirs)):
        corrected[found.asset] = add(found.ours, found.difference)

    assert differing(seen(corrected, None, theirs)) == []


@pytest.mark.parametrize(
    ("ours", "theirs", "digits", "within"),
    [
        ("100", "100", 0, True),
        ("100", "101", 0, False),
        ("1.0", "1.1", 1, True),
        ("1.00", "1.01", 2, True),
        ("1.000", "1.001", 3, True),
        ("0.00000001", "0.00000002", 8, True),
        ("1.0", "0.9", 1, True),
        ("-1.0", "-1.2", 1, False),
        ("0.00", "0.02", 2, False),
        ("100", "100.00002", 5, False),
        ("1.000000011", "1.0", 9, False),
    ],
)
def test_one_unit_of_the_last_digit_is_dust_and_whole_numbers_must_be_equal(
    ours: str, theirs: str, digits: int, within: bool
) -> None:
    dust = Decimal(1).scaleb(-digits) if digits else ZERO
    strict = Tolerance(dust=dust, absolute=ZERO, relative=ZERO, daily_absolute=Decimal(10**6), daily_relative=ZERO)

    for left, right in ((ours, theirs), (theirs, ours)):
        found = differing([one(left, right)])
        severities = {judge(each, strict, corrected=ZERO, live=False).severity for each in found}
        assert (severities <= {BreakSeverity.DUST}) is within


def test_the_words_of_severity_are_those_of_the_contract() -> None:
    words: list[Any] = list(BreakSeverity)
    assert words == ["dust", "tolerance", "critical"]
