"""What leaves for each venue: ids, numbers and times in force as they were given, and never an amount of quote."""

from __future__ import annotations

import json
from decimal import Decimal
from typing import Any
from urllib.parse import parse_qs

import pytest

from exchanges.evidence import Evidence, VenueError
from exchanges.gateway import NotRounded
from models.reports import VenueStatus
from models.vocabulary import OrderType, TimeInForce
from tests.contract.canned import CannedPool, gateway, order, reply

COMMON = "abc000000000000001"
#: an acknowledgement of each venue
ACKS: dict[str, object] = {
    "binance": {"symbol": "BTCUSDT", "orderId": 1, "clientOrderId": COMMON, "status": "NEW", "transactTime": 1,
                "origQty": "0.01", "executedQty": "0", "cummulativeQuoteQty": "0", "price": "50000.10", "fills": []},
    "bybit": {"retCode": 0, "retMsg": "OK", "result": {"orderId": "1", "orderLinkId": COMMON}, "time": 1},
    "okx": {"code": "0", "data": [{"clOrdId": COMMON, "ordId": "1", "sCode": "0", "sMsg": "", "tag": ""}], "msg": ""},
    "kraken": {"error": [], "result": {"descr": {"order": "buy 0.01 XBTUSDT @ limit 50000.1"}, "txid": ["1"]}},
    "coinbase": {"success": True, "success_response": {"order_id": "1", "product_id": "BTC-USDT", "side": "BUY"}},
    "kucoin": {"code": "200000", "data": {"orderId": "1"}},
    "gate": {"id": "1", "text": f"t-{COMMON}", "status": "open", "currency_pair": "BTC_USDT", "amount": "0.01",
             "left": "0.01", "price": "50000.1", "side": "buy", "type": "limit", "create_time_ms": 1},
    "bitget": {"code": "00000", "msg": "success", "data": {"orderId": "1", "clientOid": COMMON}},
}  # fmt: skip
#: how the client id, the quantity and the price are called
NAMES: dict[str, tuple[str, str, str]] = {
    "binance": ("newClientOrderId", "quantity", "price"),
    "bybit": ("orderLinkId", "qty", "price"),
    "okx": ("clOrdId", "sz", "px"),
    "kraken": ("cl_ord_id", "volume", "price"),
    "coinbase": ("client_order_id", "base_size", "limit_price"),
    "kucoin": ("clientOid", "size", "price"),
    "gate": ("text", "amount", "price"),
    "bitget": ("clientOid", "size", "price"),
}
EIGHT = tuple(ACKS)
MARKET = {"type": OrderType.MARKET, "price": None}


def acked(venue: str) -> tuple[Any, CannedPool]:
    return gateway(venue, reply(200, json.dumps(ACKS[venue])))


def sent(canned: CannedPool) -> dict[str, str]:
    """The body of the first request, flattened."""
    assert canned.sent[0].startswith("POST ")
    body = canned.sent[0].split("\r\n\r\n", 1)[1]
    if not body.startswith(("{", "[")):
        return {name: values[0] for name, values in parse_qs(body).items()}
    flat: dict[str, str] = {}
    waiting = [json.loads(body)]
    while waiting:
        entry = waiting.pop()
        for name, value in entry.items() if isinstance(entry, dict) else enumerate(entry):
            if isinstance(value, dict | list):
                waiting.append(value)
            else:
                flat[str(name)] = str(value)
    if isinstance(json.loads(body), list):
        waiting.append(json.loads(body)[0])
        flat |= {name: str(value) for name, value in waiting[0].items()}
    return flat


@pytest.mark.parametrize("venue", EIGHT)
def test_a_limit_order_leaves_as_it_was_given(venue: str) -> None:
    made, canned = acked(venue)

    report = made.create_order(order())

    body = sent(canned)
    client_id, quantity, price = NAMES[venue]
    assert body[client_id] == made.client_id(COMMON)
    assert Decimal(body[quantity]) == Decimal("0.01")
    assert Decimal(body[price]) == Decimal("50000.1")
    assert (report.venue_order_id, report.status) == ("1", VenueStatus.OPEN)
    assert sum(request.startswith("POST ") and client_id in request for request in canned.sent) == 1


@pytest.mark.parametrize("venue", ["binance", "bybit", "okx", "kraken", "kucoin"])
def test_a_market_buy_counts_in_base(venue: str) -> None:
    made, canned = acked(venue)

    made.create_order(order(**MARKET))

    body = sent(canned)
    _, quantity, price = NAMES[venue]
    assert Decimal(body[quantity]) == Decimal("0.01")
    assert price not in body
    assert not {"quoteOrderQty", "funds", "quote_size"} & body.keys()
    assert body.get("marketUnit", "baseCoin") == "baseCoin"
    assert body.get("tgtCcy", "base_ccy") == "base_ccy"


@pytest.mark.parametrize("venue", ["coinbase", "gate", "bitget", "mexc"])
def test_a_market_buy_where_the_venue_counts_in_quote_is_refused_unsent(venue: str) -> None:
    made, canned = gateway(venue, reply(200, "{}"))

    with pytest.raises(VenueError, match="IOC") as raised:
        made.create_order(order(**MARKET))

    assert raised.value.evidence is Evidence.REJECTED
    assert canned.sent == []


@pytest.mark.parametrize("time_in_force", [TimeInForce.IOC, TimeInForce.FOK])
@pytest.mark.parametrize("venue", EIGHT)
def test_time_in_force_is_told_to_the_venue(venue: str, time_in_force: TimeInForce) -> None:
    made, canned = acked(venue)

    made.create_order(order(time_in_force=time_in_force))

    assert time_in_force.value.lower() in canned.sent[0].lower().split("\r\n\r\n", 1)[1], canned.sent[0]


@pytest.mark.parametrize("venue", EIGHT)
def test_post_only_is_told_to_the_venue(venue: str) -> None:
    made, canned = acked(venue)

    made.create_order(order(post_only=True))

    body = canned.sent[0].lower().split("\r\n\r\n", 1)[1]
    assert any(word in body for word in ("limit_maker", "post", "poc")), body


#: what each venue's own iceberg is called
ICEBERGS: dict[str, dict[str, str]] = {
    "binance": {"icebergQty": "0.004"},
    "kraken": {"displayvol": "0.004", "ordertype": "iceberg"},
    "kucoin": {"visibleSize": "0.004", "iceberg": "True"},
    "gate": {"iceberg": "0.004"},
}
SHOWS: dict[str, Any] = {"display_quantity": Decimal("0.004")}


@pytest.mark.parametrize("venue", EIGHT)
def test_an_iceberg_is_the_venues_own_or_none(venue: str) -> None:
    made, canned = acked(venue)
    assert made.capabilities.native_iceberg is (venue in ICEBERGS)
    if venue not in ICEBERGS:
        with pytest.raises(VenueError) as raised:
            made.create_order(order(**SHOWS))
        assert (raised.value.evidence, raised.value.code) == (Evidence.REJECTED, "NO_ICEBERG")
        assert canned.sent == []
        return

    made.create_order(order(**SHOWS))

    body = sent(canned)
    assert ICEBERGS[venue].items() <= body.items()
    assert Decimal(body[NAMES[venue][1]]) == Decimal("0.01"), "the whole is still ordered"


@pytest.mark.parametrize(
    "changes", [MARKET, {"time_in_force": TimeInForce.IOC}, {"time_in_force": TimeInForce.FOK}], ids=str
)
def test_what_does_not_rest_is_no_iceberg(changes: dict[str, Any]) -> None:
    made, canned = acked("binance")

    with pytest.raises(VenueError) as raised:
        made.create_order(order(**{**changes, **SHOWS}))

    assert (raised.value.evidence, raised.value.code) == (Evidence.REJECTED, "ICEBERG_MUST_REST")
    assert canned.sent == []


def test_an_iceberg_that_hides_nothing_is_an_ordinary_order() -> None:
    made, canned = acked("binance")

    made.create_order(order(display_quantity=Decimal("0.01")))

    assert "icebergQty" not in sent(canned)


def test_a_shown_quantity_that_is_not_rounded_is_a_defect() -> None:
    made, canned = acked("binance")

    with pytest.raises(NotRounded, match="shown quantity"):
        made.create_order(order(display_quantity=Decimal("0.004001")))

    assert canned.sent == []


def test_binance_signs_the_intents_time_and_window() -> None:
    made, canned = acked("binance")

    made.create_order(order(window_ms=1234))

    body = sent(canned)
    assert (body["timestamp"], body["recvWindow"]) == ("1760000000000", "1234")
    assert body["newOrderRespType"] == "FULL"
    assert body["type"] == "LIMIT"
    assert body["timeInForce"] == "GTC"


def test_bybit_signs_the_intents_time_and_window() -> None:
    made, canned = acked("bybit")
    made._caller.clock.measure(lambda: 1_770_000_000_000)

    made.create_order(order(window_ms=1234))

    head = canned.sent[0].split("\r\n\r\n", 1)[0]
    assert "X-BAPI-TIMESTAMP: 1760000000000" in head
    assert "X-BAPI-RECV-WINDOW: 1234" in head
    later = canned.sent[1].split("\r\n\r\n", 1)[0]
    assert "X-BAPI-TIMESTAMP: 177" in later, "the next request is signed with the present time again"
    assert "X-BAPI-RECV-WINDOW: 5000" in later


def test_kraken_is_told_the_deadline_and_signs_rising_nonces() -> None:
    made, canned = acked("kraken")

    made.create_order(order(window_ms=5000))
    made.create_order(order(window_ms=5000))

    creates = [parse_qs(request.split("\r\n\r\n", 1)[1]) for request in canned.sent if "AddOrder" in request]
    assert creates[0]["deadline"] == ["2025-10-09T08:53:25.000000Z"]
    nonces = [int(parse_qs(request.split("\r\n\r\n", 1)[1])["nonce"][0]) for request in canned.sent]
    assert nonces == sorted(set(nonces))


def test_krakens_deadline_is_never_farther_away_than_it_takes() -> None:
    made, canned = acked("kraken")

    made.create_order(order(window_ms=90_000))

    assert sent(canned)["deadline"] == "2025-10-09T08:54:20.000000Z"
