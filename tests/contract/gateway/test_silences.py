"""Each way in which the venue does not answer, and many callers at once."""

from __future__ import annotations

import decimal
import threading
from pathlib import Path
from typing import Any

import pytest

from exchanges.ccxt_gateway import CcxtGateway
from exchanges.evidence import Evidence, VenueError
from exchanges.gateway import Gateway
from models.reports import NewOrder, OrderReport, VenueStatus
from models.vocabulary import OrderType
from tests.contract.gateway.asking import (
    SYMBOL,
    D,
    at_venue,
    eventually,
    make,
    new_order,
    refusal,
)
from tests.support.paper import PaperProcess

CREATES = {"endpoint": "order", "method": "POST", "count": 1}

SILENCES: list[tuple[str, dict[str, Any], bool | None]] = [
    ("dropped before", {"kind": "drop", "when": "before"}, False),
    ("dropped after", {"kind": "drop", "when": "after"}, True),
    ("reset before", {"kind": "reset", "when": "before"}, False),
    ("reset after", {"kind": "reset", "when": "after"}, True),
    ("5xx before", {"kind": "error", "when": "before", "status": 503, "code": -1008, "msg": "overloaded"}, False),
    ("5xx after", {"kind": "error", "when": "after", "status": 504, "code": -1007, "msg": "Timeout"}, True),
    ("empty", {"kind": "unreadable", "form": "empty"}, True),
    ("garbage", {"kind": "unreadable", "form": "garbage"}, True),
    ("truncated", {"kind": "unreadable", "form": "truncated"}, True),
    ("without an id", {"kind": "unreadable", "form": "no_id"}, True),
    ("html", {"kind": "unreadable", "form": "html"}, True),
    ("cut", {"kind": "unreadable", "form": "cut"}, True),
    ("taken late", {"kind": "late", "delay_ms": 300}, None),
]  # fmt: skip


@pytest.mark.parametrize(("fault", "accepted"), [row[1:] for row in SILENCES], ids=[row[0] for row in SILENCES])
def test_a_create_without_an_answer_is_ambiguous_and_a_look_tells(
    gateway: Gateway, venue: PaperProcess, fault: dict[str, Any], accepted: bool | None
) -> None:
    order = new_order(gateway)
    venue.arm({**fault, **CREATES})

    failed = refusal(lambda: gateway.create_order(order))

    assert failed.evidence is Evidence.AMBIGUOUS
    if accepted is None:
        eventually(lambda: bool(at_venue(venue, order.client_order_id)))
    assert len(at_venue(venue, order.client_order_id)) == (0 if accepted is False else 1), "sent once at most"
    found = gateway.find_order(SYMBOL, order.client_order_id, order.timestamp)
    assert (found is not None) is (accepted is not False)


def make_hasty(venue: PaperProcess) -> CcxtGateway:
    """One that waits for a third of a second, and is connected."""
    hasty = make(venue, timeout_ms=300)

    def has_instruments() -> bool:
        try:
            return bool(hasty.instruments())
        except VenueError:  # a machine that stood still for as long
            return False

    eventually(has_instruments)
    return hasty


def struck_in_time(
    gateway: Gateway, venue: PaperProcess, hasty: Gateway, fault: dict[str, Any]
) -> tuple[NewOrder, VenueError]:
    """An order that the venue took although its create failed by the fault, and how it failed.

    A machine that stands still may use up the time before anything has left: then the next order is tried.
    """
    struck: list[tuple[NewOrder, VenueError]] = []

    def strikes() -> bool:
        venue.disarm()
        venue.arm({**fault, **CREATES})
        order = new_order(gateway)
        struck.append((order, refusal(lambda: hasty.create_order(order))))
        return bool(at_venue(venue, order.client_order_id))

    eventually(strikes)
    return struck[-1]


def test_a_create_that_takes_too_long_is_ambiguous_and_found_later(gateway: Gateway, venue: PaperProcess) -> None:
    hasty = make_hasty(venue)
    order, failed = struck_in_time(gateway, venue, hasty, {"kind": "latency", "when": "after", "delay_ms": 30_000})

    assert (failed.evidence, failed.outage, failed.status) == (Evidence.AMBIGUOUS, True, None)
    eventually(lambda: gateway.find_order(SYMBOL, order.client_order_id, order.timestamp) is not None)
    hasty.close()


def test_a_reply_that_drips_ends_at_the_deadline(gateway: Gateway, venue: PaperProcess) -> None:
    hasty = make_hasty(venue)
    order, failed = struck_in_time(gateway, venue, hasty, {"kind": "drip", "piece_bytes": 1, "piece_ms": 100})

    assert failed.evidence is Evidence.AMBIGUOUS
    assert len(at_venue(venue, order.client_order_id)) == 1
    hasty.close()


def test_reads_that_lag_hide_an_order_for_a_while(gateway: Gateway, venue: PaperProcess) -> None:
    for lag_ms in (600, 3_000, 15_000):  # the longer ones for a machine that stood still between create and look
        order = new_order(gateway)
        venue.arm({"kind": "lag", "lag_ms": lag_ms, **CREATES})
        report = gateway.create_order(order)
        looked = gateway.find_order(SYMBOL, order.client_order_id, order.timestamp)
        if looked is None:
            break

    assert looked is None, "no trace yet proves nothing"
    eventually(lambda: gateway.find_order(SYMBOL, order.client_order_id, order.timestamp) is not None)
    assert report.status is VenueStatus.OPEN


@pytest.mark.parametrize("status", [429, 418])
def test_too_often_says_for_how_long(gateway: Gateway, venue: PaperProcess, status: int) -> None:
    order = new_order(gateway)
    venue.arm({"kind": "rate_limited", "status": status, "retry_after_s": 7, **CREATES})

    refused = refusal(lambda: gateway.create_order(order))

    assert (refused.evidence, refused.status, refused.retry_after_s) == (Evidence.RATE_LIMITED, status, 7.0)
    assert not refused.outage
    assert at_venue(venue, order.client_order_id) == []


def test_a_look_that_fails_raises_instead_of_finding_nothing(gateway: Gateway, venue: PaperProcess) -> None:
    order = new_order(gateway)
    gateway.create_order(order)
    for endpoint in ("order", "openOrders", "allOrders", "myTrades"):
        for fault in ({"kind": "drop"}, {"kind": "error", "status": 502}, {"kind": "unreadable", "form": "garbage"}):
            venue.arm({**fault, "endpoint": endpoint, "method": "GET"})

            failed = refusal(lambda: gateway.find_order(SYMBOL, "abc000000000000009", order.timestamp))
            venue.disarm()

            assert failed.evidence is Evidence.AMBIGUOUS
            assert failed.outage


def test_each_place_is_looked_at(gateway: CcxtGateway, venue: PaperProcess) -> None:
    """By client id, among open orders, among ended ones, and by the trades: each alone finds it."""
    resting, traded = new_order(gateway), new_order(gateway, type=OrderType.MARKET)
    gateway.create_order(resting)
    gateway.create_order(traded)
    lookup = gateway._lookup

    assert lookup._by_client_id(SYMBOL, resting.client_order_id) is not None
    assert resting.client_order_id in {report.client_order_id for report in lookup.open_orders(SYMBOL)}
    ended = lookup._ended_orders(SYMBOL, traded.client_order_id, traded.timestamp)
    assert traded.client_order_id in {report.client_order_id for report in ended}
    found = lookup._by_trades(SYMBOL, traded.client_order_id, traded.timestamp, set())
    assert found is not None
    assert found.client_order_id == traded.client_order_id


def test_a_venue_that_is_gone_is_surely_not_sent(gateway: Gateway, tmp_path: Path) -> None:
    with PaperProcess(tmp_path / "gone") as venue:
        lost = make(venue)
        order = new_order(lost)
        lost.instruments()
    failed = refusal(lambda: lost.create_order(order))
    lost.close()

    assert (failed.evidence, failed.outage) == (Evidence.NOT_SENT, True)


def test_after_a_restart_of_the_venue_the_gateway_goes_on(tmp_path: Path) -> None:
    with PaperProcess(tmp_path / "restart") as venue:
        gateway = make(venue)
        report = gateway.create_order(new_order(gateway))
        venue.restart()

        assert gateway.fetch_order(SYMBOL, report.venue_order_id).status is VenueStatus.OPEN
        gateway.create_order(new_order(gateway))
        gateway.close()


def test_sixteen_threads_on_one_gateway_get_their_own_orders(gateway: Gateway) -> None:
    wrong: list[object] = []

    def trade(number: int) -> None:
        try:
            for index in range(6):
                price = D(40000 + number * 100 + index)
                order = new_order(gateway, price=price, quantity=D("0.001"))
                report: OrderReport | None = gateway.create_order(order)
                assert report is not None
                seen = (report.client_order_id, report.price)
                found = gateway.find_order(SYMBOL, order.client_order_id, order.timestamp)
                assert found is not None
                if seen != (order.client_order_id, price) or found.venue_order_id != report.venue_order_id:
                    wrong.append((order, report))
                gateway.cancel_order(SYMBOL, report.venue_order_id)
        except Exception as error:  # noqa: BLE001 - a thread's failure is the test's
            wrong.append(error)

    threads = [threading.Thread(target=trade, args=(number,)) for number in range(16)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert wrong == []


def test_the_callers_decimal_context_is_left_as_it_was(gateway: Gateway) -> None:
    before = decimal.getcontext().copy()
    gateway.create_order(new_order(gateway))

    after = decimal.getcontext()
    assert (after.rounding, after.prec, after.traps) == (before.rounding, before.prec, before.traps)
    assert D("1.005").quantize(D("0.01")) == D("1.00"), "half to even, as Python does"
