"""RabbitMQ's exchanges and queues, declared before anything is published or consumed.

A delay to a queue that is not bound yet is confirmed and silently lost, and a queue that dead-letters into nothing
loses what it sets aside; so both ends stand first.
"""

from celery import Celery
from kombu import Exchange, Queue

#: what a queue set aside after too many deliveries
DEAD_EXCHANGE = "steadfill.dead"
DEAD_QUEUE = "steadfill.dead"


def declare_topology(app: Celery) -> None:
    """Declare every queue of the configuration; repeating it changes nothing. Other brokers need none."""
    with app.connection_for_write() as connection:
        if connection.transport.driver_type != "amqp":
            return
        with connection.channel() as channel:
            dead = Exchange(DEAD_EXCHANGE, type="topic")
            Queue(DEAD_QUEUE, dead, routing_key="#", queue_arguments={"x-queue-type": "quorum"})(channel).declare()
            for queue in app.amqp.queues.values():
                queue(channel).declare()
