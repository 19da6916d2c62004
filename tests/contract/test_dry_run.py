"""A dry run at every venue: the market is read from it, and nothing that is signed or could be ever arrives there."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any

import pytest

from exchanges.dry_run.gateway import DryRunGateway
from exchanges.evidence import Evidence, NotAmendable, VenueError
from exchanges.gateway import NotRounded
from exchanges.registry import Gateways
from models.market_data import PublicTrade, PublicTrades
from models.reports import NewOrder, VenueStatus
from models.vocabulary import Mode, OrderType, Side, TimeInForce
from storage import schema
from storage.dry_run import DatabaseDryRuns
from storage.engine import make_engine
from tests.contract.dialects import DIALECTS, dialect
from tests.contract.dialects.dialect import KEY, PASSWORD, SECRET, Dialect

D = Decimal
SYMBOL = "BTC/USDT"
FUNDS = {"BTC": D(1), "USDT": D(100_000)}
#: nobody waits for the end of this: a machine that stands still fails no test
WINDOW_MS = 600_000


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> Iterator[DatabaseDryRuns]:
    engine = make_engine(f"sqlite:///{tmp_path_factory.mktemp('dry_run')}/steadfill.db")
    schema.upgrade(engine)
    yield DatabaseDryRuns(engine)
    engine.dispose()


class Market:
    """A venue, and gateways to accounts of a dry run beside it."""

    def __init__(self, venue: Dialect, store: DatabaseDryRuns) -> None:
        self.venue = venue
        self.store = store
        self.tape: list[PublicTrade] = []
        self._opened: list[DryRunGateway] = []

    def gateway(self, account: str) -> DryRunGateway:
        """As a process of its own would have one."""
        config = self.venue.config(name=self.venue.ccxt_id, account=account, mode=Mode.DRY_RUN, dry_run_balances=FUNDS)
        made = Gateways([config], dry_runs=self.store).get(config.name, account)
        assert isinstance(made, DryRunGateway)
        made._real.public_trades = self._public_trades  # type: ignore[method-assign]
        self._opened.append(made)
        return made

    def close(self) -> None:
        for gateway in self._opened:
            gateway.close()

    def _public_trades(self, symbol: str, since: datetime) -> PublicTrades:
        assert symbol == SYMBOL
        found = tuple(trade for trade in self.tape if trade.at >= since)
        return PublicTrades(trades=found, since=since, complete_from=since)


@pytest.fixture(scope="module", params=[name for name in DIALECTS if name != "paper"])
def running(request: pytest.FixtureRequest) -> Iterator[Dialect]:
    made = dialect(request.param)()
    yield made
    made.close()


@pytest.fixture
def market(running: Dialect, store: DatabaseDryRuns) -> Iterator[Market]:
    running.reset()
    made = Market(running, store)
    yield made
    made.close()
    running.calm()


@pytest.fixture
def binance(store: DatabaseDryRuns) -> Iterator[Market]:
    venue = dialect("binance")()
    made = Market(venue, store)
    yield made
    made.close()
    venue.calm()
    venue.close()


@pytest.fixture
def account(request: pytest.FixtureRequest) -> str:
    """A fresh one for each test."""
    return f"{request.node.name}"[:60]


def new_order(gateway: DryRunGateway, client_id: str, **changes: Any) -> NewOrder:
    values: dict[str, Any] = {
        "symbol": SYMBOL, "side": Side.BUY, "type": OrderType.LIMIT, "quantity": D("0.5"), "price": D("62000"),
        "time_in_force": TimeInForce.GTC, "post_only": False, "client_order_id": gateway.client_id(client_id),
        "timestamp": gateway.time(), "window_ms": WINDOW_MS,
    }  # fmt: skip
    return NewOrder(**{**values, **changes})


def balance(gateway: DryRunGateway, asset: str) -> tuple[Decimal, Decimal]:
    return next((found.free, found.used) for found in gateway.balances() if found.asset == asset)


def test_nothing_that_is_signed_arrives_at_the_venue(market: Market, account: str) -> None:
    gateway = market.gateway(account)
    taken = gateway.create_order(new_order(gateway, "sfA1taken000000001"))
    resting = gateway.create_order(new_order(gateway, "sfA1rests000000001", price=D("60000"), quantity=D("0.1")))
    gateway.open_orders(SYMBOL)
    gateway.fetch_order(SYMBOL, resting.venue_order_id)
    gateway.find_order(SYMBOL, "sfA1rests000000001", gateway.time())
    gateway.order_trades(SYMBOL, taken.venue_order_id, gateway.time() - timedelta(minutes=5))
    gateway.trades_since(SYMBOL, gateway.time() - timedelta(minutes=5))
    gateway.balances()
    gateway.cancel_order(SYMBOL, resting.venue_order_id)

    assert (taken.status, taken.filled_quantity) == (VenueStatus.FILLED, D("0.5"))
    assert market.venue.book.orders == []
    asked = market.venue.server.asked()
    assert asked, "the market was read"
    signed = {(route.method, route.path) for route in market.venue.routes() if route.signed}
    for request in asked:
        assert request.method == "GET"
        assert not any(
            route.match(request.method, request.path) is not None
            for route in market.venue.routes()
            if (route.method, route.path) in signed
        )
        text = f"{request.path}?{request.query_text} {request.headers} {request.body}"
        assert not any(secret in text for secret in (KEY, SECRET, PASSWORD))
        assert "signature" not in text.lower()
        assert not any(word in name for name in request.headers for word in ("sign", "key", "authorization"))


def test_client_ids_and_refusals_are_those_of_the_venue(market: Market, account: str) -> None:
    gateway = market.gateway(account)
    order = new_order(gateway, "sfA1twice000000001")

    report = gateway.create_order(order)

    assert report.client_order_id == gateway.client_id("sfA1twice000000001")
    with pytest.raises(NotRounded):
        gateway.create_order(new_order(gateway, "sfA1other000000001", quantity=D("0.123456789123")))
    with pytest.raises(VenueError) as twice:
        gateway.create_order(order)
    assert twice.value.evidence is Evidence.DUPLICATE
    if not gateway.capabilities.post_only:
        with pytest.raises(VenueError) as refused:
            gateway.create_order(new_order(gateway, "sfA1post0000000001", post_only=True, price=D(60_000)))
        assert refused.value.evidence is Evidence.REJECTED


def test_another_process_goes_on_with_what_one_has_left(binance: Market, account: str) -> None:
    first = binance.gateway(account)
    placed = first.create_order(new_order(first, "left", price=D("61000")))
    first.close()
    second = binance.gateway(account)
    binance.tape.append(
        PublicTrade(id="1", price=D(60_999), quantity=D("0.2"), at=second.time() + timedelta(seconds=1), taker=None)
    )

    (found,) = second.open_orders(SYMBOL)

    assert (found.venue_order_id, found.filled_quantity) == (placed.venue_order_id, D("0.2"))
    assert [trade.price for trade in second.trades_since(SYMBOL, second.time() - timedelta(minutes=5))] == [D(61_000)]
    assert balance(second, "BTC")[0] == D("1.1998")  # the maker's fee in what was received
    again = second.find_order(SYMBOL, "left", second.time())
    assert again is not None
    assert len(again.trades) == 1


def test_an_order_holds_its_funds_and_gives_them_back(binance: Market, account: str) -> None:
    gateway = binance.gateway(account)
    placed = gateway.create_order(new_order(gateway, "holds", price=D("60000")))
    assert balance(gateway, "USDT") == (D(70_000), D(30_000))

    gateway.cancel_order(SYMBOL, placed.venue_order_id)

    assert balance(gateway, "USDT") == (D(100_000), D(0))
    with pytest.raises(VenueError) as again:
        gateway.cancel_order(SYMBOL, placed.venue_order_id)
    assert again.value.evidence is Evidence.NOT_FOUND


@pytest.mark.parametrize(
    "changes",
    [
        {"quantity": D(2)},
        {"quantity": D(2), "price": D(60_000)},
        {"side": Side.SELL, "quantity": D("1.5"), "price": D(61_000)},
        {"side": Side.SELL, "quantity": D("1.5"), "price": D(63_000)},
    ],
    ids=["buy that takes", "buy that rests", "sell that takes", "sell that rests"],
)
def test_what_the_account_can_not_pay_is_refused_and_leaves_nothing(
    binance: Market, account: str, changes: dict[str, Any]
) -> None:
    gateway = binance.gateway(account)

    with pytest.raises(VenueError, match="dry_run_balances") as refused:
        gateway.create_order(new_order(gateway, "dear", **changes))

    assert (refused.value.evidence, refused.value.code) == (Evidence.REJECTED, "INSUFFICIENT_FUNDS")
    assert gateway.find_order(SYMBOL, "dear", gateway.time()) is None


def test_what_comes_after_its_deadline_is_refused_so_that_absence_is_proof(binance: Market, account: str) -> None:
    gateway = binance.gateway(account)
    late = new_order(gateway, "late", timestamp=gateway.time() - timedelta(hours=1), window_ms=5_000)

    with pytest.raises(VenueError) as refused:
        gateway.create_order(late)

    assert refused.value.evidence is Evidence.CLOCK
    assert gateway.capabilities.enforces_deadline
    assert gateway.find_order(SYMBOL, "late", gateway.time()) is None


def test_a_market_that_can_not_be_read_places_nothing_and_says_so(binance: Market, account: str) -> None:
    gateway = binance.gateway(account)
    order = new_order(gateway, "unread")
    gateway.instruments()
    gateway._real.order_book = _no_answer  # type: ignore[method-assign]

    with pytest.raises(VenueError, match="nothing was placed") as failed:
        gateway.create_order(order)

    assert failed.value.evidence is Evidence.NOT_SENT
    assert gateway.find_order(SYMBOL, "unread", gateway.time()) is None


def test_post_only_fill_or_kill_and_immediate_orders_end_as_at_a_venue(binance: Market, account: str) -> None:
    gateway = binance.gateway(account)
    with pytest.raises(VenueError) as taking:
        gateway.create_order(new_order(gateway, "post", post_only=True))
    killed = gateway.create_order(new_order(gateway, "fok", quantity=D("1.5"), time_in_force=TimeInForce.FOK))
    cut = gateway.create_order(new_order(gateway, "ioc", quantity=D("1.5"), time_in_force=TimeInForce.IOC))

    assert (taking.value.evidence, taking.value.code) == (Evidence.REJECTED, "POST_ONLY_WOULD_TAKE")
    assert (killed.status, killed.filled_quantity) == (VenueStatus.EXPIRED, D(0))
    assert (cut.status, cut.filled_quantity) == (VenueStatus.EXPIRED, D(1))


def test_amendments_are_left_to_cancel_and_a_further_attempt(binance: Market, account: str) -> None:
    gateway = binance.gateway(account)
    placed = gateway.create_order(new_order(gateway, "amend", price=D("60000")))

    with pytest.raises(NotAmendable):
        gateway.amend_order(
            SYMBOL, placed.venue_order_id, side=Side.BUY, type=OrderType.LIMIT, quantity=D(1), price=D(60_000)
        )


def test_accounts_are_apart(binance: Market, account: str) -> None:
    one, other = binance.gateway(f"{account}-1"), binance.gateway(f"{account}-2")
    placed = one.create_order(new_order(one, "same"))
    other.create_order(new_order(other, "same", price=D("60000")))

    assert other.fetch_order(SYMBOL, placed.venue_order_id).filled_quantity == 0
    with pytest.raises(VenueError) as unknown:
        other.fetch_order(SYMBOL, "dry-nobody")
    assert unknown.value.evidence is Evidence.NOT_FOUND


def _no_answer(symbol: str, levels: int) -> Any:
    raise VenueError(Evidence.AMBIGUOUS, f"no answer about {symbol}, {levels} levels", outage=True)
