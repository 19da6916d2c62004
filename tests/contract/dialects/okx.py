"""OKX's v5 interface for spot, by its public documentation. A refused order comes with HTTP 200 and a code of its own."""

from __future__ import annotations

import base64
import hashlib
import hmac
from collections.abc import Sequence
from datetime import datetime
from decimal import Decimal
from typing import Any

from tests.contract.dialects.book import BookOrder, Fill, Reason, Refused, candles, newest, plain
from tests.contract.dialects.dialect import KEY, PASSWORD, SECRET, Dialect
from tests.contract.dialects.server import Operation, Reply, Request, Route

D = Decimal
SYMBOL = "BTC-USDT"
MINUTE_MS = 60_000
#: how old or how far ahead a signed time may be
WINDOW_MS = 30_000
MOST = 100
ENDED = "as the order has been filled, canceled or does not exist."
#: of a create
REFUSALS: dict[Reason, tuple[str, str]] = {
    Reason.FUNDS: ("51008", "Order failed. Insufficient USDT balance in account."),
    Reason.NOTIONAL: ("51020", "Your order should meet or exceed the minimum order amount."),
    Reason.STEP: ("51121", "Order quantity must be a multiple of the lot size."),
    Reason.DUPLICATE: ("51016", "Client order ID already exists."),
}


class Okx(Dialect):
    ccxt_id = "okx"
    dedupe = "always"
    post_only_ends = "canceled"
    tells_min_notional = False
    prints_a_page = 100

    def routes(self) -> Sequence[Route]:
        public = {"method": "GET", "signed": False}
        return (
            Route(path="/api/v5/public/time", operation=Operation.TIME, answer=self._time, **public),
            Route(path="/api/v5/public/instruments", operation=Operation.INSTRUMENTS, answer=self._info, **public),
            Route(path="/api/v5/market/books", operation=Operation.BOOK, answer=self._depth, **public),
            Route(path="/api/v5/market/ticker", operation=Operation.QUOTE, answer=self._ticker, **public),
            Route(path="/api/v5/market/candles", operation=Operation.CANDLES, answer=self._candles, **public),
            Route(path="/api/v5/market/history-trades", operation=Operation.PUBLIC_TRADES, answer=self.public_trades, **public),
            Route(method="GET", path="/api/v5/account/balance", operation=Operation.BALANCES, answer=self._balance),
            Route(method="POST", path="/api/v5/trade/batch-orders", operation=Operation.CREATE, answer=self._create),
            Route(method="POST", path="/api/v5/trade/cancel-order", operation=Operation.CANCEL, answer=self._cancel),
            Route(method="POST", path="/api/v5/trade/amend-order", operation=Operation.AMEND, answer=self._amend),
            Route(method="GET", path="/api/v5/trade/order", operation=Operation.ORDER, answer=self._order),
            Route(method="GET", path="/api/v5/trade/orders-pending", operation=Operation.OPEN_ORDERS, answer=self._pending),
            Route(method="GET", path="/api/v5/trade/orders-history", operation=Operation.ENDED_ORDERS, answer=self._history),
            Route(method="GET", path="/api/v5/trade/fills-history", operation=Operation.TRADES, answer=self._fills),
        )  # fmt: skip

    def unsigned(self, request: Request) -> Reply | None:
        headers = request.headers
        if headers.get("ok-access-key") != KEY:
            return _no("50111", "Invalid OK-ACCESS-KEY", 401)
        if headers.get("ok-access-passphrase") != PASSWORD:
            return _no("50105", "OK-ACCESS-PASSPHRASE incorrect", 401)
        sent = headers["ok-access-timestamp"]
        target = request.path + (f"?{request.query_text}" if request.query_text else "")
        payload = f"{sent}{request.method}{target}{request.body}"
        signature = base64.b64encode(hmac.new(SECRET.encode(), payload.encode(), hashlib.sha256).digest()).decode()
        if signature != headers.get("ok-access-sign"):
            return _no("50113", "Invalid Sign", 401)
        if abs(self.book.now_ms() - datetime.fromisoformat(sent).timestamp() * 1000) > WINDOW_MS:
            return _no("50102", "Timestamp request expired", 401)
        return None

    def refusal(self, refused: Refused, operation: Operation) -> Reply:
        ended = refused.reason in {Reason.NOT_FOUND, Reason.NOT_OPEN}
        if operation is Operation.ORDER:
            return _no("51603", "Order does not exist")
        if operation is Operation.CANCEL:
            return _refused("51400", f"Cancellation failed {ENDED}")
        if operation is Operation.AMEND and ended:
            return _refused("51503", f"Order modification failed {ENDED}")
        return _refused(*REFUSALS[refused.reason])

    def unsure(self) -> Reply:
        words = "API endpoint request timeout (does not mean that the request was successful or failed, please check the request result)."
        return _no("50004", words, 400)

    def too_often(self) -> Reply:
        return _no(
            "50011", "Rate limit reached. Please refer to API documentation and throttle requests accordingly.", 429
        )

    def without_id(self, reply: Reply) -> Reply:
        return _yes([{"clOrdId": "", "ordId": "", "sCode": "0", "sMsg": "", "tag": ""}])

    # ----------------------------------------------------------------------------------------------------- the market

    def _time(self, _: Request) -> Reply:
        return _yes([{"ts": str(self.book.now_ms())}])

    def _info(self, request: Request) -> Reply:
        assert request.query["instType"] == "SPOT"
        return _yes(
            [
                {"instType": "SPOT", "instId": SYMBOL, "baseCcy": "BTC", "quoteCcy": "USDT", "settleCcy": "",
                 "lotSz": plain(self.book.lot), "minSz": plain(self.book.lot), "tickSz": plain(self.book.tick),
                 "maxLmtSz": "9999999999", "maxMktSz": "1000000", "lever": "", "state": "live", "listTime": "1"}
            ]
        )  # fmt: skip

    def _depth(self, request: Request) -> Reply:
        count = int(request.query.get("sz", 1))
        assert count <= 400
        sides = {name: [[plain(p), plain(q), "0", "1"] for p, q in self.book.levels(side, count)]
                 for name, side in (("bids", "buy"), ("asks", "sell"))}  # fmt: skip
        return _yes([{**sides, "ts": str(self.book.now_ms())}])

    def _ticker(self, _: Request) -> Reply:
        (bid, bid_quantity), (ask, ask_quantity) = (self.book.levels(side, 1)[0] for side in ("buy", "sell"))
        return _yes(
            [
                {"instType": "SPOT", "instId": SYMBOL, "last": plain(ask), "bidPx": plain(bid), "askPx": plain(ask),
                 "bidSz": plain(bid_quantity), "askSz": plain(ask_quantity), "ts": str(self.book.now_ms())}
            ]
        )  # fmt: skip

    def _candles(self, request: Request) -> Reply:
        """``before`` and ``after`` are left out themselves, and mean newer and older than these."""
        query = request.query
        assert query["bar"] == "1m"
        last_ms = min(int(query.get("after", self.book.now_ms() + 1)) - 1, self.book.now_ms())
        rows = candles(MINUTE_MS, int(query["before"]) + 1, last_ms)[::-1][: int(query.get("limit", 100))]
        return _yes(
            [
                [str(row.open_ms), *map(plain, (row.open, row.high, row.low, row.close, row.volume)), "1", "1",
                 "1" if row.open_ms + MINUTE_MS <= self.book.now_ms() else "0"]
                for row in rows
            ]
        )  # fmt: skip

    # ---------------------------------------------------------------------------------------------------- the account

    def _balance(self, _: Request) -> Reply:
        details = [
            {"ccy": asset, "eq": plain(self.book.total[asset]), "cashBal": plain(self.book.total[asset]),
             "availBal": plain(self.book.free(asset)), "frozenBal": plain(self.book.used(asset)),
             "ordFrozen": plain(self.book.used(asset)), "availEq": "", "uTime": str(self.book.now_ms())}
            for asset in ("BTC", "USDT")
        ]  # fmt: skip
        return _yes([{"details": details, "totalEq": "", "uTime": str(self.book.now_ms())}])

    def _create(self, request: Request) -> Reply:
        (sent,) = request.json
        kind = sent["ordType"]
        assert (sent["instId"], sent["tdMode"]) == (SYMBOL, "cash")
        assert kind != "market" or sent["tgtCcy"] == "base_ccy"
        order = self.book.place(
            side=sent["side"],
            type="market" if kind == "market" else "limit",
            quantity=D(sent["sz"]),
            price=D(sent["px"]) if kind != "market" else None,
            client_id=sent["clOrdId"],
            time_in_force=kind.upper() if kind in {"ioc", "fok"} else "GTC",
            post_only=kind == "post_only",
        )
        return _taken(order)

    def _cancel(self, request: Request) -> Reply:
        sent = request.json
        return _taken(self.book.cancel(sent.get("ordId"), sent.get("clOrdId")))

    def _amend(self, request: Request) -> Reply:
        """The new size counts what has filled."""
        sent = request.json
        return _taken(self.book.amend(sent["ordId"], D(sent["newSz"]), D(sent["newPx"])))

    def _order(self, request: Request) -> Reply:
        query = request.query
        return _yes([_shown(self.book.find(query.get("ordId"), query.get("clOrdId")))])

    def _pending(self, request: Request) -> Reply:
        """Newest first; ``after`` an order are the older ones."""
        before_number = int(request.query.get("after", 1 << 60))
        found = [order for order in self.book.seen() if order.status == "open" and int(order.id) < before_number]
        return _yes([_shown(order) for order in found[::-1][: _count(request)]])

    def _history(self, request: Request) -> Reply:
        query = request.query
        first_ms, last_ms = int(query.get("begin", 0)), int(query.get("end", 1 << 60))
        found = [
            order
            for order in self.book.seen()
            if order.status == query["state"] and first_ms <= order.created_ms <= last_ms
        ]
        return _yes([_shown(order) for order in newest(found)[: _count(request)]])

    def _fills(self, request: Request) -> Reply:
        query = request.query
        assert query["instType"] == "SPOT"
        first_ms, last_ms = int(query.get("begin", 0)), int(query.get("end", 1 << 60))
        found = [fill for fill in self.book.seen_fills() if first_ms <= fill.at_ms <= last_ms]
        found = [fill for fill in found if query.get("ordId") in {None, fill.order.id}]
        return _yes([_trade(fill) for fill in found[::-1][: _count(request)]])


def _count(request: Request) -> int:
    count = int(request.query.get("limit", MOST))
    assert count <= MOST
    return count


def _yes(data: list[Any]) -> Reply:
    return Reply(body={"code": "0", "msg": "", "data": data})


def _no(code: str, words: str, status: int = 200) -> Reply:
    return Reply(status=status, body={"code": code, "msg": words, "data": []})


def _taken(order: BookOrder) -> Reply:
    return _yes([{"clOrdId": order.client_id, "ordId": order.id, "sCode": "0", "sMsg": "", "tag": ""}])


def _refused(code: str, words: str) -> Reply:
    entry = {"clOrdId": "", "ordId": "", "sCode": code, "sMsg": words, "tag": ""}
    return Reply(body={"code": "1", "msg": "All operations failed", "data": [entry]})


def _shown(order: BookOrder) -> dict[str, Any]:
    state = {"open": "live", "filled": "filled", "canceled": "canceled"}[order.status]
    kind = "post_only" if order.post_only else order.type
    last = order.fills[-1] if order.fills else None
    fees = next(iter(order.fees.items()), ("BTC" if order.side == "buy" else "USDT", D(0)))
    return {
        "instType": "SPOT",
        "instId": SYMBOL,
        "ordId": order.id,
        "clOrdId": order.client_id,
        "side": order.side,
        "ordType": kind if order.time_in_force == "GTC" else order.time_in_force.lower(),
        "px": "" if order.price is None else plain(order.price),
        "sz": plain(order.quantity),
        "tgtCcy": "base_ccy" if order.type == "market" else "",
        "accFillSz": plain(order.filled),
        "avgPx": plain(order.average.quantize(D("0.000001"))) if order.filled else "",
        "fillPx": plain(last.price) if last else "",
        "fillSz": plain(last.quantity) if last else "0",
        "fillTime": str(last.at_ms) if last else "",
        "state": "partially_filled" if state == "live" and order.filled else state,
        "fee": plain(-fees[1]),
        "feeCcy": fees[0],
        "cTime": str(order.created_ms),
        "uTime": str(order.updated_ms),
    }


def _trade(fill: Fill) -> dict[str, Any]:
    return {
        "instType": "SPOT",
        "instId": SYMBOL,
        "tradeId": str(fill.id),
        "billId": str(900_000 + fill.id),
        "ordId": fill.order.id,
        "clOrdId": fill.order.client_id,
        "fillPx": plain(fill.price),
        "fillSz": plain(fill.quantity),
        "side": fill.order.side,
        "execType": "M" if fill.maker else "T",
        "fee": plain(-fill.fee),
        "feeCcy": fill.fee_asset,
        "ts": str(fill.at_ms),
        "fillTime": str(fill.at_ms),
    }


DIALECT = Okx
