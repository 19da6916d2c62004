"""The process that streams, in the test's own: another source stands in for ccxt's, and what fails costs a look."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from typing import Any

import pytest

from exchanges.streams.source import Sink, StreamBroken
from models.reports import Trade
from storage.attention import Watched
from storage.engine import read
from storage.streams import list_streams
from tasks import stream_worker
from tasks.looks import Looks
from tasks.stream_worker import Pushed, StreamWorker
from tests.integration.orders.conftest import ON_SQLITE
from tests.support.runtime import Desk
from workflows.streaming import Streaming

pytestmark = ON_SQLITE

HERE = Watched(venue="paper", account="main", symbol="BTC/USDT")
PLACE = ("paper", "main")
#: a net under hangs, in seconds
SOON_S = 120.0


@pytest.fixture
def filled_unheard(desk: Desk) -> tuple[str, Sequence[Trade]]:
    """An order that the venue has filled and our books have not, and its trades; another one rests and stays."""
    desk.venue.pause_market()
    desk.work(desk.limit("-900", quantity="0.01"))
    order_id = desk.limit("-500", quantity="0.01")
    desk.work(order_id)
    child, bid = desk.child(order_id), desk.bid()
    desk.venue.set_price("BTC/USDT", str(child.price))
    desk.venue.set_price("BTC/USDT", str(bid))
    assert child.venue_order_id is not None
    gateway = desk.runtime.gateways.get("paper", "main")
    since = datetime(2020, 1, 1, tzinfo=UTC)
    return order_id, list(gateway.order_trades("BTC/USDT", child.venue_order_id, since))


@pytest.fixture
def looks() -> list[Watched]:
    return []


@pytest.fixture
def worker(desk: Desk, looks: list[Watched]) -> StreamWorker:
    """One whose looks are only noted."""
    venue = desk.runtime.settings.venues["paper"].model_copy(update={"streams": True})
    desk.runtime.settings = desk.runtime.settings.model_copy(update={"venues": {"paper": venue}})
    return StreamWorker(desk.runtime, looks=Looks(lambda _, place: looks.append(place) is None))


def test_from_a_source_to_the_books_and_every_word_of_it_is_taken_back_at_the_end(
    desk: Desk, worker: StreamWorker, looks: list[Watched], filled_unheard: tuple[str, Sequence[Trade]]
):
    order_id, trades = filled_unheard
    made: list[object] = []

    class Source:
        """Breaks, comes up again, tells of the fills and then stays."""

        async def run(self, sink: Sink) -> None:
            made.append(self)
            sink.live()
            if len(made) == 1:
                raise StreamBroken("cut")
            sink.heard()
            sink.trades(trades)
            await asyncio.Event().wait()

        async def close(self) -> None:
            pass

    async def run() -> None:
        stop = asyncio.Event()
        running = asyncio.create_task(Streaming(desk.runtime, worker, make=lambda *_: Source()).run(stop))
        async with asyncio.timeout(SOON_S):
            await _until(lambda: desk.end(order_id)[0] == "FILLED" and worker.booked.get(PLACE) and said()["messages"])
        stop.set()
        await running

    def said() -> dict[str, Any]:
        with read(desk.engine) as conn:
            return next(iter(list_streams(conn)), {"messages": 0})

    asyncio.run(run())
    row = said()
    assert (row["state"], row["reconnects"], row["gaps"], row["fills"]) == ("down", 1, 1, 1)
    assert row["healthy_until"] is None
    assert HERE in looks  # as it came up, and for what it may have missed
    desk.assert_books_match()


async def _until(true: Callable[[], object]) -> None:
    while not true():  # noqa: ASYNC110 - a database has no event to wait for
        await asyncio.sleep(0.05)


def test_an_event_that_can_not_be_taken_has_the_account_looked_at(
    worker: StreamWorker,
    looks: list[Watched],
    filled_unheard: tuple[str, Sequence[Trade]],
    monkeypatch: pytest.MonkeyPatch,
):
    def fail(*_: object) -> None:
        raise RuntimeError("no")

    monkeypatch.setattr(stream_worker, "take_trades", fail)
    assert worker.push(Pushed(place=PLACE, trades=filled_unheard[1]))
    worker.turn()
    assert looks == [HERE]


def test_what_has_no_room_is_told_and_the_account_is_looked_at(
    desk: Desk, looks: list[Watched], filled_unheard: tuple[str, Sequence[Trade]], monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(stream_worker, "MOST_WAITING", 1)
    small = StreamWorker(desk.runtime, looks=Looks(lambda _, place: looks.append(place) is None))
    event = Pushed(place=PLACE, trades=filled_unheard[1])
    assert [small.push(event), small.push(event)] == [True, False]
    small.look_at_all(PLACE)
    small.turn()
    assert looks == [HERE]
