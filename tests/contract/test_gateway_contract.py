"""What every gateway promises, proven on the real ccxt class against a real venue process over HTTP."""

from __future__ import annotations

import decimal
import threading
import time
from collections.abc import Callable, Iterator
from datetime import datetime, timedelta
from decimal import Decimal
from itertools import count
from pathlib import Path
from typing import Any

import pytest

from exchanges.ccxt_gateway import CcxtGateway
from exchanges.config import Secret, VenueConfig
from exchanges.evidence import Evidence, VenueError
from exchanges.gateway import Gateway, NotRounded
from models.reports import NewOrder, OrderReport, VenueStatus
from models.vocabulary import Liquidity, OrderType, Side, TimeInForce
from tests.support.paper import KEY, SECRET, PaperProcess

SYMBOL = "BTC/USDT"
D = Decimal
#: a net under hangs, in seconds
SOON_S = 60.0

#: how long a create may be on its way to the venue, in milliseconds: nobody waits for the end of it
WINDOW_MS = 30_000

_numbers = count(1)


@pytest.fixture(scope="module")
def venue(tmp_path_factory: pytest.TempPathFactory) -> Iterator[PaperProcess]:
    home: Path = tmp_path_factory.mktemp("paper")
    with PaperProcess(home, symbols="BTC/USDT,ETH/USDT") as process:
        process.pause_market()
        yield process


@pytest.fixture
def gateway(venue: PaperProcess) -> Iterator[Gateway]:
    """The venue as it is, without faults, around 62,000."""
    made = make(venue)
    venue.set_depth(SYMBOL, bids=[("61999.99", "1"), ("61990.00", "5")], asks=[("62000.00", "1"), ("62010.00", "5")])
    yield made
    venue.disarm()
    for symbol in ("BTC/USDT", "ETH/USDT"):
        for report in made.open_orders(symbol):
            made.cancel_order(symbol, report.venue_order_id)
    made.close()


def make(venue: PaperProcess, **changes: Any) -> CcxtGateway:
    values: dict[str, Any] = {
        "name": "paper",
        "ccxt_id": "binance",
        "base_url": venue.url,
        "api_key": Secret(KEY),
        "secret": Secret(SECRET),
        "timeout_ms": 60_000,
        "recv_window_ms": WINDOW_MS,
    }
    return CcxtGateway(VenueConfig(**{**values, **changes}))


def new_order(gateway: Gateway, **changes: Any) -> NewOrder:
    values: dict[str, Any] = {
        "symbol": SYMBOL,
        "side": Side.BUY,
        "type": OrderType.LIMIT,
        "quantity": D("0.01"),
        "price": D("50000"),
        "time_in_force": TimeInForce.GTC,
        "post_only": False,
        "client_order_id": f"abc{time.time_ns() % 10**11:011d}{next(_numbers) % 10**4:04d}",
        "timestamp": gateway.time(),  # never ahead of the venue's clock, as an estimate may be: it is searched from then on
        "window_ms": WINDOW_MS,
    }
    values |= changes
    if values["type"] is OrderType.MARKET:
        values["price"] = None
    return NewOrder(**values)


def at_venue(venue: PaperProcess, client_order_id: str) -> list[dict[str, Any]]:
    return [entry for entry in venue.orders() if entry["client_order_id"] == client_order_id]


def eventually(condition: Callable[[], bool]) -> None:
    deadline = time.monotonic() + SOON_S
    while not condition():
        assert time.monotonic() < deadline, "it did not come about"
        time.sleep(0.01)


def refusal(action: Callable[[], object]) -> VenueError:
    with pytest.raises(VenueError) as raised:
        action()
    assert KEY not in str(raised.value)
    assert SECRET not in str(raised.value)
    assert "127.0.0.1" not in str(raised.value)
    return raised.value


# ------------------------------------------------------------------------------------------------- what it tells


def test_instruments_have_the_venues_steps_bounds_and_fees_exactly(gateway: Gateway) -> None:
    found = {instrument.symbol: instrument for instrument in gateway.instruments()}

    bitcoin = found[SYMBOL]
    assert set(found) == {"BTC/USDT", "ETH/USDT"}
    assert (bitcoin.base, bitcoin.quote, bitcoin.venue) == ("BTC", "USDT", "paper")
    assert (bitcoin.tick, bitcoin.lot) == (D("0.01"), D("0.00001"))
    assert (bitcoin.min_quantity, bitcoin.min_notional) == (D("0.00001"), D("5"))
    assert (bitcoin.maker_fee, bitcoin.taker_fee) == (D("0.001"), D("0.001"))
    assert bitcoin.active
    assert bitcoin.max_market_quantity is not None


def test_time_is_the_venues_also_where_it_differs_from_ours(tmp_path: Path) -> None:
    ahead = timedelta(minutes=20)
    with PaperProcess(tmp_path / "ahead", clock_offset_ms=int(ahead.total_seconds() * 1000)) as venue:
        gateway = make(venue)
        # The first thing signed is a read, and it is signed by the venue's time, far outside of which ours is.
        assert gateway.balances()
        drift = abs(gateway.time() - (datetime.now(gateway.time().tzinfo) + ahead))
        assert drift < timedelta(minutes=5)
        assert abs(gateway.estimated_time() - gateway.time()) < timedelta(minutes=5)

        report = gateway.create_order(new_order(gateway))
        assert gateway.fetch_order(SYMBOL, report.venue_order_id).status is VenueStatus.OPEN
        gateway.close()


def test_a_clock_that_went_wrong_is_read_anew_after_one_refusal(venue: PaperProcess) -> None:
    gateway = make(venue)
    gateway.instruments()
    gateway._caller.clock.measure(lambda: 1_000_000_000_000)

    assert refusal(gateway.balances).evidence is Evidence.CLOCK
    assert gateway.balances()
    gateway.close()


def test_quote_is_the_best_of_the_book_exactly(gateway: Gateway) -> None:
    quote = gateway.quote(SYMBOL)

    assert (quote.bid, quote.ask) == (D("61999.99"), D("62000.00"))


def test_balances_tell_free_and_locked(gateway: Gateway) -> None:
    before = {balance.asset: balance for balance in gateway.balances()}
    gateway.create_order(new_order(gateway))
    after = {balance.asset: balance for balance in gateway.balances()}

    assert after["USDT"].used - before["USDT"].used == D("500")
    assert after["USDT"].total == before["USDT"].total


# ------------------------------------------------------------------------------------------------ orders and trades


def test_a_resting_order_is_open_and_found_by_either_id(gateway: Gateway) -> None:
    order = new_order(gateway)

    report = gateway.create_order(order)

    assert report.status is VenueStatus.OPEN
    assert (report.quantity, report.filled_quantity, report.price) == (D("0.01"), D(0), D("50000"))
    assert report.client_order_id == order.client_order_id
    assert gateway.fetch_order(SYMBOL, report.venue_order_id) == report
    assert gateway.find_order(SYMBOL, order.client_order_id, order.timestamp) == report
    assert report in gateway.open_orders(SYMBOL)
    assert gateway.order_trades(SYMBOL, report.venue_order_id, order.timestamp) == []


@pytest.mark.parametrize("side", list(Side))
def test_a_market_order_reports_its_fills_and_so_do_the_trades(gateway: Gateway, side: Side) -> None:
    order = new_order(gateway, side=side, type=OrderType.MARKET, quantity=D("1.5"))

    report = gateway.create_order(order)

    assert report.status is VenueStatus.FILLED
    assert report.filled_quantity == D("1.5")
    assert report.price is None
    assert sum(trade.quantity for trade in report.trades) == D("1.5")
    assert sum(trade.cost or 0 for trade in report.trades) == report.filled_cost
    fee_asset = "BTC" if side is Side.BUY else "USDT"
    for trade in report.trades:
        paid = trade.quantity if side is Side.BUY else trade.quantity * trade.price
        assert (trade.fee_asset, trade.fee) == (fee_asset, paid * D("0.001"))
        assert (trade.side, trade.liquidity) == (side, Liquidity.TAKER)
        assert trade.venue_order_id == report.venue_order_id
    assert list(gateway.order_trades(SYMBOL, report.venue_order_id, order.timestamp)) == list(report.trades)
    since = gateway.trades_since(SYMBOL, report.trades[0].traded_at)
    assert [trade for trade in since if trade.venue_order_id == report.venue_order_id] == list(report.trades)


def test_a_maker_fill_is_told_apart(gateway: Gateway, venue: PaperProcess) -> None:
    order = new_order(gateway, price=D("61999.99"), quantity=D("0.02"), post_only=True)
    report = gateway.create_order(order)

    venue.market_order(SYMBOL, "sell", "1.005", price="61999.99")
    eventually(lambda: gateway.fetch_order(SYMBOL, report.venue_order_id).filled_quantity > 0)

    partly = gateway.fetch_order(SYMBOL, report.venue_order_id)
    assert (partly.status, partly.filled_quantity) == (VenueStatus.OPEN, D("0.005"))
    (trade,) = gateway.order_trades(SYMBOL, report.venue_order_id, order.timestamp)
    assert (trade.liquidity, trade.quantity, trade.price) == (Liquidity.MAKER, D("0.005"), D("61999.99"))


@pytest.mark.parametrize(
    ("time_in_force", "quantity", "status", "filled"),
    [
        (TimeInForce.IOC, "0.5", VenueStatus.FILLED, "0.5"),
        (TimeInForce.IOC, "1.5", VenueStatus.EXPIRED, "1"),
        (TimeInForce.FOK, "1", VenueStatus.FILLED, "1"),
        (TimeInForce.FOK, "1.5", VenueStatus.EXPIRED, "0"),
        (TimeInForce.GTC, "1.5", VenueStatus.OPEN, "1"),
    ],
)
def test_time_in_force_means_what_it_says(
    gateway: Gateway, time_in_force: TimeInForce, quantity: str, status: VenueStatus, filled: str
) -> None:
    order = new_order(gateway, price=D("62000"), quantity=D(quantity), time_in_force=time_in_force)

    report = gateway.create_order(order)

    assert (report.status, report.filled_quantity) == (status, D(filled))
    assert gateway.find_order(SYMBOL, order.client_order_id, order.timestamp).status is status  # type: ignore[union-attr]


def test_an_iceberg_shows_a_part_and_fills_whole(gateway: Gateway, venue: PaperProcess) -> None:
    venue.set_depth(SYMBOL, bids=[("61990.00", "5")], asks=[("62000.00", "1")])
    order = new_order(gateway, price=D("61995"), quantity=D("0.3"), display_quantity=D("0.1"))
    report = gateway.create_order(order)

    assert gateway.order_book(SYMBOL, 1).bids == ((D("61995"), D("0.1")),)
    venue.market_order(SYMBOL, "sell", "0.3", price="61995")

    filled = gateway.fetch_order(SYMBOL, report.venue_order_id)
    assert (filled.status, filled.filled_quantity) == (VenueStatus.FILLED, D("0.3"))
    assert len(gateway.order_trades(SYMBOL, report.venue_order_id, order.timestamp)) == 3


def test_a_cancel_ends_an_order_and_a_second_finds_nothing(gateway: Gateway) -> None:
    report = gateway.create_order(new_order(gateway))

    gateway.cancel_order(SYMBOL, report.venue_order_id)

    assert gateway.fetch_order(SYMBOL, report.venue_order_id).status is VenueStatus.CANCELED
    again = refusal(lambda: gateway.cancel_order(SYMBOL, report.venue_order_id))
    assert (again.evidence, again.outage) == (Evidence.NOT_FOUND, False)


def test_an_order_that_ended_is_found_by_its_client_id(gateway: Gateway) -> None:
    order = new_order(gateway)
    gateway.cancel_order(SYMBOL, gateway.create_order(order).venue_order_id)

    found = gateway.find_order(SYMBOL, order.client_order_id, order.timestamp)

    assert found is not None
    assert found.status is VenueStatus.CANCELED


def test_an_order_that_nobody_sent_is_found_nowhere(gateway: Gateway) -> None:
    order = new_order(gateway)
    gateway.create_order(new_order(gateway, type=OrderType.MARKET))

    assert gateway.find_order(SYMBOL, order.client_order_id, order.timestamp) is None
    unknown = refusal(lambda: gateway.fetch_order(SYMBOL, "999999999"))
    assert unknown.evidence is Evidence.NOT_FOUND


def test_trades_are_read_over_all_pages_oldest_first_each_once(
    gateway: CcxtGateway, monkeypatch: pytest.MonkeyPatch
) -> None:
    from exchanges import ccxt_lookup

    monkeypatch.setattr(ccxt_lookup, "_limit", lambda *_, **__: 3)
    began = gateway.time()
    placed = [gateway.create_order(new_order(gateway, type=OrderType.MARKET)) for _ in range(8)]

    found = gateway.trades_since(SYMBOL, began)

    ids = [trade.venue_trade_id for trade in found]
    assert len(ids) == len(set(ids))
    assert {report.venue_order_id for report in placed} <= {trade.venue_order_id for trade in found}
    assert list(found) == sorted(found, key=lambda trade: (trade.traded_at, int(trade.venue_trade_id)))
    first = placed[0].trades[0]
    assert first in gateway.trades_since(SYMBOL, first.traded_at), "since is inclusive"


def test_orders_are_numbered_per_symbol_and_kept_apart(gateway: Gateway) -> None:
    bitcoin = gateway.create_order(new_order(gateway))
    ether = gateway.create_order(new_order(gateway, symbol="ETH/USDT", price=D("1000"), quantity=D("0.1")))

    assert ether not in gateway.open_orders(SYMBOL)
    assert gateway.fetch_order("ETH/USDT", ether.venue_order_id).price == D("1000")
    assert gateway.fetch_order(SYMBOL, bitcoin.venue_order_id).price == D("50000")


# -------------------------------------------------------------------------------------------------------- refusals

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


# ---------------------------------------------------------------------------------------------- ways of not answering

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


# ---------------------------------------------------------------------------------------------------- many at once


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
