"""Every refusal has Binance's code, text and HTTP status, and leaves no order behind."""

from __future__ import annotations

import hashlib
import hmac
import time
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from tests.support.paper import KEY, PaperProcess
from tests.support.paper_api import PaperApi

LIMIT = {
    "symbol": "BTCUSDT",
    "side": "BUY",
    "type": "LIMIT",
    "timeInForce": "GTC",
    "quantity": "0.01",
    "price": "60000",
}
MARKET = {"symbol": "BTCUSDT", "side": "BUY", "type": "MARKET", "quantity": "0.01"}
MAKER = {"symbol": "BTCUSDT", "side": "BUY", "type": "LIMIT_MAKER", "quantity": "0.01", "price": "60000"}

ILLEGAL = "Illegal characters found in parameter '{}'; legal range is '{}'."
DECIMAL = r"^([0-9]{1,20})(\.[0-9]{1,20})?$"
MANDATORY = "Mandatory parameter '{}' was not sent, was empty/null, or malformed."
UNREQUIRED = "Parameter '{}' sent when not required."

REFUSALS: dict[str, tuple[dict[str, Any], int, str]] = {
    "price off the tick": ({**LIMIT, "price": "60000.001"}, -1013, "Filter failure: PRICE_FILTER"),
    "quantity off the lot": ({**LIMIT, "quantity": "0.010001"}, -1013, "Filter failure: LOT_SIZE"),
    "quantity over the most": ({**LIMIT, "quantity": "90000.1"}, -1013, "Filter failure: LOT_SIZE"),
    "market quantity over the most": ({**MARKET, "quantity": "361"}, -1013, "Filter failure: MARKET_LOT_SIZE"),
    "value under the minimum": ({**LIMIT, "quantity": "0.00008"}, -1013, "Filter failure: NOTIONAL"),
    "market value under the minimum": ({**MARKET, "quantity": "0.00008"}, -1013, "Filter failure: NOTIONAL"),
    "quote amount under the minimum": (
        {**MARKET, "quantity": None, "quoteOrderQty": "4"},
        -1013,
        "Filter failure: NOTIONAL",
    ),
    "quantity of zero": ({**LIMIT, "quantity": "0"}, -1013, "Invalid quantity."),
    "price of zero": ({**LIMIT, "price": "0.00"}, -1013, "Invalid price."),
    "nine digits": ({**LIMIT, "quantity": "0.123456789"}, -1111, "Parameter 'quantity' has too much precision."),
    "exponent": ({**LIMIT, "quantity": "1e-2"}, -1100, ILLEGAL.format("quantity", DECIMAL)),
    "negative": ({**LIMIT, "price": "-1"}, -1100, ILLEGAL.format("price", DECIMAL)),
    "full-width digits": ({**LIMIT, "price": "６００００"}, -1100, ILLEGAL.format("price", DECIMAL)),
    "client id with a space": (
        {**LIMIT, "newClientOrderId": "a b"},
        -1100,
        ILLEGAL.format("newClientOrderId", r"^[\.A-Z\:/a-z0-9_-]{1,36}$"),
    ),
    "client id too long": (
        {**LIMIT, "newClientOrderId": "a" * 37},
        -1100,
        ILLEGAL.format("newClientOrderId", r"^[\.A-Z\:/a-z0-9_-]{1,36}$"),
    ),
    "no quantity": ({**LIMIT, "quantity": None}, -1102, MANDATORY.format("quantity")),
    "no price": ({**LIMIT, "price": None}, -1102, MANDATORY.format("price")),
    "no time in force": ({**LIMIT, "timeInForce": None}, -1102, MANDATORY.format("timeInForce")),
    "no side": ({**LIMIT, "side": None}, -1102, MANDATORY.format("side")),
    "market without quantity": ({**MARKET, "quantity": None}, -1102, MANDATORY.format("quantity")),
    "market with both quantities": ({**MARKET, "quoteOrderQty": "100"}, -1106, UNREQUIRED.format("quoteOrderQty")),
    "market with a price": ({**MARKET, "price": "60000"}, -1106, UNREQUIRED.format("price")),
    "maker with a time in force": ({**MAKER, "timeInForce": "GTC"}, -1106, UNREQUIRED.format("timeInForce")),
    "unknown side": ({**LIMIT, "side": "LONG"}, -1117, "Invalid side."),
    "unknown type": ({**LIMIT, "type": "LIMITED"}, -1116, "Invalid orderType."),
    "unknown time in force": ({**LIMIT, "timeInForce": "GTX"}, -1115, "Invalid timeInForce."),
    "unknown symbol": ({**LIMIT, "symbol": "BTCEUR"}, -1121, "Invalid symbol."),
    "a parameter it does not know": (
        {**LIMIT, "postOnly": "true"},
        -1104,
        "Not all sent parameters were read; read '9' parameter(s) but was sent '10'.",
    ),
    "more than it has": (
        {**LIMIT, "side": "SELL", "quantity": "101", "price": "65000"},
        -2010,
        "Account has insufficient balance for requested action.",
    ),
    "maker that would take": ({**MAKER, "price": "63000"}, -2010, "Order would immediately match and take."),
}


@pytest.fixture(scope="module")
def shared(tmp_path_factory: pytest.TempPathFactory) -> Iterator[PaperProcess]:
    with PaperProcess(tmp_path_factory.mktemp("venue")) as process:
        process.pause_market()
        yield process


@pytest.mark.parametrize("case", REFUSALS)
@pytest.mark.parametrize("in_body", [True, False], ids=["body", "query"])
def test_refused_order_has_binances_code_and_text(shared: PaperProcess, case: str, in_body: bool) -> None:
    params, code, message = REFUSALS[case]
    with PaperApi(shared.url) as api:
        answer = api.signed("POST", "order", in_body=in_body, **params)

    assert (answer.status, answer.body) == (400, {"code": code, "msg": message})
    assert shared.orders() == []


def test_order_of_query_and_body_together_is_accepted(api: PaperApi) -> None:
    """Binance signs the query and the body one behind the other."""
    query = "symbol=BTCUSDT&side=BUY&type=LIMIT&timeInForce=GTC"
    body = f"quantity=0.01&price=60000&recvWindow=60000&timestamp={time.time_ns() // 1_000_000}"
    signature = hmac.new(api.secret.encode(), (query + body).encode(), hashlib.sha256).hexdigest()

    answer = api.send("POST", f"{api.url}/api/v3/order?{query}", data=f"{body}&signature={signature}")

    assert answer.status == 200, answer.body


def now_ms() -> int:
    return time.time_ns() // 1_000_000


CREDENTIALS: dict[str, tuple[Callable[[PaperApi], Any], int, int]] = {
    "wrong secret": (lambda api: PaperApi(api.url, KEY, "wrong").signed("GET", "account"), 400, -1022),
    "unknown key": (lambda api: PaperApi(api.url, "nobody").signed("GET", "account"), 401, -2015),
    "no key": (lambda api: PaperApi(api.url, "").signed("GET", "account"), 401, -2014),
    "no signature": (lambda api: api.send("GET", f"{api.url}/api/v3/account?timestamp={now_ms()}"), 400, -1102),
    "no timestamp": (lambda api: api.signed("GET", "account", timestamp=None), 400, -1102),
    "a word for a timestamp": (lambda api: api.signed("GET", "account", timestamp="now"), 400, -1100),
    "stale": (lambda api: api.signed("GET", "account", timestamp=now_ms() - 6000, recvWindow=5_000), 400, -1021),
    "stale within a wider window": (
        lambda api: api.signed("GET", "account", timestamp=now_ms() - 6000, recvWindow=60_000),
        200,
        0,
    ),
    "from the future": (lambda api: api.signed("GET", "account", timestamp=now_ms() + 600_000), 400, -1021),
    "a window over a minute": (lambda api: api.signed("GET", "account", recvWindow=60_001), 400, -1131),
    "tampered": (
        lambda api: api.send("GET", f"{api.url}/api/v3/myTrades?" + api.sign({"symbol": "BTCUSDT"}) + "&limit=5"),
        400,
        -1022,
    ),
}


@pytest.mark.parametrize("case", CREDENTIALS)
def test_signed_request_is_checked(shared: PaperProcess, case: str) -> None:
    ask, status, code = CREDENTIALS[case]
    with PaperApi(shared.url) as api:
        answer = ask(api)

    assert (answer.status, answer.code) == (status, code), answer.body


LOOKUPS: dict[str, tuple[str, str, dict[str, Any], int]] = {
    "order that never was": ("GET", "order", {"orderId": 5}, -2013),
    "client id that never was": ("GET", "order", {"origClientOrderId": "x"}, -2013),
    "neither id": ("GET", "order", {}, -1102),
    "id that is no number": ("GET", "order", {"orderId": "None"}, -1100),
    "cancel of nothing": ("DELETE", "order", {"orderId": 5}, -2011),
    "cancel of all where there is none": ("DELETE", "openOrders", {}, -2011),
    "unknown interval": ("GET", "klines", {"interval": "7m"}, -1120),
}


@pytest.mark.parametrize("case", LOOKUPS)
def test_lookup_that_finds_nothing_has_its_code(shared: PaperProcess, case: str) -> None:
    method, endpoint, params, code = LOOKUPS[case]
    with PaperApi(shared.url) as api:
        answer = api.signed(method, endpoint, symbol="BTCUSDT", **params)

    assert (answer.status, answer.code) == (400, code), answer.body


def test_another_accounts_order_does_not_exist(api: PaperApi, other: PaperApi) -> None:
    placed = api.order("BUY", "0.01", "60000")

    assert other.signed("GET", "order", symbol="BTCUSDT", orderId=placed.body["orderId"]).code == -2013
    assert other.signed("DELETE", "order", symbol="BTCUSDT", orderId=placed.body["orderId"]).code == -2011


def test_cancel_of_a_cancelled_order_is_refused(api: PaperApi) -> None:
    api.order("BUY", "0.01", "60000", newClientOrderId="once")

    assert api.cancel("once").body["status"] == "CANCELED"
    assert (api.cancel("once").code, api.find("once").body["status"]) == (-2011, "CANCELED")


def test_too_many_open_orders_are_refused(start_venue: Callable[..., PaperProcess]) -> None:
    with PaperApi(start_venue(max_open_orders=1).url) as api:
        api.order("BUY", "0.01", "60000")
        second = api.order("BUY", "0.01", "60000")

    assert (second.code, second.body["msg"]) == (-1013, "Filter failure: MAX_NUM_ORDERS")


def test_weight_is_counted_then_refused_with_429_then_banned_with_418(start_venue: Callable[..., PaperProcess]) -> None:
    with PaperApi(start_venue(weight_limit=50).url) as api:
        first = api.public("exchangeInfo")
        answers = [api.public("exchangeInfo") for _ in range(60)]

    statuses = [answer.status for answer in answers]
    too_many, banned = answers[statuses.index(429)], answers[statuses.index(418)]
    assert first.headers["X-MBX-USED-WEIGHT-1M"] == "20"
    assert too_many.code == banned.code == -1003
    assert 1 <= int(too_many.headers["Retry-After"]) <= 60
    assert int(banned.headers["Retry-After"]) >= 100
    assert set(statuses[statuses.index(418) :]) == {418}


@pytest.mark.parametrize("body", ["", "symbol", "%00%ff", "a=1&a=2", "&".join(f"p{n}=1" for n in range(200))])
def test_unreadable_body_is_refused_not_crashed_on(api: PaperApi, venue: PaperProcess, body: str) -> None:
    answer = api.send("POST", f"{api.url}/api/v3/order", data=body)

    assert answer.status == 400
    assert answer.code < 0
    assert venue.health()["status"] == "ok"


def test_unknown_path_is_not_found(api: PaperApi) -> None:
    assert api.public("nothing").status == 404
