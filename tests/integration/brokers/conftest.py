"""One Redis, publishers with kombu's own transport as other services have it, and consumers with ours."""

from __future__ import annotations

import contextlib
import socket
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any

import pytest
import redis as client
from kombu import Connection, Consumer, Exchange, Queue
from kombu.message import Message

from tests.support.waiting import eventually

OURS = "tasks.redis_transport:Transport"
STOCK = "kombu.transport.redis:Transport"

#: a net under hangs, in seconds
SOON_S = 60


def queue(name: str) -> Queue:
    """As a plain Celery client declares a queue that it sends to by name."""
    return Queue(name, Exchange(name, type="direct"), routing_key=name)


@dataclass(kw_only=True)
class Reader:
    """A consumer in the test's own process, and what it was given."""

    connection: Connection
    consumer: Consumer
    messages: list[Message] = field(default_factory=list)

    @property
    def bodies(self) -> list[Any]:
        return [message.payload for message in self.messages]

    @property
    def name(self) -> str:
        """Its name as a holder of messages."""
        return str(self.consumer.channel.consumer)

    def read(self, count: int) -> list[Message]:
        """Read until so many messages have come in all; returns the new ones."""
        start = len(self.messages)

        def enough() -> bool:
            with contextlib.suppress(socket.timeout):
                self.connection.drain_events(timeout=0.5)
            return len(self.messages) >= count

        eventually(enough, within_s=SOON_S, describe=lambda: f"{count} messages: {self.bodies}")
        return self.messages[start:]

    def read_what_comes(self) -> list[Message]:
        """Read for the time of one look into all queues."""
        start = len(self.messages)
        for _ in range(4):
            with contextlib.suppress(socket.timeout):
                self.connection.drain_events(timeout=0.5)
        return self.messages[start:]


OpenReader = Callable[..., Reader]
Publish = Callable[..., None]


@pytest.fixture
def server(redis_url: str) -> Iterator[client.Redis]:
    with client.Redis.from_url(redis_url) as connection:
        yield connection


@pytest.fixture
def publish(redis_url: str) -> Iterator[Publish]:
    """``publish(body, to="orders", priority=0)``, with kombu's own transport."""
    with Connection(redis_url, transport=STOCK) as connection, connection.Producer() as producer:

        def send(*bodies: Any, to: str = "orders", priority: int = 0) -> None:
            for body in bodies:
                producer.publish(body, exchange=to, routing_key=to, declare=[queue(to)], priority=priority)

        yield send


@pytest.fixture
def open_reader(redis_url: str) -> Iterator[OpenReader]:
    """``open_reader("orders", prefetch=0, no_ack=False, transport=OURS, **transport_options)``."""
    with contextlib.ExitStack() as opened:

        def make(*names: str, prefetch: int = 0, no_ack: bool = False, transport: str = OURS, **options: Any) -> Reader:
            connection = opened.enter_context(Connection(redis_url, transport=transport, transport_options=options))
            channel = connection.channel()
            channel.do_restore = True
            found: list[Message] = []
            consumer = Consumer(
                channel, [queue(name) for name in names or ("orders",)], no_ack=no_ack, on_message=found.append,
                prefetch_count=prefetch or None,
            )  # fmt: skip
            consumer.consume()
            return Reader(connection=connection, consumer=consumer, messages=found)

        yield make
