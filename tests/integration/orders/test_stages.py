"""The stages of docs/guarantees.md stand where they say: an order's own way passes them in this order."""

from __future__ import annotations

import threading
from collections.abc import Iterator

import pytest

from failpoints import set_hook
from tests.support.runtime import Desk

#: of a market order that fills at once, without what every transaction passes
WAY = [
    "intake.parsed", "intake.order.inserted", "intake.outbox.inserted", "intake.committed", "intake.handed_over",
    "books.read", "books.opened",
    "prepare.quoted", "prepare.held", "prepare.planned", "prepare.committed",
    "validate.checked", "validate.committed",
    "commit.begun", "commit.timed", "commit.claimed", "commit.intended", "commit.intent.committed", "commit.sending",
    "venue.post.connected", "venue.post.written", "venue.post.read", "commit.answered", "commit.reported",
    "commit.confirmed",
    "settle.begun", "settle.completed", "settle.marked", "settle.fill.inserted", "settle.fill.posted",
    "settle.child.moved", "settle.hold.released", "settle.committed",
]  # fmt: skip


@pytest.fixture
def reached() -> Iterator[list[str]]:
    """What this thread passes: heartbeats and clocks have threads of their own."""
    stages: list[str] = []
    mine = threading.get_ident()

    def hook(name: str) -> None:
        if threading.get_ident() == mine:
            stages.append(name)

    set_hook(hook)
    yield stages
    set_hook(None)


def test_a_market_order_passes_its_stages_in_order(desk: Desk, reached: list[str]) -> None:
    order_id = desk.place()
    desk.work(order_id)

    assert desk.end(order_id)[0] == "FILLED"
    own = [name for name in reached if name in WAY]
    fills = len(desk.fills(order_id))
    assert [name for name in own if own.count(name) == 1] == [
        name for name in WAY if fills == 1 or not name.startswith("settle.fill.")
    ]
    assert reached.count("storage.committing") == reached.count("storage.committed") >= 5
