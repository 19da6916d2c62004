"""PostgreSQL that goes, comes, refuses and is unreachable under load: what was taken ends, once, by itself."""

from __future__ import annotations

import contextlib
import threading
from collections.abc import Iterator

import psycopg
import pytest
from psycopg import sql

from tests.acceptance.outages.conftest import PATIENCE_S, Load, Site
from tests.support.servers.postgres import libpq
from tests.support.waiting import eventually

pytestmark = [pytest.mark.acceptance, pytest.mark.timeout(900)]

BROKER = "redis"

KILL_SESSIONS = (
    "SELECT count(pg_terminate_backend(pid)) FROM pg_stat_activity "
    "WHERE datname = current_database() AND pid <> pg_backend_pid()"
)

CHANGES = "SELECT count(*) FROM transitions"

#: At the end of a transaction, for each row that it changed: one in eight is as if it had lost against another.
REFUSE_AT_RANDOM = """
CREATE OR REPLACE FUNCTION refuse_at_random() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF random() < 0.06 THEN RAISE EXCEPTION 'lost against another' USING ERRCODE = '40001'; END IF;
    IF random() < 0.06 THEN RAISE EXCEPTION 'lost against another' USING ERRCODE = '40P01'; END IF;
    RETURN NULL;
END $$
"""
#: without a lock on a table that is in use
REFUSE_NO_MORE = """
CREATE OR REPLACE FUNCTION refuse_at_random() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN RETURN NULL; END'
"""
REFUSING = """
CREATE CONSTRAINT TRIGGER refuse_at_random AFTER INSERT OR UPDATE OR DELETE ON {}
DEFERRABLE INITIALLY DEFERRED FOR EACH ROW EXECUTE FUNCTION refuse_at_random()
"""


@contextlib.contextmanager
def connected(site: Site) -> Iterator[psycopg.Connection]:
    """Around the proxy."""
    with psycopg.connect(libpq(site.database_url), autocommit=True) as connection:
        yield connection


def test_every_session_is_ended_five_times_a_second_while_orders_run(site: Site):
    load, over, ended = Load(site, 40), threading.Event(), []

    def end_sessions() -> None:
        seen = None
        with connected(site) as connection:
            while not over.wait(0.2):
                changes = connection.execute(CHANGES).fetchone()
                if changes != seen:  # on a slow machine too something is done between two of these
                    seen = changes
                    row = connection.execute(KILL_SESSIONS).fetchone()
                    ended.append(row[0] if row else 0)

    killer = threading.Thread(target=end_sessions)
    killer.start()
    try:
        with load.running():
            load.until_taken(25)
    finally:
        over.set()
        killer.join()

    assert sum(ended) > 0
    site.assert_whole()


def test_transactions_lose_against_others_at_random(site: Site):
    with connected(site) as connection:
        connection.execute(REFUSE_AT_RANDOM)
        for table in ("orders", "child_orders", "outbox"):
            connection.execute(sql.SQL(REFUSING).format(sql.Identifier(table)))
        try:
            load = Load(site, 30)
            with load.running():
                load.until_taken(30)
            eventually(
                lambda: not list(site.client.orders(status="RECEIVED")), within_s=PATIENCE_S, describe="all are begun"
            )
        finally:
            connection.execute(REFUSE_NO_MORE)
    site.assert_whole()


def test_postgresql_is_killed_and_comes_back_under_load(site: Site):
    load = Load(site, 40)
    with load.running():
        for taken in (10, 30):
            load.until_taken(taken)
            site.restart_postgres()
    site.assert_whole()


def test_network_to_postgresql_is_cut_and_swallows_everything(site: Site):
    load = Load(site, 40)
    with load.running():
        load.until_taken(8)
        site.to_database.cut()
        load.until_taken(16)
        site.to_database.hold(requests=False)
        known = threading.Event()
        known.wait(3.0)  # answers are lost for longer than a lease
        site.to_database.cut()
        site.to_database.heal()
        load.until_taken(24)
        site.to_database.refuse()
        known.wait(1.0)
        site.to_database.heal()
    site.assert_whole()


def test_orders_of_other_services_wait_for_the_database_and_are_no_dead_letters(site: Site):
    site.to_database.refuse()
    requests = [site.client.request() for _ in range(6)]
    for request in requests:
        site.deployment.send_task("orders.submit", request=request)
    eventually(
        lambda: "a message waits" in site.said("worker-steps"), within_s=PATIENCE_S, describe="a message was tried"
    )
    site.to_database.heal()

    for request in requests:
        name = f"client:{request['client_order_id']}"
        eventually(
            lambda name=name: site.client.http.get(f"/v1/orders/{name}").status_code == 200,
            within_s=PATIENCE_S,
            describe=f"{name} is taken",
        )
        assert site.client.wait_for(name, within_s=PATIENCE_S)["status"] == "FILLED"
    with connected(site) as connection:
        assert connection.execute("SELECT count(*) FROM dead_letters").fetchone() == (0,)
    site.assert_whole()
