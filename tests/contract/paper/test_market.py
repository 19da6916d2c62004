"""The background market: moves by seed or by a recorded tape, and trades against whoever rests."""

from __future__ import annotations

import time
from collections.abc import Callable
from itertools import pairwise
from pathlib import Path

import pytest

from exchanges.paper.config import PaperConfig
from exchanges.paper.prints import MAX_PRINTS
from exchanges.paper.tape import BadTape, read_tape
from exchanges.paper.venue import Venue
from tests.support.paper import PaperProcess
from tests.support.paper_api import PaperApi

HEADER = "ts_ms,trade_id,price,qty,taker_side"


class Clock:
    def __init__(self) -> None:
        self.ms = 1_700_000_000_000

    def __call__(self) -> int:
        return self.ms


def venue_at(home: Path, clock: Clock, **settings: object) -> Venue:
    """A venue in this process, on a clock that the test moves."""
    return Venue(PaperConfig.from_mapping({"home": str(home), **settings}), clock_ms=clock)


def walk(venue: Venue, clock: Clock, steps: int) -> list[int]:
    prices = []
    for _ in range(steps):
        clock.ms += 200
        venue.tick()
        prices.append(venue.market.price_e8("BTCUSDT"))
        book = venue.engine.books["BTCUSDT"]
        assert book.bids.best_e8() < book.asks.best_e8()  # type: ignore[operator]
    return prices


def test_same_seed_walks_the_same_way(tmp_path: Path) -> None:
    paths = []
    for name, seed in (("a", 7), ("b", 7), ("c", 8)):
        clock = Clock()
        venue = venue_at(tmp_path / name, clock, seed=seed)
        paths.append(walk(venue, clock, 50))
        venue.close()

    assert paths[0] == paths[1] != paths[2]
    assert len(set(paths[0])) == 50


def test_fast_market_runs_for_days_within_bounds(tmp_path: Path) -> None:
    clock = Clock()
    venue = venue_at(tmp_path, clock, speed=2000)

    prices = walk(venue, clock, 600)

    assert min(prices) > 31_000 * 10**8
    assert max(prices) < 124_000 * 10**8
    assert len(venue.engine.prints["BTCUSDT"].trades) <= MAX_PRINTS
    venue.close()


def test_still_market_keeps_its_price_and_refills_its_depth(tmp_path: Path) -> None:
    clock = Clock()
    venue = venue_at(tmp_path, clock, market="still")
    venue.engine.sweep("BTCUSDT", buys=True, limit_e8=None, quantity_e8=10**12, now_ms=clock.ms)

    assert set(walk(venue, clock, 5)) == {62_000 * 10**8}
    assert len(venue.engine.books["BTCUSDT"].asks.levels(100)) >= 20
    venue.close()


def test_limit_order_near_the_market_fills_in_parts_over_time(start_venue: Callable[..., PaperProcess]) -> None:
    venue = start_venue(market="walk", speed=20)
    with PaperApi(venue.url) as api:
        fills: list[list[object]] = []
        for turn in range(10):  # a venue that stood still catches up in one step, which may fill an order whole
            touch = api.public("ticker/bookTicker", symbol="BTCUSDT").body
            names = (f"below-{turn}", f"above-{turn}")
            api.order("BUY", "5", touch["bidPrice"], newClientOrderId=names[0])
            api.order("SELL", "5", touch["askPrice"], newClientOrderId=names[1])
            deadline = time.monotonic() + 120
            while "FILLED" not in {api.find(name).body["status"] for name in names}:
                assert time.monotonic() < deadline, venue.orders()
                time.sleep(0.05)
            fills = [order["trades"] for order in venue.orders() if order["status"] == "FILLED"]
            if any(len(trades) > 1 for trades in fills):
                break

    assert any(len(trades) > 1 for trades in fills)


def tape(path: Path, *rows: str) -> Path:
    path.write_text("\n".join([HEADER, *rows]) + "\n")
    return path


def test_replay_moves_the_price_and_fills_resting_orders_by_its_quantity(tmp_path: Path) -> None:
    file = tape(
        tmp_path / "tape.csv",
        "1000,1,60000.00,0.5,buy",
        "1500,2,59990.00,0.3,sell",
        "2000,3,59980.00,0.4,sell",
        "9000,4,60100.00,1,buy",
    )
    clock = Clock()
    venue = venue_at(tmp_path / "home", clock, replay=str(file))
    from exchanges.paper.engine import NewOrder

    order = venue.engine.submit(
        NewOrder(
            account="main",
            symbol="BTCUSDT",
            client_order_id="rest",
            side="BUY",
            type="LIMIT",
            time_in_force="GTC",
            quantity_e8=10**8,
            price_e8=59_990 * 10**8,
        ),
        clock.ms,
    )
    seen = []
    for _ in range(4):
        clock.ms += 500
        venue.tick()
        seen.append((order.executed_e8 // 10**6, venue.market.price_e8("BTCUSDT") // 10**8))

    assert seen == [(30, 59_990), (70, 59_980), (70, 59_980), (70, 59_980)]
    assert venue.engine.books["BTCUSDT"].bids.levels(1) >= [(59_990 * 10**8, 3 * 10**7)]
    clock.ms += 5000
    venue.tick()
    clock.ms += 5000
    venue.tick()
    assert venue.market.tape_finished
    venue.close()


def test_replay_at_speed_plays_the_same_trades_sooner(tmp_path: Path) -> None:
    file = tape(tmp_path / "tape.csv", "0,1,60000,1,buy", "600000,2,61000,1,buy")
    clock = Clock()
    venue = venue_at(tmp_path / "home", clock, replay=str(file), speed=1200)

    clock.ms += 500
    venue.tick()

    assert venue.market.price_e8("BTCUSDT") == 61_000 * 10**8
    venue.close()


@pytest.mark.parametrize(
    ("content", "sentence"),
    [
        ("price,qty\n1,2\n", "the first line must be"),
        (f"{HEADER}\n1,1,abc,1,buy\n", "line 2"),
        (f"{HEADER}\n1,1\n", "line 2"),
    ],
)
def test_tape_that_can_not_be_read_is_named_with_its_line(tmp_path: Path, content: str, sentence: str) -> None:
    file = tmp_path / "tape.csv"
    file.write_text(content)

    with pytest.raises(BadTape, match=sentence):
        list(read_tape(file))


@pytest.mark.parametrize("interval", ["1s", "1m", "15m", "1h", "1d", "1w"])
def test_candles_are_whole_rising_and_consistent(venue: PaperProcess, api: PaperApi, interval: str) -> None:
    traded_at = api.order("BUY", "0.5").body["transactTime"]

    rows = api.public("klines", symbol="BTCUSDT", interval=interval, limit=200).body

    assert len(rows) == 200
    assert len({later[0] - earlier[0] for earlier, later in pairwise(rows)}) == 1
    for _, open_, high, low, close, volume, *_ in rows:
        assert float(low) <= min(float(open_), float(close)) <= max(float(open_), float(close)) <= float(high)
        assert float(volume) >= 0
    assert [float(volume) >= 0.5 for start, _, _, _, _, volume, end, *_ in rows if start <= traded_at <= end] == [True]


def test_candles_of_the_past_do_not_change(api: PaperApi) -> None:
    end = int(time.time() * 1000) - 3_600_000
    ask = {"symbol": "ETHUSDT", "interval": "5m", "limit": 50, "endTime": end}

    first, second = api.public("klines", **ask).body, api.public("klines", **ask).body

    assert first == second
    assert api.public("klines", symbol="ETHUSDT", interval="5m", startTime=first[0][0], limit=2).body == first[:2]


def test_day_ticker_agrees_with_the_book(api: PaperApi) -> None:
    day = api.public("ticker/24hr", symbol="BTCUSDT").body
    book = api.public("ticker/bookTicker", symbol="BTCUSDT").body

    assert (day["bidPrice"], day["askPrice"]) == (book["bidPrice"], book["askPrice"])
    assert float(day["lowPrice"]) <= float(day["lastPrice"]) <= float(day["highPrice"])
    assert float(day["volume"]) > 0
