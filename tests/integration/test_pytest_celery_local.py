"""pytest-celery's interface does what it says on local processes too: a worker dies in a task, and nothing is lost."""

from __future__ import annotations

from typing import Any

import pytest
from celery import Celery
from pytest_celery import CeleryTestSetup
from pytest_docker_tools.exceptions import ContainerFailed

from tests.support.toyapp import tasks

pytestmark = [pytest.mark.integration, pytest.mark.timeout(600)]

#: A net, in seconds. A redelivery after a kill is quick where the broker sees the connection end, a sweep on Redis.
REDELIVERED_WITHIN_S = 120


@pytest.fixture
def default_worker_tasks(default_worker_tasks: set[Any]) -> set[Any]:
    return {*default_worker_tasks, tasks}


@pytest.fixture
def default_worker_app(default_worker_app: Celery) -> Celery:
    default_worker_app.conf.update(
        worker_prefetch_multiplier=1,
        broker_connection_retry_on_startup=True,
        # A sweep that comes soon: what a killed worker held goes back two seconds later.
        broker_transport_options={
            "visibility_timeout": 2,
            "unacked_restore_interval": 1,
            "unacked_restore_throttle": 1,
        },
    )
    return default_worker_app


def test_a_task_of_a_killed_worker_is_delivered_again_after_its_restart(celery_setup: CeleryTestSetup) -> None:
    worker = celery_setup.worker
    result = tasks.hang_once.s("order-1").apply_async()
    worker.wait_for_log("order-1 is delivered first")

    worker.kill()
    assert worker.container.status == "exited"
    with pytest.raises(ContainerFailed):
        worker.ready()
    worker.restart()

    assert result.get(timeout=REDELIVERED_WITHIN_S) == "order-1 done"
    assert celery_setup.ready(ping=True, control=True)


@pytest.mark.kills_broker
def test_a_worker_survives_the_restart_of_its_broker(celery_setup: CeleryTestSetup) -> None:
    celery_setup.broker.kill()
    celery_setup.broker.restart()

    assert celery_setup.broker.ready()
    assert tasks.add.s(20, 22).apply_async(retry=True).get(timeout=REDELIVERED_WITHIN_S) == 42
