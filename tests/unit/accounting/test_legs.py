"""A leg is balanced by construction, and what would not be can't be made."""

from decimal import Decimal

import pytest

from accounting.legs import AccountKind, AccountRef, Leg, assert_balanced, moves, sum_per_asset

AVAILABLE = AccountRef("USDT", AccountKind.AVAILABLE)
HOLD = AccountRef("USDT", AccountKind.HOLD)
BTC = AccountRef("BTC", AccountKind.AVAILABLE)


def test_a_leg_moves_its_amount_from_credit_to_debit() -> None:
    legs = [
        Leg(debit=HOLD, credit=AVAILABLE, amount=Decimal("1.5")),
        Leg(debit=AVAILABLE, credit=HOLD, amount=Decimal("0.5")),
    ]
    assert moves(legs) == {HOLD: Decimal("1.0"), AVAILABLE: Decimal("-1.0")}
    assert sum_per_asset(legs) == {"USDT": 0}
    assert_balanced(legs)


@pytest.mark.parametrize(
    ("debit", "credit", "amount"),
    [
        (HOLD, HOLD, Decimal(1)),
        (BTC, AVAILABLE, Decimal(1)),
        (HOLD, AVAILABLE, Decimal(0)),
        (HOLD, AVAILABLE, Decimal(-1)),
        (HOLD, AVAILABLE, Decimal("NaN")),
        (HOLD, AVAILABLE, Decimal("Infinity")),
    ],
)
def test_a_leg_that_could_not_balance_is_refused(debit: AccountRef, credit: AccountRef, amount: Decimal) -> None:
    with pytest.raises(ValueError, match="a leg"):
        Leg(debit=debit, credit=credit, amount=amount)
