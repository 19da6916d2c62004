"""The real venue process and a gateway to it, for a file each."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from exchanges.gateway import Gateway
from tests.contract.gateway.asking import (
    SYMBOL,
    make,
)
from tests.support.paper import PaperProcess


@pytest.fixture(scope="module")
def venue(tmp_path_factory: pytest.TempPathFactory) -> Iterator[PaperProcess]:
    home: Path = tmp_path_factory.mktemp("paper")
    with PaperProcess(home, symbols="BTC/USDT,ETH/USDT") as process:
        process.pause_market()
        yield process


@pytest.fixture
def gateway(venue: PaperProcess) -> Iterator[Gateway]:
    """The venue as it is, without faults, around 62,000."""
    made = make(venue)
    venue.set_depth(SYMBOL, bids=[("61999.99", "1"), ("61990.00", "5")], asks=[("62000.00", "1"), ("62010.00", "5")])
    yield made
    venue.disarm()
    for symbol in ("BTC/USDT", "ETH/USDT"):
        for report in made.open_orders(symbol):
            made.cancel_order(symbol, report.venue_order_id)
    made.close()
