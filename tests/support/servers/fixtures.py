"""The servers as fixtures: found once a run (and xdist worker), clean for each test.

`*_server` is the server itself, `*_url` something empty on it that the test has for itself, `private_*` a server that
the test may kill and restart.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

import pytest

from tests.support.servers.missing import UnavailableError, give_up

if TYPE_CHECKING:  # their clients cost half a second, which unit tests need not pay
    from tests.support.servers.postgres import PostgresServer
    from tests.support.servers.rabbitmq import RabbitServer
    from tests.support.servers.redis import RedisServer


@pytest.fixture(scope="session")
def postgres_server() -> Iterator[PostgresServer]:
    from tests.support.servers import postgres

    server = postgres.find_postgres()
    yield server
    server.close()


@pytest.fixture
def postgres_url(postgres_server: PostgresServer) -> Iterator[str]:
    """An empty database, as SQLAlchemy's URL."""
    url = postgres_server.create_database()
    yield url
    postgres_server.drop_database(url)


@pytest.fixture
def private_postgres() -> Iterator[PostgresServer]:
    """A server that the test may kill: `private_postgres.process`."""
    from tests.support.servers import postgres

    try:
        server = postgres.start_private()
    except UnavailableError as reason:
        give_up("PostgreSQL of our own", postgres.VARIABLE, [str(reason)])
    yield server
    server.close()


@pytest.fixture(scope="session")
def redis_server() -> Iterator[RedisServer]:
    from tests.support.servers import redis

    server = redis.find_redis()
    yield server
    server.close()


@pytest.fixture
def redis_url(redis_server: RedisServer) -> str:
    """An empty database."""
    redis_server.flush()
    return redis_server.url


@pytest.fixture
def private_redis() -> Iterator[RedisServer]:
    """A server that the test may kill, flush and restart."""
    from tests.support.servers import redis

    try:
        server = redis.start_private()
    except UnavailableError as reason:
        give_up("Redis of our own", redis.VARIABLE, [str(reason)])
    yield server
    server.close()


@pytest.fixture(scope="session")
def rabbitmq_server() -> Iterator[RabbitServer]:
    from tests.support.servers import rabbitmq

    server = rabbitmq.find_rabbitmq()
    yield server
    server.close()


@pytest.fixture
def rabbitmq_url(rabbitmq_server: RabbitServer) -> str:
    """An empty virtual host."""
    return rabbitmq_server.create_vhost()


@pytest.fixture
def private_rabbitmq() -> Iterator[RabbitServer]:
    """A server that the test may kill and restart; it takes five seconds to start."""
    from tests.support.servers import rabbitmq

    try:
        server = rabbitmq.start_private()
    except UnavailableError as reason:
        give_up("RabbitMQ of our own", rabbitmq.VARIABLE, [str(reason)])
    yield server
    server.close()
