"""Icebergs: the book shows one part at a time, the next one queues anew, and all of it can trade."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import pytest

from exchanges.paper.amounts import E8, parse_e8
from exchanges.paper.engine import Engine, Fees, NewOrder
from exchanges.paper.instruments import KNOWN
from exchanges.paper.state import Order
from tests.support.paper import PaperProcess
from tests.support.paper_api import PaperApi

PRICE = "61000"


@pytest.fixture(autouse=True)
def away_from_the_market(venue: PaperProcess) -> None:
    venue.set_depth("BTCUSDT", bids=[("60000", "1")], asks=[("62000", "1")])


def shown(api: PaperApi) -> str:
    """The quantity at PRICE in the book."""
    bids = api.public("depth", symbol="BTCUSDT", limit=5).body["bids"]
    return next((quantity for price, quantity in bids if Decimal(price) == Decimal(PRICE)), "0")


def executed(api: PaperApi, client_id: str) -> str:
    return str(api.find(client_id).body["executedQty"])


def iceberg(api: PaperApi, quantity: str, part: str, client_id: str = "berg", **more: Any) -> Any:
    return api.order("BUY", quantity, PRICE, icebergQty=part, newClientOrderId=client_id, **more)


def test_only_a_part_is_shown_until_the_last(venue: PaperProcess, api: PaperApi) -> None:
    iceberg(api, "0.25", "0.1")
    seen = [shown(api)]
    for quantity in ("0.04", "0.06", "0.1", "0.05"):
        venue.market_order("BTCUSDT", "sell", quantity, price=PRICE)
        seen.append(shown(api))

    assert seen == ["0.10000000", "0.06000000", "0.10000000", "0.05000000", "0"]
    assert api.find("berg").body["status"] == "FILLED"


def test_the_next_part_waits_behind_those_who_came_meanwhile(
    venue: PaperProcess, api: PaperApi, other: PaperApi
) -> None:
    iceberg(api, "0.3", "0.1")
    other.order("BUY", "0.2", PRICE, newClientOrderId="plain")

    venue.market_order("BTCUSDT", "sell", "0.15", price=PRICE)
    assert (executed(api, "berg"), executed(other, "plain")) == ("0.10000000", "0.05000000")
    venue.market_order("BTCUSDT", "sell", "0.1", price=PRICE)
    assert (executed(api, "berg"), executed(other, "plain")) == ("0.10000000", "0.15000000")
    venue.market_order("BTCUSDT", "sell", "0.1", price=PRICE)
    assert (executed(api, "berg"), executed(other, "plain")) == ("0.15000000", "0.20000000")


def test_all_that_is_shown_trades_before_anything_hidden(venue: PaperProcess, api: PaperApi, other: PaperApi) -> None:
    iceberg(api, "0.3", "0.1", "one")
    iceberg(other, "0.3", "0.1", "two")

    venue.market_order("BTCUSDT", "sell", "0.35", price=PRICE)

    assert (executed(api, "one"), executed(other, "two")) == ("0.20000000", "0.15000000")
    assert shown(api) == "0.15000000"
    parts = [order["trades"] for order in venue.orders()]
    assert [len(trades) for trades in parts] == [2, 2]


def test_what_is_hidden_can_be_taken_in_one_go(api: PaperApi, other: PaperApi) -> None:
    iceberg(api, "0.3", "0.1")

    taken = other.order("SELL", "0.3", PRICE, timeInForce="FOK")

    assert (taken.body["status"], executed(api, "berg")) == ("FILLED", "0.30000000")


def test_what_an_iceberg_takes_at_once_it_takes_whole(api: PaperApi) -> None:
    answer = api.order("BUY", "1.5", "62000", icebergQty="0.2", newClientOrderId="berg")

    assert answer.body["executedQty"] == "1.00000000"
    bids = api.public("depth", symbol="BTCUSDT", limit=5).body["bids"]
    assert bids[0] == ["62000.00000000", "0.20000000"]


def test_parts_and_places_are_the_same_from_the_journal() -> None:
    def engine() -> Engine:
        return Engine([KNOWN["BTCUSDT"]], fees=Fees(maker_e8=0, taker_e8=0))

    def rest(quantity_e8: int, part_e8: int) -> Order:
        return live.submit(
            NewOrder(
                account="a",
                symbol="BTCUSDT",
                client_order_id=f"{quantity_e8}-{part_e8}",
                side="SELL",
                type="LIMIT",
                time_in_force="GTC",
                quantity_e8=quantity_e8,
                price_e8=parse_e8("61000"),
                iceberg_e8=part_e8,
            ),
            1,
        )

    live = engine()
    live.open({"a": {"BTC": 10 * E8}}, 0)
    rest(3 * E8, E8)
    rest(2 * E8, 0)
    live.sweep("BTCUSDT", buys=True, limit_e8=None, quantity_e8=E8, now_ms=2)

    again = engine()
    again.restore(live.pending)

    for found in (live, again):
        ((_, level),) = found.books["BTCUSDT"].asks.levels(5)
        assert level == 3 * E8, "two of the plain order and one of the iceberg's"
        found.sweep("BTCUSDT", buys=True, limit_e8=None, quantity_e8=E8, now_ms=3)
        assert [order.executed_e8 // E8 for order in found.state.orders["BTCUSDT"]] == [1, 1]


def test_a_cancel_frees_what_was_hidden_too(api: PaperApi) -> None:
    iceberg(api, "0.3", "0.1")
    assert api.balance("USDT")[1] == "18300.00000000"

    api.cancel("berg")

    assert (shown(api), api.balance("USDT")[1]) == ("0", "0.00000000")


def test_an_amended_iceberg_hides_the_difference(venue: PaperProcess, api: PaperApi) -> None:
    iceberg(api, "0.3", "0.1")
    amend = {"symbol": "BTCUSDT", "origClientOrderId": "berg"}

    api.signed("PUT", "order/amend/keepPriority", newQty="0.5", **amend)
    assert shown(api) == "0.10000000"
    venue.market_order("BTCUSDT", "sell", "0.35", price=PRICE)
    api.signed("PUT", "order/amend/keepPriority", newQty="0.37", **amend)
    assert shown(api) == "0.02000000"


@pytest.mark.parametrize(
    ("quantity", "part", "more", "code"),
    [
        ("0.3", "0.4", {}, -1013),
        ("0.3", "0.100001", {}, -1013),
        ("1.1", "0.01", {}, -1013),
        ("0.3", "0.1", {"timeInForce": "IOC"}, -1013),
    ],
    ids=["more than all", "off the lot", "over a hundred parts", "that does not rest"],
)
def test_what_is_no_iceberg_is_refused(
    api: PaperApi, quantity: str, part: str, more: dict[str, str], code: int
) -> None:
    assert iceberg(api, quantity, part, **more).code == code
