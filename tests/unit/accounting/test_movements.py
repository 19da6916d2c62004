"""A movement changes what we own by its own amount and fee, less what was taken over before; nothing goes below zero."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from accounting.legs import NEVER_NEGATIVE, OWNED, AccountKind, AccountRef, Leg, moves, sum_per_asset
from accounting.movements import Explained, movement_legs, returned_legs
from models.movement import Movement, MovementKind, MovementStatus

NOW = datetime(2030, 1, 1, tzinfo=UTC)
D = Decimal
NOTHING = D(0)


def movement(amount: Decimal, fee: Decimal = NOTHING, **more: object) -> Movement:
    kind = MovementKind.DEPOSIT if amount > 0 else MovementKind.WITHDRAWAL
    values: dict[str, object] = {"kind": kind, "status": MovementStatus.DONE, "begun_at": NOW, **more}
    return Movement(venue_id="1", asset="USDT", amount=amount, fee=fee, **values)  # type: ignore[arg-type]


amounts = st.decimals("0.00000001", "500", places=8)
none_or_amounts = st.just(D(0)) | amounts
shares = st.decimals("0", "1", places=2)


@given(
    size=amounts, leaves=st.booleans(), fee=none_or_amounts, available=none_or_amounts,
    suspense=st.decimals("-500", "500", places=8), adopted=shares, corrected=shares,
)  # fmt: skip
def test_what_we_own_changes_by_what_moved_less_what_was_taken_over(
    size: Decimal,
    leaves: bool,
    fee: Decimal,
    available: Decimal,
    suspense: Decimal,
    adopted: Decimal,
    corrected: Decimal,
) -> None:
    sign = -1 if leaves else 1
    one = (size * adopted).quantize(D("0.00000001"))
    other = ((size - one) * corrected).quantize(D("0.00000001"))
    explained = Explained(adopted=sign * one, corrected=sign * other)

    booked = movement_legs(movement(sign * size, fee), available=available, suspense=suspense, explained=explained)

    balances = {AccountKind.AVAILABLE: available, AccountKind.SUSPENSE: suspense}
    for leg in booked.legs:
        for account, change in moves([leg]).items():
            balances[account.kind] = balances.get(account.kind, D(0)) + change
            assert account.kind not in NEVER_NEGATIVE or balances[account.kind] >= 0
    assert all(total == 0 for total in sum_per_asset(booked.legs).values())
    owned = sum((balances.get(kind, D(0)) for kind in OWNED), D(0)) - available - suspense
    assert owned == sign * size - fee - sign * (one + other)
    assert balances.get(AccountKind.FEE, D(0)) == fee
    # Suspense fell by what was taken back out of it, rose by a debt that was paid, and covered the rest.
    covered = suspense - balances[AccountKind.SUSPENSE]
    if leaves:
        covered += min(other, max(D(0), -suspense))
    else:
        covered -= min(other, max(D(0), suspense))
    assert covered == (booked.shortfall.amount if booked.shortfall else 0)


def test_a_deposit_whose_rise_waits_in_suspense_by_a_correction_becomes_available() -> None:
    booked = movement_legs(movement(D(10)), available=D(0), suspense=D(10), explained=Explained(corrected=D(10)))
    suspense, available, outside = (
        AccountRef("USDT", kind) for kind in (AccountKind.SUSPENSE, AccountKind.AVAILABLE, AccountKind.EXTERNAL)
    )
    assert booked.legs == (
        Leg(debit=available, credit=outside, amount=D(10)),
        Leg(debit=outside, credit=suspense, amount=D(10)),
    )


def test_a_withdrawal_that_came_back_is_taken_back_with_its_fee() -> None:
    gone = movement_legs(movement(D(-10), D("0.5")), available=D(100), suspense=D(0)).legs
    back = returned_legs(movement(D(-10), D("0.5")))
    assert all(change == 0 for change in moves([*gone, *back]).values())


@pytest.mark.parametrize(
    ("kind", "amount", "status", "counts"),
    [
        (MovementKind.DEPOSIT, D(1), MovementStatus.PENDING, False),
        (MovementKind.DEPOSIT, D(1), MovementStatus.DONE, True),
        (MovementKind.DEPOSIT, D(1), MovementStatus.FAILED, False),
        (MovementKind.WITHDRAWAL, D(-1), MovementStatus.PENDING, True),
        (MovementKind.WITHDRAWAL, D(-1), MovementStatus.DONE, True),
        (MovementKind.WITHDRAWAL, D(-1), MovementStatus.FAILED, False),
        (MovementKind.TRANSFER, D(-1), MovementStatus.PENDING, False),
        (MovementKind.TRANSFER, D(1), MovementStatus.DONE, True),
    ],
)
def test_what_leaves_is_gone_at_once_and_what_comes_in_is_there_when_it_is_done(
    kind: MovementKind, amount: Decimal, status: MovementStatus, counts: bool
) -> None:
    assert movement(amount, kind=kind, status=status).counts is counts


def test_the_moment_of_the_credit_decides_whether_the_opening_held_a_deposit() -> None:
    later = NOW + timedelta(minutes=5)
    assert movement(D(1), begun_at=NOW, settled_at=later).is_before(NOW + timedelta(minutes=9))
    assert not movement(D(1), begun_at=NOW, settled_at=later).is_before(NOW + timedelta(minutes=1))
    assert movement(D(1), begun_at=NOW).is_before(NOW + timedelta(minutes=1)), "in doubt it is in the opening"
    assert movement(D(-1), begun_at=NOW, settled_at=later).is_before(NOW + timedelta(minutes=1)), "it had left already"


@pytest.mark.parametrize(("amount", "fee"), [(D(0), D(0)), (D(1), D("-0.1"))])
def test_what_moves_nothing_is_no_movement(amount: Decimal, fee: Decimal) -> None:
    with pytest.raises(ValueError, match="amount and no negative fee"):
        movement(amount, fee)
