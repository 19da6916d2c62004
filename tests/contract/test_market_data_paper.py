"""What gateways show of a market, on the real venue process."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from exchanges.ccxt_gateway import CcxtGateway
from exchanges.evidence import Evidence, VenueError
from models.vocabulary import Side
from tests.contract.gateway.asking import make
from tests.contract.market_answers import (
    LOOKS,
    MINUTE,
    NOW,
    SYMBOL,
    D,
)
from tests.support.paper import PaperProcess

ROOM = timedelta(seconds=10)


@pytest.fixture(scope="module")
def venue(tmp_path_factory: pytest.TempPathFactory) -> Iterator[PaperProcess]:
    home: Path = tmp_path_factory.mktemp("paper")
    with PaperProcess(home, symbols="BTC/USDT,ETH/USDT") as process:
        process.pause_market()
        yield process


@pytest.fixture
def at(venue: PaperProcess) -> Iterator[CcxtGateway]:
    made = make(venue)
    yield made
    venue.disarm()
    made.close()


@pytest.mark.parametrize("interval", [MINUTE, timedelta(minutes=5), timedelta(hours=1), timedelta(days=1)])
def test_candles_are_the_ended_ones_of_the_time_asked_for(at: CcxtGateway, interval: timedelta) -> None:
    now = at.time()
    since, until = now - interval * 50, now + interval

    found = at.candles(SYMBOL, interval, since, until)

    opens = [candle.open_at for candle in found]
    assert opens == [opens[0] + interval * index for index in range(len(opens))], "none twice, none left out"
    assert since <= opens[0] < since + interval
    # Our estimate of the venue's clock is off by half of what the measure took.
    assert opens[-1] > now - interval * 2 - ROOM, "the last that ended is there"
    assert opens[-1] + interval <= at.time() + ROOM, "the one that still grows is not"
    for candle in found:
        assert candle.low <= min(candle.open, candle.close) <= max(candle.open, candle.close) <= candle.high
        assert candle.volume >= 0


def test_candles_of_many_pages_are_the_same_as_of_one(at: CcxtGateway, monkeypatch: pytest.MonkeyPatch) -> None:
    until = at.time() - timedelta(hours=1)
    whole = at.candles(SYMBOL, MINUTE, until - timedelta(hours=3), until)
    monkeypatch.setattr(at._market, "_shown", replace(at._market._shown, candles_a_page=7))

    assert at.candles(SYMBOL, MINUTE, until - timedelta(hours=3), until) == whole
    assert len(whole) in (179, 180)


def test_no_time_has_no_candles(at: CcxtGateway) -> None:
    now = at.time()

    assert at.candles(SYMBOL, MINUTE, now, now) == []
    assert at.candles(SYMBOL, MINUTE, now, now - timedelta(hours=1)) == []
    assert at.candles(SYMBOL, MINUTE, now + timedelta(days=1), now + timedelta(days=2)) == []


def test_public_trades_come_oldest_first_each_once(
    at: CcxtGateway, venue: PaperProcess, monkeypatch: pytest.MonkeyPatch
) -> None:
    venue.set_depth(SYMBOL, bids=[("61990", "5")], asks=[("62000", "5")])
    since = at.time()
    for number in range(1, 12):
        venue.market_order(SYMBOL, "buy" if number % 2 else "sell", f"0.{number:02d}")
    monkeypatch.setattr(at._tape, "_shown", replace(at._tape._shown, trades_a_page=3))

    found = at.public_trades(SYMBOL, since)

    assert [trade.quantity for trade in found] == [D(f"0.{number:02d}") for number in range(1, 12)]
    assert [trade.taker for trade in found[:2]] == [Side.BUY, Side.SELL]
    assert [trade.price for trade in found[:2]] == [D(62000), D(61990)]
    assert (found.is_complete, found.complete_from) == (True, since)
    assert len({trade.id for trade in found}) == len(found) == 11
    assert at.public_trades(SYMBOL, found[-1].at + timedelta(milliseconds=1)).trades == ()


def test_an_hour_without_trades_is_passed_over(at: CcxtGateway, venue: PaperProcess) -> None:
    venue.set_depth("ETH/USDT", bids=[("2590", "5")], asks=[("2600", "5")])
    venue.market_order("ETH/USDT", "buy", "1")

    found = at.public_trades("ETH/USDT", at.time() - timedelta(hours=7))

    assert [trade.quantity for trade in found] == [D(1)]


def test_the_book_is_exact_and_as_deep_as_asked(at: CcxtGateway, venue: PaperProcess) -> None:
    bids = [("61999.99", "0.12345"), ("61990.01", "123456789.12345"), ("999.99", "1")]
    venue.set_depth(SYMBOL, bids=bids, asks=[("62000", "1")])

    book = at.order_book(SYMBOL, 50)

    assert book.bids == tuple((D(price), D(quantity)) for price, quantity in bids)
    assert book.asks == ((D(62000), D(1)),)
    assert abs(book.at - at.time()) < timedelta(minutes=5)
    assert at.order_book(SYMBOL, 2).bids == book.bids[:2]


def test_an_empty_side_is_empty(at: CcxtGateway, venue: PaperProcess) -> None:
    venue.set_depth("ETH/USDT", bids=[("2590", "5")], asks=[])

    assert at.order_book("ETH/USDT", 5).asks == ()


@pytest.mark.parametrize("look", LOOKS)
@pytest.mark.parametrize(
    "fault",
    [
        {"kind": "drop"},
        {"kind": "error", "status": 502},
        {"kind": "unreadable", "form": "garbage"},
        {"kind": "unreadable", "form": "empty"},
    ],
    ids=["dropped", "502", "garbage", "empty"],
)
def test_a_look_that_fails_raises_instead_of_showing_nothing(
    at: CcxtGateway, venue: PaperProcess, look: str, fault: dict[str, Any]
) -> None:
    endpoint, ask = LOOKS[look]
    ask(at)
    venue.arm({**fault, "endpoint": endpoint, "method": "GET"})

    with pytest.raises(VenueError) as raised:
        ask(at)

    assert (raised.value.evidence, raised.value.outage) == (Evidence.AMBIGUOUS, True)


@pytest.mark.parametrize("look", LOOKS)
def test_an_unknown_symbol_is_refused(at: CcxtGateway, look: str) -> None:
    asks: dict[str, Callable[[], object]] = {
        "candles": lambda: at.candles("FOO/BAR", MINUTE, NOW - MINUTE * 5, NOW),
        "public_trades": lambda: at.public_trades("FOO/BAR", NOW),
        "order_book": lambda: at.order_book("FOO/BAR", 5),
    }

    with pytest.raises(VenueError) as raised:
        asks[look]()

    assert raised.value.evidence is Evidence.REJECTED
