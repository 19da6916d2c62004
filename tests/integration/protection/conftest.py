"""Breakers and rates that are shared by real processes, on each store that a deployment may have."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import Engine

from storage import schema
from storage.engine import make_engine
from tests.support.processes import ROOT, Process
from tests.support.servers.postgres import PostgresServer

DATABASES = [
    pytest.param("sqlite", marks=pytest.mark.integration),
    pytest.param("postgresql", marks=[pytest.mark.integration, pytest.mark.postgres]),
]
STORES = [*DATABASES, pytest.param("redis", marks=[pytest.mark.integration, pytest.mark.redis])]

#: a net under what hangs, in seconds
SOON_S = 180

AtOnce = Callable[..., list[Any]]


@pytest.fixture(params=DATABASES)
def database_url(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[str]:
    """A migrated database of the test's own."""
    yield from _database(request, request.param, tmp_path)


@pytest.fixture(params=STORES)
def store_url(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[str]:
    """An empty store of reservations."""
    if request.param == "redis":
        yield request.getfixturevalue("redis_url")
    else:
        yield from _database(request, request.param, tmp_path)


def _database(request: pytest.FixtureRequest, kind: str, tmp_path: Path) -> Iterator[str]:
    if kind == "sqlite":
        url = f"sqlite:///{tmp_path}/steadfill.db"
        schema.upgrade(url)
        yield url
        return
    server: PostgresServer = request.getfixturevalue("postgres_server")

    def migrate(made: str) -> None:
        schema.upgrade(made)

    url = server.create_database(template=server.template("protection", migrate))
    yield url
    server.drop_database(url)


@pytest.fixture
def engine(database_url: str) -> Iterator[Engine]:
    made = make_engine(database_url)
    yield made
    made.dispose()


@pytest.fixture
def at_once(tmp_path: Path) -> AtOnce:
    """``at_once(8, "book", **arguments)``: what each of so many processes got, all begun at one moment."""
    runs = 0

    def run(count: int, job: str, /, *, may_die: bool = False, **arguments: Any) -> list[Any]:
        nonlocal runs
        runs += 1
        folder = tmp_path / f"at-once-{runs}"
        folder.mkdir()
        command = [sys.executable, ROOT / "tests/support/at_once.py", str(count), job, folder, json.dumps(arguments)]
        with Process(command, log=folder / "log", env={"PYTHONPATH": str(ROOT)}) as process:
            code = process.wait(within_s=SOON_S)
            assert code == 0, process.logs()
        told = [json.loads(file.read_text()) for file in folder.glob("*.json")]
        assert may_die or len(told) == count
        return told

    return run
