"""pytest-celery with Steadfill's own worker: `celery_setup.worker` runs `celery -A tasks worker` on each broker.

Brokers are containers where a Docker engine answers and local processes where none does; the worker is a process of
this checkout in both, on PostgreSQL. `deployment` is the environment it runs in, for the pieces that a test adds.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest
from celery import Celery
from pytest_celery import CeleryBackendCluster, CeleryBrokerCluster, CeleryTestSetup, CeleryWorkerContainer

from tests.support.celery_processes import LocalContainer, local_worker
from tests.support.paper import PaperProcess
from tests.support.processes import Process


class SteadfillWorker(CeleryWorkerContainer):  # type: ignore[misc]
    """One worker for all queues, on threads, so that one kill takes every step there is."""

    @classmethod
    def command(cls, *args: str, **_: Any) -> list[str]:
        from tasks.queues import QUEUES

        options = ["-n", f"{cls.worker_name()}@%h", "-Q", ",".join(QUEUES), "-P", "threads", "-c", "8"]
        return [
            "celery",
            "-A",
            "tasks",
            "worker",
            *options,
            "--without-mingle",
            "--without-gossip",
            "-l",
            "INFO",
            *args,
        ]

    @classmethod
    def worker_name(cls) -> str:
        return "steadfill"

    @classmethod
    def worker_queue(cls) -> str:
        return "steps"


class SteadfillSetup(CeleryTestSetup):  # type: ignore[misc]
    """Its tasks keep no results, so readiness is asked by the control channel."""

    def _is_task_ping_ready(self, ping: bool) -> bool:
        return not ping or bool(self.app.control.ping(timeout=60, limit=1))


@pytest.fixture
def celery_setup_cls() -> type[CeleryTestSetup]:
    return SteadfillSetup


@pytest.fixture
def default_worker_container_cls() -> type[CeleryWorkerContainer]:
    return SteadfillWorker


@pytest.fixture
def default_worker_app(celery_setup_app: Celery) -> Celery:
    return celery_setup_app


@pytest.fixture
def venue(tmp_path: Path) -> Iterator[PaperProcess]:
    """A paper venue whose market stands still, and which knows every order that it ever took."""
    with PaperProcess(tmp_path / "venue") as running:
        yield running


@pytest.fixture
def deployment(
    celery_broker_cluster: CeleryBrokerCluster,
    celery_backend_cluster: CeleryBackendCluster,
    postgres_url: str,
    venue: PaperProcess,
    tmp_path: Path,
) -> Mapping[str, str]:
    """The environment of every piece: an empty database with the schema, a broker, the venue."""
    env = {
        "STEADFILL_HOME": str(tmp_path / "home"),
        "STEADFILL_DATABASE_URL": postgres_url,
        "STEADFILL_BROKER_URL": celery_broker_cluster.config()["host_urls"][0],
        "STEADFILL_REDIS_URL": celery_backend_cluster.config()["host_urls"][0],
        "STEADFILL_VENUES__PAPER__PAPER": "true",
        "STEADFILL_VENUES__PAPER__BASE_URL": venue.url,
        # What a test holds up at the venue stays under way until the kill; and nothing grows too old to be sent.
        "STEADFILL_VENUES__PAPER__TIMEOUT_MS": "120000",
        "STEADFILL_EXECUTION__MAX_AGE_S": "3600",
    }
    upgrade = Process(["steadfill", "db", "upgrade"], log=tmp_path / "upgrade.log", env=env).start()
    assert upgrade.wait(within_s=120) == 0, upgrade.logs()
    return env


@pytest.fixture
def default_worker_container(
    default_worker_container_cls: type[CeleryWorkerContainer], deployment: Mapping[str, str], tmp_path: Path
) -> Iterator[LocalContainer]:
    folder = tmp_path / "worker"
    folder.mkdir()
    command = default_worker_container_cls.command()
    worker = local_worker(
        default_worker_container_cls, command=command, env=deployment, content={}, folder=folder, name="under-test"
    )
    worker.start()
    worker.ready()
    yield worker
    worker.teardown()


@pytest.fixture
def beat(celery_setup: CeleryTestSetup, deployment: Mapping[str, str], tmp_path: Path) -> Iterator[Process]:
    """What finds standing rows again."""
    command = ["celery", "-A", "tasks", "beat", "--schedule", str(tmp_path / "schedule"), "--pidfile", ""]
    with Process(command, log=tmp_path / "beat.log", env=deployment) as running:
        yield running
