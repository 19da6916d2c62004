from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from decimal import Decimal

import pytest

from exchanges.evidence import Evidence, VenueError
from exchanges.instruments import RECHECK_S, InstrumentCache
from models.instrument import Instrument
from models.instrument_codec import instrument_from_dict, instrument_to_dict

NOW = datetime(2025, 10, 9, 8, 53, 20, 123456, tzinfo=UTC)
BITCOIN = Instrument(
    venue="paper",
    symbol="BTC/USDT",
    base="BTC",
    quote="USDT",
    tick=Decimal("0.01"),
    lot=Decimal("1E-5"),
    max_quantity=Decimal(9000),
    maker_fee=Decimal("-0.00025"),
    taker_fee=Decimal("0.001"),
    fetched_at=NOW,
)


class Store:
    def __init__(self) -> None:
        self.saved: dict[str, Sequence[Instrument]] = {}
        self.loads = 0

    def load(self, venue: str, known: datetime | None = None) -> tuple[Sequence[Instrument], datetime | None] | None:
        found = self.saved.get(venue, [])
        at = found[0].fetched_at if found else None
        if known is not None and known == at:
            return None
        self.loads += 1
        return found, at

    def save(self, venue: str, instruments: Sequence[Instrument]) -> None:
        self.saved[venue] = instruments


class Ticks:
    now_s = 0.0

    def __call__(self) -> float:
        return self.now_s


def no_venue(_: str) -> Sequence[Instrument]:
    raise AssertionError("the venue was asked")


def test_what_has_not_changed_in_the_store_is_not_read_again_and_stays_as_it_was() -> None:
    store, ticks = Store(), Ticks()
    cache = InstrumentCache(store, no_venue, recheck_s=30, ticks=ticks)
    store.save("paper", [BITCOIN])
    held = cache.all_of("paper")

    for _ in range(3):
        ticks.now_s += 31
        assert cache.all_of("paper") is held
    assert store.loads == 1

    store.save("paper", [replace(BITCOIN, tick=Decimal("0.1"), fetched_at=NOW + timedelta(minutes=5))])
    assert cache.all_of("paper") is held, "it was looked into just now"
    ticks.now_s += 31
    assert cache.all_of("paper")["BTC/USDT"].tick == Decimal("0.1")
    assert store.loads == 2


def test_peek_reads_memory_get_the_store_and_neither_the_venue() -> None:
    store, ticks = Store(), Ticks()
    cache = InstrumentCache(store, no_venue, ticks=ticks)
    store.save("paper", [BITCOIN])

    assert cache.peek("paper", "BTC/USDT") is None
    assert not cache.known("paper")
    assert cache.get("paper", "BTC/USDT") == BITCOIN
    assert cache.peek("paper", "BTC/USDT") == BITCOIN
    assert cache.get("paper", "FOO/BAR") is None
    assert store.loads == 1
    assert cache.known("paper")
    assert cache.symbols("paper") == ["BTC/USDT"]
    assert cache.age_s("paper", NOW + timedelta(seconds=5)) == 5.0


def test_what_another_process_refreshed_is_seen_after_a_while() -> None:
    store, ticks = Store(), Ticks()
    here = InstrumentCache(store, no_venue, ticks=ticks)
    otherwise = replace(BITCOIN, tick=Decimal("0.1"), fetched_at=NOW + timedelta(minutes=5))
    there = InstrumentCache(store, lambda _: [otherwise], ticks=ticks)
    store.save("paper", [BITCOIN])
    here.get("paper", "BTC/USDT")

    there.refresh("paper")
    ticks.now_s += RECHECK_S + 1

    assert here.get("paper", "BTC/USDT").tick == Decimal("0.1")  # type: ignore[union-attr]


def test_a_venue_that_fails_leaves_what_was_held() -> None:
    def gone(_: str) -> Sequence[Instrument]:
        raise VenueError(Evidence.NOT_SENT, "gone")

    store = Store()
    cache = InstrumentCache(store, gone)
    store.save("paper", [BITCOIN])
    cache.get("paper", "BTC/USDT")

    with pytest.raises(VenueError):
        cache.refresh("paper")

    assert cache.peek("paper", "BTC/USDT") == BITCOIN
    assert store.saved["paper"] == [BITCOIN]


def test_an_instrument_survives_json_exactly() -> None:
    written = json.loads(json.dumps(instrument_to_dict(BITCOIN)))

    assert instrument_from_dict(written) == BITCOIN
    assert (written["lot"], written["maker_fee"], written["max_price"]) == ("0.00001", "-0.00025", None)


def test_fields_of_a_newer_or_older_deployment_do_not_matter() -> None:
    written = instrument_to_dict(BITCOIN)
    del written["max_market_quantity"]

    assert instrument_from_dict({**written, "new_in_2030": 1}) == BITCOIN
