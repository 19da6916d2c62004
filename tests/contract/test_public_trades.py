"""Public trades in each venue's pages and words, with canned answers."""

from __future__ import annotations

import json
from dataclasses import replace
from datetime import datetime, timedelta
from urllib.parse import parse_qs, urlsplit

import pytest

from exchanges import ccxt_public_trades
from exchanges.ccxt_gateway import CcxtGateway
from exchanges.evidence import Evidence, VenueError
from exchanges.http_connection import RawReply
from exchanges.market_shown import SHOWN, Tape
from models.clock import milliseconds
from models.market_data import PublicTrades
from models.vocabulary import Side
from tests.contract.canned import gateway, reply
from tests.contract.market_answers import (
    EIGHT,
    NOW,
    SYMBOL,
    D,
    seconds,
)


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
