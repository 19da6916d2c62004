"""Bybit's v5 interface for spot on a unified account, by its public documentation. Refusals come with HTTP 200."""

from __future__ import annotations

import hashlib
import hmac
from collections.abc import Sequence
from decimal import Decimal
from typing import Any

from tests.contract.dialects.book import BookOrder, Fill, Reason, Refused, candles, newest, plain
from tests.contract.dialects.dialect import AHEAD_MS, KEY, SECRET, Dialect
from tests.contract.dialects.server import Operation, Reply, Request, Route

D = Decimal
SYMBOL = "BTCUSDT"
MINUTE_MS = 60_000
WEEK_MS = 7 * 86_400_000
REFUSALS: dict[Reason, tuple[int, str]] = {
    Reason.FUNDS: (170131, "Insufficient balance."),
    Reason.NOTIONAL: (170140, "Order value exceeded lower limit."),
    Reason.STEP: (170137, "Order quantity decimal too long."),
    Reason.DUPLICATE: (170141, "Duplicate clientOrderId"),
    Reason.NOT_FOUND: (170213, "Order does not exist."),
    Reason.NOT_OPEN: (170213, "Order does not exist."),
}


class Bybit(Dialect):
    ccxt_id = "bybit"
    open_orders_a_page = 50
    trades_a_page = 100
    ended_orders_a_page = 50
    prints_a_page = 60
    dedupe = "always"
    post_only_ends = "canceled"
    #: ids of orders
    _forgotten: frozenset[str] | set[str] = frozenset()

    def reset(self) -> None:
        super().reset()
        self._forgotten = frozenset()

    def routes(self) -> Sequence[Route]:
        public = {"method": "GET", "signed": False}
        return (
            Route(path="/v5/market/time", operation=Operation.TIME, answer=self._time, **public),
            Route(path="/v5/market/instruments-info", operation=Operation.INSTRUMENTS, answer=self._info, **public),
            Route(path="/v5/market/orderbook", operation=Operation.BOOK, answer=self._depth, **public),
            Route(path="/v5/market/tickers", operation=Operation.QUOTE, answer=self._ticker, **public),
            Route(path="/v5/market/kline", operation=Operation.CANDLES, answer=self._klines, **public),
            Route(
                path="/v5/market/recent-trade", operation=Operation.PUBLIC_TRADES, answer=self.public_trades, **public
            ),
            Route(method="GET", path="/v5/user/query-api", operation=Operation.OTHER, answer=self._key),
            Route(method="GET", path="/v5/account/info", operation=Operation.OTHER, answer=self._account),
            Route(method="GET", path="/v5/account/wallet-balance", operation=Operation.BALANCES, answer=self._wallet),
            Route(method="POST", path="/v5/order/create", operation=Operation.CREATE, answer=self._create),
            Route(method="POST", path="/v5/order/cancel", operation=Operation.CANCEL, answer=self._cancel),
            Route(method="GET", path="/v5/order/realtime", operation=_one_or_open, answer=self._realtime),
            Route(method="GET", path="/v5/order/history", operation=Operation.ENDED_ORDERS, answer=self._history),
            Route(method="GET", path="/v5/execution/list", operation=Operation.TRADES, answer=self._executions),
        )

    def unsigned(self, request: Request) -> Reply | None:
        headers = request.headers
        if headers.get("x-bapi-api-key") != KEY:
            return self._no(10003, "API key is invalid.")
        sent_ms, window_ms = headers["x-bapi-timestamp"], headers["x-bapi-recv-window"]
        payload = f"{sent_ms}{KEY}{window_ms}{request.body if request.method == 'POST' else request.query_text}"
        if hmac.new(SECRET.encode(), payload.encode(), hashlib.sha256).hexdigest() != headers.get("x-bapi-sign"):
            return self._no(10004, "Error sign, please check your signature generation algorithm.")
        if not -AHEAD_MS < self.book.now_ms() - int(sent_ms) <= int(window_ms):
            return self._no(10002, "The request time exceeds the time window range.")
        return None

    def refusal(self, refused: Refused, operation: Operation) -> Reply:
        return self._no(*REFUSALS[refused.reason])

    def unsure(self) -> Reply:
        return self._no(10000, "Server Timeout")

    def too_often(self) -> Reply:
        refused = self._no(10006, "Too many visits. Exceeded the API Rate Limit.")
        return Reply(status=429, body=refused.body)

    def without_id(self, reply: Reply) -> Reply:
        return self._yes({})

    def forget_ended(self) -> None:
        """After a release its realtime list is without them, and the history has them."""
        self._forgotten = {order.id for order in self.book.orders if order.status != "open"}

    # ----------------------------------------------------------------------------------------------------- the market

    def _time(self, _: Request) -> Reply:
        now_ms = self.book.now_ms()
        return self._yes({"timeSecond": str(now_ms // 1000), "timeNano": str(now_ms * 1_000_000)})

    def _info(self, request: Request) -> Reply:
        assert request.query["category"] == "spot"
        lots = {
            "basePrecision": plain(self.book.lot), "quotePrecision": "0.0000001", "minOrderQty": "0.00001",
            "maxOrderQty": "500", "minOrderAmt": plain(self.book.min_notional), "maxOrderAmt": "4000000",
        }  # fmt: skip
        symbol = {
            "symbol": SYMBOL, "baseCoin": "BTC", "quoteCoin": "USDT", "innovation": "0", "status": "Trading",
            "marginTrading": "none", "lotSizeFilter": lots, "priceFilter": {"tickSize": plain(self.book.tick)},
        }  # fmt: skip
        return self._yes({"category": "spot", "list": [symbol]})

    def _depth(self, request: Request) -> Reply:
        count = int(request.query.get("limit", 1))
        assert 1 <= count <= 200
        bids, asks = ([[plain(p), plain(q)] for p, q in self.book.levels(s, count)] for s in ("buy", "sell"))
        return self._yes({"s": SYMBOL, "b": bids, "a": asks, "ts": self.book.now_ms(), "u": 1, "seq": 1})

    def _ticker(self, _: Request) -> Reply:
        (bid, bid_quantity), (ask, ask_quantity) = (self.book.levels(side, 1)[0] for side in ("buy", "sell"))
        ticker = {
            "symbol": SYMBOL, "bid1Price": plain(bid), "bid1Size": plain(bid_quantity), "ask1Price": plain(ask),
            "ask1Size": plain(ask_quantity), "lastPrice": plain(ask),
        }  # fmt: skip
        return self._yes({"category": "spot", "list": [ticker]})

    def _klines(self, request: Request) -> Reply:
        query = request.query
        assert query["interval"] == "1"
        last_ms = min(int(query.get("end", self.book.now_ms())), self.book.now_ms())
        rows = candles(MINUTE_MS, int(query["start"]), last_ms)[::-1][: int(query.get("limit", 200))]
        listed = [[str(r.open_ms), *map(plain, (r.open, r.high, r.low, r.close, r.volume)), "1"] for r in rows]
        return self._yes({"category": "spot", "symbol": SYMBOL, "list": listed})

    # ---------------------------------------------------------------------------------------------------- the account

    def _key(self, _: Request) -> Reply:
        return self._yes({"id": "1", "apiKey": KEY, "readOnly": 0, "unified": 0, "uta": 1, "userID": 1})

    def _account(self, _: Request) -> Reply:
        return self._yes({"unifiedMarginStatus": 5, "marginMode": "REGULAR_MARGIN", "spotHedgingStatus": "OFF"})

    def _wallet(self, request: Request) -> Reply:
        assert request.query["accountType"] == "UNIFIED"
        coins = [
            {"coin": asset, "equity": plain(self.book.total[asset]), "walletBalance": plain(self.book.total[asset]),
             "locked": plain(self.book.used(asset)), "availableToWithdraw": "", "totalOrderIM": "0",
             "totalPositionIM": "0", "borrowAmount": "0", "accruedInterest": "0"}
            for asset in ("BTC", "USDT")
        ]  # fmt: skip
        return self._yes({"list": [{"accountType": "UNIFIED", "coin": coins}]})

    def _create(self, request: Request) -> Reply:
        sent = request.json
        assert (sent["category"], sent["symbol"]) == ("spot", SYMBOL)
        kind, time_in_force = sent["orderType"].lower(), sent.get("timeInForce", "GTC")
        assert kind == "limit" or sent.get("marketUnit", "quoteCoin" if sent["side"] == "Buy" else "") != "quoteCoin"
        order = self.book.place(
            side=sent["side"].lower(),
            type=kind,
            quantity=D(sent["qty"]),
            price=D(sent["price"]) if kind == "limit" else None,
            client_id=sent["orderLinkId"],
            time_in_force="GTC" if time_in_force == "PostOnly" else time_in_force,
            post_only=time_in_force == "PostOnly",
        )
        return self._yes({"orderId": order.id, "orderLinkId": order.client_id})

    def _cancel(self, request: Request) -> Reply:
        sent = request.json
        assert (sent["category"], sent["symbol"]) == ("spot", SYMBOL)
        order = self.book.cancel(sent.get("orderId"), sent.get("orderLinkId"))
        return self._yes({"orderId": order.id, "orderLinkId": order.client_id})

    def _realtime(self, request: Request) -> Reply:
        """By id also what ended lately; the id goes before the client id, and an empty one counts as none."""
        query = request.query
        if query.get("orderId") or query.get("orderLinkId"):
            known = [order for order in self.book.seen() if order.id not in self._forgotten]
            return self._list(_by_id(known, query), query)
        return self._list([order for order in self.book.seen() if order.status == "open"], query)

    def _history(self, request: Request) -> Reply:
        query = request.query
        ended = [order for order in self.book.seen() if order.status != "open"]
        if query.get("orderId") or query.get("orderLinkId"):
            return self._list(_by_id(ended, query), query)
        first_ms, last_ms = self._span(query)
        return self._list([order for order in ended if first_ms <= order.created_ms <= last_ms], query)

    def _executions(self, request: Request) -> Reply:
        query = request.query
        first_ms, last_ms = self._span(query)
        count = int(query.get("limit", 50))
        assert count <= 100
        fills = [fill for fill in self.book.seen_fills() if first_ms <= fill.at_ms <= last_ms]
        fills = [fill for fill in fills if query.get("orderId") in {None, fill.order.id}]
        listed = [_execution(fill) for fill in fills[::-1][:count]]
        return self._yes({"category": "spot", "list": listed, "nextPageCursor": ""})

    def _span(self, query: dict[str, str]) -> tuple[int, int]:
        """Both ends: at most a week, and a week where one of them is left out."""
        begin, end = (int(query[name]) if name in query else None for name in ("startTime", "endTime"))
        if begin is None:
            begin = (end or self.book.now_ms()) - WEEK_MS
        if end is None:
            end = begin + WEEK_MS
        assert end - begin <= WEEK_MS, "the venue looks at a week at most"
        return begin, end

    def _list(self, orders: list[BookOrder], query: dict[str, str]) -> Reply:
        count = int(query.get("limit", 20))
        assert count <= 50
        page = newest(orders)
        if query.get("cursor"):
            page = page[[order.id for order in page].index(query["cursor"].removeprefix("after:")) + 1 :]
        page = page[:count]
        cursor = f"after:{page[-1].id}" if page else ""
        listed = [_shown(order) for order in page]
        return self._yes({"category": "spot", "list": listed, "nextPageCursor": cursor})

    def _yes(self, result: dict[str, Any]) -> Reply:
        return Reply(
            body={"retCode": 0, "retMsg": "OK", "result": result, "retExtInfo": {}, "time": self.book.now_ms()}
        )

    def _no(self, code: int, words: str) -> Reply:
        now_ms = self.book.now_ms()
        return Reply(body={"retCode": code, "retMsg": words, "result": {}, "retExtInfo": {}, "time": now_ms})


def _one_or_open(request: Request) -> Operation:
    named = request.query.get("orderId") or request.query.get("orderLinkId")
    return Operation.ORDER if named else Operation.OPEN_ORDERS


def _by_id(orders: list[BookOrder], query: dict[str, str]) -> list[BookOrder]:
    if query.get("orderId"):
        return [order for order in orders if order.id == query["orderId"]]
    return [order for order in orders if order.client_id == query["orderLinkId"]]


def _shown(order: BookOrder) -> dict[str, Any]:
    status = {"open": "New", "filled": "Filled", "canceled": "Cancelled"}[order.status]
    if order.filled and order.status != "filled":
        status = "PartiallyFilled" if order.status == "open" else "PartiallyFilledCanceled"
    return {
        "symbol": SYMBOL,
        "orderId": order.id,
        "orderLinkId": order.client_id,
        "orderType": order.type.capitalize(),
        "orderStatus": status,
        "side": order.side.capitalize(),
        "price": plain(order.price or D(0)),
        "qty": plain(order.quantity),
        "marketUnit": "baseCoin" if order.type == "market" else "",
        "avgPrice": plain(order.average.quantize(D("0.000001"))) if order.filled else "",
        "cumExecQty": plain(order.filled),
        "cumExecValue": plain(order.cost),
        "leavesQty": plain(order.remaining if order.status == "open" else D(0)),
        "cumExecFee": plain(sum(order.fees.values(), D(0))),
        "cumFeeDetail": {asset: plain(fee) for asset, fee in order.fees.items()},
        "timeInForce": "PostOnly" if order.post_only else order.time_in_force,
        "rejectReason": "EC_NoError",
        "createdTime": str(order.created_ms),
        "updatedTime": str(order.updated_ms),
    }


def _execution(fill: Fill) -> dict[str, Any]:
    return {
        "symbol": SYMBOL,
        "orderId": fill.order.id,
        "orderLinkId": fill.order.client_id,
        "side": fill.order.side.capitalize(),
        "orderPrice": plain(fill.order.price or D(0)),
        "orderQty": plain(fill.order.quantity),
        "orderType": fill.order.type.capitalize(),
        "execId": str(2_210_000_000_000_000_000 + fill.id),
        "execPrice": plain(fill.price),
        "execQty": plain(fill.quantity),
        "execValue": plain(fill.quantity * fill.price),
        "execFee": plain(fill.fee),
        "feeCurrency": fill.fee_asset,
        "feeRate": "0.001",
        "execType": "Trade",
        "execTime": str(fill.at_ms),
        "isMaker": fill.maker,
    }


DIALECT = Bybit
