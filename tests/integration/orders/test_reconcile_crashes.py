"""A death at any stage of a run, two runs at once, a freeze against a send: a correction is posted once, or not at all."""

from __future__ import annotations

import os
import signal
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import timedelta
from decimal import Decimal
from multiprocessing import get_context
from typing import Any

import pytest
from sqlalchemy import select, text

from exchanges.evidence import Evidence, VenueError
from failpoints import inherit, set_hook
from failpoints.catalog import STAGES
from models.reconciliation import AccountStage, BreakStatus
from models.vocabulary import OrderType, Side
from settings import Settings
from storage import leases
from storage.engine import read, write
from storage.reconciliation_tables import breaks, corrections, freezes
from storage.reconciliations import run_account
from storage.service_tables import deployment
from tasks.commit import commit
from tasks.prepare import prepare
from tasks.reconcile import TASK, reconcile_account, sweep
from tasks.runtime import Runtime, use_runtime
from tasks.validate import validate
from tests.integration.orders.conftest import ON_SQLITE, OpenDesk
from tests.integration.orders.test_crashes import Killed, let_leases_run_out
from tests.integration.orders.test_reconcile import (
    _no_publisher,
    begin,
    booked,
    credit,
    found,
    frozen,
    get,
    reconcile,
    settled,
    step,
    strangers_order,
    total,
)
from tests.support.runtime import Desk
from workflows import breaks as decisions
from workflows import nightly

__all__ = ["_no_publisher", "booked"]  # fixtures

FIRST = (
    "reconcile.leased",
    "reconcile.symbol.read",
    "reconcile.back_filled",
    "reconcile.balances.read",
    "reconcile.first.looked",
    "reconcile.first.committed",
)
SECOND = (
    "reconcile.second.looked",
    "reconcile.correction.posted",
    "reconcile.acted",
    "reconcile.committed",
)
ELSEWHERE = {"reconcile.requested", "reconcile.decided"}


@contextmanager
def dying_at(stage: str) -> Iterator[list[str]]:
    """This thread dies there, once."""
    mine, hits = threading.get_ident(), []

    def hook(name: str) -> None:
        if name == stage and threading.get_ident() == mine and not hits:
            hits.append(name)
            raise Killed

    set_hook(hook)
    try:
        yield hits
    finally:
        set_hook(None)


def differ(desk: Desk) -> None:
    """One difference that is corrected, and one that waits for a person."""
    credit(desk, "USDT", "0.5")
    credit(desk, "BTC", "7")


def go_on(desk: Desk, run_id: str) -> None:
    """Whoever lives finds the run by its row, however many messages are lost, and takes it to its end."""
    for _ in range(4):
        let_leases_run_out(desk)
        settled(desk)
        desk.runtime.advance(15)
        desk.forget_outbox()
        sweep(desk.runtime)
        if stage_of(desk, run_id) is AccountStage.DONE:
            return
        assert TASK in desk.waiting(), "the sweep has found it"
        step(desk, run_id)
    raise AssertionError(stage_of(desk, run_id))


def stage_of(desk: Desk, run_id: str) -> AccountStage:
    with read(desk.engine) as conn:
        seen = run_account(conn, run_id, "paper", "main")
    assert seen is not None
    return seen.stage


def assert_acted_once(desk: Desk, run_id: str) -> None:
    desk_found = found(desk, run_id)
    assert {key: (one.status, one.difference) for key, one in desk_found.items()} == {
        "USDT": (BreakStatus.CORRECTED, Decimal("0.5")),
        "BTC": (BreakStatus.OPEN, Decimal(7)),
    }
    with read(desk.engine) as conn:
        posted = [(row.asset, row.amount) for row in conn.execute(select(corrections))]
        assert len(conn.execute(select(breaks)).all()) == 2
        assert len(conn.execute(select(freezes)).all()) == 1
    assert posted == [("USDT", Decimal("0.5"))]
    theirs = {held.asset: held.total for held in desk.runtime.gateways.get("paper", "main").balances()}
    assert (total(desk, "USDT"), total(desk, "BTC") + 7) == (theirs["USDT"], theirs["BTC"])


def test_every_stage_of_a_run_is_died_at_here() -> None:
    assert {*FIRST, *SECOND, *ELSEWHERE} == {name for name in STAGES if name.startswith("reconcile.")}


@pytest.mark.parametrize("stage", [*FIRST, *SECOND])
@ON_SQLITE
def test_a_run_goes_on_after_a_death_and_corrects_once(booked: Desk, stage: str) -> None:
    differ(booked)
    run_id = begin(booked)
    if stage in SECOND:
        step(booked, run_id)
        booked.runtime.advance(15)

    with dying_at(stage) as hits, pytest.raises(Killed):
        step(booked, run_id)
    assert hits == [stage]
    go_on(booked, run_id)

    assert_acted_once(booked, run_id)


@pytest.mark.parametrize("stage", ["reconcile.correction.posted", "reconcile.committed"])
def test_a_death_in_or_behind_the_transaction_on_either_database(booked: Desk, stage: str) -> None:
    differ(booked)
    run_id = begin(booked)
    step(booked, run_id)
    booked.runtime.advance(15)

    with dying_at(stage), pytest.raises(Killed):
        step(booked, run_id)
    go_on(booked, run_id)

    assert_acted_once(booked, run_id)


@ON_SQLITE
def test_a_run_that_was_asked_for_begins_although_its_asker_died(booked: Desk) -> None:
    differ(booked)
    with dying_at("reconcile.requested"), pytest.raises(Killed):
        nightly.request_reconciliation(booked.runtime, "paper", "main", by="test")
    with read(booked.engine) as conn:
        (run_id,) = conn.execute(text("SELECT id FROM reconciliations")).scalars()

    go_on(booked, run_id)

    assert_acted_once(booked, run_id)


@ON_SQLITE
def test_a_decision_is_made_whole_or_not_at_all(booked: Desk) -> None:
    credit(booked, "BTC", "7")
    (one,) = found(booked, reconcile(booked)).values()

    with dying_at("reconcile.decided"), pytest.raises(Killed):
        decisions.accept(booked.runtime, one.id, by="ana", note="")
    assert get(booked, one.id).status == "open"
    assert [freeze.asset for freeze in frozen(booked)] == ["BTC"]
    let_leases_run_out(booked)
    decisions.accept(booked.runtime, one.id, by="ana", note="")

    booked.assert_books_match()
    assert frozen(booked) == []


@ON_SQLITE
def test_a_real_kill_in_the_transaction_of_a_correction_leaves_nothing_of_it(booked: Desk) -> None:
    differ(booked)
    run_id = begin(booked)
    step(booked, run_id)
    booked.runtime.advance(15)

    arguments = (booked.runtime.settings, "reconcile.correction.posted=kill", run_id, booked.runtime.ahead)
    process = get_context("spawn").Process(target=_step_armed, args=arguments)
    process.start()
    process.join(200)
    assert process.exitcode == -signal.SIGKILL
    booked.engine.dispose()
    assert stage_of(booked, run_id) is AccountStage.LOOKED
    go_on(booked, run_id)

    assert_acted_once(booked, run_id)


def _step_armed(settings: Settings, armed: str, run_id: str, ahead: timedelta) -> None:
    class Later(Runtime):
        def now(self) -> Any:
            return super().now() + ahead

    inherit({**os.environ, "STEADFILL_FAILPOINTS": armed})
    runtime = Later(settings)
    use_runtime(runtime)
    reconcile_account(runtime, run_id=run_id, venue="paper", account="main")


def test_two_runs_at_once_correct_once(booked: Desk) -> None:
    """Both have looked once and see the same; their second looks and acts are under one lease."""
    differ(booked)
    runs = [begin(booked), begin(booked)]
    for run_id in runs:
        step(booked, run_id)
    booked.runtime.advance(15)

    both = threading.Barrier(2)
    said: list[str] = []

    def run(run_id: str) -> None:
        both.wait(60)
        said.append(step(booked, run_id))

    threads = [threading.Thread(target=run, args=(run_id,)) for run_id in runs]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(120)
    assert len(said) == 2
    for run_id in runs:
        if stage_of(booked, run_id) is not AccountStage.DONE:
            go_on(booked, run_id)

    with read(booked.engine) as conn:
        posted = [(row.asset, row.amount) for row in conn.execute(select(corrections))]
        assert conn.execute(select(breaks.c.key).where(breaks.c.status == "open")).scalars().all() == ["BTC"]
    assert posted == [("USDT", Decimal("0.5"))]


def test_a_person_who_decides_while_books_are_compared_waits_for_it(
    booked: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    credit(booked, "BTC", "7")
    (one,) = found(booked, reconcile(booked)).values()
    settled(booked)
    with write(booked.engine) as conn:
        epoch = leases.take(conn, "books:paper:main", owner="a look", lease_ms=60_000)
    assert epoch is not None
    monkeypatch.setattr(decisions, "LEASE_PATIENCE_S", 0.0)
    with pytest.raises(decisions.InMotion, match="being compared"):
        decisions.accept(booked.runtime, one.id, by="ana", note="")

    def look_ends() -> None:
        with write(booked.engine) as conn:
            leases.give_back(conn, "books:paper:main", epoch)

    monkeypatch.setattr(decisions, "LEASE_PATIENCE_S", 600.0)
    ending = threading.Timer(0.3, look_ends)
    ending.start()
    closed, _ = decisions.accept(booked.runtime, one.id, by="ana", note="")
    ending.join()
    assert closed.status == "accepted"


def test_a_run_that_has_looked_before_another_corrected_does_not_correct_again(booked: Desk) -> None:
    differ(booked)
    late = begin(booked)
    step(booked, late)
    run_id = reconcile(booked)
    assert found(booked, run_id)["USDT"].status == "corrected"

    settled(booked)
    step(booked, late)

    assert set(found(booked, late)) == {"BTC"}
    with read(booked.engine) as conn:
        assert len(conn.execute(select(corrections)).all()) == 1


def test_the_lease_of_the_books_is_checked_with_its_epoch(booked: Desk) -> None:
    """Somebody has taken the account's lease over while this one stood still before acting: it does nothing."""
    differ(booked)
    run_id = begin(booked)
    step(booked, run_id)
    booked.runtime.advance(15)

    def take_over(name: str) -> None:
        if name == "reconcile.second.looked":
            with write(booked.engine) as conn:
                conn.exec_driver_sql("UPDATE leases SET epoch = epoch + 1, owner = 'other' WHERE name LIKE 'books:%%'")

    with _hooked(take_over):
        assert "has taken the account's lease" in step(booked, run_id)

    assert stage_of(booked, run_id) is AccountStage.LOOKED
    with read(booked.engine) as conn:
        assert conn.execute(select(corrections)).all() == []


@contextmanager
def _hooked(hook: Callable[[str], None]) -> Iterator[None]:
    mine = threading.get_ident()
    set_hook(lambda name: hook(name) if threading.get_ident() == mine else None)
    try:
        yield
    finally:
        set_hook(None)


@pytest.mark.parametrize("moment", ["commit.begun", "commit.timed"])
def test_a_freeze_stops_a_send_up_to_the_moment_of_its_intent(booked: Desk, moment: str) -> None:
    """The order is validated before the break is found; the venue is about to be asked."""
    order_id = booked.limit("-1000")
    prepare(booked.runtime, order_id=order_id)
    validate(booked.runtime, order_id=order_id)
    assert booked.order(order_id).status == "VALIDATED"
    settled(booked)
    credit(booked, "BTC", "7")
    run_id = begin(booked)
    step(booked, run_id)
    booked.runtime.advance(15)
    froze: list[str] = []

    def freeze(name: str) -> None:
        if name == moment and not froze:
            froze.append(step(booked, run_id))

    with _hooked(freeze):
        commit(booked.runtime, order_id=order_id)

    assert len(froze) == 1
    assert [one.asset for one in frozen(booked)] == ["BTC"]
    assert booked.end(order_id) == ("DENIED", "ACCOUNT_FROZEN", "0")
    assert (booked.sends(order_id), booked.at_venue(order_id)) == ([], [])


def test_under_a_freeze_cancels_and_fills_go_on(booked: Desk) -> None:
    resting, canceled = booked.limit("-50"), booked.limit("-60")
    for order_id in (resting, canceled):
        booked.work(order_id)
    settled(booked)
    credit(booked, "BTC", "7")
    reconcile(booked)
    assert [one.asset for one in frozen(booked)] == ["BTC"]

    booked.cancel(canceled)
    booked.pump(lambda: booked.order(canceled).is_final)
    price = booked.child(resting).price
    assert price is not None
    booked.venue.set_price("BTC/USDT", str(price - 100))
    booked.track()

    assert (booked.order(canceled).status, booked.order(resting).status) == ("CANCELED", "FILLED")


@ON_SQLITE
def test_an_order_of_ours_that_the_venue_does_not_know_is_a_break_and_nothing_is_concluded(
    open_a_desk: OpenDesk, monkeypatch: pytest.MonkeyPatch
) -> None:
    desk = open_a_desk()
    order_id = desk.limit("-1000")
    desk.work(order_id)
    settled(desk)
    child = desk.child(order_id)
    gateway: Any = desk.runtime.gateways.get("paper", "main")

    def unknown(*_: object) -> Any:
        raise VenueError(Evidence.NOT_FOUND, "Order does not exist.")

    with monkeypatch.context() as patch:
        patch.setattr(gateway, "open_orders", lambda *_: [])
        patch.setattr(gateway, "fetch_order", unknown)
        breaks_found = found(desk, reconcile(desk))

    (one,) = breaks_found.values()
    assert (one.key, one.kind, one.severity, one.order_id) == (
        f"order:not_at_venue:BTC/USDT:{child.venue_order_id}", "order", "critical", order_id,
    )  # fmt: skip
    assert {freeze.asset for freeze in frozen(desk)} == {"BTC", "USDT"}
    assert desk.child(order_id).status == "ACCEPTED", "nobody guesses"


@ON_SQLITE
def test_an_order_with_our_mark_that_no_row_has_freezes_its_assets(booked: Desk) -> None:
    (row,) = booked._rows(deployment, deployment.c.id == 1)
    mark = row["prefix"]
    terms = {"type": OrderType.LIMIT, "side": Side.BUY, "price": booked.bid() - 1000, "quantity": Decimal("0.1")}
    venue_order_id = strangers_order(booked, f"{mark}{'0' * 15}", **terms)

    one = found(booked, reconcile(booked))[f"order:not_on_record:BTC/USDT:{venue_order_id}"]

    assert (one.severity, one.action, one.order_id) == ("critical", "freeze", None)
    assert {freeze.asset for freeze in frozen(booked)} == {"BTC", "USDT"}
    decisions.accept(booked.runtime, one.id, by="ana", note="cancelled by hand")
    assert frozen(booked) == []
