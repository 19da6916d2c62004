"""MEXC spot, ``/api/v3``: a venue that ``exchanges.capabilities`` does not know, so that the most careful values are used.

Much of it is as Binance's. A create only acknowledges, lists are newest first, and it has words of its own for a no.
"""

from __future__ import annotations

import hashlib
import hmac
from collections.abc import Callable, Sequence
from decimal import Decimal
from typing import Any, ClassVar, TypeVar

from exchanges.evidence import Evidence
from tests.contract.dialects import binance
from tests.contract.dialects.book import BookOrder, Dedupe, Reason, Refused, plain
from tests.contract.dialects.dialect import KEY, SECRET
from tests.contract.dialects.server import Operation, Reply, Request, Route

T = TypeVar("T")
D = Decimal
#: reason -> code and words
REFUSALS: dict[Reason, tuple[int, str]] = {
    Reason.FUNDS: (30004, "Insufficient position"),
    Reason.NOTIONAL: (30002, "The minimum transaction volume cannot be less than：5USDT"),
    Reason.STEP: (400, "quantity scale is invalid"),
    Reason.NOT_FOUND: (-2013, "Order does not exist."),
    Reason.NOT_OPEN: (-2011, "Order filled or cancelled."),
}
#: what the venue has no time in force for is a type of its own
TIMES_IN_FORCE = {"IMMEDIATE_OR_CANCEL": "IOC", "FILL_OR_KILL": "FOK"}


class Mexc(binance.Binance):
    ccxt_id = "mexc"
    dedupe: ClassVar[Dedupe] = "never"
    post_only_ends = "canceled"
    #: requests are signed by our own clock, since nobody has looked at how the class makes its time
    tells_time = False
    looks = (Operation.OPEN_ORDERS, Operation.ENDED_ORDERS, Operation.TRADES)
    # Its class knows no code for these, or another meaning: what is not known proves nothing.
    unknown_proves = Evidence.AMBIGUOUS
    ended_proves = Evidence.REJECTED
    unknown_key_proves = Evidence.REJECTED

    def routes(self) -> Sequence[Route]:
        contracts = Route(
            method="GET",
            path="/api/v1/contract/detail",
            operation=Operation.OTHER,
            answer=lambda _: Reply(body={"success": True, "code": 0, "data": []}),
            signed=False,
        )
        return (*super().routes(), contracts)

    def unsigned(self, request: Request) -> Reply | None:
        if request.headers.get("x-mexc-apikey") != KEY:
            return _no(10072, "Api key info invalid")
        payload, _, signature = request.query_text.rpartition("&signature=")
        if hmac.new(SECRET.encode(), payload.encode(), hashlib.sha256).hexdigest() != signature:
            return _no(700002, "Signature for this request is not valid.")
        late_ms = self.book.now_ms() - int(request.query["timestamp"])
        if not -1000 < late_ms <= int(request.query["recvWindow"]):
            return _no(700003, "Timestamp for this request is outside of the recvWindow.")
        return None

    def refusal(self, refused: Refused, operation: Operation) -> Reply:
        return _no(*REFUSALS[refused.reason])

    def unsure(self) -> Reply:
        return Reply(status=504, body={"code": 504, "msg": "Gateway Time-out"})

    def too_often(self) -> Reply:
        return Reply(status=429, body={"code": 429, "msg": "Too Many Requests"})

    def _info(self, _: Request) -> Reply:
        symbol = {
            "symbol": binance.SYMBOL, "status": "1", "baseAsset": "BTC", "baseAssetPrecision": 5, "quoteAsset": "USDT",
            "quotePrecision": 2, "quoteAssetPrecision": 2, "isSpotTradingAllowed": True, "isMarginTradingAllowed": False,
            "orderTypes": ["LIMIT", "MARKET", "LIMIT_MAKER"], "permissions": ["SPOT"], "maxQuoteAmount": "2000000",
            "makerCommission": "0", "takerCommission": "0.001", "quoteAmountPrecision": plain(self.book.min_notional),
            "baseSizePrecision": plain(self.book.lot),
        }  # fmt: skip
        return Reply(body={"timezone": "CST", "serverTime": self.book.now_ms(), "symbols": [symbol]})

    def _create(self, request: Request) -> Reply:
        sent = request.query
        kind = sent["type"]
        assert "quoteOrderQty" not in sent
        order = self.book.place(
            side=sent["side"].lower(),
            type="market" if kind == "MARKET" else "limit",
            quantity=D(sent["quantity"]),
            price=D(sent["price"]) if "price" in sent else None,
            client_id=sent["newClientOrderId"],
            time_in_force=TIMES_IN_FORCE.get(kind, "GTC"),
            post_only=kind == "LIMIT_MAKER",
        )
        return Reply(body={"symbol": binance.SYMBOL, "orderId": order.id, "orderListId": -1})

    def _order(self, request: Request) -> Reply:
        return Reply(body=_shown(self._named(request)))

    def _cancel(self, request: Request) -> Reply:
        return Reply(body=_shown(self.book.cancel(self._named(request).id)))

    def _open(self, _: Request) -> Reply:
        return Reply(body=[_shown(order) for order in reversed(self.book.open()) if order in self.book.seen()])

    def _all(self, request: Request) -> Reply:
        return Reply(body=[_shown(order) for order in _page(request, self.book.seen(), lambda order: order.created_ms)])

    def _trades(self, request: Request) -> Reply:
        page = _page(request, self.book.seen_fills(), lambda fill: fill.at_ms)
        return Reply(body=[{**binance._trade(fill), "orderId": fill.order.id, "id": str(fill.id)} for fill in page])


def _no(code: int, words: str) -> Reply:
    return Reply(status=400, body={"code": code, "msg": words})


def _shown(order: BookOrder) -> dict[str, Any]:
    kind = {"IOC": "IMMEDIATE_OR_CANCEL", "FOK": "FILL_OR_KILL"}.get(order.time_in_force, order.type.upper())
    status = {"open": "NEW", "filled": "FILLED", "canceled": "CANCELED"}[order.status]
    if order.filled and order.status != "filled":
        status = "PARTIALLY_FILLED" if order.status == "open" else "PARTIALLY_CANCELED"
    return {
        "symbol": binance.SYMBOL,
        "orderId": order.id,
        "orderListId": -1,
        "clientOrderId": order.client_id,
        "price": plain(order.price or D(0)),
        "origQty": plain(order.quantity),
        "executedQty": plain(order.filled),
        "cummulativeQuoteQty": plain(order.cost),
        "status": status,
        "timeInForce": None,
        "type": "LIMIT_MAKER" if order.post_only else kind,
        "side": order.side.upper(),
        "time": order.created_ms,
        "updateTime": order.updated_ms,
        "isWorking": True,
        "origQuoteOrderQty": plain(order.quantity * (order.price or D(0))),
    }


def _page(request: Request, found: Sequence[T], age: Callable[[T], int]) -> list[T]:
    """Newest first."""
    query = request.query
    since_ms, until_ms = int(query.get("startTime", 0)), int(query.get("endTime", 1 << 62))
    within = [entry for entry in found if since_ms <= age(entry) <= until_ms]
    return sorted(within, key=age, reverse=True)[: int(query["limit"])]


DIALECT = Mexc
