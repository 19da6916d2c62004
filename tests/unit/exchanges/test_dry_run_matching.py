"""What the market that is shown does with an order of a dry run."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from exchanges.dry_run.matching import Matched, arrive, effects, held, look, would_take
from models.dry_run import DryRunOrder
from models.market_data import BookSide, OrderBook, PublicTrade
from models.reports import VenueStatus
from models.vocabulary import Liquidity, OrderType, Side

D = Decimal
NOW = datetime(2030, 1, 31, 12, tzinfo=UTC)
LATER = NOW + timedelta(seconds=1)
LOT = D("0.001")
BIDS: BookSide = ((D(99), D(1)), (D(98), D(2)))
ASKS: BookSide = ((D(100), D(1)), (D(101), D(2)))
BOOK = OrderBook(symbol="BTC/USDT", bids=BIDS, asks=ASKS, at=NOW)


def order(**changes: Any) -> DryRunOrder:
    values: dict[str, Any] = {
        "id": "dry-1", "client_order_id": "1", "symbol": "BTC/USDT", "base": "BTC", "quote": "USDT", "side": Side.BUY,
        "type": OrderType.LIMIT, "quantity": D(2), "price": D(101), "status": VenueStatus.OPEN, "lot": LOT,
        "maker_fee": D("0.001"), "taker_fee": D("0.002"), "fee_in": "quote", "seen_until": NOW, "created_at": NOW,
    }  # fmt: skip
    return DryRunOrder(**{**values, **changes})


def arrives(one: DryRunOrder, *, immediate: bool = False, all_or_nothing: bool = False) -> Matched:
    return arrive(one, BOOK, NOW, immediate=immediate, all_or_nothing=all_or_nothing)


def printed(price: str, quantity: str, *, number: int = 1, at: datetime = LATER) -> PublicTrade:
    return PublicTrade(id=str(number), price=D(price), quantity=D(quantity), at=at, taker=None)


def book(*, bids: BookSide = BIDS, asks: BookSide = ASKS) -> OrderBook:
    return OrderBook(symbol="BTC/USDT", bids=bids, asks=asks, at=LATER)


@pytest.mark.parametrize(
    ("changes", "immediate", "all_or_nothing", "fills", "status"),
    [
        ({"price": None, "type": OrderType.MARKET}, True, False, ["1@100", "1@101"], VenueStatus.FILLED),
        ({"price": None, "type": OrderType.MARKET, "quantity": D(9)}, True, False, ["1@100", "2@101"], VenueStatus.EXPIRED),
        ({"side": Side.SELL, "price": D(98)}, True, False, ["1@99", "1@98"], VenueStatus.FILLED),
        ({"price": D(100)}, True, False, ["1@100"], VenueStatus.EXPIRED),
        ({"price": D(100)}, False, False, ["1@100"], VenueStatus.OPEN),
        ({"price": D(99)}, False, False, [], VenueStatus.OPEN),
        ({"price": D(100)}, True, True, [], VenueStatus.EXPIRED),
        ({"price": D(101)}, True, True, ["1@100", "1@101"], VenueStatus.FILLED),
        ({"price": D(101), "lot": D("0.3")}, True, True, [], VenueStatus.EXPIRED),
    ],
    ids=["market", "market beyond the book", "sell", "ioc", "gtc in part", "gtc away", "fok short", "fok", "fok in lots"],
)  # fmt: skip
def test_what_arrives_takes_the_levels_up_to_its_price(
    changes: dict[str, Any], immediate: bool, all_or_nothing: bool, fills: list[str], status: VenueStatus
) -> None:
    matched = arrives(order(**changes), immediate=immediate, all_or_nothing=all_or_nothing)

    assert [f"{trade.quantity:f}@{trade.price}" for trade in matched.trades] == fills
    assert matched.order.status is status
    assert matched.order.filled_quantity == sum((trade.quantity for trade in matched.trades), D(0))
    assert all(trade.liquidity is Liquidity.TAKER for trade in matched.trades)


def test_what_rests_is_filled_by_what_trades_through_its_price_and_not_by_what_trades_at_it() -> None:
    resting = order(price=D("99.5"))

    assert look([resting], BOOK, [printed("99.5", "5")], LATER) == [
        Matched(order=replace(resting, seen_until=LATER))
    ]  # seen, and no fill
    (through,) = look([resting], BOOK, [printed("99.4", "0.5")], LATER)

    assert through.order.filled_quantity == D("0.5")
    assert [(trade.price, trade.liquidity) for trade in through.trades] == [(D("99.5"), Liquidity.MAKER)]


def test_a_print_counts_once_however_often_it_is_seen() -> None:
    resting = order(price=D("99.5"))
    tape = [printed("99.4", "0.5")]
    (first,) = look([resting], BOOK, tape, LATER)

    assert look([first.order], BOOK, tape, LATER) == []


def test_a_level_that_stays_fills_once_and_one_that_grows_by_what_it_grew() -> None:
    resting = order(price=D("99.5"), quantity=D(9))
    (first,) = look([resting], book(asks=((D("99.5"), D(1)),)), [], LATER)
    assert look([first.order], book(asks=((D("99.5"), D(1)),)), [], LATER) == []
    (grown,) = look([first.order], book(asks=((D("99.5"), D(3)),)), [], LATER)

    assert [first.order.filled_quantity, grown.order.filled_quantity] == [D(1), D(3)]


def test_what_it_took_on_arrival_does_not_fill_the_rest_again() -> None:
    taken = arrives(order(price=D(100), quantity=D(5))).order

    assert look([taken], BOOK, [], LATER) == []


def test_two_orders_share_a_print_the_better_price_first() -> None:
    low, high = order(id="low", price=D("99.4")), order(id="high", price=D("99.5"))

    found = {
        matched.order.id: matched.order.filled_quantity
        for matched in look([low, high], BOOK, [printed("99", "3")], LATER)
    }

    assert found == {"high": 2, "low": 1}


def test_two_orders_share_a_level() -> None:
    low, high = order(id="low", price=D("99.4")), order(id="high", price=D("99.5"))

    found = look([low, high], book(asks=((D("99.4"), D(3)),)), [], LATER)

    assert {matched.order.id: matched.order.filled_quantity for matched in found} == {"high": 2, "low": 1}


@pytest.mark.parametrize(
    ("fee_in", "side", "asset", "fee"),
    [
        ("quote", Side.BUY, "USDT", D("0.402")),
        ("received", Side.BUY, "BTC", D("0.004")),
        ("received", Side.SELL, "USDT", D("0.394")),
        ("base", Side.SELL, "BTC", D("0.004")),
    ],
)
def test_fees_are_taken_as_the_venue_takes_them_and_the_account_moves_by_trade_and_fee(
    fee_in: str, side: Side, asset: str, fee: Decimal
) -> None:
    price = D(101) if side is Side.BUY else D(98)
    matched = arrives(order(fee_in=fee_in, side=side, price=price))
    cost = D(201) if side is Side.BUY else D(197)
    sign = 1 if side is Side.BUY else -1
    expected = {"BTC": sign * D(2), "USDT": -sign * cost}
    expected[asset] -= fee

    assert {trade.fee_asset for trade in matched.trades} == {asset}
    assert sum(trade.fee for trade in matched.trades) == fee
    assert effects(matched.order, matched.trades) == expected


def test_an_order_holds_what_it_may_cost_with_its_fee() -> None:
    assert held(order()) == ("USDT", D("202.404"))
    assert held(order(side=Side.SELL)) == ("BTC", D(2))
    assert held(order(side=Side.SELL, fee_in="base")) == ("BTC", D("2.004"))


def test_it_would_take_where_the_other_side_stands_at_its_price() -> None:
    assert would_take(order(price=D(100)), BOOK)
    assert not would_take(order(price=D("99.99")), BOOK)


quantities = st.decimals(min_value=D("0.0001"), max_value=D(5), places=4)
prices = st.decimals(min_value=D(90), max_value=D(110), places=1)
levels = st.lists(st.tuples(prices, quantities), max_size=5, unique_by=lambda level: level[0])


@given(
    st.lists(st.tuples(st.sampled_from(Side), prices, quantities.map(lambda q: q.quantize(LOT) + LOT)), min_size=1, max_size=4),
    st.lists(st.tuples(levels, levels, st.lists(st.tuples(prices, quantities), max_size=4)), max_size=4),
)  # fmt: skip
def test_whatever_the_market_does_nothing_fills_beyond_its_quantity_its_price_or_what_was_traded(
    placed: list[tuple[Side, Decimal, Decimal]],
    looks: list[tuple[list[tuple[Decimal, Decimal]], list[tuple[Decimal, Decimal]], list[tuple[Decimal, Decimal]]]],
) -> None:
    orders = {
        str(number): order(id=str(number), side=side, price=price, quantity=quantity)
        for number, (side, price, quantity) in enumerate(placed)
    }
    for second, (bids, asks, prints) in enumerate(looks, start=1):
        at = NOW + timedelta(seconds=second)
        tape = [printed(str(p), str(q), number=100 * second + n, at=at) for n, (p, q) in enumerate(prints)]
        shown = book(bids=tuple(sorted(bids, reverse=True)), asks=tuple(sorted(asks)))
        filled = {Side.BUY: D(0), Side.SELL: D(0)}
        for matched in look([one for one in orders.values() if one.is_open], shown, tape, at):
            orders[matched.order.id] = matched.order
            for trade in matched.trades:
                assert trade.price == matched.order.price
                assert trade.quantity % LOT == 0
                filled[trade.side] += trade.quantity
            assert matched.order.filled_quantity <= matched.order.quantity
            assert (matched.order.status is VenueStatus.FILLED) == (
                matched.order.filled_quantity == matched.order.quantity
            )
        for side, opposite in ((Side.BUY, asks), (Side.SELL, bids)):
            assert filled[side] <= sum((q for _, q in [*opposite, *prints]), D(0))
