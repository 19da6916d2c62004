"""Databases with books in them, on SQLite and on PostgreSQL, and a folder for their backups."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from itertools import count
from pathlib import Path

import pytest
from sqlalchemy import Engine

from models.reports import VenueBalance
from storage import schema
from storage.backup.make import Made, make_backup
from storage.engine import make_engine, write
from storage.ledger import adopt_deposit, open_venue_account
from tests.support.servers.postgres import PostgresServer

NOW = datetime(2030, 1, 1, tzinfo=UTC)

BOTH = [
    pytest.param("sqlite", marks=pytest.mark.integration),
    pytest.param("postgresql", marks=[pytest.mark.integration, pytest.mark.postgres]),
]


@pytest.fixture(params=BOTH)
def database_url(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[str]:
    """A migrated database of the test's own."""
    if request.param == "sqlite":
        url = f"sqlite:///{tmp_path}/live/steadfill.db"
        schema.upgrade(url)
        yield url
        return
    server: PostgresServer = request.getfixturevalue("postgres_server")
    url = server.create_database(template=server.template("backup", lambda url: schema.upgrade(url) and None))
    yield url
    server.drop_database(url)


@pytest.fixture
def engine(database_url: str) -> Iterator[Engine]:
    """Books with 1,000 USDT in them."""
    made = make_engine(database_url)
    with write(made) as conn:
        open_venue_account(conn, "v", "a", [VenueBalance(asset="USDT", free=Decimal(1000), used=Decimal(0))], at=NOW)
    yield made
    made.dispose()


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return tmp_path / "backups"


Keep = Callable[[], Made]


@pytest.fixture
def keep(engine: Engine, database_url: str, folder: Path) -> Keep:
    """Make a backup; each is a day after the one before."""
    days = count()

    def make() -> Made:
        now = NOW + timedelta(days=next(days))
        return make_backup(database_url, folder, now=now, keep_daily=3, keep_weekly=0)

    return make


def deposit(engine: Engine, key: str, amount: str) -> None:
    """Book money from outside."""
    with write(engine) as conn:
        adopt_deposit(conn, venue="v", account="a", asset="USDT", amount=Decimal(amount), key=key, at=NOW)
