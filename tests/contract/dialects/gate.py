"""Gate, spot: ``/api/v4`` of its public documentation."""

from __future__ import annotations

import hashlib
import hmac
from collections.abc import Callable, Sequence
from decimal import Decimal
from typing import TypeVar
from urllib.parse import unquote

from tests.contract.dialects.book import BookOrder, Fill, Reason, Refused, candles, plain
from tests.contract.dialects.dialect import KEY, SECRET, Dialect
from tests.contract.dialects.server import Operation, Reply, Request, Route

T = TypeVar("T")
PREFIX = "/api/v4"
PAIR = "BTC_USDT"
#: the longest time that one look at a history may be about, in seconds
LONGEST_LOOK_S = 30 * 86_400
#: how far a request's time may be from the venue's, in seconds
TIMESTAMP_WINDOW_S = 60
INTERVALS_S = {"1m": 60, "5m": 300, "15m": 900, "30m": 1800, "1h": 3600, "4h": 14_400, "8h": 28_800, "1d": 86_400}

REFUSALS: dict[Reason, tuple[int, str, str]] = {
    Reason.FUNDS: (400, "BALANCE_NOT_ENOUGH", "Not enough balance"),
    Reason.POST_ONLY: (400, "POC_FILL_IMMEDIATELY", "Order would match and take immediately so its cancelled"),
    Reason.NOTIONAL: (400, "INVALID_PARAM_VALUE", "Your order size 1 USDT is too small. The minimum is 5 USDT"),
    Reason.STEP: (400, "INVALID_PRECISION", "Invalid precision"),
    Reason.FOK: (400, "FOK_NOT_FILL", "Order cannot be filled completely"),
    Reason.NOT_FOUND: (404, "ORDER_NOT_FOUND", "Order not found"),
}


class Gate(Dialect):
    ccxt_id = "gate"
    dedupe = "never"  # its documentation says nothing of a text that comes again, so the worst is assumed

    def routes(self) -> Sequence[Route]:
        def public(path: str, operation: Operation, answer: Callable[[Request], Reply]) -> Route:
            return Route(method="GET", path=f"{PREFIX}{path}", operation=operation, answer=answer, signed=False)

        def private(method: str, path: str, operation: Operation, answer: Callable[[Request], Reply]) -> Route:
            return Route(method=method, path=f"{PREFIX}{path}", operation=operation, answer=answer)

        return (
            public("/spot/time", Operation.TIME, lambda _: Reply(body={"server_time": self.book.now_ms()})),
            public("/spot/currency_pairs", Operation.INSTRUMENTS, self._pairs),
            public("/margin/currency_pairs", Operation.OTHER, lambda _: Reply(body=[])),
            public("/spot/tickers", Operation.QUOTE, self._ticker),
            public("/spot/order_book", Operation.BOOK, self._order_book),
            public("/spot/trades", Operation.PUBLIC_TRADES, self.public_trades),
            public("/spot/candlesticks", Operation.CANDLES, self._candles),
            private("GET", "/spot/accounts", Operation.BALANCES, self._accounts),
            private("POST", "/spot/orders", Operation.CREATE, self._create),
            private("GET", "/spot/orders", Operation.ENDED_ORDERS, self._finished),
            private("GET", "/spot/orders/{id}", Operation.ORDER, self._order),
            private("DELETE", "/spot/orders/{id}", Operation.CANCEL, self._cancel),
            private("GET", "/spot/open_orders", Operation.OPEN_ORDERS, self._open_orders),
            private("GET", "/spot/my_trades", Operation.TRADES, self._my_trades),
        )

    def unsigned(self, request: Request) -> Reply | None:
        headers = request.headers
        missing = {"key", "timestamp", "sign"} - headers.keys()
        if missing:
            return _no(401, "MISSING_REQUIRED_HEADER", f"Missing required header: {', '.join(sorted(missing))}")
        if headers["key"] != KEY:
            return _no(401, "INVALID_KEY", "Invalid key provided")
        body_hash = hashlib.sha512(request.body.encode()).hexdigest()
        signed = [request.method, request.path, unquote(request.query_text), body_hash, headers["timestamp"]]
        signature = hmac.new(SECRET.encode(), "\n".join(signed).encode(), hashlib.sha512).hexdigest()
        if headers["sign"] != signature:
            return _no(401, "INVALID_SIGNATURE", "Signature mismatch")
        now_ms = self.book.now_ms()
        if abs(now_ms / 1000 - int(headers["timestamp"])) > TIMESTAMP_WINDOW_S:
            return _no(403, "REQUEST_EXPIRED", "gap between request Timestamp and server time exceeds 60")
        # That a request is refused then is documented, its label is not.
        if int(headers.get("x-gate-exptime", now_ms)) < now_ms:
            return _no(400, "REQUEST_EXPIRED", "request expired")
        return None

    def refusal(self, refused: Refused, operation: Operation) -> Reply:
        if refused.reason is Reason.NOT_OPEN:
            assert refused.order is not None
            label = "ORDER_CLOSED" if refused.order.status == "filled" else "ORDER_CANCELLED"
            return _no(400, label, "Order is not open")
        return _no(*REFUSALS[refused.reason])

    def unsure(self) -> Reply:
        return _no(500, "SERVER_ERROR", "Internal server error")

    def too_often(self) -> Reply:
        return _no(429, "TOO_MANY_REQUESTS", "Request Rate Limit Exceeded")

    def without_id(self, reply: Reply) -> Reply:
        assert isinstance(reply.body, dict)
        return Reply(status=reply.status, body={key: value for key, value in reply.body.items() if key != "id"})

    # ------------------------------------------------------------------------------------------------------ the market

    def _pairs(self, _: Request) -> Reply:
        pair = {
            "id": PAIR,
            "base": "BTC",
            "base_name": "Bitcoin",
            "quote": "USDT",
            "quote_name": "Tether",
            "fee": "0.1",  # percent
            "min_base_amount": plain(self.book.lot),
            "min_quote_amount": plain(self.book.min_notional),
            "max_quote_amount": "5000000",
            "amount_precision": 5,
            "precision": 2,
            "trade_status": "tradable",
            "sell_start": 0,
            "buy_start": 0,
            "type": "normal",
        }
        return Reply(body=[pair])

    def _ticker(self, request: Request) -> Reply:
        assert request.query["currency_pair"] == PAIR
        (bid, _), (ask, _) = self.book.levels("buy", 1)[0], self.book.levels("sell", 1)[0]
        ticker = {
            "currency_pair": PAIR,
            "last": plain(bid),
            "lowest_ask": plain(ask),
            "highest_bid": plain(bid),
            "change_percentage": "0.1",
            "base_volume": "1219.05",
            "quote_volume": "75581100",
            "high_24h": "62500",
            "low_24h": "61500",
        }
        return Reply(body=[ticker])

    def _order_book(self, request: Request) -> Reply:
        count = int(request.query["limit"])
        sides = {
            name: [[plain(price), plain(quantity)] for price, quantity in self.book.levels(side, count)]
            for name, side in (("asks", "sell"), ("bids", "buy"))
        }
        now_ms = self.book.now_ms()
        return Reply(body={"id": 1, "current": now_ms, "update": now_ms, **sides})

    def _candles(self, request: Request) -> Reply:
        query = request.query
        assert "limit" not in query, "limit conflicts with from and to"
        span_s = INTERVALS_S[query["interval"]]
        rows = candles(span_s * 1000, int(query["from"]) * 1000, int(query["to"]) * 1000)
        body = [
            [
                str(row.open_ms // 1000),
                plain(row.volume * row.close),
                plain(row.close),
                plain(row.high),
                plain(row.low),
                plain(row.open),
                plain(row.volume),
                "true",
            ]
            for row in rows
        ]
        return Reply(body=body)

    # ----------------------------------------------------------------------------------------------------- the account

    def _accounts(self, _: Request) -> Reply:
        rows = [
            {"currency": asset, "available": plain(self.book.free(asset)), "locked": plain(self.book.used(asset)),
             "update_id": 1}
            for asset in self.book.total
        ]  # fmt: skip
        return Reply(body=rows)

    def _create(self, request: Request) -> Reply:
        body = request.json
        assert body["currency_pair"] == PAIR
        assert body["account"] == "spot"
        assert body["text"].startswith("t-"), body
        assert len(body["text"]) <= 30, body
        assert body["type"] == "limit" or body["side"] == "sell", "the amount of a market buy is quote"
        word = body.get("time_in_force", "gtc")
        assert word in {"gtc", "ioc", "poc", "fok"}, word
        assert body["type"] == "limit" or word in {"ioc", "fok"}, body
        order = self.book.place(
            side=body["side"],
            type=body["type"],
            quantity=Decimal(body["amount"]),
            price=Decimal(body["price"]) if body["type"] == "limit" else None,
            client_id=body["text"],
            time_in_force="GTC" if word == "poc" else word.upper(),
            post_only=word == "poc",
            display_quantity=Decimal(body["iceberg"]) if "iceberg" in body else None,
        )
        return Reply(status=201, body=_order(order))

    def _order(self, request: Request) -> Reply:
        assert request.query["currency_pair"] == PAIR
        return Reply(body=_order(self._named(request.parts["id"])))

    def _cancel(self, request: Request) -> Reply:
        assert request.query["currency_pair"] == PAIR
        return Reply(body=_order(self.book.cancel(self._named(request.parts["id"]).id)))

    def _named(self, name: str) -> BookOrder:
        """By its own id always, by a custom one while it is pending."""
        order = self.book.find(order_id=name, client_id=name)
        if name.startswith("t-") and order.status != "open":
            raise Refused(Reason.NOT_FOUND)
        return order

    def _finished(self, request: Request) -> Reply:
        query = request.query
        assert query["status"] == "finished"
        # Its range of time is of the orders' ends.
        self._check_range(query)
        ended = [order for order in self.book.seen() if order.status != "open" and _within(query, order.updated_ms)]
        return Reply(body=[_order(order) for order in _page(query, ended, lambda order: order.updated_ms, 1000)])

    def _open_orders(self, request: Request) -> Reply:
        found = [order for order in self.book.seen() if order.status == "open"]
        page = _page(request.query, found, lambda order: order.created_ms, 100)
        pair = {"currency_pair": PAIR, "total": len(found), "orders": [_order(order) for order in page]}
        return Reply(body=[pair] if found else [])

    def _my_trades(self, request: Request) -> Reply:
        query = request.query
        assert query["currency_pair"] == PAIR
        self._check_range(query)
        wanted = query.get("order_id")
        found = [
            fill
            for fill in self.book.seen_fills()
            if _within(query, fill.at_ms) and (wanted is None or fill.order.id == wanted)
        ]
        return Reply(body=[_trade(fill) for fill in _page(query, found, lambda fill: fill.at_ms, 1000)])

    def _check_range(self, query: dict[str, str]) -> None:
        until_s = int(query.get("to", self.book.now_ms() // 1000))
        assert until_s - int(query.get("from", until_s)) <= LONGEST_LOOK_S, query


def _no(status: int, label: str, message: str) -> Reply:
    return Reply(status=status, body={"label": label, "message": message})


def _order(order: BookOrder) -> dict[str, object]:
    base = order.side == "buy"
    told: dict[str, object] = {
        "id": order.id,
        "text": order.client_id or "apiv4",
        "amend_text": "-",
        "create_time": str(order.created_ms // 1000),
        "update_time": str(order.updated_ms // 1000),
        "create_time_ms": order.created_ms,
        "update_time_ms": order.updated_ms,
        "status": {"open": "open", "filled": "closed", "canceled": "cancelled"}[order.status],
        "currency_pair": PAIR,
        "type": order.type,
        "account": "spot",
        "side": order.side,
        "amount": plain(order.quantity),
        "price": plain(order.price) if order.price is not None else "0",
        "time_in_force": _word(order),
        "iceberg": plain(order.display_quantity or order.quantity * 0),
        "left": plain(order.remaining),
        "filled_amount": plain(order.filled),
        "fill_price": plain(order.cost),
        "filled_total": plain(order.cost),
        "fee": plain(sum(order.fees.values(), order.quantity * 0)),
        "fee_currency": "BTC" if base else "USDT",
        "point_fee": "0",
        "gt_fee": "0",
        "gt_maker_fee": "0",
        "gt_taker_fee": "0",
        "gt_discount": False,
        "rebated_fee": "0",
        "rebated_fee_currency": "USDT" if base else "BTC",
        "stp_id": 0,
        "stp_act": "-",
        "finish_as": _finished_as(order),
    }
    if order.filled:
        told["avg_deal_price"] = f"{order.average:.8f}"
    return told


def _word(order: BookOrder) -> str:
    if order.post_only:
        return "poc"
    return "ioc" if order.type == "market" else order.time_in_force.lower()


def _finished_as(order: BookOrder) -> str:
    if order.status != "canceled":
        return order.status
    word = _word(order)
    return word if word in {"ioc", "fok"} else "cancelled"


def _trade(fill: Fill) -> dict[str, str]:
    return {
        "id": str(fill.id),
        "create_time": str(fill.at_ms // 1000),
        "create_time_ms": f"{fill.at_ms}.399200",
        "currency_pair": PAIR,
        "side": fill.order.side,
        "role": "maker" if fill.maker else "taker",
        "amount": plain(fill.quantity),
        "price": plain(fill.price),
        "order_id": fill.order.id,
        "fee": plain(fill.fee),
        "fee_currency": fill.fee_asset,
        "point_fee": "0",
        "gt_fee": "0",
        "amend_text": "-",
        "sequence_id": str(fill.id),
        "text": fill.order.client_id or "apiv4",
    }


def _within(query: dict[str, str], at_ms: int) -> bool:
    at_s = at_ms // 1000
    return int(query.get("from", 0)) <= at_s <= int(query.get("to", at_s))


def _page(query: dict[str, str], found: Sequence[T], age: Callable[[T], int], most: int) -> Sequence[T]:
    """Newest first."""
    limit, number = int(query.get("limit", 100)), int(query.get("page", 1))
    assert 1 <= limit <= most, query
    return sorted(found, key=age, reverse=True)[limit * (number - 1) : limit * number]


DIALECT = Gate
