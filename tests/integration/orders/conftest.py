"""The order protocol on both databases, with the real paper venue; steps run in the test's own process."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import Engine

from storage import schema
from storage.engine import make_engine
from tests.support.paper import PaperProcess
from tests.support.runtime import Desk, make_settings, open_desk
from tests.support.servers.postgres import PostgresServer

BOTH = [
    pytest.param("sqlite", marks=pytest.mark.integration),
    pytest.param("postgresql", marks=[pytest.mark.integration, pytest.mark.postgres]),
]

#: for the many variants of one case, where the database is not what the test is about
ON_SQLITE = pytest.mark.parametrize("database_url", BOTH[:1], indirect=True)

OpenDesk = Callable[..., Desk]


@pytest.fixture(scope="session")
def migrated_sqlite(tmp_path_factory: pytest.TempPathFactory) -> bytes:
    """The bytes of an empty, migrated file: a copy is quicker than a migration."""
    path = tmp_path_factory.mktemp("template") / "steadfill.db"
    engine = make_engine(f"sqlite:///{path}")
    schema.upgrade(engine)
    engine.dispose()  # the last connection moves the write-ahead log into the file
    assert not path.with_name(path.name + "-wal").exists()
    return path.read_bytes()


@pytest.fixture(params=BOTH)
def database_url(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[str]:
    """A migrated database of the test's own."""
    if request.param == "sqlite":
        path = tmp_path / "steadfill.db"
        path.write_bytes(request.getfixturevalue("migrated_sqlite"))
        yield f"sqlite:///{path}"
        return
    server: PostgresServer = request.getfixturevalue("postgres_server")

    def migrate(url: str) -> None:
        schema.upgrade(url)

    url = server.create_database(template=server.template("orders", migrate))
    yield url
    server.drop_database(url)


@pytest.fixture
def engine(database_url: str) -> Iterator[Engine]:
    made = make_engine(database_url, pool_size=10)
    yield made
    made.dispose()


@pytest.fixture(scope="module")
def paper(tmp_path_factory: pytest.TempPathFactory) -> Iterator[PaperProcess]:
    with PaperProcess(tmp_path_factory.mktemp("venue")) as venue:
        yield venue


@pytest.fixture
def open_a_desk(
    database_url: str, paper: PaperProcess, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Iterator[OpenDesk]:
    """``open_a_desk(recv_window_ms=…, max_age_s=…)``: a desk with settings of its own."""
    opened: list[Desk] = []

    def make(**changes: Any) -> Desk:
        settings = make_settings(tmp_path, paper.url, **{"database_url": database_url, **changes})
        opened.append(open_desk(settings, paper, monkeypatch))
        return opened[-1]

    yield make
    paper.disarm()
    paper.resume_market()
    if opened:
        opened[0].withdraw_everything()
    for desk in opened:
        desk.runtime.close()


@pytest.fixture
def desk(open_a_desk: OpenDesk) -> Desk:
    return open_a_desk()
