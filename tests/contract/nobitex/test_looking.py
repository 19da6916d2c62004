"""Nobitex: orders, lists, trades and the market, as it shows them."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta

import pytest

from exchanges.ccxt_gateway import CcxtGateway
from exchanges.evidence import Evidence
from models.reports import VenueStatus
from tests.contract.canned import gateway, reply
from tests.contract.conformance.orders import CROSSING, evidence, new_order, refusal
from tests.contract.dialects.server import Operation
from tests.contract.nobitex.asking import D, Whimsical

#: what the clock of canned gateways says
CANNED_NOW = datetime.fromtimestamp(1_760_000_000, UTC)

FIVE_MINUTES = (timedelta(minutes=1), CANNED_NOW - timedelta(minutes=5), CANNED_NOW)


@pytest.mark.parametrize("answered", [True, False], ids=["listed", "only traded"])
def test_a_filled_order_is_found_although_its_client_id_is_searched_among_open_orders_only(
    nobitex: CcxtGateway, venue: Whimsical, answered: bool
) -> None:
    order = new_order(nobitex, venue, **CROSSING)
    report = nobitex.create_order(order)
    venue.lists_ended = answered

    found = nobitex.find_order(venue.symbol, order.client_order_id, order.timestamp)

    assert found is not None
    assert (found.venue_order_id, found.status) == (report.venue_order_id, VenueStatus.FILLED)
    by_client_id = [r for r in venue.server.asked(Operation.ORDER) if "clientOrderId" in r.json]
    assert len(by_client_id) == 1


@pytest.mark.parametrize("newest_first", [True, False])
def test_trades_are_read_over_all_pages_whatever_their_order(
    nobitex: CcxtGateway, venue: Whimsical, monkeypatch: pytest.MonkeyPatch, newest_first: bool
) -> None:
    venue.newest_trades_first = newest_first
    order = new_order(nobitex, venue, quantity=D("0.02"))
    report = nobitex.create_order(order)
    for _ in range(8):
        venue.fill(nobitex.client_id(order.client_order_id), D("0.0025"))
    monkeypatch.setattr("exchanges.nobitex.wire.PAGE_SIZE", 3)

    found = nobitex.trades_since(venue.symbol, order.timestamp)
    newer = nobitex.trades_since(venue.symbol, found[5].traded_at)

    assert [int(trade.venue_trade_id) for trade in found] == list(range(1, 9))
    assert {trade.venue_order_id for trade in found} == {report.venue_order_id}
    assert list(newer) == list(found[5:])


def test_ended_orders_are_read_over_all_pages(
    nobitex: CcxtGateway, venue: Whimsical, monkeypatch: pytest.MonkeyPatch
) -> None:
    sought = new_order(nobitex, venue, **CROSSING)
    nobitex.create_order(sought)
    for _ in range(6):
        nobitex.create_order(new_order(nobitex, venue, **CROSSING))
    monkeypatch.setattr("exchanges.nobitex.wire.PAGE_SIZE", 2)

    found = nobitex.find_order(venue.symbol, sought.client_order_id, sought.timestamp)

    assert found is not None
    pages = [request.query["page"] for request in venue.server.asked(Operation.ENDED_ORDERS)]
    assert pages == ["1", "2", "3", "4"]


def test_no_open_order_is_lost_when_others_end_between_two_pages(
    nobitex: CcxtGateway, venue: Whimsical, monkeypatch: pytest.MonkeyPatch
) -> None:
    ids = [nobitex.create_order(new_order(nobitex, venue)).venue_order_id for _ in range(7)]
    monkeypatch.setattr("exchanges.nobitex.exchange.PAGE_SIZE", 3)
    venue.ends_between_pages = venue.book.orders[:2]

    found = [report.venue_order_id for report in nobitex.open_orders(venue.symbol)]

    assert sorted(found) == sorted(ids), "two that had been open when they were read, and the five that still are"


def test_trades_from_before_what_the_venue_keeps_are_no_empty_list(nobitex: CcxtGateway, venue: Whimsical) -> None:
    order = new_order(nobitex, venue, **CROSSING)
    report = nobitex.create_order(order)
    long_ago = order.timestamp - timedelta(days=4)

    refused = refusal(lambda: nobitex.trades_since(venue.symbol, long_ago))

    assert (refused.evidence, refused.code) == (Evidence.REJECTED, "TRADES_NOT_KEPT")
    # Of one order it shows in what filled whether one is missing; and its ended orders are kept for longer.
    assert len(nobitex.order_trades(venue.symbol, report.venue_order_id, long_ago)) == 1
    venue.lists_ended = False
    assert nobitex.find_order(venue.symbol, order.client_order_id, long_ago) is not None


@pytest.mark.parametrize(
    "body",
    [
        '{"status": "ok"}',
        '{"status": "ok", "orders": null, "trades": null, "wallets": null}',
        '{"status": "ok", "orders": {}, "trades": {}, "wallets": []}',
        '{"status": "ok", "wallets": {"RLS": {"id": 1}}, "orders": [{"id": 7}], "trades": [{"id": 7}]}',
    ],
)
def test_a_good_reply_without_what_was_asked_for_is_neither_empty_nor_absent(body: str) -> None:
    made, _ = gateway("nobitex", reply(200, body))

    for look in (
        made.balances,
        lambda: made.open_orders("BTC/USDT"),
        lambda: made.trades_since("BTC/USDT", CANNED_NOW),
        lambda: made.fetch_order("BTC/USDT", "7"),
        lambda: made.order_book("BTC/USDT", 5),
        lambda: made.public_trades("BTC/USDT", CANNED_NOW),
        lambda: made.candles("BTC/USDT", *FIVE_MINUTES),
    ):
        assert evidence(look) is Evidence.AMBIGUOUS


@pytest.mark.parametrize(
    ("said", "filled", "status"),
    [
        ("New", "0E-10", VenueStatus.OPEN),
        ("Active", "0.4000000000", VenueStatus.OPEN),
        ("Inactive", "0", VenueStatus.OPEN),
        ("Done", "3.0000000000", VenueStatus.FILLED),
        ("Canceled", "0.4", VenueStatus.CANCELED),
        ("Rejected", "0", VenueStatus.REJECTED),
    ],
)
def test_statuses_mean_what_the_documentation_says(said: str, filled: str, status: VenueStatus) -> None:
    """In the shape of its oldest example: without the market and the execution, the order's own worth as totalPrice."""
    told = {"unmatchedAmount": "2", "fee": "0E-10", "matchedAmount": filled, "price": "8500000.0000000000", "id": 5684,
            "srcCurrency": "Litecoin", "totalPrice": "25500000.00000000000000000000", "type": "sell", "status": said,
            "dstCurrency": "\ufdfc", "amount": "3.0000000000", "created_at": "2018-11-28T12:25:22.696029+00:00",
            "averagePrice": "8500001", "clientOrderId": None}  # fmt: skip
    made, _ = gateway("nobitex", reply(200, json.dumps({"status": "ok", "order": told})))

    report = made.fetch_order("BTC/USDT", "5684")

    assert (report.status, report.quantity, report.filled_quantity) == (status, D(3), D(filled))
    assert (report.price, report.client_order_id) == (D(8500000), None)
    assert report.filled_cost is None, "neither the order's worth nor a rounded average times what filled was paid"


def test_an_order_of_another_market_is_not_taken_for_ours() -> None:
    body = '{"status": "ok", "order": {"id": 7, "market": "ETH-RLS", "status": "Active", "amount": "1"}}'
    made, _ = gateway("nobitex", reply(200, body))

    assert evidence(lambda: made.fetch_order("BTC/USDT", "7")) is Evidence.AMBIGUOUS


def test_a_time_without_candles_is_empty_and_an_error_is_not() -> None:
    made, _ = gateway("nobitex", reply(200, '{"s": "no_data"}'))
    assert made.candles("BTC/USDT", *FIVE_MINUTES) == []

    made, _ = gateway("nobitex", reply(200, '{"s": "error", "errmsg": "Invalid resolution!"}'))
    assert evidence(lambda: made.candles("BTC/USDT", *FIVE_MINUTES)) is Evidence.AMBIGUOUS


def test_public_trades_that_tell_the_same_are_each_one() -> None:
    entry = {"time": 1_760_000_000_000, "price": "1470000110", "volume": "0.002", "type": "buy"}
    older = {**entry, "time": entry["time"] - 1000, "type": "sell"}
    made, _ = gateway("nobitex", reply(200, json.dumps({"status": "ok", "trades": [entry, entry, older]})))

    found = made.public_trades("BTC/USDT", datetime.fromtimestamp(1_759_999_999, UTC)).trades

    assert [trade.quantity for trade in found] == [D("0.002")] * 3
    assert len({trade.id for trade in found}) == 3
    assert found[0].at < found[1].at
    assert {trade.taker for trade in found} == {None}, "whose side took is not documented"
