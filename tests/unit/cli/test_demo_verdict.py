"""The demo's verdict: each way of breaking a promise is found in the venue's log, by name."""

from __future__ import annotations

from dataclasses import replace
from decimal import Decimal

import pytest

from exchanges.paper.journal import VenueFault, VenueOrder, VenueTrade
from ops.demo.verdict import Facts, judge

ONE = Decimal(1)


def trade(number: int = 7, quantity: str = "1", **changes) -> VenueTrade:
    values = {
        "symbol": "BTCUSDT",
        "trade_id": number,
        "order_id": 1,
        "client_order_id": "v1",
        "account": "main",
        "side": "BUY",
        "price": Decimal(100),
        "quantity": Decimal(quantity),
        "quote_quantity": Decimal(100),
        "fee": Decimal("0.001"),
        "fee_asset": "BTC",
        "is_maker": False,
        "at_ms": 0,
    }
    return VenueTrade(**{**values, **changes})


TRADE = trade()


def venue_order(client_order_id: str = "v1", *, trades=(TRADE,), status: str = "FILLED", **changes) -> VenueOrder:
    values = {
        "symbol": "BTCUSDT",
        "order_id": 1,
        "client_order_id": client_order_id,
        "account": "main",
        "side": "BUY",
        "type": "MARKET",
        "time_in_force": "GTC",
        "quantity": ONE,
        "price": Decimal(0),
        "quote_quantity": Decimal(0),
        "executed": sum((one.quantity for one in trades), Decimal(0)),
        "executed_quote": Decimal(0),
        "status": status,
        "created_ms": 0,
        "updated_ms": 0,
        "trades": tuple(trades),
    }
    return VenueOrder(**{**values, **changes})


FILL = {
    "venue_trade_id": "7",
    "child_order_id": "c",
    "quantity": "1",
    "price": "100",
    "fee": "0.001",
    "fee_asset": "BTC",
}
CHILD = {"id": "c", "venue_client_order_id": "v1", "venue_order_id": "1", "status": "FILLED"}
DOCUMENT = {
    "id": "01",
    "client_order_id": "demo-001",
    "status": "FILLED",
    "quantity": "1",
    "filled_quantity": "1",
    "reason": None,
    "child_orders": [CHILD],
    "fills": [FILL],
}
GOOD = Facts(
    answered={"demo-001": ["01", "01"]},
    sent_again=1,
    documents={"demo-001": DOCUMENT},
    venue_orders=[venue_order()],
    faults=[VenueFault(at_ms=0, kind="drop", request="POST order", client_order_id="v1")],
    venue_balances={("main", "BTC"): (Decimal(1), Decimal(2))},
    our_balances=[{"account": "main", "asset": "BTC", "total": "3", "held": "2", "available": "1"}],
    workers_killed=1,
    workers_back=1,
)


def document(**changes):
    return {"demo-001": {**DOCUMENT, **changes}}


def test_all_well_is_good():
    verdict = judge(GOOD)

    assert verdict.good
    assert [check.figure for check in verdict.checks][2] == "1 = 1"


BROKEN = [
    # (what is wrong, the check that has to find it, what it must name)
    ({"venue_orders": [venue_order(), venue_order(order_id=2)]}, "orders sent twice", "v1: 2 orders"),
    ({"venue_orders": [venue_order(), venue_order("v9", trades=())]}, "orders sent twice", "v9"),
    ({"venue_orders": [venue_order(quantity=Decimal(2))]}, "orders sent twice", "demo-001: 2 at the venue"),
    ({"answered": {"demo-001": ["01", "02"]}}, "orders sent twice", "became 2 orders"),
    ({"answered": {"demo-001": ["01"], "demo-002": ["02"]}}, "orders lost", "demo-002: accepted, and gone"),
    ({"documents": document(status="WORKING")}, "orders lost", "still WORKING"),
    ({"venue_orders": []}, "orders lost", "it does not"),
    ({"documents": document(fills=[])}, "fills booked = fills at the venue", "not booked"),
    ({"documents": document(fills=[FILL, FILL])}, "fills booked = fills at the venue", "not at the venue"),
    ({"documents": document(fills=[{**FILL, "price": "101"}])}, "fills booked = fills at the venue", "trade 7"),
    ({"documents": document(fills=[{**FILL, "fee": "0"}])}, "fills booked = fills at the venue", "trade 7"),
    ({"documents": document(filled_quantity="0.5")}, "fills booked = fills at the venue", "filled 0.5"),
    ({"documents": document(status="CANCELED")}, "final statuses agree", "CANCELED here, FILLED"),
    ({"documents": document(status="REJECTED")}, "final statuses agree", "REJECTED here, FILLED"),
    ({"documents": document(status="FAILED", reason={"code": "X", "message": "y"})}, "final statuses agree", "FAILED (X: y)"),
    ({"venue_balances": {("main", "BTC"): (ONE, ONE)}}, "books = balances at the venue", "BTC"),
    ({"venue_balances": {("main", "BTC"): (Decimal(2), ONE)}}, "books = balances at the venue", "held"),
    ({"faults": []}, "trouble survived", "no fault"),
    ({"workers_back": 0}, "trouble survived", "0 back"),
]  # fmt: skip


@pytest.mark.parametrize(("change", "check", "named"), BROKEN, ids=[row[2] for row in BROKEN])
def test_broken_promise_is_found_and_named(change, check, named):
    verdict = judge(replace(GOOD, **change))

    assert not verdict.good
    wrong = {found.name: " ".join(found.wrong) for found in verdict.checks if found.wrong}
    assert named in wrong[check]


@pytest.mark.parametrize("status", ["DENIED", "REJECTED", "EXPIRED"])
def test_order_that_never_reached_the_venue_is_fine(status):
    nothing_sent = {"status": status, "filled_quantity": "0", "fills": [], "child_orders": []}

    assert judge(replace(GOOD, documents=document(**nothing_sent), venue_orders=[])).good


def test_partly_filled_and_cancelled_is_fine():
    half = trade(quantity="0.5")
    documents = document(status="CANCELED", filled_quantity="0.5", fills=[{**FILL, "quantity": "0.5"}])

    assert judge(replace(GOOD, documents=documents, venue_orders=[venue_order(trades=[half], status="CANCELED")])).good
