"""A Redis that forgets, hangs, is full or unreachable: orders are taken all the same, and end once it is back."""

from __future__ import annotations

import threading

import pytest
import redis

from tests.acceptance.outages.conftest import PATIENCE_S, Load, Site
from tests.support.waiting import eventually

pytestmark = [pytest.mark.acceptance, pytest.mark.timeout(900)]

BROKER = "redis"


def broker_state(site: Site) -> str:
    health = site.client.http.get("/health")
    assert health.status_code == 200, health.text  # orders are taken
    return str(health.json()["components"]["broker"]["status"])


def shows(site: Site, state: str) -> None:
    eventually(lambda: broker_state(site) == state, within_s=PATIENCE_S, describe=f"health calls the broker {state}")


def test_redis_forgets_everything_while_orders_are_in_every_step(site: Site):
    load = Load(site, 40)
    with load.running(), redis.Redis.from_url(site.redis.url) as connection:
        for taken in (5, 12, 20, 28, 35):
            load.until_taken(taken)
            connection.flushall()
    site.assert_whole()


def test_network_to_redis_is_cut_and_swallows_everything(site: Site):
    load, pause = Load(site, 40), threading.Event()
    with load.running():
        load.until_taken(5)
        site.to_broker.cut()
        load.until_taken(10)
        site.to_broker.hold(requests=False)
        load.until_taken(20)
        pause.wait(2.0)  # what hangs is not only a moment late
        shows(site, "degraded")
        site.to_broker.cut()
        site.to_broker.heal()
        load.until_taken(25)
        site.to_broker.refuse()
        load.until_taken(35)
        shows(site, "degraded")
        site.to_broker.heal()
    site.assert_whole()
    shows(site, "ok")


def test_redis_that_is_full_takes_nothing_and_orders_wait_in_the_database(site: Site):
    with redis.Redis.from_url(site.redis.url) as connection:
        connection.config_set("maxmemory", "1")
        try:
            load = Load(site, 12)
            with load.running():
                load.until_taken(12)
            eventually(
                lambda: "the outbox keeps it" in site.said("worker-urgent") + site.said("beat"),
                within_s=PATIENCE_S,
                describe="a relay was refused",
            )
        finally:
            connection.config_set("maxmemory", "0")
    site.assert_whole()


def test_everything_is_killed_at_the_same_time_under_load(site: Site):
    """Database, broker and every piece of ours; the callers go on asking."""
    load = Load(site, 40)
    with load.running():
        load.until_taken(15)
        site.deployment.kill_all()
        site.postgres.kill()
        site.redis.kill()
        site.redis.start()
        site.restart_postgres()
        site.deployment.start_pieces()
    site.running_before = {name: process.pid for name, process in site.deployment.processes.items()}
    site.assert_whole()
