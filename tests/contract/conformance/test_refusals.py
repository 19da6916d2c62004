"""Each kind of no: an answer with what it proves, and nothing at the venue."""

from __future__ import annotations

from contextlib import suppress
from dataclasses import replace
from datetime import timedelta
from decimal import Decimal
from functools import partial
from typing import Any

import pytest

from exchanges.ccxt_gateway import CcxtGateway
from exchanges.config import Secret
from exchanges.evidence import Evidence, VenueError
from exchanges.gateway import Gateway, NotRounded
from models.reports import VenueStatus
from models.vocabulary import Side, TimeInForce
from tests.contract.conformance.orders import CROSSING, MARKET, evidence, held, new_order, refusal
from tests.contract.dialects.dialect import Dialect
from tests.contract.dialects.server import RETRY_AFTER_S, TOO_OFTEN, Operation

D = Decimal

REFUSED_CREATES: dict[str, dict[str, Any]] = {
    "no funds to sell": {"side": Side.SELL, "price": D("63000"), "quantity": D("130")},
    "no funds to buy": {"price": D("61000"), "quantity": D("1000")},
    "under the minimum": {"price": D("100"), "quantity": D("0.00001")},
    "symbol unknown": {"symbol": "FOO/BAR"},
    "market that is fill-or-kill": {**MARKET, "time_in_force": TimeInForce.FOK},
}


@pytest.mark.parametrize("changes", list(REFUSED_CREATES.values()), ids=list(REFUSED_CREATES))
def test_a_refused_create_is_a_rejection_and_no_outage(
    gateway: Gateway, venue: Dialect, changes: dict[str, Any]
) -> None:
    order = new_order(gateway, venue, **changes)

    refused = refusal(lambda: gateway.create_order(order))

    assert (refused.evidence, refused.outage) == (Evidence.REJECTED, False), refused
    assert held(venue, gateway, order) == 0


def test_a_post_only_order_that_would_take_trades_nothing(gateway: Gateway, venue: Dialect) -> None:
    order = new_order(gateway, venue, **CROSSING, post_only=True)

    if venue.post_only_ends == "refused":
        refused = refusal(lambda: gateway.create_order(order))
        assert (refused.evidence, refused.outage) == (Evidence.REJECTED, False), refused
        assert held(venue, gateway, order) == 0
        return
    report = gateway.create_order(order)

    looked = gateway.fetch_order(venue.symbol, report.venue_order_id)
    assert (looked.status, looked.filled_quantity) in {
        (status, D(0)) for status in (VenueStatus.CANCELED, VenueStatus.EXPIRED, VenueStatus.REJECTED)
    }
    assert gateway.order_trades(venue.symbol, report.venue_order_id, order.timestamp) == []


@pytest.mark.parametrize(
    "changes",
    [{"quantity": D("0.010001")}, {"quantity": D("0.000001")}, {"price": D("50000.129")}],
    ids=["lot", "under the lot", "tick"],
)
def test_what_is_not_rounded_is_a_defect_and_not_sent(
    gateway: Gateway, venue: Dialect, changes: dict[str, Any]
) -> None:
    order = new_order(gateway, venue, **changes)

    with pytest.raises(NotRounded):
        gateway.create_order(order)

    assert held(venue, gateway, order) == 0


@pytest.mark.parametrize("ended", [False, True], ids=["open", "ended"])
def test_a_client_id_that_was_used_before(gateway: Gateway, venue: Dialect, ended: bool) -> None:
    order = new_order(gateway, venue)
    first = gateway.create_order(order)
    if ended:
        gateway.cancel_order(venue.symbol, first.venue_order_id)
    again = replace(order, timestamp=gateway.time())

    if venue.dedupe == "replay":
        assert gateway.create_order(again).venue_order_id == first.venue_order_id
        expected = 1
    elif venue.dedupe == "never" or (venue.dedupe == "open" and ended):
        assert gateway.create_order(again).venue_order_id != first.venue_order_id
        expected = 2
    else:
        refused = refusal(lambda: gateway.create_order(again))
        assert (refused.evidence, refused.outage) == (Evidence.DUPLICATE, False), refused
        expected = 1
    assert held(venue, gateway, order) == expected


def test_a_create_after_its_deadline_is_refused_where_the_venue_promises_that(gateway: Gateway, venue: Dialect) -> None:
    order = new_order(gateway, venue, timestamp=gateway.time() - timedelta(seconds=8), window_ms=5_000)

    if not venue.can.enforces_deadline:
        # Nothing is concluded from its clock there: it takes the order, or says no before it does.
        with suppress(VenueError):
            gateway.create_order(order)
            assert held(venue, gateway, order) == 1
            return
        assert held(venue, gateway, order) == 0
        return
    refused = refusal(lambda: gateway.create_order(order))

    assert (refused.evidence, refused.outage) == (Evidence.CLOCK, False), refused
    assert held(venue, gateway, order) == 0


def test_a_wrong_key_and_a_wrong_secret_are_credentials(venue: Dialect) -> None:
    wrong: list[tuple[dict[str, Secret], Evidence]] = [({"api_key": Secret("nobody")}, venue.unknown_key_proves)]
    if venue.checks_signatures:
        wrong.append(({"secret": Secret("bm9ib2R5bm9ib2R5bm9ib2R5bm9ib2R5")}, Evidence.CREDENTIALS))
    for changes, proves in wrong:
        gateway = CcxtGateway(venue.config(**changes))
        order = new_order(gateway, venue)
        read, sent = refusal(gateway.balances), refusal(partial(gateway.create_order, order))
        gateway.close()

        assert (read.evidence, read.outage) == (proves, False), read
        assert (sent.evidence, sent.outage) == (proves, False), sent
    assert venue.book.orders == []


@pytest.mark.parametrize("operation", [Operation.CREATE, Operation.CANCEL, Operation.BALANCES])
def test_too_often_says_for_how_long(gateway: Gateway, venue: Dialect, operation: Operation) -> None:
    order = new_order(gateway, venue)
    resting = gateway.create_order(new_order(gateway, venue))
    venue.strike(TOO_OFTEN, operation)
    actions = {
        Operation.CREATE: lambda: gateway.create_order(order),
        Operation.CANCEL: lambda: gateway.cancel_order(venue.symbol, resting.venue_order_id),
        Operation.BALANCES: gateway.balances,
    }

    refused = refusal(actions[operation])

    assert (refused.evidence, refused.status, refused.outage) == (
        Evidence.RATE_LIMITED,
        venue.too_often().status,
        False,
    ), refused
    assert refused.retry_after_s == RETRY_AFTER_S
    assert held(venue, gateway, order) == 0
    assert gateway.fetch_order(venue.symbol, resting.venue_order_id).status is VenueStatus.OPEN


def test_a_cancel_of_what_the_venue_does_not_know_is_not_found(gateway: Gateway, venue: Dialect) -> None:
    resting = gateway.create_order(new_order(gateway, venue)).venue_order_id
    unknown = resting[:-1] + ("7" if resting[-1] != "7" else "8")

    assert evidence(lambda: gateway.cancel_order(venue.symbol, unknown)) is venue.unknown_proves
