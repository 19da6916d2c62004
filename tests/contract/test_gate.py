"""What only Gate does: its histories, its words for an end, and the deadline that a create names."""

from __future__ import annotations

import json
from collections.abc import Iterator
from datetime import timedelta
from decimal import Decimal

import pytest

from exchanges import ccxt_lookup
from exchanges.ccxt_gateway import CcxtGateway
from exchanges.evidence import Evidence, VenueError
from models.clock import from_milliseconds, milliseconds
from models.reports import VenueStatus
from models.vocabulary import TimeInForce
from tests.contract import canned
from tests.contract.conformance.orders import CROSSING, evidence, held, new_order
from tests.contract.dialects.dialect import WINDOW_MS
from tests.contract.dialects.gate import Gate
from tests.contract.dialects.server import Operation

D = Decimal
HEADER = "x-gate-exptime"


@pytest.fixture
def venue() -> Iterator[Gate]:
    made = Gate()
    yield made
    made.server.calm()
    made.close()


@pytest.fixture
def gateway(venue: Gate) -> Iterator[CcxtGateway]:
    made = CcxtGateway(venue.config())
    yield made
    made.close()


def test_an_order_that_ended_is_found_behind_a_page_of_older_ones_that_ended_later(
    gateway: CcxtGateway, venue: Gate, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(ccxt_lookup, "_limit", lambda _, feature, **__: None if "Open" in feature else 3)
    older = [
        venue.book.place(side="buy", type="limit", quantity=D("0.01"), price=D(50_000), client_id=f"t-older{number}")
        for number in range(4)
    ]
    ours = venue.book.place(
        side="buy", type="limit", quantity=D("0.01"), price=D(50_000), client_id="t-abc000000000000001",
        time_in_force="IOC",
    )  # fmt: skip
    for order in older:
        venue.book.cancel(order.id)

    found = gateway.find_order(venue.symbol, "abc000000000000001", from_milliseconds(ours.created_ms))

    assert found is not None
    assert (found.venue_order_id, found.status) == (ours.id, VenueStatus.CANCELED)
    assert len(venue.server.asked(Operation.ENDED_ORDERS)) > 1


def test_trades_of_a_full_page_are_read_on_where_some_of_its_second_came_before(
    gateway: CcxtGateway, venue: Gate, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(ccxt_lookup, "_limit", lambda *_, **__: 3)
    order = venue.book.place(side="buy", type="limit", quantity=D("0.01"), price=D(50_000), client_id="t-1")
    for _ in range(7):
        venue.book.fill(order, D("0.001"))
    since = from_milliseconds(venue.book.fills[2].at_ms)

    found = gateway.trades_since(venue.symbol, since)

    assert [trade.venue_trade_id for trade in found] == ["3", "4", "5", "6", "7"]


def test_a_history_of_more_than_thirty_days_is_read_in_several_looks(gateway: CcxtGateway, venue: Gate) -> None:
    order = venue.book.place(side="buy", type="limit", quantity=D("0.01"), price=D(50_000), client_id="t-1")
    venue.book.fill(order, D("0.001"))

    found = gateway.trades_since(venue.symbol, gateway.time() - timedelta(days=45))

    assert [trade.venue_trade_id for trade in found] == ["1"]
    assert len(venue.server.asked(Operation.TRADES)) == 2


def test_a_create_names_its_deadline_and_nothing_else_does(gateway: CcxtGateway, venue: Gate) -> None:
    order = new_order(gateway, venue, window_ms=WINDOW_MS + 1)

    gateway.create_order(order)
    gateway.open_orders(venue.symbol)

    named = {request.headers.get(HEADER) for request in venue.server.asked(Operation.CREATE)}
    assert named == {str(milliseconds(order.timestamp) + WINDOW_MS + 1)}
    others = [request for request in venue.server.asked() if request.method != "POST"]
    assert others
    assert not any(HEADER in request.headers for request in others)


def test_a_copy_that_comes_after_its_deadline_is_refused(gateway: CcxtGateway, venue: Gate) -> None:
    # The request's own time alone would let it in: that may be a minute old.
    late = gateway.time() - timedelta(milliseconds=WINDOW_MS + 10_000)
    order = new_order(gateway, venue, timestamp=late)

    assert evidence(lambda: gateway.create_order(order)) is Evidence.CLOCK
    assert held(venue, gateway, order) == 0


@pytest.mark.parametrize(
    "word",
    ["cancelled", "ioc", "poc", "fok", "stp", "small", "depth_not_enough", "trader_not_enough", "liquidate_cancelled",
     "price_protect_cancelled"],
)  # fmt: skip
def test_each_word_for_an_order_that_ended_unfilled_is_understood(word: str) -> None:
    made, _ = canned.gateway("gate", canned.reply(200, json.dumps(_order(finish_as=word, status="cancelled"))))

    report = made.fetch_order(canned.SYMBOL, "1")

    assert (report.status, report.filled_quantity) == (VenueStatus.CANCELED, D("0.004"))


def test_an_end_that_the_venue_does_not_know_is_no_answer() -> None:
    made, _ = canned.gateway("gate", canned.reply(200, json.dumps(_order(finish_as="unknown", status="cancelled"))))

    with pytest.raises(VenueError) as raised:
        made.fetch_order(canned.SYMBOL, "1")

    assert raised.value.evidence is Evidence.AMBIGUOUS


@pytest.mark.parametrize(
    ("label", "proves"),
    [
        ("FOK_NOT_FILL", Evidence.REJECTED),
        ("ORDER_BOOK_NOT_FOUND", Evidence.REJECTED),
        ("INITIAL_MARGIN_TOO_LOW", Evidence.REJECTED),
        ("MISSING_REQUIRED_PARAM", Evidence.REJECTED),
        ("REPEATED_CREATION", Evidence.AMBIGUOUS),
        ("SOMETHING_NEW", Evidence.AMBIGUOUS),
    ],
)
def test_labels_that_the_class_does_not_know_prove_what_is_documented(label: str, proves: Evidence) -> None:
    made, _ = canned.gateway("gate", canned.reply(400, json.dumps({"label": label, "message": "no"})))

    assert evidence(lambda: made.create_order(canned.order())) is proves


class KillsByRefusal(Gate):
    fok_ends = "refused"


def test_a_fill_or_kill_that_is_refused_with_a_label_is_a_no() -> None:
    venue = KillsByRefusal()
    gateway = CcxtGateway(venue.config())
    order = new_order(gateway, venue, **CROSSING, quantity=D("1.5"), time_in_force=TimeInForce.FOK)

    assert evidence(lambda: gateway.create_order(order)) is Evidence.REJECTED
    assert held(venue, gateway, order) == 0
    gateway.close()
    venue.close()


def _order(**changes: str) -> dict[str, str]:
    return {
        "id": "1",
        "text": "t-abc000000000000001",
        "status": "open",
        "currency_pair": "BTC_USDT",
        "type": "limit",
        "account": "spot",
        "side": "buy",
        "amount": "0.01",
        "price": "50000",
        "time_in_force": "gtc",
        "left": "0.006",
        "filled_total": "200",
        "avg_deal_price": "50000",
        **changes,
    }
