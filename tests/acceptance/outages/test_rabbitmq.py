"""A RabbitMQ that loses its queues, hangs, confirms nothing, dies or is unreachable."""

from __future__ import annotations

import threading

import pytest
from kombu import Connection

from tasks.queues import QUEUES
from tasks.topology import DEAD_EXCHANGE, DEAD_QUEUE
from tests.acceptance.outages.conftest import PATIENCE_S, Load, Site
from tests.support.waiting import eventually

pytestmark = [pytest.mark.acceptance, pytest.mark.rabbitmq, pytest.mark.timeout(900)]

BROKER = "rabbitmq"


def delete_everything(url: str) -> None:
    """Every queue and every exchange of ours."""
    with Connection(url) as connection:
        for name in (*QUEUES, DEAD_QUEUE):
            connection.default_channel.queue_delete(name)
        for name in (*QUEUES, DEAD_EXCHANGE):
            connection.default_channel.exchange_delete(name)


def test_rabbitmq_loses_every_queue_while_orders_are_in_every_step(site: Site):
    load = Load(site, 40)
    with load.running():
        for taken in (5, 25):
            load.until_taken(taken)
            delete_everything(site.broker_url)
    site.assert_whole()


def test_rabbitmq_that_reads_and_confirms_nothing_blocks_nobody(site: Site):
    """As under an alarm for want of memory or disk: messages go out and no confirmation comes back."""
    site.to_broker.hold(requests=False)
    load = Load(site, 12)
    with load.running():
        load.until_taken(12)
    eventually(
        lambda: "the outbox keeps it" in site.said("worker-urgent") + site.said("beat"),
        within_s=PATIENCE_S,
        describe="a relay gave a message up",
    )
    site.to_broker.heal()
    site.assert_whole()


def test_network_to_rabbitmq_is_cut_and_swallows_everything(site: Site):
    load, pause = Load(site, 40), threading.Event()
    with load.running():
        load.until_taken(5)
        site.to_broker.cut()
        load.until_taken(10)
        site.to_broker.hold()
        load.until_taken(20)
        pause.wait(2.0)
        site.to_broker.cut()
        site.to_broker.heal()
        load.until_taken(25)
        site.to_broker.refuse()
        load.until_taken(35)
        site.to_broker.heal()
    site.assert_whole()


def test_rabbitmq_is_killed_and_comes_back(site: Site):
    assert site.rabbitmq is not None
    load = Load(site, 30)
    with load.running():
        load.until_taken(10)
        site.rabbitmq.kill()
        load.until_taken(20)
        site.rabbitmq.start()
    site.assert_whole()
