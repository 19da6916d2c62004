"""Nobitex: rials and tomans, steps, symbols."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

import pytest

from exchanges.ccxt_gateway import CcxtGateway
from exchanges.evidence import Evidence
from exchanges.gateway import NotRounded
from models.vocabulary import Side
from tests.contract.conformance.orders import CROSSING, new_order, refusal
from tests.contract.dialects.nobitex import Rials
from tests.contract.dialects.server import Operation
from tests.contract.nobitex.asking import D


@pytest.fixture
def rials() -> Iterator[tuple[Rials, CcxtGateway]]:
    venue = Rials()
    made = CcxtGateway(venue.config())
    yield venue, made
    made.close()
    venue.calm()
    venue.close()


def test_a_rial_market_is_in_rials_from_the_book_to_the_wallet(rials: tuple[Rials, CcxtGateway]) -> None:
    """No digit differs between what the venue says or is sent and what we say: nothing is turned into toman."""
    venue, made = rials
    order = new_order(made, venue, **CROSSING, quantity=D("0.02"))

    (instrument,) = made.instruments()
    quote = made.quote("BTC/IRR")
    report = made.create_order(order)
    (trade,) = made.order_trades("BTC/IRR", report.venue_order_id, order.timestamp)
    balances = {balance.asset: balance.total for balance in made.balances()}

    assert (instrument.base, instrument.quote, instrument.tick, instrument.min_notional) == (
        "BTC",
        "IRR",
        D("0.01"),
        D(11),
    )
    assert (quote.bid, quote.ask) == (D("61999.99"), D("62000.00"))
    (sent,) = venue.server.asked(Operation.CREATE)
    assert (sent.json["dstCurrency"], sent.json["price"]) == ("rls", "62000")
    assert (report.price, trade.price, trade.cost) == (D(62000), D(62000), D(1240))
    assert balances == {"BTC": D("100.02") - D("0.00002"), "IRR": D(10_000_000) - D(1240)}


def test_steps_of_ten_rials_and_prices_of_eleven_digits_are_exact(rials: tuple[Rials, CcxtGateway]) -> None:
    venue, made = rials
    venue.book.tick, venue.book.lot = D(10), D("0.000001")
    order = new_order(made, venue, price=D(10), quantity=D("3.141593"))

    (instrument,) = made.instruments()
    made.create_order(order)
    made.create_order(replace(order, side=Side.SELL, price=D(98_765_432_110), client_order_id="abc2"))
    with pytest.raises(NotRounded):
        made.create_order(replace(order, price=D(98_765_432_115)))

    assert (instrument.tick, instrument.lot) == (D(10), D("0.000001"))
    sent = [(request.json["price"], request.json["amount"]) for request in venue.server.asked(Operation.CREATE)]
    assert sent == [("10", "3.141593"), ("98765432110", "3.141593")]


@pytest.mark.parametrize("symbol", ["BTC/IRT", "BTC/RLS", "BTC/TMN"])
def test_no_market_is_named_by_a_word_that_may_mean_toman(rials: tuple[Rials, CcxtGateway], symbol: str) -> None:
    venue, made = rials

    refused = refusal(lambda: made.create_order(new_order(made, venue, symbol=symbol)))

    assert refused.evidence is Evidence.REJECTED
    assert venue.book.orders == []


@pytest.mark.parametrize(("side", "asset"), [(Side.BUY, "BTC"), (Side.SELL, "IRR")])
def test_fees_are_taken_from_what_is_received(rials: tuple[Rials, CcxtGateway], side: Side, asset: str) -> None:
    venue, made = rials
    price = D("62000") if side is Side.BUY else D("61999.99")
    order = new_order(made, venue, side=side, price=price, quantity=D("0.5"))

    report = made.create_order(order)

    (trade,) = made.order_trades("BTC/IRR", report.venue_order_id, order.timestamp)
    assert (trade.fee_asset, trade.fee) == (asset, D("0.0005") * (1 if asset == "BTC" else price))
