"""One deployment per stack for all tests that ask for ``deployment``; each test finds it whole and quiet.

``@on("sqlite-embedded", …)`` runs a test on the stacks named instead of all three. Starting a deployment takes longer
than most tests, so they share one, with order ids of their own, and pytest runs a stack's tests together.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterator

import pytest

from tests.acceptance.at_length import shortened
from tests.acceptance.client import Client
from tests.acceptance.deployment import Deployment, Server
from tests.support.servers.missing import UnavailableError
from tests.support.stacks import STACKS


@pytest.hookimpl(trylast=True)
def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """One stack after the other: pytest itself groups by a parameter's place, which ``on`` moves.

    Tests that were named one by one all run; else the long ones are left to ``make test-all``.
    """
    if not any("::" in argument for argument in config.args):
        items[:], left = shortened(items)
        if left:
            config.hook.pytest_deselected(items=left)
    places = [index for index, item in enumerate(items) if _stack(item) is not None]
    for index, item in zip(places, sorted((items[index] for index in places), key=_order), strict=True):
        items[index] = item


def _stack(item: pytest.Item) -> str | None:
    callspec = getattr(item, "callspec", None)
    running = None if callspec is None else callspec.params.get("running")
    return running if running in STACKS else None  # tests of other folders may have a parameter of that name


def _order(item: pytest.Item) -> int:
    return list(STACKS).index(_stack(item) or "")


TRACE = "Traceback (most recent call last)"


@pytest.fixture(scope="session", params=list(STACKS))
def running(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Deployment]:
    """The stack's deployment; what a test did to it is still there."""
    folder = tmp_path_factory.mktemp(request.param)
    with contextlib.ExitStack() as servers:
        env, ours = servers_of(request, servers)
        env["STEADFILL_HOME"] = str(folder / "home")
        deployment = Deployment(folder, stack=request.param, env=env, servers=ours)
        servers.callback(deployment.stop)
        deployment.start()
        yield deployment


@pytest.fixture
def disturbed(running: Deployment) -> Deployment:
    """As ``deployment``, for a test that kills something: what loses its server may say so with a stack trace."""
    running.reset()
    return running


@pytest.fixture
def deployment(running: Deployment) -> Iterator[Deployment]:
    """All pieces run, no fault is armed, nothing is halted, the market stands where it began.

    Whatever the test does and the venue answers, it may show as a crash in no log.
    """
    running.reset()
    yield running
    crashes = [f"{name}: {text[text.find(TRACE) - 200 :][:3000]}" for name, text in running.written() if TRACE in text]
    assert not crashes, "\n".join(crashes)


@pytest.fixture
def client(deployment: Deployment) -> Client:
    return deployment.client


def servers_of(
    request: pytest.FixtureRequest, until_end: contextlib.ExitStack
) -> tuple[dict[str, str], dict[str, Server]]:
    """The URLs of empty servers, and those of the servers that are ours to kill."""
    env: dict[str, str] = {}
    ours: dict[str, Server] = {}
    names = STACKS[request.param]
    if "postgres" in names:
        from tests.support.servers import postgres

        try:
            database = postgres.start_private()
        except UnavailableError:
            database = request.getfixturevalue("postgres_server")
        else:
            until_end.callback(database.close)
            ours["database"] = Server(kill=database.kill, start=database.start)
        env["STEADFILL_DATABASE_URL"] = database.create_database()
    if "redis" in names:
        from tests.support.servers import redis

        cache = redis.start_private()
        until_end.callback(cache.close)
        env["STEADFILL_REDIS_URL"] = env["STEADFILL_BROKER_URL"] = cache.url
        ours["broker"] = Server(kill=cache.kill, start=cache.start)
    if "rabbitmq" in names:
        from tests.support.servers import rabbitmq

        ours.pop("broker")
        try:
            broker = rabbitmq.start_private()
        except UnavailableError:
            broker = rabbitmq.find_rabbitmq()
        else:
            ours["broker"] = Server(kill=broker.kill, start=broker.start)
        until_end.callback(broker.close)
        env["STEADFILL_BROKER_URL"] = broker.create_vhost()
    return env, ours
