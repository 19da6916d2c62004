"""Several API keys of one account: the load is spread, an order is everybody's, a refused key is set aside."""

from __future__ import annotations

import threading
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from typing import Any

import pytest

from exchanges.ccxt_gateway import CcxtGateway
from exchanges.config import ApiKey, Secret
from exchanges.evidence import Evidence, VenueError
from exchanges.key_ring import KeySetAside
from tests.contract.conformance.orders import new_order
from tests.contract.dialects.binance import Binance
from tests.contract.dialects.dialect import KEY, SECRET, Dialect
from tests.contract.dialects.kraken import Kraken
from tests.contract.dialects.server import SLOW, Operation, Reply, Request
from tests.support.waiting import eventually

#: a net under hangs, in seconds
SOON_S = 60.0
OTHER, THIRD = "other-key-0123456789abcdef", "third-key-0123456789abcdef"


class _ManyKeys:
    """All keys are of the one account that the dialect has, and share its secret."""

    header: str
    known = (KEY, OTHER, THIRD)

    def __init__(self) -> None:
        super().__init__()
        self.refused: set[str] = set()
        #: of the signed requests, in the order in which they came
        self.used: list[str] = []

    def unsigned(self, request: Request) -> Reply | None:
        key = request.headers.get(self.header, "")
        self.used.append(key)
        own = KEY if key in self.known and key not in self.refused else "refused"
        self.look_at(key)
        reply: Reply | None = super().unsigned(replace(request, headers={**request.headers, self.header: own}))  # type: ignore[misc]
        return reply

    def look_at(self, key: str) -> None:
        """Before a key's request is judged."""


class ManyKeysAtBinance(_ManyKeys, Binance):
    header = "x-mbx-apikey"


class ManyKeysAtKraken(_ManyKeys, Kraken):
    header = "api-key"

    def __init__(self) -> None:
        super().__init__()
        self.last_nonces: Counter[str] = Counter()
        self._looked_at = ""

    def look_at(self, key: str) -> None:
        """Kraken counts the nonces of each key for itself."""
        self.last_nonces[self._looked_at] = self._last_nonce
        self._looked_at, self._last_nonce = key, self.last_nonces[key]


@contextmanager
def speaking(venue: Dialect, *keys: str, **changes: Any) -> Iterator[tuple[CcxtGateway, list[KeySetAside]]]:
    told: list[KeySetAside] = []
    further = tuple(ApiKey(api_key=Secret(key), secret=Secret(SECRET)) for key in keys)
    config = venue.config(further_keys=further, timeout_ms=60_000, **changes)
    gateway = CcxtGateway(config, on_key_set_aside=told.append)
    try:
        yield gateway, told
        venue.calm()
    finally:
        gateway.close()
        venue.close()


def test_requests_are_spread_over_all_keys() -> None:
    venue = ManyKeysAtBinance()
    with speaking(venue, OTHER, THIRD) as (gateway, told):
        for _ in range(9):
            gateway.balances()

        assert Counter(venue.used) == {KEY: 3, OTHER: 3, THIRD: 3}
        assert told == []


def test_an_order_sent_with_one_key_is_found_and_cancelled_with_another() -> None:
    venue = ManyKeysAtBinance()
    with speaking(venue, OTHER) as (gateway, _):
        order = new_order(gateway, venue)
        report = gateway.create_order(order)
        found = gateway.find_order(venue.symbol, order.client_order_id, gateway.time())
        shown = gateway.fetch_order(venue.symbol, report.venue_order_id)
        gateway.cancel_order(venue.symbol, report.venue_order_id)

        assert found is not None
        assert found.venue_order_id == shown.venue_order_id == report.venue_order_id
        assert venue.book.open() == []
        assert set(venue.used) == {KEY, OTHER}


@pytest.mark.parametrize("bad", [KEY, OTHER])
def test_a_read_goes_on_with_another_key_and_the_refused_one_is_told_of_once(bad: str) -> None:
    venue = ManyKeysAtBinance()
    venue.refused = {bad}
    with speaking(venue, OTHER) as (gateway, told):
        for _ in range(6):
            assert gateway.balances()

        assert Counter(venue.used)[bad] == 1
        assert [(entry.number, entry.of) for entry in told] == [(1 if bad == KEY else 2, 2)]
        assert not any(secret in repr(told) for secret in (KEY, OTHER, SECRET))


def test_requests_that_meet_the_same_refusal_at_once_tell_of_it_once() -> None:
    with speaking(ManyKeysAtBinance(), OTHER) as (gateway, told):
        keys, refused = gateway._caller._keys, VenueError(Evidence.CREDENTIALS, "no such key")
        with keys.one() as held:
            for _ in range(2):
                gateway._caller._go_on_without(held, refused, changes=False)

        assert len(told) == 1


def test_a_create_with_a_refused_key_was_surely_not_taken_and_the_next_goes_out_with_another() -> None:
    venue = ManyKeysAtBinance()
    venue.refused = {KEY}
    with speaking(venue, OTHER) as (gateway, told):
        order = new_order(gateway, venue)
        with pytest.raises(VenueError) as refused:
            gateway.create_order(order)
        assert refused.value.evidence is Evidence.NOT_SENT
        assert venue.book.open() == []
        assert len(venue.used) == 1, "who keeps the record of sends decides on the next one"
        assert not any(secret in str(refused.value) for secret in (KEY, OTHER, SECRET))

        gateway.create_order(replace(order, timestamp=gateway.time()))

        assert len(venue.held(order.client_order_id)) == 1
        assert len(told) == 1


def test_with_all_keys_refused_the_refusal_is_the_accounts() -> None:
    venue = ManyKeysAtBinance()
    venue.refused = {KEY, OTHER}
    with speaking(venue, OTHER) as (gateway, told):
        for _ in range(3):
            with pytest.raises(VenueError) as refused:
                gateway.balances()
            assert refused.value.evidence is Evidence.CREDENTIALS
        assert len(told) == 1

        venue.refused = {KEY}
        assert gateway.balances()


def test_where_nonces_rise_each_key_has_its_own_line() -> None:
    venue = ManyKeysAtKraken()
    with speaking(venue, OTHER) as (gateway, _):
        gateway.instruments()
        venue.server.strike(SLOW, Operation.BALANCES)
        ended = threading.Event()
        hangs = threading.Thread(target=_failing(gateway.balances, ended))
        hangs.start()
        eventually(lambda: venue.used, within_s=SOON_S, describe="the first request is at the venue")

        for _ in range(3):
            gateway.open_orders(venue.symbol)

        assert not ended.is_set()
        assert venue.used == [KEY, OTHER, OTHER, OTHER], "the other key waited for nobody"
        venue.calm()
        hangs.join(SOON_S)


def test_nonces_of_each_key_rise_whoever_asks() -> None:
    venue = ManyKeysAtKraken()
    refused: list[VenueError] = []
    with speaking(venue, OTHER) as (gateway, told):

        def ask() -> None:
            for _ in range(10):
                try:
                    gateway.balances()
                except VenueError as error:
                    refused.append(error)

        threads = [threading.Thread(target=ask) for _ in range(6)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join(SOON_S)

        assert refused == []
        assert told == []
        assert len(venue.used) == 60
        assert set(venue.used) == {KEY, OTHER}


def _failing(ask: Callable[[], object], ended: threading.Event) -> Callable[[], None]:
    def run() -> None:
        try:
            ask()
        except VenueError:
            pass
        finally:
            ended.set()

    return run
