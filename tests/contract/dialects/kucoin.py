"""KuCoin spot, the high-frequency account: ``/api/v1/hf`` of its public documentation."""

from __future__ import annotations

import base64
import hashlib
import hmac
from collections.abc import Callable, Sequence
from decimal import Decimal
from typing import Any, TypeVar

from tests.contract.dialects.book import BookOrder, Fill, Reason, Refused, candles, plain
from tests.contract.dialects.dialect import KEY, PASSWORD, SECRET, Dialect
from tests.contract.dialects.server import Operation, Reply, Request, Route

D = Decimal
T = TypeVar("T")
PAIR = "BTC-USDT"
#: how far the time of a request may be off, in milliseconds; the venue's 5 s would fail a machine that stands still
TIMESTAMP_WINDOW_MS = 60_000
WEEK_MS = 7 * 86_400_000
KLINES_S = {"1min": 60, "5min": 300, "15min": 900, "1hour": 3600, "1day": 86_400}
#: without ``limit``, and at most
A_PAGE, LONGEST_PAGE = 20, 100

REFUSALS: dict[Reason, tuple[str, str]] = {
    Reason.FUNDS: ("200004", "Balance insufficient!"),
    Reason.NOTIONAL: ("600101", "The order funds should more then 5 USDT."),
    Reason.STEP: ("600100", "Order size increment invalid."),
    Reason.DUPLICATE: ("400100", "validation.createOrder.clientOidDuplicated"),
    Reason.NOT_FOUND: ("400100", "order_not_exist"),
    Reason.NOT_OPEN: ("400100", "order_not_exist_or_not_allow_to_cancel"),
}


class Kucoin(Dialect):
    ccxt_id = "kucoin"
    prints_a_page = 100
    dedupe = "always"
    post_only_ends = "canceled"

    def routes(self) -> Sequence[Route]:
        def public(path: str, operation: Operation, answer: Callable[[Request], Reply]) -> Route:
            return Route(method="GET", path=f"/api{path}", operation=operation, answer=answer, signed=False)

        def private(method: str, path: str, operation: Operation, answer: Callable[[Request], Reply]) -> Route:
            return Route(method=method, path=f"/api{path}", operation=operation, answer=answer)

        return (
            public("/v1/timestamp", Operation.TIME, lambda _: _yes(self.book.now_ms())),
            public("/v2/symbols", Operation.INSTRUMENTS, self._symbols),
            public("/v1/market/allTickers", Operation.OTHER, self._all_tickers),
            public("/v1/market/stats", Operation.QUOTE, self._stats),
            public("/v1/market/orderbook/level2_{count}", Operation.BOOK, self._order_book),
            public("/v1/market/histories", Operation.PUBLIC_TRADES, self.public_trades),
            public("/v1/market/candles", Operation.CANDLES, self._candles),
            private("GET", "/v3/margin/symbols", Operation.OTHER, lambda _: _yes({"timestamp": 1, "items": []})),
            private("GET", "/v1/isolated/symbols", Operation.OTHER, lambda _: _yes([])),
            private("GET", "/v1/accounts", Operation.BALANCES, self._accounts),
            private("POST", "/v1/hf/orders", Operation.CREATE, self._create),
            private("GET", "/v1/hf/orders/active", Operation.OPEN_ORDERS, self._active),
            private("GET", "/v1/hf/orders/done", Operation.ENDED_ORDERS, self._done),
            private("GET", "/v1/hf/orders/client-order/{client_id}", Operation.ORDER, self._order),
            private("GET", "/v1/hf/orders/{id}", Operation.ORDER, self._order),
            private("DELETE", "/v1/hf/orders/{id}", Operation.CANCEL, self._cancel),
            private("GET", "/v1/hf/fills", Operation.TRADES, self._fills),
        )

    def unsigned(self, request: Request) -> Reply | None:
        headers = request.headers
        if headers.get("kc-api-key") != KEY:
            return _no("400003", "KC-API-KEY not exists", 401)
        timestamp = headers["kc-api-timestamp"]
        if abs(self.book.now_ms() - int(timestamp)) > TIMESTAMP_WINDOW_MS:
            return _no("400002", "KC-API-TIMESTAMP Invalid", 401)
        target = request.path + (f"?{request.query_text}" if request.query_text else "")
        if headers.get("kc-api-sign") != _signed(f"{timestamp}{request.method}{target}{request.body}"):
            return _no("400005", "Invalid KC-API-SIGN", 401)
        if (headers["kc-api-key-version"], headers.get("kc-api-passphrase")) != ("2", _signed(PASSWORD)):
            return _no("400004", "Invalid KC-API-PASSPHRASE", 401)
        return None

    def refusal(self, refused: Refused, operation: Operation) -> Reply:
        reason = Reason.NOT_OPEN if operation is Operation.CANCEL else refused.reason
        return _no(*REFUSALS[reason])

    def unsure(self) -> Reply:
        return _no("408000", "Network timeout, please try again later")

    def too_often(self) -> Reply:
        return _no("429000", "Too many requests in a short period of time, please retry later", 429)

    def without_id(self, reply: Reply) -> Reply:
        assert isinstance(reply.body, dict)
        return Reply(body={**reply.body, "data": {"success": True}})

    def order_id(self, number: int) -> str:
        return f"63c97e47d686c500{number:08d}"

    # ----------------------------------------------------------------------------------------------------- the market

    def _symbols(self, _: Request) -> Reply:
        symbol = {
            "symbol": PAIR, "name": PAIR, "baseCurrency": "BTC", "quoteCurrency": "USDT", "feeCurrency": "USDT",
            "market": "USDS", "baseMinSize": "0.00001", "quoteMinSize": plain(self.book.min_notional),
            "baseMaxSize": "10000000000", "quoteMaxSize": "99999999", "baseIncrement": plain(self.book.lot),
            "quoteIncrement": "0.000001", "priceIncrement": plain(self.book.tick), "priceLimitRate": "0.1",
            "minFunds": plain(self.book.min_notional), "isMarginEnabled": False, "enableTrading": True,
        }  # fmt: skip
        return _yes([symbol])

    def _all_tickers(self, _: Request) -> Reply:
        return _yes({"time": self.book.now_ms(), "ticker": [self._shown_ticker()]})

    def _stats(self, request: Request) -> Reply:
        assert request.query["symbol"] == PAIR
        return _yes({"time": self.book.now_ms(), **self._shown_ticker()})

    def _shown_ticker(self) -> dict[str, str]:
        bid, ask = (self.book.levels(side, 1)[0][0] for side in ("buy", "sell"))
        return {
            "symbol": PAIR, "symbolName": PAIR, "buy": plain(bid), "sell": plain(ask), "changeRate": "-0.0055",
            "changePrice": "-63.6", "high": "63000", "low": "61000", "vol": "2282.7", "volValue": "25984946.1",
            "last": plain(bid), "averagePrice": "62000.1", "takerFeeRate": "0.001", "makerFeeRate": "0.001",
            "takerCoefficient": "1", "makerCoefficient": "1",
        }  # fmt: skip

    def _order_book(self, request: Request) -> Reply:
        assert request.parts["count"] in {"20", "100"}
        sides = {
            name: [[plain(price), plain(quantity)] for price, quantity in self.book.levels(side, 20)]
            for name, side in (("bids", "buy"), ("asks", "sell"))
        }
        return _yes({"time": self.book.now_ms(), "sequence": "3262786978", **sides})

    def _candles(self, request: Request) -> Reply:
        """Newest first, without the one that opens at ``endAt``."""
        query = request.query
        span_ms = KLINES_S[query["type"]] * 1000
        last_ms = min(int(query["endAt"]) * 1000 - 1, self.book.now_ms())
        rows = candles(span_ms, int(query["startAt"]) * 1000, last_ms)[-1500:]
        shown = [
            [str(row.open_ms // 1000), *map(plain, (row.open, row.close, row.high, row.low, row.volume, D(1)))]
            for row in reversed(rows)
        ]
        return _yes(shown)

    # ---------------------------------------------------------------------------------------------------- the account

    def _accounts(self, request: Request) -> Reply:
        accounts = [
            {"id": "5bd6e9286d99522a52e458de", "currency": asset, "type": "trade_hf", "balance": plain(total),
             "available": plain(self.book.free(asset)), "holds": plain(self.book.used(asset))}
            for asset, total in self.book.total.items()
        ]  # fmt: skip
        stored = {"id": "5bd6e9216d99522a52e458d6", "currency": "BTC", "type": "main", "balance": "7", "available": "7",
                  "holds": "0"}  # fmt: skip
        wanted = request.query.get("type")
        return _yes([account for account in (stored, *accounts) if wanted in {None, account["type"]}])

    def _create(self, request: Request) -> Reply:
        sent = request.json
        assert sent["symbol"] == PAIR
        assert "funds" not in sent, "the amount would be quote"
        order = self.book.place(
            side=sent["side"],
            type=sent["type"],
            quantity=D(sent["size"]),
            price=D(sent["price"]) if sent["type"] == "limit" else None,
            client_id=sent["clientOid"],
            time_in_force=sent.get("timeInForce", "GTC"),
            post_only=sent.get("postOnly", False),
            display_quantity=D(sent["visibleSize"]) if sent.get("iceberg") else None,
        )
        return _yes({"orderId": order.id, "clientOid": order.client_id})

    def _cancel(self, request: Request) -> Reply:
        assert request.query["symbol"] == PAIR
        return _yes({"orderId": self.book.cancel(request.parts["id"]).id})

    def _order(self, request: Request) -> Reply:
        assert request.query["symbol"] == PAIR
        return _yes(_shown(self.book.find(request.parts.get("id"), request.parts.get("client_id"))))

    def _active(self, request: Request) -> Reply:
        assert request.query["symbol"] == PAIR
        return _yes([_shown(order) for order in reversed(self.book.seen()) if order.status == "open"])

    def _done(self, request: Request) -> Reply:
        ended = [order for order in self.book.seen() if order.status != "open"]
        return _yes(_page(request, ended, lambda order: order.created_ms, _shown))

    def _fills(self, request: Request) -> Reply:
        return _yes(_page(request, self.book.seen_fills(), lambda fill: fill.at_ms, _fill))


def _shown(order: BookOrder) -> dict[str, Any]:
    canceled = order.remaining if order.status == "canceled" else D(0)
    return {
        "id": order.id,
        "clientOid": order.client_id,
        "symbol": PAIR,
        "opType": "DEAL",
        "type": order.type,
        "side": order.side,
        "price": plain(order.price or D(0)),
        "size": plain(order.quantity),
        "funds": plain(order.quantity * (order.price or D(0))),
        "dealSize": plain(order.filled),
        "dealFunds": plain(order.cost),
        "fee": plain(sum(order.fees.values(), D(0))),
        "feeCurrency": "USDT",
        "stp": None,
        "timeInForce": order.time_in_force,
        "postOnly": order.post_only,
        "hidden": False,
        "iceberg": order.display_quantity is not None,
        "visibleSize": plain(order.display_quantity or D(0)),
        "cancelAfter": 0,
        "channel": "API",
        "remark": None,
        "tags": None,
        "cancelExist": order.status == "canceled",
        "tradeType": "TRADE",
        "inOrderBook": order.status == "open",
        "active": order.status == "open",
        "cancelledSize": plain(canceled),
        "cancelledFunds": plain(canceled * (order.price or D(0))),
        "remainSize": plain(order.remaining - canceled),
        "remainFunds": plain((order.remaining - canceled) * (order.price or D(0))),
        "createdAt": order.created_ms,
        "lastUpdatedAt": order.updated_ms,
    }


def _fill(fill: Fill) -> dict[str, Any]:
    return {
        "id": 19_814_995_255_305 + fill.id,
        "symbol": PAIR,
        "tradeId": 11_029_373_945_659_393 + fill.id,
        "orderId": fill.order.id,
        "counterOrderId": "63c97e47d686c599ffffffff",
        "side": fill.order.side,
        "liquidity": "maker" if fill.maker else "taker",
        "forceTaker": False,
        "price": plain(fill.price),
        "size": plain(fill.quantity),
        "funds": plain(fill.quantity * fill.price),
        "fee": plain(fill.fee),
        "feeRate": "0.001",
        "feeCurrency": fill.fee_asset,
        "stop": "",
        "tradeType": "TRADE",
        "type": fill.order.type,
        "createdAt": fill.at_ms,
    }


def _page(
    request: Request, found: Sequence[T], age: Callable[[T], int], shown: Callable[[T], dict[str, Any]]
) -> dict[str, Any]:
    """Newest first, of at most a week: after ``startAt`` where no ``endAt`` is named."""
    query = request.query
    assert query["symbol"] == PAIR
    limit = int(query.get("limit", A_PAGE))
    assert limit <= LONGEST_PAGE, query
    since_ms = int(query["startAt"])
    until_ms = int(query.get("endAt", since_ms + WEEK_MS))
    assert until_ms - since_ms <= WEEK_MS, query
    within = [entry for entry in found if since_ms <= age(entry) <= until_ms]
    items = [shown(entry) for entry in sorted(within, key=age, reverse=True)[:limit]]
    return {"items": items, "lastId": items[-1]["id"] if items else 0}


def _signed(text: str) -> str:
    return base64.b64encode(hmac.new(SECRET.encode(), text.encode(), hashlib.sha256).digest()).decode()


def _yes(data: object) -> Reply:
    return Reply(body={"code": "200000", "data": data})


def _no(code: str, words: str, status: int = 200) -> Reply:
    return Reply(status=status, body={"code": code, "msg": words})


DIALECT = Kucoin
