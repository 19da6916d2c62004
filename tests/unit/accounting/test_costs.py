"""What an order cost: published figures, parts that sum to the whole, signs that flip with the side, and no guesses."""

from __future__ import annotations

import decimal
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from fractions import Fraction
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from accounting.costs import CostFill, OrderCost, OrderFacts, Shortfall
from accounting.costs_market import IntervalMarket
from models.vocabulary import Liquidity, Side

NOW = datetime(2030, 1, 31, 12, tzinfo=UTC)

prices = st.decimals("0.00000001", "1000000", places=8, allow_nan=False)
quantities = st.decimals("0.00000001", "1000000", places=8, allow_nan=False)
fees = st.decimals("-100", "100", places=8, allow_nan=False)


def fill(quantity: str, price: str, after_s: float = 1, **changes: Any) -> CostFill:
    return CostFill(
        **{
            "quantity": Decimal(quantity),
            "price": Decimal(price),
            "cost": Decimal(quantity) * Decimal(price),
            "liquidity": Liquidity.TAKER,
            "traded_at": NOW + timedelta(seconds=after_s),
            **changes,
        }
    )


def market(last: str | None = None, **changes: Any) -> IntervalMarket:
    numbers = {name: Decimal(text) for name, text in changes.items()}
    return IntervalMarket(
        start_at=NOW, end_at=NOW + timedelta(minutes=1), last_price=None if last is None else Decimal(last), **numbers
    )


def cost(quantity: str, *fills: CostFill, side: Side = Side.BUY, **changes: Any) -> OrderCost:
    numbers = {
        name: Decimal(value) if name.endswith("_price") and value is not None else value
        for name, value in changes.items()
    }
    return OrderCost(
        facts=OrderFacts(
            **{
                "side": side,
                "base": "BTC",
                "quote": "USDT",
                "quantity": Decimal(quantity),
                "fills": fills,
                "submitted_at": NOW,
                "created_at": NOW,
                "ended_at": NOW + timedelta(minutes=1),
                **numbers,
            }
        )
    )


# ------------------------------------------------------------------------------------------------- published figures


def test_perolds_split_of_a_buy_that_was_filled_in_part() -> None:
    order = cost(
        "1000", fill("800", "100.25", fee=Decimal(40), fee_asset="USDT"),
        decision_price="100.00", arrival_price="100.10", market=market("101.00"),
    )  # fmt: skip

    assert order.shortfall == Shortfall(
        delay=Decimal("80.00"),
        impact=Decimal("120.00"),
        execution=Decimal("200.00"),
        opportunity=Decimal("200.00"),
        fees=Decimal(40),
        total=Decimal("440.00"),
    )
    assert order.shortfall_bps == Decimal("44.0")


def test_perolds_split_of_a_buy_that_was_never_filled() -> None:
    order = cost("1000", decision_price="100.00", arrival_price="100.00", market=market("102.00"))

    assert (order.shortfall.execution, order.shortfall.opportunity) == (0, Decimal("2000.00"))
    assert (order.shortfall.total, order.shortfall_bps) == (Decimal("2000.00"), Decimal("200.0"))
    assert (order.average_price, order.slippage_bps) == (None, None)


@pytest.mark.parametrize(
    ("side", "benchmark", "price", "worse", "bps"),
    [
        (Side.BUY, "1.00000", "1.00001", "0.00001", "0.10"),
        (Side.BUY, "1.00000", "0.999999", "-0.000001", "-0.01"),
        (Side.SELL, "1.00000", "1.00001", "-0.00001", "-0.10"),
        (Side.SELL, "100", "99", "1", "100.00"),
        (Side.BUY, "100", "100", "0", "0.00"),
    ],
)
def test_slippage_is_signed_and_positive_is_worse(side: Side, benchmark: str, price: str, worse: str, bps: str) -> None:
    order = cost("1", fill("1", price), side=side, arrival_price=benchmark)

    assert (order.shortfall.impact, order.slippage_bps) == (Decimal(worse), Decimal(bps))


def test_two_fills_have_one_average() -> None:
    order = cost("1000", fill("500", "0.5"), fill("500", "1.0"))

    assert (order.filled_quantity, order.filled_cost, order.average_price) == (1000, 750, Decimal("0.75"))
    assert (order.unfilled_quantity, order.fill_rate) == (0, 1)


def test_the_intervals_averages_are_benchmarks_too() -> None:
    order = cost("2", fill("2", "101"), market=market("99", vwap="100", twap="102", volume="8"))

    assert (order.vs_vwap_bps, order.vs_twap_bps) == (Decimal("100.00"), Decimal("-98.04"))
    assert order.participation == Decimal("0.25")


# ------------------------------------------------------------------------------------------------------------- fees


def test_a_fee_in_base_is_valued_at_the_average_price() -> None:
    order = cost("4", fill("1", "100", fee=Decimal("0.001"), fee_asset="BTC"), fill("3", "104"), decision_price="100")

    assert order.average_price == 103
    assert (order.fees, order.shortfall.total) == (Decimal("0.103"), Decimal("12.103"))


def test_a_value_is_rounded_once_to_eighteen_digits() -> None:
    order = cost("3", fill("1", "1", fee=Decimal(1), fee_asset="BTC"), fill("2", "2"), decision_price="1")

    assert order.fees == Decimal("1.666666666666666667")
    assert order.shortfall.total == Decimal("3.666666666666666667")


def test_fees_in_a_third_asset_are_listed_apart_unless_it_has_a_price() -> None:
    fills = (
        fill("1", "100", fee=Decimal("0.01"), fee_asset="BNB"),
        fill("1", "100", fee=Decimal("0.02"), fee_asset="BNB"),
        fill("1", "100", fee=Decimal("0.1"), fee_asset="USDT"),
    )

    unpriced = cost("3", *fills, decision_price="100")
    priced = cost("3", *fills, decision_price="100", fee_prices={"BNB": Decimal(600)})

    assert (unpriced.fees, unpriced.unvalued_fees) == (Decimal("0.1"), {"BNB": Decimal("0.03")})
    assert (priced.fees, priced.unvalued_fees, priced.shortfall.total) == (Decimal("18.1"), {}, Decimal("18.1"))


def test_a_rebate_is_a_negative_fee() -> None:
    order = cost("1", fill("1", "100", fee=Decimal("-0.05"), fee_asset="USDT"), decision_price="100")

    assert (order.fees, order.shortfall.total) == (Decimal("-0.05"), Decimal("-0.05"))


# ---------------------------------------------------------------------------------------- what is missing is missing


def test_without_a_decision_price_only_what_needs_none_is_known() -> None:
    order = cost("2", fill("1", "101"), arrival_price="100", market=market("103"))

    assert order.shortfall == Shortfall(
        delay=None, impact=Decimal(1), execution=None, opportunity=None, fees=Decimal(0), total=None
    )
    assert (order.shortfall_bps, order.slippage_bps) == (None, Decimal("100.00"))


def test_without_an_arrival_price_the_split_is_not_known_but_the_sum_is() -> None:
    order = cost("1", fill("1", "101"), decision_price="100")

    assert (order.shortfall.delay, order.shortfall.impact) == (None, None)
    assert (order.shortfall.execution, order.shortfall.total) == (1, 1)


def test_without_a_market_what_was_not_traded_has_no_cost_and_so_no_total() -> None:
    order = cost("2", fill("1", "101"), decision_price="100", arrival_price="100")

    assert (order.shortfall.execution, order.shortfall.opportunity, order.shortfall.total) == (1, None, None)
    assert (order.vs_vwap_bps, order.vs_twap_bps, order.participation) == (None, None, None)


def test_a_working_order_has_lost_no_opportunity_yet() -> None:
    order = cost("2", fill("1", "101"), decision_price="100", market=market("103"), ended_at=None)

    assert (order.shortfall.opportunity, order.shortfall.total, order.final_price) == (None, None, None)


def test_an_interval_without_trades_gives_no_benchmark() -> None:
    order = cost("1", fill("1", "101"), market=market(volume="0"))

    assert (order.vs_vwap_bps, order.participation) == (None, None)


@pytest.mark.parametrize(
    ("liquidity", "expected"),
    [
        ((Liquidity.MAKER, Liquidity.TAKER), "0.25"),
        ((Liquidity.MAKER, Liquidity.MAKER), "1"),
        ((Liquidity.TAKER, Liquidity.TAKER), "0"),
        ((Liquidity.MAKER, None), None),
    ],
)
def test_the_makers_share_is_known_only_where_the_venue_says_it_of_each_fill(
    liquidity: tuple[Liquidity | None, ...], expected: str | None
) -> None:
    first, second = liquidity
    order = cost("4", fill("1", "100", liquidity=first), fill("3", "100", liquidity=second))

    assert order.maker_share == (None if expected is None else Decimal(expected))


def test_an_order_that_nothing_is_known_of_has_no_figures() -> None:
    order = cost("1", ended_at=None)

    assert order.fill_rate == 0
    assert order.shortfall.fees == 0
    assert {
        order.average_price, order.slippage_bps, order.shortfall_bps, order.shortfall.total, order.participation,
        order.maker_share, order.time_to_send, order.time_to_first_fill, order.time_to_fill, order.final_price,
    } == {None}  # fmt: skip


# ------------------------------------------------------------------------------------------------------------ times


def test_times_count_from_the_decision_and_from_our_taking_it() -> None:
    order = cost(
        "2", fill("1", "1", 9), fill("1", "1", 4),
        submitted_at=NOW - timedelta(seconds=2), first_sent_at=NOW + timedelta(milliseconds=500),
    )  # fmt: skip

    assert order.time_to_send == timedelta(seconds=2.5)
    assert (order.time_to_first_fill, order.time_to_fill) == (timedelta(seconds=4), timedelta(seconds=9))


def test_only_a_filled_order_has_a_time_to_fill() -> None:
    order = cost("2", fill("1", "1", 4))

    assert (order.time_to_first_fill, order.time_to_fill) == (timedelta(seconds=4), None)


def test_a_venue_whose_clock_is_behind_ours_makes_no_time_negative() -> None:
    assert cost("1", fill("1", "1", -0.004)).time_to_fill == timedelta()


# -------------------------------------------------------------------------------------------------------- properties


@st.composite
def orders(draw: st.DrawFn) -> OrderCost:
    some = draw(st.lists(st.tuples(quantities, prices, fees, st.sampled_from(["BTC", "USDT", "BNB"])), max_size=5))
    made = tuple(fill(str(quantity), str(price), fee=fee, fee_asset=asset) for quantity, price, fee, asset in some)
    maybe = st.none() | prices
    last = draw(maybe)
    return cost(
        str(sum((one.quantity for one in made), draw(st.just(Decimal(0)) | quantities)) or Decimal(1)),
        *made,
        side=draw(st.sampled_from(Side)),
        decision_price=draw(maybe),
        arrival_price=draw(maybe),
        market=draw(st.none() | st.just(market(None if last is None else str(last)))),
        fee_prices=draw(st.just({}) | st.builds(lambda price: {"BNB": price}, prices)),
    )


@given(orders())
def test_the_parts_sum_to_the_whole_exactly(order: OrderCost) -> None:
    parts = order.shortfall
    if parts.delay is not None and parts.impact is not None and parts.execution is not None:
        assert Fraction(parts.delay) + Fraction(parts.impact) == Fraction(parts.execution)
    if parts.total is not None:
        assert parts.execution is not None
        assert parts.opportunity is not None
        assert Fraction(parts.execution) + Fraction(parts.opportunity) + Fraction(parts.fees) == Fraction(parts.total)


@given(orders())
def test_the_total_is_what_the_paper_order_did_better(order: OrderCost) -> None:
    """Perold's definition, from the other end: the paper order's outcome less the real one's, at final prices."""
    facts = order.facts
    if order.shortfall.total is None:
        return
    assert facts.decision_price is not None
    end = Fraction(order.final_price or facts.decision_price)  # without a price for it, nothing is left to trade
    sign = 1 if facts.side is Side.BUY else -1
    paper = sign * Fraction(facts.quantity) * (end - Fraction(facts.decision_price))
    real = sign * (Fraction(order.filled_quantity) * end - Fraction(order.filled_cost)) - Fraction(order.fees)
    if order.final_price is not None or not order.unfilled_quantity:
        assert paper - real == Fraction(order.shortfall.total)


@given(orders())
def test_the_other_side_has_the_other_signs(order: OrderCost) -> None:
    other = Side.SELL if order.facts.side is Side.BUY else Side.BUY
    mirrored = OrderCost(facts=replace(order.facts, side=other))

    for name in ("delay", "impact", "execution", "opportunity"):
        ours, theirs = getattr(order.shortfall, name), getattr(mirrored.shortfall, name)
        assert (ours is None) == (theirs is None)
        assert ours is None or ours == -theirs
    assert mirrored.fees == order.fees
    assert (order.slippage_bps is None) or order.slippage_bps == -(mirrored.slippage_bps or 0)


@given(orders(), st.sampled_from([Decimal(10), Decimal("0.001"), Decimal(1000)]))
def test_an_order_ten_times_as_large_costs_ten_times_as_much(order: OrderCost, factor: Decimal) -> None:
    facts = order.facts
    scaled = OrderCost(
        facts=replace(
            facts,
            quantity=facts.quantity * factor,
            fills=tuple(
                replace(one, quantity=one.quantity * factor, cost=one.cost * factor, fee=one.fee * factor)
                for one in facts.fills
            ),
        )
    )

    for name in ("delay", "impact", "execution", "opportunity"):
        ours, theirs = getattr(order.shortfall, name), getattr(scaled.shortfall, name)
        assert theirs == (None if ours is None else ours * factor)
    # ratios don't change
    for name in ("slippage_bps", "fill_rate", "maker_share", "average_price"):
        assert getattr(scaled, name) == getattr(order, name)


@given(orders())
def test_a_threads_context_changes_no_figure(order: OrderCost) -> None:
    expected = (order.shortfall, order.shortfall_bps, order.slippage_bps, order.fill_rate, order.fees)

    with decimal.localcontext(decimal.Context(prec=3, rounding=decimal.ROUND_UP)):
        again = OrderCost(facts=order.facts)
        found = (again.shortfall, again.shortfall_bps, again.slippage_bps, again.fill_rate, again.fees)

    assert found == expected


def test_the_largest_and_smallest_numbers_still_have_figures() -> None:
    huge, tiny = Decimal("9" * 20), Decimal("1E-18")
    order = cost(
        str(huge), fill(str(huge), str(huge), fee=tiny, fee_asset="BTC"),
        decision_price=str(tiny), arrival_price=str(tiny),
    )  # fmt: skip

    assert order.slippage_bps is not None
    assert order.slippage_bps > Decimal("1E+40")
    parts = order.shortfall
    assert parts.total is not None
    assert Fraction(parts.total) == sum(
        Fraction(part or 0) for part in (parts.delay, parts.impact, parts.opportunity, parts.fees)
    )
