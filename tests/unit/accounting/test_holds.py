"""What an order holds, by side and by the asset that the fee is taken in."""

from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from accounting.fills import FillPosting, Funds, fill_legs
from accounting.holds import FeeIn, Hold, hold_needed, market_buy_price
from models.money import multiply
from models.vocabulary import Side

amounts = st.decimals("0.00000001", "1000000", places=8, allow_nan=False)
rates = st.decimals("-0.001", "0.01", places=5, allow_nan=False)


@pytest.mark.parametrize(
    ("side", "fee_in", "fee_rate", "asset", "amount"),
    [
        (Side.BUY, FeeIn.RECEIVED, "0.001", "USDT", "60000"),
        (Side.BUY, FeeIn.BASE, "0.001", "USDT", "60000"),
        (Side.BUY, FeeIn.QUOTE, "0.001", "USDT", "60060"),
        (Side.BUY, FeeIn.QUOTE, "-0.001", "USDT", "60000"),
        (Side.SELL, FeeIn.RECEIVED, "0.001", "BTC", "2"),
        (Side.SELL, FeeIn.QUOTE, "0.001", "BTC", "2"),
        (Side.SELL, FeeIn.BASE, "0.001", "BTC", "2.002"),
        (Side.SELL, FeeIn.BASE, "-0.001", "BTC", "2"),
    ],
)
def test_the_hold_covers_what_is_given_away_and_the_fee_in_the_same_asset(
    side: Side, fee_in: FeeIn, fee_rate: str, asset: str, amount: str
) -> None:
    hold = hold_needed(
        side=side,
        base="BTC",
        quote="USDT",
        remaining=Decimal(2),
        price=Decimal(30000),
        fee_rate=Decimal(fee_rate),
        fee_in=fee_in,
    )
    assert hold == Hold(asset=asset, amount=Decimal(amount))


def test_a_market_buy_is_taken_to_pay_the_ask_and_a_buffer() -> None:
    assert market_buy_price(Decimal("100.5"), Decimal("0.02")) == Decimal("102.510")


@given(
    side=st.sampled_from(Side), fee_in=st.sampled_from(FeeIn), rate=rates, quantity=amounts, price=amounts, better=rates
)
def test_a_fill_at_the_limit_or_better_is_paid_by_the_hold_alone(
    side: Side, fee_in: FeeIn, rate: Decimal, quantity: Decimal, price: Decimal, better: Decimal
) -> None:
    hold = hold_needed(side=side, base="B", quote="Q", remaining=quantity, price=price, fee_rate=rate, fee_in=fee_in)
    cost = multiply(quantity, multiply(price, 1 - abs(better))) if side is Side.BUY else multiply(quantity, price)
    received = "B" if side is Side.BUY else "Q"
    fee_asset = {FeeIn.BASE: "B", FeeIn.QUOTE: "Q", FeeIn.RECEIVED: received}[fee_in]
    fee = multiply(quantity if fee_asset == "B" else cost, rate)
    fill = FillPosting(
        key="k", order_id="o", venue="v", account="a", side=side, base="B", quote="Q",
        quantity=quantity, price=price, cost=cost, fee=fee, fee_asset=fee_asset,
    )  # fmt: skip
    assert fill_legs(fill, {hold.asset: Funds(held=hold.amount)}).shortfalls == ()
