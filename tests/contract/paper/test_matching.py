"""Orders meet by price, then time; what they become, cost and hold is Binance's."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from tests.support.paper import PaperProcess
from tests.support.paper_api import PaperApi

ASKS = [("62000", "0.1"), ("62010", "0.2"), ("62020", "0.3")]
BIDS = [("61990", "0.1"), ("61980", "0.2"), ("61970", "0.3")]


@pytest.fixture
def thin(venue: PaperProcess) -> PaperProcess:
    """0.6 BTC on either side, over three levels."""
    venue.set_depth("BTCUSDT", bids=BIDS, asks=ASKS)
    return venue


def outcome(answer: Any) -> tuple[str, str, str]:
    return answer.body["status"], answer.body["executedQty"], answer.body["cummulativeQuoteQty"]


def test_market_order_sweeps_levels_in_several_fills(thin: PaperProcess, api: PaperApi) -> None:
    answer = api.order("BUY", "0.25")

    assert outcome(answer) == ("FILLED", "0.25000000", "15501.50000000")
    assert [(fill["price"], fill["qty"], fill["commission"]) for fill in answer.body["fills"]] == [
        ("62000.00000000", "0.10000000", "0.00010000"),
        ("62010.00000000", "0.15000000", "0.00015000"),
    ]
    assert {fill["commissionAsset"] for fill in answer.body["fills"]} == {"BTC"}
    assert api.balance("BTC") == ("100.24975000", "0.00000000")
    assert api.balance("USDT") == ("9984498.50000000", "0.00000000")


def test_sell_pays_its_fee_in_quote(thin: PaperProcess, api: PaperApi) -> None:
    fill = api.order("SELL", "0.1").body["fills"][0]

    assert (fill["commission"], fill["commissionAsset"]) == ("6.19900000", "USDT")
    assert api.balance("USDT")[0] == "10006192.80100000"


# type and time in force, quantity, price -> status, executed, resting afterwards
RESTS: dict[str, tuple[dict[str, str], str, str | None, tuple[str, str], int]] = {
    "market beyond the depth expires with its rest": ({}, "1", None, ("EXPIRED", "0.60000000"), 0),
    "IOC fills what it can": ({"timeInForce": "IOC"}, "0.5", "62010", ("EXPIRED", "0.30000000"), 0),
    "IOC that meets nothing expires empty": ({"timeInForce": "IOC"}, "0.5", "61000", ("EXPIRED", "0.00000000"), 0),
    "FOK without enough expires empty": ({"timeInForce": "FOK"}, "0.5", "62010", ("EXPIRED", "0.00000000"), 0),
    "FOK with enough fills": ({"timeInForce": "FOK"}, "0.3", "62010", ("FILLED", "0.30000000"), 0),
    "GTC rests with what is left": ({}, "0.5", "62010", ("PARTIALLY_FILLED", "0.30000000"), 1),
    "GTC below the market rests whole": ({}, "0.5", "61000", ("NEW", "0.00000000"), 1),
}


@pytest.mark.parametrize("case", RESTS)
def test_what_becomes_of_an_order(thin: PaperProcess, api: PaperApi, case: str) -> None:
    terms, quantity, price, expected, resting = RESTS[case]

    answer = api.order("BUY", quantity, price, **terms)

    assert outcome(answer)[:2] == expected
    assert len(api.signed("GET", "openOrders", symbol="BTCUSDT").body) == resting
    found = api.signed("GET", "order", symbol="BTCUSDT", orderId=answer.body["orderId"]).body
    assert (found["status"], found["executedQty"]) == expected
    if not resting:
        assert api.balance("USDT")[1] == "0.00000000"


def test_quote_quantity_buys_whole_lots_for_at_most_the_amount(thin: PaperProcess, api: PaperApi) -> None:
    answer = api.signed("POST", "order", symbol="BTCUSDT", side="BUY", type="MARKET", quoteOrderQty="10000")

    assert outcome(answer) == ("FILLED", "0.16128000", "9999.97280000")
    assert answer.body["origQuoteOrderQty"] == "10000.00000000"


@pytest.mark.parametrize(("kind", "has"), [("ACK", set()), ("RESULT", {"status"}), ("FULL", {"status", "fills"})])
def test_response_type_decides_what_is_told(api: PaperApi, kind: str, has: set[str]) -> None:
    answer = api.order("BUY", "0.01", newOrderRespType=kind)

    assert {"orderId", "clientOrderId", "transactTime"} | has <= set(answer.body)
    assert {"status", "fills"} & set(answer.body) == has


def test_earlier_order_at_a_price_fills_first(venue: PaperProcess, api: PaperApi, other: PaperApi) -> None:
    venue.set_depth("BTCUSDT")
    api.order("BUY", "0.1", "60000", newClientOrderId="first")
    other.order("BUY", "0.1", "60000", newClientOrderId="second")
    api.order("BUY", "0.1", "60001", newClientOrderId="better")

    venue.market_order("BTCUSDT", "sell", "0.25")

    filled = {order["client_order_id"]: order["executed"] for order in venue.orders()}
    assert filled == {"better": "0.10000000", "first": "0.10000000", "second": "0.05000000"}


def test_resting_order_is_maker_and_partly_filled_over_time(venue: PaperProcess, api: PaperApi) -> None:
    api.order("SELL", "1", "63000", newClientOrderId="rest")

    venue.set_price("BTCUSDT", "63100", quantity="0.4")
    partly = api.find("rest").body
    venue.set_price("BTCUSDT", "63200")

    assert (partly["status"], partly["executedQty"]) == ("PARTIALLY_FILLED", "0.40000000")
    assert api.find("rest").body["status"] == "FILLED"
    trades = api.my_trades()
    assert [(trade["qty"], trade["price"], trade["isMaker"], trade["isBuyer"]) for trade in trades] == [
        ("0.40000000", "63000.00000000", True, False),
        ("0.60000000", "63000.00000000", True, False),
    ]


def test_book_is_never_crossed_while_a_customer_stands_in_the_way(venue: PaperProcess, api: PaperApi) -> None:
    api.order("SELL", "5", "63000")

    venue.set_price("BTCUSDT", "64000", quantity="1")

    depth = api.public("depth", symbol="BTCUSDT", limit=5).body
    assert depth["asks"][0][0] == "63000.00000000"
    assert float(depth["asks"][0][1]) >= 4
    assert depth["bids"][0][0] == "62999.99000000"


def test_two_accounts_trade_with_each_other(venue: PaperProcess, api: PaperApi, other: PaperApi) -> None:
    venue.set_depth("BTCUSDT")
    other.order("SELL", "0.5", "62000")

    bought = api.order("BUY", "0.5", "62500").body

    assert bought["fills"][0]["price"] == "62000.00000000"
    assert api.balance("USDT") == ("9969000.00000000", "0.00000000")
    assert other.balance("USDT")[0] == "10030969.00000000"
    assert other.balance("BTC") == ("99.50000000", "0.00000000")


def test_self_match_is_one_trade_id_on_two_orders(venue: PaperProcess, api: PaperApi) -> None:
    venue.set_depth("BTCUSDT")
    sold = api.order("SELL", "0.5", "62000").body["orderId"]
    bought = api.order("BUY", "0.5", "62000").body["orderId"]

    trades = api.my_trades()

    assert [trade["id"] for trade in trades] == [1, 1]
    assert {trade["orderId"]: trade["isMaker"] for trade in trades} == {sold: True, bought: False}
    assert api.balance("BTC") == ("99.99950000", "0.00000000")


def test_orders_and_trades_are_numbered_per_symbol(api: PaperApi) -> None:
    answers = [api.order("BUY", "0.1", symbol=symbol).body for symbol in ("BTCUSDT", "ETHUSDT")]

    assert [answer["orderId"] for answer in answers] == [1, 1]
    assert [answer["fills"][0]["tradeId"] for answer in answers] == [1, 1]


def test_limit_order_holds_what_it_may_cost_and_a_cancel_frees_it(api: PaperApi) -> None:
    api.order("BUY", "0.1", "50000", newClientOrderId="held")
    held = api.balance("USDT")
    api.cancel("held")

    assert held == ("9995000.00000000", "5000.00000000")
    assert api.balance("USDT") == ("10000000.00000000", "0.00000000")


# mode -> is the id taken again while the earlier is open, after it is done
DEDUPES = {"open": (-2010, 0), "always": (-2010, -2010), "never": (0, 0)}


@pytest.mark.parametrize("mode", DEDUPES)
def test_client_id_is_taken_again_as_the_mode_says(start_venue: Callable[..., PaperProcess], mode: str) -> None:
    with PaperApi(start_venue(dedupe=mode).url) as api:
        api.order("BUY", "0.01", "50000", newClientOrderId="twin")
        while_open = api.order("BUY", "0.01", "50000", newClientOrderId="twin")
        api.signed("DELETE", "openOrders", symbol="BTCUSDT")
        after = api.order("BUY", "0.01", newClientOrderId="twin")

    assert (while_open.code, after.code) == DEDUPES[mode]
    if while_open.code:
        assert while_open.body["msg"] == "Duplicate order sent."


def replace(api: PaperApi, **more: Any) -> Any:
    terms = {"type": "LIMIT", "timeInForce": "GTC", "cancelReplaceMode": "STOP_ON_FAILURE", "quantity": "0.02", **more}
    return api.signed("POST", "order/cancelReplace", symbol="BTCUSDT", side="BUY", **terms)


def test_cancel_replace_that_can_not_cancel_places_nothing(venue: PaperProcess, api: PaperApi) -> None:
    answer = replace(api, price="50000", cancelOrderId=9)

    assert (answer.status, answer.code) == (400, -2022)
    assert answer.body["data"]["cancelResponse"] == {"code": -2011, "msg": "Unknown order sent."}
    assert answer.body["data"]["newOrderResult"] == "NOT_ATTEMPTED"
    assert venue.orders() == []


def test_cancel_replace_that_can_not_place_has_cancelled(api: PaperApi) -> None:
    api.order("BUY", "0.01", "50000", newClientOrderId="old")

    answer = replace(api, price="61000", quantity="140", cancelOrigClientOrderId="old")
    answer_maker = api.find("old").body

    assert (answer.status, answer.code) == (200, 0)
    assert answer_maker["status"] == "CANCELED"
    refused = replace(api, price="61000", quantity="147", cancelOrderId=answer.body["newOrderResponse"]["orderId"])
    again = replace(api, type="LIMIT_MAKER", timeInForce=None, price="70000", quantity="0.01", cancelOrderId=3)
    assert (refused.status, refused.body["cancelResult"]) == (200, "SUCCESS")
    assert (again.status, again.code, again.body["data"]["cancelResult"]) == (409, -2021, "SUCCESS")
    assert api.signed("GET", "openOrders").body == []


def test_cancel_replace_with_a_bad_filter_leaves_the_old_order(api: PaperApi) -> None:
    api.order("BUY", "0.01", "50000", newClientOrderId="old")

    assert replace(api, price="50000.001", cancelOrigClientOrderId="old").code == -1013
    assert api.find("old").body["status"] == "NEW"


def test_trades_are_paged_by_id_order_and_time(api: PaperApi) -> None:
    first = api.order("BUY", "0.01").body
    for _ in range(3):
        api.order("BUY", "0.01")

    assert [trade["id"] for trade in api.my_trades(fromId=2, limit=2)] == [2, 3]
    assert [trade["id"] for trade in api.my_trades(limit=2)] == [3, 4]
    assert [trade["id"] for trade in api.my_trades(orderId=first["orderId"])] == [1]
    assert [trade["id"] for trade in api.my_trades(startTime=first["transactTime"])][:1] == [1]
    assert api.my_trades(startTime=first["transactTime"] + 60_000) == []
    assert api.my_trades(endTime=first["transactTime"] - 1) == []
    assert [row["orderId"] for row in api.signed("GET", "allOrders", symbol="BTCUSDT", orderId=3).body] == [3, 4]


def test_deposit_can_be_spent(venue: PaperProcess, api: PaperApi) -> None:
    venue.deposit("main", "BTC", "20")

    assert api.order("SELL", "110", "65000").body["status"] == "NEW"
