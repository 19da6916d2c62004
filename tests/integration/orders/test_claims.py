"""Claims and leases with real threads: one winner, fenced by its epoch, taken over on the database's clock."""

from __future__ import annotations

import threading
from collections.abc import Callable
from datetime import timedelta
from typing import TypeVar

import pytest
from sqlalchemy import Engine, text

from models.order import ChildOrder
from models.vocabulary import ChildStatus
from storage import leases
from storage.attention import standing_children
from storage.children import attend, claim, get_child, insert_child, move_child, release, renew
from storage.engine import database_time, read, write
from storage.orders import Stale
from tests.integration.orders.test_guards import _insert_order
from tests.support.order_values import NOW, make_child
from tests.support.waiting import eventually

T = TypeVar("T")

WORKERS = 8
LONG_MS = 60_000


@pytest.fixture
def child(engine: Engine) -> ChildOrder:
    with write(engine) as conn:
        _insert_order(conn)
        insert_child(conn, make_child(status=ChildStatus.PLANNED, venue_order_id=None), cause="test", now=NOW)
        return get_child(conn, "order-1-0-1")


def all_at_once(work: Callable[[int], T]) -> list[T]:
    """What each of WORKERS threads got, all begun at the same moment."""
    barrier = threading.Barrier(WORKERS)
    answers: list[T] = []

    def run(number: int) -> None:
        barrier.wait()
        answers.append(work(number))

    threads = [threading.Thread(target=run, args=(number,)) for number in range(WORKERS)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(answers) == WORKERS, "a worker died"
    return answers


def _claims(engine: Engine, child: ChildOrder, owner: str, lease_ms: int = LONG_MS) -> ChildOrder | None:
    try:
        with write(engine) as conn:
            return claim(conn, child, owner=owner, lease_ms=lease_ms)
    except Stale:
        return None


def run_out(engine: Engine) -> None:
    with write(engine) as conn:
        conn.execute(text("UPDATE child_orders SET lease_until = 0"))


def test_of_many_that_claim_at_once_one_wins(engine: Engine, child: ChildOrder) -> None:
    answers = all_at_once(lambda number: _claims(engine, child, f"worker-{number}"))

    winners = [answer for answer in answers if answer is not None]
    assert len(winners) == 1
    assert winners[0].epoch == child.epoch + 1


def test_the_same_owner_claims_no_second_time(engine: Engine, child: ChildOrder) -> None:
    """Two threads of one process share the owner's name."""
    first = _claims(engine, child, "worker")
    assert first is not None

    assert _claims(engine, first, "worker") is None


def test_of_many_that_take_over_at_once_one_wins(engine: Engine, child: ChildOrder) -> None:
    first = _claims(engine, child, "gone")
    assert first is not None
    run_out(engine)

    answers = all_at_once(lambda number: _claims(engine, first, f"worker-{number}"))

    assert len([answer for answer in answers if answer is not None]) == 1


def test_a_lease_runs_out_on_the_databases_clock(engine: Engine, child: ChildOrder) -> None:
    with write(engine) as conn:
        before = database_time(conn)
        first = claim(conn, child, owner="first", lease_ms=300)

    second = eventually(lambda: _claims(engine, first, "second"), within_s=60, describe="the lease runs out")

    assert second is not None
    with write(engine) as conn:
        assert database_time(conn) - before >= timedelta(milliseconds=300)
    assert second.epoch == first.epoch + 1


def test_an_old_owners_updates_match_nothing(engine: Engine, child: ChildOrder) -> None:
    old = _claims(engine, child, "old")
    assert old is not None
    run_out(engine)
    new = _claims(engine, old, "new")
    assert new is not None

    with write(engine) as conn:
        attend(conn, old, NOW, looked=True)
        release(conn, old, owner="old")
        assert not renew(conn, old.id, old.epoch, owner="old", lease_ms=LONG_MS)
    with pytest.raises(Stale), write(engine) as conn:
        move_child(conn, old, ChildStatus.SUBMITTING, cause="too late", now=NOW)

    with write(engine) as conn:
        assert get_child(conn, child.id) == new
        assert renew(conn, new.id, new.epoch, owner="new", lease_ms=LONG_MS)


def test_the_epoch_alone_fences_an_old_owner_even_where_status_and_version_are_the_same(
    engine: Engine, child: ChildOrder
) -> None:
    """The same process may be the new owner: owner, status and version agree, only the epoch tells them apart."""
    old = _claims(engine, child, "worker")
    assert old is not None
    run_out(engine)
    new = _claims(engine, old, "worker")
    assert new is not None
    assert (old.status, old.version) == (new.status, new.version)

    with pytest.raises(Stale), write(engine) as conn:
        move_child(conn, old, ChildStatus.SUBMITTING, cause="too late", now=NOW)
    with write(engine) as conn:
        release(conn, old, owner="worker")
        assert not renew(conn, old.id, old.epoch, owner="worker", lease_ms=LONG_MS)
        assert renew(conn, new.id, new.epoch, owner="worker", lease_ms=LONG_MS), "the old release took nothing away"


def test_a_release_lets_the_next_one_in(engine: Engine, child: ChildOrder) -> None:
    first = _claims(engine, child, "first")
    assert first is not None
    with write(engine) as conn:
        release(conn, first, owner="first")

    assert _claims(engine, first, "second") is not None


def test_a_child_that_moved_on_is_not_claimed(engine: Engine, child: ChildOrder) -> None:
    with write(engine) as conn:
        move_child(conn, child, ChildStatus.CANCELED, cause="test", now=NOW)

    assert _claims(engine, child, "worker") is None


def test_of_many_that_move_a_child_at_once_one_does(engine: Engine, child: ChildOrder) -> None:
    def move(_: int) -> bool:
        try:
            with write(engine) as conn:
                move_child(conn, child, ChildStatus.SUBMITTING, cause="test", now=NOW)
        except Stale:
            return False
        return True

    assert sum(all_at_once(move)) == 1


def test_a_claimed_child_does_not_stand_until_its_lease_is_over(engine: Engine, child: ChildOrder) -> None:
    with write(engine) as conn:
        conn.execute(text("UPDATE child_orders SET attend_at = 1"))
    assert _claims(engine, child, "worker") is not None
    with read(engine) as conn:
        assert standing_children(conn, NOW, timedelta(), 10) == []
    run_out(engine)

    with read(engine) as conn:
        assert [one.id for one in standing_children(conn, NOW, timedelta(), 10)] == [child.id]


# --------------------------------------------------------------------------------------------------------- named leases


def _takes(engine: Engine, owner: str, lease_ms: int = LONG_MS) -> int | None:
    with write(engine) as conn:
        return leases.take(conn, "beat", owner=owner, lease_ms=lease_ms)


def test_of_many_that_take_a_lease_at_once_one_holds_it(engine: Engine) -> None:
    answers = all_at_once(lambda number: _takes(engine, f"worker-{number}"))

    assert sorted(answer for answer in answers if answer is not None) == [1]


def test_a_lease_that_ran_out_is_taken_over_under_the_next_epoch(engine: Engine) -> None:
    first = _takes(engine, "first", lease_ms=200)
    assert first == 1

    assert eventually(lambda: _takes(engine, "second"), within_s=60, describe="the lease runs out") == 2
    with write(engine) as conn:
        assert not leases.holds(conn, "beat", 1)
        assert leases.holds(conn, "beat", 2)


def test_an_old_holder_gives_nothing_back(engine: Engine) -> None:
    _takes(engine, "first")
    with write(engine) as conn:
        leases.give_back(conn, "beat", 1)
    assert _takes(engine, "second") == 2
    with write(engine) as conn:
        leases.give_back(conn, "beat", 1)

        assert leases.holds(conn, "beat", 2)
    assert _takes(engine, "third") is None


def test_its_holder_may_take_it_again_and_fences_itself(engine: Engine) -> None:
    assert [_takes(engine, "first") for _ in range(3)] == [1, 2, 3]
    with write(engine) as conn:
        assert not leases.holds(conn, "beat", 2)
