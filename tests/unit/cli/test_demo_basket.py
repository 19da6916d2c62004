"""The demo's basket: the same for the same seed, mixed as promised, every request valid."""

from __future__ import annotations

from collections import Counter
from datetime import UTC, datetime
from decimal import Decimal

import pytest

from exchanges.paper.faults import parse_plan
from ops.demo.basket import KINDS, MEANING, SYMBOLS, Quote, basket, request
from ops.demo.faults import faults

QUOTES = {
    "BTC/USDT": Quote(bid=Decimal("61999.99"), ask=Decimal("62000.01")),
    "ETH/USDT": Quote(bid=Decimal("2599.9"), ask=Decimal("2600.1")),
}
NOW = datetime(2026, 1, 1, tzinfo=UTC)


def test_same_seed_gives_the_same_basket():
    assert basket(48, 7) == basket(48, 7) != basket(48, 8)


@pytest.mark.parametrize("count", [40, 48, 100])
def test_basket_has_every_kind_in_both_symbols_and_one_in_five_twice(count):
    orders = basket(count, 7)

    kinds = Counter(order.kind for order in orders)
    assert len(orders) == count == len({order.client_order_id for order in orders})
    assert set(kinds) == set(KINDS) == set(MEANING)
    assert {order.symbol for order in orders} == set(SYMBOLS)
    assert {(order.kind, order.symbol) for order in orders if order.kind == "denied"} == {
        ("denied", symbol) for symbol in SYMBOLS
    }
    assert sum(order.twice for order in orders) == count // 5
    assert sum(order.at_once for order in orders) == count // 10


@pytest.mark.parametrize("planned", basket(48, 7), ids=lambda planned: f"{planned.number}-{planned.kind}")
def test_requests_keep_the_rules_of_their_kind(planned):
    quote = QUOTES[planned.symbol]

    made = request(planned, quote, NOW)

    assert made == request(planned, quote, NOW)
    assert ("price" in made) == (made["type"] == "limit") == (planned.kind != "market")
    buys = made["side"] == "buy"
    if planned.kind in ("near", "post_only", "far", "expiring"):
        assert Decimal(made["price"]) < quote.bid if buys else Decimal(made["price"]) > quote.ask
    if planned.kind in ("crossing", "ioc", "fok", "fok_too_big", "rejected"):
        assert Decimal(made["price"]) > quote.ask if buys else Decimal(made["price"]) < quote.bid
    if planned.kind == "expiring":
        assert made["expires_at"] == "2026-01-01T00:00:06Z"


def test_every_fault_is_one_the_venue_knows():
    plan = parse_plan([armed.plan for armed in faults()])

    assert len({rule.name for rule in plan}) == len(plan)
    assert {"drop", "error", "unreadable", "rate_limited", "latency"} <= {rule.kind for rule in plan}
