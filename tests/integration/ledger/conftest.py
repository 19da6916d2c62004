"""Books on both databases: a migrated database for each test (`engine`), one for a whole file (`shared_engine`)."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from sqlalchemy import Engine

from storage import schema
from storage.engine import make_engine, read
from storage.ledger import invariants
from tests.support.servers.postgres import PostgresServer

BOTH = [
    pytest.param("sqlite", marks=pytest.mark.integration),
    pytest.param("postgresql", marks=[pytest.mark.integration, pytest.mark.postgres]),
]


def _migrated(server: PostgresServer) -> str:
    def prepare(url: str) -> None:
        schema.upgrade(url)

    return server.create_database(template=server.template("ledger", prepare))


def _open(database: str, request: pytest.FixtureRequest, folder: Path) -> Iterator[Engine]:
    if database == "sqlite":
        engine = make_engine(f"sqlite:///{folder}/books.db")
        schema.upgrade(engine)
        yield engine
        engine.dispose()
        return
    server: PostgresServer = request.getfixturevalue("postgres_server")
    url = _migrated(server)
    engine = make_engine(url, pool_size=10)
    yield engine
    engine.dispose()
    server.drop_database(url)


@pytest.fixture(params=BOTH)
def engine(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Engine]:
    """Empty books of the test's own; they must balance when it is over."""
    for made in _open(request.param, request, tmp_path):
        yield made
        with read(made, snapshot=True) as connection:
            assert invariants(connection) == []


@pytest.fixture(params=BOTH, scope="module")
def shared_engine(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Engine]:
    """Books that a file's tests share: for tests that leave nothing behind."""
    yield from _open(request.param, request, tmp_path_factory.mktemp("books"))
