"""The outbox and its relays: each row goes out at least once, whoever dies in between."""

from __future__ import annotations

import threading
from collections import Counter
from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest

from storage.engine import write
from storage.outbox import GRACE, Kind, enqueue, next_due, postpone, remove, take_due
from tests.integration.orders.conftest import OpenDesk
from tests.support.runtime import Desk
from workflows import relay
from workflows.publish import BrokerAway

ROWS = 120


class Broker:
    """What a broker would have got; ``trouble`` may raise before it takes a row."""

    def __init__(self, trouble: Callable[[int], None] = lambda _: None) -> None:
        self.got: list[int] = []
        self._trouble = trouble
        self._lock = threading.Lock()

    def publish(self, _: Any, posting: Any) -> None:
        number = posting.kwargs["number"]
        self._trouble(number)
        with self._lock:
            self.got.append(number)


class Died(BaseException):
    """The process is gone: nothing is cleaned up."""


def fill(desk: Desk, rows: int = ROWS) -> None:
    now = desk.runtime.now()
    with write(desk.engine) as conn:
        for number in range(rows):
            enqueue(conn, Kind.TASK, "orders.settle", "venue", {"number": number}, now=now, due_at=now)


def use(monkeypatch: pytest.MonkeyPatch, broker: Broker) -> Broker:
    monkeypatch.setattr(relay, "publish", broker.publish)
    return broker


def test_a_relay_publishes_everything_once_and_forgets_it(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    broker = use(monkeypatch, Broker())
    fill(desk)

    assert relay.relay(desk.runtime) == f"{ROWS} published"

    assert broker.got == list(range(ROWS))
    assert desk.waiting() == []


def test_several_relays_lose_nothing_and_share_the_work(open_a_desk: OpenDesk, monkeypatch: pytest.MonkeyPatch) -> None:
    desks = [open_a_desk() for _ in range(4)]
    monkeypatch.setattr(relay, "CLAIM", timedelta(minutes=5))  # nobody is so slow that its claim runs out
    broker = use(monkeypatch, Broker())
    fill(desks[0])
    barrier = threading.Barrier(len(desks))

    def work(desk: Desk) -> None:
        barrier.wait()
        for _ in range(5):
            relay.relay(desk.runtime)

    threads = [threading.Thread(target=work, args=(desk,)) for desk in desks]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert Counter(broker.got) == Counter(range(ROWS)), "a claimed row is nobody else's while its claim stands"
    assert desks[0].waiting() == []


@pytest.mark.parametrize("dies_at", [0, 1, 57, ROWS - 1])
def test_what_a_relay_that_died_had_claimed_goes_out_when_its_claim_is_over(
    desk: Desk, monkeypatch: pytest.MonkeyPatch, dies_at: int
) -> None:
    def die(number: int) -> None:
        if number == dies_at:
            raise Died

    broker = Broker(die)
    use(monkeypatch, broker)
    monkeypatch.setattr(relay, "remove", _never)  # it dies before it can say what it had published
    fill(desk)
    with pytest.raises(Died):
        relay.relay(desk.runtime)
    monkeypatch.setattr(relay, "remove", remove)
    successor = use(monkeypatch, Broker())

    relay.relay(desk.runtime)
    desk.runtime.advance(relay.CLAIM.total_seconds() + 1)
    relay.relay(desk.runtime)

    assert set(broker.got) | set(successor.got) == set(range(ROWS))
    assert set(range(dies_at, ROWS)) <= set(successor.got)
    assert desk.waiting() == []


def _never(*_: Any) -> None:
    """A statement that was not reached."""


def test_a_broker_that_is_away_keeps_every_row_for_later(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    def away(number: int) -> None:
        if number >= 40:
            raise BrokerAway("nobody listens")

    broker = use(monkeypatch, Broker(away))
    fill(desk)
    with pytest.raises(BrokerAway):
        relay.relay(desk.runtime)
    assert len(desk.waiting()) == ROWS - 40

    back = use(monkeypatch, Broker())
    desk.runtime.advance(relay.CLAIM.total_seconds() + 1)
    relay.relay(desk.runtime)

    assert sorted(broker.got + back.got) == list(range(ROWS))


def test_one_row_that_can_not_be_published_keeps_nobody_waiting(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    def poison(number: int) -> None:
        if number == 3:
            raise ValueError("what is this?")

    broker = use(monkeypatch, Broker(poison))
    fill(desk)
    for _ in range(3):
        relay.relay(desk.runtime)
        desk.runtime.advance(relay.CLAIM.total_seconds() + 1)

    assert broker.got == [number for number in range(ROWS) if number != 3]
    assert len(desk.waiting()) == 1


def test_nothing_goes_out_before_its_time(desk: Desk) -> None:
    now = desk.runtime.now()
    with write(desk.engine) as conn:
        late = enqueue(conn, Kind.TASK, "a", "venue", {}, now=now, due_at=now + timedelta(seconds=30))
        fresh = enqueue(conn, Kind.TASK, "b", "venue", {}, now=now)

    with write(desk.engine) as conn:
        assert [row.id for row in take_due(conn, now, 10)] == []
        assert next_due(conn) == now + GRACE
        assert [row.id for row in take_due(conn, now + GRACE, 10)] == [fresh.id]
        assert [row.id for row in take_due(conn, now + timedelta(seconds=30), 10)] == [fresh.id, late.id]


def test_an_outbox_row_exists_only_with_the_change_that_made_it(desk: Desk) -> None:
    def dying() -> None:
        with write(desk.engine) as conn:
            enqueue(conn, Kind.TASK, "a", "venue", {}, now=desk.runtime.now())
            raise Died

    with pytest.raises(Died):
        dying()

    assert desk.waiting() == []


def test_a_postponed_row_counts_its_attempts(desk: Desk) -> None:
    now = desk.runtime.now()
    with write(desk.engine) as conn:
        row = enqueue(conn, Kind.TASK, "a", "venue", {"x": 1}, now=now, due_at=now)
        for _ in range(3):
            postpone(conn, [row.id], now)
        (found,) = take_due(conn, now, 10)

    assert (found.attempts, found.kwargs, found.task, found.queue) == (3, {"x": 1}, "a", "venue")


def test_an_id_is_given_once_so_that_a_late_deletion_takes_no_other_row(desk: Desk) -> None:
    """Two relays publish the same row; the slower one deletes it when another row has been born meanwhile."""
    now = desk.runtime.now()
    desk.forget_outbox()
    with write(desk.engine) as conn:
        first = enqueue(conn, Kind.TASK, "orders.settle", "venue", {"order_id": "first"}, now=now)
        remove(conn, [first.id])
    with write(desk.engine) as conn:
        enqueue(conn, Kind.TASK, "orders.settle", "venue", {"order_id": "second"}, now=now)
    with write(desk.engine) as conn:
        remove(conn, [first.id])

    assert desk.waiting() == ["orders.settle"]


def test_a_caller_s_queue_that_gives_no_answer_holds_up_nobody(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    """Its notice waits, longer each time, and is never given up; everything else goes out in the same sweep."""

    def silent(number: int) -> None:
        if number < 0:
            raise BrokerAway("no answer")

    broker = use(monkeypatch, Broker(silent))
    desk.forget_outbox()
    now = desk.runtime.now()
    with write(desk.engine) as conn:
        for number in (-1, -2):
            enqueue(conn, Kind.NOTIFY, "told", "a caller's queue", {"number": number}, now=now, due_at=now)
    fill(desk)

    for _ in range(20):
        relay.relay(desk.runtime)
        desk.runtime.advance(31)

    assert broker.got == list(range(ROWS))
    assert desk.waiting() == ["told", "told"]


def test_a_broker_that_takes_nothing_is_seen_by_the_first_row_of_ours(
    desk: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    def away(_: int) -> None:
        raise BrokerAway("nobody there")

    broker = use(monkeypatch, Broker(away))
    fill(desk, 3)

    with pytest.raises(BrokerAway):
        relay.relay(desk.runtime)

    assert (broker.got, len(desk.waiting())) == ([], 3)
