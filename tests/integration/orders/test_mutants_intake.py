"""Schedules that catch seeded bugs: intake and outbox."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta
from typing import Any

import pytest
from sqlalchemy import select

from failpoints import set_hook
from storage.engine import read
from storage.service_tables import outbox
from tasks.app import app
from tasks.prepare import prepare
from tests.integration.orders.conftest import ON_SQLITE, OpenDesk
from tests.integration.orders.test_crashes import Killed
from tests.integration.orders.test_outbox import Broker, fill, use
from tests.support.runtime import Desk
from workflows import relay, submit


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
