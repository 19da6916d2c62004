"""A commit that returned is on disk, whatever the server's default is; and doctor says where the server itself lies."""

from __future__ import annotations

from pathlib import Path

import psycopg
import pytest
from psycopg import sql
from sqlalchemy import text

from ops.doctor.services import database
from settings import Settings
from storage.engine import is_unavailable, make_engine, read
from storage.postgresql import BoundedConnection
from storage.schema import upgrade
from tests.support.proxy import Proxy
from tests.support.servers.postgres import PostgresServer, libpq

pytestmark = [pytest.mark.integration, pytest.mark.postgres]


def set_default(url: str, name: str, value: str) -> None:
    database_name = url.rpartition("/")[2]
    with psycopg.connect(libpq(url), autocommit=True) as connection:
        statement = sql.SQL("ALTER DATABASE {} SET {} = {}")
        connection.execute(statement.format(sql.Identifier(database_name), sql.Identifier(name), sql.Literal(value)))


@pytest.mark.parametrize(("default", "ours"), [("off", "on"), ("local", "on"), ("on", "on"), ("remote_apply",) * 2])
def test_commits_of_ours_wait_for_the_disk_whatever_the_default_is(postgres_url: str, default: str, ours: str) -> None:
    set_default(postgres_url, "synchronous_commit", default)
    engine = make_engine(postgres_url)

    with read(engine) as conn:
        found = conn.execute(text("SHOW synchronous_commit")).scalar_one()

    engine.dispose()
    assert found == ours


def test_doctor_names_a_server_that_gives_durability_away(private_postgres: PostgresServer, tmp_path: Path) -> None:
    """The tests' own server runs with fsync off, for speed."""
    url = private_postgres.create_database()
    upgrade(url)
    set_default(url, "synchronous_commit", "off")

    found = list(database(Settings(home=tmp_path, database_url=url)))

    states = {
        (finding.state, word)
        for finding in found
        for word in ("fsync", "synchronous_commit")
        if word in finding.message
    }
    assert states == {("fail", "fsync"), ("warn", "synchronous_commit")}
    assert all(finding.advice for finding in found if finding.state != "ok")


def test_server_that_answers_nothing_is_given_up_and_counts_as_gone(
    postgres_url: str,
) -> None:
    with Proxy.before(postgres_url) as proxy:
        engine = make_engine(proxy.url(postgres_url))
        with read(engine) as conn:
            conn.execute(text("SELECT 1"))
            driver = conn.connection.driver_connection
            assert isinstance(driver, BoundedConnection)
            driver.answer_timeout_s = 0.5
            proxy.hold(requests=False)
            with pytest.raises(Exception, match="did not answer") as caught:
                conn.execute(text("SELECT 2"))
        proxy.heal()
        with read(engine) as conn:
            again = conn.execute(text("SELECT 3")).scalar_one()
        engine.dispose()

    assert is_unavailable(caught.value)
    assert again == 3
