"""Every request of a gateway passes the turnstile of its venue account, at the weight that the venue itself counts.

ccxt's figures are Binance's of some time ago: compressed trades weigh 4 there by now and 2 here. What the venue's own
headers tell makes up for that.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass, field
from datetime import timedelta
from decimal import Decimal
from typing import Any

import pytest

from exchanges.ccxt_gateway import CcxtGateway
from exchanges.ccxt_import import exchange_class
from exchanges.config import Secret, VenueConfig
from exchanges.evidence import Evidence, VenueError
from exchanges.gateway import Gateway
from exchanges.nobitex.description import PER_MINUTE, WEIGHT_PER_MINUTE
from exchanges.protection.turnstile import create_weight
from models.reports import NewOrder
from models.vocabulary import OrderType, Side, TimeInForce
from tests.support.paper import KEY, SECRET, PaperProcess

SYMBOL = "BTC/USDT"
#: Binance's weight of one plain request
PLAIN = 5
MINUTE = timedelta(minutes=1)
#: how much lighter ccxt takes a request for, at most
LIGHTER = {"public trades": 2}


@dataclass
class Recorder:
    """A turnstile that lets everybody through while it is open, and keeps what it saw."""

    weight: float = 0.0
    counted: list[float] = field(default_factory=list)
    failures: list[VenueError] = field(default_factory=list)
    is_open: bool = True

    def seat(self) -> AbstractContextManager[None]:
        return nullcontext()

    def enter(self, weight: float) -> None:
        if not self.is_open:
            raise VenueError(Evidence.NOT_SENT, "held back", retry_after_s=3)
        self.weight += weight

    def replied(self, headers: Mapping[str, str]) -> None:
        told = {name.lower(): value for name, value in headers.items()}
        self.counted.append(float(told["x-mbx-used-weight-1m"]))

    def failed(self, error: VenueError) -> None:
        self.failures.append(error)


@pytest.fixture(scope="module")
def paper(tmp_path_factory: pytest.TempPathFactory) -> Iterator[PaperProcess]:
    with PaperProcess(tmp_path_factory.mktemp("venue")) as venue:
        yield venue


@pytest.fixture
def recorder() -> Recorder:
    return Recorder()


@pytest.fixture
def gateway(paper: PaperProcess, recorder: Recorder) -> Iterator[Gateway]:
    config = VenueConfig(
        name="paper",
        ccxt_id="binance",
        base_url=paper.url,
        api_key=Secret(KEY),
        secret=Secret(SECRET),
        timeout_ms=60_000,
        turnstile=recorder,
    )
    made = CcxtGateway(config)
    yield made
    made.close()


def order(gateway: Gateway, client_id: str) -> NewOrder:
    """One that rests."""
    return NewOrder(
        client_order_id=gateway.client_id(client_id),
        symbol=SYMBOL,
        side=Side.BUY,
        type=OrderType.LIMIT,
        quantity=Decimal("0.01"),
        price=Decimal(20000),
        time_in_force=TimeInForce.GTC,
        post_only=False,
        timestamp=gateway.time(),
        window_ms=60_000,
    )


def _of_an_order(gateway: Gateway) -> None:
    report = gateway.create_order(order(gateway, "turnstile"))
    since = gateway.time() - MINUTE
    gateway.fetch_order(SYMBOL, report.venue_order_id)
    gateway.find_order(SYMBOL, gateway.client_id("nobody"), since)
    gateway.open_orders(SYMBOL)
    gateway.order_trades(SYMBOL, report.venue_order_id, since)
    gateway.cancel_order(SYMBOL, report.venue_order_id)


OPERATIONS: dict[str, Callable[[Gateway], object]] = {
    "instruments": lambda gateway: gateway.instruments(),
    "time": lambda gateway: gateway.time(),
    "quote": lambda gateway: gateway.quote(SYMBOL),
    "book": lambda gateway: gateway.order_book(SYMBOL, 50),
    "candles": lambda gateway: gateway.candles(SYMBOL, MINUTE, gateway.time() - 5 * MINUTE, gateway.time()),
    "public trades": lambda gateway: gateway.public_trades(SYMBOL, gateway.time() - MINUTE),
    "balances": lambda gateway: gateway.balances(),
    "trades": lambda gateway: gateway.trades_since(SYMBOL, gateway.time() - MINUTE),
    "an order": _of_an_order,
}


@pytest.mark.parametrize("name", OPERATIONS)
def test_each_request_is_let_in_at_the_weight_that_the_venue_counts(
    gateway: Gateway, recorder: Recorder, name: str
) -> None:
    gateway.time()
    recorder.weight, used = 0.0, recorder.counted[-1]

    OPERATIONS[name](gateway)

    counted = recorder.counted[-1] - used
    if counted > 0:  # else a minute began at the venue meanwhile
        assert round(recorder.weight * PLAIN, 6) >= counted - LIGHTER.get(name, 0)
    assert recorder.weight > 0


def test_what_is_held_back_does_not_leave(gateway: Gateway, recorder: Recorder) -> None:
    made = order(gateway, "held")
    gateway.balances()
    replies = len(recorder.counted)
    recorder.is_open = False

    with pytest.raises(VenueError, match="held back") as refused:
        gateway.create_order(made)

    assert (refused.value.evidence, refused.value.retry_after_s) == (Evidence.NOT_SENT, 3)
    assert len(recorder.counted) == replies


def test_what_a_call_asks_after_its_order_has_left_is_never_held_back(gateway: Gateway, recorder: Recorder) -> None:
    """Else an order that exists would pass for one that was not sent."""
    assert isinstance(gateway, CcxtGateway)

    def create_and_read(exchange: Any) -> str:
        made = exchange.create_order(SYMBOL, "limit", "buy", "0.01", "20000")
        recorder.is_open = False
        return str(exchange.fetch_order(made["id"], SYMBOL)["id"])

    assert gateway._caller.call(create_and_read, changes=True)


@pytest.mark.parametrize(
    ("fault", "outage"),
    [
        pytest.param({"kind": "rate_limited", "status": 429, "retry_after_s": 7}, False, id="429"),
        pytest.param({"kind": "reset", "when": "before"}, True, id="reset"),
    ],
)
def test_a_failure_is_told_with_what_it_proves(
    gateway: Gateway, recorder: Recorder, paper: PaperProcess, fault: dict[str, object], outage: bool
) -> None:
    gateway.balances()
    recorder.failures.clear()
    paper.arm(fault)
    try:
        with pytest.raises(VenueError) as failed:
            gateway.balances()
    finally:
        paper.disarm()

    assert recorder.failures == [failed.value]
    assert failed.value.outage is outage


@pytest.mark.parametrize(
    ("ccxt_id", "path"),
    [
        ("binance", "private.post.order"),
        ("bitget", "private.spot.post.v2/spot/trade/place-order"),
        ("bybit", "private.post.v5/order/create"),
        ("coinbase", "v3.private.post.brokerage/orders"),
        ("gate", "private.spot.post.orders"),
        ("kraken", "private.post.AddOrder"),
        ("kucoin", "private.post.hf/orders"),
        ("mexc", "spot.private.post.order"),
        ("okx", "private.post.trade/order"),
    ],
)
def test_a_send_is_admitted_at_the_weight_that_the_class_has_for_it(ccxt_id: str, path: str) -> None:
    """It is admitted before its intent, so that the class itself is not asked then."""
    found = exchange_class(ccxt_id)().describe()["api"]
    for part in path.split(".", path.count(".")):
        found = found[part]
    cost = found["cost"] if isinstance(found, Mapping) else found

    assert create_weight(ccxt_id, acknowledges_only=False) == pytest.approx(float(cost))
    assert create_weight(ccxt_id, acknowledges_only=True) == pytest.approx(float(cost) + 1)


def test_a_send_to_nobitex_is_admitted_at_the_weight_that_our_class_has_for_it() -> None:
    of_a_minute = WEIGHT_PER_MINUTE / PER_MINUTE["market/orders/add"]

    assert create_weight("nobitex", acknowledges_only=False) == pytest.approx(of_a_minute)
