"""What planners are told of a real venue's market, with our own fills from a real database left out of others' volume."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime, timedelta
from decimal import Decimal

import pytest

from algorithms.parent import Market
from models.algorithm import Adaptive, Algorithm, Pov, Vwap
from models.order import Order
from storage.engine import read
from storage.fills import volume_booked
from storage.orders import get_order
from storage.schedules import Schedule
from tasks.market import market_for
from tasks.settle import settle
from tests.integration.orders.conftest import ON_SQLITE
from tests.support.paper import PaperProcess
from tests.support.runtime import Desk
from tests.support.waiting import eventually

D = Decimal
POV = Pov(participation=D("0.1"), duration_s=D(600))
#: a net under what is waited for, in seconds
SOON_S = 60.0
#: longer than our estimate of the venue's clock is off
ROOM = timedelta(seconds=5)


@pytest.fixture(scope="module")
def paper(tmp_path_factory: pytest.TempPathFactory) -> Iterator[PaperProcess]:
    """A venue of this module's own."""
    with PaperProcess(tmp_path_factory.mktemp("quiet"), symbols="BTC/USDT,ETH/USDT,SOL/USDT") as venue:
        yield venue


@pytest.fixture(autouse=True)
def quiet(paper: PaperProcess) -> None:
    """Nothing trades but what a test lets trade; the end of each desk lets the market go on."""
    paper.pause_market()


def order_of(desk: Desk, order_id: str) -> Order:
    with read(desk.engine) as conn:
        return get_order(conn, order_id)


def told(desk: Desk, order: Order, algorithm: Algorithm, since: datetime) -> Market:
    schedule = Schedule(order_id=order.id, start_at=since, looked_at=since)
    return market_for(desk.runtime, order, algorithm, schedule)


def test_others_volume_leaves_our_own_out(desk: Desk, paper: PaperProcess) -> None:
    paper.set_depth("ETH/USDT", bids=[("2590", "5")], asks=[("2600", "5")])
    since = desk.runtime.now() - ROOM
    order_id = desk.place(symbol="ETH/USDT", quantity="0.3")
    assert desk.work(order_id)["status"] == "FILLED"
    order = order_of(desk, order_id)
    before = told(desk, order, POV, since).others_volume

    paper.market_order("ETH/USDT", "buy", "0.5")

    # What earlier tests of the same venue traded is the same in both looks.
    assert before is not None
    eventually(
        lambda: told(desk, order, POV, since).others_volume == before + D("0.5"),
        within_s=SOON_S,
        describe="the other's half is seen, and none of ours",
    )


@ON_SQLITE
def test_a_fill_counts_when_it_is_booked_and_never_makes_it_negative(desk: Desk, paper: PaperProcess) -> None:
    paper.set_depth("SOL/USDT", bids=[("150", "50")], asks=[("155", "50")])
    order_id = desk.place(symbol="SOL/USDT", quantity="2")
    desk.until_sent(order_id)
    # Later than the trade by any clock, and the booking is later still.
    looked_at = desk.runtime.now() + ROOM
    desk.runtime.advance_to(looked_at + ROOM)
    settle(desk.runtime, order_id=order_id)
    desk.runtime.advance(ROOM.total_seconds())

    assert told(desk, order_of(desk, order_id), POV, looked_at).others_volume == 0
    now = desk.runtime.now()
    with read(desk.engine) as conn:
        assert volume_booked(conn, "paper", "SOL/USDT", looked_at, now) == 2
        assert volume_booked(conn, "paper", "SOL/USDT", looked_at - ROOM, looked_at) == 0
        assert volume_booked(conn, "paper", "BTC/USDT", looked_at, now) == 0
        assert volume_booked(conn, "elsewhere", "SOL/USDT", looked_at, now) == 0


@ON_SQLITE
def test_the_venues_history_becomes_a_curve_a_volatility_and_a_depth(desk: Desk, paper: PaperProcess) -> None:
    paper.set_depth("BTC/USDT", bids=[("61999", "3")], asks=[("62000", "1"), ("62010", "2"), ("63000", "9")])
    order = order_of(desk, desk.place())
    now = desk.runtime.now()

    vwap = told(desk, order, Vwap(duration_s=D(600), slices=6, lookback_days=3), now - timedelta(minutes=20))
    adaptive = told(desk, order, Adaptive(duration_s=D(600), slices=6, risk_aversion=D("0.000001")), now)

    assert vwap.volume_curve is not None
    assert (vwap.volume_curve.days, len(vwap.volume_curve.shares)) == (3, 24)
    assert vwap.volume_since_start is not None
    assert vwap.volume_since_start > 0
    assert adaptive.volatility is not None
    assert 0.001 < adaptive.volatility < 0.5
    assert adaptive.daily_volume is not None
    assert adaptive.daily_volume > 0
    assert (adaptive.bid, adaptive.ask) == (D(61999), D(62000))
    assert (adaptive.depth, adaptive.depth_bps) == (D(3), D(10))
