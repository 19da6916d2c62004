"""Schedules of two processes of which one stands still at a stage, played in one process."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

from failpoints import set_hook
from tasks.lookup import lookup
from tests.integration.orders.in_doubt import (
    REQUEST_LOST,
)
from tests.integration.orders.test_crashes import _in_thread, let_leases_run_out
from tests.support.runtime import Desk


def look(desk: Desk, order_id: str) -> str:
    """One look at the venue, whatever time it was planned for."""
    desk.runtime.advance(60)
    return lookup(desk.runtime, child_id=desk.child(order_id).id)


def take_over_and_look(desk: Desk, order_id: str) -> str:
    """Take the child from whoever stands still, and look."""
    let_leases_run_out(desk)
    return look(desk, order_id)


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
