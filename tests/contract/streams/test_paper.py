"""The built-in venue's streams through the real ccxt class: what is pushed is what a poll reads, and its faults."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path

import pytest

from exchanges.ccxt_gateway import CcxtGateway
from exchanges.config import Secret, VenueConfig
from exchanges.paper.journal import read_faults
from exchanges.streams import ccxt_streaming
from exchanges.streams.ccxt_source import CcxtSource, Markets
from exchanges.streams.source import StreamBroken
from models.reports import NewOrder, OrderReport, VenueStatus
from models.vocabulary import OrderType, Side, TimeInForce
from tests.contract.streams.listening import listening
from tests.support.paper import KEY, SECRET, PaperProcess

LONG_AGO = datetime(2020, 1, 1, tzinfo=UTC)

#: read once for all connections of the file
MARKETS: Markets = {}


@pytest.fixture(scope="module")
def venue(tmp_path_factory: pytest.TempPathFactory) -> Iterator[PaperProcess]:
    with PaperProcess(tmp_path_factory.mktemp("venue")) as process:
        process.pause_market()
        yield process


@pytest.fixture(scope="module")
def gateway(venue: PaperProcess) -> Iterator[CcxtGateway]:
    made = CcxtGateway(config(venue))
    yield made
    made.close()


@pytest.fixture(autouse=True)
def _calm(venue: PaperProcess, gateway: CcxtGateway) -> Iterator[None]:
    """Nothing that rests is left to the next test, whose fills it would take."""
    yield
    venue.disarm()
    for order in gateway.open_orders("BTC/USDT"):
        gateway.cancel_order("BTC/USDT", order.venue_order_id)


def config(venue: PaperProcess, secret: str = SECRET) -> VenueConfig:
    return VenueConfig(
        name="paper",
        ccxt_id="binance",
        base_url=venue.url,
        ws_url=venue.url.replace("http", "ws"),
        api_key=Secret(KEY),
        secret=Secret(secret),
        recv_window_ms=60_000,
    )


def source(venue: PaperProcess, *books: str) -> CcxtSource:
    return CcxtSource(config(venue), books=books, markets=MARKETS)


_count = iter(range(1_000))


def rest(gateway: CcxtGateway, quantity: str = "0.03") -> OrderReport:
    """A limit order that rests below the market."""
    return gateway.create_order(
        NewOrder(
            symbol="BTC/USDT",
            side=Side.BUY,
            type=OrderType.LIMIT,
            quantity=Decimal(quantity),
            price=Decimal(61000),
            time_in_force=TimeInForce.GTC,
            post_only=False,
            client_order_id=f"s{next(_count)}",
            timestamp=gateway.estimated_time(),
            window_ms=60_000,
        )
    )


def fill(venue: PaperProcess, quantity: str = "0.01") -> None:
    venue.set_price("BTC/USDT", "61000", quantity=quantity)
    venue.set_price("BTC/USDT", "62000")


def test_what_is_pushed_is_what_a_poll_reads(venue: PaperProcess, gateway: CcxtGateway):
    async def scenario() -> None:
        async with listening(source(venue, "BTC/USDT")) as stream:
            ear = stream.ear
            order = rest(gateway)
            fill(venue)
            fill(venue, "0.005")
            await stream.until(lambda: len(ear.told) == 2)
            gateway.cancel_order("BTC/USDT", order.venue_order_id)
            await stream.until(lambda: ear.news and ear.news[-1].report.status is VenueStatus.CANCELED)
            polled = gateway.order_trades("BTC/USDT", order.venue_order_id, LONG_AGO)
            assert [vars_of(trade) for trade in ear.told] == [vars_of(trade) for trade in polled]
            assert ear.news[-1].report.filled_quantity == Decimal("0.015")
            assert {entry.venue_order_id for entry in ear.news} == {order.venue_order_id}
            # The book as it stands, by snapshot and changes; a new best bid of ours shows in it.
            rest(gateway)
            await stream.until(lambda: ear.books and ear.books[-1].bids == book_of(gateway))

    asyncio.run(scenario())


def vars_of(trade) -> dict[str, object]:
    """All of a trade; its cost is a figure of quote, whatever zeros follow it."""
    return {name: getattr(trade, name) for name in trade.__slots__}


def book_of(gateway: CcxtGateway):
    return gateway.order_book("BTC/USDT", 50).bids


#: form → the fills that are told of three, in the order in which each is told first; None: whichever that is
TOLD = {"duplicate": [1, 2, 3], "reorder": [2, 1, 3], "delay": None, "lose": [2, 3]}


@pytest.mark.parametrize("form", TOLD)
def test_events_come_twice_late_out_of_order_or_never(venue: PaperProcess, gateway: CcxtGateway, form: str):
    async def scenario() -> None:
        async with listening(source(venue)) as stream:
            order = rest(gateway)
            await stream.until(lambda: stream.ear.news)
            more = {"delay_ms": 200} if form == "delay" else {}
            venue.arm({"kind": "stream", "form": form, "endpoint": "executionReport", "count": 1, **more})
            for _ in range(3):
                fill(venue)
            trades = gateway.order_trades("BTC/USDT", order.venue_order_id, LONG_AGO)
            wanted = [trades[number - 1].venue_trade_id for number in TOLD[form] or (1, 2, 3)]
            if TOLD[form] is None:
                await stream.until(lambda: {told.venue_trade_id for told in stream.ear.told} == set(wanted))
            else:
                await stream.until(lambda: [*dict.fromkeys(told.venue_trade_id for told in stream.ear.told)] == wanted)

    asyncio.run(scenario())
    assert [fault.request for fault in read_faults(venue.home)][-1] == "WS executionReport"


def test_a_connection_that_is_dropped_is_broken(venue: PaperProcess, gateway: CcxtGateway):
    async def scenario() -> str:
        async with listening(source(venue)) as stream:
            venue.arm({"kind": "stream", "form": "drop", "endpoint": "executionReport", "count": 1})
            rest(gateway)
            return await stream.broken()

    assert "NetworkError" in asyncio.run(scenario())


def test_a_connection_that_falls_silent_is_broken_by_its_pings(
    venue: PaperProcess, gateway: CcxtGateway, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(ccxt_streaming, "KEEP_ALIVE_MS", 200)

    async def scenario() -> str:
        try:
            async with listening(source(venue)) as stream:
                venue.arm({"kind": "stream", "form": "silence", "endpoint": "executionReport", "count": 1})
                rest(gateway)
                return await stream.broken()
        except StreamBroken as error:  # the machine itself was silent for so long
            return str(error)

    assert "ping-pong" in asyncio.run(scenario())


def test_a_key_that_is_refused_breaks_it_without_showing_anything(venue: PaperProcess):
    async def scenario() -> str:
        other = CcxtSource(config(venue, secret="not-the-secret"), markets=MARKETS)
        async with listening(other, live=False) as stream:
            return await stream.broken()

    said = asyncio.run(scenario())
    assert "Signature" in said
    assert KEY not in said
    assert "not-the-secret" not in said


def test_where_nobody_listens_it_is_broken(venue: PaperProcess, tmp_path: Path):
    async def scenario() -> str:
        nowhere = VenueConfig(
            name="paper", ccxt_id="binance", base_url=venue.url, ws_url="ws://127.0.0.1:9", api_key=Secret(KEY)
        )
        async with listening(CcxtSource(nowhere, markets=MARKETS), live=False) as stream:
            return await stream.broken()

    assert asyncio.run(scenario())
