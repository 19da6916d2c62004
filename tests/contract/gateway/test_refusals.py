"""What the venue refuses, and what the gateway refuses before it leaves."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest

from exchanges.config import Secret
from exchanges.evidence import Evidence
from exchanges.gateway import Gateway, NotRounded
from models.vocabulary import OrderType, Side, TimeInForce
from tests.contract.gateway.asking import (
    D,
    at_venue,
    make,
    new_order,
    refusal,
)
from tests.support.paper import PaperProcess

REFUSALS: list[tuple[str, dict[str, Any], Evidence, str]] = [
    ("no funds", {"side": Side.SELL, "price": D("63000"), "quantity": D("130")}, Evidence.REJECTED, "-2010"),
    ("post-only that would take", {"price": D("63000"), "post_only": True}, Evidence.REJECTED, "-2010"),
    ("under the minimum notional", {"price": D("100"), "quantity": D("0.01")}, Evidence.REJECTED, "-1013"),
    ("symbol unknown", {"symbol": "FOO/BAR"}, Evidence.REJECTED, ""),
    ("market that is fill-or-kill", {"type": OrderType.MARKET, "time_in_force": TimeInForce.FOK}, Evidence.REJECTED, "FOK_MARKET"),
]  # fmt: skip


@pytest.mark.parametrize(
    ("changes", "evidence", "code"), [row[1:] for row in REFUSALS], ids=[row[0] for row in REFUSALS]
)
def test_a_refusal_is_an_answer_with_a_code(
    gateway: Gateway, venue: PaperProcess, changes: dict[str, Any], evidence: Evidence, code: str
) -> None:
    order = new_order(gateway, **changes)

    refused = refusal(lambda: gateway.create_order(order))

    assert (refused.evidence, refused.code, refused.outage) == (evidence, code, False)
    assert at_venue(venue, order.client_order_id) == []


@pytest.mark.parametrize(
    "changes",
    [{"quantity": D("0.010001")}, {"quantity": D("0.000001")}, {"price": D("50000.129")}],
    ids=["lot", "under the lot", "tick"],
)
def test_what_is_not_rounded_is_a_defect_and_not_sent(
    gateway: Gateway, venue: PaperProcess, changes: dict[str, Any]
) -> None:
    order = new_order(gateway, **changes)

    with pytest.raises(NotRounded):
        gateway.create_order(order)

    assert at_venue(venue, order.client_order_id) == []


def test_an_open_client_id_again_is_a_duplicate(gateway: Gateway, venue: PaperProcess) -> None:
    order = new_order(gateway)
    gateway.create_order(order)

    again = refusal(lambda: gateway.create_order(order))

    assert (again.evidence, again.outage) == (Evidence.DUPLICATE, False)
    assert len(at_venue(venue, order.client_order_id)) == 1


@pytest.mark.parametrize("late_s", [8, -600], ids=["too late", "too early"])
def test_a_timestamp_outside_the_window_is_refused_by_the_venue(
    gateway: Gateway, venue: PaperProcess, late_s: int
) -> None:
    order = new_order(gateway, timestamp=gateway.time() - timedelta(seconds=late_s), window_ms=5_000)

    refused = refusal(lambda: gateway.create_order(order))

    assert (refused.evidence, refused.code, refused.outage) == (Evidence.CLOCK, "-1021", False)
    assert at_venue(venue, order.client_order_id) == []


def test_a_wrong_key_and_a_wrong_signature_are_credentials(venue: PaperProcess) -> None:
    for changes in ({"api_key": Secret("nobody")}, {"secret": Secret("wrong")}, {"api_key": Secret("")}):
        gateway = make(venue, **changes)
        refused = refusal(gateway.balances)
        gateway.close()

        assert (refused.evidence, refused.outage) == (Evidence.CREDENTIALS, False)
