from __future__ import annotations

from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

import pytest

from exchanges import ccxt_markets, ccxt_parse
from exchanges.capabilities import Paging
from exchanges.ccxt_call import Unreadable
from exchanges.ccxt_pages import pages
from models.reports import VenueStatus

SYMBOL = "BTC/USDT"
NOW = datetime(2025, 10, 9, tzinfo=UTC)
D = Decimal

ORDER = {
    "id": "7",
    "symbol": SYMBOL,
    "clientOrderId": "abc",
    "amount": "2",
    "filled": "0",
    "status": "open",
    "price": "5",
}
TRADE = {
    "id": "1",
    "order": "7",
    "symbol": SYMBOL,
    "side": "buy",
    "amount": "1",
    "price": "5",
    "cost": "5",
    "timestamp": 1000,
    "takerOrMaker": "maker",
    "fee": {"cost": "0.001", "currency": "BTC"},
}


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        ({}, VenueStatus.OPEN),
        ({"filled": "1"}, VenueStatus.OPEN),
        ({"status": "closed", "filled": "2"}, VenueStatus.FILLED),
        # bybit PartiallyFilledCanceled, kucoin '6'
        ({"status": "closed", "filled": "1"}, VenueStatus.CANCELED),
        ({"status": "closed", "filled": "0"}, VenueStatus.CANCELED),
        ({"status": "closed", "amount": None, "filled": "1"}, VenueStatus.FILLED),
        ({"status": "canceled", "filled": "1"}, VenueStatus.CANCELED),
        ({"status": "canceled", "filled": "2"}, VenueStatus.FILLED),
        ({"status": "canceling"}, VenueStatus.OPEN),
        ({"status": "expired", "filled": "1"}, VenueStatus.EXPIRED),
        ({"status": "rejected"}, VenueStatus.REJECTED),
        ({"status": "open", "filled": "2"}, VenueStatus.FILLED),
    ],
)
def test_a_status_is_judged_by_what_was_filled(changes: dict[str, Any], expected: VenueStatus) -> None:
    assert ccxt_parse.order_report({**ORDER, **changes}, SYMBOL).status is expected


@pytest.mark.parametrize(
    "changes",
    [
        {"id": None},
        {"id": ""},
        {"symbol": "ETH/USDT"},
        {"status": "wondering"},
        {"status": None},
        {"status": "canceled", "filled": None},
        {"filled": "many"},
        {"amount": "NaN"},
        {"price": "Infinity"},
    ],
)
def test_an_order_that_can_not_be_made_sense_of_is_no_report(changes: dict[str, Any]) -> None:
    with pytest.raises(Unreadable):
        ccxt_parse.order_report({**ORDER, **changes}, SYMBOL)


def test_an_acknowledgement_without_a_state_is_open() -> None:
    report = ccxt_parse.order_report({"id": "7", "status": None, "filled": None}, SYMBOL, fresh=True)

    assert (report.status, report.filled_quantity) == (VenueStatus.OPEN, D(0))


@pytest.mark.parametrize(
    ("changes", "fee", "asset"),
    [
        ({}, "0.001", "BTC"),
        ({"fee": None}, "0", None),
        ({"fee": {"cost": "0", "currency": "BNB"}}, "0", None),
        ({"fee": {"cost": "-0.5", "currency": "USDT"}}, "-0.5", "USDT"),
        ({"fees": [{"cost": "1", "currency": "A"}, {"cost": "2", "currency": "A"}]}, "3", "A"),
        ({"fees": [{"cost": "0", "currency": "B"}, {"cost": "2", "currency": "A"}]}, "2", "A"),
    ],
)
def test_the_fee_of_a_trade(changes: dict[str, Any], fee: str, asset: str | None) -> None:
    trade = ccxt_parse.trade({**TRADE, **changes}, SYMBOL)

    assert (trade.fee, trade.fee_asset) == (D(fee), asset)


@pytest.mark.parametrize(
    "changes",
    [
        {"id": None},
        {"order": None},
        {"side": None},
        {"timestamp": None},
        {"amount": None},
        {"price": None},
        {"fee": {"cost": "1", "currency": None}},
        {"fees": [{"cost": "1", "currency": "A"}, {"cost": "2", "currency": "B"}]},
    ],
)
def test_a_trade_that_can_not_be_booked_is_no_trade(changes: dict[str, Any]) -> None:
    with pytest.raises(Unreadable):
        ccxt_parse.trade({**TRADE, **changes}, SYMBOL)


def test_trades_come_oldest_first_each_once_and_numbers_as_numbers() -> None:
    entries = [{**TRADE, "id": number} for number in ("10", "9", "10")]
    entries += [{**TRADE, "id": "3", "timestamp": 500}, {**TRADE, "symbol": "ETH/USDT"}]
    # A self-match puts one trade id on two orders.
    entries += [{**TRADE, "id": "9", "order": "8"}]

    found = [(trade.venue_trade_id, trade.venue_order_id) for trade in ccxt_parse.trades(entries, SYMBOL)]

    assert found == [("3", "7"), ("9", "7"), ("9", "8"), ("10", "7")]


def test_balances_that_are_not_zero() -> None:
    found = ccxt_parse.balances(
        {
            "info": {},
            "free": {"BTC": "1"},
            "BTC": {"free": "1", "used": "0.5", "total": "1.5"},
            "ETH": {"free": "0", "used": "0", "total": "0"},
            "XRP": {"free": None, "used": "1", "total": "3"},
            "SOL": {"free": "2", "used": None, "total": None},
        }
    )

    assert [(row.asset, row.free, row.used) for row in found] == [
        ("BTC", D(1), D("0.5")),
        ("XRP", D(2), D(1)),
        ("SOL", D(2), D(0)),
    ]


MARKET = {
    "symbol": SYMBOL,
    "base": "BTC",
    "quote": "USDT",
    "spot": True,
    "precision": {"price": "0.01", "amount": "1e-5"},
    "limits": {"amount": {"min": "0.0001", "max": 0}, "cost": {"min": "5"}, "price": {}},
    "maker": "0.0008",
    "taker": 0.001,
}


def test_a_market_becomes_an_instrument() -> None:
    (found,) = ccxt_markets.instruments([MARKET], "paper", 4, NOW)

    assert (found.tick, found.lot, found.min_quantity, found.max_quantity) == (
        D("0.01"),
        D("0.00001"),
        D("0.0001"),
        None,
    )
    assert (found.min_notional, found.maker_fee, found.taker_fee) == (D(5), D("0.0008"), D("0.001"))
    assert found.active


@pytest.mark.parametrize(
    "changes",
    [
        {"spot": False},
        {"contract": True},
        {"precision": {}},
        {"precision": {"price": "0", "amount": "1"}},
        {"precision": {"price": "x", "amount": "1"}},
    ],
)
def test_what_is_not_spot_or_has_no_steps_is_left_out(changes: dict[str, Any]) -> None:
    assert ccxt_markets.instruments([{**MARKET, **changes}], "paper", 4, NOW) == []


def test_decimal_places_become_steps() -> None:
    (found,) = ccxt_markets.instruments([{**MARKET, "precision": {"price": 2, "amount": 0}}], "paper", 2, NOW)

    assert (found.tick, found.lot) == (D("0.01"), D(1))


class Ledger:
    """250 trades, several of them in one millisecond, served in pages as venues do."""

    def __init__(self, order: str) -> None:
        self.entries = [{"id": str(number), "order": "1", "timestamp": number // 7} for number in range(250)]
        self._order = order

    def fetch(self, since: int | None, further: dict[str, Any]) -> list[dict[str, Any]]:
        found = [entry for entry in self.entries if since is None or entry["timestamp"] >= since]
        if "fromId" in further:
            found = [entry for entry in found if int(entry["id"]) >= further["fromId"]]
        if "until" in further:
            found = [entry for entry in found if entry["timestamp"] <= further["until"]]
        found = found[: len(found) - further.get("ofs", 0)]
        return found[:20] if self._order == "oldest" else found[-20:]


@pytest.mark.parametrize(
    ("order", "paging"),
    [
        ("oldest", Paging.BY_ID),
        ("oldest", Paging.FORWARD),
        ("newest", Paging.BACKWARD),
        ("newest", Paging.BY_OFFSET),
    ],
)
def test_a_long_list_is_read_to_its_end(order: str, paging: Paging) -> None:
    ledger = Ledger(order)

    found = pages(ledger.fetch, 3, 20, paging, "fromId")

    expected = {entry["id"] for entry in ledger.entries if entry["timestamp"] >= 3}
    assert {entry["id"] for entry in found} == expected
    assert len(found) == len(expected)


def test_what_is_of_the_same_millisecond_as_the_oldest_seen_is_not_left_out() -> None:
    finer = [{"id": str(number), "order": "1", "timestamp": 5, "micros": 5000 + number} for number in range(25)]

    def fetch(_: int | None, further: dict[str, Any]) -> list[dict[str, Any]]:
        until = further.get("until", 10**9) * 1000
        return [entry for entry in finer if entry["micros"] <= until][-20:]

    with pytest.raises(Unreadable):  # more of one millisecond than a page holds: told, not left out
        pages(fetch, 3, 20, Paging.BACKWARD, "fromId")


def test_a_list_whose_end_can_not_be_reached_is_a_failure_instead_of_a_part() -> None:
    with pytest.raises(Unreadable):
        pages(Ledger("newest").fetch, 3, 20, Paging.SINGLE, "fromId")
    stuck = [{"id": str(number), "order": "1", "timestamp": 5} for number in range(20)]
    for paging in (Paging.FORWARD, Paging.BACKWARD):
        with pytest.raises(Unreadable):
            pages(lambda *_: stuck, 3, 20, paging, "fromId")
