"""Bitget, spot of a classic account: ``/api/v2`` of its public documentation."""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
from collections.abc import Callable, Sequence
from decimal import Decimal
from typing import TypeVar
from urllib.parse import unquote

from tests.contract.dialects.book import BookOrder, Fill, Reason, Refused, candles, plain
from tests.contract.dialects.dialect import KEY, PASSWORD, SECRET, Dialect
from tests.contract.dialects.server import Operation, Reply, Request, Route

T = TypeVar("T")
PREFIX = "/api/v2"
PAIR = "BTCUSDT"
#: how old a request may be, in milliseconds
TIMESTAMP_WINDOW_MS = 30_000
GRANULARITIES_S = {"1min": 60, "3min": 180, "5min": 300, "15min": 900, "30min": 1800, "1h": 3600, "4h": 14_400,
                   "6Hutc": 21_600, "12Hutc": 43_200, "1Dutc": 86_400}  # fmt: skip

REFUSALS: dict[Reason, tuple[int, str, str]] = {
    Reason.FUNDS: (400, "43012", "Insufficient balance"),
    Reason.NOTIONAL: (400, "45110", "less than the minimum amount 5 USDT"),
    Reason.STEP: (400, "40808", "Parameter verification exception size checkBDScale error value=0.000001 checkScale=5"),
    Reason.DUPLICATE: (400, "43118", "clientOrderId duplicate"),
    Reason.NOT_FOUND: (400, "43001", "The order does not exist"),
    Reason.NOT_OPEN: (400, "43001", "The order does not exist"),
}


class Bitget(Dialect):
    ccxt_id = "bitget"
    dedupe = "always"
    post_only_ends = "canceled"

    def routes(self) -> Sequence[Route]:
        def public(path: str, operation: Operation, answer: Callable[[Request], Reply]) -> Route:
            return Route(method="GET", path=f"{PREFIX}{path}", operation=operation, answer=answer, signed=False)

        def private(method: str, path: str, operation: Operation, answer: Callable[[Request], Reply]) -> Route:
            return Route(method=method, path=f"{PREFIX}/spot{path}", operation=operation, answer=answer)

        return (
            public("/public/time", Operation.TIME, lambda _: self._yes({"serverTime": str(self.book.now_ms())})),
            public("/spot/public/symbols", Operation.INSTRUMENTS, self._symbols),
            public("/margin/currencies", Operation.OTHER, lambda _: self._yes([])),
            public("/spot/market/tickers", Operation.QUOTE, self._tickers),
            public("/spot/market/orderbook", Operation.BOOK, self._order_book),
            public("/spot/market/fills-history", Operation.PUBLIC_TRADES, self.public_trades),
            public("/spot/market/candles", Operation.CANDLES, self._candles),
            public("/spot/market/history-candles", Operation.CANDLES, self._candles),
            private("GET", "/account/assets", Operation.BALANCES, self._assets),
            private("POST", "/trade/place-order", Operation.CREATE, self._create),
            private("POST", "/trade/cancel-order", Operation.CANCEL, self._cancel),
            private("GET", "/trade/orderInfo", Operation.ORDER, self._order),
            private("GET", "/trade/unfilled-orders", Operation.OPEN_ORDERS, self._unfilled),
            private("GET", "/trade/history-orders", Operation.ENDED_ORDERS, self._history),
            private("GET", "/trade/fills", Operation.TRADES, self._fills),
        )

    def unsigned(self, request: Request) -> Reply | None:
        headers = request.headers
        if headers.get("access-key") != KEY:
            return self._no(400, "40006", "Invalid ACCESS_KEY")
        timestamp = headers["access-timestamp"]
        query = f"?{unquote(request.query_text)}" if request.query_text else ""
        signed = f"{timestamp}{request.method}{request.path}{query}{request.body}"
        signature = hmac.new(SECRET.encode(), signed.encode(), hashlib.sha256).digest()
        if headers.get("access-sign") != base64.b64encode(signature).decode():
            return self._no(400, "40009", "sign signature error")
        if headers.get("access-passphrase") != PASSWORD:
            return self._no(400, "40012", "apikey/password is incorrect")
        if abs(self.book.now_ms() - int(timestamp)) > TIMESTAMP_WINDOW_MS:
            return self._no(400, "40008", "Request timestamp expired")
        return None

    def refusal(self, refused: Refused, operation: Operation) -> Reply:
        if refused.reason is Reason.NOT_FOUND and operation is Operation.ORDER:
            return self._yes([])
        return self._no(*REFUSALS[refused.reason])

    def unsure(self) -> Reply:
        return self._no(400, "40010", "Request timed out")

    def too_often(self) -> Reply:
        return self._no(429, "429", "Too Many Requests")

    def without_id(self, reply: Reply) -> Reply:
        assert isinstance(reply.body, dict)
        return Reply(body={**reply.body, "data": {**reply.body["data"], "orderId": None}})

    def order_id(self, number: int) -> str:
        return str(1_098_394_344_925_597_696 + 4096 * number)

    def _yes(self, data: object) -> Reply:
        return Reply(body={"code": "00000", "msg": "success", "requestTime": self.book.now_ms(), "data": data})

    def _no(self, status: int, code: str, message: str) -> Reply:
        body = {"code": code, "msg": message, "requestTime": self.book.now_ms(), "data": None}
        return Reply(status=status, body=body)

    # ------------------------------------------------------------------------------------------------------ the market

    def _symbols(self, _: Request) -> Reply:
        symbol = {
            "symbol": PAIR,
            "baseCoin": "BTC",
            "quoteCoin": "USDT",
            "minTradeAmount": plain(self.book.lot),
            "maxTradeAmount": "10000",
            "takerFeeRate": "0.001",
            "makerFeeRate": "0.001",
            "pricePrecision": "2",
            "quantityPrecision": "5",
            "quotePrecision": "7",
            "status": "online",
            "minTradeUSDT": plain(self.book.min_notional),
            "buyLimitPriceRatio": "0.5",
            "sellLimitPriceRatio": "0.5",
            "areaSymbol": "no",
        }
        return self._yes([symbol])

    def _tickers(self, request: Request) -> Reply:
        assert request.query["symbol"] == PAIR
        (bid, bid_size), (ask, ask_size) = self.book.levels("buy", 1)[0], self.book.levels("sell", 1)[0]
        ticker = {
            "symbol": PAIR,
            "open": "61900",
            "high24h": "62500",
            "low24h": "61500",
            "lastPr": plain(bid),
            "quoteVolume": "519127705.303",
            "baseVolume": "8370.2",
            "usdtVolume": "519127705.302908",
            "ts": str(self.book.now_ms()),
            "bidPr": plain(bid),
            "askPr": plain(ask),
            "bidSz": plain(bid_size),
            "askSz": plain(ask_size),
            "openUtc": "61950",
            "changeUtc24h": "0.00081",
            "change24h": "0.00161",
        }
        return self._yes([ticker])

    def _order_book(self, request: Request) -> Reply:
        count = int(request.query["limit"])
        sides = {
            name: [[plain(price), plain(quantity)] for price, quantity in self.book.levels(side, count)]
            for name, side in (("asks", "sell"), ("bids", "buy"))
        }
        return self._yes({**sides, "ts": str(self.book.now_ms())})

    def _candles(self, request: Request) -> Reply:
        """The last ``limit`` that open up to ``endTime``, oldest first."""
        query = request.query
        span_ms = GRANULARITIES_S[query["granularity"]] * 1000
        limit, last_ms = int(query["limit"]), int(query["endTime"])
        first_ms = last_ms // span_ms * span_ms - (limit - 1) * span_ms
        if not request.path.endswith("history-candles"):
            first_ms = max(first_ms, int(query["startTime"]))
        rows = candles(span_ms, first_ms, last_ms)
        figures = [
            (row.open, row.high, row.low, row.close, row.volume, row.volume * row.close, row.volume * row.close)
            for row in rows
        ]
        return self._yes([[str(row.open_ms), *map(plain, found)] for row, found in zip(rows, figures, strict=True)])

    # ----------------------------------------------------------------------------------------------------- the account

    def _assets(self, _: Request) -> Reply:
        rows = [
            {"coin": asset, "available": plain(self.book.free(asset)), "frozen": plain(self.book.used(asset)),
             "locked": "0", "limitAvailable": "0", "uTime": str(self.book.now_ms())}
            for asset in self.book.total
        ]  # fmt: skip
        return self._yes(rows)

    def _create(self, request: Request) -> Reply:
        body = request.json
        assert body["symbol"] == PAIR
        assert body["orderType"] == "limit" or body["side"] == "sell", "the size of a market buy is quote"
        # Its documentation requires it of a limit order and ignores it in a market one.
        word = body["force"].lower() if body["orderType"] == "limit" else "gtc"
        assert word in {"gtc", "ioc", "fok", "post_only"}, word
        order = self.book.place(
            side=body["side"],
            type=body["orderType"],
            quantity=Decimal(body["size"]),
            price=Decimal(body["price"]) if body["orderType"] == "limit" else None,
            client_id=body["clientOid"],
            time_in_force="GTC" if word == "post_only" else word.upper(),
            post_only=word == "post_only",
        )
        return self._yes({"orderId": order.id, "clientOid": order.client_id})

    def _cancel(self, request: Request) -> Reply:
        body = request.json
        assert body["symbol"] == PAIR
        order = self.book.cancel(body.get("orderId"), body.get("clientOid"))
        return self._yes({"orderId": order.id, "clientOid": order.client_id})

    def _order(self, request: Request) -> Reply:
        order = self.book.find(request.query.get("orderId"), request.query.get("clientOid"))
        return self._yes([_told(order) | _priced(order)])

    def _unfilled(self, request: Request) -> Reply:
        before = int(request.query.get("idLessThan", 1 << 62))
        found = [order for order in self.book.seen() if order.status == "open" and int(order.id) < before]
        return self._yes([_told(order) | _priced_while_open(order) for order in _page(request, found, _created_ms)])

    def _history(self, request: Request) -> Reply:
        found = [order for order in self.book.seen() if order.status != "open"]
        return self._yes([_told(order) | _priced(order) for order in _page(request, found, _created_ms)])

    def _fills(self, request: Request) -> Reply:
        return self._yes([_fill(fill) for fill in _page(request, self.book.seen_fills(), lambda fill: fill.at_ms)])


def _told(order: BookOrder) -> dict[str, str]:
    status = {"open": "partially_filled" if order.filled else "live", "canceled": "cancelled"}
    return {
        "userId": "7264631750",
        "symbol": PAIR,
        "orderId": order.id,
        "clientOid": order.client_id or "",
        "size": f"{order.quantity:.16f}",
        "orderType": order.type,
        "side": order.side,
        "status": status.get(order.status, order.status),
        "baseVolume": f"{order.filled:.16f}",
        "quoteVolume": f"{order.cost:.16f}",
        "enterPointSource": "API",
        "orderSource": "market" if order.type == "market" else "normal",
        "triggerPrice": "",
        "tpslType": "normal",
        "cTime": str(order.created_ms),
        "uTime": str(order.updated_ms),
    }


def _priced(order: BookOrder) -> dict[str, str]:
    return {
        "price": f"{order.price or 0:.16f}",
        "priceAvg": f"{order.average:.16f}",
        "feeDetail": _fee_detail(order),
        "cancelReason": "" if order.status != "canceled" else "normal_cancel",
    }


def _priced_while_open(order: BookOrder) -> dict[str, str]:
    """The list of open orders calls an order's price ``priceAvg``, and the average of its fills ``basePrice``."""
    return {"priceAvg": f"{order.price or 0:.16f}", "basePrice": f"{order.average:.16f}"}


def _fee_detail(order: BookOrder) -> str:
    """JSON within JSON; nothing while nothing was paid. Fees are negative."""
    if not order.fees:
        return ""
    ((asset, paid),) = order.fees.items()
    whole = float(-paid)
    news = {"c": 0, "d": 0, "deduction": False, "r": whole, "t": whole, "totalDeductionFee": 0}
    coin = {"deduction": False, "feeCoinCode": asset, "totalDeductionFee": 0, "totalFee": whole}
    return json.dumps({"newFees": news, asset: coin})


def _fill(fill: Fill) -> dict[str, object]:
    return {
        "userId": "7264631750",
        "symbol": PAIR,
        "orderId": fill.order.id,
        "tradeId": str(1_098_394_344_974_925_824 + fill.id),
        "orderType": fill.order.type,
        "side": fill.order.side,
        "priceAvg": plain(fill.price),
        "size": plain(fill.quantity),
        "amount": plain(fill.quantity * fill.price),
        "feeDetail": {
            "deduction": "no",
            "feeCoin": fill.fee_asset,
            "totalDeductionFee": "",
            "totalFee": plain(-fill.fee),
        },
        "tradeScope": "maker" if fill.maker else "taker",
        "cTime": str(fill.at_ms),
        "uTime": str(fill.at_ms),
    }


def _created_ms(order: BookOrder) -> int:
    return order.created_ms


def _page(request: Request, found: Sequence[T], age: Callable[[T], int]) -> Sequence[T]:
    """Newest first; of one millisecond the one that came last."""
    query = request.query
    assert query.get("symbol", PAIR if request.path.endswith("/unfilled-orders") else None) == PAIR
    limit = int(query.get("limit", 100))
    assert 1 <= limit <= 100, query
    since_ms, until_ms = int(query.get("startTime", 0)), int(query.get("endTime", 1 << 62))
    within = [entry for entry in reversed(found) if since_ms <= age(entry) <= until_ms]
    return sorted(within, key=age, reverse=True)[:limit]


DIALECT = Bitget
