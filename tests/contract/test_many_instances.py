"""Several threads on one gateway: each has an instance of the class of its own, and all know and do the same."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from decimal import Decimal

from exchanges.ccxt_gateway import CcxtGateway
from exchanges.evidence import VenueError
from tests.contract.conformance.orders import new_order
from tests.contract.dialects.kraken import Kraken
from tests.contract.dialects.kucoin import Kucoin
from tests.contract.test_venue_lists import RESTING, speaking

THREADS, REQUESTS = 8, 20


class KrakenOfOldNames(Kraken):
    """A market of the time when its id and the name in its orders differed."""

    pair_id = "XXBTZUSDT"
    altname = "XBTUSDT"


@contextmanager
def second_instance(gateway: CcxtGateway) -> Iterator[None]:
    """The one that loaded the markets is taken: who asks meanwhile gets another."""
    gateway.instruments()
    with gateway._caller._pool.instance():
        yield


def test_every_instance_knows_krakens_second_name_of_a_market() -> None:
    venue = KrakenOfOldNames()
    with speaking(venue) as gateway:
        order = venue.book.place(**RESTING, client_id="abc1")

        with second_instance(gateway):
            (shown,) = gateway.open_orders(venue.symbol)
            looked = gateway.fetch_order(venue.symbol, order.id)

        assert shown.venue_order_id == looked.venue_order_id == order.id


def test_every_instance_trades_in_kucoins_same_account() -> None:
    venue = Kucoin()
    with speaking(venue) as gateway, second_instance(gateway):
        report = gateway.create_order(new_order(gateway, venue))
        free = {balance.asset: balance.free for balance in gateway.balances()}
        gateway.cancel_order(venue.symbol, report.venue_order_id)

        assert free["BTC"] == Decimal(100), "what is stored in the main account can't be traded"
        assert venue.book.open() == []


def test_krakens_nonces_rise_whoever_asks() -> None:
    venue = Kraken()
    refused: list[VenueError] = []

    def ask() -> None:
        for _ in range(REQUESTS):
            try:
                gateway.balances()
            except VenueError as error:
                refused.append(error)

    with speaking(venue) as gateway:
        threads = [threading.Thread(target=ask) for _ in range(THREADS)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()

        assert refused == []
        assert len(venue.server.asked()) >= THREADS * REQUESTS
