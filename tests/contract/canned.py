"""Gateways of real ccxt classes whose connections are canned: what is answered is in the test, nothing is sent."""

from __future__ import annotations

import http.client
import io
from collections.abc import Callable
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

from exchanges.ccxt_gateway import CcxtGateway
from exchanges.config import Secret, VenueConfig
from exchanges.http_connection import RawReply
from exchanges.http_pool import ConnectionPool
from models.reports import NewOrder
from models.vocabulary import OrderType, Side, TimeInForce

API_KEY = "canary-key-0123456789abcdef"
SECRET = "Y2FuYXJ5LXNlY3JldC0wMTIzNDU2Nzg5YWJjZGVmMDEyMzQ1Njc4OQ=="
PASSWORD = "canary-password"
BASE = "http://127.0.0.1:9"
SYMBOL = "BTC/USDT"

#: what a reply is made of: a status with its body and headers, or an exception of the connection
Answer = Callable[[str], RawReply] | BaseException


def reply(status: int, body: str, headers: dict[str, str] | None = None) -> RawReply:
    lines = "".join(f"{name}: {value}\r\n" for name, value in (headers or {"Content-Type": "application/json"}).items())
    parsed = http.client.parse_headers(io.BytesIO(f"{lines}\r\n".encode()))
    return RawReply(status=status, reason="Because", headers=parsed, body=body.encode())


class CannedConnection:
    replies = 0

    def __init__(self, pool: CannedPool) -> None:
        self._pool = pool

    def send(self, message: bytes, deadline: float) -> None:
        self._pool.sent.append(message.decode())

    def receive(self, method: str, deadline: float) -> tuple[RawReply, bool]:
        answer = self._pool.answer(self._pool.sent[-1].split(" ", 2)[1])
        if isinstance(answer, BaseException):
            raise answer
        return answer, False

    def close(self) -> None:
        pass


class CannedPool(ConnectionPool):
    """Stands where the connections are; ``answer(target)`` gives a reply or an exception."""

    def __init__(
        self, answer: Callable[[str], RawReply | BaseException], *, connects: BaseException | None = None
    ) -> None:
        super().__init__(max_idle=0)
        self.answer = answer
        self.sent: list[str] = []
        self._connects = connects

    def connect(self, origin: object, deadline: float) -> Any:
        if self._connects is not None:
            raise self._connects
        self._open += 1
        return CannedConnection(self)


def gateway(
    ccxt_id: str, answer: RawReply | BaseException | Callable[[str], Any], **pool: Any
) -> tuple[CcxtGateway, CannedPool]:
    """A gateway with one market, its clock set, and every connection canned."""
    made = CcxtGateway(
        VenueConfig(
            name="venue",
            ccxt_id=ccxt_id,
            base_url=BASE,
            api_key=Secret(API_KEY),
            secret=Secret(SECRET),
            password=Secret(PASSWORD),
            timeout_ms=2000,
        )
    )
    canned = CannedPool(answer if callable(answer) else lambda _: answer, **pool)
    instances = made._caller._pool
    instances._connections = canned
    with instances.instance() as instance:
        instance.exchange.set_markets([_market(instance.exchange)])
        instance.exchange.options |= {
            "enableUnifiedAccount": True,
            "enableUnifiedMargin": False,
            "unifiedMarginStatus": 4,
        }
        instances.share_markets(instance)
    made._caller.clock.measure(lambda: 1_760_000_000_000)
    return made, canned


def order(**changes: Any) -> NewOrder:
    values: dict[str, Any] = {
        "symbol": SYMBOL,
        "side": Side.BUY,
        "type": OrderType.LIMIT,
        "quantity": Decimal("0.010"),
        "price": Decimal("50000.10"),
        "time_in_force": TimeInForce.GTC,
        "post_only": False,
        "client_order_id": "abc000000000000001",
        "timestamp": datetime(2025, 10, 9, 8, 53, 20, tzinfo=UTC),
        "window_ms": 5000,
    }
    return NewOrder(**{**values, **changes})


def _market(exchange: Any) -> dict[str, Any]:
    ids = {"okx": "BTC-USDT", "coinbase": "BTC-USDT", "kucoin": "BTC-USDT", "gate": "BTC_USDT", "kraken": "XBTUSDT"}
    return exchange.safe_market_structure(
        {
            "id": ids.get(exchange.id, "BTCUSDT"),
            "symbol": SYMBOL,
            "base": "BTC",
            "quote": "USDT",
            "baseId": "BTC",
            "quoteId": "USDT",
            "type": "spot",
            "spot": True,
            "margin": False,
            "swap": False,
            "future": False,
            "option": False,
            "contract": False,
            "active": True,
            "precision": {"amount": "0.00001", "price": "0.01"},
            "limits": {"amount": {"min": "0.00001"}, "price": {}, "cost": {"min": "5"}},
            "info": {"orderTypes": ["LIMIT", "LIMIT_MAKER", "MARKET"]},
        }
    )
