"""Schedules that can't be kept are refused at intake, with the nearest that would do."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

import pytest

from models.algorithm import Adaptive, Algorithm, Iceberg, Pov, Twap, Vwap, algorithm_to_json
from models.errors import FieldError, InvalidRequest
from models.instrument import Instrument
from models.request import OrderRequest
from models.vocabulary import OrderType, Side
from risk.intake import admit

NOW = datetime(2030, 1, 31, 12, tzinfo=UTC)
D = Decimal
MINUTE_S = D(60)


def instrument(**changes: Any) -> Instrument:
    return Instrument(
        **{
            "venue": "paper", "symbol": "BTC/USDT", "base": "BTC", "quote": "USDT", "tick": D("0.01"),
            "lot": D("0.001"), "min_quantity": D("0.001"), "min_notional": D(10), "fetched_at": NOW, **changes,
        }
    )  # fmt: skip


def request(algorithm: Algorithm, quantity: str = "10", price: str | None = "100") -> OrderRequest:
    return OrderRequest(
        client_order_id="a", venue="paper", symbol="BTC/USDT", side=Side.BUY,
        type=OrderType.MARKET if price is None else OrderType.LIMIT, quantity=D(quantity),
        price=None if price is None else D(price), algorithm=algorithm_to_json(algorithm),
    )  # fmt: skip


def refusals(asked: OrderRequest, known: Instrument | None = None) -> list[FieldError]:
    try:
        admit(asked, known or instrument(), NOW)
    except InvalidRequest as refused:
        return list(refused.errors)
    return []


def twap(slices: int | None = 6, **more: Any) -> Twap:
    return Twap(duration_s=MINUTE_S, slices=slices, **more)


ADAPTIVE = Adaptive(duration_s=MINUTE_S, slices=6, risk_aversion=D("0.001"))


@pytest.mark.parametrize(
    "algorithm",
    [
        twap(),
        twap(start_at=NOW),
        twap(start_at=NOW - timedelta(seconds=10)),
        twap(start_at=NOW + timedelta(days=31)),
        Vwap(duration_s=MINUTE_S, profile=(D(1), D(2))),
        ADAPTIVE,
        Iceberg(display_quantity=D("0.1")),
        Iceberg(display_quantity=D(10)),
        Pov(participation=D("0.1"), duration_s=MINUTE_S, min_slice=D(10)),
        Pov(participation=D("0.1"), duration_s=MINUTE_S, min_slice=D("0.0001")),
    ],
    ids=str,
)
def test_what_can_be_kept_is_admitted(algorithm: Algorithm) -> None:
    assert refusals(request(algorithm)) == []


# what is asked, and the field, part of the rule, the value and the nearest of the one refusal
REFUSED: list[tuple[OrderRequest, str, str, str, str]] = [
    (request(twap(start_at=NOW - timedelta(seconds=11))), "algorithm.start_at", "not be in the past",
     "2030-01-31T11:59:49.000000Z", "2030-01-31T12:00:00.000000Z"),
    (request(twap(start_at=NOW + timedelta(days=32))), "algorithm.start_at", "within 31 days",
     "2030-03-04T12:00:00.000000Z", "2030-03-03T12:00:00.000000Z"),
    (request(twap(), "0.199"), "quantity", "can't be split: two slices are at least 0.2 BTC", "0.199", "0.2"),
    (request(ADAPTIVE, "0.15"), "quantity", "can't be split", "0.15", "0.2"),
    (request(twap(), "0.001", None), "quantity", "can't be split", "0.001", "0.002"),
    (request(Vwap(duration_s=MINUTE_S, slices=6, lookback_days=7), "0.15"), "quantity", "can't be split", "0.15", "0.2"),
    (request(twap(6), "0.005", None), "algorithm.slices", "at most 5: the quantity is 5 lots of 0.001 BTC", "6", "5"),
    (request(Iceberg(display_quantity=D("10.001"))), "algorithm.display_quantity", "at most the quantity, 10",
     "10.001", "10"),
    (request(Iceberg(display_quantity=D("0.0999"))), "algorithm.display_quantity", "at least 0.1 BTC", "0.0999", "0.1"),
    (request(Iceberg(display_quantity=D("0.0001"))), "algorithm.display_quantity", "at least 0.1 BTC", "0.0001", "0.1"),
    (request(Pov(participation=D("0.1"), duration_s=MINUTE_S, min_slice=D(11))), "algorithm.min_slice",
     "at most the quantity, 10", "11", "10"),
]  # fmt: skip


@pytest.mark.parametrize(("asked", "field", "rule", "value", "nearest"), REFUSED, ids=lambda part: str(part)[:40])
def test_what_can_not_be_kept_is_refused_with_the_nearest_that_would_do(
    asked: OrderRequest, field: str, rule: str, value: str, nearest: str
) -> None:
    (error,) = refusals(asked)

    assert error.field == field
    assert rule in error.rule
    assert (error.value, error.nearest) == (value, nearest)


def test_an_interval_that_makes_more_slots_than_lots_gives_fewer_slices() -> None:
    assert refusals(request(twap(None, interval_s=D(10)), "0.005", None)) == []


def test_slices_too_small_for_the_minimum_become_fewer() -> None:
    assert refusals(request(twap(60), "0.2")) == []


def test_one_slice_needs_no_split() -> None:
    assert refusals(request(twap(1), "0.15")) == []


def test_a_quantity_that_is_refused_by_itself_is_refused_once() -> None:
    assert [error.field for error in refusals(request(twap(), "0.05"))] == ["quantity"]
    assert [error.field for error in refusals(request(twap(), "0.0001"))] == ["quantity"]


def test_start_and_quantity_are_both_named() -> None:
    errors = refusals(request(twap(start_at=NOW - timedelta(days=1)), "0.15"))

    assert {error.field for error in errors} == {"algorithm.start_at", "quantity"}


def test_a_venue_without_a_lot_is_no_trouble() -> None:
    assert refusals(request(twap()), instrument(lot=D(0), min_quantity=D(0))) == []
