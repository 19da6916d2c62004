"""Nobitex, by its public documentation (apidocs.nobitex.ir): refusals are HTTP 200 with a code, or a status of their own."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any, ClassVar

from tests.contract.dialects.book import BookOrder, Fill, Reason, Refused, candles, newest, plain
from tests.contract.dialects.dialect import KEY, Dialect
from tests.contract.dialects.server import RETRY_AFTER_S, Operation, Reply, Request, Route

D = Decimal
MINUTE_MS = 60_000
#: for how long an order that equals another is refused
SAME_ORDER_MS = 10_000
STATUSES = {"open": "Active", "filled": "Done", "canceled": "Canceled", "rejected": "Rejected"}
#: reason -> code and words
REFUSALS: dict[Reason, tuple[str, str]] = {
    Reason.FUNDS: ("OverValueOrder", "Order Validation Failed"),
    Reason.NOTIONAL: ("SmallOrder", "Order Validation Failed"),
    Reason.STEP: ("InvalidOrderPrice", "Order Validation Failed"),
    Reason.DUPLICATE: ("DuplicateClientOrderId", "Duplicate clientOrderId"),
}


class Nobitex(Dialect):
    ccxt_id = "nobitex"
    prints_a_page = 20
    dedupe = "open"
    fok_ends = "refused"  # by the gateway, as post-only orders are: the venue has neither
    min_notional = D(11)
    tells_time = False
    tells_liquidity = False
    checks_signatures = False  # a token and no secret

    #: as public addresses have it, and the currencies as private ones do
    market_id: ClassVar[str] = "BTCUSDT"
    src: ClassVar[str] = "btc"
    dst: ClassVar[str] = "usdt"

    def __init__(self) -> None:
        super().__init__()
        #: an order that equals another of the last ten seconds is taken where it says ``pro=yes``
        self.heeds_pro = True
        #: what becomes of a limit order right after it was taken in
        self.second_check = "open"

    def routes(self) -> Sequence[Route]:
        def public(path: str, operation: Operation, answer: Callable[[Request], Reply]) -> Route:
            return Route(method="GET", path=path, operation=operation, answer=answer, signed=False)

        def private(method: str, path: str, operation: Any, answer: Callable[[Request], Reply]) -> Route:
            return Route(method=method, path=path, operation=operation, answer=answer)

        return (
            public("/v2/options", Operation.INSTRUMENTS, self._options),
            public("/v3/orderbook/{market}", Operation.BOOK, self._book),
            public("/v2/trades/{market}", Operation.PUBLIC_TRADES, self.public_trades),
            public("/market/udf/history", Operation.CANDLES, self._candles),
            private("GET", "/v2/wallets", Operation.BALANCES, self._wallets),
            private("POST", "/market/orders/add", Operation.CREATE, self._add),
            private("POST", "/market/orders/status", Operation.ORDER, self._status),
            private("POST", "/market/orders/update-status", Operation.CANCEL, self._update_status),
            private("GET", "/market/orders/list", _which_list, self._list),
            private("GET", "/market/trades/list", Operation.TRADES, self._trades),
        )

    def unsigned(self, request: Request) -> Reply | None:
        if request.headers.get("authorization") != f"Token {KEY}":
            return Reply(status=401, body={"detail": "Invalid token."})
        return None

    def refusal(self, refused: Refused, operation: Operation) -> Reply:
        if refused.reason is Reason.NOT_OPEN:
            assert refused.order is not None
            return Reply(body={"status": "failed", "updatedStatus": STATUSES[refused.order.status]})
        if refused.reason is Reason.NOT_FOUND:
            return Reply(status=404, body={"status": "failed", "code": "NotFound", "message": "Order not found"})
        return _no(*REFUSALS[refused.reason])

    def too_often(self) -> Reply:
        body = {
            "status": "failed",
            "code": "TooManyRequests",
            "message": "too many",
            "backOff": RETRY_AFTER_S,
            "limit": 60,
        }
        return Reply(status=429, body=body)

    def without_id(self, reply: Reply) -> Reply:
        assert isinstance(reply.body, dict)
        order = {key: value for key, value in reply.body["order"].items() if key != "id"}
        return Reply(body={**reply.body, "order": order})

    # ----------------------------------------------------------------------------------------------------- the market

    def _options(self, _: Request) -> Reply:
        nobitex = {
            "allCurrencies": ["rls", "usdt", "btc"],
            "activeCurrencies": ["rls", "usdt", "btc"],
            "minOrders": {self.dst: plain(self.book.min_notional), "2": plain(self.book.min_notional)},
            "amountPrecisions": {self.market_id: plain(self.book.lot)},
            "pricePrecisions": {self.market_id: plain(self.book.tick)},
        }
        return Reply(body={"status": "ok", "features": {}, "coins": [], "nobitex": nobitex})

    def _book(self, request: Request) -> Reply:
        assert request.parts["market"] == self.market_id
        asks, bids = ([[plain(p), plain(q)] for p, q in self.book.levels(side, 24)] for side in ("sell", "buy"))
        told = {"lastUpdate": self.book.now_ms(), "lastTradePrice": asks[0][0]}
        return Reply(body={"status": "ok", **told, "asks": asks, "bids": bids})

    def _candles(self, request: Request) -> Reply:
        query = request.query
        assert (query["symbol"], query["resolution"]) == (self.market_id, "1")
        last_ms = min(int(query["to"]) * 1000, self.book.now_ms())
        rows = candles(MINUTE_MS, int(query["from"]) * 1000, last_ms)
        if not rows:
            return Reply(body={"s": "no_data"})
        assert len(rows) <= 500
        columns = {
            "t": [row.open_ms // 1000 for row in rows],
            **{name[0]: [float(getattr(row, name)) for row in rows] for name in ("open", "high", "low", "close")},
            "v": [float(row.volume) for row in rows],
        }
        return Reply(body={"s": "ok", **columns})

    # ---------------------------------------------------------------------------------------------------- the account

    def _wallets(self, _: Request) -> Reply:
        names = {"BTC": self.src, "USDT": self.dst}
        wallets = {
            name.upper(): {
                "id": 133_777,
                "balance": f"{self.book.total[asset]:.10f}",
                "blocked": plain(self.book.used(asset)),
            }
            for asset, name in names.items()
        }
        return Reply(body={"status": "ok", "wallets": wallets})

    def _add(self, request: Request) -> Reply:
        sent = request.json
        assert (sent["srcCurrency"], sent["dstCurrency"]) == (self.src, self.dst)
        assert isinstance(sent["amount"], str), "money goes as text"
        assert len(sent["clientOrderId"]) <= 32
        quantity, price = D(sent["amount"]), D(sent["price"]) if "price" in sent else None
        if not (self.heeds_pro and sent.get("pro") == "yes") and any(
            (order.side, order.type, order.quantity, order.price) == (sent["type"], sent["execution"], quantity, price)
            and self.book.now_ms() - order.created_ms < SAME_ORDER_MS
            for order in self.book.orders
        ):
            return _no("DuplicateOrder", "Order Validation Failed")
        order = self.book.place(
            side=sent["type"],
            type=sent["execution"],
            quantity=quantity,
            price=price,
            client_id=sent["clientOrderId"],
        )
        answer = {"status": "ok", "order": {**self._shown(order), "status": "Active"}}
        if order.status == "open":
            order.status = self.second_check
        return Reply(body=answer)

    def _status(self, request: Request) -> Reply:
        sent = request.json
        if "id" in sent:
            order = self.book.find(str(sent["id"]))
        else:
            order = self.book.find(client_id=sent["clientOrderId"])
            if order.status != "open":
                raise Refused(Reason.NOT_FOUND)
        return Reply(body={"status": "ok", "order": self._shown(order)})

    def _update_status(self, request: Request) -> Reply:
        sent = request.json
        assert sent["status"] == "canceled"
        order = self.book.cancel(str(sent["order"]))
        return Reply(body={"status": "ok", "updatedStatus": "Canceled", "order": self._shown(order)})

    def _list(self, request: Request) -> Reply:
        query = self._of_the_market(request)
        assert query["details"] == "2", "less does not tell the id"
        assert not {"page", "fromId"} <= query.keys(), "the venue takes only one of them"
        size, found = int(query["pageSize"]), self.book.seen()
        if query["status"] == "open":
            assert query["order"] == "id"
            found = [order for order in found if order.status == "open" and int(order.id) > int(query["fromId"])]
            page = found[:size]
        else:
            assert query["order"] == "-created_at"
            kept = found if query["status"] == "all" else [o for o in found if o.status in {"filled", "canceled"}]
            begin = (int(query["page"]) - 1) * size
            page = newest(kept)[begin : begin + size]
        return Reply(body={"status": "ok", "orders": [self._shown(order) for order in page]})

    def _trades(self, request: Request) -> Reply:
        query = self._of_the_market(request)
        size, number = int(query["pageSize"]), int(query["page"])
        found = self._shown_fills()
        page = found[(number - 1) * size : number * size]
        return Reply(
            body={"status": "ok", "trades": [self._trade(fill) for fill in page], "hasNext": len(found) > number * size}
        )

    def _shown_fills(self) -> list[Fill]:
        """Newest first; the documentation does not say."""
        return self.book.seen_fills()[::-1]

    def _of_the_market(self, request: Request) -> dict[str, str]:
        query = request.query
        assert (query["srcCurrency"], query["dstCurrency"]) == (self.src, self.dst)
        assert 1 <= int(query["pageSize"]) <= 100
        assert 1 <= int(query.get("page", 1)) <= 100
        return query

    def _names(self) -> dict[str, str]:
        quote = {"usdt": "Tether", "rls": "﷼"}[self.dst]
        return {"srcCurrency": "Bitcoin", "dstCurrency": quote, "market": f"{self.src}-{self.dst}".upper()}

    def _shown(self, order: BookOrder) -> dict[str, Any]:
        return {
            "id": int(order.id),
            "type": order.side,
            "execution": order.type.capitalize(),
            "tradeType": "Spot",
            **self._names(),
            "price": "market" if order.price is None else f"{order.price:.10f}",
            "amount": f"{order.quantity:.10f}",
            "totalPrice": plain(order.cost),
            "totalOrderPrice": plain(order.quantity * (order.price or D(0))),
            "matchedAmount": f"{order.filled:.10f}" if order.filled else "0E-10",
            "unmatchedAmount": plain(order.remaining),
            "averagePrice": plain(order.average.quantize(D("0.01"))),
            "status": STATUSES[order.status],
            "partial": bool(order.filled and order.remaining),
            "fee": plain(sum(order.fees.values(), D(0))),
            "created_at": _iso(order.created_ms),
            "clientOrderId": order.client_id,
        }

    def _trade(self, fill: Fill) -> dict[str, Any]:
        return {
            "id": fill.id,
            "orderId": int(fill.order.id),
            **self._names(),
            "timestamp": _iso(fill.at_ms),
            "type": fill.order.side,
            "price": plain(fill.price),
            "amount": plain(fill.quantity),
            "total": plain(fill.quantity * fill.price),
            "fee": plain(fill.fee),
        }


class Rials(Nobitex):
    """Its market for bitcoin in rials: IRT in the public symbol, rls in private requests, rials everywhere."""

    symbol = "BTC/IRR"
    market_id = "BTCIRT"
    dst = "rls"


def _which_list(request: Request) -> Operation:
    return Operation.OPEN_ORDERS if request.query["status"] == "open" else Operation.ENDED_ORDERS


def _no(code: str, words: str) -> Reply:
    return Reply(body={"status": "failed", "code": code, "message": words})


def _iso(at_ms: int) -> str:
    return datetime.fromtimestamp(at_ms / 1000, UTC).isoformat(timespec="microseconds")


DIALECT = Nobitex
