"""Groups of orders: sums that are the orders' sums, averages weighted by notional, and how many orders stand behind each."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from decimal import Decimal
from fractions import Fraction
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from accounting.costs import CostFill, OrderCost, OrderFacts
from accounting.costs_groups import CostSum, GroupCost
from accounting.costs_market import IntervalMarket
from models.vocabulary import Liquidity, Side

NOW = datetime(2030, 1, 31, 12, tzinfo=UTC)

prices = st.decimals("0.01", "10000", places=2, allow_nan=False)
quantities = st.decimals("0.01", "1000", places=2, allow_nan=False)


def order(
    quantity: str = "1",
    filled: str = "1",
    price: str = "100",
    *,
    fee: str = "0",
    fee_asset: str = "USDT",
    liquidity: Liquidity | None = Liquidity.TAKER,
    after_s: float = 1,
    market: dict[str, str] | None = None,
    **changes: Any,
) -> OrderCost:
    one = CostFill(
        quantity=Decimal(filled), price=Decimal(price), cost=Decimal(filled) * Decimal(price), fee=Decimal(fee),
        fee_asset=fee_asset, liquidity=liquidity, traded_at=NOW + timedelta(seconds=after_s),
    )  # fmt: skip
    numbers = {name: Decimal(value) for name, value in changes.items() if name.endswith("_price") and value is not None}
    rest = {name: value for name, value in changes.items() if not name.endswith("_price")}
    interval = {name: Decimal(value) for name, value in (market or {}).items()}
    return OrderCost(
        facts=OrderFacts(
            **{
                "side": Side.BUY,
                "base": "BTC",
                "quote": "USDT",
                "quantity": Decimal(quantity),
                "fills": (one,) if one.quantity else (),
                "submitted_at": NOW,
                "created_at": NOW,
                "ended_at": NOW,
                "market": IntervalMarket(start_at=NOW, end_at=NOW, **interval) if market is not None else None,
                **numbers,
                **rest,
            }
        )
    )


def group(*orders: OrderCost, quote: str = "USDT") -> GroupCost:
    total = CostSum(quote)
    for one in orders:
        total.take(one)
    return total.result()


def test_slippage_is_weighted_by_what_was_traded() -> None:
    found = group(
        order("9", "9", "101", arrival_price="100"),
        order("1", "1", "90", arrival_price="100"),
    )

    assert (found.slippage, found.slippage_bps) == (-1, Decimal("-10.00"))  # -1 of 1000, not the mean of 100 and -1000
    assert found.counted["slippage_bps"] == 2


def test_the_shortfall_sums_over_the_orders_that_have_one() -> None:
    found = group(
        order("1", "1", "101", decision_price="100", arrival_price="100", fee="1"),
        order("2", "1", "100", decision_price="100", arrival_price="100", fee="2", market={"last_price": "110"}),
        order("5", "5", "100", arrival_price="90", fee="4"),
    )

    assert found.shortfall is not None
    assert (found.shortfall.impact, found.shortfall.opportunity, found.shortfall.fees) == (1, 10, 3)
    assert (found.shortfall.total, found.shortfall_bps) == (14, Decimal("466.67"))
    assert (found.fees, found.slippage, found.orders, found.counted["shortfall_bps"]) == (7, 51, 3, 2)


def test_shares_are_of_the_notional() -> None:
    found = group(
        order("2", "1", "100", arrival_price="100", liquidity=Liquidity.MAKER, market={"volume": "10", "vwap": "100"}),
        order("1", "1", "300", arrival_price="300", market={"volume": "4", "vwap": "300"}),
    )

    assert found.fill_rate == Decimal("0.8")  # 400 of 500
    assert found.maker_share == Decimal("0.25")  # 100 of 400
    assert found.participation == Decimal("0.181818")  # 400 of 2200
    assert found.filled_notional == 400


def test_times_are_plain_means() -> None:
    found = group(
        order("100", "100", after_s=1, first_sent_at=NOW + timedelta(seconds=1)), order("1", "1", after_s=3), order("2")
    )

    assert (found.time_to_first_fill, found.time_to_fill) == (timedelta(seconds=5) / 3, timedelta(seconds=2))
    assert (found.time_to_send, found.counted["time_to_send"]) == (timedelta(seconds=1), 1)


def test_fees_without_a_value_are_summed_by_asset() -> None:
    found = group(order(fee="1", fee_asset="BNB"), order(fee="2", fee_asset="BNB"), order(fee="3", fee_asset="ABC"))

    assert (found.fees, found.unvalued_fees) == (0, {"ABC": 3, "BNB": 3})


def test_a_group_of_nothing_has_no_figures() -> None:
    found = group()

    assert (found.orders, found.filled_notional, found.shortfall, found.slippage_bps) == (0, 0, None, None)
    assert (found.fill_rate, found.time_to_fill) == (None, None)
    assert set(found.counted.values()) == {0}


def test_another_quote_asset_is_refused() -> None:
    with pytest.raises(ValueError, match="a group in EUR can't take an order in USDT"):
        group(order(), quote="EUR")


@st.composite
def some_orders(draw: st.DrawFn) -> list[OrderCost]:
    def one() -> OrderCost:
        filled, rest, maybe = draw(quantities), draw(st.just(Decimal(0)) | quantities), st.none() | prices
        return order(
            str(filled + rest), str(filled), str(draw(prices)),
            side=draw(st.sampled_from(Side)), decision_price=draw(maybe), arrival_price=draw(maybe),
            market=draw(st.none() | st.fixed_dictionaries({"last_price": prices.map(str), "vwap": prices.map(str)})),
            fee=str(draw(quantities)), fee_asset=draw(st.sampled_from(["BTC", "USDT", "BNB"])),
        )  # fmt: skip

    return [one() for _ in range(draw(st.integers(1, 5)))]


@given(some_orders())
def test_a_groups_parts_sum_to_its_whole_and_its_whole_is_its_orders(orders: list[OrderCost]) -> None:
    found = group(*orders)

    totals = [one.shortfall.total for one in orders if one.shortfall.total is not None]
    assert found.counted["shortfall_bps"] == len(totals)
    assert (found.shortfall is None) == (not totals)
    if found.shortfall is not None:
        parts = found.shortfall
        assert parts.execution is not None
        assert parts.opportunity is not None
        assert parts.total == sum(totals)
        assert Fraction(parts.total) == Fraction(parts.execution) + Fraction(parts.opportunity) + Fraction(parts.fees)
        if parts.delay is not None and parts.impact is not None:
            assert parts.execution == parts.delay + parts.impact


@given(some_orders())
def test_a_groups_average_lies_between_its_orders(orders: list[OrderCost]) -> None:
    found = group(*orders)

    for name in ("slippage_bps", "vs_vwap_bps", "shortfall_bps"):
        theirs = [value for one in orders if (value := getattr(one, name)) is not None]
        ours = getattr(found, name)
        assert (ours is None) == (not theirs)
        if ours is not None:
            assert min(theirs) <= ours <= max(theirs)


@given(some_orders())
def test_a_group_of_one_order_is_that_order(orders: list[OrderCost]) -> None:
    one = orders[0]
    found = group(one)

    for name in ("slippage_bps", "vs_vwap_bps", "vs_twap_bps", "shortfall_bps", "participation", "maker_share"):
        assert getattr(found, name) == getattr(one, name)
    assert (found.fees, found.unvalued_fees) == (one.fees, one.unvalued_fees)
