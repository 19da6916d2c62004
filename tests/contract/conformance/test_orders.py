"""Orders from their creation to their end, found by either id, with every trade."""

from __future__ import annotations

from decimal import Decimal

import pytest

from exchanges.capabilities import Paging
from exchanges.ccxt_gateway import CcxtGateway
from exchanges.evidence import Evidence
from exchanges.gateway import Gateway
from models.reports import OrderReport, VenueStatus
from models.vocabulary import Liquidity, Side, TimeInForce
from tests.contract.conformance.orders import CROSSING, MARKET, evidence, held, new_order, passed, refusal
from tests.contract.dialects.dialect import Dialect
from tests.contract.dialects.server import Operation

D = Decimal
ENDED_SHORT = frozenset({VenueStatus.CANCELED, VenueStatus.EXPIRED})


def test_a_resting_order_is_open_and_found_by_either_id(gateway: Gateway, venue: Dialect) -> None:
    order = new_order(gateway, venue)

    report = gateway.create_order(order)

    looked = gateway.fetch_order(venue.symbol, report.venue_order_id)
    found = gateway.find_order(venue.symbol, order.client_order_id, order.timestamp)
    assert report.status is VenueStatus.OPEN
    assert (looked.status, looked.quantity, looked.filled_quantity) == (VenueStatus.OPEN, D("0.01"), D(0))
    assert looked.price == D("50000.01")
    assert looked.client_order_id == gateway.client_id(order.client_order_id)
    assert found is not None
    assert found.venue_order_id == report.venue_order_id
    assert report.venue_order_id in {entry.venue_order_id for entry in gateway.open_orders(venue.symbol)}
    assert gateway.order_trades(venue.symbol, report.venue_order_id, order.timestamp) == []
    assert held(venue, gateway, order) == 1


@pytest.mark.parametrize("side", list(Side))
def test_an_order_that_fills_at_once_has_its_trades_and_fees_exactly(
    gateway: Gateway, venue: Dialect, side: Side
) -> None:
    price = D("62010") if side is Side.BUY else D("61990")
    ioc_or_rest = TimeInForce.IOC if TimeInForce.IOC in venue.can.times_in_force else TimeInForce.GTC
    order = new_order(gateway, venue, side=side, price=price, quantity=D("1.5"), time_in_force=ioc_or_rest)

    report = gateway.create_order(order)

    looked = gateway.fetch_order(venue.symbol, report.venue_order_id)
    trades = gateway.order_trades(venue.symbol, report.venue_order_id, order.timestamp)
    first = D("62000") if side is Side.BUY else D("61999.99")
    assert (looked.status, looked.filled_quantity) == (VenueStatus.FILLED, D("1.5"))
    assert [(trade.quantity, trade.price) for trade in trades] == [(D(1), first), (D("0.5"), price)]
    assert looked.filled_cost is None or looked.filled_cost == first + price / 2
    fee_asset = {"received": "BTC" if side is Side.BUY else "USDT", "quote": "USDT", "base": "BTC"}[venue.can.fee_in]
    for trade in trades:
        paid = trade.quantity if fee_asset == "BTC" else trade.quantity * trade.price
        assert (trade.fee_asset, trade.fee) == (fee_asset, paid * D("0.001"))
        assert (trade.side, trade.venue_order_id) == (side, report.venue_order_id)
        assert trade.cost is None or trade.cost == trade.quantity * trade.price
        assert trade.liquidity is (Liquidity.TAKER if venue.tells_liquidity else None)
    assert [t for t in gateway.trades_since(venue.symbol, order.timestamp) if t in trades] == list(trades)


@pytest.mark.parametrize("side", list(Side))
def test_a_market_order_counts_in_base_or_is_refused_unsent(gateway: Gateway, venue: Dialect, side: Side) -> None:
    order = new_order(gateway, venue, side=side, quantity=D("0.5"), **MARKET)

    if side is Side.BUY and venue.can.market_buy_params is None:
        refused = refusal(lambda: gateway.create_order(order))
        assert (refused.evidence, refused.code) == (Evidence.REJECTED, "MARKET_BUY_BY_QUOTE")
        assert held(venue, gateway, order) == 0
        return
    report = gateway.create_order(order)

    looked = gateway.fetch_order(venue.symbol, report.venue_order_id)
    assert (looked.status, looked.filled_quantity, looked.price) == (VenueStatus.FILLED, D("0.5"), None)
    (trade,) = gateway.order_trades(venue.symbol, report.venue_order_id, order.timestamp)
    assert (trade.quantity, trade.price) == (D("0.5"), D("62000") if side is Side.BUY else D("61999.99"))


def test_the_open_orders_of_all_symbols_are_shown_by_one_question(gateway: Gateway, venue: Dialect) -> None:
    if not venue.can.lists_all_open:
        pytest.skip("nobody says that this venue has such a list")
    venue.rest_many(3)

    shown = gateway.all_open_orders()

    assert {report.venue_order_id for report in shown} == {order.id for order in venue.book.orders}
    asked = venue.server.asked(Operation.OPEN_ORDERS)[-1]
    assert not {"symbol", "instId", "product_ids", "currency_pair", "pair"} & asked.query.keys()
    assert list(shown) == list(gateway.open_orders(venue.symbol))


def test_a_maker_fills_in_parts_and_is_told_apart(gateway: Gateway, venue: Dialect) -> None:
    order = new_order(gateway, venue, quantity=D("0.02"), post_only=venue.can.post_only)
    report = gateway.create_order(order)

    venue.fill(gateway.client_id(order.client_order_id), D("0.005"))
    partly = gateway.fetch_order(venue.symbol, report.venue_order_id)
    listed = {entry.venue_order_id: entry for entry in gateway.open_orders(venue.symbol)}
    venue.fill(gateway.client_id(order.client_order_id), D("0.015"))
    whole = gateway.fetch_order(venue.symbol, report.venue_order_id)

    assert (partly.status, partly.quantity, partly.filled_quantity) == (VenueStatus.OPEN, D("0.02"), D("0.005"))
    assert listed[report.venue_order_id].filled_quantity == D("0.005")
    assert (whole.status, whole.filled_quantity) == (VenueStatus.FILLED, D("0.02"))
    trades = gateway.order_trades(venue.symbol, report.venue_order_id, order.timestamp)
    assert [trade.quantity for trade in trades] == [D("0.005"), D("0.015")], "oldest first"
    assert {trade.price for trade in trades} == {D("50000.01")}
    assert {trade.liquidity for trade in trades} == {Liquidity.MAKER if venue.tells_liquidity else None}


@pytest.mark.parametrize(
    ("time_in_force", "quantity", "statuses", "filled"),
    [
        (TimeInForce.IOC, "0.5", {VenueStatus.FILLED}, "0.5"),
        (TimeInForce.IOC, "1.5", ENDED_SHORT, "1"),
        (TimeInForce.FOK, "1", {VenueStatus.FILLED}, "1"),
        (TimeInForce.GTC, "1.5", {VenueStatus.OPEN}, "1"),
    ],
)
def test_time_in_force_means_what_it_says(
    gateway: Gateway, venue: Dialect, time_in_force: TimeInForce, quantity: str, statuses: set[VenueStatus], filled: str
) -> None:
    order = new_order(gateway, venue, **CROSSING, quantity=D(quantity), time_in_force=time_in_force)

    if time_in_force not in venue.can.times_in_force:
        refused = refusal(lambda: gateway.create_order(order))
        assert (refused.evidence, refused.code) == (Evidence.REJECTED, "NO_TIME_IN_FORCE")
        assert held(venue, gateway, order) == 0
        return
    report = gateway.create_order(order)

    looked = gateway.fetch_order(venue.symbol, report.venue_order_id)
    assert looked.status in statuses
    assert looked.filled_quantity == D(filled)
    found = gateway.find_order(venue.symbol, order.client_order_id, order.timestamp)
    assert found is not None
    assert found.status is looked.status


def test_a_fill_or_kill_that_can_not_fill_trades_nothing(gateway: Gateway, venue: Dialect) -> None:
    order = new_order(gateway, venue, **CROSSING, quantity=D("1.5"), time_in_force=TimeInForce.FOK)

    if venue.fok_ends == "refused":
        assert evidence(lambda: gateway.create_order(order)) is Evidence.REJECTED
        assert held(venue, gateway, order) == 0
        return
    report = gateway.create_order(order)

    looked = gateway.fetch_order(venue.symbol, report.venue_order_id)
    assert looked.status in ENDED_SHORT
    assert looked.filled_quantity == 0


def test_a_cancel_ends_an_order_and_a_second_finds_nothing_to_end(gateway: Gateway, venue: Dialect) -> None:
    order = new_order(gateway, venue, quantity=D("0.02"))
    report = gateway.create_order(order)
    venue.fill(gateway.client_id(order.client_order_id), D("0.005"))

    gateway.cancel_order(venue.symbol, report.venue_order_id)

    looked = gateway.fetch_order(venue.symbol, report.venue_order_id)
    assert (looked.status, looked.filled_quantity) == (VenueStatus.CANCELED, D("0.005"))
    assert gateway.open_orders(venue.symbol) == []
    again = refusal(lambda: gateway.cancel_order(venue.symbol, report.venue_order_id))
    assert (again.evidence, again.outage) == (venue.ended_proves, False)


def test_a_cancel_of_a_filled_order_finds_nothing_to_end(gateway: Gateway, venue: Dialect) -> None:
    report = gateway.create_order(new_order(gateway, venue, **CROSSING))

    refused = refusal(lambda: gateway.cancel_order(venue.symbol, report.venue_order_id))

    assert (refused.evidence, refused.outage) == (venue.ended_proves, False)


@pytest.mark.parametrize("end", ["filled", "canceled", "partly filled, then canceled"])
def test_an_order_that_ended_is_found_by_its_client_id(gateway: Gateway, venue: Dialect, end: str) -> None:
    order = new_order(gateway, venue, **(CROSSING if end == "filled" else {}))
    report = gateway.create_order(order)
    if end.startswith("partly"):
        venue.fill(gateway.client_id(order.client_order_id), D("0.005"))
    if end != "filled":
        gateway.cancel_order(venue.symbol, report.venue_order_id)

    found = gateway.find_order(venue.symbol, order.client_order_id, order.timestamp)

    assert found is not None
    assert found.venue_order_id == report.venue_order_id
    assert found.status is (VenueStatus.FILLED if end == "filled" else VenueStatus.CANCELED)
    assert found.filled_quantity == {"filled": D("0.01"), "canceled": D(0)}.get(end, D("0.005"))


def test_an_order_that_ended_is_found_after_the_venue_started_anew(gateway: Gateway, venue: Dialect) -> None:
    order = new_order(gateway, venue, **CROSSING)
    report = gateway.create_order(order)
    venue.forget_ended()

    looked = gateway.fetch_order(venue.symbol, report.venue_order_id)
    found = gateway.find_order(venue.symbol, order.client_order_id, order.timestamp)

    assert (looked.status, looked.filled_quantity) == (VenueStatus.FILLED, order.quantity)
    assert found is not None
    assert (found.venue_order_id, found.status) == (report.venue_order_id, VenueStatus.FILLED)


def test_an_order_that_nobody_sent_is_found_nowhere(gateway: Gateway, venue: Dialect) -> None:
    order = new_order(gateway, venue)
    traded = gateway.create_order(new_order(gateway, venue, **CROSSING))
    resting = gateway.create_order(new_order(gateway, venue))
    unknown = resting.venue_order_id[:-1] + ("7" if resting.venue_order_id[-1] != "7" else "8")

    assert gateway.find_order(venue.symbol, order.client_order_id, order.timestamp) is None
    assert evidence(lambda: gateway.fetch_order(venue.symbol, unknown)) is venue.unknown_proves
    assert unknown != traded.venue_order_id


def test_an_order_that_the_venue_does_not_show_yet_is_found_later(gateway: Gateway, venue: Dialect) -> None:
    order = new_order(gateway, venue)
    venue.lag(True)
    report: OrderReport = gateway.create_order(order)
    looked = gateway.find_order(venue.symbol, order.client_order_id, order.timestamp)
    early = evidence(lambda: gateway.fetch_order(venue.symbol, report.venue_order_id))
    venue.lag(False)

    found = gateway.find_order(venue.symbol, order.client_order_id, order.timestamp)

    assert report.status is VenueStatus.OPEN
    assert looked is None, "no trace yet proves nothing, and no look failed"
    assert early is venue.unknown_proves
    assert found is not None
    assert found.venue_order_id == report.venue_order_id


def test_open_orders_are_listed_to_the_last_or_it_is_said_that_some_are_missing(
    gateway: Gateway, venue: Dialect
) -> None:
    venue.rest_many(venue.open_orders_a_page * 2 + 7)

    if not venue.open_orders_to_the_last:
        assert evidence(lambda: gateway.open_orders(venue.symbol)) is Evidence.AMBIGUOUS
        return
    listed = [report.venue_order_id for report in gateway.open_orders(venue.symbol)]

    assert len(listed) == len(set(listed))
    assert set(listed) == {order.id for order in venue.book.orders}


def test_trades_are_read_over_all_pages_oldest_first_each_once(gateway: Gateway, venue: Dialect) -> None:
    began = gateway.time()
    count = venue.trades_a_page * 5 // 4 + 7
    order = new_order(gateway, venue, quantity=venue.book.lot * count)
    report = gateway.create_order(order)
    venue.fill_in_parts(gateway.client_id(order.client_order_id), count)
    passed(gateway, venue)

    if venue.can.paging is Paging.SINGLE:
        assert evidence(lambda: gateway.trades_since(venue.symbol, began)) is Evidence.AMBIGUOUS
        return
    found = gateway.trades_since(venue.symbol, began)

    assert len({trade.venue_trade_id for trade in found}) == len(found) == count
    assert {trade.venue_order_id for trade in found} == {report.venue_order_id}
    assert list(found) == sorted(found, key=lambda trade: trade.traded_at)
    assert found[15] in gateway.trades_since(venue.symbol, found[15].traded_at), "since is inclusive"


def test_ended_orders_are_looked_through_to_the_last(gateway: CcxtGateway, venue: Dialect) -> None:
    order = new_order(gateway, venue)
    report = gateway.create_order(order)
    gateway.cancel_order(venue.symbol, report.venue_order_id)
    venue.end_many(venue.ended_orders_a_page * 5 // 4 + 7)
    passed(gateway, venue)

    def look() -> set[str]:
        listed = gateway._lookup._ended_orders(venue.symbol, "abc0none", order.timestamp)
        return {entry.venue_order_id for entry in listed}

    if venue.can.paging is Paging.SINGLE:
        assert evidence(look) is Evidence.AMBIGUOUS
        return
    assert venue.can.lists_filter is not None or look() == {entry.id for entry in venue.book.orders}
    nobodys = new_order(gateway, venue, timestamp=order.timestamp)
    assert gateway.find_order(venue.symbol, nobodys.client_order_id, order.timestamp) is None


def test_an_iceberg_says_what_may_be_shown_or_is_refused_unsent(gateway: Gateway, venue: Dialect) -> None:
    order = new_order(gateway, venue, quantity=D("0.3"), display_quantity=D("0.1"))

    if not venue.can.native_iceberg:
        refused = refusal(lambda: gateway.create_order(order))
        assert (refused.evidence, refused.code) == (Evidence.REJECTED, "NO_ICEBERG")
        assert held(venue, gateway, order) == 0
        return
    report = gateway.create_order(order)

    (at_venue,) = venue.held(gateway.client_id(order.client_order_id))
    looked = gateway.fetch_order(venue.symbol, report.venue_order_id)
    assert (at_venue.quantity, at_venue.display_quantity) == (D("0.3"), D("0.1"))
    assert (looked.status, looked.quantity) == (VenueStatus.OPEN, D("0.3"))
