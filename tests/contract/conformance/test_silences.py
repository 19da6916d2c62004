"""Each way of not answering: ambiguous, sent once, and what the venue did is found by looking."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from exchanges.ccxt_gateway import CcxtGateway
from exchanges.evidence import Evidence, VenueError
from exchanges.gateway import Gateway
from models.reports import NewOrder, VenueStatus
from tests.contract.conformance.orders import CROSSING, SOON_S, evidence, held, new_order, refusal
from tests.contract.dialects.dialect import Dialect
from tests.contract.dialects.server import NO_IN_AN_OUTAGE, SILENCES, SLOW, WITHOUT_DATA, WITHOUT_ID, Fault, Operation
from tests.support.waiting import eventually


def name(fault: Fault) -> str:
    return f"{fault.kind} {'after' if fault.taken else 'before'}"


@pytest.mark.parametrize("fault", [*SILENCES, WITHOUT_ID, NO_IN_AN_OUTAGE], ids=name)
def test_a_create_without_an_answer_is_ambiguous_and_a_look_tells(
    gateway: Gateway, venue: Dialect, fault: Fault
) -> None:
    order = new_order(gateway, venue)
    venue.strike(fault, Operation.CREATE)

    failed = refusal(lambda: gateway.create_order(order))

    assert failed.evidence is Evidence.AMBIGUOUS, failed
    assert held(venue, gateway, order) == (1 if fault.taken else 0), "sent once, and taken as the fault has it"
    found = gateway.find_order(venue.symbol, order.client_order_id, order.timestamp)
    assert (found is not None) is fault.taken


def test_an_order_that_filled_without_an_answer_is_found(gateway: Gateway, venue: Dialect) -> None:
    order = new_order(gateway, venue, **CROSSING)
    venue.strike(Fault(kind="reset", taken=True), Operation.CREATE)

    assert evidence(lambda: gateway.create_order(order)) is Evidence.AMBIGUOUS

    found = gateway.find_order(venue.symbol, order.client_order_id, order.timestamp)
    assert found is not None
    assert (found.status, found.filled_quantity) == (VenueStatus.FILLED, order.quantity)


def test_a_create_that_takes_longer_than_our_deadline_is_ambiguous_and_found(
    running: tuple[Dialect, Gateway], lone: Dialect
) -> None:
    patient, hasty = CcxtGateway(lone.config()), CcxtGateway(lone.config(timeout_ms=300))
    struck: list[tuple[NewOrder, VenueError]] = []

    def knows_the_market() -> bool:
        try:
            return bool(hasty.instruments() and hasty.estimated_time())
        except VenueError:  # a machine that stood still for as long
            return False

    def strikes() -> bool:
        """A machine that stands still may use up the time before anything has left: then the next order is tried."""
        order = new_order(patient, lone)
        lone.strike(SLOW, Operation.CREATE)
        struck.append((order, refusal(lambda: hasty.create_order(order))))
        return held(lone, hasty, order) == 1

    eventually(knows_the_market, within_s=SOON_S, describe="the hasty gateway knows the market")
    eventually(strikes, within_s=SOON_S, describe="an order arrived and was not answered in time")

    order, failed = struck[-1]
    assert (failed.evidence, failed.outage, failed.status) == (Evidence.AMBIGUOUS, True, None), failed
    assert patient.find_order(lone.symbol, order.client_order_id, order.timestamp) is not None
    assert held(lone, hasty, order) == 1
    patient.close()
    hasty.close()


@pytest.mark.parametrize("fault", SILENCES, ids=name)
def test_a_cancel_without_an_answer_is_ambiguous_and_a_look_tells(
    gateway: Gateway, venue: Dialect, fault: Fault
) -> None:
    report = gateway.create_order(new_order(gateway, venue))
    venue.strike(fault, Operation.CANCEL)

    failed = evidence(lambda: gateway.cancel_order(venue.symbol, report.venue_order_id))

    assert failed is Evidence.AMBIGUOUS
    looked = gateway.fetch_order(venue.symbol, report.venue_order_id)
    assert looked.status is (VenueStatus.CANCELED if fault.taken else VenueStatus.OPEN)


@pytest.mark.parametrize("fault", [*SILENCES, WITHOUT_DATA], ids=name)
@pytest.mark.parametrize("operation", [Operation.ORDER, Operation.OPEN_ORDERS, Operation.TRADES, Operation.BALANCES])
def test_a_read_without_an_answer_is_never_an_empty_list_or_a_missing_order(
    gateway: Gateway, venue: Dialect, operation: Operation, fault: Fault
) -> None:
    order = new_order(gateway, venue)
    report = gateway.create_order(order)
    actions: dict[Operation, Callable[[], object]] = {
        Operation.ORDER: lambda: gateway.fetch_order(venue.symbol, report.venue_order_id),
        Operation.OPEN_ORDERS: lambda: gateway.open_orders(venue.symbol),
        Operation.TRADES: lambda: gateway.trades_since(venue.symbol, order.timestamp),
        Operation.BALANCES: gateway.balances,
    }
    venue.strike(fault, operation, times=None)

    failed = refusal(actions[operation])

    assert failed.evidence is Evidence.AMBIGUOUS, failed


def test_a_look_of_which_one_part_fails_raises_instead_of_finding_nothing(gateway: Gateway, venue: Dialect) -> None:
    order = new_order(gateway, venue)
    gateway.create_order(new_order(gateway, venue))
    for operation in venue.looks:
        # A plain "no such order" has no data that could be left out.
        for fault in SILENCES if operation is Operation.ORDER else (*SILENCES, WITHOUT_DATA):
            venue.strike(fault, operation, times=None)
            failed = refusal(lambda: gateway.find_order(venue.symbol, order.client_order_id, order.timestamp))
            venue.calm()
            assert failed.evidence is Evidence.AMBIGUOUS, (operation, fault)
    assert gateway.find_order(venue.symbol, order.client_order_id, order.timestamp) is None


def test_a_venue_that_is_gone_is_surely_not_sent(running: tuple[Dialect, Gateway]) -> None:
    gone = type(running[0])()
    gateway = CcxtGateway(gone.config())
    order = new_order(gateway, gone)
    gateway.instruments()
    gone.close()

    failed = refusal(lambda: gateway.create_order(order))
    gateway.close()

    assert (failed.evidence, failed.outage) == (Evidence.NOT_SENT, True), failed
    assert gone.book.orders == []
