"""Lists as single venues give them, on servers that speak as these do: what is beyond the first answer is not left out."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta
from decimal import Decimal
from typing import Any

import pytest

from exchanges.ccxt_gateway import CcxtGateway
from exchanges.evidence import Evidence, VenueError
from models.clock import from_milliseconds
from models.reports import VenueStatus
from tests.contract.dialects.book import BookOrder, Reason, Refused
from tests.contract.dialects.coinbase import Coinbase, iso, listing
from tests.contract.dialects.dialect import Dialect
from tests.contract.dialects.kraken import A_PAGE, Kraken
from tests.contract.dialects.kucoin import Kucoin
from tests.contract.dialects.server import Operation, Reply, Request

D = Decimal
DAY_MS = 86_400_000
RESTING: dict[str, Any] = {"side": "buy", "type": "limit", "quantity": D("0.01"), "price": D(40_000)}


@contextmanager
def speaking(venue: Dialect) -> Iterator[CcxtGateway]:
    gateway = CcxtGateway(venue.config())
    try:
        yield gateway
        venue.calm()
    finally:
        gateway.close()
        venue.close()


def filled(venue: Dialect, parts: int) -> BookOrder:
    order = venue.book.place(**{**RESTING, "quantity": venue.book.lot * parts * 100}, client_id="abc1")
    for _ in range(parts):
        venue.book.fill(order, venue.book.lot * 100)
    return order


class BusyKraken(Kraken):
    """Its account trades another pair too, and that last."""

    def _trades(self, request: Request) -> Reply:
        entries = [(fill.at_ms, f"TOURS-{fill.id:06d}", self._trade(fill)) for fill in self.book.seen_fills()]
        for at_ms, number, shown in list(entries):
            entries.append((at_ms + 500_000, f"TOTHER-{number[-6:]}", {**shown, "pair": "ETHUSDT"}))
        return self.listed("trades", request, entries)


def test_krakens_trades_of_one_pair_are_found_behind_pages_of_another() -> None:
    venue = BusyKraken()
    with speaking(venue) as gateway:
        since = gateway.time()
        order = filled(venue, A_PAGE + 10)

        trades = gateway.trades_since(venue.symbol, since)

        assert len(trades) == A_PAGE + 10
        assert {trade.venue_order_id for trade in trades} == {order.id}
        assert len(venue.server.asked(Operation.TRADES)) == 3, "two full pages, and the last"


def test_coinbases_open_orders_are_all_shown() -> None:
    venue = Coinbase()
    with speaking(venue) as gateway:
        placed = {venue.book.place(**RESTING, client_id=f"abc{number}").id for number in range(120)}

        shown = gateway.open_orders(venue.symbol)

        assert {report.venue_order_id for report in shown} == placed


class BusyCoinbase(Coinbase):
    """It shows what was traded of another product too, and that last."""

    def _fills(self, request: Request) -> Reply:
        own = super()._fills(request).body
        assert isinstance(own, dict)
        later = {"product_id": "ETH-USDT", "trade_time": iso(self.book.now_ms() + 500_000)}
        others = [{**fill, **later, "trade_id": f"other-{fill['trade_id']}"} for fill in own["fills"]]
        if "end_sequence_timestamp" in request.query:
            others = []
        return Reply(body={**own, "fills": [*others, *own["fills"]][:100]})


def test_coinbases_trades_of_one_product_are_found_behind_pages_of_another() -> None:
    venue = BusyCoinbase()
    with speaking(venue) as gateway:
        since = gateway.time()
        filled(venue, 70)

        assert len(gateway.trades_since(venue.symbol, since)) == 70


@pytest.mark.parametrize("cut", [Operation.OPEN_ORDERS, Operation.ENDED_ORDERS])
def test_a_coinbase_list_that_is_cut_is_a_failure(cut: Operation) -> None:
    class Short(Coinbase):
        def _batch(self, request: Request) -> Reply:
            body = super()._batch(request).body
            assert isinstance(body, dict)
            count = 2 if listing(request) is cut else len(body["orders"])
            return Reply(body={**body, "orders": body["orders"][:count], "has_next": count < len(body["orders"])})

    venue = Short()
    with speaking(venue) as gateway:
        since = gateway.time()
        for _ in range(3):
            venue.book.place(**RESTING)

        with pytest.raises(VenueError) as raised:
            gateway.find_order(venue.symbol, "abc1", since)

        assert raised.value.evidence is Evidence.AMBIGUOUS
        assert len(venue.server.asked(cut)) == 1


def test_a_coinbase_order_on_its_way_into_the_book_is_open() -> None:
    class Queued(Coinbase):
        def _order(self, request: Request) -> Reply:
            reply = super()._order(request)
            assert isinstance(reply.body, dict)
            return Reply(body={"order": {**reply.body["order"], "status": "QUEUED"}})

    venue = Queued()
    with speaking(venue) as gateway:
        order = venue.book.place(**RESTING, client_id="abc1")

        assert gateway.fetch_order(venue.symbol, order.id).status is VenueStatus.OPEN


class ForgetfulKucoin(Kucoin):
    """An order that ended is in the list of ended ones alone: by its ids it is known for a few days only."""

    def _order(self, request: Request) -> Reply:
        order = self.book.find(request.parts.get("id"), request.parts.get("client_id"))
        if order.status != "open":
            raise Refused(Reason.NOT_FOUND)
        return super()._order(request)


def test_a_kucoin_order_is_found_behind_the_first_that_ended_and_weeks_ago() -> None:
    venue = ForgetfulKucoin()
    with speaking(venue) as gateway:
        venue.set_clock(-16 * DAY_MS)
        since = from_milliseconds(venue.book.now_ms())
        sought = venue.book.place(**RESTING, client_id="abc1")
        venue.book.cancel(sought.id)
        for number in range(30):
            venue.book.cancel(venue.book.place(**RESTING, client_id=f"other{number}").id)
        venue.set_clock(0)

        found = gateway.find_order(venue.symbol, "abc1", since)

        assert found is not None
        assert (found.venue_order_id, found.status) == (sought.id, VenueStatus.CANCELED)


def test_kucoins_trades_are_read_over_all_weeks_since() -> None:
    venue = Kucoin()
    with speaking(venue) as gateway:
        since = gateway.time() - timedelta(days=16)
        for days in (15, 8, 0):
            venue.set_clock(-days * DAY_MS)
            filled(venue, 1)
            venue.book.orders[-1].client_id = f"abc{days}"

        trades = gateway.trades_since(venue.symbol, since)

        assert [trade.venue_order_id for trade in trades] == [order.id for order in venue.book.orders]
