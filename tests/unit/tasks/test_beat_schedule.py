"""Beat's entries: each names a task that is registered, in a queue that a worker consumes, and none of the nightly ones is missing."""

from __future__ import annotations

import importlib
from collections.abc import Mapping
from typing import Any

import pytest
from celery.schedules import crontab

import celeryconfig
from ops.roles import WORKERS
from tasks import queues
from tasks.app import app

SCHEDULE: Mapping[str, Mapping[str, Any]] = celeryconfig.beat_schedule
CONSUMED = {queue for _, consumed, _, _ in WORKERS for queue in consumed.split(",")}

#: what keeps the books true while nobody looks
MUST_RUN = {
    "reconciliations.nightly",
    "reconciliations.sweep",
    "orders.compare_all",
    "storage.backup",
    "storage.examine",
    "storage.cleanup",
    "ledger.seal",
    "ledger.verify",
    "venues.movements_all",
    "orders.watch_series",
    "orders.rescue",
    "orders.relay",
}


@pytest.fixture(scope="module", autouse=True)
def _registered() -> None:
    for module in celeryconfig.imports:
        importlib.import_module(module)


@pytest.mark.parametrize("entry", SCHEDULE)
def test_an_entry_of_beat_is_taken_by_some_worker_in_time(entry: str) -> None:
    told = SCHEDULE[entry]
    task = str(told["task"])

    assert task in app.tasks, "a message that names no task is a dead letter each time"
    assert queues.ROUTES[task] == queues.HOUSEKEEPING, "beat's are hints, and no order waits behind them"
    expires = told["options"]["expires"]
    assert expires >= 2, "one that waits behind another for a moment is not lost"
    if not isinstance(told["schedule"], crontab):
        assert expires <= max(told["schedule"], 2.0), "one that nobody took does not pile up"


def test_what_keeps_the_books_true_is_on_the_schedule() -> None:
    assert MUST_RUN - {entry["task"] for entry in SCHEDULE.values()} == set()


def test_every_task_of_ours_is_routed_to_a_queue_that_is_consumed() -> None:
    ours = {name for name, task in app.tasks.items() if task.__module__.partition(".")[0] in ("tasks", "workflows")}

    assert ours == set(queues.ROUTES)
    assert set(queues.ROUTES.values()) == set(queues.QUEUES) == CONSUMED
