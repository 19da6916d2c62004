"""Pre-trade checks: each votes, the first no counts."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import pytest

from models.instrument import Instrument
from models.vocabulary import OrderType
from risk.checks import CHECKS, DENIAL_CODES, Circumstances, denial
from tests.support.order_values import NOW, make_order


def circumstances(*, halted: str | None = None, frozen: str | None = None, **changes: Any) -> Circumstances:
    values: dict[str, Any] = {
        "venue": "paper", "symbol": "BTC/USDT", "base": "BTC", "quote": "USDT", "tick": Decimal("0.01"),
        "lot": Decimal("0.0001"), "min_quantity": Decimal("0.0001"), "max_quantity": None,
        "min_notional": Decimal(10), "fetched_at": NOW,
    }  # fmt: skip
    return Circumstances(instrument=Instrument(**{**values, **changes}), halted=halted, frozen=frozen)


SMALL: dict[str, Any] = {"quantity": Decimal("0.0003"), "arrival_price": Decimal(30_000)}

CASES: dict[str, tuple[dict[str, Any], dict[str, Any], str | None]] = {
    "all agree": ({}, {}, None),
    "a halt": ({}, {"halted": "new sends are halted for all venues"}, "HALTED"),
    "a frozen asset": ({}, {"frozen": "BTC of paper (main) is frozen"}, "ACCOUNT_FROZEN"),
    "a halt before a freeze": ({}, {"halted": "halted", "frozen": "frozen"}, "HALTED"),
    "an instrument that is not traded": ({}, {"active": False}, "INSTRUMENT_INACTIVE"),
    "a market order under the minimum": (SMALL, {}, "NOTIONAL_TOO_SMALL"),
    "a market order of exactly the minimum": (SMALL, {"min_notional": Decimal(9)}, None),
    "a limit order, which intake has checked": (SMALL | {"type": OrderType.LIMIT, "price": Decimal(1)}, {}, None),
    "a market that showed no price": (SMALL | {"arrival_price": None}, {}, None),
    "a halt before all else": (SMALL, {"halted": "halted", "active": False}, "HALTED"),
}


@pytest.mark.parametrize("case", CASES)
def test_denial(case: str) -> None:
    order, now, code = CASES[case]

    no = denial(make_order(**order), circumstances(**now))

    assert (no and no.code) == code


def test_a_no_is_a_sentence_with_the_numbers_in_it() -> None:
    no = denial(make_order(**SMALL), circumstances())

    assert no is not None
    assert all(part in no.message for part in ("0.0003 BTC", "9 USDT", "10 USDT"))


def test_every_code_is_listed() -> None:
    found = set()
    for order, now, _ in CASES.values():
        for check in CHECKS:
            no = check(make_order(**order), circumstances(**now))
            found |= {no.code} if no else set()

    assert found <= set(DENIAL_CODES)
