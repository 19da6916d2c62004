"""Kraken spot, ``/0``, by its public documentation."""

from __future__ import annotations

import base64
import hashlib
import hmac
from collections.abc import Callable, Sequence
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

from tests.contract.dialects.book import BookOrder, Fill, Reason, Refused, candles, plain
from tests.contract.dialects.dialect import KEY, SECRET, Dialect
from tests.contract.dialects.server import Operation, Reply, Request, Route

D = Decimal
STATUSES = {"open": "open", "filled": "closed", "canceled": "canceled"}
#: its lists are newest first, so many at a time
A_PAGE = 50
#: its words for assets; in its books those of long standing have four letters
ASSETS = {"BTC": "XXBT", "USDT": "USDT"}

REFUSALS: dict[Reason, str] = {
    Reason.FUNDS: "EOrder:Insufficient funds",
    Reason.POST_ONLY: "EOrder:Post only order",
    Reason.NOTIONAL: "EOrder:Cost minimum not met",
    Reason.STEP: "EOrder:Tick size check failed",
    # It documents that ids of open orders are unique, and not how it says so.
    Reason.DUPLICATE: "EOrder:cl_ord_id already in use",
    Reason.NOT_FOUND: "EOrder:Unknown order",
    Reason.NOT_OPEN: "EOrder:Unknown order",
}


class Kraken(Dialect):
    ccxt_id = "kraken"
    dedupe = "open"
    looks = (Operation.OPEN_ORDERS, Operation.ENDED_ORDERS, Operation.TRADES)
    #: the market's two names
    pair_id = "XBTUSDT"
    altname = "XBTUSDT"
    trades_a_page = A_PAGE
    ended_orders_a_page = A_PAGE

    def __init__(self) -> None:
        self._last_nonce = 0
        super().__init__()

    def routes(self) -> Sequence[Route]:
        def public(path: str, operation: Operation, answer: Callable[[Request], Reply]) -> Route:
            return Route(method="GET", path=f"/0/public/{path}", operation=operation, answer=answer, signed=False)

        def private(path: str, operation: Operation, answer: Callable[[Request], Reply]) -> Route:
            return Route(method="POST", path=f"/0/private/{path}", operation=operation, answer=answer)

        return (
            public("Time", Operation.TIME, self._time),
            public("AssetPairs", Operation.INSTRUMENTS, self._pairs),
            public("Ticker", Operation.QUOTE, self._ticker),
            public("Depth", Operation.BOOK, self._depth),
            public("Trades", Operation.PUBLIC_TRADES, self.public_trades),
            public("OHLC", Operation.CANDLES, self._ohlc),
            private("BalanceEx", Operation.BALANCES, self._balances),
            private("AddOrder", Operation.CREATE, self._create),
            private("AmendOrder", Operation.AMEND, self._amend),
            private("CancelOrder", Operation.CANCEL, self._cancel),
            private("QueryOrders", Operation.ORDER, self._order),
            private("OpenOrders", Operation.OPEN_ORDERS, self._open),
            private("ClosedOrders", Operation.ENDED_ORDERS, self._closed),
            private("TradesHistory", Operation.TRADES, self._trades),
        )

    def unsigned(self, request: Request) -> Reply | None:
        if request.headers.get("api-key") != KEY:
            return _no("EAPI:Invalid key")
        nonce = request.form["nonce"]
        message = request.path.encode() + hashlib.sha256((nonce + request.body).encode()).digest()
        signature = hmac.new(base64.b64decode(SECRET), message, hashlib.sha512).digest()
        if request.headers.get("api-sign") != base64.b64encode(signature).decode():
            return _no("EAPI:Invalid signature")
        if int(nonce) <= self._last_nonce:
            return _no("EAPI:Invalid nonce")
        self._last_nonce = int(nonce)
        return None

    def refusal(self, refused: Refused, operation: Operation) -> Reply:
        if refused.reason is Reason.NOT_FOUND and operation is Operation.ORDER:
            return _no("EOrder:Invalid order")
        return _no(REFUSALS[refused.reason])

    def unsure(self) -> Reply:
        return _no("EService:Timeout")

    def too_often(self) -> Reply:
        return _no("EAPI:Rate limit exceeded")

    def without_id(self, reply: Reply) -> Reply:
        assert isinstance(reply.body, dict)
        result = {key: value for key, value in reply.body["result"].items() if key != "txid"}
        return Reply(body={**reply.body, "result": result})

    def order_id(self, number: int) -> str:
        return f"OQCLML-BW3P3-{number:06d}"

    # ----------------------------------------------------------------------------------------------------- the market

    def _time(self, _: Request) -> Reply:
        return _yes({"unixtime": self.book.now_ms() // 1000, "rfc1123": "Sat, 21 Nov 26 15:00:00 +0000"})

    def _pairs(self, _: Request) -> Reply:
        pair = {
            "altname": self.altname, "wsname": "XBT/USDT", "aclass_base": "currency", "base": ASSETS["BTC"],
            "aclass_quote": "currency", "quote": ASSETS["USDT"], "lot": "unit", "cost_decimals": 8,
            "pair_decimals": -self.book.tick.adjusted(), "lot_decimals": -self.book.lot.adjusted(), "lot_multiplier": 1,
            "leverage_buy": [], "leverage_sell": [], "fees": [[0, 0.1]], "fees_maker": [[0, 0.1]],
            "fee_volume_currency": "ZUSD", "margin_call": 80, "margin_stop": 40, "ordermin": "0.00005",
            "costmin": plain(self.book.min_notional), "tick_size": plain(self.book.tick), "status": "online",
        }  # fmt: skip
        return _yes({self.pair_id: pair})

    def _ticker(self, _: Request) -> Reply:
        (bid, bid_size), (ask, ask_size) = (self.book.levels(side, 1)[0] for side in ("buy", "sell"))
        ticker = {
            "a": [plain(ask), "1", plain(ask_size)], "b": [plain(bid), "1", plain(bid_size)],
            "c": [plain(ask), "0.00067643"], "v": ["4083.67", "4412.73"], "p": ["62000.1", "62000.2"],
            "t": [34619, 38907], "l": ["61000.0", "60900.0"], "h": ["63000.0", "63100.0"], "o": "61900.0",
        }  # fmt: skip
        return _yes({self.pair_id: ticker})

    def _depth(self, request: Request) -> Reply:
        count, now_s = int(request.query["count"]), self.book.now_ms() // 1000
        sides = {
            name: [[plain(price), plain(quantity), now_s] for price, quantity in self.book.levels(side, count)]
            for name, side in (("asks", "sell"), ("bids", "buy"))
        }
        return _yes({self.pair_id: sides})

    def _ohlc(self, request: Request) -> Reply:
        """What opened after ``since``, the one that still grows included."""
        span_ms = int(request.query["interval"]) * 60_000
        rows = candles(span_ms, int(request.query["since"]) * 1000 + 1, self.book.now_ms())[-720:]
        shown = [
            [row.open_ms // 1000, *map(plain, (row.open, row.high, row.low, row.close, row.close, row.volume)), 5]
            for row in rows
        ]
        return _yes({self.pair_id: shown, "last": rows[-1].open_ms // 1000})

    # ---------------------------------------------------------------------------------------------------- the account

    def _balances(self, _: Request) -> Reply:
        return _yes(
            {
                ASSETS[asset]: {"balance": plain(total), "hold_trade": plain(self.book.used(asset))}
                for asset, total in self.book.total.items()
            }
        )

    def _create(self, request: Request) -> Reply:
        sent = request.form
        assert sent["pair"] == self.pair_id
        assert "userref" not in sent
        if (late := self._too_late(sent)) is not None:
            return late
        kind, flags = sent["ordertype"], sent.get("oflags", "").split(",")
        assert "viqc" not in flags, "the volume would be quote"
        assert "fciq" in flags, "the fee of a sell would be base"
        order = self.book.place(
            side=sent["type"],
            type="market" if kind == "market" else "limit",
            quantity=D(sent["volume"]),
            price=D(sent["price"]) if kind != "market" else None,
            client_id=sent["cl_ord_id"],
            time_in_force=sent.get("timeinforce", "GTC"),
            post_only="post" in flags,
            display_quantity=D(sent["displayvol"]) if kind == "iceberg" else None,
        )
        return _yes({"descr": {"order": self._in_words(order)}, "txid": [order.id]})

    def _amend(self, request: Request) -> Reply:
        sent = request.form
        if (late := self._too_late(sent)) is not None:
            return late
        order = self.book.find(sent["txid"])
        if D(sent["order_qty"]) <= order.filled:
            self.book.cancel(order.id)
        else:
            self.book.amend(order.id, D(sent["order_qty"]), D(sent["limit_price"]))
        return _yes({"amend_id": "TTW6PD-RC36L-ZZSWNU"})

    def _cancel(self, request: Request) -> Reply:
        self.book.cancel(request.form["txid"])
        return _yes({"count": 1})

    def _order(self, request: Request) -> Reply:
        assert request.form["txid"], "an empty id is no id"
        order = self.book.find(request.form["txid"])
        return _yes({order.id: {**self._shown(order), "trades": [_trade_id(fill) for fill in order.fills]}})

    def _open(self, request: Request) -> Reply:
        return _yes(
            {"open": {order.id: self._shown(order) for order in self._named(request) if order.status == "open"}}
        )

    def _closed(self, request: Request) -> Reply:
        ended = [order for order in self._named(request) if order.status != "open"]
        entries = [(order.updated_ms, order.id, self._shown(order)) for order in ended]
        return self.listed("closed", request, entries)

    def _trades(self, request: Request) -> Reply:
        fills = [(fill.at_ms, _trade_id(fill), self._trade(fill)) for fill in self.book.seen_fills()]
        return self.listed("trades", request, fills)

    def listed(self, name: str, request: Request, entries: list[tuple[int, str, dict[str, Any]]]) -> Reply:
        """Entries with their times in milliseconds and their ids, as many as it gives at once."""
        return _yes({name: _page(request, entries), "count": len(entries)})

    def _named(self, request: Request) -> list[BookOrder]:
        client_id = request.form.get("cl_ord_id")
        return [order for order in self.book.seen() if client_id in {None, order.client_id}]

    def _too_late(self, sent: dict[str, str]) -> Reply | None:
        left = datetime.fromisoformat(sent["deadline"]) - datetime.fromtimestamp(self.book.now_ms() / 1000, UTC)
        if left < timedelta(0):
            return _no("EService:Deadline elapsed")
        if left > timedelta(seconds=60):
            return _no("EGeneral:Invalid arguments:deadline")
        return None

    def _in_words(self, order: BookOrder) -> str:
        at = "market" if order.price is None else f"limit {plain(order.price)}"
        return f"{order.side} {order.quantity:.8f} {self.altname} @ {at}"

    def _shown(self, order: BookOrder) -> dict[str, Any]:
        return {
            "refid": None,
            "userref": None,
            "cl_ord_id": order.client_id,
            "status": STATUSES[order.status],
            "reason": "User requested" if order.status == "canceled" else None,
            "opentm": order.created_ms / 1000,
            "closetm": order.updated_ms / 1000,
            "starttm": 0,
            "expiretm": 0,
            "descr": {
                "pair": self.altname,
                "aclass": "forex",
                "type": order.side,
                "ordertype": "iceberg" if order.display_quantity is not None else order.type,
                "price": plain(order.price or D(0)),
                "price2": "0",
                "leverage": "none",
                "order": self._in_words(order),
                "close": "",
            },
            "vol": f"{order.quantity:.8f}",
            "vol_exec": f"{order.filled:.8f}",
            "cost": f"{order.cost:.5f}",
            "fee": f"{sum(order.fees.values(), D(0)):.5f}",
            "price": f"{order.average:.5f}",
            "stopprice": "0.00000",
            "limitprice": "0.00000",
            "misc": "",
            "oflags": "fciq,post" if order.post_only else "fciq",
        }

    def _trade(self, fill: Fill) -> dict[str, Any]:
        return {
            "ordertxid": fill.order.id,
            "postxid": "TKH2SE-M7IF5-CFI7LT",
            "pair": self.pair_id,
            "aclass": "forex",
            "time": fill.at_ms / 1000,
            "type": fill.order.side,
            "ordertype": fill.order.type,
            "price": f"{fill.price:.5f}",
            "cost": f"{fill.quantity * fill.price:.8f}",
            "fee": f"{fill.fee:.8f}",
            "vol": f"{fill.quantity:.8f}",
            "margin": "0.00000",
            "leverage": "0",
            "misc": "",
            "trade_id": 40_274_859 + fill.id,
            "maker": fill.maker,
        }


def _trade_id(fill: Fill) -> str:
    return f"TCCCTY-WE2O6-{fill.id:06d}"


def _page(request: Request, entries: list[tuple[int, str, dict[str, Any]]]) -> dict[str, dict[str, Any]]:
    """Newest first, from after ``start`` to ``end`` in seconds, without the first ``ofs``."""
    sent = request.form
    first_ms = int(sent.get("start", 0)) * 1000
    last_ms = int(sent["end"]) * 1000 if "end" in sent else None
    within = [entry for entry in entries if entry[0] > first_ms and (last_ms is None or entry[0] <= last_ms)]
    offset = int(sent.get("ofs", 0))
    newest = sorted(within, key=lambda entry: entry[0], reverse=True)[offset : offset + A_PAGE]
    return {entry_id: shown for _, entry_id, shown in newest}


def _yes(result: object) -> Reply:
    return Reply(body={"error": [], "result": result})


def _no(error: str) -> Reply:
    return Reply(body={"error": [error]})


DIALECT = Kraken
