"""A process that dies or stands still at the worst line: somebody else goes on, and nothing happens twice."""

from __future__ import annotations

import threading
from collections.abc import Callable
from functools import partial
from typing import Any

import pytest

from models.reports import NewOrder, OrderReport
from storage.engine import write
from tasks import commit as commit_step
from tasks import heartbeat
from tasks import prepare as prepare_step
from tasks import settle as settle_step
from tasks.commit import commit
from tasks.lookup import lookup
from tasks.prepare import prepare
from tasks.rescue import rescue
from tasks.settle import settle
from tasks.validate import validate
from tests.integration.orders.conftest import OpenDesk
from tests.integration.orders.in_doubt import (
    QUICK_PROOF,
    REPLY_LOST,
    REQUEST_LOST,
    WIDE_WINDOW,
)
from tests.support.runtime import Desk
from tests.support.waiting import eventually


class Killed(BaseException):
    """Stands for SIGKILL: no handler of ours catches it, and an open transaction is rolled back."""


def let_leases_run_out(desk: Desk) -> None:
    """Those of children, however long they are, and those by which rescue spreads its looks."""
    with write(desk.engine) as conn:
        conn.exec_driver_sql("UPDATE child_orders SET lease_until = 0 WHERE lease_until IS NOT NULL")
        # A sender's child is to be looked at when its lease is over.
        conn.exec_driver_sql(
            "UPDATE child_orders SET attend_at = 1 WHERE status = 'SUBMITTING' AND attend_at IS NOT NULL"
        )
        conn.exec_driver_sql("UPDATE leases SET until = 0")
    desk.runtime.advance(6)


def recover(desk: Desk, order_id: str) -> None:
    """All that is left after a crash: the database, and beat that starts ``rescue``."""
    desk.runtime.give_sends_room()

    def rescued() -> bool:
        let_leases_run_out(desk)
        rescue(desk.runtime)
        desk.pump()
        return desk.order(order_id).is_final

    eventually(
        rescued, within_s=60, describe=lambda: f"an end of the order; it is {desk.end(order_id)}: {desk.log[-20:]}"
    )


def _dies(monkeypatch: pytest.MonkeyPatch, module: Any, name: str, *, after: bool = False) -> None:
    """The process dies before, or right after, the function runs for the first time."""
    real = getattr(module, name)

    def dying(*args: Any, **kwargs: Any) -> Any:
        monkeypatch.setattr(module, name, real)
        if after:
            real(*args, **kwargs)
        raise Killed

    monkeypatch.setattr(module, name, dying)


Arm = Callable[[pytest.MonkeyPatch, Desk], None]

CRASHES: dict[str, tuple[Any, Arm]] = {
    "while it is prepared": (prepare, lambda patch, _: _dies(patch, prepare_step, "insert_child")),
    "after it was prepared": (prepare, lambda patch, _: _dies(patch, prepare_step, "_reserve", after=True)),
    "before the intent": (commit, lambda patch, _: _dies(patch, commit_step, "write_intent")),
    "after the intent": (commit, lambda patch, _: _dies(patch, commit_step, "_send")),
    "before the request": (commit, lambda patch, desk: _dies(patch, _gateway(desk), "create_order")),
    "after the request": (commit, lambda patch, desk: _dies(patch, _gateway(desk), "create_order", after=True)),
    "while it is confirmed": (commit, lambda patch, _: _dies(patch, commit_step, "answer")),
    "after it was confirmed": (commit, lambda patch, _: _dies(patch, commit_step, "_confirm", after=True)),
    "before a fill is booked": (settle, lambda patch, _: _dies(patch, settle_step, "post_fill")),
    "after a fill was booked": (settle, lambda patch, _: _dies(patch, settle_step, "post_fill", after=True)),
    "before the parent follows": (settle, lambda patch, _: _dies(patch, settle_step, "follow_children")),
    "after it was settled": (settle, lambda patch, _: _dies(patch, settle_step, "apply_report", after=True)),
}

#: The intent is on record and nothing has left: the window has to be waited out.
NEVER_LEFT = ("after the intent", "before the request")


def _gateway(desk: Desk) -> Any:
    return desk.runtime.gateways.get("paper", "main")


@pytest.mark.parametrize("crash", CRASHES)
def test_an_order_reaches_its_end_after_a_kill(
    open_a_desk: OpenDesk, monkeypatch: pytest.MonkeyPatch, crash: str
) -> None:
    desk = open_a_desk(**(QUICK_PROOF if crash in NEVER_LEFT else WIDE_WINDOW))
    order_id = desk.place(quantity="0.02")
    dying_step, arm = CRASHES[crash]
    for step in (prepare, validate, commit, settle):
        if step is dying_step:
            arm(monkeypatch, desk)
            with pytest.raises(Killed):
                step(desk.runtime, order_id=order_id)
            break
        step(desk.runtime, order_id=order_id)
    desk.forget_outbox()

    recover(desk, order_id)

    assert desk.end(order_id) == ("FILLED", None, "0.02")
    assert len(desk.at_venue(order_id)) == 1
    assert all(report["applied_at"] for report in desk.reports(order_id))
    assert desk.held(order_id) == {}
    desk.assert_books_match()


@pytest.mark.parametrize("steps", [0, 1, 2, 3], ids=["received", "prepared", "validated", "sent"])
def test_an_order_reaches_its_end_though_the_broker_forgets_everything(desk: Desk, steps: int) -> None:
    order_id = desk.place()
    for step in (prepare, validate, commit)[:steps]:
        step(desk.runtime, order_id=order_id)
    desk.forget_outbox()

    recover(desk, order_id)

    assert desk.order(order_id).status == "FILLED"
    assert len(desk.at_venue(order_id)) == 1


def test_a_lookup_whose_message_is_lost_is_begun_again(open_a_desk: OpenDesk) -> None:
    desk = open_a_desk(**QUICK_PROOF)
    order_id = desk.place()
    desk.venue.arm(REQUEST_LOST)
    desk.until_sent(order_id)
    for _ in range(3):
        desk.forget_outbox()
        desk.runtime.advance(20)
        rescue(desk.runtime)

    recover(desk, order_id)

    assert desk.order(order_id).status == "FILLED"


def test_a_cancel_whose_message_is_lost_is_begun_again(desk: Desk) -> None:
    order_id = desk.limit("-1000")
    desk.work(order_id)
    desk.cancel(order_id)
    desk.forget_outbox()

    recover(desk, order_id)

    assert desk.order(order_id).status == "CANCELED"


def test_a_cancel_is_not_forgotten_when_a_fill_comes_in_between(desk: Desk) -> None:
    order_id = desk.limit("-100", quantity="0.02")
    desk.work(order_id)
    desk.venue.pause_market()
    try:
        desk.cancel(order_id)
        desk.venue.set_price("BTC/USDT", str(desk.order(order_id).price), quantity="0.005")
        desk.track()
        desk.forget_outbox()
        recover(desk, order_id)
    finally:
        desk.venue.resume_market()

    assert desk.order(order_id).status in ("CANCELED", "FILLED")


def test_rescue_leaves_what_has_ended_alone(desk: Desk) -> None:
    for order_id in (desk.place(), desk.limit("200", post_only=True)):
        desk.work(order_id)
    desk.pump()
    for _ in range(3):
        desk.runtime.advance(3_600)

        assert rescue(desk.runtime) == "nothing stands"

    assert desk.waiting() == []


# ------------------------------------------------------------------------------------------ standing still, and races


class Pause:
    """Stops a thread where it calls a gateway's ``create_order``, before or after the venue has it."""

    def __init__(self, gateway: Any, monkeypatch: pytest.MonkeyPatch, *, after: bool) -> None:
        self._real: Callable[[NewOrder], OrderReport] = gateway.create_order
        self._after = after
        self.reached, self.go_on = threading.Event(), threading.Event()
        monkeypatch.setattr(gateway, "create_order", self)

    def __call__(self, order: NewOrder) -> OrderReport:
        report = self._real(order) if self._after else None
        self.reached.set()
        assert self.go_on.wait(200)
        return report or self._real(order)


def _in_thread(work: Callable[[], str]) -> tuple[threading.Thread, list[str]]:
    said: list[str] = []

    def run() -> None:
        try:
            said.append(work())
        except Exception as error:  # noqa: BLE001 - what a worker would log
            said.append(f"{type(error).__name__}: {error}")

    thread = threading.Thread(target=run)
    thread.start()
    return thread, said


@pytest.mark.parametrize("after", [True, False], ids=["after the venue has it", "before it leaves"])
def test_a_sender_that_stands_still_past_its_lease_sends_no_second_order(
    open_a_desk: OpenDesk, monkeypatch: pytest.MonkeyPatch, after: bool
) -> None:
    # The copy that stands before the door is to be late for it; every other one has room.
    stopped, other = open_a_desk(**(WIDE_WINDOW if after else QUICK_PROOF)), open_a_desk(**WIDE_WINDOW)
    order_id = stopped.place()
    prepare(stopped.runtime, order_id=order_id)
    validate(stopped.runtime, order_id=order_id)
    pause = Pause(_gateway(stopped), monkeypatch, after=after)
    thread, said = _in_thread(lambda: commit(stopped.runtime, order_id=order_id))
    try:
        assert pause.reached.wait(60)
        let_leases_run_out(other)  # the heartbeat stands still as well
        other.forget_outbox()
        recover(other, order_id)
    finally:
        pause.go_on.set()
        thread.join()
    settle(other.runtime, order_id=order_id)

    assert other.order(order_id).status == "FILLED"
    assert len(other.at_venue(order_id)) == 1, said
    assert len(other.sends(order_id)) == (1 if after else 2)
    assert all(report["applied_at"] for report in other.reports(order_id))
    other.assert_books_match()


def test_an_old_owners_answer_is_kept_and_settle_applies_it(
    open_a_desk: OpenDesk, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(heartbeat, "renew", lambda *_, **__: True)  # it stands still with the sender
    sender, other = open_a_desk(), open_a_desk()
    order_id = sender.place()
    prepare(sender.runtime, order_id=order_id)
    validate(sender.runtime, order_id=order_id)
    pause = Pause(_gateway(sender), monkeypatch, after=True)
    thread, said = _in_thread(lambda: commit(sender.runtime, order_id=order_id))
    try:
        assert pause.reached.wait(60)
        let_leases_run_out(other)
        other.venue.arm({"kind": "outage", "form": "error", "duration_ms": 60_000})
        lookup(other.runtime, child_id=other.child(order_id).id)
    finally:
        pause.go_on.set()
        thread.join()
    assert said == ["acknowledged after the claim was lost; the report is kept for settle"]
    assert other.child(order_id).status == "UNKNOWN"

    settle(other.runtime, order_id=order_id)

    assert other.order(order_id).status == "FILLED"
    other.venue.disarm()
    other.assert_books_match()


@pytest.mark.parametrize("step", [prepare, commit])
def test_two_workers_with_the_same_message_do_it_once(open_a_desk: OpenDesk, step: Any) -> None:
    desks = [open_a_desk(), open_a_desk()]
    order_id = desks[0].place()
    for earlier in (prepare, validate):
        if step is commit:
            earlier(desks[0].runtime, order_id=order_id)
    at_once = threading.Barrier(2)

    def work(desk: Desk) -> str:
        at_once.wait()
        return str(step(desk.runtime, order_id=order_id))

    running = [_in_thread(partial(work, desk)) for desk in desks]
    for thread, _ in running:
        thread.join()
    desks[0].work(order_id)

    assert desks[0].order(order_id).status == "FILLED", [said for _, said in running]
    assert len(desks[0].at_venue(order_id)) == len(desks[0].sends(order_id)) == 1
    desks[0].assert_books_match()


@pytest.mark.parametrize("round_", range(4))
def test_a_cancel_and_a_send_at_the_same_moment_end_in_one_of_two_ways(open_a_desk: OpenDesk, round_: int) -> None:
    sender, canceler = open_a_desk(), open_a_desk()
    order_id = sender.limit("-1000")
    prepare(sender.runtime, order_id=order_id)
    validate(sender.runtime, order_id=order_id)
    at_once = threading.Barrier(2)

    def send() -> str:
        at_once.wait()
        return commit(sender.runtime, order_id=order_id)

    def cancel() -> str:
        at_once.wait()
        return str(canceler.cancel(order_id)["status"])

    running = [_in_thread(send), _in_thread(cancel)]
    for thread, _ in running:
        thread.join()
    settle(sender.runtime, order_id=order_id)
    sender.pump(lambda: sender.order(order_id).is_final)

    assert sender.end(order_id) == ("CANCELED", "CANCEL_REQUESTED", "0"), [said for _, said in running]
    assert all(order["status"] == "CANCELED" for order in sender.at_venue(order_id))
    assert sender.held(order_id) == {}


def test_a_report_that_two_settles_have_read_is_applied_once(desk: Desk) -> None:
    order_id = desk.place()
    desk.until_sent(order_id)
    (kept,) = desk.reports(order_id)
    settle(desk.runtime, order_id=order_id)
    report = settle_step.with_all_trades(desk.runtime, desk.child(order_id), _report_of(kept))

    settle_step.apply_report(desk.runtime, kept["child_id"], report, source="send", kept_as=kept["id"])

    assert desk.order(order_id).status == "FILLED"
    desk.assert_books_match()


def _report_of(kept: Any) -> OrderReport:
    from storage.reports import report_from_json

    return report_from_json(kept["body"])


def test_heartbeats_keep_a_long_send_ours(open_a_desk: OpenDesk, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(heartbeat, "BEATS_PER_LEASE", 600)  # ten a second, in a lease that outlasts any stall
    sender, other = open_a_desk(), open_a_desk()
    order_id = sender.place()
    prepare(sender.runtime, order_id=order_id)
    validate(sender.runtime, order_id=order_id)
    pause = Pause(_gateway(sender), monkeypatch, after=True)
    thread, said = _in_thread(lambda: commit(sender.runtime, order_id=order_id))
    try:
        assert pause.reached.wait(60)
        for _ in range(3):
            let_leases_run_out(other)
            eventually(lambda: _lease_of(other, order_id) > 0, within_s=60, describe="a renewal")
        rescue(other.runtime)
        assert other.child(order_id).status == "SUBMITTING"
    finally:
        pause.go_on.set()
        thread.join()

    assert said[0].startswith("accepted as")


def _lease_of(desk: Desk, order_id: str) -> int:
    with write(desk.engine) as conn:
        return int(
            conn.exec_driver_sql(f"SELECT lease_until FROM child_orders WHERE order_id = '{order_id}'").scalar_one()
        )


def test_rescue_leaves_alone_what_rests_after_it_was_found(desk: Desk) -> None:
    order_id = desk.limit("-1000")
    desk.venue.arm(REPLY_LOST)
    desk.until_sent(order_id)
    desk.pump()
    assert desk.child(order_id).status == "ACCEPTED"
    desk.runtime.advance(60)
    rescue(desk.runtime)
    desk.pump()
    desk.runtime.advance(60)

    assert rescue(desk.runtime) == "nothing stands"
