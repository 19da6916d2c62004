"""A real API process over a real database, its instruments as a worker would have fetched them."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any

import httpx
import pytest
from sqlalchemy import Engine, func, select

from models.instrument import Instrument
from storage.all_tables import metadata
from storage.engine import make_engine, read
from storage.instruments import DatabaseInstruments
from storage.schema import upgrade
from tests.support.processes import Process, free_port

#: nets under hangs, in seconds
START_TIMEOUT_S = 120
ANSWER_TIMEOUT_S = 60

#: tables in which a request that is refused must leave nothing
WRITTEN = ("orders", "order_tags", "child_orders", "outbox", "transitions", "dead_letters", "early_cancels")


@dataclass(kw_only=True)
class Api:
    url: str
    client: httpx.Client
    engine: Engine
    process: Process

    def rows(self) -> dict[str, int]:
        """How many rows each table of WRITTEN holds."""
        with read(self.engine) as conn:
            return {
                name: conn.execute(select(func.count()).select_from(metadata.tables[name])).scalar_one()
                for name in WRITTEN
            }

    def place(self, client_order_id: str, **changes: Any) -> httpx.Response:
        return self.client.post("/v1/orders", json={**ORDER, "client_order_id": client_order_id, **changes})


ORDER: Mapping[str, Any] = {
    "client_order_id": "test-1",
    "venue": "paper",
    "symbol": "BTC/USDT",
    "side": "buy",
    "type": "limit",
    "quantity": "0.5",
    "price": "25000",
}


def instruments() -> list[Instrument]:
    common: dict[str, Any] = {
        "venue": "paper", "tick": Decimal("0.01"), "lot": Decimal("0.0001"), "min_quantity": Decimal("0.0001"),
        "max_quantity": Decimal(9000), "min_notional": Decimal(5), "fetched_at": datetime.now(UTC),
    }  # fmt: skip
    return [
        Instrument(symbol="BTC/USDT", base="BTC", quote="USDT", **common),
        Instrument(symbol="ETH/USDT", base="ETH", quote="USDT", **common),
        Instrument(symbol="OLD/USDT", base="OLD", quote="USDT", active=False, **common),
    ]


StartApi = Callable[..., Api]


@pytest.fixture(scope="module")
def start_api(tmp_path_factory: pytest.TempPathFactory) -> Iterator[StartApi]:
    """``start_api(database_url, with_instruments=True, **environment)``: a process of the API, ready to answer."""
    started: list[Api] = []

    def start(database_url: str | None = None, *, with_instruments: bool = True, **environment: str) -> Api:
        home = tmp_path_factory.mktemp("api")
        url = database_url or f"sqlite:///{home}/steadfill.db"
        upgrade(url)
        engine = make_engine(url)
        if with_instruments:
            DatabaseInstruments(engine).save("paper", instruments())
        started.append(_start(home, engine, url, environment))
        return started[-1]

    yield start
    for api in started:
        api.client.close()
        api.process.stop()
        api.engine.dispose()


@pytest.fixture(scope="module", params=["sqlite", pytest.param("postgres", marks=pytest.mark.postgres)])
def api(request: pytest.FixtureRequest, start_api: StartApi) -> Iterator[Api]:
    """One API for all tests of a module: each takes client order ids of its own."""
    if request.param == "sqlite":
        yield start_api()
        return
    server = request.getfixturevalue("postgres_server")
    url = server.create_database()
    running = start_api(url)
    yield running
    running.process.stop()
    running.engine.dispose()
    server.drop_database(url)


def _start(home: Path, engine: Engine, database_url: str, environment: Mapping[str, str]) -> Api:
    port = free_port()
    process = Process(
        [sys.executable, "-m", "api"],
        log=home / "api.log",
        env={
            "STEADFILL_HOME": str(home),
            "STEADFILL_CONFIG": str(_configuration(home)),
            "STEADFILL_DATABASE_URL": database_url,
            "STEADFILL_BROKER_URL": "memory://",  # what is published goes nowhere: this is about what is answered
            "STEADFILL_API_PORT": str(port),
            **environment,
        },
    ).start()
    url = f"http://127.0.0.1:{port}"
    client = httpx.Client(base_url=url, timeout=ANSWER_TIMEOUT_S)

    def answers() -> bool:
        try:
            return client.get("/health/live").status_code == 200
        except httpx.TransportError:
            return False

    process.wait_until(answers, within_s=START_TIMEOUT_S, why="it answered")
    return Api(url=url, client=client, engine=engine, process=process)


def _configuration(home: Path) -> Path:
    path = home / "steadfill.toml"
    path.write_text(
        "[venues.paper]\npaper = true\napi_key = 'key-of-main'\nsecret = 'secret-of-main'\n"
        "[venues.paper.accounts.desk2]\napi_key = 'key-of-desk2'\nsecret = 'secret-of-desk2'\n"
    )
    return path
