"""Market and limit orders in each time in force, from the request to what the venue made of them."""

from __future__ import annotations

from decimal import Decimal

import pytest

from tests.acceptance.audit import audit
from tests.acceptance.client import Client
from tests.acceptance.deployment import Deployment
from tests.support.order_ids import newest_first
from tests.support.waiting import eventually

pytestmark = [pytest.mark.acceptance, pytest.mark.timeout(600)]


def book(deployment: Deployment, *, bids: list[tuple[str, str]], asks: list[tuple[str, str]]) -> None:
    """Let BTC/USDT stand exactly so."""
    deployment.venue.pause_market()
    deployment.venue.set_depth("BTCUSDT", bids=bids, asks=asks)


def test_market_sell_takes_several_levels_and_pays_its_fee_in_quote(deployment: Deployment):
    book(deployment, bids=[("61999", "0.002"), ("61998", "0.5")], asks=[("62001", "0.5")])

    document = deployment.client.wait_for(deployment.client.place(side="sell", quantity="0.005")["id"])

    assert document["status"] == "FILLED"
    assert [(fill["price"], fill["quantity"]) for fill in document["fills"]] == [("61999", "0.002"), ("61998", "0.003")]
    assert document["average_price"] == "61998.4"
    assert set(document["fees"]) == {"USDT"}
    assert Decimal(document["slippage_bps"]) > 0


def test_limit_order_rests_and_is_filled_once_the_market_comes_to_it(deployment: Deployment):
    client = deployment.client
    resting = client.wait_for(client.place(price="61500", quantity="0.004")["id"], "WORKING")
    eventually(
        lambda: client.show(resting["id"])["child_orders"][0]["status"] == "ACCEPTED", within_s=60, describe="it rests"
    )
    held = next(item for item in client.balances() if (item["account"], item["asset"]) == ("main", "USDT"))["held"]
    assert held == "246"

    deployment.venue.set_price("BTCUSDT", "61400")

    document = client.wait_for(resting["id"], "FILLED")
    assert document["average_price"] == "61500"
    assert {fill["liquidity"] for fill in document["fills"]} == {"maker"}


def test_limit_order_fills_in_parts_and_shows_each(deployment: Deployment):
    client = deployment.client
    order_id = client.place(price="61500", quantity="0.004")["id"]
    client.wait_for(order_id, "WORKING")
    eventually(lambda: client.show(order_id)["child_orders"][0]["venue_order_id"], within_s=60, describe="it rests")

    deployment.venue.pause_market()
    deployment.venue.market_order("BTCUSDT", "sell", "0.001", price="61500")
    deployment.venue.set_depth("BTCUSDT", bids=[("61400", "1")], asks=[("62001", "1")])
    deployment.venue.market_order("BTCUSDT", "sell", "0.001", price="61500")

    partly = client.wait_for(order_id, "PARTIALLY_FILLED")
    assert partly["remaining_quantity"] == str(Decimal(partly["quantity"]) - Decimal(partly["filled_quantity"]))
    deployment.venue.market_order("BTCUSDT", "sell", "1", price="61500")
    assert client.wait_for(order_id, "FILLED")["filled_quantity"] == "0.004"


def test_immediate_or_cancel_takes_what_is_there_and_ends(deployment: Deployment):
    book(deployment, bids=[("61900", "1")], asks=[("62000", "0.003"), ("62500", "1")])

    document = deployment.client.wait_for(
        deployment.client.place(price="62000", quantity="0.01", time_in_force="IOC")["id"]
    )

    assert (document["status"], document["filled_quantity"], document["remaining_quantity"]) == (
        "EXPIRED", "0.003", "0.007",
    )  # fmt: skip
    assert document["reason"]["code"]


@pytest.mark.parametrize(("offered", "status", "filled"), [("0.003", "EXPIRED", "0"), ("0.02", "FILLED", "0.01")])
def test_fill_or_kill_takes_all_or_nothing(deployment: Deployment, offered: str, status: str, filled: str):
    book(deployment, bids=[("61900", "1")], asks=[("62000", offered), ("62500", "1")])

    document = deployment.client.wait_for(
        deployment.client.place(price="62000", quantity="0.01", time_in_force="FOK")["id"]
    )

    assert (document["status"], document["filled_quantity"]) == (status, filled)


def test_post_only_order_rests_as_a_maker_and_one_that_would_take_is_rejected(deployment: Deployment):
    client = deployment.client
    book(deployment, bids=[("61900", "1")], asks=[("62000", "1")])

    maker, taker = client.place(price="61950", post_only=True)["id"], client.place(price="62000", post_only=True)["id"]

    refused = client.wait_for(taker)
    assert (refused["status"], refused["filled_quantity"]) == ("REJECTED", "0")
    assert refused["reason"]["code"] == "VENUE_REJECTED"
    assert refused["reason"]["message"]
    assert client.wait_for(maker, "WORKING")["child_orders"][0]["price"] == "61950"
    deployment.venue.set_price("BTCUSDT", "61000")
    assert {fill["liquidity"] for fill in client.wait_for(maker, "FILLED")["fills"]} == {"maker"}


@pytest.mark.parametrize(
    ("side", "price", "rounded"), [("buy", "60000.019", "60000.01"), ("sell", "70000.011", "70000.02")]
)
def test_price_is_rounded_in_the_customers_favour(client: Client, side: str, price: str, rounded: str):
    order = client.place(side=side, price=price, expires_at="2100-01-01T01:00:00+01:00")

    assert (order["price"], order["expires_at"]) == (rounded, "2100-01-01T00:00:00.000000Z")
    client.cancel(order["id"])
    client.wait_for(order["id"], "CANCELED")


def test_list_filters_and_pages_through_every_order_once(client: Client):
    tag = client.new_id()
    placed = [
        client.place(symbol="ETH/USDT", quantity="0.01", tags={"run": tag}, account="second")["id"] for _ in range(5)
    ]
    since = client.show(placed[0])["created_at"]  # by the deployment's clock, not by ours
    denied = client.place(symbol="ETH/USDT", quantity="3000", price="2700", side="sell", tags={"run": tag})["id"]
    for order_id in placed:
        client.wait_for(order_id, "FILLED")
    client.wait_for(denied, "DENIED")

    pages, cursor = [], None
    while True:
        page = client.page(tag=f"run:{tag}", limit=2, **({"cursor": cursor} if cursor else {}))
        pages.append([item["id"] for item in page["items"]])
        cursor = page["next_cursor"]
        if cursor is None:
            break

    assert [len(page) for page in pages] == [2, 2, 2]
    assert [order_id for page in pages for order_id in page] == newest_first([denied, *placed])
    for query, found in [
        ({"status": "DENIED"}, [denied]),
        ({"account": "main"}, [denied]),
        ({"account": "second", "symbol": "ETH/USDT", "venue": "paper", "since": since}, newest_first(placed)),
        ({"symbol": "BTC/USDT"}, []),
    ]:
        assert [item["id"] for item in client.page(tag=f"run:{tag}", **query)["items"]] == found, query
    assert client.page(tag=f"run:{tag}", status="DENIED")["items"] == [client.show(denied)]


def test_books_agree_with_the_venue_after_every_type_of_order(deployment: Deployment):
    audit(deployment)
