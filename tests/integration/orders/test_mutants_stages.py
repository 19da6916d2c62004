"""A kill at each stage of an order's way, one by one: one order at the venue, every trade booked once, nothing left held.

These and the schedules of test_mutants_{proofs,claims,intake,ends}.py are cells of `docs/mutants.md`: each seeded bug of `tests/mutants/`
must make the ones that it names fail.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator

import pytest

from failpoints import set_hook
from tasks.commit import commit
from tasks.prepare import prepare
from tasks.settle import settle
from tasks.validate import validate
from tests.integration.orders.conftest import ON_SQLITE, OpenDesk
from tests.integration.orders.in_doubt import (
    QUICK_PROOF,
    WIDE_WINDOW,
)
from tests.integration.orders.test_crashes import Killed, recover
from tests.support.runtime import Desk

#: what a market order that fills at once passes, from its intake on
STAGES = [
    "prepare.quoted", "prepare.held", "prepare.planned", "prepare.committed",
    "validate.checked", "validate.committed",
    "commit.begun", "commit.timed", "commit.claimed", "commit.intended", "commit.intent.committed", "commit.sending",
    "commit.answered", "commit.reported", "commit.confirmed",
    "settle.begun", "settle.completed", "settle.marked", "settle.fill.inserted", "settle.fill.posted",
    "settle.child.moved", "settle.hold.released", "settle.committed",
]  # fmt: skip

#: those at which the intent is on record and nothing has left: the window has to be waited out
NEVER_LEFT = ("commit.intent.committed", "commit.sending")


@pytest.fixture
def at_stage() -> Iterator[Callable[[str, Callable[[], None]], None]]:
    """``at_stage(name, do)``: this thread does it when it first reaches the stage."""
    mine = threading.get_ident()
    armed: dict[str, Callable[[], None]] = {}

    def reached(name: str) -> None:
        if name in armed and threading.get_ident() == mine:
            armed.pop(name)()

    set_hook(reached)
    yield armed.__setitem__
    set_hook(None)


def die() -> None:
    raise Killed


def work_until_killed(desk: Desk, order_id: str) -> None:
    def work() -> None:
        for step in (prepare, validate, commit, settle):
            step(desk.runtime, order_id=order_id)

    with pytest.raises(Killed):
        work()


def assert_one_true_order(desk: Desk, order_id: str, quantity: str) -> None:
    """The promises, as one looks at them from outside."""
    assert desk.end(order_id) == ("FILLED", None, quantity)
    assert len(desk.at_venue(order_id)) == 1
    assert all(report["applied_at"] for report in desk.reports(order_id))
    assert desk.held(order_id) == {}
    desk.assert_books_match()


@ON_SQLITE
@pytest.mark.parametrize("stage", STAGES)
def test_a_kill_at_any_stage_leaves_one_order_and_true_books(
    open_a_desk: OpenDesk, at_stage: Callable[[str, Callable[[], None]], None], stage: str
) -> None:
    desk = open_a_desk(**(QUICK_PROOF if stage in NEVER_LEFT else WIDE_WINDOW))
    order_id = desk.place(quantity="0.02")
    at_stage(stage, die)
    work_until_killed(desk, order_id)
    desk.forget_outbox()

    recover(desk, order_id)

    assert_one_true_order(desk, order_id, "0.02")


@ON_SQLITE
def test_a_kill_while_the_intent_is_committed_has_sent_nothing(
    open_a_desk: OpenDesk, at_stage: Callable[[str, Callable[[], None]], None]
) -> None:
    """The commit of the intent is the last moment at which a process may die without a trace."""
    desk = open_a_desk(**WIDE_WINDOW)
    order_id = desk.place(quantity="0.02")
    at_stage("commit.intended", lambda: at_stage("storage.committing", die))
    work_until_killed(desk, order_id)
    desk.forget_outbox()

    recover(desk, order_id)

    assert_one_true_order(desk, order_id, "0.02")
    assert len(desk.sends(order_id)) == 1
