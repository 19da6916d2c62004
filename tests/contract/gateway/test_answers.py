"""What a gateway tells of the real venue process: instruments, prices, orders, trades."""

from __future__ import annotations

from datetime import datetime, timedelta
from pathlib import Path

import pytest

from exchanges.ccxt_gateway import CcxtGateway
from exchanges.evidence import Evidence
from exchanges.gateway import Gateway
from models.reports import VenueStatus
from models.vocabulary import Liquidity, OrderType, Side, TimeInForce
from tests.contract.gateway.asking import (
    SYMBOL,
    D,
    eventually,
    make,
    new_order,
    refusal,
)
from tests.support.paper import PaperProcess


def test_instruments_have_the_venues_steps_bounds_and_fees_exactly(gateway: Gateway) -> None:
    found = {instrument.symbol: instrument for instrument in gateway.instruments()}

    bitcoin = found[SYMBOL]
    assert set(found) == {"BTC/USDT", "ETH/USDT"}
    assert (bitcoin.base, bitcoin.quote, bitcoin.venue) == ("BTC", "USDT", "paper")
    assert (bitcoin.tick, bitcoin.lot) == (D("0.01"), D("0.00001"))
    assert (bitcoin.min_quantity, bitcoin.min_notional) == (D("0.00001"), D("5"))
    assert (bitcoin.maker_fee, bitcoin.taker_fee) == (D("0.001"), D("0.001"))
    assert bitcoin.active
    assert bitcoin.max_market_quantity is not None


def test_time_is_the_venues_also_where_it_differs_from_ours(tmp_path: Path) -> None:
    ahead = timedelta(minutes=20)
    with PaperProcess(tmp_path / "ahead", clock_offset_ms=int(ahead.total_seconds() * 1000)) as venue:
        gateway = make(venue)
        # The first thing signed is a read, and it is signed by the venue's time, far outside of which ours is.
        assert gateway.balances()
        drift = abs(gateway.time() - (datetime.now(gateway.time().tzinfo) + ahead))
        assert drift < timedelta(minutes=5)
        assert abs(gateway.estimated_time() - gateway.time()) < timedelta(minutes=5)

        report = gateway.create_order(new_order(gateway))
        assert gateway.fetch_order(SYMBOL, report.venue_order_id).status is VenueStatus.OPEN
        gateway.close()


def test_a_clock_that_went_wrong_is_read_anew_after_one_refusal(venue: PaperProcess) -> None:
    gateway = make(venue)
    gateway.instruments()
    gateway._caller.clock.measure(lambda: 1_000_000_000_000)

    assert refusal(gateway.balances).evidence is Evidence.CLOCK
    assert gateway.balances()
    gateway.close()


def test_quote_is_the_best_of_the_book_exactly(gateway: Gateway) -> None:
    quote = gateway.quote(SYMBOL)

    assert (quote.bid, quote.ask) == (D("61999.99"), D("62000.00"))


def test_balances_tell_free_and_locked(gateway: Gateway) -> None:
    before = {balance.asset: balance for balance in gateway.balances()}
    gateway.create_order(new_order(gateway))
    after = {balance.asset: balance for balance in gateway.balances()}

    assert after["USDT"].used - before["USDT"].used == D("500")
    assert after["USDT"].total == before["USDT"].total


def test_a_resting_order_is_open_and_found_by_either_id(gateway: Gateway) -> None:
    order = new_order(gateway)

    report = gateway.create_order(order)

    assert report.status is VenueStatus.OPEN
    assert (report.quantity, report.filled_quantity, report.price) == (D("0.01"), D(0), D("50000"))
    assert report.client_order_id == order.client_order_id
    assert gateway.fetch_order(SYMBOL, report.venue_order_id) == report
    assert gateway.find_order(SYMBOL, order.client_order_id, order.timestamp) == report
    assert report in gateway.open_orders(SYMBOL)
    assert gateway.order_trades(SYMBOL, report.venue_order_id, order.timestamp) == []


@pytest.mark.parametrize("side", list(Side))
def test_a_market_order_reports_its_fills_and_so_do_the_trades(gateway: Gateway, side: Side) -> None:
    order = new_order(gateway, side=side, type=OrderType.MARKET, quantity=D("1.5"))

    report = gateway.create_order(order)

    assert report.status is VenueStatus.FILLED
    assert report.filled_quantity == D("1.5")
    assert report.price is None
    assert sum(trade.quantity for trade in report.trades) == D("1.5")
    assert sum(trade.cost or 0 for trade in report.trades) == report.filled_cost
    fee_asset = "BTC" if side is Side.BUY else "USDT"
    for trade in report.trades:
        paid = trade.quantity if side is Side.BUY else trade.quantity * trade.price
        assert (trade.fee_asset, trade.fee) == (fee_asset, paid * D("0.001"))
        assert (trade.side, trade.liquidity) == (side, Liquidity.TAKER)
        assert trade.venue_order_id == report.venue_order_id
    assert list(gateway.order_trades(SYMBOL, report.venue_order_id, order.timestamp)) == list(report.trades)
    since = gateway.trades_since(SYMBOL, report.trades[0].traded_at)
    assert [trade for trade in since if trade.venue_order_id == report.venue_order_id] == list(report.trades)


def test_a_maker_fill_is_told_apart(gateway: Gateway, venue: PaperProcess) -> None:
    order = new_order(gateway, price=D("61999.99"), quantity=D("0.02"), post_only=True)
    report = gateway.create_order(order)

    venue.market_order(SYMBOL, "sell", "1.005", price="61999.99")
    eventually(lambda: gateway.fetch_order(SYMBOL, report.venue_order_id).filled_quantity > 0)

    partly = gateway.fetch_order(SYMBOL, report.venue_order_id)
    assert (partly.status, partly.filled_quantity) == (VenueStatus.OPEN, D("0.005"))
    (trade,) = gateway.order_trades(SYMBOL, report.venue_order_id, order.timestamp)
    assert (trade.liquidity, trade.quantity, trade.price) == (Liquidity.MAKER, D("0.005"), D("61999.99"))


@pytest.mark.parametrize(
    ("time_in_force", "quantity", "status", "filled"),
    [
        (TimeInForce.IOC, "0.5", VenueStatus.FILLED, "0.5"),
        (TimeInForce.IOC, "1.5", VenueStatus.EXPIRED, "1"),
        (TimeInForce.FOK, "1", VenueStatus.FILLED, "1"),
        (TimeInForce.FOK, "1.5", VenueStatus.EXPIRED, "0"),
        (TimeInForce.GTC, "1.5", VenueStatus.OPEN, "1"),
    ],
)
def test_time_in_force_means_what_it_says(
    gateway: Gateway, time_in_force: TimeInForce, quantity: str, status: VenueStatus, filled: str
) -> None:
    order = new_order(gateway, price=D("62000"), quantity=D(quantity), time_in_force=time_in_force)

    report = gateway.create_order(order)

    assert (report.status, report.filled_quantity) == (status, D(filled))
    assert gateway.find_order(SYMBOL, order.client_order_id, order.timestamp).status is status  # type: ignore[union-attr]


def test_an_iceberg_shows_a_part_and_fills_whole(gateway: Gateway, venue: PaperProcess) -> None:
    venue.set_depth(SYMBOL, bids=[("61990.00", "5")], asks=[("62000.00", "1")])
    order = new_order(gateway, price=D("61995"), quantity=D("0.3"), display_quantity=D("0.1"))
    report = gateway.create_order(order)

    assert gateway.order_book(SYMBOL, 1).bids == ((D("61995"), D("0.1")),)
    venue.market_order(SYMBOL, "sell", "0.3", price="61995")

    filled = gateway.fetch_order(SYMBOL, report.venue_order_id)
    assert (filled.status, filled.filled_quantity) == (VenueStatus.FILLED, D("0.3"))
    assert len(gateway.order_trades(SYMBOL, report.venue_order_id, order.timestamp)) == 3


def test_a_cancel_ends_an_order_and_a_second_finds_nothing(gateway: Gateway) -> None:
    report = gateway.create_order(new_order(gateway))

    gateway.cancel_order(SYMBOL, report.venue_order_id)

    assert gateway.fetch_order(SYMBOL, report.venue_order_id).status is VenueStatus.CANCELED
    again = refusal(lambda: gateway.cancel_order(SYMBOL, report.venue_order_id))
    assert (again.evidence, again.outage) == (Evidence.NOT_FOUND, False)


def test_an_order_that_ended_is_found_by_its_client_id(gateway: Gateway) -> None:
    order = new_order(gateway)
    gateway.cancel_order(SYMBOL, gateway.create_order(order).venue_order_id)

    found = gateway.find_order(SYMBOL, order.client_order_id, order.timestamp)

    assert found is not None
    assert found.status is VenueStatus.CANCELED


def test_an_order_that_nobody_sent_is_found_nowhere(gateway: Gateway) -> None:
    order = new_order(gateway)
    gateway.create_order(new_order(gateway, type=OrderType.MARKET))

    assert gateway.find_order(SYMBOL, order.client_order_id, order.timestamp) is None
    unknown = refusal(lambda: gateway.fetch_order(SYMBOL, "999999999"))
    assert unknown.evidence is Evidence.NOT_FOUND


def test_trades_are_read_over_all_pages_oldest_first_each_once(
    gateway: CcxtGateway, monkeypatch: pytest.MonkeyPatch
) -> None:
    from exchanges import ccxt_lookup

    monkeypatch.setattr(ccxt_lookup, "_limit", lambda *_, **__: 3)
    began = gateway.time()
    placed = [gateway.create_order(new_order(gateway, type=OrderType.MARKET)) for _ in range(8)]

    found = gateway.trades_since(SYMBOL, began)

    ids = [trade.venue_trade_id for trade in found]
    assert len(ids) == len(set(ids))
    assert {report.venue_order_id for report in placed} <= {trade.venue_order_id for trade in found}
    assert list(found) == sorted(found, key=lambda trade: (trade.traded_at, int(trade.venue_trade_id)))
    first = placed[0].trades[0]
    assert first in gateway.trades_since(SYMBOL, first.traded_at), "since is inclusive"


def test_orders_are_numbered_per_symbol_and_kept_apart(gateway: Gateway) -> None:
    bitcoin = gateway.create_order(new_order(gateway))
    ether = gateway.create_order(new_order(gateway, symbol="ETH/USDT", price=D("1000"), quantity=D("0.1")))

    assert ether not in gateway.open_orders(SYMBOL)
    assert gateway.fetch_order("ETH/USDT", ether.venue_order_id).price == D("1000")
    assert gateway.fetch_order(SYMBOL, bitcoin.venue_order_id).price == D("50000")
