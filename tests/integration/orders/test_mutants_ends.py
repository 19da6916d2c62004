"""Schedules that catch seeded bugs: the ends of orders, and their books."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from decimal import Decimal
from pathlib import Path

import pytest

from models.clock import format_time
from models.reports import OrderReport, VenueStatus
from storage.engine import read
from storage.ledger import balances
from tasks.prepare import prepare
from tasks.rescue import rescue
from tasks.withdraw import withdraw
from tests.integration.orders.conftest import ON_SQLITE, OpenDesk
from tests.integration.orders.in_doubt import (
    REPLY_LOST,
    WIDE_WINDOW,
    is_final,
)
from tests.integration.orders.schedules_played import (
    in_doubt,
)
from tests.integration.orders.test_crashes import _gateway
from tests.support.paper import PaperProcess
from tests.support.runtime import Desk, make_settings, open_desk


@ON_SQLITE
@pytest.mark.parametrize("ends_by", ["cancel", "expiry"])
def test_an_order_does_not_end_while_its_send_is_in_doubt(desk: Desk, ends_by: str) -> None:
    order_id = desk.limit("-1000", expires_at=format_time(desk.runtime.now() + timedelta(seconds=120)))
    desk.venue.arm(REPLY_LOST)
    desk.until_sent(order_id)
    if ends_by == "cancel":
        desk.cancel(order_id)
    else:
        desk.runtime.advance(121)
        rescue(desk.runtime)

    withdraw(desk.runtime, order_id=order_id)  # its message is faster than the look's
    desk.pump(is_final(desk, order_id))

    assert [order["status"] for order in desk.at_venue(order_id)] == ["CANCELED"], "it ended, and rests at the venue"
    assert desk.end(order_id)[0] == {"cancel": "CANCELED", "expiry": "EXPIRED"}[ends_by]
    assert desk.held(order_id) == {}


@ON_SQLITE
def test_a_fill_that_turns_up_after_the_end_is_booked(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    """The venue called the order canceled with nothing filled, and shows the trade a moment later."""
    order_id = desk.limit("-100", quantity="0.02")
    desk.work(order_id)
    gateway = _gateway(desk)
    real = gateway.fetch_order

    def forgets_the_fill(symbol: str, venue_order_id: str) -> OrderReport:
        report = real(symbol, venue_order_id)
        return replace(report, status=VenueStatus.CANCELED, filled_quantity=Decimal(0), filled_cost=None, trades=())

    desk.venue.pause_market()
    try:
        desk.venue.set_price("BTC/USDT", str(desk.order(order_id).price), quantity="0.005")
        with monkeypatch.context() as patch:
            patch.setattr(gateway, "fetch_order", forgets_the_fill)
            desk.cancel(order_id)
            desk.pump(is_final(desk, order_id))
        assert desk.end(order_id)[2] == "0"
        desk.work(desk.limit("-2000"))  # the symbol is looked at while something rests there

        desk.track()
    finally:
        desk.venue.resume_market()

    assert desk.end(order_id)[2] == "0.005"
    desk.assert_books_match()


@ON_SQLITE
def test_an_order_is_filled_when_its_fills_are_booked_and_not_when_the_venue_says_so(
    desk: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The venue's page of the order is ahead of its list of trades."""
    order_id = desk.limit("-100")
    desk.work(order_id)
    gateway = _gateway(desk)
    desk.venue.set_price("BTC/USDT", str(desk.order(order_id).price), quantity="1")
    with monkeypatch.context() as patch:
        for trades in ("trades_since", "order_trades"):
            patch.setattr(gateway, trades, lambda *_: [])
        desk.track()
        assert not desk.order(order_id).is_final, "it ended although nothing of it is booked"
        assert desk.held(order_id)

    desk.track()

    assert desk.end(order_id) == ("FILLED", None, "0.01")
    desk.assert_books_match()


@ON_SQLITE
def test_trades_of_two_symbols_under_the_same_numbers_are_two(
    database_url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A new venue numbers orders and trades of each symbol from the beginning, as Binance does."""
    with PaperProcess(tmp_path / "new") as venue:
        desk = open_desk(make_settings(tmp_path, venue.url, database_url=database_url), venue, monkeypatch)
        try:
            orders = [desk.place(symbol=symbol) for symbol in ("BTC/USDT", "ETH/USDT")]
            for order_id in orders:
                desk.work(order_id)
            numbers = [
                {(fill["venue_order_id"], fill["venue_trade_id"]) for fill in desk.fills(order_id)}
                for order_id in orders
            ]

            assert numbers[0] & numbers[1], "the schedule needs two trades under one number"
            assert [desk.order(order_id).status for order_id in orders] == ["FILLED", "FILLED"]
            desk.assert_books_match()
        finally:
            desk.runtime.close()


@ON_SQLITE
def test_what_a_send_in_doubt_bought_is_no_deposit(open_a_desk: OpenDesk) -> None:
    desk = open_a_desk(**WIDE_WINDOW)
    desk.work(desk.place())  # opens the books
    bought = in_doubt(desk, REPLY_LOST, quantity="0.05")
    with read(desk.engine) as conn:
        (ours,) = (held.total for held in balances(conn, "paper", "main") if held.asset == "BTC")
    sold = desk.place(side="sell", quantity=str((ours + Decimal("0.02")).quantize(Decimal("0.001"))))

    prepare(desk.runtime, order_id=sold)
    desk.pump(is_final(desk, bought))

    desk.assert_books_match()
    assert desk.end(bought) == ("FILLED", None, "0.05")
    assert desk.end(sold)[:2] == ("DENIED", "INSUFFICIENT_FUNDS")


@ON_SQLITE
def test_a_look_that_reads_a_trade_again_books_it_once(desk: Desk) -> None:
    order_id = desk.limit("-100", quantity="0.02")
    desk.work(order_id)
    price = str(desk.order(order_id).price)
    desk.venue.pause_market()
    try:
        for _ in range(2):
            desk.venue.set_price("BTC/USDT", price, quantity="0.005")
            desk.track()
        filled = desk.end(order_id)[2]
        (theirs,) = desk.at_venue(order_id)
    finally:
        desk.venue.resume_market()

    assert Decimal(filled) == Decimal(theirs["executed"])
    desk.assert_books_match()
