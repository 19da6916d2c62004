"""Directed schedules: the one order of events in which a bug of the protocol does harm, played on the real code.

Each is a cell of `docs/mutants.md`. What counts is what the venue and the books show in the end; a schedule that says
more says why. "Stopped" is a process that stands still, heartbeat and all, and wakes up later with what it knew.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from datetime import datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import Engine, select

from failpoints import set_hook
from models.clock import format_time
from models.reports import OrderReport, VenueStatus
from models.vocabulary import ChildStatus, OrderStatus
from storage.children import insert_child, move_child
from storage.engine import read, write
from storage.ledger import balances
from storage.orders import Stale, lock_order, move_order
from storage.service_tables import outbox
from tasks import heartbeat
from tasks.app import app
from tasks.commit import commit
from tasks.lookup import lookup
from tasks.prepare import prepare
from tasks.rescue import rescue
from tasks.validate import validate
from tasks.withdraw import withdraw
from tests.integration.orders.conftest import ON_SQLITE, OpenDesk
from tests.integration.orders.test_crashes import Killed, Pause, _gateway, _in_thread, let_leases_run_out
from tests.integration.orders.test_guards import _insert_order
from tests.integration.orders.test_outbox import Broker, fill, use
from tests.integration.orders.test_steps import CREATE, QUICK_PROOF, REPLY_LOST, REQUEST_LOST, WIDE_WINDOW, is_final
from tests.integration.orders.test_strays import hidden_and_planned_again
from tests.support.order_values import NOW, make_child
from tests.support.paper import PaperProcess
from tests.support.runtime import Desk, forgetful, make_settings, open_desk
from tests.support.waiting import eventually
from workflows import relay, submit
from workflows.resolve import resolve_child

#: room for what a schedule does inside a venue's window; a machine that needs more sends again, which is no failure
ROOMY = {**QUICK_PROOF, "recv_window_ms": 2_500}

#: the places of one look, and what each says when it shows nothing
LOOKS: dict[str, Any] = {"_by_client_id": None, "open_orders": [], "_ended_orders": [], "_by_trades": None}


# -------------------------------------------------------------------------------------------------- how they are played


def venue_time(desk: Desk) -> datetime:
    return desk.runtime.gateways.get("paper", "main").time()


def wait_until_proven(desk: Desk, order_id: str, margin: timedelta = timedelta()) -> None:
    """Until no copy that was sent so far can arrive any more, and a look without a trace is proof."""
    deadline = desk.child(order_id).deadline
    assert deadline is not None
    settings = desk.runtime.settings.venues["paper"]
    proven_at = deadline + timedelta(milliseconds=settings.clock_skew_ms + settings.visibility_lag_ms) + margin
    eventually(lambda: venue_time(desk) > proven_at, within_s=60, describe="the venue's clock passes the deadline")


def look(desk: Desk, order_id: str) -> str:
    """One look at the venue, whatever time it was planned for."""
    desk.runtime.advance(60)
    return lookup(desk.runtime, child_id=desk.child(order_id).id)


def take_over_and_look(desk: Desk, order_id: str) -> str:
    """Take the child from whoever stands still, and look."""
    let_leases_run_out(desk)
    return look(desk, order_id)


def end_quietly(desk: Desk, order_id: str) -> None:
    """The order's end, and after it the end of all that could still arrive."""
    desk.pump(is_final(desk, order_id))
    wait_until_proven(desk, order_id)


def assert_one_effect(desk: Desk, order_id: str, quantity: str = "0.01") -> None:
    at_venue = desk.at_venue(order_id)
    assert len(at_venue) == 1, f"{len(at_venue)} orders at the venue: {desk.log}"
    assert desk.end(order_id) == ("FILLED", None, quantity)
    desk.assert_books_match()


@pytest.fixture
def stopped_hearts(monkeypatch: pytest.MonkeyPatch) -> None:
    """Leases run out although this process lives: its heartbeat stands still with the rest."""
    monkeypatch.setattr(heartbeat, "renew", lambda *_, **__: True)


@contextmanager
def standing_still_at(stage: str, work: Callable[[], str]) -> Iterator[list[str]]:
    """A thread that works until ``stage`` and stands there while the block runs; then it goes on to its end."""
    reached, go_on = threading.Event(), threading.Event()
    sleeper: list[int] = []

    def hook(name: str) -> None:
        if name == stage and threading.get_ident() in sleeper and not reached.is_set():
            reached.set()
            assert go_on.wait(120)

    def run() -> str:
        sleeper.append(threading.get_ident())
        return work()

    set_hook(hook)
    thread, said = _in_thread(run)
    try:
        assert reached.wait(60), f"{stage} was not reached: {said}"
        yield said
    finally:
        go_on.set()
        thread.join()
        set_hook(None)


def in_doubt(desk: Desk, fault: dict[str, Any] = REQUEST_LOST, **order: Any) -> str:
    """An order whose send has no answer; returns its id."""
    order_id = desk.place(**order)
    desk.venue.arm(fault)
    desk.until_sent(order_id)
    assert desk.at_venue(order_id) == [] or fault is not REQUEST_LOST
    return order_id


# ------------------------------------------------------------------------------------------------------ proof of absence


@ON_SQLITE
@pytest.mark.parametrize(
    "fault",
    [REPLY_LOST, {**CREATE, "kind": "error", "when": "after", "status": 503}, {**CREATE, "kind": "unreadable", "form": "no_id"}],
    ids=["no answer", "a 5xx", "no id"],
)  # fmt: skip
def test_an_order_that_filled_at_once_and_whose_answer_proves_nothing_is_one_order(
    open_a_desk: OpenDesk, fault: dict[str, Any]
) -> None:
    desk = open_a_desk(**QUICK_PROOF)
    order_id = in_doubt(desk, fault)

    end_quietly(desk, order_id)

    assert_one_effect(desk, order_id)


@ON_SQLITE
def test_a_limit_is_no_proof_where_the_venue_matches_before_it_counts(open_a_desk: OpenDesk) -> None:
    desk = open_a_desk(**QUICK_PROOF)
    caller: Any = _gateway(desk)._caller
    caller.can = replace(caller.can, rate_limit_is_rejection=False)
    order_id = in_doubt(desk, {**CREATE, "kind": "error", "when": "after", "status": 429})

    end_quietly(desk, order_id)

    assert_one_effect(desk, order_id)


@ON_SQLITE
@pytest.mark.parametrize("place", LOOKS)
def test_each_place_that_shows_the_order_is_enough(desk: Desk, monkeypatch: pytest.MonkeyPatch, place: str) -> None:
    """Venues drop orders from one list before another has them: only all of them together prove an absence."""
    order_id = desk.limit("-1000") if place == "open_orders" else desk.place()
    desk.work(order_id)
    child = desk.child(order_id)
    assert child.sent_at is not None
    for other, nothing in LOOKS.items():
        if other != place:
            monkeypatch.setattr(_gateway(desk)._lookup, other, lambda *_, nothing=nothing: nothing)

    found = _gateway(desk).find_order(child.symbol, child.venue_client_order_id, child.sent_at - timedelta(minutes=1))

    assert found is not None
    assert found.venue_order_id == child.venue_order_id


@ON_SQLITE
def test_a_copy_that_is_refused_as_a_duplicate_is_the_order_itself(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    """The venue hid the first copy longer than it promised; that it knows the id says that the order rests there."""
    order_id = desk.limit("-1000")
    first = hidden_and_planned_again(desk, order_id, monkeypatch)

    commit(desk.runtime, order_id=order_id)
    desk.pump()

    assert desk.child(order_id).venue_order_id == first
    assert desk.end(order_id)[:2] == ("WORKING", None)
    assert desk.held(order_id)


@ON_SQLITE
def test_a_slow_look_proves_only_what_the_clock_said_before_it(
    open_a_desk: OpenDesk, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The look is over before the copy arrives; its answer is on the way until the deadline has passed."""
    desk = open_a_desk(**ROOMY)
    order_id = in_doubt(desk, {**CREATE, "kind": "late", "delay_ms": 900})
    gateway = _gateway(desk)
    real = gateway.find_order

    def slow(*place: Any) -> OrderReport | None:
        found: OrderReport | None = real(*place)
        wait_until_proven(desk, order_id)
        return found

    with monkeypatch.context() as patch:
        patch.setattr(gateway, "find_order", slow)
        look(desk, order_id)

    end_quietly(desk, order_id)

    assert_one_effect(desk, order_id)


@ON_SQLITE
@pytest.mark.parametrize("margin", ["clock_skew_ms", "visibility_lag_ms"])
def test_a_look_within_skew_and_lag_of_the_deadline_proves_nothing(open_a_desk: OpenDesk, margin: str) -> None:
    """Neither the venue's clock nor what it shows is the matching engine's to the millisecond."""
    desk = open_a_desk(**{**QUICK_PROOF, "clock_skew_ms": 0, "visibility_lag_ms": 0, margin: 60_000})
    order_id = in_doubt(desk)
    wait_until_proven(desk, order_id, margin=timedelta(seconds=-59))

    said = look(desk, order_id)

    assert said.startswith("no trace yet")
    assert (desk.child(order_id).status, len(desk.sends(order_id))) == ("UNKNOWN", 1)


@ON_SQLITE
def test_a_proof_of_one_sends_absence_says_nothing_of_a_later_send(open_a_desk: OpenDesk, stopped_hearts: None) -> None:
    """UNKNOWN → PLANNED → SUBMITTING → UNKNOWN while a look stands still: the status is the same, the send is not.

    The experiment behind this protocol did not catch updates without the epoch; this is the schedule that does.
    """
    stopped, other = open_a_desk(**ROOMY), open_a_desk(**ROOMY)
    order_id = in_doubt(stopped)
    wait_until_proven(stopped, order_id)
    with standing_still_at("lookup.absent", lambda: look(stopped, order_id)):
        assert take_over_and_look(other, order_id).startswith("proven absent")
        other.forget_outbox()
        other.venue.arm({**CREATE, "kind": "late", "delay_ms": 900})
        commit(other.runtime, order_id=order_id)
        assert [send["number"] for send in other.sends(order_id)] == [1, 2]
    # It woke up, with the proof of send 1 in its hand, while send 2 was on its way.
    end_quietly(other, order_id)

    assert_one_effect(other, order_id)


@ON_SQLITE
def test_a_refusal_of_an_old_send_does_not_make_a_later_one_go_out_again(
    open_a_desk: OpenDesk, monkeypatch: pytest.MonkeyPatch, stopped_hearts: None
) -> None:
    """Send 1 wakes up and is refused for its time while send 2 is under way: SUBMITTING then as now, another claim."""
    stopped, other, third = (open_a_desk(**ROOMY) for _ in range(3))
    order_id = stopped.place()
    prepare(stopped.runtime, order_id=order_id)
    validate(stopped.runtime, order_id=order_id)
    first, second = (Pause(_gateway(desk), monkeypatch, after=False) for desk in (stopped, other))
    sender_1, said_1 = _in_thread(lambda: commit(stopped.runtime, order_id=order_id))
    threads = [(sender_1, first)]
    try:
        assert first.reached.wait(60)
        wait_until_proven(other, order_id)
        assert take_over_and_look(other, order_id).startswith("proven absent")
        sender_2, _ = _in_thread(lambda: commit(other.runtime, order_id=order_id))
        threads.append((sender_2, second))
        assert second.reached.wait(60)
        first.go_on.set()
        sender_1.join()
        assert said_1, "the first sender has ended"
        commit(third.runtime, order_id=order_id)
    finally:
        for thread, pause in threads:
            pause.go_on.set()
            thread.join()

    end_quietly(third, order_id)

    assert_one_effect(third, order_id)


@ON_SQLITE
def test_a_look_that_wakes_up_late_calls_nobody_for_an_order_that_was_found(
    open_a_desk: OpenDesk, monkeypatch: pytest.MonkeyPatch, stopped_hearts: None
) -> None:
    stopped, other = open_a_desk(**WIDE_WINDOW), open_a_desk(**WIDE_WINDOW)
    for desk in (stopped, other):
        forgetful(desk.runtime)
    order_id = stopped.limit("-1000")
    stopped.venue.arm(REPLY_LOST)
    stopped.until_sent(order_id)
    with write(stopped.engine) as conn:  # as if it had stood for long
        conn.exec_driver_sql(f"UPDATE child_orders SET deadline = 0 WHERE order_id = '{order_id}'")
    # As one that asked before the venue showed the order.
    for place in ("_by_client_id", "open_orders", "_ended_orders"):
        monkeypatch.setattr(_gateway(stopped)._lookup, place, lambda *_, nothing=LOOKS[place]: nothing)
    with standing_still_at("lookup.asked.trades", lambda: look(stopped, order_id)):
        assert take_over_and_look(other, order_id).startswith("found as")

    assert other.end(order_id) == ("WORKING", None, "0")
    assert "SEND_UNKNOWN" not in other.alerts()
    other.cancel(order_id)
    other.pump(is_final(other, order_id))


# --------------------------------------------------------------------------------------------------- claims and sending


@ON_SQLITE
def test_a_lookup_leaves_a_send_alone_whose_lease_holds(open_a_desk: OpenDesk, monkeypatch: pytest.MonkeyPatch) -> None:
    sender, other = open_a_desk(lease_ms=60_000), open_a_desk(lease_ms=60_000)
    order_id = sender.place()
    prepare(sender.runtime, order_id=order_id)
    validate(sender.runtime, order_id=order_id)
    pause = Pause(_gateway(sender), monkeypatch, after=True)
    thread, said = _in_thread(lambda: commit(sender.runtime, order_id=order_id))
    try:
        assert pause.reached.wait(60)
        other.runtime.advance(3_600)
        with pytest.raises(Stale):
            lookup(other.runtime, child_id=other.child(order_id).id)
    finally:
        pause.go_on.set()
        thread.join()

    assert said[0].startswith("accepted as")


@ON_SQLITE
def test_a_sender_that_stood_still_before_its_send_sends_nothing_when_it_wakes_up(open_a_desk: OpenDesk) -> None:
    """The venue would still take the copy, and a person has called it absent meanwhile: only the lease says no."""
    windows = {**QUICK_PROOF, "recv_window_ms": 60_000, "lease_ms": 500}
    stopped, other = open_a_desk(**windows), open_a_desk(**windows)
    forgetful(other.runtime)
    order_id = stopped.place()
    prepare(stopped.runtime, order_id=order_id)
    validate(stopped.runtime, order_id=order_id)
    with standing_still_at("commit.intent.committed", lambda: commit(stopped.runtime, order_id=order_id)) as said:
        stood_since = time.monotonic()
        with write(other.engine) as conn:  # as if it had stood for long
            conn.exec_driver_sql("UPDATE child_orders SET deadline = 0")
        take_over_and_look(other, order_id)
        child_id = other.child(order_id).id
        resolve_child(other.runtime, order_id, child_id, "absent", note="looked", by="test")
        eventually(lambda: time.monotonic() > stood_since + 0.5, within_s=60, describe="the lease is over")

    assert other.at_venue(order_id) == []
    assert said == ["stalled before the send; left to lookup"]
    assert other.end(order_id)[0] == "CANCELED"


@ON_SQLITE
def test_what_was_canceled_before_its_next_try_is_not_sent(desk: Desk) -> None:
    order_id = desk.limit("100")
    desk.venue.arm({**CREATE, "kind": "rate_limited", "status": 429, "retry_after_s": 1})
    desk.until_sent(order_id)
    assert desk.child(order_id).status == "PLANNED"
    desk.runtime.advance(2)
    desk.cancel(order_id)

    commit(desk.runtime, order_id=order_id)  # its message is faster than the cancel's
    desk.pump(is_final(desk, order_id))

    assert desk.at_venue(order_id) == []
    assert desk.end(order_id) == ("CANCELED", "CANCEL_REQUESTED", "0")


def test_a_value_of_an_order_that_is_out_of_date_moves_nothing(desk: Desk) -> None:
    order_id = desk.place()
    known = desk.order(order_id)
    with write(desk.engine) as conn:
        move_order(conn, lock_order(conn, order_id), OrderStatus.PREPARED, cause="test", now=NOW)

    with pytest.raises(Stale), write(desk.engine) as conn:
        move_order(conn, known, OrderStatus.CANCELED, cause="too late", now=NOW)

    assert desk.order(order_id).status == "PREPARED"


def test_a_value_of_a_child_that_is_out_of_date_moves_nothing_even_within_its_status(engine: Engine) -> None:
    with write(engine) as conn:
        _insert_order(conn)
        child = make_child(status=ChildStatus.PLANNED, venue_order_id=None, version=1, epoch=0, sends=0)
        insert_child(conn, child, cause="test", now=NOW)
        known = move_child(conn, child, ChildStatus.SUBMITTING, cause="test", now=NOW)
        move_child(conn, known, ChildStatus.SUBMITTING, cause="test", now=NOW, sends=2)

    with pytest.raises(Stale), write(engine) as conn:
        move_child(conn, known, ChildStatus.SUBMITTING, cause="too late", now=NOW, sends=9)


# ----------------------------------------------------------------------------------------------------- intake and outbox


@ON_SQLITE
def test_nothing_is_handed_to_the_broker_before_it_is_durable(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    handed: list[Any] = []

    class Publisher:
        hand_over = staticmethod(handed.append)

    monkeypatch.setattr(submit, "publisher_of", lambda _: Publisher)
    with _dying_at("storage.committing"), pytest.raises(Killed):
        desk.place(client_order_id="never")

    assert handed == []
    desk.place(client_order_id="ever")
    assert len(handed) == 1


@ON_SQLITE
def test_a_row_that_one_relay_is_publishing_is_not_anothers(
    open_a_desk: OpenDesk, monkeypatch: pytest.MonkeyPatch
) -> None:
    first, second = open_a_desk(), open_a_desk()
    monkeypatch.setattr(relay, "CLAIM", timedelta(minutes=5))  # nobody is so slow that its claim runs out
    others: list[str] = []

    def meanwhile(number: int) -> None:
        if number == 0 and not others:
            others.append("begins")
            others.append(relay.relay(second.runtime))

    broker = use(monkeypatch, Broker(meanwhile))
    fill(first, rows=3)

    assert relay.relay(first.runtime) == "3 published"

    assert others[1:] == ["0 published"]
    assert broker.got == [0, 1, 2]


def test_every_message_is_acknowledged_after_its_work_and_comes_back_from_a_lost_worker() -> None:
    """An `orders.submit` that was acknowledged before its order is durable would be lost with its worker."""
    app.loader.import_default_modules()
    ours = {name: task for name, task in app.tasks.items() if not name.startswith("celery.")}

    early = [
        name
        for name, task in ours.items()
        if not (task.acks_late and task.reject_on_worker_lost and not task.acks_on_timeout)
    ]

    assert {"orders.submit", "orders.cancel", "orders.commit"} <= set(ours)
    assert early == []


@ON_SQLITE
def test_the_same_request_twice_is_one_order(desk: Desk) -> None:
    first, second = (desk.place(client_order_id="twice") for _ in range(2))

    assert first == second
    assert desk.waiting() == ["orders.start"]


@ON_SQLITE
def test_who_asked_to_be_told_is_told_of_each_change_that_is_durable(desk: Desk) -> None:
    """A kill right after the commit loses no notice, and a kill right before it tells of nothing."""
    wish = {"client_order_id": "told", "notify": {"queue": "theirs", "task": "their.task"}}
    with _dying_at("intake.committed"), pytest.raises(Killed):
        desk.place(**wish)
    order_id = desk.place(**wish)
    assert _told(desk) == [1]
    with _dying_at("prepare.planned"), pytest.raises(Killed):
        prepare(desk.runtime, order_id=order_id)
    assert _told(desk) == [1]
    with _dying_at("prepare.committed"), pytest.raises(Killed):
        prepare(desk.runtime, order_id=order_id)

    assert _told(desk) == [1, 2]


@contextmanager
def _dying_at(stage: str) -> Iterator[None]:
    mine = threading.get_ident()

    def hook(name: str) -> None:
        if name == stage and threading.get_ident() == mine:
            raise Killed

    set_hook(hook)
    try:
        yield
    finally:
        set_hook(None)


def _told(desk: Desk) -> list[int]:
    """The versions that wait to be told."""
    with read(desk.engine) as conn:
        rows = conn.execute(
            select(outbox.c.kwargs).where(outbox.c.task == "their.task").order_by(outbox.c.id)
        ).scalars()
        return [row["version"] for row in rows]


# ------------------------------------------------------------------------------------------------------- ends and books


@ON_SQLITE
@pytest.mark.parametrize("ends_by", ["cancel", "expiry"])
def test_an_order_does_not_end_while_its_send_is_in_doubt(desk: Desk, ends_by: str) -> None:
    order_id = desk.limit("-1000", expires_at=format_time(desk.runtime.now() + timedelta(seconds=120)))
    desk.venue.arm(REPLY_LOST)
    desk.until_sent(order_id)
    if ends_by == "cancel":
        desk.cancel(order_id)
    else:
        desk.runtime.advance(121)
        rescue(desk.runtime)

    withdraw(desk.runtime, order_id=order_id)  # its message is faster than the look's
    desk.pump(is_final(desk, order_id))

    assert [order["status"] for order in desk.at_venue(order_id)] == ["CANCELED"], "it ended, and rests at the venue"
    assert desk.end(order_id)[0] == {"cancel": "CANCELED", "expiry": "EXPIRED"}[ends_by]
    assert desk.held(order_id) == {}


@ON_SQLITE
def test_a_fill_that_turns_up_after_the_end_is_booked(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    """The venue called the order canceled with nothing filled, and shows the trade a moment later."""
    order_id = desk.limit("-100", quantity="0.02")
    desk.work(order_id)
    gateway = _gateway(desk)
    real = gateway.fetch_order

    def forgets_the_fill(symbol: str, venue_order_id: str) -> OrderReport:
        report = real(symbol, venue_order_id)
        return replace(report, status=VenueStatus.CANCELED, filled_quantity=Decimal(0), filled_cost=None, trades=())

    desk.venue.pause_market()
    try:
        desk.venue.set_price("BTC/USDT", str(desk.order(order_id).price), quantity="0.005")
        with monkeypatch.context() as patch:
            patch.setattr(gateway, "fetch_order", forgets_the_fill)
            desk.cancel(order_id)
            desk.pump(is_final(desk, order_id))
        assert desk.end(order_id)[2] == "0"
        desk.work(desk.limit("-2000"))  # the symbol is looked at while something rests there

        desk.track()
    finally:
        desk.venue.resume_market()

    assert desk.end(order_id)[2] == "0.005"
    desk.assert_books_match()


@ON_SQLITE
def test_an_order_is_filled_when_its_fills_are_booked_and_not_when_the_venue_says_so(
    desk: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The venue's page of the order is ahead of its list of trades."""
    order_id = desk.limit("-100")
    desk.work(order_id)
    gateway = _gateway(desk)
    desk.venue.set_price("BTC/USDT", str(desk.order(order_id).price), quantity="1")
    with monkeypatch.context() as patch:
        for trades in ("trades_since", "order_trades"):
            patch.setattr(gateway, trades, lambda *_: [])
        desk.track()
        assert not desk.order(order_id).is_final, "it ended although nothing of it is booked"
        assert desk.held(order_id)

    desk.track()

    assert desk.end(order_id) == ("FILLED", None, "0.01")
    desk.assert_books_match()


@ON_SQLITE
def test_trades_of_two_symbols_under_the_same_numbers_are_two(
    database_url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A new venue numbers orders and trades of each symbol from the beginning, as Binance does."""
    with PaperProcess(tmp_path / "new") as venue:
        desk = open_desk(make_settings(tmp_path, venue.url, database_url=database_url), venue, monkeypatch)
        try:
            orders = [desk.place(symbol=symbol) for symbol in ("BTC/USDT", "ETH/USDT")]
            for order_id in orders:
                desk.work(order_id)
            numbers = [
                {(fill["venue_order_id"], fill["venue_trade_id"]) for fill in desk.fills(order_id)}
                for order_id in orders
            ]

            assert numbers[0] & numbers[1], "the schedule needs two trades under one number"
            assert [desk.order(order_id).status for order_id in orders] == ["FILLED", "FILLED"]
            desk.assert_books_match()
        finally:
            desk.runtime.close()


@ON_SQLITE
def test_what_a_send_in_doubt_bought_is_no_deposit(open_a_desk: OpenDesk) -> None:
    desk = open_a_desk(**WIDE_WINDOW)
    desk.work(desk.place())  # opens the books
    bought = in_doubt(desk, REPLY_LOST, quantity="0.05")
    with read(desk.engine) as conn:
        (ours,) = (held.total for held in balances(conn, "paper", "main") if held.asset == "BTC")
    sold = desk.place(side="sell", quantity=str((ours + Decimal("0.02")).quantize(Decimal("0.001"))))

    prepare(desk.runtime, order_id=sold)
    desk.pump(is_final(desk, bought))

    desk.assert_books_match()
    assert desk.end(bought) == ("FILLED", None, "0.05")
    assert desk.end(sold)[:2] == ("DENIED", "INSUFFICIENT_FUNDS")


@ON_SQLITE
def test_a_look_that_reads_a_trade_again_books_it_once(desk: Desk) -> None:
    order_id = desk.limit("-100", quantity="0.02")
    desk.work(order_id)
    price = str(desk.order(order_id).price)
    desk.venue.pause_market()
    try:
        for _ in range(2):
            desk.venue.set_price("BTC/USDT", price, quantity="0.005")
            desk.track()
        filled = desk.end(order_id)[2]
        (theirs,) = desk.at_venue(order_id)
    finally:
        desk.venue.resume_market()

    assert Decimal(filled) == Decimal(theirs["executed"])
    desk.assert_books_match()
