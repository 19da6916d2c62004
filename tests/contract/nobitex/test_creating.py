"""Nobitex: how orders are sent, refused and cancelled."""

from __future__ import annotations

import json
from typing import Any

import pytest

from exchanges.ccxt_gateway import CcxtGateway
from exchanges.evidence import Evidence
from models.reports import VenueStatus
from tests.contract.canned import gateway, reply
from tests.contract.conformance.orders import MARKET, held, new_order, refusal
from tests.contract.dialects.nobitex import STATUSES
from tests.contract.dialects.server import Operation
from tests.contract.nobitex.asking import D, Whimsical


def test_equal_slices_within_ten_seconds_are_orders_of_their_own(nobitex: CcxtGateway, venue: Whimsical) -> None:
    slices = [new_order(nobitex, venue) for _ in range(3)]

    ids = {nobitex.create_order(entry).venue_order_id for entry in slices}

    assert len(ids) == 3
    assert {request.json["pro"] for request in venue.server.asked(Operation.CREATE)} == {"yes"}


def test_an_equal_order_that_is_refused_all_the_same_neither_exists_nor_is_refused_for_good(
    nobitex: CcxtGateway, venue: Whimsical
) -> None:
    """The look decides: here it finds nothing, and the first order is not taken for the second."""
    venue.heeds_pro = False
    first, second = new_order(nobitex, venue), new_order(nobitex, venue)
    report = nobitex.create_order(first)

    failed = refusal(lambda: nobitex.create_order(second))

    assert (failed.evidence, failed.code) == (Evidence.AMBIGUOUS, "DuplicateOrder")
    assert nobitex.find_order(venue.symbol, second.client_order_id, second.timestamp) is None
    found = nobitex.find_order(venue.symbol, first.client_order_id, first.timestamp)
    assert found is not None
    assert found.venue_order_id == report.venue_order_id
    assert (held(venue, nobitex, first), held(venue, nobitex, second)) == (1, 0)


def test_an_accepted_order_that_is_rejected_right_after_is_told_as_rejected(
    nobitex: CcxtGateway, venue: Whimsical
) -> None:
    venue.second_check = "rejected"
    order = new_order(nobitex, venue)

    report = nobitex.create_order(order)

    found = nobitex.find_order(venue.symbol, order.client_order_id, order.timestamp)
    assert report.status is VenueStatus.REJECTED
    assert found is not None
    assert (found.status, found.venue_order_id) == (VenueStatus.REJECTED, report.venue_order_id)
    assert nobitex.open_orders(venue.symbol) == []


def test_a_status_that_nobody_documents_is_no_state(
    nobitex: CcxtGateway, venue: Whimsical, monkeypatch: pytest.MonkeyPatch
) -> None:
    report = nobitex.create_order(new_order(nobitex, venue))
    venue.book.orders[-1].status = "filled"
    monkeypatch.setitem(STATUSES, "filled", "Frozen")

    failed = refusal(lambda: nobitex.fetch_order(venue.symbol, report.venue_order_id))

    assert failed.evidence is Evidence.AMBIGUOUS
    assert "Frozen" in failed.message


def test_a_market_order_goes_without_a_price_and_counts_in_base(nobitex: CcxtGateway, venue: Whimsical) -> None:
    nobitex.create_order(new_order(nobitex, venue, **MARKET, quantity=D("0.5")))

    (sent,) = venue.server.asked(Operation.CREATE)
    assert sent.json.keys() & {"price", "execution", "amount"} == {"execution", "amount"}
    assert (sent.json["execution"], sent.json["amount"]) == ("market", "0.5")


def test_a_price_of_a_market_order_is_sent_as_its_guard() -> None:
    made, canned = gateway("nobitex", reply(200, '{"status": "ok", "order": {"id": 5, "status": "Active"}}'))

    made._caller.call(lambda exchange: exchange.create_order("BTC/USDT", "market", "buy", "0.5", "62000.10"))

    assert _json(canned.sent[0])["price"] == "62000.1"


def test_a_market_order_that_the_guard_ended_short_is_canceled_with_what_filled(
    nobitex: CcxtGateway, venue: Whimsical
) -> None:
    venue.book.asks[:] = venue.book.asks[:1]

    report = nobitex.create_order(new_order(nobitex, venue, **MARKET, quantity=D("1.5")))

    assert (report.status, report.filled_quantity) == (VenueStatus.CANCELED, D(1))


def _json(message: str) -> Any:
    return json.loads(message.partition("\r\n\r\n")[2])
