"""What request, configuration and instruments decide at intake: rounding, bounds, and the nearest value that would do."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from models.errors import FieldError, InvalidRequest
from models.instrument import Instrument
from models.request import OrderRequest
from models.vocabulary import OrderType, Side
from risk.intake import admit, check_route

NOW = datetime(2030, 1, 31, 12, tzinfo=UTC)
ACCOUNTS = {"paper": {"main", "desk2"}, "binance": {"main"}}
D = Decimal


def instrument(**changes: Any) -> Instrument:
    return Instrument(
        **{
            "venue": "paper", "symbol": "BTC/USDT", "base": "BTC", "quote": "USDT", "tick": D("0.01"),
            "lot": D("0.0001"), "min_quantity": D("0.0002"), "max_quantity": D(100), "max_market_quantity": D(10),
            "min_price": D("0.01"), "max_price": D(1_000_000), "min_notional": D(5), "max_notional": D(9_000_000),
            "fetched_at": NOW, **changes,
        }
    )  # fmt: skip


def request(**changes: Any) -> OrderRequest:
    values = {
        "client_order_id": "a", "venue": "paper", "symbol": "BTC/USDT", "side": Side.BUY, "type": OrderType.LIMIT,
        "quantity": D(1), "price": D(100), **changes,
    }  # fmt: skip
    if values["type"] is OrderType.MARKET:
        values["price"] = None
    return OrderRequest(**values)


def refusals(asked: OrderRequest, known: Instrument | None) -> list[FieldError]:
    with pytest.raises(InvalidRequest) as refused:
        admit(asked, known, NOW, symbols=lambda: ["BTC/USDT", "ETH/USDT"])
    return list(refused.value.errors)


@pytest.mark.parametrize(
    ("side", "price", "rounded"),
    [
        (Side.BUY, "100.019", "100.01"),
        (Side.SELL, "100.011", "100.02"),
        (Side.BUY, "100.01", "100.01"),
        (Side.SELL, "100.01", "100.01"),
    ],
)
def test_the_price_is_rounded_in_the_customers_favour(side: Side, price: str, rounded: str) -> None:
    assert admit(request(side=side, price=D(price)), instrument(), NOW).price == D(rounded)


@pytest.mark.parametrize(
    ("asked", "rounded"), [("1", "1"), ("0.12349", "0.1234"), ("0.050099999999999999", "0.05"), ("100.00009", "100")]
)
def test_the_quantity_is_rounded_down_to_the_lot_and_both_are_kept(asked: str, rounded: str) -> None:
    admitted = admit(request(quantity=D(asked)), instrument(), NOW)

    assert (admitted.quantity, admitted.requested_quantity) == (D(rounded), D(asked))


# what is asked, and the field, part of the rule, the value and the nearest of the one refusal
REFUSED = [
    ({"quantity": D("0.00001")}, {}, "quantity", "the lot of 0.0001 BTC", "0.00001", "0.0002"),
    ({"quantity": D("0.00001")}, {"min_quantity": D(0)}, "quantity", "the lot of 0.0001 BTC", "0.00001", "0.0001"),
    ({"quantity": D("0.00019")}, {}, "quantity", "at least 0.0002 BTC", "0.00019", "0.0002"),
    ({"quantity": D("0.0002")}, {"min_quantity": D("0.00025")}, "quantity", "at least 0.0003", "0.0002", "0.0003"),
    ({"quantity": D("100.0001")}, {}, "quantity", "at most 100 BTC", "100.0001", "100"),
    ({"quantity": D(11), "type": OrderType.MARKET}, {}, "quantity", "at most 10 BTC", "11", "10"),
    ({"price": D("0.001")}, {}, "price", "at least 0.01", "0.001", "0.01"),
    ({"price": D("0.001")}, {"min_price": None}, "price", "at least 0.01", "0.001", "0.01"),
    ({"price": D(2_000_000)}, {}, "price", "at most 1000000", "2000000", "1000000"),
    ({"quantity": D("0.0499")}, {}, "quantity", "worth at least 5 USDT at 100", "0.0499", "0.05"),
    ({"quantity": D("0.01"), "price": D("333.33")}, {}, "quantity", "worth at least 5", "0.01", "0.0151"),
    ({"quantity": D(50), "price": D(200_000)}, {}, "quantity", "worth at most 9000000", "50", "45"),
    ({"quantity": D("0.01")}, {"max_quantity": D("0.02")}, "quantity", "worth at least 5", "0.01", None),
    ({"expires_at": NOW}, {}, "expires_at", "must be after now", "2030-01-31T12:00:00.000000Z", None),
    ({"expires_at": NOW - timedelta(days=1)}, {}, "expires_at", "after now", "2030-01-30T12:00:00.000000Z", None),
    ({}, {"spot": False}, "symbol", "version 1 is spot trading", "BTC/USDT", None),
    ({}, {"active": False}, "symbol", "not traded at paper at present", "BTC/USDT", None),
]


@pytest.mark.parametrize(("asked", "known", "field", "rule", "value", "nearest"), REFUSED)
def test_what_the_venue_would_not_take_is_refused_with_the_nearest_that_would_do(
    asked: dict[str, Any], known: dict[str, Any], field: str, rule: str, value: str, nearest: str | None
) -> None:
    (error,) = refusals(request(**asked), instrument(**known))

    assert error.field == field
    assert rule in error.rule
    assert (error.value, error.nearest) == (value, nearest)


def test_every_field_that_breaks_a_rule_is_listed() -> None:
    errors = refusals(request(quantity=D("0.00001"), price=D(2_000_000), expires_at=NOW), instrument())

    assert [error.field for error in errors] == ["expires_at", "price", "quantity"]


def test_an_unknown_symbol_is_refused_with_the_nearest_known() -> None:
    (error,) = refusals(request(symbol="btc/usdt"), None)

    assert (error.field, error.value, error.nearest) == ("symbol", "btc/usdt", "BTC/USDT")


def test_a_market_order_is_not_judged_by_a_value_that_only_the_market_knows() -> None:
    assert admit(request(type=OrderType.MARKET, quantity=D("0.0002")), instrument(), NOW).price is None


def test_an_order_that_expires_in_the_future_is_admitted() -> None:
    assert admit(request(expires_at=NOW + timedelta(microseconds=1)), instrument(), NOW)


@pytest.mark.parametrize(
    ("venue", "account", "field", "nearest"),
    [
        ("papier", "main", "venue", "paper"),
        ("kraken", "main", "venue", None),
        ("paper", "desk3", "account", "desk2"),
        ("binance", "desk2", "account", None),
    ],
)
def test_an_unknown_venue_or_account_is_refused_with_the_nearest(
    venue: str, account: str, field: str, nearest: str | None
) -> None:
    with pytest.raises(InvalidRequest) as refused:
        check_route(request(venue=venue, account=account), ACCOUNTS)

    (error,) = refused.value.errors
    assert (error.field, error.nearest) == (field, nearest)


def test_a_configured_route_passes() -> None:
    check_route(request(venue="paper", account="desk2"), ACCOUNTS)


steps = st.sampled_from([D(1), D("0.1"), D("0.0001"), D("0.00000001"), D(5), D("0.25")])


@given(
    quantity=st.decimals(min_value=D("1e-8"), max_value=D(10**9), places=8),
    price=st.decimals(min_value=D("1e-8"), max_value=D(10**9), places=8),
    lot=steps,
    tick=steps,
    least=st.sampled_from([D(0), D(5), D("10.5")]),
    side=st.sampled_from(Side),
)
def test_the_nearest_quantity_that_is_named_would_do(
    quantity: Decimal, price: Decimal, lot: Decimal, tick: Decimal, least: Decimal, side: Side
) -> None:
    known = instrument(
        lot=lot, tick=tick, min_notional=least, min_quantity=lot, max_quantity=None, max_price=None, min_price=None,
        max_notional=None, max_market_quantity=None,
    )  # fmt: skip
    admitted = None
    for _ in range(3):  # the lot alone may be too little in value, so that the second word is the last
        try:
            admitted = admit(request(quantity=quantity, price=price, side=side), known, NOW)
            break
        except InvalidRequest as refused:
            instead = {error.field: D(error.nearest or "NaN") for error in refused.errors}
            quantity, price = instead.get("quantity", quantity), instead.get("price", price)

    assert admitted is not None
    assert admitted.price is not None
    assert 0 < admitted.quantity <= quantity
    assert admitted.quantity % lot == 0
    assert admitted.price <= price if side is Side.BUY else admitted.price >= price
    assert admitted.quantity * admitted.price >= least
