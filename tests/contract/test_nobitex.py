"""What Nobitex does that the other venues don't. What it does as they do is in ``conformance``."""

from __future__ import annotations

import json
import logging
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

import pytest

from exchanges.ccxt_gateway import CcxtGateway
from exchanges.config import Secret
from exchanges.evidence import Evidence, VenueError
from exchanges.gateway import NotRounded
from models.reports import VenueStatus
from models.vocabulary import Side, TimeInForce
from tests.contract.canned import API_KEY, gateway, order, reply
from tests.contract.conformance.orders import CROSSING, MARKET, evidence, held, new_order, refusal
from tests.contract.dialects.book import BookOrder, Fill
from tests.contract.dialects.dialect import KEY
from tests.contract.dialects.nobitex import STATUSES, Nobitex, Rials
from tests.contract.dialects.server import Operation, Reply, Request
from tests.contract.evidence_rows.nobitex import OWN, ROWS
from tests.contract.evidence_rows.row import Row

D = Decimal
#: what the clock of canned gateways says
CANNED_NOW = datetime.fromtimestamp(1_760_000_000, UTC)
FIVE_MINUTES = (timedelta(minutes=1), CANNED_NOW - timedelta(minutes=5), CANNED_NOW)


class Whimsical(Nobitex):
    """Where the documentation leaves something open, or says little of it."""

    def __init__(self) -> None:
        super().__init__()
        self.lists_ended = True
        self.newest_trades_first = True
        #: cancelled by the venue after the first page of open orders
        self.ends_between_pages: list[BookOrder] = []

    def _list(self, request: Request) -> Reply:
        answer = super()._list(request)
        if request.query["status"] == "open":
            for ended in self.ends_between_pages:
                ended.status = "canceled"
        elif not self.lists_ended:
            return Reply(body={"status": "ok", "orders": []})
        return answer

    def _shown_fills(self) -> list[Fill]:
        return super()._shown_fills() if self.newest_trades_first else self.book.seen_fills()


class Passing:
    """A turnstile that lets everything pass and remembers what it weighed."""

    def __init__(self) -> None:
        self.weights: list[float] = []

    def enter(self, weight: float) -> None:
        self.weights.append(weight)

    def replied(self, headers: object) -> None:
        pass

    def failed(self, error: VenueError) -> None:
        pass


@pytest.fixture
def venue() -> Iterator[Whimsical]:
    made = Whimsical()
    yield made
    made.calm()
    made.close()


@pytest.fixture
def nobitex(venue: Whimsical) -> Iterator[CcxtGateway]:
    made = CcxtGateway(venue.config())
    yield made
    made.close()


@pytest.fixture
def rials() -> Iterator[tuple[Rials, CcxtGateway]]:
    venue = Rials()
    made = CcxtGateway(venue.config())
    yield venue, made
    made.close()
    venue.calm()
    venue.close()


# ---------------------------------------------------------------------------------------------------------------- units


def test_a_rial_market_is_in_rials_from_the_book_to_the_wallet(rials: tuple[Rials, CcxtGateway]) -> None:
    """No digit differs between what the venue says or is sent and what we say: nothing is turned into toman."""
    venue, made = rials
    order = new_order(made, venue, **CROSSING, quantity=D("0.02"))

    (instrument,) = made.instruments()
    quote = made.quote("BTC/IRR")
    report = made.create_order(order)
    (trade,) = made.order_trades("BTC/IRR", report.venue_order_id, order.timestamp)
    balances = {balance.asset: balance.total for balance in made.balances()}

    assert (instrument.base, instrument.quote, instrument.tick, instrument.min_notional) == (
        "BTC",
        "IRR",
        D("0.01"),
        D(11),
    )
    assert (quote.bid, quote.ask) == (D("61999.99"), D("62000.00"))
    (sent,) = venue.server.asked(Operation.CREATE)
    assert (sent.json["dstCurrency"], sent.json["price"]) == ("rls", "62000")
    assert (report.price, trade.price, trade.cost) == (D(62000), D(62000), D(1240))
    assert balances == {"BTC": D("100.02") - D("0.00002"), "IRR": D(10_000_000) - D(1240)}


def test_steps_of_ten_rials_and_prices_of_eleven_digits_are_exact(rials: tuple[Rials, CcxtGateway]) -> None:
    venue, made = rials
    venue.book.tick, venue.book.lot = D(10), D("0.000001")
    order = new_order(made, venue, price=D(10), quantity=D("3.141593"))

    (instrument,) = made.instruments()
    made.create_order(order)
    made.create_order(replace(order, side=Side.SELL, price=D(98_765_432_110), client_order_id="abc2"))
    with pytest.raises(NotRounded):
        made.create_order(replace(order, price=D(98_765_432_115)))

    assert (instrument.tick, instrument.lot) == (D(10), D("0.000001"))
    sent = [(request.json["price"], request.json["amount"]) for request in venue.server.asked(Operation.CREATE)]
    assert sent == [("10", "3.141593"), ("98765432110", "3.141593")]


@pytest.mark.parametrize("symbol", ["BTC/IRT", "BTC/RLS", "BTC/TMN"])
def test_no_market_is_named_by_a_word_that_may_mean_toman(rials: tuple[Rials, CcxtGateway], symbol: str) -> None:
    venue, made = rials

    refused = refusal(lambda: made.create_order(new_order(made, venue, symbol=symbol)))

    assert refused.evidence is Evidence.REJECTED
    assert venue.book.orders == []


@pytest.mark.parametrize(("side", "asset"), [(Side.BUY, "BTC"), (Side.SELL, "IRR")])
def test_fees_are_taken_from_what_is_received(rials: tuple[Rials, CcxtGateway], side: Side, asset: str) -> None:
    venue, made = rials
    price = D("62000") if side is Side.BUY else D("61999.99")
    order = new_order(made, venue, side=side, price=price, quantity=D("0.5"))

    report = made.create_order(order)

    (trade,) = made.order_trades("BTC/IRR", report.venue_order_id, order.timestamp)
    assert (trade.fee_asset, trade.fee) == (asset, D("0.0005") * (1 if asset == "BTC" else price))


# ------------------------------------------------------------------------------------------------------------- creating


def test_equal_slices_within_ten_seconds_are_orders_of_their_own(nobitex: CcxtGateway, venue: Whimsical) -> None:
    slices = [new_order(nobitex, venue) for _ in range(3)]

    ids = {nobitex.create_order(entry).venue_order_id for entry in slices}

    assert len(ids) == 3
    assert {request.json["pro"] for request in venue.server.asked(Operation.CREATE)} == {"yes"}


def test_an_equal_order_that_is_refused_all_the_same_neither_exists_nor_is_refused_for_good(
    nobitex: CcxtGateway, venue: Whimsical
) -> None:
    """The look decides: here it finds nothing, and the first order is not taken for the second."""
    venue.heeds_pro = False
    first, second = new_order(nobitex, venue), new_order(nobitex, venue)
    report = nobitex.create_order(first)

    failed = refusal(lambda: nobitex.create_order(second))

    assert (failed.evidence, failed.code) == (Evidence.AMBIGUOUS, "DuplicateOrder")
    assert nobitex.find_order(venue.symbol, second.client_order_id, second.timestamp) is None
    found = nobitex.find_order(venue.symbol, first.client_order_id, first.timestamp)
    assert found is not None
    assert found.venue_order_id == report.venue_order_id
    assert (held(venue, nobitex, first), held(venue, nobitex, second)) == (1, 0)


def test_an_accepted_order_that_is_rejected_right_after_is_told_as_rejected(
    nobitex: CcxtGateway, venue: Whimsical
) -> None:
    venue.second_check = "rejected"
    order = new_order(nobitex, venue)

    report = nobitex.create_order(order)

    found = nobitex.find_order(venue.symbol, order.client_order_id, order.timestamp)
    assert report.status is VenueStatus.REJECTED
    assert found is not None
    assert (found.status, found.venue_order_id) == (VenueStatus.REJECTED, report.venue_order_id)
    assert nobitex.open_orders(venue.symbol) == []


def test_a_status_that_nobody_documents_is_no_state(
    nobitex: CcxtGateway, venue: Whimsical, monkeypatch: pytest.MonkeyPatch
) -> None:
    report = nobitex.create_order(new_order(nobitex, venue))
    venue.book.orders[-1].status = "filled"
    monkeypatch.setitem(STATUSES, "filled", "Frozen")

    failed = refusal(lambda: nobitex.fetch_order(venue.symbol, report.venue_order_id))

    assert failed.evidence is Evidence.AMBIGUOUS
    assert "Frozen" in failed.message


def test_a_market_order_goes_without_a_price_and_counts_in_base(nobitex: CcxtGateway, venue: Whimsical) -> None:
    nobitex.create_order(new_order(nobitex, venue, **MARKET, quantity=D("0.5")))

    (sent,) = venue.server.asked(Operation.CREATE)
    assert sent.json.keys() & {"price", "execution", "amount"} == {"execution", "amount"}
    assert (sent.json["execution"], sent.json["amount"]) == ("market", "0.5")


def test_a_price_of_a_market_order_is_sent_as_its_guard() -> None:
    made, canned = gateway("nobitex", reply(200, '{"status": "ok", "order": {"id": 5, "status": "Active"}}'))

    made._caller.call(lambda exchange: exchange.create_order("BTC/USDT", "market", "buy", "0.5", "62000.10"))

    assert _json(canned.sent[0])["price"] == "62000.1"


def test_a_market_order_that_the_guard_ended_short_is_canceled_with_what_filled(
    nobitex: CcxtGateway, venue: Whimsical
) -> None:
    venue.book.asks[:] = venue.book.asks[:1]

    report = nobitex.create_order(new_order(nobitex, venue, **MARKET, quantity=D("1.5")))

    assert (report.status, report.filled_quantity) == (VenueStatus.CANCELED, D(1))


# ------------------------------------------------------------------------------------------------------------ looking


@pytest.mark.parametrize("answered", [True, False], ids=["listed", "only traded"])
def test_a_filled_order_is_found_although_its_client_id_is_searched_among_open_orders_only(
    nobitex: CcxtGateway, venue: Whimsical, answered: bool
) -> None:
    order = new_order(nobitex, venue, **CROSSING)
    report = nobitex.create_order(order)
    venue.lists_ended = answered

    found = nobitex.find_order(venue.symbol, order.client_order_id, order.timestamp)

    assert found is not None
    assert (found.venue_order_id, found.status) == (report.venue_order_id, VenueStatus.FILLED)
    by_client_id = [r for r in venue.server.asked(Operation.ORDER) if "clientOrderId" in r.json]
    assert len(by_client_id) == 1


@pytest.mark.parametrize("newest_first", [True, False])
def test_trades_are_read_over_all_pages_whatever_their_order(
    nobitex: CcxtGateway, venue: Whimsical, monkeypatch: pytest.MonkeyPatch, newest_first: bool
) -> None:
    venue.newest_trades_first = newest_first
    order = new_order(nobitex, venue, quantity=D("0.02"))
    report = nobitex.create_order(order)
    for _ in range(8):
        venue.fill(nobitex.client_id(order.client_order_id), D("0.0025"))
    monkeypatch.setattr("exchanges.nobitex.wire.PAGE_SIZE", 3)

    found = nobitex.trades_since(venue.symbol, order.timestamp)
    newer = nobitex.trades_since(venue.symbol, found[5].traded_at)

    assert [int(trade.venue_trade_id) for trade in found] == list(range(1, 9))
    assert {trade.venue_order_id for trade in found} == {report.venue_order_id}
    assert list(newer) == list(found[5:])


def test_ended_orders_are_read_over_all_pages(
    nobitex: CcxtGateway, venue: Whimsical, monkeypatch: pytest.MonkeyPatch
) -> None:
    sought = new_order(nobitex, venue, **CROSSING)
    nobitex.create_order(sought)
    for _ in range(6):
        nobitex.create_order(new_order(nobitex, venue, **CROSSING))
    monkeypatch.setattr("exchanges.nobitex.wire.PAGE_SIZE", 2)

    found = nobitex.find_order(venue.symbol, sought.client_order_id, sought.timestamp)

    assert found is not None
    pages = [request.query["page"] for request in venue.server.asked(Operation.ENDED_ORDERS)]
    assert pages == ["1", "2", "3", "4"]


def test_no_open_order_is_lost_when_others_end_between_two_pages(
    nobitex: CcxtGateway, venue: Whimsical, monkeypatch: pytest.MonkeyPatch
) -> None:
    ids = [nobitex.create_order(new_order(nobitex, venue)).venue_order_id for _ in range(7)]
    monkeypatch.setattr("exchanges.nobitex.exchange.PAGE_SIZE", 3)
    venue.ends_between_pages = venue.book.orders[:2]

    found = [report.venue_order_id for report in nobitex.open_orders(venue.symbol)]

    assert sorted(found) == sorted(ids), "two that had been open when they were read, and the five that still are"


def test_trades_from_before_what_the_venue_keeps_are_no_empty_list(nobitex: CcxtGateway, venue: Whimsical) -> None:
    order = new_order(nobitex, venue, **CROSSING)
    report = nobitex.create_order(order)
    long_ago = order.timestamp - timedelta(days=4)

    refused = refusal(lambda: nobitex.trades_since(venue.symbol, long_ago))

    assert (refused.evidence, refused.code) == (Evidence.REJECTED, "TRADES_NOT_KEPT")
    # Of one order it shows in what filled whether one is missing; and its ended orders are kept for longer.
    assert len(nobitex.order_trades(venue.symbol, report.venue_order_id, long_ago)) == 1
    venue.lists_ended = False
    assert nobitex.find_order(venue.symbol, order.client_order_id, long_ago) is not None


@pytest.mark.parametrize(
    "body",
    [
        '{"status": "ok"}',
        '{"status": "ok", "orders": null, "trades": null, "wallets": null}',
        '{"status": "ok", "orders": {}, "trades": {}, "wallets": []}',
        '{"status": "ok", "wallets": {"RLS": {"id": 1}}, "orders": [{"id": 7}], "trades": [{"id": 7}]}',
    ],
)
def test_a_good_reply_without_what_was_asked_for_is_neither_empty_nor_absent(body: str) -> None:
    made, _ = gateway("nobitex", reply(200, body))

    for look in (
        made.balances,
        lambda: made.open_orders("BTC/USDT"),
        lambda: made.trades_since("BTC/USDT", CANNED_NOW),
        lambda: made.fetch_order("BTC/USDT", "7"),
        lambda: made.order_book("BTC/USDT", 5),
        lambda: made.public_trades("BTC/USDT", CANNED_NOW),
        lambda: made.candles("BTC/USDT", *FIVE_MINUTES),
    ):
        assert evidence(look) is Evidence.AMBIGUOUS


@pytest.mark.parametrize(
    ("said", "filled", "status"),
    [
        ("New", "0E-10", VenueStatus.OPEN),
        ("Active", "0.4000000000", VenueStatus.OPEN),
        ("Inactive", "0", VenueStatus.OPEN),
        ("Done", "3.0000000000", VenueStatus.FILLED),
        ("Canceled", "0.4", VenueStatus.CANCELED),
        ("Rejected", "0", VenueStatus.REJECTED),
    ],
)
def test_statuses_mean_what_the_documentation_says(said: str, filled: str, status: VenueStatus) -> None:
    """In the shape of its oldest example: without the market and the execution, the order's own worth as totalPrice."""
    told = {"unmatchedAmount": "2", "fee": "0E-10", "matchedAmount": filled, "price": "8500000.0000000000", "id": 5684,
            "srcCurrency": "Litecoin", "totalPrice": "25500000.00000000000000000000", "type": "sell", "status": said,
            "dstCurrency": "\ufdfc", "amount": "3.0000000000", "created_at": "2018-11-28T12:25:22.696029+00:00",
            "averagePrice": "8500001", "clientOrderId": None}  # fmt: skip
    made, _ = gateway("nobitex", reply(200, json.dumps({"status": "ok", "order": told})))

    report = made.fetch_order("BTC/USDT", "5684")

    assert (report.status, report.quantity, report.filled_quantity) == (status, D(3), D(filled))
    assert (report.price, report.client_order_id) == (D(8500000), None)
    assert report.filled_cost is None, "neither the order's worth nor a rounded average times what filled was paid"


def test_an_order_of_another_market_is_not_taken_for_ours() -> None:
    body = '{"status": "ok", "order": {"id": 7, "market": "ETH-RLS", "status": "Active", "amount": "1"}}'
    made, _ = gateway("nobitex", reply(200, body))

    assert evidence(lambda: made.fetch_order("BTC/USDT", "7")) is Evidence.AMBIGUOUS


# ----------------------------------------------------------------------------------------------------------- the market


def test_a_time_without_candles_is_empty_and_an_error_is_not() -> None:
    made, _ = gateway("nobitex", reply(200, '{"s": "no_data"}'))
    assert made.candles("BTC/USDT", *FIVE_MINUTES) == []

    made, _ = gateway("nobitex", reply(200, '{"s": "error", "errmsg": "Invalid resolution!"}'))
    assert evidence(lambda: made.candles("BTC/USDT", *FIVE_MINUTES)) is Evidence.AMBIGUOUS


def test_public_trades_that_tell_the_same_are_each_one() -> None:
    entry = {"time": 1_760_000_000_000, "price": "1470000110", "volume": "0.002", "type": "buy"}
    older = {**entry, "time": entry["time"] - 1000, "type": "sell"}
    made, _ = gateway("nobitex", reply(200, json.dumps({"status": "ok", "trades": [entry, entry, older]})))

    found = made.public_trades("BTC/USDT", datetime.fromtimestamp(1_759_999_999, UTC)).trades

    assert [trade.quantity for trade in found] == [D("0.002")] * 3
    assert len({trade.id for trade in found}) == 3
    assert found[0].at < found[1].at
    assert {trade.taker for trade in found} == {None}, "whose side took is not documented"


# ---------------------------------------------------------------------------------------------------------------- errors


@pytest.mark.parametrize("row", ROWS, ids=str)
def test_create_answered_so_proves(row: Row) -> None:
    made, canned = gateway("nobitex", reply(row.status, row.body))

    with pytest.raises(VenueError) as raised:
        made.create_order(order())

    error = raised.value
    assert error.evidence is row.evidence, error
    assert len(canned.sent) == 1, "one create, one request"
    assert error.status == row.status
    if row.code:
        assert error.code == row.code
    if row.outage is not None:
        assert error.outage is row.outage


def test_the_table_has_its_rows() -> None:
    assert len(OWN) >= 30
    assert len(ROWS) == len(set(ROWS))


@pytest.mark.parametrize(
    ("told", "wait_s"), [(12, 12.0), ("2.5", 2.5), (None, None), ("soon", None), (10**9, 86_400.0)]
)
def test_a_limit_says_in_its_body_for_how_long(told: Any, wait_s: float | None) -> None:
    body = {"status": "failed", "code": "TooManyRequests", "message": "wait", "backOff": told, "limit": 60}
    made, _ = gateway("nobitex", reply(429, json.dumps(body)))

    failed = refusal(made.balances)

    assert (failed.evidence, failed.code, failed.retry_after_s) == (Evidence.RATE_LIMITED, "TooManyRequests", wait_s)


def test_no_address_can_be_asked_more_often_than_its_own_bound(venue: Whimsical) -> None:
    """Whatever is asked for with a budget of 1200 a minute, by the documentation's figures."""
    passing = Passing()
    made = CcxtGateway(venue.config(turnstile=passing))
    order = new_order(made, venue)
    report = made.create_order(order)
    made.cancel_order(venue.symbol, report.venue_order_id)
    for look in (
        made.balances,
        lambda: made.quote(venue.symbol),
        lambda: made.public_trades(venue.symbol, order.timestamp),
        lambda: made.find_order(venue.symbol, "abc1", order.timestamp),
        lambda: made.candles(
            venue.symbol, timedelta(minutes=1), order.timestamp - timedelta(minutes=3), order.timestamp
        ),
    ):
        look()
    made.close()

    paths = [request.path for request in venue.server.asked()]
    assert len(paths) == len(passing.weights)
    weights = dict(zip(paths, passing.weights, strict=True))
    bounds = {"/market/orders/add": 30, "/market/orders/status": 300, "/market/orders/update-status": 90,
              "/market/orders/list": 30, "/market/trades/list": 30, "/v2/wallets": 15, "/v2/trades/BTCUSDT": 60,
              "/v3/orderbook/BTCUSDT": 300}  # fmt: skip
    assert bounds.keys() <= weights.keys()
    assert {path: round(1200 / weights[path], 6) for path in bounds} == bounds


def test_a_cancel_that_leaves_an_order_active_is_none() -> None:
    made, _ = gateway("nobitex", reply(200, '{"status": "ok", "updatedStatus": "Active"}'))

    assert evidence(lambda: made.cancel_order("BTC/USDT", "7")) is Evidence.AMBIGUOUS


def test_the_token_goes_into_a_header_of_private_requests_only_and_into_no_log(
    nobitex: CcxtGateway, venue: Whimsical, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    nobitex.create_order(new_order(nobitex, venue))
    nobitex.quote(venue.symbol)
    nobitex.balances()
    wrong, _ = gateway("nobitex", reply(401, json.dumps({"detail": f"Invalid token {API_KEY}"})))
    failed = refusal(wrong.balances)

    for request in venue.server.asked():
        carries = request.headers.get("authorization") == f"Token {KEY}"
        assert carries is (request.path not in {"/v2/options", f"/v3/orderbook/{venue.market_id}"}), request.path
        assert KEY not in request.path + request.query_text + request.body
        assert request.headers["user-agent"].startswith("TraderBot/")
    assert API_KEY not in f"{failed} {failed!r} {vars(failed)}"
    assert KEY not in caplog.text
    assert API_KEY not in caplog.text


def test_without_a_token_nothing_private_is_asked(venue: Whimsical) -> None:
    made = CcxtGateway(venue.config(api_key=Secret("")))

    assert evidence(made.balances) is Evidence.CREDENTIALS
    assert evidence(lambda: made.create_order(new_order(made, venue))) is Evidence.CREDENTIALS
    made.close()
    assert {request.path for request in venue.server.asked()} == {"/v2/options"}


@pytest.mark.parametrize(
    ("changes", "code"),
    [({"post_only": True}, "NO_POST_ONLY"), ({"time_in_force": TimeInForce.IOC}, "NO_TIME_IN_FORCE")],
    ids=["post-only", "IOC"],
)
def test_what_the_venue_does_not_have_is_refused_unsent(
    nobitex: CcxtGateway, venue: Whimsical, changes: dict[str, Any], code: str
) -> None:
    refused = refusal(lambda: nobitex.create_order(new_order(nobitex, venue, **changes)))

    assert (refused.evidence, refused.code) == (Evidence.REJECTED, code)
    assert venue.server.asked(Operation.CREATE) == []


def _json(message: str) -> Any:
    return json.loads(message.partition("\r\n\r\n")[2])
