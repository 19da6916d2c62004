"""What canned venues are asked about their market, and what they answer."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from pathlib import Path

import pytest

from exchanges.ccxt_gateway import CcxtGateway
from exchanges.config import Secret, VenueConfig
from exchanges.market_shown import SHOWN
from models.clock import milliseconds
from tests.support.paper import KEY, SECRET, PaperProcess

SYMBOL = "BTC/USDT"

D = Decimal

MINUTE = timedelta(minutes=1)

#: where the canned venues' clocks stand
NOW = datetime.fromtimestamp(1_760_000_000, UTC)

EIGHT = tuple(SHOWN)


@pytest.fixture(scope="module")
def venue(tmp_path_factory: pytest.TempPathFactory) -> Iterator[PaperProcess]:
    home: Path = tmp_path_factory.mktemp("paper")
    with PaperProcess(home, symbols="BTC/USDT,ETH/USDT") as process:
        process.pause_market()
        yield process


@pytest.fixture
def at(venue: PaperProcess) -> Iterator[CcxtGateway]:
    made = CcxtGateway(
        VenueConfig(
            name="paper",
            ccxt_id="binance",
            base_url=venue.url,
            api_key=Secret(KEY),
            secret=Secret(SECRET),
            timeout_ms=60_000,
        )
    )
    yield made
    venue.disarm()
    made.close()


LOOKS: dict[str, tuple[str, Callable[[CcxtGateway], object]]] = {
    "candles": ("klines", lambda at: at.candles(SYMBOL, MINUTE, NOW - timedelta(hours=1), NOW)),
    "public_trades": ("aggTrades", lambda at: at.public_trades(SYMBOL, at.estimated_time() - MINUTE)),
    "order_book": ("depth", lambda at: at.order_book(SYMBOL, 5)),
}


def seconds(at: datetime) -> int:
    return milliseconds(at) // 1000
