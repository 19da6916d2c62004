"""The keeper: connections that break are made anew with growing waits, and a break after being live is a gap."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from decimal import Decimal

from exchanges.streams.keeper import STEADY_S, Keeper
from exchanges.streams.source import StreamBroken
from exchanges.streams.status import StreamState
from models.reports import Trade
from models.vocabulary import Side

START = datetime(2026, 1, 1, tzinfo=UTC)


class Clock:
    def __init__(self) -> None:
        self.at = START

    def now(self) -> datetime:
        return self.at

    def pass_s(self, seconds: float) -> None:
        self.at += timedelta(seconds=seconds)


class Ear:
    def __init__(self) -> None:
        self.heard_of: list[str] = []

    def live(self) -> None:
        self.heard_of.append("live")

    def gap(self, why: str) -> None:
        self.heard_of.append(f"gap: {why}")

    def heard(self) -> None:
        pass

    def trades(self, trades) -> None:
        self.heard_of.append(f"{len(trades)} trades")

    def orders(self, news) -> None:
        self.heard_of.append("orders")

    def book(self, book) -> None:
        self.heard_of.append("book")


class Source:
    """Does what a script says, then breaks."""

    def __init__(self, script: Callable[[Keeper], None], closed: list[int]) -> None:
        self._script = script
        self._closed = closed

    async def run(self, sink) -> None:
        self._script(sink)
        raise StreamBroken("cut")

    async def close(self) -> None:
        self._closed.append(1)


class Over(Exception):
    pass


def keep(*scripts: Callable[[Keeper], None], clock: Clock) -> tuple[Keeper, Ear, list[float], list[int]]:
    """One connection per script; the keeper, what was heard, the waits and the closes."""
    ear, waits, closed, left = Ear(), [], [], list(scripts)

    async def sleep(seconds: float) -> None:
        waits.append(seconds)
        if not left:
            raise Over

    wait: Callable[[float], Awaitable[None]] = sleep
    keeper = Keeper(
        ("v", "main"), lambda: Source(left.pop(0), closed), ear, now=clock.now, chance=lambda: 0.0, sleep=wait
    )
    with suppress(Over):
        asyncio.run(keeper.keep())
    return keeper, ear, waits, closed


def nothing(_: Keeper) -> None:
    pass


def live(keeper: Keeper) -> None:
    keeper.live()


def test_one_that_never_comes_up_is_tried_again_with_growing_waits_and_is_no_gap():
    clock = Clock()
    keeper, ear, waits, closed = keep(nothing, nothing, nothing, clock=clock)
    assert waits == [0.5, 1.0, 2.0]
    assert ear.heard_of == []
    assert len(closed) == 3
    assert (keeper.status().state, keeper.status().error, keeper.status().gaps) == (StreamState.DOWN, "cut", 0)


def test_a_break_after_being_live_is_a_gap_and_coming_back_is_counted():
    keeper, ear, _, _ = keep(live, live, clock=Clock())
    assert ear.heard_of == ["live", "gap: cut", "live", "gap: cut"]
    assert (keeper.status().reconnects, keeper.status().gaps) == (1, 2)


def test_a_connection_that_stood_long_begins_with_the_shortest_wait_and_a_short_one_does_not():
    clock = Clock()

    def long(keeper: Keeper) -> None:
        keeper.live()
        clock.pass_s(STEADY_S)

    _, _, waits, _ = keep(nothing, nothing, long, live, clock=clock)
    assert waits == [0.5, 1.0, 0.5, 1.0]


def test_it_is_down_since_the_break_however_often_it_was_tried():
    clock = Clock()

    def later(_: Keeper) -> None:
        clock.pass_s(10)

    keeper, _, _, _ = keep(live, later, later, clock=clock)
    assert (keeper.status().state, keeper.status().since) == (StreamState.DOWN, START)


def test_what_is_heard_is_counted_and_the_lag_is_that_of_the_newest_trade():
    clock = Clock()
    trade = Trade(
        venue_trade_id="1",
        venue_order_id="2",
        symbol="BTC/USDT",
        side=Side.BUY,
        quantity=Decimal(1),
        price=Decimal(1),
        fee=Decimal(0),
        fee_asset=None,
        liquidity=None,
        traded_at=START,
    )

    def script(keeper: Keeper) -> None:
        keeper.live()
        clock.pass_s(0.25)
        keeper.heard()
        keeper.trades([trade])

    keeper, ear, _, _ = keep(script, clock=clock)
    status = keeper.status(fills=3)
    assert (status.messages, status.lag_ms, status.heard_at, status.fills) == (1, 250, clock.at, 3)
    assert ear.heard_of == ["live", "1 trades", "gap: cut"]
