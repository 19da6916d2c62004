"""A deployment whose database and broker are its own, each behind a proxy: a ``Site`` for all tests of a module."""

from __future__ import annotations

import contextlib
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import httpx
import pytest

from tests.acceptance.audit import audit
from tests.acceptance.client import FINAL, Client
from tests.acceptance.deployment import Deployment
from tests.support.proxy import Proxy
from tests.support.servers.missing import UnavailableError, give_up
from tests.support.waiting import eventually

if TYPE_CHECKING:
    from tests.support.servers.postgres import PostgresServer
    from tests.support.servers.rabbitmq import RabbitServer
    from tests.support.servers.redis import RedisServer

#: Nothing here is a measure: what is not over by then hangs.
PATIENCE_S = 180.0


@dataclass(kw_only=True)
class Site:
    deployment: Deployment
    #: the way of every piece to its database and to its broker
    to_database: Proxy
    to_broker: Proxy
    postgres: PostgresServer
    redis: RedisServer
    rabbitmq: RabbitServer | None
    #: database and broker, around the proxies
    database_url: str
    broker_url: str
    #: what the pieces said when the test began is not asked about
    running_before: dict[str, int] = field(default_factory=dict)

    @property
    def client(self) -> Client:
        return self.deployment.client

    def said(self, piece: str) -> str:
        """What the piece has logged since the test began."""
        return dict(self.deployment.written())[piece]

    def heal(self) -> None:
        self.to_database.heal()
        self.to_broker.heal()

    def restart_postgres(self) -> None:
        self.postgres.kill()
        self.postgres.start()

    def assert_whole(self) -> None:
        """Every order has ended as the venue says, and no piece had to be started again."""
        eventually(self.client.is_ready, within_s=PATIENCE_S, describe="orders can be taken")
        self.deployment.engine.dispose()  # the test's own connections
        audit(self.deployment, within_s=PATIENCE_S)
        for name, process in self.deployment.processes.items():
            assert process.is_running, f"{name} ended: {process.logs()[-3000:]}"
            assert process.pid == self.running_before[name]


class Load:
    """Callers that place orders over HTTP and come again when they are told to, until ``enough``."""

    def __init__(self, site: Site, orders: int, callers: int = 6) -> None:
        self._client = site.client
        self._wanted = orders
        self._callers = callers
        self._lock = threading.Lock()
        #: documents that were answered with 200 or 201
        self.taken: list[dict[str, Any]] = []
        self.told_to_come_again = 0

    @contextlib.contextmanager
    def running(self) -> Iterator[None]:
        """Leaves when every order was taken."""
        with ThreadPoolExecutor(self._callers) as pool:
            asked = [pool.submit(self._place, number) for number in range(self._wanted)]
            yield
            for one in asked:
                one.result(timeout=PATIENCE_S)

    def until_taken(self, count: int) -> None:
        eventually(lambda: len(self.taken) >= count, within_s=PATIENCE_S, describe=f"{count} orders are taken")

    def _place(self, number: int) -> None:
        changes: dict[str, Any] = {"side": ("buy", "sell")[number % 2]}
        if number % 7 == 3:
            changes = {"price": "61000", "quantity": "0.002"}
        request = self._client.request(**changes)
        give_up_at = time.monotonic() + PATIENCE_S
        while True:
            try:
                answer = self._client.post(request)
            except httpx.TransportError:
                answer = None  # the API itself was killed
            if answer is not None and answer.status_code in (200, 201):
                document = answer.json()
                break
            assert answer is None or (answer.status_code == 503 and "retry-after" in answer.headers), answer.text
            assert time.monotonic() < give_up_at, f"never taken: {answer and answer.text}"
            with self._lock:
                self.told_to_come_again += 1
            time.sleep(0.1)
        if "price" in changes:
            self._cancel(document["id"], give_up_at)
        with self._lock:
            self.taken.append(document)

    def _cancel(self, order_id: str, give_up_at: float) -> None:
        while time.monotonic() < give_up_at:
            with contextlib.suppress(httpx.TransportError):
                if self._client.cancel(order_id).status_code in (202, 409):
                    return
            time.sleep(0.1)
        raise AssertionError(f"the cancel of {order_id} was never taken")


@pytest.fixture(scope="module")
def running_site(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    """``BROKER`` of the module names the broker: redis or rabbitmq."""
    from tests.support.servers import postgres, rabbitmq, redis

    broker = request.module.BROKER
    folder = tmp_path_factory.mktemp(f"outages-{broker}")
    with contextlib.ExitStack() as until_end:
        try:
            database = postgres.start_private()
            until_end.callback(database.close)
            cache = redis.start_private()
            until_end.callback(cache.close)
            rabbit = None
            if broker == "rabbitmq":
                rabbit = rabbitmq.start_private()
                until_end.callback(rabbit.close)
        except UnavailableError as reason:
            give_up("a database and a broker of our own", postgres.VARIABLE, [str(reason)])
        database_url = database.create_database()
        broker_url = cache.url if rabbit is None else rabbit.create_vhost()
        to_database = until_end.enter_context(Proxy.before(database_url))
        to_broker = until_end.enter_context(Proxy.before(broker_url))
        env = {
            "STEADFILL_HOME": str(folder / "home"),
            "STEADFILL_DATABASE_URL": to_database.url(database_url),
            "STEADFILL_BROKER_URL": to_broker.url(broker_url),
            "STEADFILL_REDIS_URL": to_broker.url(cache.url) if rabbit is None else cache.url,
        }
        deployment = Deployment(folder, stack=f"postgres-{broker}", env=env, servers={})
        until_end.callback(deployment.stop)
        deployment.start()
        yield Site(
            deployment=deployment, to_database=to_database, to_broker=to_broker, postgres=database, redis=cache,
            rabbitmq=rabbit, database_url=database_url, broker_url=broker_url,
        )  # fmt: skip


@pytest.fixture
def site(running_site: Site) -> Iterator[Site]:
    running_site.heal()
    running_site.deployment.reset()
    for order in running_site.client.orders():  # what a test before this one left, having failed
        if order["status"] not in FINAL:
            running_site.client.cancel(order["id"])
    running_site.running_before = {name: process.pid for name, process in running_site.deployment.processes.items()}
    yield running_site
    running_site.heal()
