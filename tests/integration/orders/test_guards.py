"""Raw SQL against the order book: the database takes the moves of the table, records them, and refuses the rest."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from sqlalchemy import Connection, Engine, text
from sqlalchemy.exc import IntegrityError

from models.amendment import AmendmentStatus, Change
from models.transitions import CHILD_TRANSITIONS, ORDER_TRANSITIONS
from models.vocabulary import ChildStatus, OrderStatus
from storage import schema
from storage.amendments import decide_amendment, insert_amendment
from storage.children import insert_child, intend
from storage.engine import make_engine, read
from storage.fills import insert_fill
from storage.legal_moves import legal_move_differences
from storage.orders import insert_order
from storage.reports import keep_report, mark_applied
from tests.integration.orders.conftest import BOTH
from tests.support.order_values import NOW, make_child, make_order, make_report, make_trade

TABLES: dict[str, Any] = {"order": ("orders", ORDER_TRANSITIONS), "child": ("child_orders", CHILD_TRANSITIONS)}


@pytest.fixture(params=BOTH, scope="module")
def shared_engine(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Engine]:
    """One migrated database for the file; every test takes back what it does."""
    if request.param == "sqlite":
        url = f"sqlite:///{tmp_path_factory.mktemp('guards')}/steadfill.db"
    else:
        url = request.getfixturevalue("postgres_server").create_database()
    engine = make_engine(url)
    schema.upgrade(engine)
    yield engine
    engine.dispose()
    if request.param == "postgresql":
        request.getfixturevalue("postgres_server").drop_database(url)


@pytest.fixture
def conn(shared_engine: Engine) -> Iterator[Connection]:
    """Inside a transaction that is rolled back: one RECEIVED order with a PLANNED child, an intent, a report, a fill."""
    with shared_engine.connect() as connection, connection.begin() as transaction:
        _insert_order(connection)
        child = make_child(status=ChildStatus.PLANNED, venue_order_id=None)
        insert_child(connection, child, cause="test", now=NOW)
        intend(connection, child, number=1, owner="test", timestamp=NOW, window_ms=5_000, now=NOW)
        keep_report(connection, child, make_report(), source="send", now=NOW)
        insert_amendment(
            connection, make_order(), Change(quantity=make_order().quantity, price=None), source="test", now=NOW
        )
        yield connection
        transaction.rollback()


def _insert_order(conn: Connection, order_id: str = "order-1", **changes: Any) -> None:
    order = make_order(id=order_id, client_order_id=order_id, status=OrderStatus.RECEIVED, version=1)
    values = {name: getattr(order, name) for name in order.__slots__}
    values |= {
        "tags": {}, "request": "{}", "source": "test", "cause": "test", "rescue_at": NOW,
        "side": "buy", "type": "market", "time_in_force": "GTC", "mode": "live", "status": "RECEIVED",
    }  # fmt: skip
    insert_order(conn, {**values, **changes})


def _refused(conn: Connection, statement: str) -> bool:
    """Whether the database refuses it; what it takes is taken back."""
    savepoint = conn.begin_nested()
    try:
        conn.execute(text(statement))
    except IntegrityError:
        savepoint.rollback()
        return True
    savepoint.rollback()
    return False


def _move(table: str, target: str) -> str:
    filled = ", filled_quantity = quantity" if target == "FILLED" else ""
    return f"UPDATE {table} SET status = '{target}', version = version + 1{filled}"


def _way_to(status: str, moves: Any, start: str) -> list[str]:
    """A shortest chain of legal moves that does not pass through FILLED."""
    ways: dict[str, list[str]] = {start: []}
    waiting = [start]
    while waiting:
        here = waiting.pop(0)
        for there in sorted(moves[here]):
            if there not in ways:
                ways[there] = [*ways[here], there]
                if there != "FILLED":
                    waiting.append(there)
    return ways[status]


@pytest.mark.parametrize("entity", TABLES)
def test_the_database_takes_exactly_the_moves_of_the_table(conn: Connection, entity: str) -> None:
    table, moves = TABLES[entity]
    start = "RECEIVED" if entity == "order" else "PLANNED"
    taken = set()
    for source in moves:
        savepoint = conn.begin_nested()
        for status in _way_to(source, moves, start):
            conn.execute(text(_move(table, status)))
        taken |= {(source, target) for target in moves if target != source and not _refused(conn, _move(table, target))}
        savepoint.rollback()

    assert taken == {(source, target) for source, targets in moves.items() for target in targets}


def test_a_word_that_is_no_status_is_refused(conn: Connection) -> None:
    assert _refused(conn, _move("orders", "DONE"))
    assert _refused(conn, _move("child_orders", "DONE"))


def test_code_and_database_have_the_same_table(shared_engine: Engine) -> None:
    with read(shared_engine) as connection:
        assert legal_move_differences(connection) == []


def test_every_move_is_on_record_though_nobody_wrote_the_record(conn: Connection) -> None:
    way = _way_to("PARTIALLY_FILLED", ORDER_TRANSITIONS, "RECEIVED")
    for status in way:
        conn.execute(text(_move("orders", status) + f", cause = 'to {status}', cause_detail = '[1]'"))

    query = "SELECT version, from_status, to_status, cause, detail FROM transitions WHERE entity = 'order' ORDER BY id"
    rows = conn.execute(text(query)).all()
    statuses = ["RECEIVED", *way]
    assert [row.to_status for row in rows] == statuses
    assert [row.from_status for row in rows] == [None, *statuses[:-1]]
    assert [row.version for row in rows] == list(range(1, len(rows) + 1))
    assert rows[-1].cause == f"to {way[-1]}"
    assert rows[-1].detail == "[1]"


_AMENDMENT = (
    "INSERT INTO amendments (order_id, requested_at, source, previous_quantity, status, decided_at) "
    "VALUES ('order-1', 1, 'test', '1', {}, {})"
)

#: one statement each; the order is RECEIVED and its child PLANNED, both at version 1
FORBIDDEN = {
    "a status without a version": "UPDATE orders SET status = 'PREPARED'",
    "a version that skips one": "UPDATE orders SET version = version + 2",
    "a version that falls": "UPDATE orders SET version = 0",
    "a fill without a version": "UPDATE orders SET filled_quantity = '0.5'",
    "a reason without a version": "UPDATE orders SET reason_code = 'X'",
    "a quantity without a version": "UPDATE orders SET quantity = '2'",
    "filled below zero": "UPDATE orders SET filled_quantity = '-1', version = 2",
    "filled and not FILLED": "UPDATE orders SET filled_quantity = quantity, version = 2",
    "more than filled and not FILLED": "UPDATE orders SET filled_quantity = '1.5', version = 2",
    "another client id": "UPDATE orders SET client_order_id = 'other', version = 2",
    "another account": "UPDATE orders SET account = 'desk2', version = 2",
    "another venue": "UPDATE orders SET venue = 'binance', version = 2",
    "another symbol": "UPDATE orders SET symbol = 'ETH/USDT', version = 2",
    "another side": "UPDATE orders SET side = 'sell', version = 2",
    "another request": "UPDATE orders SET request = '[]', version = 2",
    "another birth": "UPDATE orders SET created_at = 1, version = 2",
    "an order deleted": "DELETE FROM orders",
    "a child's status without a version": "UPDATE child_orders SET status = 'SUBMITTING'",
    "a child's version that skips one": "UPDATE child_orders SET version = version + 2",
    "a child's fill without a version": "UPDATE child_orders SET filled_quantity = '0.5'",
    "a child's fill below zero": "UPDATE child_orders SET filled_quantity = '-1', version = 2",
    "a child's epoch that falls": "UPDATE child_orders SET epoch = -1",
    "a child's venue id without a version": "UPDATE child_orders SET venue_order_id = 'v-2'",
    "another client id at the venue": "UPDATE child_orders SET venue_client_order_id = 'x', version = 2",
    "another slice": "UPDATE child_orders SET slice = 1, version = 2",
    "another attempt": "UPDATE child_orders SET attempt = 2, version = 2",
    "another venue account of a child": "UPDATE child_orders SET account = 'desk2', version = 2",
    "a child deleted": "DELETE FROM child_orders",
    "an intent edited": "UPDATE sends SET window_ms = 1",
    "an intent's time edited": 'UPDATE sends SET "timestamp" = 1',
    "an intent deleted": "DELETE FROM sends",
    "a report edited": "UPDATE reports SET body = '{}', applied_at = 1",
    "a report's source edited": "UPDATE reports SET source = 'x', applied_at = 1",
    "a report deleted": "DELETE FROM reports",
    "an amendment edited": "UPDATE amendments SET quantity = '3', status = 'DONE', decided_at = 1",
    "an amendment decided without a time": "UPDATE amendments SET status = 'DONE'",
    "an amendment with another word": "UPDATE amendments SET status = 'MAYBE', decided_at = 1",
    "an amendment that begins as decided": _AMENDMENT.format("'DONE'", "1"),
    "a second amendment under way": _AMENDMENT.format("'PENDING'", "NULL"),
    "an amendment deleted": "DELETE FROM amendments",
    "the record edited": "UPDATE transitions SET cause = 'x'",
    "the record deleted": "DELETE FROM transitions",
    "a legal move edited": "UPDATE legal_transitions SET to_status = 'X'",
    "legal moves deleted": "DELETE FROM legal_transitions",
}


@pytest.mark.parametrize("what", FORBIDDEN)
def test_the_database_refuses(conn: Connection, what: str) -> None:
    assert _refused(conn, FORBIDDEN[what])


def test_an_amendment_is_decided_once(conn: Connection) -> None:
    assert decide_amendment(conn, "order-1", AmendmentStatus.DONE, now=NOW)
    assert not decide_amendment(conn, "order-1", AmendmentStatus.REFUSED, now=NOW)
    assert _refused(conn, "UPDATE amendments SET status = 'REFUSED'")
    assert not _refused(conn, _AMENDMENT.format("'PENDING'", "NULL")), "the next one"


@pytest.mark.parametrize("table", ["orders", "child_orders", "sends", "reports", "fills", "amendments", "transitions"])
def test_postgresql_refuses_to_empty_a_table(conn: Connection, table: str) -> None:
    if conn.dialect.name == "sqlite":
        assert _refused(conn, f"DELETE FROM {table}") or table == "fills"  # empty, and SQLite has no TRUNCATE
        return
    assert _refused(conn, f"TRUNCATE {table} CASCADE")


def test_an_answer_and_an_application_are_written_once(conn: Connection) -> None:
    conn.execute(text("UPDATE sends SET outcome = 'answered', answered_at = 1"))
    conn.execute(text("UPDATE reports SET applied_at = 1"))

    assert _refused(conn, "UPDATE sends SET outcome = 'rejected'")
    assert _refused(conn, "UPDATE reports SET applied_at = 2")
    assert _refused(conn, "UPDATE reports SET applied_at = NULL")


def test_marking_a_report_applied_again_changes_nothing_and_raises_nothing(conn: Connection) -> None:
    number = conn.execute(text("SELECT id FROM reports")).scalar_one()

    mark_applied(conn, number, NOW)
    mark_applied(conn, number, NOW.replace(year=2031))

    assert conn.execute(text("SELECT applied_at FROM reports")).scalar_one() == int(NOW.timestamp() * 1_000_000)


def test_a_fill_is_never_edited_and_the_same_trade_is_one_row(conn: Connection) -> None:
    child = make_child()

    assert insert_fill(conn, child, make_trade("t-1"), now=NOW)
    assert not insert_fill(conn, child, make_trade("t-1"), now=NOW)
    assert _refused(conn, "UPDATE fills SET quantity = '2'")
    assert _refused(conn, "DELETE FROM fills")


@pytest.mark.parametrize(
    "changes",
    [{"status": "PREPARED"}, {"version": 2}, {"filled_quantity": make_order().quantity}],
    ids=lambda c: next(iter(c)),
)
def test_an_order_begins_as_received(conn: Connection, changes: dict[str, Any]) -> None:
    with pytest.raises(IntegrityError), conn.begin_nested():
        _insert_order(conn, "order-2", **changes)


@pytest.mark.parametrize("changes", [{"status": ChildStatus.ACCEPTED}, {"filled_quantity": make_order().quantity}])
def test_a_child_begins_as_planned(conn: Connection, changes: dict[str, Any]) -> None:
    values = {"status": ChildStatus.PLANNED, "venue_order_id": None, "slice": 5, **changes}

    with pytest.raises(IntegrityError), conn.begin_nested():
        insert_child(conn, make_child(**values), cause="test", now=NOW)


LIVE = [status for status in CHILD_TRANSITIONS if status not in ("FILLED", "CANCELED", "EXPIRED", "REJECTED")]


@pytest.mark.parametrize("status", CHILD_TRANSITIONS)
def test_a_second_attempt_exists_only_after_the_first_is_final(conn: Connection, status: str) -> None:
    for step in _way_to(status, CHILD_TRANSITIONS, "PLANNED"):
        conn.execute(text(_move("child_orders", step)))
    second = make_child(attempt=2, status=ChildStatus.PLANNED, venue_order_id=None)

    def insert() -> None:
        with conn.begin_nested():
            insert_child(conn, second, cause="test", now=NOW)

    if status in LIVE:
        with pytest.raises(IntegrityError):
            insert()
    else:
        insert()


def test_one_client_id_per_account_and_one_venue_id_per_child(conn: Connection) -> None:
    _insert_order(conn, "order-2")
    other = make_child(order_id="order-2", status=ChildStatus.PLANNED, venue_order_id=None)
    insert_child(conn, other, cause="test", now=NOW)
    take = "UPDATE child_orders SET venue_order_id = 'v-9', version = 2 WHERE order_id = '{}'"
    conn.execute(text(take.format("order-1")))

    assert _refused(conn, take.format("order-2"))
    assert _refused(conn, "UPDATE child_orders SET venue_order_id = 'v-8', version = 3 WHERE order_id = 'order-1'")
