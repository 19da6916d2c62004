"""The ear of an account: what it hears goes to the worker; a new connection, a gap and a full queue are each a reason to look."""

from __future__ import annotations

from datetime import UTC, datetime
from decimal import Decimal

from exchanges.last_shown import LastShown
from exchanges.streams.source import OrderNews
from models.market_data import OrderBook
from models.reports import Quote
from tasks.stream_worker import Place, Pushed
from workflows.streaming import Ear

PLACE = ("v", "main")
NEWS = OrderNews(symbol="BTC/USDT", venue_order_id="1", report=None)
AT = datetime(2026, 1, 1, tzinfo=UTC)


class Worker:
    def __init__(self, room: int = 100) -> None:
        self.room = room
        self.pushed: list[Pushed] = []
        self.looked_at: list[Place] = []

    def push(self, pushed: Pushed) -> bool:
        if len(self.pushed) >= self.room:
            return False
        self.pushed.append(pushed)
        return True

    def look_at_all(self, place: Place) -> None:
        self.looked_at.append(place)


class Keeper:
    def __init__(self) -> None:
        self.losses: list[str] = []

    def lost(self, why: str) -> None:
        self.losses.append(why)


class Gateways:
    def __init__(self) -> None:
        self.of_place = LastShown()

    def shown(self) -> dict[Place, LastShown]:
        return {PLACE: self.of_place}


class Runtime:
    def __init__(self) -> None:
        self.gateways = Gateways()


def ear_of(worker: Worker) -> tuple[Ear, Keeper, Runtime]:
    runtime, keeper = Runtime(), Keeper()
    ear = Ear(runtime, worker, PLACE)  # type: ignore[arg-type]
    ear.keeper = keeper  # type: ignore[assignment]
    return ear, keeper, runtime


def test_a_connection_that_has_come_up_has_everything_looked_at():
    worker = Worker()
    ear_of(worker)[0].live()
    assert worker.looked_at == [PLACE]


def test_a_gap_has_everything_looked_at():
    worker = Worker()
    ear_of(worker)[0].gap("cut")
    assert worker.looked_at == [PLACE]


def test_what_has_room_is_worked_on_and_what_has_none_is_lost_loudly():
    worker = Worker(room=1)
    ear, keeper, _ = ear_of(worker)
    ear.orders([NEWS])
    assert (worker.pushed, keeper.losses) == ([Pushed(place=PLACE, news=(NEWS,))], [])
    ear.orders([NEWS])
    assert len(keeper.losses) == 1


def test_a_book_is_noted_to_be_looked_at_and_goes_to_nobody_else():
    worker = Worker()
    ear, _, runtime = ear_of(worker)
    level = (Decimal(1), Decimal(2))
    ear.book(OrderBook(symbol="BTC/USDT", bids=(level,), asks=(), at=AT))
    noted = [entry.value for entry in runtime.gateways.of_place.take()]
    assert Quote(symbol="BTC/USDT", bid=Decimal(1), ask=None, at=AT) in noted
    assert len(noted) == 2
    assert (worker.pushed, worker.looked_at) == ([], [])
