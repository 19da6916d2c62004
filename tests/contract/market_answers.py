"""What canned venues are asked about their market, and what they answer."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from decimal import Decimal

from exchanges.ccxt_gateway import CcxtGateway
from exchanges.market_shown import SHOWN
from models.clock import milliseconds

SYMBOL = "BTC/USDT"

D = Decimal

MINUTE = timedelta(minutes=1)

#: where the canned venues' clocks stand
NOW = datetime.fromtimestamp(1_760_000_000, UTC)

EIGHT = tuple(SHOWN)


LOOKS: dict[str, tuple[str, Callable[[CcxtGateway], object]]] = {
    "candles": ("klines", lambda at: at.candles(SYMBOL, MINUTE, NOW - timedelta(hours=1), NOW)),
    "public_trades": ("aggTrades", lambda at: at.public_trades(SYMBOL, at.estimated_time() - MINUTE)),
    "order_book": ("depth", lambda at: at.order_book(SYMBOL, 5)),
}


def seconds(at: datetime) -> int:
    return milliseconds(at) // 1000
