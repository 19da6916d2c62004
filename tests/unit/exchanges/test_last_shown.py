from __future__ import annotations

import re
from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path

from exchanges.last_shown import MOST_KEPT, LastShown
from models.market_data import OrderBook
from models.reports import Quote, VenueBalance
from models.shown_codec import shown_to_dict

ROOT = Path(__file__).resolve().parents[3]
AT = datetime(2026, 1, 2, 3, 4, 5, 678, tzinfo=UTC)
BALANCE = VenueBalance(asset="BTC", free=Decimal("0.10"), used=Decimal("1E-8"))


class Ticks:
    now_s = 1000.0

    def __call__(self) -> float:
        return self.now_s


def quote(symbol: str = "BTC/USDT", bid: str = "49999.99") -> Quote:
    return Quote(symbol=symbol, bid=Decimal(bid), ask=None, at=AT)


def test_each_kind_and_symbol_is_told_once_with_its_age() -> None:
    ticks = Ticks()
    shown = LastShown(ticks=ticks)
    book = OrderBook(symbol="BTC/USDT", bids=(), asks=(), at=AT)
    shown.note(quote(), shown.asking())
    ticks.now_s += 2
    shown.note(book, shown.asking())
    shown.note([BALANCE], shown.asking())
    ticks.now_s += 1

    told = {(type(entry.value), entry.symbol): shown.age_s(entry) for entry in shown.take()}

    assert told == {(Quote, "BTC/USDT"): 3, (OrderBook, "BTC/USDT"): 1, (tuple, ""): 1}
    assert shown.take() == []


def test_what_was_asked_for_later_counts_whichever_answer_comes_first() -> None:
    ticks = Ticks()
    shown = LastShown(ticks=ticks)
    early = shown.asking()
    ticks.now_s += 1
    shown.note(quote(bid="2"), shown.asking())
    shown.note(quote(bid="1"), early)

    (told,) = shown.take()

    assert told.value == quote(bid="2")


def test_what_could_not_be_told_is_told_next_time_unless_newer_came() -> None:
    ticks = Ticks()
    shown = LastShown(ticks=ticks)
    shown.note(quote("A/B"), shown.asking())
    shown.note(quote("C/D"), shown.asking())
    taken = shown.take()
    ticks.now_s += 5
    shown.note(quote("A/B", bid="7"), shown.asking())

    shown.give_back(taken)

    assert {(entry.value, shown.age_s(entry)) for entry in shown.take()} == {
        (quote("A/B", bid="7"), 0),
        (quote("C/D"), 5),
    }


def test_it_is_bounded_and_the_oldest_goes() -> None:
    shown = LastShown()
    for number in range(MOST_KEPT + 1):
        shown.note(quote(f"S{number}/USDT"), shown.asking())

    symbols = [entry.symbol for entry in shown.take()]

    assert len(symbols) == MOST_KEPT
    assert "S0/USDT" not in symbols


def test_it_is_written_exactly() -> None:
    book = OrderBook(symbol="BTC/USDT", bids=((Decimal("1E-8"), Decimal(3)),), asks=(), at=AT)

    assert shown_to_dict(quote()) == {"bid": "49999.99", "ask": None, "at": "2026-01-02T03:04:05.000678Z"}
    assert shown_to_dict(book) == {"bids": [["0.00000001", "3"]], "asks": [], "at": "2026-01-02T03:04:05.000678Z"}
    assert shown_to_dict((BALANCE,)) == {"items": [{"asset": "BTC", "free": "0.1", "used": "0.00000001"}]}


#: who may touch what was shown a while ago, and whether to write or to show it; no step that decides on an order
TOUCHES = {
    "api/app.py",
    "api/market.py",
    "exchanges/last_shown.py",
    "exchanges/registry.py",
    "storage/redis_shown.py",
    "tasks/positions.py",  # what a position would bring, shown with the age of its price
    "tasks/runtime.py",
    "tasks/traffic.py",
    "workflows/streaming.py",  # notes what was pushed, and reads nothing
}


def test_nothing_that_decides_reads_what_was_shown_a_while_ago() -> None:
    folders = ("algorithms", "risk", "accounting", "exchanges", "storage", "tasks", "workflows", "api", "cli", "ops")
    used = re.compile(r"shared_shown|redis_shown|RedisShown|gateways\.shown\(|def shown\(self\)|_shown\.take")
    found = {
        str(path.relative_to(ROOT))
        for folder in folders
        for path in (ROOT / folder).rglob("*.py")
        if used.search(path.read_text(encoding="utf-8"))
    }

    assert found <= TOUCHES, "a decision needs what the venue says now: ask the gateway"
