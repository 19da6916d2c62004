"""Amending in place: on the real venue process, in each venue's own words, and where it must not be done at all."""

from __future__ import annotations

import json
import pickle
from collections.abc import Iterator
from datetime import timedelta
from decimal import Decimal
from itertools import count
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs

import pytest

from exchanges.capabilities import CAPABILITIES, Amend, AmendSize, capabilities
from exchanges.ccxt_gateway import CcxtGateway
from exchanges.evidence import Evidence, NotAmendable, VenueError
from exchanges.gateway import NotRounded
from models.reports import NewOrder, OrderReport, VenueStatus
from models.vocabulary import OrderType, Side, TimeInForce
from tests.contract.canned import CannedPool, gateway, reply
from tests.contract.gateway.asking import make
from tests.support.paper import SECRET, PaperProcess
from tests.support.waiting import eventually

SYMBOL = "BTC/USDT"
D = Decimal
#: the widest that the venue takes: no test here is about the end of it
WINDOW_MS = 60_000
#: a net under what is waited for, in seconds
SOON_S = 60.0
IN_PLACE = tuple(name for name, can in CAPABILITIES.items() if can.amend is Amend.IN_PLACE)

_numbers = count(1)


@pytest.fixture(scope="module")
def venue(tmp_path_factory: pytest.TempPathFactory) -> Iterator[PaperProcess]:
    home: Path = tmp_path_factory.mktemp("paper")
    with PaperProcess(home, symbols="BTC/USDT") as process:
        process.pause_market()
        yield process


@pytest.fixture
def at(venue: PaperProcess) -> Iterator[CcxtGateway]:
    made = make(venue, recv_window_ms=WINDOW_MS, paper_amends=True)
    venue.set_depth(SYMBOL, bids=[("61999.99", "1"), ("61990.00", "5")], asks=[("62000.00", "1"), ("62010.00", "5")])
    yield made
    venue.disarm()
    for report in made.open_orders(SYMBOL):
        made.cancel_order(SYMBOL, report.venue_order_id)
    made.close()


def resting(at: CcxtGateway, **changes: Any) -> OrderReport:
    values: dict[str, Any] = {
        "symbol": SYMBOL,
        "side": Side.BUY,
        "type": OrderType.LIMIT,
        "quantity": D("0.02"),
        "price": D("61000"),
        "time_in_force": TimeInForce.GTC,
        "post_only": False,
        "client_order_id": f"amend{next(_numbers):08d}",
        "timestamp": at.estimated_time(),
        "window_ms": WINDOW_MS,
    }
    return at.create_order(NewOrder(**{**values, **changes}))


def amend(at: CcxtGateway, report: OrderReport, quantity: str, price: str, **changes: Any) -> OrderReport | None:
    terms: dict[str, Any] = {"side": Side.BUY, "type": OrderType.LIMIT, "quantity": D(quantity), "price": D(price)}
    return at.amend_order(report.symbol, report.venue_order_id, **{**terms, **changes})


def await_filled(at: CcxtGateway, report: OrderReport, quantity: str) -> None:
    eventually(
        lambda: at.fetch_order(SYMBOL, report.venue_order_id).filled_quantity == D(quantity),
        within_s=SOON_S,
        describe=f"{quantity} has filled",
    )


def refusal(at: CcxtGateway, report: OrderReport, quantity: str, price: str, **changes: Any) -> VenueError:
    with pytest.raises(VenueError) as raised:
        amend(at, report, quantity, price, **changes)
    assert SECRET not in str(raised.value)
    assert "127.0.0.1" not in str(raised.value)
    return raised.value


# ------------------------------------------------------------------------------------------------- the built-in venue


@pytest.mark.parametrize(
    ("quantity", "price"), [("0.01", "61000"), ("0.05", "61000"), ("0.02", "60000.5"), ("0.03", "61500")]
)
def test_an_order_is_amended_under_its_own_ids(at: CcxtGateway, quantity: str, price: str) -> None:
    before = resting(at)

    after = amend(at, before, quantity, price)

    assert after is not None
    assert (after.venue_order_id, after.client_order_id) == (before.venue_order_id, before.client_order_id)
    assert (after.quantity, after.price, after.status) == (D(quantity), D(price), VenueStatus.OPEN)
    assert at.fetch_order(SYMBOL, before.venue_order_id) == after
    assert at.open_orders(SYMBOL) == [after]


def test_what_is_held_follows_the_amendment(at: CcxtGateway) -> None:
    def held() -> Decimal:
        return {balance.asset: balance for balance in at.balances()}["USDT"].used

    before = held()
    report = resting(at)
    amend(at, report, "0.03", "60000")

    assert held() - before == D("1800")


def test_the_quantity_is_the_total_with_what_has_filled(at: CcxtGateway, venue: PaperProcess) -> None:
    report = resting(at, price=D("61999.99"))
    venue.market_order(SYMBOL, "sell", "1.005", price="61999.99")
    await_filled(at, report, "0.005")

    after = amend(at, report, "0.01", "61999.99", filled_quantity=D("0.005"))

    assert after is not None
    assert (after.quantity, after.filled_quantity) == (D("0.01"), D("0.005"))
    venue.market_order(SYMBOL, "sell", "1", price="61999.99")
    await_filled(at, report, "0.01")
    assert at.fetch_order(SYMBOL, report.venue_order_id).status is VenueStatus.FILLED


def test_an_amendment_that_crosses_the_book_trades_within_its_quantity(at: CcxtGateway) -> None:
    report = resting(at)

    after = amend(at, report, "0.5", "62000")

    assert after is not None
    assert (after.status, after.filled_quantity, after.filled_cost) == (VenueStatus.FILLED, D("0.5"), D("31000"))
    assert len(at.order_trades(SYMBOL, report.venue_order_id, at.estimated_time() - timedelta(minutes=5))) == 1


REFUSED: list[tuple[str, dict[str, Any], str, str, Evidence, str]] = [
    ("under the minimum notional", {}, "0.00002", "61000", Evidence.REJECTED, "-1013"),
    ("post-only that would take", {"post_only": True}, "0.02", "62500", Evidence.REJECTED, "-2010"),
]  # fmt: skip


@pytest.mark.parametrize(
    ("terms", "quantity", "price", "evidence", "code"), [row[1:] for row in REFUSED], ids=[row[0] for row in REFUSED]
)
def test_a_refused_amendment_leaves_the_order_as_it_was(
    at: CcxtGateway, terms: dict[str, Any], quantity: str, price: str, evidence: Evidence, code: str
) -> None:
    before = resting(at, **terms)

    refused = refusal(at, before, quantity, price)

    assert (refused.evidence, refused.code, refused.outage) == (evidence, code, False)
    assert at.fetch_order(SYMBOL, before.venue_order_id) == at.open_orders(SYMBOL)[0] == before


def test_an_amendment_that_the_funds_do_not_cover_is_refused(at: CcxtGateway) -> None:
    resting(at, quantity=D(140))
    before = resting(at)

    refused = refusal(at, before, "40", "61000")

    assert (refused.evidence, refused.code) == (Evidence.REJECTED, "-2010")
    assert at.fetch_order(SYMBOL, before.venue_order_id) == before


def test_an_order_that_filled_more_meanwhile_refuses_less(at: CcxtGateway, venue: PaperProcess) -> None:
    report = resting(at, price=D("61999.99"))
    venue.market_order(SYMBOL, "sell", "1.015", price="61999.99")
    await_filled(at, report, "0.015")

    refused = refusal(at, report, "0.01", "61999.99")

    assert (refused.evidence, refused.code) == (Evidence.REJECTED, "-2038")
    assert at.fetch_order(SYMBOL, report.venue_order_id).quantity == D("0.02")


def test_what_has_filled_as_far_as_we_know_is_not_even_asked_for(at: CcxtGateway) -> None:
    refused = refusal(at, resting(at), "0.01", "61000", filled_quantity=D("0.01"))

    assert (refused.evidence, refused.code) == (Evidence.REJECTED, "NOT_ABOVE_FILLED")


def test_an_order_that_ended_is_not_opened_again(at: CcxtGateway) -> None:
    report = resting(at)
    at.cancel_order(SYMBOL, report.venue_order_id)

    refused = refusal(at, report, "0.03", "61000")

    assert (refused.evidence, refused.outage) == (Evidence.NOT_FOUND, False)
    assert at.fetch_order(SYMBOL, report.venue_order_id).status is VenueStatus.CANCELED


def test_asking_twice_is_harmless(at: CcxtGateway) -> None:
    report = resting(at)

    assert amend(at, report, "0.03", "60000") == amend(at, report, "0.03", "60000")


def test_a_copy_that_comes_too_late_is_refused(at: CcxtGateway) -> None:
    """An older amendment must not undo a newer one."""
    report = resting(at)

    refused = refusal(
        at, report, "0.03", "60000", timestamp=at.estimated_time() - timedelta(seconds=70), window_ms=5_000
    )

    assert (refused.evidence, refused.code) == (Evidence.CLOCK, "-1021")
    assert at.fetch_order(SYMBOL, report.venue_order_id) == report


@pytest.mark.parametrize(("quantity", "price"), [("0.020001", "61000"), ("0.02", "61000.001")], ids=["lot", "tick"])
def test_what_is_not_rounded_is_a_defect_and_not_sent(at: CcxtGateway, quantity: str, price: str) -> None:
    report = resting(at)

    with pytest.raises(NotRounded):
        amend(at, report, quantity, price)

    assert at.fetch_order(SYMBOL, report.venue_order_id) == report


AMENDS = {"endpoint": "order/amend/keepPriority", "method": "PUT", "count": 1}
SILENCES: list[tuple[str, dict[str, Any], bool]] = [
    ("dropped before", {"kind": "drop", "when": "before"}, False),
    ("dropped after", {"kind": "drop", "when": "after"}, True),
    ("reset after", {"kind": "reset", "when": "after"}, True),
    ("5xx before", {"kind": "error", "when": "before", "status": 503}, False),
    ("5xx after", {"kind": "error", "when": "after", "status": 504}, True),
    ("empty", {"kind": "unreadable", "form": "empty"}, True),
    ("garbage", {"kind": "unreadable", "form": "garbage"}, True),
    ("truncated", {"kind": "unreadable", "form": "truncated"}, True),
    ("html", {"kind": "unreadable", "form": "html"}, True),
    ("taken late", {"kind": "late", "delay_ms": 300}, True),
]  # fmt: skip


@pytest.mark.parametrize(("fault", "amended"), [row[1:] for row in SILENCES], ids=[row[0] for row in SILENCES])
def test_an_amendment_without_an_answer_is_ambiguous_and_a_look_tells(
    at: CcxtGateway, venue: PaperProcess, fault: dict[str, Any], amended: bool
) -> None:
    report = resting(at)
    venue.arm({**fault, **AMENDS})

    failed = refusal(at, report, "0.03", "60000")

    assert failed.evidence is Evidence.AMBIGUOUS
    expected = (D("0.03"), D("60000")) if amended else (D("0.02"), D("61000"))

    def terms() -> tuple[Decimal | None, Decimal | None]:
        seen = at.fetch_order(SYMBOL, report.venue_order_id)
        return seen.quantity, seen.price

    eventually(lambda: terms() == expected, within_s=SOON_S, describe=f"the order stands at {expected}")


def test_too_often_is_no_amendment(at: CcxtGateway, venue: PaperProcess) -> None:
    report = resting(at)
    venue.arm({"kind": "rate_limited", "status": 429, "retry_after_s": 7, **AMENDS})

    refused = refusal(at, report, "0.03", "60000")

    assert (refused.evidence, refused.retry_after_s) == (Evidence.RATE_LIMITED, 7.0)
    assert at.fetch_order(SYMBOL, report.venue_order_id) == report


def test_a_paper_venue_may_be_told_not_to_amend(tmp_path: Path) -> None:
    with PaperProcess(tmp_path / "stiff", symbols="BTC/USDT", amend=False) as stiff:
        stiff.pause_market()
        told = make(stiff, recv_window_ms=WINDOW_MS, paper_amends=False)
        untold = make(stiff, recv_window_ms=WINDOW_MS, paper_amends=True)
        report = resting(told)

        assert refusal(told, report, "0.03", "60000").code == "NOT_IN_PLACE"
        refused = refusal(untold, report, "0.03", "60000")
        assert (refused.evidence, refused.code) == (Evidence.REJECTED, "-2038")
        assert told.fetch_order(SYMBOL, report.venue_order_id) == report
        told.close()
        untold.close()


# ---------------------------------------------------------------------------------------------- each venue's own words

YES: dict[str, object] = {
    "okx": {"code": "0", "data": [{"clOrdId": "", "ordId": "7", "sCode": "0", "sMsg": "", "reqId": ""}], "msg": ""},
    "kraken": {"error": [], "result": {"amend_id": "TEZA4R-DSDGT-IJBOJK"}},
    "coinbase": {"success": True, "errors": []},
}  # fmt: skip
#: how the order, the quantity and the price are called
NAMES: dict[str, tuple[str, str, str]] = {
    "okx": ("ordId", "newSz", "newPx"),
    "kraken": ("txid", "order_qty", "limit_price"),
    "coinbase": ("order_id", "size", "price"),
}


def canned_amend(name: str, answer: object, **changes: Any) -> tuple[CannedPool, OrderReport | None]:
    made, canned = gateway(name, reply(200, json.dumps(answer)))
    terms: dict[str, Any] = {"side": Side.BUY, "type": OrderType.LIMIT, "quantity": D("0.03"), "price": D("60000")}
    return canned, made.amend_order(SYMBOL, "7", **{**terms, **changes})


def sent(canned: CannedPool) -> dict[str, str]:
    body = canned.sent[0].split("\r\n\r\n", 1)[1]
    if body.startswith("{"):
        return {name: str(value) for name, value in json.loads(body).items()}
    return {name: values[0] for name, values in parse_qs(body).items()}


def test_every_venue_that_amends_in_place_is_tried_here() -> None:
    assert set(IN_PLACE) == YES.keys() == NAMES.keys()


@pytest.mark.parametrize("name", IN_PLACE)
def test_the_total_and_the_price_leave_as_they_were_given(name: str) -> None:
    canned, report = canned_amend(name, YES[name])

    order_id, quantity, price = NAMES[name]
    body = sent(canned)
    assert canned.sent[0].split(" ", 1)[0] in {"POST", "PATCH"}
    assert body.get(order_id, "7") == "7"
    assert (D(body[quantity]), D(body[price])) == (D("0.03"), D("60000"))
    # The canned answer is no order, so what followed could not be read: acknowledged is all that is known.
    assert report is None or report.venue_order_id == "7"


@pytest.mark.parametrize("name", IN_PLACE)
def test_an_answer_that_does_not_say_yes_is_ambiguous(name: str) -> None:
    nothing = {
        "okx": {"code": "0", "data": [], "msg": ""},
        "kraken": {"error": [], "result": {}},
        "coinbase": {"success": False},
    }

    with pytest.raises(VenueError) as raised:
        canned_amend(name, nothing[name])

    assert raised.value.evidence is Evidence.AMBIGUOUS


NOES: list[tuple[str, object, Evidence]] = [
    ("okx", {"code": "1", "data": [{"ordId": "7", "sCode": "51503", "sMsg": "Order does not exist"}], "msg": ""}, Evidence.NOT_FOUND),
    ("okx", {"code": "1", "data": [{"ordId": "7", "sCode": "51510", "sMsg": "the order has been completed"}], "msg": ""}, Evidence.NOT_FOUND),
    ("okx", {"code": "1", "data": [{"ordId": "7", "sCode": "51511", "sMsg": "the price does not meet Post Only"}], "msg": ""}, Evidence.REJECTED),
    ("kraken", {"error": ["EOrder:Unknown order"]}, Evidence.NOT_FOUND),
    ("kraken", {"error": ["EService:Timeout"]}, Evidence.AMBIGUOUS),
    ("coinbase", {"success": False, "errors": [{"edit_failure_reason": "CANNOT_EDIT_TO_BELOW_FILLED_SIZE"}]}, Evidence.REJECTED),
    ("coinbase", {"success": False, "errors": [{"edit_failure_reason": "ORDER_NOT_FOUND"}]}, Evidence.NOT_FOUND),
    ("coinbase", {"success": False, "errors": [{"edit_failure_reason": "UNKNOWN_EDIT_ORDER_FAILURE_REASON"}]}, Evidence.AMBIGUOUS),
]  # fmt: skip


@pytest.mark.parametrize(("name", "answer", "evidence"), NOES)
def test_a_no_is_judged_by_what_it_proves(name: str, answer: object, evidence: Evidence) -> None:
    with pytest.raises(VenueError) as raised:
        canned_amend(name, answer)

    assert raised.value.evidence is evidence, raised.value


def test_kraken_is_told_the_deadline_and_to_stay_post_only() -> None:
    made, _ = gateway("kraken", reply(200, "{}"))
    at = made.estimated_time()

    canned, _ = canned_amend("kraken", YES["kraken"], post_only=True, timestamp=at, window_ms=5_000)

    body = sent(canned)
    assert body["post_only"] == "true"
    assert body["deadline"].endswith("Z")
    assert "timestamp" not in body


@pytest.mark.parametrize("name", ["binance", "bybit", "gate", "kucoin", "bitget", "mexc"])
def test_no_order_is_cancelled_and_replaced_by_a_combined_call(name: str) -> None:
    made, canned = gateway(name, reply(200, "{}"))

    with pytest.raises(NotAmendable, match="cancel it") as raised:
        made.amend_order(SYMBOL, "7", side=Side.BUY, type=OrderType.LIMIT, quantity=D("0.03"), price=D("60000"))

    assert (raised.value.evidence, raised.value.code) == (Evidence.REJECTED, "NOT_IN_PLACE")
    assert canned.sent == []
    again = pickle.loads(pickle.dumps(raised.value))  # noqa: S301 - our own
    assert isinstance(again, NotAmendable)
    assert again.code == "NOT_IN_PLACE"


def test_the_table_says_what_an_amendment_means_wherever_it_is_in_place() -> None:
    for name, can in {**CAPABILITIES, "paper": capabilities("binance", paper_amends=True)}.items():
        if can.amend is Amend.IN_PLACE:
            assert can.amend_size is not AmendSize.NONE, name
            assert can.amend_keeps_id, name
            assert can.amended_at, name
    assert capabilities("somewhere").amend is Amend.NONE
