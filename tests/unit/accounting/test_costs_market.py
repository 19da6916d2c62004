"""An interval's market from candles and trades: known averages, whole candles, gaps, and bounds that always hold."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from accounting.costs_market import (
    CANDLES,
    MOST_CANDLES,
    CandleSpan,
    IntervalMarket,
    market_of_candles,
    market_of_trades,
    whole_candles,
)
from models.market_data import Candle, PublicTrade

NOW = datetime(2030, 1, 31, 12, tzinfo=UTC)
MINUTE = timedelta(minutes=1)

prices = st.decimals("0.0001", "100000", places=4, allow_nan=False)
volumes = st.decimals("0", "100000", places=4, allow_nan=False)
times = st.datetimes(datetime(2020, 1, 1), datetime(2040, 1, 1), timezones=st.just(UTC))  # noqa: DTZ001


def candle(minute: int, *ohlc: str, volume: str = "1") -> Candle:
    first, high, low, last = (Decimal(text) for text in (ohlc if len(ohlc) == 4 else ohlc * 4))
    return Candle(open_at=NOW + minute * MINUTE, open=first, high=high, low=low, close=last, volume=Decimal(volume))


def trade(after_s: float, price: str, quantity: str = "1") -> PublicTrade:
    at = NOW + timedelta(seconds=after_s)
    return PublicTrade(id=str(after_s), price=Decimal(price), quantity=Decimal(quantity), at=at, taker=None)


def span(minutes: int) -> CandleSpan:
    return CandleSpan(start_at=NOW, end_at=NOW + minutes * MINUTE, length=MINUTE)


#: (price, volume), and their volume-weighted average to 17 digits
PUBLISHED = [
    ("1.00000", "10000"), ("1.00010", "11000"), ("1.00020", "12000"), ("1.00030", "13000"), ("1.00040", "14000"),
    ("1.00050", "0"), ("1.00060", "16000"), ("1.00070", "17000"), ("1.00080", "18000"), ("1.00090", "19000"),
]  # fmt: skip
PUBLISHED_VWAP = Decimal("1.0005076923076923")


def test_the_volume_weighted_average_of_candles_and_of_trades_is_the_published_one() -> None:
    of_candles = market_of_candles(
        [candle(number, price, volume=volume) for number, (price, volume) in enumerate(PUBLISHED)], span(10)
    )
    of_trades = market_of_trades(
        [trade(number, price, volume) for number, (price, volume) in enumerate(PUBLISHED)], NOW, NOW + 10 * MINUTE
    )

    for found in (of_candles.vwap, of_trades.vwap):
        assert found is not None
        assert found.quantize(Decimal("1E-16")) == PUBLISHED_VWAP


def test_a_candles_volume_trades_at_its_typical_price_and_its_time_passes_at_all_four() -> None:
    found = market_of_candles([candle(0, "10", "16", "8", "12", volume="3"), candle(1, "12")], span(2))

    assert found == IntervalMarket(
        start_at=NOW,
        end_at=NOW + 2 * MINUTE,
        volume=Decimal(4),
        vwap=Decimal(12),
        twap=Decimal("11.75"),
        first_price=Decimal(10),
        last_price=Decimal(12),
    )


def test_where_nobody_traded_the_price_stays_at_the_last_close() -> None:
    found = market_of_candles([candle(0, "10", "10", "10", "20"), candle(3, "40")], span(5))

    # 12.5 in the first, 20 in the two that are missing, 40 in the fourth and in the one after it
    assert found.twap == Decimal("26.5")
    assert found.volume == 2


def test_an_interval_begins_with_its_first_price() -> None:
    found = market_of_candles([candle(2, "10")], span(4))

    assert (found.twap, found.first_price) == (10, 10)


def test_candles_outside_of_the_interval_count_for_nothing() -> None:
    inside = [candle(0, "10"), candle(1, "11")]

    assert market_of_candles([candle(-1, "99"), *inside, candle(2, "99")], span(2)) == market_of_candles(
        inside, span(2)
    )


def test_without_candles_nothing_is_known_and_without_trades_nothing_was_traded() -> None:
    of_candles, of_trades = market_of_candles([], span(1)), market_of_trades([], NOW, NOW + MINUTE)

    assert (of_candles.volume, of_candles.vwap, of_candles.twap, of_candles.last_price) == (None, None, None, None)
    assert (of_trades.volume, of_trades.vwap, of_trades.twap, of_trades.last_price) == (0, None, None, None)


def test_candles_without_volume_have_a_time_weighted_average_only() -> None:
    found = market_of_candles([candle(0, "10", volume="0"), candle(1, "20", volume="0")], span(2))

    assert (found.volume, found.vwap, found.twap) == (0, None, 15)


def test_each_trades_price_stands_until_the_next() -> None:
    found = market_of_trades([trade(10, "100"), trade(20, "110"), trade(50, "90")], NOW, NOW + MINUTE)

    # 10 s at 100, 30 s at 110, 10 s at 90
    assert (found.twap, found.vwap, found.first_price, found.last_price) == (104, 100, 100, 90)


@pytest.mark.parametrize(
    ("start", "end", "expected"),
    [
        # what begins and ends in one minute is measured by that minute
        ("12:00:10", "12:00:10", ("12:00:00", "12:01:00", 60)),
        ("12:00:59.999999", "12:01:00", ("12:00:00", "12:02:00", 60)),
        ("12:00:00", "12:00:00", ("12:00:00", "12:01:00", 60)),
        ("12:00:00", "15:59:59", ("12:00:00", "16:00:00", 60)),
        ("12:00:00", "16:00:00", ("12:00:00", "16:05:00", 300)),
        ("00:07:00", "20:01:00", ("00:05:00", "20:05:00", 300)),
        ("00:00:00", "23:59:59", ("00:00:00", "24:00:00", 900)),
    ],
)
def test_an_interval_is_widened_to_whole_candles(start: str, end: str, expected: tuple[str, str, int]) -> None:
    def at(text: str) -> datetime:
        hours, minutes, seconds = text.split(":")
        return datetime(2030, 1, 31, tzinfo=UTC) + timedelta(
            hours=int(hours), minutes=int(minutes), seconds=float(seconds)
        )

    found = whole_candles(at(start), at(end))

    first, last, length_s = expected
    assert found == CandleSpan(start_at=at(first), end_at=at(last), length=timedelta(seconds=length_s))


def test_an_interval_that_ends_before_it_starts_is_refused() -> None:
    with pytest.raises(ValueError, match="an interval ends after it starts"):
        whole_candles(NOW, NOW - timedelta(microseconds=1))


@given(times, st.timedeltas(timedelta(), timedelta(days=200)))
def test_whole_candles_hold_the_interval_and_are_few_and_aligned(start_at: datetime, lasting: timedelta) -> None:
    found = whole_candles(start_at, start_at + lasting)

    assert found.start_at <= start_at <= start_at + lasting < found.end_at
    assert start_at - found.start_at < found.length
    assert found.end_at - (start_at + lasting) <= found.length
    day = found.start_at.replace(hour=0, minute=0, second=0, microsecond=0)
    assert (found.start_at - day) % found.length == timedelta()
    assert (found.end_at - found.start_at) % found.length == timedelta()
    assert (found.end_at - found.start_at) // found.length <= MOST_CANDLES
    assert found.length in CANDLES


def _candle_of(minute: int, four: list[Decimal], volume: Decimal) -> Candle:
    low, *middle, high = sorted(four)
    return Candle(open_at=NOW + minute * MINUTE, open=middle[0], high=high, low=low, close=middle[1], volume=volume)


@st.composite
def some_candles(draw: st.DrawFn) -> list[Candle]:
    minutes = sorted(draw(st.sets(st.integers(0, 30), min_size=1, max_size=10)))
    fours = st.lists(prices, min_size=4, max_size=4)
    return [_candle_of(minute, draw(fours), draw(volumes)) for minute in minutes]


@given(some_candles())
def test_averages_of_candles_lie_between_the_lowest_and_the_highest_price(candles: list[Candle]) -> None:
    found = market_of_candles(candles, span(31))

    lowest, highest = min(one.low for one in candles), max(one.high for one in candles)
    assert found.volume == sum(one.volume for one in candles)
    for average in (found.vwap, found.twap):
        assert average is None or lowest <= average <= highest
    assert (found.vwap is None) == (found.volume == 0)


@given(st.lists(st.tuples(st.integers(0, 59), prices, volumes), min_size=1, max_size=10))
def test_averages_of_trades_lie_between_the_lowest_and_the_highest_price(rows: list[tuple[int, Any, Any]]) -> None:
    trades = [trade(after, str(price), str(volume)) for after, price, volume in sorted(rows)]

    found = market_of_trades(trades, NOW, NOW + MINUTE)

    for average in (found.vwap, found.twap):
        assert average is None or min(one.price for one in trades) <= average <= max(one.price for one in trades)
