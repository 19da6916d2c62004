"""What gateways show of a market: on the real venue process, and each venue's pages, words and gaps with canned answers."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest

from exchanges import ccxt_market_data, ccxt_public_trades
from exchanges.ccxt_gateway import CcxtGateway
from exchanges.config import Secret, VenueConfig
from exchanges.evidence import Evidence, VenueError
from exchanges.http_connection import RawReply
from exchanges.market_shown import SHOWN, Tape
from models.clock import milliseconds
from models.market_data import PublicTrades
from models.vocabulary import Side
from tests.contract.canned import CannedPool, gateway, reply
from tests.support.paper import KEY, SECRET, PaperProcess

SYMBOL = "BTC/USDT"
D = Decimal
MINUTE = timedelta(minutes=1)
#: where the canned venues' clocks stand
NOW = datetime.fromtimestamp(1_760_000_000, UTC)
EIGHT = tuple(SHOWN)
ROOM = timedelta(seconds=10)


@pytest.fixture(scope="module")
def venue(tmp_path_factory: pytest.TempPathFactory) -> Iterator[PaperProcess]:
    home: Path = tmp_path_factory.mktemp("paper")
    with PaperProcess(home, symbols="BTC/USDT,ETH/USDT") as process:
        process.pause_market()
        yield process


@pytest.fixture
def at(venue: PaperProcess) -> Iterator[CcxtGateway]:
    made = CcxtGateway(
        VenueConfig(
            name="paper",
            ccxt_id="binance",
            base_url=venue.url,
            api_key=Secret(KEY),
            secret=Secret(SECRET),
            timeout_ms=60_000,
        )
    )
    yield made
    venue.disarm()
    made.close()


# ------------------------------------------------------------------------------------------------- the built-in venue


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


LOOKS: dict[str, tuple[str, Callable[[CcxtGateway], object]]] = {
    "candles": ("klines", lambda at: at.candles(SYMBOL, MINUTE, NOW - timedelta(hours=1), NOW)),
    "public_trades": ("aggTrades", lambda at: at.public_trades(SYMBOL, at.estimated_time() - MINUTE)),
    "order_book": ("depth", lambda at: at.order_book(SYMBOL, 5)),
}


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


# ------------------------------------------------------------------------------------------ each venue's pages and words


def asked(canned: CannedPool) -> list[dict[str, str]]:
    return [
        {name: values[0] for name, values in parse_qs(urlsplit(sent.split(" ", 2)[1]).query).items()}
        for sent in canned.sent
    ]


def seconds(at: datetime) -> int:
    return milliseconds(at) // 1000


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


def trade_row(name: str, number: int, at: datetime) -> object:
    ms = milliseconds(at)
    iso = at.strftime("%Y-%m-%dT%H:%M:%S.%fZ")
    return {
        "binance": {"a": number, "p": "5", "q": "2", "f": number, "l": number, "T": ms, "m": False, "M": True},
        "bybit": {"execId": str(number), "symbol": "BTCUSDT", "price": "5", "size": "2", "side": "Buy", "time": str(ms)},
        "okx": {"instId": "BTC-USDT", "side": "buy", "sz": "2", "px": "5", "tradeId": str(number), "ts": str(ms)},
        "kraken": ["5", "2", ms / 1000, "b", "l", "", number],
        "coinbase": {"trade_id": str(number), "product_id": "BTC-USDT", "price": "5", "size": "2", "time": iso, "side": "BUY"},
        "kucoin": {"sequence": str(number), "price": "5", "size": "2", "side": "buy", "time": ms * 1_000_000},
        "gate": {"id": str(number), "create_time": str(ms // 1000), "create_time_ms": f"{ms}.0", "currency_pair": "BTC_USDT",
                 "side": "buy", "amount": "2", "price": "5"},
        "bitget": {"tradeId": str(number), "symbol": "BTCUSDT", "side": "buy", "price": "5", "size": "2", "ts": str(ms)},
        "nobitex": {"time": ms, "price": "5", "volume": "2", "type": "buy"},
    }[name]  # fmt: skip


def trades_answer(name: str, rows: list[object]) -> object:
    return {
        "binance": rows,
        "bybit": {"retCode": 0, "retMsg": "OK", "result": {"list": rows}},
        "okx": {"code": "0", "msg": "", "data": rows},
        "kraken": {"error": [], "result": {"XBTUSDT": rows, "last": "1"}},
        "coinbase": {"trades": rows, "best_bid": "1", "best_ask": "2"},
        "kucoin": {"code": "200000", "data": rows},
        "gate": rows,
        "bitget": {"code": "00000", "msg": "success", "data": rows},
        "nobitex": {"status": "ok", "trades": rows},
    }[name]


class Market:
    """All trades of a market, one a second and numbered, shown in pages as the venue shows them."""

    def __init__(self, name: str, page: int, total: int, *, shows: int | None = None) -> None:
        self.name, self.page = name, page
        self.all = [(number, NOW - timedelta(seconds=total - number)) for number in range(1, total + 1)]
        #: no more than these, the newest
        self.shown = self.all if shows is None else self.all[-shows:]

    def __call__(self, target: str) -> RawReply:
        query = {name: values[0] for name, values in parse_qs(urlsplit(target).query).items()}
        found = [entry for entry in self.shown if self._is_asked_for(entry, query)]
        oldest_first = SHOWN[self.name].tape in (Tape.BY_ID, Tape.FORWARD)
        chosen = found[: self.page] if oldest_first else found[-self.page :]
        rows = [trade_row(self.name, number, at) for number, at in (chosen if oldest_first else reversed(chosen))]
        return reply(200, json.dumps(trades_answer(self.name, rows)))

    def _is_asked_for(self, entry: tuple[int, datetime], query: dict[str, str]) -> bool:
        number, at = entry
        bounds = {
            "binance": lambda: (
                number >= int(query.get("fromId", 0))
                and milliseconds(at) >= int(query.get("startTime", 0))
                and milliseconds(at) <= int(query.get("endTime", 10**15))
            ),
            "okx": lambda: number < int(query.get("after", 10**15)),
            "kraken": lambda: seconds(at) >= float(query.get("since", 0)),
            "coinbase": lambda: seconds(at) <= int(query.get("end", 10**15)),
            "gate": lambda: seconds(at) <= int(query.get("to", 10**15)),
            "bitget": lambda: number < int(query.get("idLessThan", 10**15)),
        }
        return self.name not in bounds or bounds[self.name]()


def numbers(found: PublicTrades, market: Market) -> list[int]:
    """By their time, since one venue gives no ids; where ids are given they are these."""
    told = [next(number for number, at in market.all if at == trade.at) for trade in found]
    assert market.name == "nobitex" or [int(trade.id) for trade in found] == told
    assert len({trade.id for trade in found}) == len(told)
    return told


def small_pages(made: CcxtGateway, page: int) -> None:
    made._tape._shown = replace(made._tape._shown, trades_a_page=page)


@pytest.mark.parametrize("name", EIGHT)
def test_trades_are_read_over_each_venues_pages_or_it_is_said_that_some_are_missing(name: str) -> None:
    market = Market(name, page=10, total=100)
    made, _ = gateway(name, market)
    small_pages(made, 10)
    since = market.all[54][1]

    found = made.public_trades(SYMBOL, since)

    wanted = market.all[54:]
    if SHOWN[name].tape is Tape.LAST:
        assert numbers(found, market) == [number for number, _ in wanted[-10:]]
        assert not found.is_complete
        assert found.complete_from == found[0].at + timedelta(milliseconds=1)
    else:
        assert [(int(trade.id), trade.at) for trade in found] == wanted
        assert (found.is_complete, found.complete_from) == (True, since)
    assert {(trade.price, trade.quantity) for trade in found} == {(D(5), D(2))}
    assert {trade.taker for trade in found} == {Side.BUY if SHOWN[name].side_is_takers else None}


@pytest.mark.parametrize("name", EIGHT)
def test_a_time_that_one_page_covers_is_complete(name: str) -> None:
    market = Market(name, page=10, total=100)
    made, canned = gateway(name, market)
    small_pages(made, 10)

    found = made.public_trades(SYMBOL, market.all[95][1])

    assert numbers(found, market) == [96, 97, 98, 99, 100]
    assert found.is_complete
    assert len(canned.sent) == 1


@pytest.mark.parametrize("name", [name for name in EIGHT if SHOWN[name].tape in (Tape.BACKWARD, Tape.BACKWARD_BY_ID)])
def test_a_venue_that_shows_no_more_says_from_where_on_it_is_complete(name: str) -> None:
    market = Market(name, page=10, total=100, shows=25)
    made, _ = gateway(name, market)
    small_pages(made, 10)

    found = made.public_trades(SYMBOL, market.all[10][1])

    assert len(found) == 25
    assert found.complete_from == market.all[75][1] + timedelta(milliseconds=1)


def test_a_venue_without_an_entry_is_trusted_only_where_it_shows_an_older_trade() -> None:
    entries = [
        {"id": str(number), "timestamp": milliseconds(NOW) + number, "price": "5", "amount": "2", "side": "buy"}
        for number in range(3)
    ]
    made, _ = gateway("bybit", reply(200, "{}"))
    made._tape._shown = replace(SHOWN["bybit"], trades_a_page=None)
    with made._caller._pool.instance() as instance:
        type(instance.exchange).fetch_trades = lambda *_: entries
    try:
        made._caller.call = lambda operation, **_: operation(instance.exchange)  # type: ignore[assignment]

        assert not made.public_trades(SYMBOL, NOW).is_complete
        assert made.public_trades(SYMBOL, NOW + timedelta(milliseconds=1)).is_complete
    finally:
        del type(instance.exchange).fetch_trades


def test_more_trades_than_one_look_reads_are_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ccxt_public_trades, "MAX_PAGES", 3)
    market = Market("binance", page=10, total=100)
    made, canned = gateway("binance", market)
    small_pages(made, 10)

    with pytest.raises(VenueError, match="shorter time") as raised:
        made.public_trades(SYMBOL, market.all[0][1])

    assert (raised.value.evidence, raised.value.code) == (Evidence.REJECTED, "TOO_MANY_TRADES")
    assert len(canned.sent) == 3


def test_kraken_trades_that_share_a_second_beyond_a_page_are_no_endless_loop() -> None:
    rows = [trade_row("kraken", number, NOW) for number in range(10)]
    made, canned = gateway("kraken", reply(200, json.dumps(trades_answer("kraken", rows))))
    small_pages(made, 10)

    with pytest.raises(VenueError, match="in one second") as raised:
        made.public_trades(SYMBOL, NOW)

    assert raised.value.evidence is Evidence.AMBIGUOUS
    assert len(canned.sent) == 2


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
