"""Amending an order in its place: what becomes of its queue, its hold and the journal."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import pytest

from exchanges.paper.journal import read_amendments, read_orders, read_requests
from tests.support.paper import PaperProcess
from tests.support.paper_api import Answer, PaperApi

ENDPOINT = "order/amend/keepPriority"
PRICE = "61000"


@pytest.fixture(autouse=True)
def away_from_the_market(venue: PaperProcess) -> None:
    venue.set_depth("BTCUSDT", bids=[("60000", "1")], asks=[("62000", "1")])


def amend(api: PaperApi, client_id: str, quantity: str, price: str | None = None, **more: Any) -> Answer:
    return api.signed(
        "PUT", ENDPOINT, symbol="BTCUSDT", origClientOrderId=client_id, newQty=quantity, newPrice=price, **more
    )


def executed(api: PaperApi, *client_ids: str) -> list[Decimal]:
    return [Decimal(api.find(client_id).body["executedQty"]) for client_id in client_ids]


def two_in_a_queue(api: PaperApi, other: PaperApi) -> None:
    api.order("BUY", "0.2", PRICE, newClientOrderId="first")
    other.order("BUY", "0.2", PRICE, newClientOrderId="second")


def test_the_answer_is_binances(api: PaperApi) -> None:
    placed = api.order("BUY", "0.2", PRICE, newClientOrderId="mine").body

    answer = amend(api, "mine", "0.1")

    assert answer.status == 200
    amended = answer.body["amendedOrder"]
    assert (amended["orderId"], amended["clientOrderId"]) == (placed["orderId"], "mine")
    assert (amended["qty"], amended["price"], amended["status"]) == ("0.10000000", "61000.00000000", "NEW")
    assert api.find("mine").body["origQty"] == "0.10000000"
    assert api.balance("USDT")[1] == "6100.00000000"


def test_less_keeps_its_place(venue: PaperProcess, api: PaperApi, other: PaperApi) -> None:
    two_in_a_queue(api, other)
    amend(api, "first", "0.1")

    venue.market_order("BTCUSDT", "sell", "0.15", price=PRICE)

    assert (executed(api, "first"), executed(other, "second")) == ([Decimal("0.1")], [Decimal("0.05")])


@pytest.mark.parametrize(
    ("quantity", "price"), [("0.3", None), ("0.2", "60999")], ids=["more", "another price and back"]
)
def test_more_or_another_price_goes_to_the_back(
    venue: PaperProcess, api: PaperApi, other: PaperApi, quantity: str, price: str | None
) -> None:
    two_in_a_queue(api, other)
    amend(api, "first", quantity, price)
    if price is not None:
        amend(api, "first", quantity, PRICE)

    venue.market_order("BTCUSDT", "sell", "0.25", price=PRICE)

    assert (executed(api, "first"), executed(other, "second")) == ([Decimal("0.05")], [Decimal("0.2")])


def test_the_same_again_changes_nothing(venue: PaperProcess, api: PaperApi, other: PaperApi) -> None:
    two_in_a_queue(api, other)
    for _ in range(2):
        assert amend(api, "first", "0.2", PRICE).status == 200

    venue.market_order("BTCUSDT", "sell", "0.1", price=PRICE)

    assert executed(api, "first") == [Decimal("0.1")]
    assert read_amendments(venue.home) == []


def test_a_price_across_the_book_takes(api: PaperApi) -> None:
    api.order("BUY", "0.2", PRICE, newClientOrderId="mine")

    amended = amend(api, "mine", "1.5", "62000").body["amendedOrder"]

    assert (amended["status"], amended["executedQty"]) == ("PARTIALLY_FILLED", "1.00000000")
    trade = api.my_trades()[-1]
    assert (trade["isMaker"], trade["price"]) == (False, "62000.00000000")
    assert api.balance("USDT")[1] == "31000.00000000"


REFUSED: dict[str, tuple[dict[str, Any], int]] = {
    "no quantity": ({"newQty": None}, -1102),
    "quantity of zero": ({"newQty": "0"}, -1013),
    "off the lot": ({"newQty": "0.1000001"}, -1013),
    "off the tick": ({"newQty": "0.1", "newPrice": "61000.001"}, -1013),
    "under the notional": ({"newQty": "0.00001"}, -1013),
    "beyond the funds": ({"newQty": "140", "newPrice": "61900"}, -2010),
    "another client id": ({"newQty": "0.1", "newClientOrderId": "other"}, -1104),
    "no such order": ({"newQty": "0.1", "origClientOrderId": "nobody"}, -2011),
}


@pytest.mark.parametrize("case", REFUSED)
def test_a_refusal_leaves_it_as_it_was_and_is_journaled(venue: PaperProcess, api: PaperApi, case: str) -> None:
    terms, code = REFUSED[case]
    api.order("BUY", "130", PRICE, newClientOrderId="large")
    api.order("BUY", "0.2", PRICE, newClientOrderId="mine")
    before, held = api.find("mine").body, api.balance("USDT")

    answer = api.signed("PUT", ENDPOINT, **{"symbol": "BTCUSDT", "origClientOrderId": "mine", **terms})

    assert (answer.status, answer.code) == (400, code)
    assert (api.find("mine").body, api.balance("USDT")) == (before, held)
    (refused,) = [request for request in read_requests(venue.home) if request.code]
    assert (refused.request, refused.code) == (f"PUT {ENDPOINT}", code)


def test_nothing_below_what_has_filled_and_nothing_that_has_ended(venue: PaperProcess, api: PaperApi) -> None:
    api.order("BUY", "0.2", PRICE, newClientOrderId="mine")
    venue.market_order("BTCUSDT", "sell", "0.1", price=PRICE)

    assert [amend(api, "mine", quantity).code for quantity in ("0.05", "0.1")] == [-2038, -2038]
    assert amend(api, "mine", "0.11").status == 200
    venue.market_order("BTCUSDT", "sell", "0.01", price=PRICE)
    assert api.find("mine").body["status"] == "FILLED"
    assert amend(api, "mine", "0.3").code == -2011
    assert api.find("mine").body["status"] == "FILLED"


def test_others_orders_are_not_found(api: PaperApi, other: PaperApi) -> None:
    api.order("BUY", "0.2", PRICE, newClientOrderId="mine")

    assert amend(other, "mine", "0.1").code == -2011


def test_terms_places_and_holds_survive_a_kill(venue: PaperProcess, api: PaperApi, other: PaperApi) -> None:
    two_in_a_queue(api, other)
    amend(api, "first", "0.3", PRICE)
    held = api.balance("USDT")

    venue.restart()
    venue.pause_market()
    venue.set_depth("BTCUSDT", bids=[("60000", "1")], asks=[("62000", "1")])

    assert api.balance("USDT") == held
    assert api.find("first").body["origQty"] == "0.30000000"
    venue.market_order("BTCUSDT", "sell", "0.25", price=PRICE)
    assert (executed(api, "first"), executed(other, "second")) == ([Decimal("0.05")], [Decimal("0.2")])


def test_the_journal_tells_of_it(venue: PaperProcess, api: PaperApi) -> None:
    api.order("BUY", "0.2", PRICE, newClientOrderId="mine")
    amend(api, "mine", "0.1")
    amend(api, "mine", "0.1", "60900")

    told = [(found.order_id, found.quantity, found.price) for found in read_amendments(venue.home)]
    assert told == [(1, Decimal("0.1"), Decimal(61000)), (1, Decimal("0.1"), Decimal(60900))]
    (order,) = read_orders(venue.home)
    assert (order.quantity, order.price) == (Decimal("0.1"), Decimal(60900))
    assert len(read_requests(venue.home)) == 1, "an amendment is no order"


def test_faults_strike_it_as_they_strike_other_requests(venue: PaperProcess, api: PaperApi) -> None:
    api.order("BUY", "0.2", PRICE, newClientOrderId="mine")
    venue.arm({"kind": "error", "when": "after", "status": 504, "method": "PUT", "endpoint": "order/*", "count": 1})

    assert amend(api, "mine", "0.1").status == 504
    assert api.find("mine").body["origQty"] == "0.10000000"
    assert amend(api, "mine", "0.05").status == 200


def test_a_venue_may_refuse_to_amend(start_venue: Any) -> None:
    stiff = start_venue(amend="false")
    with PaperApi(stiff.url) as api:
        api.order("BUY", "0.2", PRICE, newClientOrderId="mine")

        assert amend(api, "mine", "0.1").code == -2038
        (symbol,) = api.public("exchangeInfo", symbol="BTCUSDT").body["symbols"]
        assert symbol["amendAllowed"] is False
