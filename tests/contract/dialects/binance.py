"""Binance spot, ``/api/v3``, by its public documentation."""

from __future__ import annotations

import hashlib
import hmac
from collections.abc import Sequence
from decimal import Decimal
from typing import Any, ClassVar

from tests.contract.dialects.book import BookOrder, Dedupe, Fill, Reason, Refused, candles, plain
from tests.contract.dialects.dialect import AHEAD_MS, KEY, SECRET, Dialect
from tests.contract.dialects.server import Operation, Reply, Request, Route

D = Decimal
SYMBOL = "BTCUSDT"
MINUTE_MS = 60_000
#: entries of a list
MOST = 1000
STATUSES = {"open": "NEW", "filled": "FILLED", "canceled": "CANCELED"}
#: reason -> code and words
REFUSALS: dict[Reason, tuple[int, str]] = {
    Reason.FUNDS: (-2010, "Account has insufficient balance for requested action."),
    Reason.POST_ONLY: (-2010, "Order would immediately match and take."),
    Reason.NOTIONAL: (-1013, "Filter failure: NOTIONAL"),
    Reason.STEP: (-1013, "Filter failure: LOT_SIZE"),
    Reason.DUPLICATE: (-2010, "Duplicate order sent."),
    Reason.NOT_FOUND: (-2013, "Order does not exist."),
    Reason.NOT_OPEN: (-2011, "Unknown order sent."),
}


class Binance(Dialect):
    ccxt_id = "binance"
    trades_a_page = 1000
    ended_orders_a_page = 1000
    dedupe: ClassVar[Dedupe] = "open"

    def routes(self) -> Sequence[Route]:
        public = {"signed": False}
        return (
            Route(method="GET", path="/api/v3/time", operation=Operation.TIME, answer=self._time, **public),
            Route(
                method="GET", path="/api/v3/exchangeInfo", operation=Operation.INSTRUMENTS, answer=self._info, **public
            ),
            Route(method="GET", path="/api/v3/depth", operation=Operation.BOOK, answer=self._depth, **public),
            Route(method="GET", path="/api/v3/ticker/24hr", operation=Operation.QUOTE, answer=self._ticker, **public),
            Route(method="GET", path="/api/v3/klines", operation=Operation.CANDLES, answer=self._klines, **public),
            Route(
                method="GET",
                path="/api/v3/aggTrades",
                operation=Operation.PUBLIC_TRADES,
                answer=self.public_trades,
                **public,
            ),
            Route(method="GET", path="/api/v3/account", operation=Operation.BALANCES, answer=self._account),
            Route(method="POST", path="/api/v3/order", operation=Operation.CREATE, answer=self._create),
            Route(method="GET", path="/api/v3/order", operation=Operation.ORDER, answer=self._order),
            Route(method="DELETE", path="/api/v3/order", operation=Operation.CANCEL, answer=self._cancel),
            Route(method="GET", path="/api/v3/openOrders", operation=Operation.OPEN_ORDERS, answer=self._open),
            Route(method="GET", path="/api/v3/allOrders", operation=Operation.ENDED_ORDERS, answer=self._all),
            Route(method="GET", path="/api/v3/myTrades", operation=Operation.TRADES, answer=self._trades),
        )

    def unsigned(self, request: Request) -> Reply | None:
        if request.headers.get("x-mbx-apikey") != KEY:
            return _no(-2015, "Invalid API-key, IP, or permissions for action.", 401)
        text = request.query_text + request.body
        payload, _, signature = text.rpartition("&signature=")
        if hmac.new(SECRET.encode(), payload.encode(), hashlib.sha256).hexdigest() != signature:
            return _no(-1022, "Signature for this request is not valid.")
        sent = _params(request)
        late_ms = self.book.now_ms() - int(sent["timestamp"])
        if not -AHEAD_MS < late_ms <= int(sent.get("recvWindow", 5000)):
            return _no(-1021, "Timestamp for this request is outside of the recvWindow.")
        return None

    def refusal(self, refused: Refused, operation: Operation) -> Reply:
        reason = refused.reason
        if operation is Operation.CANCEL:
            reason = Reason.NOT_OPEN
        return _no(*REFUSALS[reason])

    def unsure(self) -> Reply:
        return _no(
            -1007,
            "Timeout waiting for response from backend server. Send status unknown; execution status unknown.",
            408,
        )

    def too_often(self) -> Reply:
        return _no(-1003, "Too much request weight used; current limit is 6000 request weight per 1 MINUTE.", 429)

    def without_id(self, reply: Reply) -> Reply:
        assert isinstance(reply.body, dict)
        return Reply(body={key: value for key, value in reply.body.items() if key != "orderId"})

    # ----------------------------------------------------------------------------------------------------- the market

    def _time(self, _: Request) -> Reply:
        return Reply(body={"serverTime": self.book.now_ms()})

    def _info(self, _: Request) -> Reply:
        filters = [
            {
                "filterType": "PRICE_FILTER",
                "minPrice": "0.01",
                "maxPrice": "1000000.00",
                "tickSize": plain(self.book.tick),
            },
            {"filterType": "LOT_SIZE", "minQty": "0.00001", "maxQty": "9000", "stepSize": plain(self.book.lot)},
            {"filterType": "MARKET_LOT_SIZE", "minQty": "0.00000", "maxQty": "100", "stepSize": "0.00000"},
            {"filterType": "NOTIONAL", "minNotional": plain(self.book.min_notional), "applyMinToMarket": True},
        ]
        symbol = {
            "symbol": SYMBOL, "status": "TRADING", "baseAsset": "BTC", "baseAssetPrecision": 8, "quoteAsset": "USDT",
            "quotePrecision": 8, "quoteAssetPrecision": 8, "isSpotTradingAllowed": True, "isMarginTradingAllowed": False,
            "orderTypes": ["LIMIT", "LIMIT_MAKER", "MARKET"], "icebergAllowed": True, "filters": filters,
            "permissions": [], "permissionSets": [["SPOT"]],
        }  # fmt: skip
        return Reply(body={"timezone": "UTC", "serverTime": self.book.now_ms(), "symbols": [symbol]})

    def _depth(self, request: Request) -> Reply:
        count = int(request.query.get("limit", 100))
        sides = {name: [[plain(p), plain(q)] for p, q in self.book.levels(side, count)]
                 for name, side in (("bids", "buy"), ("asks", "sell"))}  # fmt: skip
        return Reply(body={"lastUpdateId": 1, **sides})

    def _ticker(self, _: Request) -> Reply:
        (bid, bid_quantity), (ask, ask_quantity) = (self.book.levels(side, 1)[0] for side in ("buy", "sell"))
        return Reply(
            body={
                "symbol": SYMBOL, "bidPrice": plain(bid), "bidQty": plain(bid_quantity), "askPrice": plain(ask),
                "askQty": plain(ask_quantity), "lastPrice": plain(ask), "closeTime": self.book.now_ms(),
            }
        )  # fmt: skip

    def _klines(self, request: Request) -> Reply:
        query = request.query
        assert query["interval"] == "1m"
        last_ms = min(int(query.get("endTime", self.book.now_ms())), self.book.now_ms())
        rows = candles(MINUTE_MS, int(query["startTime"]), last_ms)[: int(query.get("limit", 500))]
        return Reply(
            body=[
                [row.open_ms, *map(plain, (row.open, row.high, row.low, row.close, row.volume)),
                 row.open_ms + MINUTE_MS - 1, "0", 1, "0", "0", "0"]
                for row in rows
            ]
        )  # fmt: skip

    # ---------------------------------------------------------------------------------------------------- the account

    def _account(self, _: Request) -> Reply:
        assets = ("BTC", "USDT")
        balances = [{"asset": a, "free": plain(self.book.free(a)), "locked": plain(self.book.used(a))} for a in assets]
        return Reply(body={"accountType": "SPOT", "canTrade": True, "balances": balances})

    def _create(self, request: Request) -> Reply:
        sent = _params(request)
        kind = sent["type"]
        assert "quoteOrderQty" not in sent
        order = self.book.place(
            side=sent["side"].lower(),
            type="market" if kind == "MARKET" else "limit",
            quantity=D(sent["quantity"]),
            price=D(sent["price"]) if "price" in sent else None,
            client_id=sent["newClientOrderId"],
            time_in_force=sent.get("timeInForce", "GTC"),
            post_only=kind == "LIMIT_MAKER",
            display_quantity=D(sent["icebergQty"]) if "icebergQty" in sent else None,
        )
        fills = [
            {"price": plain(fill.price), "qty": plain(fill.quantity), "commission": plain(fill.fee),
             "commissionAsset": fill.fee_asset, "tradeId": fill.id}
            for fill in order.fills
        ]  # fmt: skip
        return Reply(body={**_shown(order), "transactTime": order.updated_ms, "fills": fills})

    def _order(self, request: Request) -> Reply:
        return Reply(body=_shown(self._named(request)))

    def _cancel(self, request: Request) -> Reply:
        return Reply(body=_shown(self.book.cancel(self._named(request).id)))

    def _open(self, _: Request) -> Reply:
        return Reply(body=[_shown(order) for order in self.book.seen() if order.status == "open"])

    def _all(self, request: Request) -> Reply:
        query = request.query
        first_ms, first_id = int(query.get("startTime", 0)), int(query.get("orderId", 0))
        found = [order for order in self.book.seen() if order.created_ms >= first_ms and int(order.id) >= first_id]
        return Reply(body=[_shown(order) for order in found[: min(MOST, int(query.get("limit", 500)))]])

    def _trades(self, request: Request) -> Reply:
        query = request.query
        assert not {"startTime", "fromId"} <= query.keys(), "the venue takes no time beside an id"
        found = [
            fill
            for fill in self.book.seen_fills()
            if fill.at_ms >= int(query.get("startTime", 0))
            and fill.id >= int(query.get("fromId", 0))
            and fill.order.id == query.get("orderId", fill.order.id)
        ]
        return Reply(body=[_trade(fill) for fill in found[: min(MOST, int(query.get("limit", 500)))]])

    def _named(self, request: Request) -> BookOrder:
        sent = _params(request)
        return self.book.find(sent.get("orderId"), sent.get("origClientOrderId"))


def _params(request: Request) -> dict[str, str]:
    return {**request.query, **request.form}


def _no(code: int, words: str, status: int = 400) -> Reply:
    return Reply(status=status, body={"code": code, "msg": words})


def _shown(order: BookOrder) -> dict[str, Any]:
    status = STATUSES[order.status]
    if order.status == "open" and order.filled:
        status = "PARTIALLY_FILLED"
    elif order.status == "canceled" and (order.time_in_force != "GTC" or order.type == "market"):
        status = "EXPIRED"
    return {
        "symbol": SYMBOL,
        "orderId": int(order.id),
        "orderListId": -1,
        "clientOrderId": order.client_id,
        "price": plain(order.price or D(0)),
        "origQty": plain(order.quantity),
        "executedQty": plain(order.filled),
        "cummulativeQuoteQty": plain(order.cost),
        "status": status,
        "timeInForce": order.time_in_force,
        "type": "LIMIT_MAKER" if order.post_only else order.type.upper(),
        "side": order.side.upper(),
        "time": order.created_ms,
        "updateTime": order.updated_ms,
        "isWorking": True,
    }


def _trade(fill: Fill) -> dict[str, Any]:
    return {
        "symbol": SYMBOL,
        "id": fill.id,
        "orderId": int(fill.order.id),
        "price": plain(fill.price),
        "qty": plain(fill.quantity),
        "quoteQty": plain(fill.quantity * fill.price),
        "commission": plain(fill.fee),
        "commissionAsset": fill.fee_asset,
        "time": fill.at_ms,
        "isBuyer": fill.order.side == "buy",
        "isMaker": fill.maker,
    }


DIALECT = Binance
