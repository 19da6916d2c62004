"""The smallest order: a multiple of the lot, worth the minimum, and not one lot more than that."""

from __future__ import annotations

from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from models.minimum import smallest_quantity

D = Decimal


@pytest.mark.parametrize(
    ("lot", "min_quantity", "min_notional", "price", "smallest"),
    [
        ("0.001", "0", "0", "100", "0.001"),
        ("0.001", "0.0015", "0", "100", "0.002"),
        ("0.001", "0", "10", "100", "0.1"),
        ("0.001", "0", "10", "3", "3.334"),
        ("0.001", "0.5", "10", "100", "0.5"),
        ("0.001", "0.5", "10", None, "0.5"),
        ("1", "0", "10", "100", "1"),
    ],
)
def test_table(lot: str, min_quantity: str, min_notional: str, price: str | None, smallest: str) -> None:
    found = smallest_quantity(D(lot), D(min_quantity), D(min_notional), None if price is None else D(price))

    assert found == D(smallest)


@given(
    st.sampled_from([D(1), D("0.001"), D("0.00000001"), D("0.25")]),
    st.decimals(0, 100, places=8),
    st.decimals(0, 1000, places=4),
    st.decimals(D("0.00000001"), D(10**7), places=8),
)
def test_one_lot_less_would_not_do(lot: Decimal, least: Decimal, notional: Decimal, price: Decimal) -> None:
    smallest = smallest_quantity(lot, least, notional, price)

    assert smallest % lot == 0
    assert smallest >= max(lot, least)
    assert smallest * price >= notional
    fewer = smallest - lot
    assert fewer <= 0 or fewer < least or fewer * price < notional
