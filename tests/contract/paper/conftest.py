"""A real paper venue per test, and the clients that talk to it."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import ccxt
import pytest

from tests.support.paper import KEY, KEY_2, SECRET, SECRET_2, PaperProcess
from tests.support.paper_api import PaperApi


@pytest.fixture
def venue(tmp_path: Path) -> Iterator[PaperProcess]:
    """A fresh venue whose market is paused: nothing happens but what the test does."""
    with PaperProcess(tmp_path / "venue") as process:
        process.pause_market()
        yield process


@pytest.fixture
def start_venue(tmp_path: Path) -> Iterator[Callable[..., PaperProcess]]:
    """Start venues with settings of the test's own."""
    started: list[PaperProcess] = []

    def start(**settings: Any) -> PaperProcess:
        process = PaperProcess(tmp_path / f"venue-{len(started)}", **settings)
        started.append(process)
        return process.start()

    yield start
    for process in started:
        process.stop()


@pytest.fixture
def api(venue: PaperProcess) -> Iterator[PaperApi]:
    """The first account, hand-signed."""
    with PaperApi(venue.url) as client:
        yield client


@pytest.fixture
def other(venue: PaperProcess) -> Iterator[PaperApi]:
    """The second account."""
    with PaperApi(venue.url, KEY_2, SECRET_2) as client:
        yield client


def point_at(urls: Any, url: str) -> Any:
    """Replace scheme and host in every URL of a ccxt class."""
    if isinstance(urls, dict):
        return {name: point_at(part, url) for name, part in urls.items()}
    return url + "/" + urls.split("/", 3)[3] if isinstance(urls, str) and urls.count("/") > 2 else urls


@pytest.fixture
def binance(venue: PaperProcess) -> Iterator[ccxt.binance]:
    """The real ccxt class, its hosts replaced and nothing else."""
    exchange = ccxt.binance({"apiKey": KEY, "secret": SECRET, "enableRateLimit": False, "timeout": 60_000})
    exchange.urls["api"] = point_at(exchange.urls["api"], venue.url)
    exchange.load_markets()
    yield exchange
    exchange.session.close()
