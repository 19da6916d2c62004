"""Candles and books in each venue's pages and words, with canned answers."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Sequence
from datetime import datetime, timedelta
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest

from exchanges import ccxt_market_data
from exchanges.evidence import Evidence, VenueError
from exchanges.market_shown import SHOWN
from models.clock import milliseconds
from tests.contract.canned import CannedPool, gateway, reply
from tests.contract.market_answers import (
    EIGHT,
    LOOKS,
    MINUTE,
    NOW,
    SYMBOL,
    D,
    seconds,
)


def asked(canned: CannedPool) -> list[dict[str, str]]:
    return [
        {name: values[0] for name, values in parse_qs(urlsplit(sent.split(" ", 2)[1]).query).items()}
        for sent in canned.sent
    ]


def candle_rows(name: str, opens: Sequence[datetime]) -> object:
    """One answer of each venue: open 1, high 4, low 0.5, close 2, volume 7."""
    ms = [milliseconds(at) for at in opens]
    shapes: dict[str, Callable[[], object]] = {
        "binance": lambda: [[at, "1", "4", "0.5", "2", "7", at + 59_999, "9", 3, "1", "1", "0"] for at in ms],
        "bybit": lambda: {
            "retCode": 0,
            "retMsg": "OK",
            "result": {"list": [[str(at), "1", "4", "0.5", "2", "7", "9"] for at in reversed(ms)]},
        },
        "okx": lambda: {
            "code": "0",
            "msg": "",
            "data": [[str(at), "1", "4", "0.5", "2", "7", "9", "9", "1"] for at in reversed(ms)],
        },
        "kraken": lambda: {
            "error": [],
            "result": {"XBTUSDT": [[at // 1000, "1", "4", "0.5", "2", "1.5", "7", 3] for at in ms], "last": 1},
        },
        "coinbase": lambda: {
            "candles": [
                {"start": str(at // 1000), "open": "1", "high": "4", "low": "0.5", "close": "2", "volume": "7"}
                for at in reversed(ms)
            ]
        },
        "kucoin": lambda: {
            "code": "200000",
            "data": [[str(at // 1000), "1", "2", "4", "0.5", "7", "9"] for at in reversed(ms)],
        },
        "gate": lambda: [[str(at // 1000), "9", "2", "4", "0.5", "1", "7", "true"] for at in ms],
        "bitget": lambda: {
            "code": "00000",
            "msg": "success",
            "data": [[str(at), "1", "4", "0.5", "2", "7", "9", "9"] for at in ms],
        },
        "nobitex": lambda: {
            "s": "ok",
            "t": [at // 1000 for at in ms],
            **{name: [value] * len(ms) for name, value in zip("ohlcv", (1, 4, 0.5, 2, 7), strict=True)},
        },
    }
    return shapes[name]()


@pytest.mark.parametrize("name", EIGHT)
def test_candles_are_read_in_each_venues_words(name: str) -> None:
    """The one that still grows and one that nobody asked for come as well, and are left out."""
    last = NOW.replace(second=0) - MINUTE
    opens = [last - MINUTE * back for back in (5, 4, 2, 0)]
    shown = [opens[0] - MINUTE, *opens, last + MINUTE]
    made, canned = gateway(name, reply(200, json.dumps(candle_rows(name, shown))))

    found = made.candles(SYMBOL, MINUTE, opens[0], NOW + timedelta(hours=1))

    assert [candle.open_at for candle in found] == opens, "a gap stays a gap"
    first = found[0]
    assert (first.open, first.high, first.low, first.close, first.volume) == (D(1), D(4), D("0.5"), D(2), D(7))
    assert len(canned.sent) == 1


@pytest.mark.parametrize("name", EIGHT)
def test_each_page_of_candles_asks_for_a_span_of_its_own(name: str) -> None:
    made, canned = gateway(name, reply(200, json.dumps(candle_rows(name, []))))
    page = SHOWN[name].candles_a_page
    since = NOW.replace(second=0) - MINUTE * page * 3

    made.candles(SYMBOL, MINUTE, since, NOW)

    kept = SHOWN[name].candles_kept
    assert len(canned.sent) == (1 if kept == page else 3)
    begins = sorted(_begin(query) for query in asked(canned))
    assert len(set(begins)) == len(begins)
    if kept is None:
        assert abs(begins[0] - seconds(since)) <= 1
        assert begins[1] - begins[0] == page * 60


def _begin(query: dict[str, str]) -> int:
    """The beginning of a span in seconds, whatever a venue calls and counts it."""
    text = next(query[key] for key in ("startTime", "start", "before", "since", "startAt", "from") if key in query)
    value = int(text)
    return value // 1000 if value > 10**11 else value


def book_answer(name: str, levels: list[list[str]]) -> object:
    bids = levels
    asks = [["20000.5", "1"], ["100000", "2"]]
    as_objects = [{"price": price, "size": size} for price, size in bids]
    return {
        "binance": {"lastUpdateId": 1, "bids": bids, "asks": asks},
        "bybit": {"retCode": 0, "retMsg": "OK", "result": {"s": "BTCUSDT", "b": bids, "a": asks, "ts": 1_760_000_000_001}},
        "okx": {"code": "0", "msg": "", "data": [{"bids": [[*level, "0", "1"] for level in bids],
                "asks": [[*level, "0", "1"] for level in asks], "ts": "1760000000001"}]},
        "kraken": {"error": [], "result": {"XBTUSDT": {"bids": [[*level, 1760000000] for level in bids],
                   "asks": [[*level, 1760000000] for level in asks]}}},
        "coinbase": {"pricebook": {"product_id": "BTC-USDT", "bids": as_objects,
                     "asks": [{"price": price, "size": size} for price, size in asks], "time": "2025-10-09T08:53:20.001Z"}},
        "kucoin": {"code": "200000", "data": {"time": 1_760_000_000_001, "sequence": "1", "bids": bids, "asks": asks}},
        "gate": {"id": 1, "current": 1_760_000_000_001, "update": 1_760_000_000_001, "bids": bids, "asks": asks},
        "bitget": {"code": "00000", "msg": "success", "data": {"bids": bids, "asks": asks, "ts": "1760000000001"}},
        "nobitex": {"status": "ok", "lastUpdate": 1_760_000_000_001, "lastTradePrice": "20000", "bids": bids, "asks": asks},
    }[name]  # fmt: skip


#: more digits than a binary float has, and prices that sort otherwise as words
BIDS = [["10000.1", "123456789.123456789"], ["9999.9", "0.3"], ["999.99", "7"]]


@pytest.mark.parametrize("name", EIGHT)
def test_the_book_is_exact_and_sorted_by_number(name: str) -> None:
    made, _ = gateway(name, reply(200, json.dumps(book_answer(name, BIDS))))

    book = made.order_book(SYMBOL, 2)

    assert book.bids == ((D("10000.1"), D("123456789.123456789")), (D("9999.9"), D("0.3")))
    assert [price for price, _ in book.asks] == [D("20000.5"), D(100000)]
    assert abs(book.at - NOW) < timedelta(minutes=5)


@pytest.mark.parametrize("name", EIGHT)
@pytest.mark.parametrize("levels", [1, 5, 20, 50, 10_000])
def test_no_venue_is_asked_for_a_depth_that_it_refuses(name: str, levels: int) -> None:
    made, canned = gateway(name, reply(200, json.dumps(book_answer(name, BIDS))))

    made.order_book(SYMBOL, levels)

    target = canned.sent[0].split(" ", 2)[1]
    query = asked(canned)[0]
    if name == "nobitex":  # whose book has one depth
        assert query == {}
        return
    named = next((int(query[key]) for key in ("limit", "sz", "count") if key in query), None)
    if named is None:  # in KuCoin's path
        found = re.search(r"level2_(\d+)", target)
        assert found is not None, target
        named = int(found[1])
    allowed = SHOWN[name].book_levels
    assert named <= allowed[-1]
    assert named >= min(levels, allowed[-1])
    if len(allowed) > 1:
        assert named in allowed


NOTHING: dict[str, object] = {
    "binance": {"lastUpdateId": 1},
    "bybit": {"retCode": 0, "retMsg": "OK", "result": {}},
    "okx": {"code": "0", "msg": ""},
    "kraken": {"error": []},
    "coinbase": {"nothing": True},
    "kucoin": {"code": "200000", "data": None},
    "gate": {"current": 1_760_000_000_001},
    "bitget": {"code": "00000", "msg": "success", "data": None},
    "nobitex": {"status": "ok"},
}


@pytest.mark.parametrize("name", EIGHT)
@pytest.mark.parametrize("look", LOOKS)
def test_an_answer_without_its_list_is_no_empty_market(name: str, look: str) -> None:
    made, _ = gateway(name, reply(200, json.dumps(NOTHING[name])))
    asks: dict[str, Callable[[], object]] = {
        "candles": lambda: made.candles(SYMBOL, MINUTE, NOW - MINUTE * 5, NOW),
        "public_trades": lambda: made.public_trades(SYMBOL, NOW - MINUTE),
        "order_book": lambda: made.order_book(SYMBOL, 5),
    }

    with pytest.raises(VenueError) as raised:
        asks[look]()

    assert raised.value.evidence is Evidence.AMBIGUOUS


def test_an_interval_that_a_venue_does_not_have_is_refused_with_those_that_it_has() -> None:
    made, canned = gateway("coinbase", reply(200, "{}"))

    with pytest.raises(VenueError, match="1m, 5m, 15m, 30m, 1h, 2h, 6h, 1d") as raised:
        made.candles(SYMBOL, timedelta(minutes=3), NOW - timedelta(hours=1), NOW)

    assert (raised.value.evidence, raised.value.code) == (Evidence.REJECTED, "NO_SUCH_INTERVAL")
    assert canned.sent == []


def test_too_many_candles_at_once_are_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ccxt_market_data, "MAX_PAGES", 2)
    made, canned = gateway("okx", reply(200, "{}"))

    with pytest.raises(VenueError, match="at most 200 are read") as raised:
        made.candles(SYMBOL, MINUTE, NOW - timedelta(days=1), NOW)

    assert (raised.value.evidence, raised.value.code) == (Evidence.REJECTED, "TOO_MANY_CANDLES")
    assert canned.sent == []


@pytest.mark.parametrize(
    "row", [[None, "1", "1", "1", "1", "1"], [1, "x", "1", "1", "1", "1"], [1, "1", "1", "1", "1", None]]
)
def test_a_candle_that_can_not_be_read_is_no_candle(row: list[object]) -> None:
    from exchanges.ccxt_call import Unreadable

    with pytest.raises(Unreadable):
        ccxt_market_data.candle(row)


@pytest.mark.parametrize("levels", [[["0", "1"]], [["1", "-1"]], [["1", None]], None])
def test_a_level_that_can_not_be_read_is_no_level(levels: Any) -> None:
    from exchanges.ccxt_call import Unreadable

    with pytest.raises(Unreadable):
        ccxt_market_data.order_book({"bids": levels, "asks": []}, SYMBOL, NOW, 5)


def test_the_quote_of_a_venue_whose_ticker_has_no_prices_asks_for_an_allowed_depth() -> None:
    made, canned = gateway("kucoin", reply(200, json.dumps(book_answer("kucoin", BIDS))))

    quote = made.quote(SYMBOL)

    assert (quote.bid, quote.ask) == (D("10000.1"), D("20000.5"))
    assert "level2_20" in canned.sent[-1]
