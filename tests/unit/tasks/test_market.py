"""What planners are told: only what the algorithm needs, others' volume without ours, and unknown where nothing is shown."""

from __future__ import annotations

import threading
from collections.abc import Sequence
from contextlib import nullcontext
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from types import SimpleNamespace
from typing import Any, cast

import pytest

from algorithms.parent import Market
from exchanges.evidence import Evidence, VenueError
from models.algorithm import Adaptive, Algorithm, Iceberg, Pov, Twap, Vwap
from models.market_data import Candle, OrderBook, PublicTrade, PublicTrades
from models.reports import Quote
from models.vocabulary import Side
from storage.schedules import Schedule
from tasks import market
from tasks.market import depth_of, market_for
from tasks.market_cache import MarketCache
from tasks.runtime import Runtime

D = Decimal
NOW = datetime(2025, 10, 9, 15, 30, tzinfo=UTC)
#: the venue's clock goes ahead of ours
AHEAD = timedelta(milliseconds=300)
TWAP = Twap(duration_s=D(600), slices=10)
VWAP = Vwap(duration_s=D(600), slices=10, lookback_days=3)
POV = Pov(participation=D("0.1"), duration_s=D(600))
ADAPTIVE = Adaptive(duration_s=D(600), slices=10, risk_aversion=D("0.000001"))


@dataclass(eq=False)
class Shown:
    """A venue that shows what it is given and keeps what it was asked."""

    candles_of: dict[timedelta, list[Candle]] = field(default_factory=dict)
    tape: list[PublicTrade] = field(default_factory=list)
    book: OrderBook | None = None
    refuses: Evidence | None = None
    asked: list[tuple[str, Any]] = field(default_factory=list)

    def quote(self, symbol: str) -> Quote:
        self.asked.append(("quote", symbol))
        return Quote(symbol=symbol, bid=D(99), ask=D(101), at=NOW)

    def estimated_time(self) -> datetime:
        return NOW + AHEAD

    def candles(self, symbol: str, interval: timedelta, since: datetime, until: datetime) -> Sequence[Candle]:
        self.asked.append(("candles", interval))
        if self.refuses is not None:
            raise VenueError(self.refuses, "it shows none")
        return [
            candle
            for candle in self.candles_of.get(interval, [])
            if since <= candle.open_at and candle.open_at + interval <= until
        ]

    def public_trades(self, symbol: str, since: datetime) -> PublicTrades:
        self.asked.append(("public_trades", since))
        found = tuple(trade for trade in self.tape if trade.at >= since)
        return PublicTrades(trades=found, since=since, complete_from=since)

    def order_book(self, symbol: str, levels: int) -> OrderBook:
        self.asked.append(("order_book", levels))
        assert self.book is not None
        return self.book

    @property
    def kinds(self) -> list[str]:
        return [name for name, _ in self.asked]


def told(
    venue: Shown,
    algorithm: Algorithm,
    *,
    start_at: datetime | None = None,
    looked_at: datetime | None = None,
    cache: MarketCache | None = None,
    **changes: Any,
) -> Market:
    runtime = SimpleNamespace(now=lambda: NOW, engine=None, gateways=SimpleNamespace(get=lambda *_: venue))
    order = SimpleNamespace(**{"venue": "v", "account": "main", "symbol": "BTC/USDT", "side": Side.BUY, **changes})
    schedule = Schedule(order_id="o", start_at=start_at, looked_at=looked_at)
    return market_for(cast("Runtime", runtime), cast("Any", order), algorithm, schedule, cache=cache or MarketCache())


def candle(open_at: datetime, volume: str, close: str = "100") -> Candle:
    price = D(close)
    return Candle(open_at=open_at, open=price, high=price, low=price, close=price, volume=D(volume))


def trade(number: int, at: datetime, quantity: str) -> PublicTrade:
    return PublicTrade(id=str(number), price=D(100), quantity=D(quantity), at=at, taker=None)


def days_of_hours(days: int, volume_at: dict[int, str]) -> list[Candle]:
    today = NOW.replace(hour=0, minute=0)
    hours = [today - timedelta(days=day) + timedelta(hours=hour) for day in range(days, 0, -1) for hour in range(24)]
    return [candle(at, volume_at.get(at.hour, "1")) for at in hours]


@pytest.mark.parametrize("algorithm", [TWAP, Iceberg(display_quantity=D(1))])
def test_twap_and_iceberg_ask_for_the_quote_alone(algorithm: Algorithm) -> None:
    venue = Shown()

    assert told(venue, algorithm) == Market(bid=D(99), ask=D(101))
    assert venue.kinds == ["quote"]


def test_given_weights_need_no_history() -> None:
    venue = Shown()

    told(venue, Vwap(duration_s=D(600), slices=2, profile=(D(1), D(2)), lookback_days=None), start_at=NOW)

    assert venue.kinds == ["quote"]


def test_the_curve_is_made_of_the_whole_days_before_today() -> None:
    venue = Shown(
        candles_of={timedelta(hours=1): [*days_of_hours(3, {15: "25"}), candle(NOW.replace(minute=0), "900")]}
    )

    curve = told(venue, VWAP).volume_curve

    assert curve is not None
    assert (curve.days, curve.daily_volume) == (3, D(48))
    assert max(range(24), key=lambda hour: curve.shares[hour]) == 15


def test_two_hundred_orders_ask_for_the_curve_once() -> None:
    venue, cache = Shown(candles_of={timedelta(hours=1): days_of_hours(3, {})}), MarketCache()
    threads = [threading.Thread(target=lambda: told(venue, VWAP, cache=cache)) for _ in range(20)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    for _ in range(180):
        told(venue, VWAP, cache=cache)

    assert venue.kinds.count("candles") == 1
    assert venue.kinds.count("quote") == 200


def test_a_curve_is_asked_for_again_after_an_hour_and_per_symbol() -> None:
    seconds = 0.0
    cache = MarketCache(ticks=lambda: seconds)
    venue = Shown(candles_of={timedelta(hours=1): days_of_hours(3, {})})

    told(venue, VWAP, cache=cache)
    told(venue, VWAP, cache=cache, symbol="ETH/USDT")
    seconds = market.CURVE_KEPT_S - 1
    told(venue, VWAP, cache=cache)
    assert venue.kinds.count("candles") == 2
    seconds = market.CURVE_KEPT_S + 1
    told(venue, VWAP, cache=cache)
    assert venue.kinds.count("candles") == 3


def test_a_failed_look_is_not_kept() -> None:
    venue, cache = Shown(refuses=Evidence.AMBIGUOUS), MarketCache()

    with pytest.raises(VenueError):
        told(venue, VWAP, cache=cache)
    venue.refuses = None
    venue.candles_of = {timedelta(hours=1): days_of_hours(3, {})}

    assert told(venue, VWAP, cache=cache).volume_curve is not None


def test_a_venue_without_candles_leaves_the_curve_unknown() -> None:
    found = told(Shown(refuses=Evidence.REJECTED), VWAP, start_at=NOW - timedelta(minutes=5))

    assert (found.bid, found.volume_curve, found.volume_since_start) == (D(99), None, None)


def test_the_volume_of_minutes_is_read_from_the_tape_on_the_venues_clock() -> None:
    start_at = NOW - timedelta(minutes=5)
    venue = Shown(
        candles_of={timedelta(hours=1): days_of_hours(3, {})},
        tape=[
            trade(1, start_at + AHEAD - timedelta(milliseconds=1), "100"),
            trade(2, start_at + AHEAD, "2"),
            trade(3, NOW + AHEAD - timedelta(milliseconds=1), "3"),
            trade(4, NOW + AHEAD, "100"),
        ],
    )

    assert told(venue, VWAP, start_at=start_at).volume_since_start == D(5)


@pytest.mark.parametrize(
    ("age", "span"), [(timedelta(hours=2, seconds=30), timedelta(minutes=1)), (timedelta(hours=20), timedelta(hours=1))]
)
def test_the_volume_of_hours_is_read_from_candles_and_its_end_from_what_is_finer(
    age: timedelta, span: timedelta
) -> None:
    """One base a second, everywhere: whatever it is read from, it is the seconds since the start."""
    start_at = NOW - age
    begin = start_at.replace(minute=0, second=0) - timedelta(hours=1)
    per_candle = {one: str(one // timedelta(seconds=1)) for one in (timedelta(minutes=1), timedelta(hours=1))}
    venue = Shown(
        candles_of={
            one: [candle(begin + one * index, volume) for index in range((NOW - begin) // one)]
            for one, volume in per_candle.items()
        },
        tape=[trade(second, NOW - timedelta(seconds=600 - second), "1") for second in range(700)],
    )
    venue.candles_of[timedelta(hours=1)] += days_of_hours(3, {})

    observed = told(venue, VWAP, start_at=start_at).volume_since_start

    assert observed is not None
    assert abs(observed - D(age // timedelta(seconds=1))) <= 61
    assert ("candles", span) in venue.asked


@pytest.mark.parametrize(
    ("ours", "others"), [("0", "5"), ("2", "3"), ("9", "-4")], ids=["none", "some", "more than all"]
)
def test_others_volume_is_everybodys_less_ours_and_below_zero_where_ours_was_told_late(
    monkeypatch: pytest.MonkeyPatch, ours: str, others: str
) -> None:
    looked_at = NOW - timedelta(seconds=10)
    spans: list[tuple[datetime, datetime]] = []
    monkeypatch.setattr(market, "read", lambda _: nullcontext())
    monkeypatch.setattr(market, "volume_booked", lambda *args: (spans.append(args[-2:]), D(ours))[1])
    venue = Shown(
        tape=[
            trade(1, looked_at + AHEAD - timedelta(milliseconds=1), "100"),
            trade(2, looked_at + AHEAD, "2"),
            trade(3, NOW + AHEAD - timedelta(milliseconds=1), "3"),
            trade(4, NOW + AHEAD, "100"),
        ]
    )

    found = told(venue, POV, start_at=NOW - timedelta(hours=1), looked_at=looked_at)

    assert found == Market(bid=D(99), ask=D(101), others_volume=D(others))
    assert spans == [(looked_at, NOW)], "ours of the same time"


def test_before_the_first_look_nothing_was_traded() -> None:
    venue = Shown()

    assert told(venue, POV).others_volume == 0
    assert told(venue, POV, start_at=NOW + timedelta(minutes=1)).others_volume == 0
    assert venue.kinds == ["quote", "quote"]


def test_after_a_long_silence_the_tape_is_read_back_for_a_while_only(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(market, "read", lambda _: nullcontext())
    monkeypatch.setattr(market, "volume_booked", lambda *_: D(0))
    venue = Shown()

    told(venue, POV, start_at=NOW - timedelta(days=2), looked_at=NOW - timedelta(days=1))

    assert venue.asked[-1] == ("public_trades", NOW + AHEAD - market.LONGEST_TAPE)


def test_a_tape_that_is_refused_is_an_unknown_volume(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(market, "read", lambda _: nullcontext())
    monkeypatch.setattr(market, "volume_booked", lambda *_: D(0))
    venue = Shown()
    refusal = VenueError(Evidence.REJECTED, "too many trades")
    monkeypatch.setattr(Shown, "public_trades", lambda *_: (_ for _ in ()).throw(refusal))

    assert told(venue, POV, looked_at=NOW - timedelta(seconds=5)).others_volume is None


def test_adaptive_is_told_of_the_book_the_volatility_and_the_day() -> None:
    start = NOW - timedelta(days=1)
    closes = [D(100) + D(index % 2) for index in range(288)]
    candles = [candle(start + timedelta(minutes=5) * index, "2", str(close)) for index, close in enumerate(closes)]
    venue = Shown(
        candles_of={timedelta(minutes=5): candles},
        book=OrderBook(
            symbol="BTC/USDT",
            bids=((D("99.99"), D(5)), (D("99.90"), D(7)), (D(50), D(1000))),
            asks=((D(100), D(1)), (D("100.05"), D(2)), (D("100.2"), D(900))),
            at=NOW,
        ),
    )

    buys = told(venue, ADAPTIVE)
    sells = told(venue, ADAPTIVE, side=Side.SELL)

    assert (buys.bid, buys.ask) == (D("99.99"), D(100))
    assert (buys.depth, buys.depth_bps) == (D(3), D(10))
    assert (sells.depth, sells.depth_bps) == (D(12), D(10))
    assert buys.daily_volume == D(576)
    # a step of 1 % every five minutes, 288 times a day
    assert buys.volatility == pytest.approx(0.00995 * 288**0.5, rel=0.01)


def test_of_part_of_a_day_the_volume_of_a_day_is_reckoned() -> None:
    start = NOW - timedelta(hours=6)
    candles = [candle(start + timedelta(minutes=5) * index, "2") for index in range(72)]
    venue = Shown(
        candles_of={timedelta(minutes=5): candles},
        book=OrderBook(symbol="BTC/USDT", bids=(), asks=(), at=NOW),
    )

    found = told(venue, ADAPTIVE)

    assert found.daily_volume == D(576)
    assert (found.bid, found.ask, found.depth) == (None, None, None)


def test_depth_that_ends_before_it_is_far_enough_says_how_far_it_reached() -> None:
    assert depth_of(((D(100), D(1)), (D("100.03"), D(2)))) == (D(3), D(3))
    assert depth_of(((D(100), D(1)),)) == (None, None), "one level says nothing of a slope"
    assert depth_of(()) == (None, None)


def test_what_one_gateway_told_is_not_another_gateways() -> None:
    cache = MarketCache()
    first = Shown(candles_of={timedelta(hours=1): days_of_hours(3, {})})
    second = Shown(candles_of={timedelta(hours=1): days_of_hours(2, {})})

    told(first, VWAP, cache=cache)
    curve = told(second, VWAP, cache=cache).volume_curve

    assert curve is not None
    assert curve.days == 2


def test_the_cache_is_bounded() -> None:
    cache, gateway = MarketCache(), Shown()
    asked: list[int] = []
    for key in range(1_001):
        cache.get(cast("Any", gateway), key, 60.0, lambda key=key: asked.append(key))  # type: ignore[misc]

    cache.get(cast("Any", gateway), 1_000, 60.0, lambda: asked.append(-1))
    cache.get(cast("Any", gateway), 0, 60.0, lambda: asked.append(-2))

    assert asked[-2:] == [1_000, -2], "the newest is kept, the oldest had to go"
