"""Pushed structures become the values that polling yields; what lacks something is news of its order and no trade."""

from __future__ import annotations

from decimal import Decimal

import pytest

from exchanges.ccxt_parse import trade
from exchanges.streams.parse import pushed_orders, pushed_trades
from models.reports import VenueStatus

TRADE = {
    "id": "7",
    "order": "42",
    "symbol": "BTC/USDT",
    "side": "buy",
    "amount": "0.1",
    "price": "60000.10",
    "cost": "6000.01",
    "timestamp": 1_700_000_000_000,
    "fee": {"cost": "0.0001", "currency": "BTC"},
    "takerOrMaker": "maker",
}
ORDER = {"id": "42", "symbol": "BTC/USDT", "status": "open", "amount": "1", "filled": "0.1", "price": "60000.10"}


def test_a_pushed_trade_is_read_as_a_polled_one():
    read, unread = pushed_trades([TRADE])
    assert (read, unread) == ([trade(TRADE, "BTC/USDT")], [])


@pytest.mark.parametrize("missing", ["id", "amount", "price", "side", "timestamp"])
def test_a_trade_that_lacks_something_is_news_of_its_order(missing):
    read, (news,) = pushed_trades([{**TRADE, missing: None}])
    assert (read, news.venue_order_id, news.report) == ([], "42", None)


def test_a_trade_of_no_order_is_nothing():
    assert pushed_trades([{**TRADE, "order": None}]) == ([], [])


@pytest.mark.parametrize("symbol", ["BTC/USDT:USDT", None, "BTCUSDT"])
def test_other_markets_are_left_out(symbol):
    assert pushed_trades([{**TRADE, "symbol": symbol}]) == ([], [])
    assert pushed_orders([{**ORDER, "symbol": symbol}]) == []


def test_news_of_an_order_say_what_the_venue_says():
    (news,) = pushed_orders([ORDER])
    assert news.report is not None
    assert (news.report.status, news.report.filled_quantity) == (VenueStatus.OPEN, Decimal("0.1"))


def test_news_in_words_that_nobody_knows_are_news_all_the_same():
    (news,) = pushed_orders([{**ORDER, "status": "in limbo"}])
    assert (news.venue_order_id, news.report) == ("42", None)
