"""Amending in place where the venue can, and a refusal that sent nothing where it can't."""

from __future__ import annotations

from collections.abc import Callable
from decimal import Decimal

import pytest

from exchanges.capabilities import Amend, AmendSize
from exchanges.evidence import Evidence, NotAmendable
from exchanges.gateway import Gateway
from models.reports import OrderReport
from models.vocabulary import OrderType, Side
from tests.contract.conformance.orders import evidence, new_order, refusal
from tests.contract.dialects.dialect import WINDOW_MS, Dialect
from tests.contract.dialects.server import SILENCES, WITHOUT_DATA, Fault, Operation

D = Decimal


def can_amend(venue: Dialect) -> bool:
    can = venue.can
    return can.amend is Amend.IN_PLACE and can.amend_size is not AmendSize.NONE and can.amend_keeps_id


def placed(gateway: Gateway, venue: Dialect) -> tuple[str, Callable[[str, str], OrderReport | None]]:
    """An order of 0.02 of which 0.005 have filled: its id, and how to give it another quantity and price."""
    order = new_order(gateway, venue, quantity=D("0.02"))
    report = gateway.create_order(order)
    venue.fill(gateway.client_id(order.client_order_id), D("0.005"))

    def amend(quantity: str, price: str) -> OrderReport | None:
        return gateway.amend_order(
            venue.symbol,
            report.venue_order_id,
            side=Side.BUY,
            type=OrderType.LIMIT,
            quantity=D(quantity),
            price=D(price),
            filled_quantity=D("0.005"),
            timestamp=gateway.time(),
            window_ms=WINDOW_MS,
        )

    return report.venue_order_id, amend


def test_an_amended_order_keeps_its_id_and_its_fills(gateway: Gateway, venue: Dialect) -> None:
    order_id, amend = placed(gateway, venue)

    if not can_amend(venue):
        with pytest.raises(NotAmendable):
            amend("0.03", "51000.02")
        looked = gateway.fetch_order(venue.symbol, order_id)
        assert (looked.quantity, looked.price) == (D("0.02"), D("50000.01")), "nothing was sent"
        return
    for _ in range(2):  # absolute values: asking twice is harmless
        amend("0.03", "51000.02")

    looked = gateway.fetch_order(venue.symbol, order_id)
    assert (looked.quantity, looked.price, looked.filled_quantity) == (D("0.03"), D("51000.02"), D("0.005"))
    assert len(gateway.open_orders(venue.symbol)) == 1


def test_an_order_that_ended_is_not_amended(gateway: Gateway, venue: Dialect) -> None:
    order_id, amend = placed(gateway, venue)
    gateway.cancel_order(venue.symbol, order_id)

    refused = refusal(lambda: amend("0.03", "51000.02"))

    expected = Evidence.NOT_FOUND if can_amend(venue) else Evidence.REJECTED
    assert (refused.evidence, refused.outage) == (expected, False), refused
    looked = gateway.fetch_order(venue.symbol, order_id)
    assert looked.filled_quantity == D("0.005")


def test_an_amendment_that_the_venue_refuses_leaves_the_order_as_it_was(gateway: Gateway, venue: Dialect) -> None:
    order_id, amend = placed(gateway, venue)

    refused = refusal(lambda: amend("900", "51000.02"))

    assert (refused.evidence, refused.outage) == (Evidence.REJECTED, False), refused
    looked = gateway.fetch_order(venue.symbol, order_id)
    assert (looked.quantity, looked.price) == (D("0.02"), D("50000.01"))


@pytest.mark.parametrize(
    "fault", [*SILENCES, WITHOUT_DATA], ids=lambda fault: f"{fault.kind} {'after' if fault.taken else 'before'}"
)
def test_an_amendment_without_an_answer_is_ambiguous_and_a_look_tells(
    gateway: Gateway, venue: Dialect, fault: Fault
) -> None:
    order_id, amend = placed(gateway, venue)
    venue.strike(fault, Operation.AMEND)

    failed = evidence(lambda: amend("0.03", "51000.02"))

    if not can_amend(venue):
        assert failed is Evidence.REJECTED
        return
    assert failed is Evidence.AMBIGUOUS
    looked = gateway.fetch_order(venue.symbol, order_id)
    assert looked.quantity == D("0.03" if fault.taken else "0.02")
