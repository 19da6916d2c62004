"""From what happened to points: rates in basis points, delays in milliseconds, and no guess where something is missing."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

import pytest

from accounting.anomalies.points import FillFacts, Place, delay_points, fee_point, slippage_point
from accounting.anomalies.series import SeriesKind

NOW = datetime(2030, 1, 1, tzinfo=UTC)
PLACE = Place(order_id="order-1", venue="paper", account="main", symbol="BTC/USDT")


def fill(**changes: Any) -> FillFacts:
    values: dict[str, Any] = {
        "quantity": Decimal(2), "cost": Decimal(60_000), "fee": Decimal(60), "fee_asset": "USDT", "liquidity": "taker",
        "traded_at": NOW, "booked_at": NOW,
    }  # fmt: skip
    return FillFacts(**{**values, **changes})


@pytest.mark.parametrize(
    ("changes", "rate"),
    [
        ({}, "10"),
        ({"fee": Decimal("0.002"), "fee_asset": "BTC"}, "10"),
        ({"fee": Decimal(-6)}, "-1"),  # a rebate
        ({"fee": Decimal(0)}, "0"),
        ({"fee_asset": "BNB"}, None),
        ({"fee_asset": None}, None),
        ({"cost": Decimal(0)}, None),
    ],
    ids=["quote", "base", "rebate", "none", "third", "unknown", "worthless"],
)
def test_a_fee_is_a_rate_of_what_it_was_taken_from(changes: dict[str, Any], rate: str | None) -> None:
    told = fee_point(PLACE, fill(**changes), base="BTC", quote="USDT")

    assert (told and told[1].value) == (rate and Decimal(rate))
    assert told is None or told[0].subject == "BTC/USDT taker"


def test_slippage_that_nobody_knows_is_no_point() -> None:
    assert slippage_point(PLACE, None, NOW) is None
    told = slippage_point(PLACE, Decimal("1.5"), NOW)
    assert told is not None
    assert (told[0].kind, told[1].value, told[1].source) == (SeriesKind.SLIPPAGE_BPS, Decimal("1.5"), "order-1")


@pytest.mark.parametrize(("rests", "kinds"), [(False, ["ack_ms", "fill_ms"]), (True, ["ack_ms"])])
def test_delays_are_milliseconds_and_what_rests_waits_for_the_market(rests: bool, kinds: list[str]) -> None:
    answered = NOW + timedelta(microseconds=1_500)
    told = list(
        delay_points(
            PLACE, intended_at=NOW, answered_at=answered, first_booked_at=answered + timedelta(seconds=1), rests=rests
        )
    )

    assert [key.kind.value for key, _ in told] == kinds
    assert [point.value for _, point in told] == [Decimal("1.5"), Decimal(1000)][: len(kinds)]


def test_a_delay_is_never_negative() -> None:
    told = delay_points(
        PLACE, intended_at=NOW, answered_at=NOW - timedelta(seconds=1), first_booked_at=None, rests=False
    )

    assert [point.value for _, point in told] == [0]
