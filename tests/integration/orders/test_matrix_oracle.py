"""The oracle of the fault matrix: silent about an order that went well, and loud about each thing that must never be."""

from __future__ import annotations

from sqlalchemy import select, update

from models.reports import NewOrder
from models.vocabulary import OrderType, Side
from ops.chaos.oracle import book_problems, order_problems, safety_problems, whole_problems
from ops.chaos.venue_log import VenueLog
from storage.engine import read, write
from storage.order_tables import orders, reports
from tests.integration.orders.conftest import ON_SQLITE
from tests.support.runtime import Desk


def problems(desk: Desk, order_id: str) -> list[str]:
    log = VenueLog(desk.venue.home)
    log.catch_up()
    key = desk.order(order_id).client_order_id
    with read(desk.engine, snapshot=True) as conn:
        return [*order_problems(conn, log, "main", key), *book_problems(conn, log, "main")]


def send_again(desk: Desk, order_id: str) -> None:
    """What no step may ever do: a second order under the same id."""
    gateway = desk.runtime.gateways.get("paper", "main")
    child = desk.child(order_id)
    gateway.create_order(
        NewOrder(
            symbol="BTC/USDT",
            side=Side.BUY,
            type=OrderType.MARKET,
            quantity=child.quantity,
            price=None,
            time_in_force=desk.order(order_id).time_in_force,
            post_only=False,
            client_order_id=child.venue_client_order_id,
            timestamp=gateway.time(),
            window_ms=30_000,
        )
    )


def drop_guards(desk: Desk) -> None:
    """The database refuses what these tests do, on every road but that of whoever drops its triggers."""
    with write(desk.engine) as conn:
        for name in conn.exec_driver_sql("SELECT name FROM sqlite_master WHERE type = 'trigger'").scalars().all():
            conn.exec_driver_sql(f"DROP TRIGGER {name}")


def test_an_order_that_went_well_is_no_problem(desk: Desk) -> None:
    order_id = desk.place()
    desk.work(order_id)

    assert problems(desk, order_id) == []


@ON_SQLITE
def test_a_second_order_at_the_venue_is_found(desk: Desk) -> None:
    order_id = desk.place()
    desk.work(order_id)

    send_again(desk, order_id)

    found = problems(desk, order_id)
    assert any("accepted" in problem and "2 times" in problem for problem in found)
    assert any("at the venue for an order of" in problem for problem in found)
    assert any("is at the venue and not booked" in problem for problem in found)
    assert any("our books have" in problem for problem in found)
    log = VenueLog(desk.venue.home)
    log.catch_up()
    with read(desk.engine, snapshot=True) as conn:
        assert any(
            "2 times" in problem for problem in safety_problems(conn, log, "main", desk.order(order_id).client_order_id)
        )
        assert any("more than once" in problem for problem in whole_problems(conn, log))


@ON_SQLITE
def test_an_order_that_is_not_over_is_found(desk: Desk) -> None:
    order_id = desk.limit("-500")
    desk.work(order_id)

    assert any("still WORKING" in problem for problem in problems(desk, order_id))


@ON_SQLITE
def test_an_order_that_was_lost_is_found(desk: Desk) -> None:
    log = VenueLog(desk.venue.home)
    with read(desk.engine, snapshot=True) as conn:
        assert list(order_problems(conn, log, "main", "never-came")) == ["never-came: 0 orders under one key"]


@ON_SQLITE
def test_a_report_that_nobody_applied_is_found(desk: Desk) -> None:
    order_id = desk.place()
    desk.work(order_id)
    drop_guards(desk)
    with write(desk.engine) as conn:
        conn.execute(update(reports).where(reports.c.order_id == order_id).values(applied_at=None))

    assert any("is not applied" in problem for problem in problems(desk, order_id))


@ON_SQLITE
def test_money_of_which_our_books_know_nothing_is_found(desk: Desk) -> None:
    order_id = desk.place()
    desk.work(order_id)

    desk.venue.deposit("main", "BTC", "0.00000001")

    assert any(problem.startswith("main BTC") for problem in problems(desk, order_id))


@ON_SQLITE
def test_a_change_without_a_record_is_found(desk: Desk) -> None:
    order_id = desk.place()
    desk.work(order_id)
    drop_guards(desk)
    with write(desk.engine) as conn:
        version = conn.execute(select(orders.c.version).where(orders.c.id == order_id)).scalar_one()
        conn.execute(update(orders).where(orders.c.id == order_id).values(version=version + 1))

    assert any("the record holds" in problem for problem in problems(desk, order_id))
