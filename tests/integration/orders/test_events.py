"""The feed below HTTP: every version once, in an order that can be resumed, whatever commits when."""

from __future__ import annotations

import json
import random
import threading
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy import Connection, Engine, text
from sqlalchemy.exc import IntegrityError

from models.order import Order
from models.vocabulary import OrderStatus
from storage.engine import read, write
from storage.events import Page, forget_events, number, read_page, record_event
from storage.orders import insert_order, lock_order, move_order
from tests.integration.orders.conftest import BOTH
from tests.support.order_values import NOW, make_order
from tests.support.runtime import Desk

POSTGRESQL = pytest.mark.parametrize("database_url", BOTH[1:], indirect=True)

Change = tuple[str, int]


def add_order(conn: Connection, order_id: str, **changes: Any) -> None:
    order = make_order(id=order_id, client_order_id=order_id, status=OrderStatus.RECEIVED, version=1)
    values = {name: getattr(order, name) for name in order.__slots__}
    values |= {
        "tags": {}, "request": "{}", "source": "test", "cause": "test", "rescue_at": NOW,
        "side": "buy", "type": "market", "time_in_force": "GTC", "mode": "live", "status": "RECEIVED",
    }  # fmt: skip
    assert insert_order(conn, {**values, **changes})


def change(conn: Connection, order_id: str) -> Order:
    """The next version of an order, as any step makes it: under the order's lock."""
    return move_order(conn, lock_order(conn, order_id), OrderStatus.RECEIVED, cause="test", now=NOW)


def changes_in(items: Iterable[Mapping[str, Any]]) -> list[Change]:
    return [(item["order_id"], item["version"]) for item in items]


class Reader:
    """A consumer that remembers its cursor and nothing else."""

    def __init__(self, engine: Engine) -> None:
        self.engine = engine
        self.after: int | None = None
        self.seen: list[Mapping[str, Any]] = []

    def look(self, limit: int = 100) -> Page:
        page = read_page(self.engine, self.after, limit)
        self.seen += page.items
        if page.items:
            self.after = page.items[-1]["position"]
        return page

    def to_the_end(self, limit: int = 100) -> None:
        while self.look(limit).items:
            pass

    def check(self, written: Mapping[str, int]) -> None:
        """``written``: how many versions each order has. Each was seen once, in its order, at places without gaps."""
        assert [item["position"] for item in self.seen] == list(range(1, len(self.seen) + 1))
        versions: dict[str, list[int]] = defaultdict(list)
        for order_id, version in changes_in(self.seen):
            versions[order_id].append(version)
        assert versions == {order_id: list(range(1, count + 1)) for order_id, count in written.items()}


def test_change_that_commits_late_is_not_skipped_and_comes_after_what_was_seen(engine: Engine) -> None:
    """The trap of PostgreSQL's sequences: the first row has the lower id, and commits after the second was read."""
    if engine.dialect.name == "sqlite":
        pytest.skip("SQLite has one writer at a time: nothing commits out of order")
    reader = Reader(engine)
    with write(engine) as slow:
        add_order(slow, "slow")
        with write(engine) as quick:
            add_order(quick, "quick")
        reader.to_the_end()
        assert changes_in(reader.seen) == [("quick", 1)]

    reader.to_the_end()

    assert changes_in(reader.seen) == [("quick", 1), ("slow", 1)]
    reader.check({"quick": 1, "slow": 1})


def test_change_that_is_rolled_back_leaves_no_gap(engine: Engine) -> None:
    reader = Reader(engine)
    with write(engine) as conn:
        add_order(conn, "a")
    with engine.connect() as conn:
        add_order(conn, "never")
        change(conn, "a")
        conn.rollback()
    with write(engine) as conn:
        change(conn, "a")

    reader.to_the_end()

    reader.check({"a": 2})


@pytest.mark.timeout(300)
def test_resuming_readers_beside_concurrent_writers_see_each_version_once_and_in_order(engine: Engine) -> None:
    orders, writers, each = [f"order-{number}" for number in range(6)], 4, 25
    with write(engine) as conn:
        for order_id in orders:
            add_order(conn, order_id)
    done = threading.Event()

    def writer(seed: int) -> list[str]:
        dice, changed = random.Random(seed), []
        for _ in range(each):
            chosen = sorted(dice.sample(orders, dice.randint(1, 3)))  # locked in one order, as everywhere
            with write(engine) as conn:
                for order_id in chosen:
                    change(conn, order_id)
            changed += chosen
        return changed

    def reading(seed: int) -> Reader:
        dice, reader = random.Random(seed), Reader(engine)
        while not done.is_set():
            reader.look(dice.randint(1, 40))
        reader.to_the_end(dice.randint(1, 40))
        return reader

    with ThreadPoolExecutor(writers + 3) as pool:
        readers = [pool.submit(reading, seed) for seed in range(3)]
        try:
            changed = [name for part in pool.map(writer, range(writers)) for name in part]
        finally:
            done.set()
        seen = [reader.result() for reader in readers]

    written = {order_id: 1 + changed.count(order_id) for order_id in orders}
    for reader in seen:
        reader.check(written)
        assert changes_in(reader.seen) == changes_in(seen[0].seen), "every reader sees one and the same feed"


#: (what, which): writers 0–2 begin, change an order, commit or roll back; a reader looks at a page of some size
SCHEDULE = st.lists(
    st.one_of(
        st.tuples(st.just("change"), st.integers(0, 2)),
        st.tuples(st.just("commit"), st.integers(0, 2)),
        st.tuples(st.just("roll back"), st.integers(0, 2)),
        st.tuples(st.just("look"), st.integers(1, 4)),
    ),
    max_size=40,
)


@POSTGRESQL
@pytest.mark.timeout(300)
def test_any_schedule_of_writers_and_looks_shows_each_committed_version_once(engine: Engine) -> None:
    """Each writer has orders of its own, so that none waits for another; what differs is who commits when."""
    rounds = iter(range(10**9))

    @settings(max_examples=60, deadline=None, derandomize=True, suppress_health_check=list(HealthCheck))
    @given(schedule=SCHEDULE)
    def run(schedule: Sequence[tuple[str, int]]) -> None:
        prefix = f"round-{next(rounds)}"
        reader = Reader(engine)
        reader.to_the_end()
        begin = len(reader.seen)
        committed: dict[str, int] = {}
        open_changes: dict[int, int] = {}
        connections = {writer: engine.connect() for writer in range(3)}
        try:
            for what, which in schedule:
                if what == "look":
                    reader.look(which)
                    continue
                conn, name = connections[which], f"{prefix}-{which}"
                if what == "change":
                    if committed.get(name, 0) + open_changes.get(which, 0) == 0:
                        add_order(conn, name)
                    else:
                        change(conn, name)
                    open_changes[which] = open_changes.get(which, 0) + 1
                elif what == "commit":
                    conn.commit()
                    committed[name] = committed.get(name, 0) + open_changes.pop(which, 0)
                else:
                    conn.rollback()
                    open_changes.pop(which, None)
        finally:
            for conn in connections.values():
                conn.close()
        reader.to_the_end(3)
        fresh = reader.seen[begin:]
        assert [item["position"] for item in fresh] == list(range(begin + 1, begin + 1 + len(fresh)))
        for name, count in committed.items():
            assert [version for found, version in changes_in(fresh) if found == name] == list(range(1, count + 1))
        assert len(fresh) == sum(committed.values())

    run()


def test_every_version_of_orders_of_every_kind_is_in_the_feed_with_the_document_it_left(desk: Desk) -> None:
    """Filled, denied, expired, canceled before and after the send, unknown and found: versions 1 to the last, once."""
    known: dict[Change, Mapping[str, Any]] = {}
    lives: Sequence[Callable[[], str]] = (
        lambda: _worked(desk, desk.place()),
        lambda: _worked(desk, desk.place(side="sell", quantity="170")),
        lambda: _worked(desk, desk.limit("-2000", tags={"desk": "a"}, notify={"queue": "q", "task": "t"})),
        lambda: _canceled(desk, desk.limit("-2000")),
        lambda: _canceled(desk, _worked(desk, desk.limit("-2000"))),
        lambda: _unanswered(desk),
    )
    ids = [life() for life in lives]
    desk.pump(lambda: all(desk.document(order_id)["status"] in ENDED for order_id in ids))
    reader = Reader(desk.engine)
    reader.to_the_end(7)

    reader.check({order_id: desk.document(order_id)["version"] for order_id in ids})
    for item in reader.seen:
        known[item["order_id"], item["version"]] = item["document"]
        assert (item["document"]["id"], item["document"]["version"]) == (item["order_id"], item["version"])
        assert item["at"] == item["document"]["updated_at"]
    for order_id in ids:
        last = desk.document(order_id)
        if last["status"] != "WORKING":  # what rests was acknowledged since, which is no version of the order's own
            assert known[order_id, last["version"]] == last
        statuses = [known[order_id, version]["status"] for version in range(1, last["version"] + 1)]
        with read(desk.engine) as conn:
            history = conn.execute(HISTORY, {"id": order_id}).scalars().all()
        assert statuses == history
    assert {desk.document(order_id)["status"] for order_id in ids} == {"FILLED", "DENIED", "WORKING", "CANCELED"}


ENDED = {"FILLED", "DENIED", "WORKING", "CANCELED"}
HISTORY = text("SELECT to_status FROM transitions WHERE entity = 'order' AND entity_id = :id ORDER BY version")


def _worked(desk: Desk, order_id: str) -> str:
    desk.work(order_id)
    return order_id


def _canceled(desk: Desk, order_id: str) -> str:
    desk.cancel(order_id)
    desk.pump(lambda: desk.document(order_id)["status"] == "CANCELED")
    return order_id


def _unanswered(desk: Desk) -> str:
    """The venue takes it and the answer is lost."""
    desk.venue.arm({"kind": "reset", "when": "after", "endpoint": "order", "method": "POST", "count": 1})
    order_id = desk.place()
    desk.work(order_id)
    desk.pump(lambda: desk.document(order_id)["status"] == "FILLED")
    return order_id


def test_notice_carries_the_very_document_of_the_feed(desk: Desk) -> None:
    order_id = desk.place(notify={"queue": "desk", "task": "desk.on_order"}, tags={"desk": "a"})
    desk.work(order_id)
    reader = Reader(desk.engine)
    reader.to_the_end()

    with read(desk.engine) as conn:
        rows = conn.execute(text("SELECT kwargs FROM outbox WHERE kind = 'notify' ORDER BY id")).scalars().all()

    told = [json.loads(row)["document"] for row in rows]
    assert told == [item["document"] for item in reader.seen]
    assert told[0]["tags"] == {"desk": "a"}


def test_old_changes_are_deleted_from_the_beginning_only_and_the_feed_goes_on(engine: Engine) -> None:
    for day in range(5):
        with write(engine) as conn:
            add_order(conn, f"day-{day}", updated_at=NOW + timedelta(days=day))
    reader = Reader(engine)
    reader.look(1)

    deleted = forget_events(engine, NOW + timedelta(days=3))

    assert deleted == 3
    page = read_page(engine, None, 10)
    assert (page.head.position, page.head.forgotten) == (5, 3)
    assert [(item["position"], item["order_id"]) for item in page.items] == [(4, "day-3"), (5, "day-4")]
    assert forget_events(engine, NOW + timedelta(days=3)) == 0
    with write(engine) as conn:
        change(conn, "day-0")
    assert changes_in(read_page(engine, 5, 10).items) == [("day-0", 2)]


def test_feed_that_nobody_reads_is_forgotten_too(engine: Engine) -> None:
    with write(engine) as conn:
        add_order(conn, "old")
        add_order(conn, "new", updated_at=NOW + timedelta(days=9))

    assert forget_events(engine, NOW + timedelta(days=1)) == 1

    assert changes_in(read_page(engine, None, 10).items) == [("new", 1)]


@pytest.fixture
def three(engine: Engine) -> Iterator[Connection]:
    """Two numbered changes, then one that is not; inside a transaction that is rolled back."""
    with write(engine) as conn:
        add_order(conn, "a")
        add_order(conn, "b")
    assert number(engine) == 2
    with engine.connect() as connection, connection.begin() as transaction:
        add_order(connection, "c")
        yield connection
        transaction.rollback()


@pytest.mark.parametrize(
    "statement",
    [
        "UPDATE order_events SET changes = '{}' WHERE order_id = 'a'",
        "UPDATE order_events SET changes = '{}' WHERE order_id = 'c'",
        "UPDATE order_events SET version = 7, position = 3 WHERE order_id = 'c'",
        "UPDATE order_events SET position = 9 WHERE order_id = 'a'",
        "UPDATE order_events SET position = NULL WHERE order_id = 'a'",
        "UPDATE order_events SET position = 1 WHERE order_id = 'c'",
        "UPDATE order_events SET position = 0 WHERE order_id = 'c'",
        "DELETE FROM order_events WHERE order_id = 'a'",
        "DELETE FROM order_events WHERE order_id = 'c'",
        "INSERT INTO order_events (order_id, version, at, changes) VALUES ('a', 1, 0, '{}')",
        "INSERT INTO order_events (order_id, version, at, changes) VALUES ('a', 2, 0, '{}')",
        "INSERT INTO order_events (order_id, version, at, changes) VALUES ('nobody', 1, 0, '{}')",
        "INSERT INTO order_events (order_id, version, at, changes, position) VALUES ('a', 1, 0, '{}', 3)",
        "UPDATE event_head SET position = 1",
        "UPDATE event_head SET forgotten = 3",
        "UPDATE event_head SET id = 2",
        "DELETE FROM event_head",
        "INSERT INTO event_head (id, feed, position, forgotten) VALUES (2, 'other', 0, 0)",
    ],
)
def test_raw_sql_against_the_feed_is_refused(three: Connection, statement: str) -> None:
    savepoint = three.begin_nested()
    with pytest.raises(IntegrityError):
        three.execute(text(statement))
    savepoint.rollback()


def test_what_the_head_says_is_forgotten_may_be_deleted_and_nothing_else(three: Connection) -> None:
    three.execute(text("UPDATE event_head SET forgotten = 1"))

    assert three.execute(text("DELETE FROM order_events WHERE position = 1")).rowcount == 1
    savepoint = three.begin_nested()
    with pytest.raises(IntegrityError):
        three.execute(text("DELETE FROM order_events WHERE position = 2"))
    savepoint.rollback()


def test_one_version_twice_is_a_bug_that_the_database_refuses(engine: Engine) -> None:
    with write(engine) as conn:
        add_order(conn, "a", quantity=Decimal(2))

    with pytest.raises(IntegrityError), write(engine) as conn:
        record_event(conn, "a", 1, {}, NOW)
