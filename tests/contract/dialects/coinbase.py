"""Coinbase Advanced Trade, ``/api/v3/brokerage``, by its public documentation."""

from __future__ import annotations

import base64
import json
from collections.abc import Callable, Sequence
from dataclasses import replace
from datetime import UTC, datetime
from decimal import Decimal
from functools import cache
from typing import Any, TypeVar

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.asymmetric.utils import encode_dss_signature

from exchanges.config import Secret, VenueConfig
from tests.contract.dialects.book import BookOrder, Fill, Reason, Refused, candles, plain
from tests.contract.dialects.dialect import KEY, Dialect
from tests.contract.dialects.server import Operation, Reply, Request, Route

D = Decimal
T = TypeVar("T")
PREFIX = "/api/v3/brokerage"
PRODUCT = "BTC-USDT"
GRANULARITIES_S = {"ONE_MINUTE": 60, "FIVE_MINUTE": 300, "FIFTEEN_MINUTE": 900, "ONE_HOUR": 3600, "ONE_DAY": 86_400}
STATUSES = {"open": "OPEN", "filled": "FILLED", "canceled": "CANCELLED"}
TIMES_IN_FORCE = {"GTC": "GOOD_UNTIL_CANCELLED", "IOC": "IMMEDIATE_OR_CANCEL", "FOK": "FILL_OR_KILL"}
#: configuration of a new order -> its time in force
CONFIGURATIONS = {
    "limit_limit_gtc": "GTC",
    "sor_limit_ioc": "IOC",
    "limit_limit_fok": "FOK",
    "market_market_ioc": "GTC",
}

NEW_ORDER_REFUSALS: dict[Reason, str] = {
    Reason.FUNDS: "INSUFFICIENT_FUND",
    Reason.POST_ONLY: "INVALID_LIMIT_PRICE_POST_ONLY",
    Reason.NOTIONAL: "PREVIEW_INVALID_QUOTE_SIZE_TOO_SMALL",
    Reason.STEP: "INVALID_SIZE_PRECISION",
}
EDIT_REFUSALS: dict[Reason, str] = {
    Reason.FUNDS: "INSUFFICIENT_FUND",
    Reason.NOTIONAL: "INVALID_EDITED_SIZE",
    Reason.STEP: "INVALID_EDITED_PRICE",
    Reason.NOT_FOUND: "ORDER_NOT_FOUND",
    Reason.NOT_OPEN: "ONLY_OPEN_ORDERS_CAN_BE_EDITED",
}
CANCEL_REFUSALS: dict[Reason, str] = {
    Reason.NOT_FOUND: "UNKNOWN_CANCEL_ORDER",
    Reason.NOT_OPEN: "UNKNOWN_CANCEL_ORDER",
}


@cache
def private_key() -> ec.EllipticCurvePrivateKey:
    """Of these tests alone, and of this run."""
    return ec.generate_private_key(ec.SECP256R1())


def pem() -> str:
    return (
        private_key()
        .private_bytes(
            serialization.Encoding.PEM, serialization.PrivateFormat.TraditionalOpenSSL, serialization.NoEncryption()
        )
        .decode()
    )


class Coinbase(Dialect):
    ccxt_id = "coinbase"
    dedupe = "replay"
    looks = (Operation.OPEN_ORDERS, Operation.ENDED_ORDERS, Operation.TRADES)

    def config(self, **changes: Any) -> VenueConfig:
        return replace(super().config(), **{"secret": Secret(pem()), **changes})

    def routes(self) -> Sequence[Route]:
        def public(
            path: str, operation: Operation | Callable[[Request], Operation], answer: Callable[[Request], Reply]
        ) -> Route:
            return Route(method="GET", path=path, operation=operation, answer=answer, signed=False)

        def private(
            method: str,
            path: str,
            operation: Operation | Callable[[Request], Operation],
            answer: Callable[[Request], Reply],
        ) -> Route:
            return Route(method=method, path=f"{PREFIX}{path}", operation=operation, answer=answer)

        market = f"{PREFIX}/market"
        return (
            public("/v2/time", Operation.TIME, self._time),
            public(f"{market}/products", Operation.INSTRUMENTS, self._products),
            public(f"{market}/products/{PRODUCT}/ticker", _quote_or_tape, self._ticker),
            public(f"{market}/products/{PRODUCT}/candles", Operation.CANDLES, self._candles),
            public(f"{market}/product_book", Operation.BOOK, self._product_book),
            private("GET", "/transaction_summary", Operation.OTHER, self._summary),
            private("GET", "/accounts", Operation.BALANCES, self._accounts),
            private("POST", "/orders", Operation.CREATE, self._create),
            private("POST", "/orders/edit", Operation.AMEND, self._edit),
            private("POST", "/orders/batch_cancel", Operation.CANCEL, self._cancel),
            private("GET", "/orders/historical/batch", listing, self._batch),
            private("GET", "/orders/historical/fills", Operation.TRADES, self._fills),
            private("GET", "/orders/historical/{id}", Operation.ORDER, self._order),
        )

    def unsigned(self, request: Request) -> Reply | None:
        token = request.headers.get("authorization", "").removeprefix("Bearer ")
        claims = _verified(token)
        if claims is None or claims["sub"] != KEY or claims["iss"] != "coinbase-cloud":
            return _unauthorized()
        asked = f"{request.method} {request.headers['host']}{request.path}"
        if claims["uri"].removeprefix("http://").replace(" http://", " ") != asked:
            return _unauthorized()
        now_s = self.book.now_ms() // 1000
        if not claims["nbf"] - 5 <= now_s <= claims["exp"]:
            return _unauthorized()
        return None

    def refusal(self, refused: Refused, operation: Operation) -> Reply:
        if operation is Operation.CREATE:
            why = NEW_ORDER_REFUSALS[refused.reason]
            response = {"error": why, "message": why.lower().replace("_", " "), "error_details": "",
                        "new_order_failure_reason": why}  # fmt: skip
            return Reply(body={"success": False, "error_response": response, "order_configuration": {}})
        if operation is Operation.AMEND:
            errors = [{"edit_failure_reason": EDIT_REFUSALS[refused.reason]}]
            return Reply(body={"success": False, "errors": errors})
        if operation is Operation.CANCEL:
            return _canceled("", CANCEL_REFUSALS[refused.reason])
        words = "order with this orderID was not found"
        return Reply(status=404, body={"error": "NOT_FOUND", "error_details": words, "message": words})

    def unsure(self) -> Reply:
        return Reply(status=500, body={"error": "INTERNAL", "error_details": "", "message": "internal server error"})

    def too_often(self) -> Reply:
        words = "too many requests"
        return Reply(status=429, body={"error": "rate_limit_exceeded", "error_details": words, "message": words})

    def without_id(self, reply: Reply) -> Reply:
        assert isinstance(reply.body, dict)
        response = {key: value for key, value in reply.body["success_response"].items() if key != "order_id"}
        return Reply(body={**reply.body, "success_response": response})

    def order_id(self, number: int) -> str:
        return f"52cfe5e2-0b29-4c19-a245-{number:012d}"

    # ----------------------------------------------------------------------------------------------------- the market

    def _time(self, _: Request) -> Reply:
        now_s = self.book.now_ms() // 1000
        return Reply(body={"data": {"iso": iso(now_s * 1000), "epoch": now_s}})

    def _products(self, request: Request) -> Reply:
        if request.query.get("product_type") == "FUTURE":
            return Reply(body={"products": [], "num_products": 0})
        product = {
            "product_id": PRODUCT, "price": "62000", "base_increment": plain(self.book.lot),
            "quote_increment": plain(self.book.tick), "price_increment": plain(self.book.tick),
            "quote_min_size": plain(self.book.min_notional), "quote_max_size": "10000000", "base_min_size": "0.00001",
            "base_max_size": "3400", "base_name": "Bitcoin", "quote_name": "Tether", "is_disabled": False, "new": False,
            "status": "online", "cancel_only": False, "limit_only": False, "post_only": False,
            "trading_disabled": False, "auction_mode": False, "product_type": "SPOT", "quote_currency_id": "USDT",
            "base_currency_id": "BTC", "alias": "", "alias_to": [], "view_only": False, "product_venue": "CBE",
        }  # fmt: skip
        return Reply(body={"products": [product], "num_products": 1})

    def _summary(self, _: Request) -> Reply:
        tier = {"pricing_tier": "Advanced 1", "taker_fee_rate": "0.001", "maker_fee_rate": "0.001"}
        return Reply(body={"total_volume": 0, "total_fees": 0, "fee_tier": tier})

    def _ticker(self, request: Request) -> Reply:
        """Asked for the time before a moment, it shows the trades up to then."""
        if "end" in request.query:
            return self.public_trades(request)
        (bid, _bid_size), (ask, _ask_size) = (self.book.levels(side, 1)[0] for side in ("buy", "sell"))
        trade = {"trade_id": "34b080bf", "product_id": PRODUCT, "price": plain(ask), "size": "0.004",
                 "time": iso(self.book.now_ms()), "side": "BUY", "bid": "", "ask": ""}  # fmt: skip
        return Reply(body={"trades": [trade], "best_bid": plain(bid), "best_ask": plain(ask)})

    def _candles(self, request: Request) -> Reply:
        """Newest first; both bounds belong to the span."""
        query = request.query
        span_ms = GRANULARITIES_S[query["granularity"]] * 1000
        last_ms = min(int(query["end"]) * 1000, self.book.now_ms())
        rows = candles(span_ms, int(query["start"]) * 1000, last_ms)
        assert len(rows) <= 350, "more than it gives at once"
        return Reply(
            body={
                "candles": [
                    {"start": str(row.open_ms // 1000), "low": plain(row.low), "high": plain(row.high),
                     "open": plain(row.open), "close": plain(row.close), "volume": plain(row.volume)}
                    for row in reversed(rows)
                ]
            }
        )  # fmt: skip

    def _product_book(self, request: Request) -> Reply:
        assert request.query["product_id"] == PRODUCT
        count = int(request.query["limit"])
        sides = {
            name: [{"price": plain(p), "size": plain(q)} for p, q in self.book.levels(side, count)]
            for name, side in (("bids", "buy"), ("asks", "sell"))
        }
        return Reply(body={"pricebook": {"product_id": PRODUCT, **sides, "time": iso(self.book.now_ms())}})

    # ---------------------------------------------------------------------------------------------------- the account

    def _accounts(self, _: Request) -> Reply:
        accounts = [
            {"uuid": f"8bfc20d7-f7c6-4422-bf07-{number:012d}", "name": f"{asset} Wallet", "currency": asset,
             "available_balance": {"value": plain(self.book.free(asset)), "currency": asset}, "default": True,
             "active": True, "type": "ACCOUNT_TYPE_CRYPTO", "ready": True,
             "hold": {"value": plain(self.book.used(asset)), "currency": asset}}
            for number, asset in enumerate(self.book.total)
        ]  # fmt: skip
        return Reply(body={"accounts": accounts, "has_next": False, "cursor": "", "size": len(accounts)})

    def _create(self, request: Request) -> Reply:
        sent = request.json
        assert sent["product_id"] == PRODUCT
        ((kind, told),) = sent["order_configuration"].items()
        assert "quote_size" not in told, "the size would be quote"
        order = self.book.place(
            side=sent["side"].lower(),
            type=kind.split("_")[0].replace("sor", "limit"),
            quantity=D(told["base_size"]),
            price=D(told["limit_price"]) if "limit_price" in told else None,
            client_id=sent["client_order_id"],
            time_in_force=CONFIGURATIONS[kind],
            post_only=told.get("post_only", False),
        )
        response = {"order_id": order.id, "product_id": PRODUCT, "side": sent["side"],
                    "client_order_id": order.client_id, "attached_order_id": ""}  # fmt: skip
        return Reply(
            body={
                "success": True,
                "success_response": response,
                "order_configuration": sent["order_configuration"],
            }
        )

    def _edit(self, request: Request) -> Reply:
        sent = request.json
        order = self.book.find(sent["order_id"])
        if D(sent["size"]) < order.filled:
            return Reply(
                body={"success": False, "errors": [{"edit_failure_reason": "CANNOT_EDIT_TO_BELOW_FILLED_SIZE"}]}
            )
        self.book.amend(order.id, D(sent["size"]), D(sent["price"]))
        return Reply(body={"success": True, "errors": []})

    def _cancel(self, request: Request) -> Reply:
        (order_id,) = request.json["order_ids"]
        self.book.cancel(order_id)
        return _canceled(order_id, None)

    def _order(self, request: Request) -> Reply:
        return Reply(body={"order": _shown(self.book.find(request.parts["id"]))})

    def _batch(self, request: Request) -> Reply:
        query = request.query
        status = query.get("order_status")
        assert query.get("product_ids", PRODUCT if status == "OPEN" else None) == PRODUCT
        found = [order for order in self.book.seen() if status in {None, STATUSES[order.status]}]
        page, more = _page(query, found, lambda order: order.created_ms, "start_date", "end_date")
        body = {"orders": [_shown(order) for order in page], "sequence": "0", "has_next": more}
        return Reply(body={**body, "cursor": page[-1].id if more else ""})

    def _fills(self, request: Request) -> Reply:
        query = request.query
        assert query["product_ids"] == PRODUCT
        first_ms = _ms(query.get("start_sequence_timestamp"))
        fills = [fill for fill in self.book.seen_fills() if first_ms is None or fill.at_ms > first_ms]
        page, more = _page(query, fills, lambda fill: fill.at_ms, "", "end_sequence_timestamp")
        return Reply(body={"fills": [_fill(fill) for fill in page], "cursor": "789100" if more else ""})


def _quote_or_tape(request: Request) -> Operation:
    return Operation.PUBLIC_TRADES if "end" in request.query else Operation.QUOTE


def listing(request: Request) -> Operation:
    return Operation.OPEN_ORDERS if request.query.get("order_status") == "OPEN" else Operation.ENDED_ORDERS


def _shown(order: BookOrder) -> dict[str, Any]:
    kind = {"GTC": "limit_limit_gtc", "IOC": "sor_limit_ioc", "FOK": "limit_limit_fok"}[order.time_in_force]
    told: dict[str, Any] = {"base_size": plain(order.quantity)}
    if order.price is None:
        kind = "market_market_ioc"
    else:
        told["limit_price"] = plain(order.price)
        if kind == "limit_limit_gtc":
            told["post_only"] = order.post_only
    time_in_force = "IMMEDIATE_OR_CANCEL" if order.price is None else TIMES_IN_FORCE[order.time_in_force]
    return {
        "order_id": order.id,
        "product_id": PRODUCT,
        "user_id": "2222-000000-000000",
        "order_configuration": {kind: told},
        "side": order.side.upper(),
        "client_order_id": order.client_id,
        "status": STATUSES[order.status],
        "time_in_force": time_in_force,
        "created_time": iso(order.created_ms),
        "completion_percentage": plain(order.filled * 100 / order.quantity),
        "filled_size": plain(order.filled),
        "average_filled_price": f"{order.average:.16f}",
        "fee": "",
        "number_of_fills": str(len(order.fills)),
        "filled_value": plain(order.cost),
        "pending_cancel": False,
        "size_in_quote": False,
        "total_fees": plain(sum(order.fees.values(), D(0))),
        "size_inclusive_of_fees": False,
        "trigger_status": "INVALID_ORDER_TYPE",
        "order_type": order.type.upper(),
        "reject_reason": "REJECT_REASON_UNSPECIFIED",
        "settled": order.status != "open",
        "product_type": "SPOT",
        "reject_message": "",
        "cancel_message": "User requested cancel" if order.status == "canceled" else "",
    }


def _fill(fill: Fill) -> dict[str, Any]:
    return {
        "entry_id": f"22222-2222222-{fill.id:08d}",
        "trade_id": f"1111-11111-{fill.id:06d}",
        "order_id": fill.order.id,
        "trade_time": iso(fill.at_ms),
        "trade_type": "FILL",
        "price": plain(fill.price),
        "size": plain(fill.quantity),
        "commission": plain(fill.fee),
        "product_id": PRODUCT,
        "sequence_timestamp": iso(fill.at_ms),
        "liquidity_indicator": "MAKER" if fill.maker else "TAKER",
        "size_in_quote": False,
        "user_id": "3333-333333-3333333",
        "side": fill.order.side.upper(),
    }


def _page(
    query: dict[str, str], found: Sequence[T], age: Callable[[T], int], first: str, last: str
) -> tuple[list[T], bool]:
    """Newest first, from ``first`` on and before ``last``, and whether there are more."""
    limit = int(query.get("limit", 100))
    since_ms, until_ms = _ms(query.get(first)), _ms(query.get(last))
    within = [entry for entry in found if (since_ms or 0) <= age(entry) and (until_ms is None or age(entry) < until_ms)]
    return sorted(within, key=age, reverse=True)[:limit], len(within) > limit


def iso(at_ms: int) -> str:
    """With microseconds, as it writes them."""
    return datetime.fromtimestamp(at_ms / 1000, UTC).strftime("%Y-%m-%dT%H:%M:%S.%fZ")


def _ms(text: str | None) -> int | None:
    return None if text is None else round(datetime.fromisoformat(text).timestamp() * 1000)


def _canceled(order_id: str, why: str | None) -> Reply:
    result = {"success": why is None, "failure_reason": why or "UNKNOWN_CANCEL_FAILURE_REASON", "order_id": order_id}
    return Reply(body={"results": [result]})


def _unauthorized() -> Reply:
    return Reply(status=401, body="Unauthorized")


def _verified(token: str) -> dict[str, Any] | None:
    """What the token claims, if it was signed with the key of these tests."""
    if token.count(".") != 2:
        return None
    signed, _, signature = token.rpartition(".")
    header, claims = (json.loads(_decoded(part)) for part in signed.split("."))
    raw = _decoded(signature)
    try:
        private_key().public_key().verify(
            encode_dss_signature(int.from_bytes(raw[:32]), int.from_bytes(raw[32:])),
            signed.encode(),
            ec.ECDSA(hashes.SHA256()),
        )
    except InvalidSignature:
        return None
    return dict(claims) if (header["alg"], header["kid"]) == ("ES256", KEY) else None


def _decoded(part: str) -> bytes:
    return base64.urlsafe_b64decode(part + "=" * (-len(part) % 4))


DIALECT = Coinbase
