"""Dry run: an order goes its whole way, is filled on paper beside the real market, and nothing of it reaches the venue."""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import select

from exchanges.dry_run.gateway import DryRunGateway
from exchanges.evidence import Evidence, VenueError
from models.errors import InvalidRequest
from models.reports import NewOrder, VenueStatus
from models.vocabulary import Mode, OrderType, Side, TimeInForce
from settings import Settings
from storage.dry_run_tables import venue_modes
from storage.engine import read
from storage.ledger import balances
from tests.support.paper import PaperProcess
from tests.support.runtime import Desk, make_settings, open_desk

D = Decimal
FUNDS = {"USDT": D(100_000), "BTC": D(1)}
PRICE = D(60_000)


@pytest.fixture
def still(paper: PaperProcess) -> PaperProcess:
    """Its market stands at 60,000, deep enough for every order here."""
    paper.set_price("BTC/USDT", str(PRICE))
    return paper


@pytest.fixture
def settings(database_url: str, still: PaperProcess, tmp_path: Path) -> Settings:
    return in_mode(make_settings(tmp_path, still.url, database_url=database_url), dry_run=True)


@pytest.fixture
def desk(settings: Settings, still: PaperProcess, monkeypatch: pytest.MonkeyPatch) -> Iterator[Desk]:
    made = open_desk(settings, still, monkeypatch)
    before = len(still.orders())
    yield made
    made.runtime.close()
    assert len(still.orders()) == before, "an order of a dry run is at the venue"


def in_mode(settings: Settings, *, dry_run: bool) -> Settings:
    venue = settings.venues["paper"].model_copy(update={"dry_run": dry_run, "dry_run_balances": FUNDS})
    return settings.model_copy(update={"venues": {"paper": venue}})


def ours(desk: Desk) -> dict[str, tuple[Decimal, Decimal]]:
    """By asset: all of it, and what of it is held."""
    with read(desk.engine) as conn:
        return {found.asset: (found.total, found.held) for found in balances(conn, "paper", "main")}


def theirs(desk: Desk) -> dict[str, Decimal]:
    gateway = desk.runtime.gateways.get("paper", "main")
    assert isinstance(gateway, DryRunGateway)
    return {found.asset: found.total for found in gateway.balances()}


def assert_books_match(desk: Desk) -> None:
    assert {asset: total for asset, (total, _) in ours(desk).items() if total} == {
        asset: total for asset, total in theirs(desk).items() if total
    }


def test_a_market_order_is_filled_on_paper_and_booked(desk: Desk) -> None:
    document = desk.work(desk.place(quantity="0.5"))

    assert (document["status"], document["mode"], document["filled_quantity"]) == ("FILLED", "dry_run", "0.5")
    assert document["child_orders"][0]["venue_order_id"].startswith("dry-")
    total, held = ours(desk)["BTC"]
    assert D("1.49") < total <= D("1.5")
    assert held == 0
    assert_books_match(desk)


def test_what_rests_is_filled_when_the_market_trades_through_it(desk: Desk, still: PaperProcess) -> None:
    order_id = desk.limit("-100", quantity="0.2")
    assert desk.work(order_id)["status"] == "WORKING"
    desk.track()
    assert desk.document(order_id)["filled_quantity"] == "0"

    still.set_price("BTC/USDT", "59000")
    desk.track()

    document = desk.document(order_id)
    assert document["status"] == "FILLED"
    assert {fill["liquidity"] for fill in document["fills"]} == {"maker"}
    assert_books_match(desk)


def test_a_cancel_ends_what_rests_and_frees_what_it_held(desk: Desk) -> None:
    order_id = desk.limit("-100", quantity="0.2")
    desk.work(order_id)
    assert ours(desk)["USDT"][1] > 0

    desk.cancel(order_id)
    desk.pump(lambda: desk.document(order_id)["status"] == "CANCELED")

    assert ours(desk)["USDT"] == (D(100_000), D(0))
    assert_books_match(desk)


def test_a_send_without_an_answer_is_found_again_and_trades_once(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    order_id = desk.place(quantity="0.1")
    send = DryRunGateway.create_order

    def silent(gateway: DryRunGateway, order: Any) -> Any:
        send(gateway, order)
        raise VenueError(Evidence.AMBIGUOUS, "no answer")

    monkeypatch.setattr(DryRunGateway, "create_order", silent)
    desk.until_sent(order_id)
    monkeypatch.setattr(DryRunGateway, "create_order", send)
    desk.pump(lambda: desk.document(order_id)["status"] == "FILLED")

    assert desk.document(order_id)["filled_quantity"] == "0.1"
    assert_books_match(desk)


def test_a_schedule_runs_to_its_end(desk: Desk) -> None:
    algorithm = {"name": "twap", "duration_s": 60, "slices": 2}
    order_id = desk.place(quantity="0.2", algorithm=algorithm)
    desk.work(order_id)
    desk.pump(lambda: desk.document(order_id)["status"] == "FILLED")

    assert len(desk.children(order_id)) == 2
    assert_books_match(desk)


def test_what_the_paper_balance_can_not_pay_is_denied(desk: Desk) -> None:
    document = desk.work(desk.place(quantity="5"))

    assert document["status"] == "DENIED"


def test_an_account_with_dry_orders_is_not_traded_live_and_nothing_is_concluded_of_them(
    desk: Desk, settings: Settings, still: PaperProcess, monkeypatch: pytest.MonkeyPatch
) -> None:
    order_id = desk.limit("-100", quantity="0.2")
    desk.work(order_id)
    live = Desk(type(desk.runtime)(in_mode(settings, dry_run=False)), still)
    live.runtime.instruments.all_of("paper")
    before = desk.document(order_id)

    said = live.track()
    with pytest.raises(VenueError, match=r"mode dry_run and is configured for live.*venues\.paper-live") as refused:
        live.runtime.gateways.get("paper", "main").balances()
    with pytest.raises(InvalidRequest, match="never share books") as taken:
        live.place(client_order_id="another")

    assert "Nothing is sent" in said
    assert refused.value.evidence is Evidence.NOT_SENT
    assert [error.field for error in taken.value.errors] == ["venue"]
    assert desk.document(order_id) == before
    live.runtime.close()


def test_a_live_order_in_another_mode_waits_and_is_neither_sent_on_paper_nor_lost(
    settings: Settings, still: PaperProcess, monkeypatch: pytest.MonkeyPatch
) -> None:
    live = open_desk(in_mode(settings, dry_run=False), still, monkeypatch)
    order_id = live.limit("-100", quantity="0.1")
    assert live.work(order_id)["status"] == "WORKING"
    dry = Desk(type(live.runtime)(settings), still)
    dry.runtime.instruments.all_of("paper")
    with read(live.engine) as conn:
        assert conn.execute(select(venue_modes.c.mode)).scalar_one() is Mode.LIVE

    said = dry.track()

    assert "Nothing is sent" in said
    assert dry.document(order_id)["child_orders"][0]["status"] == "ACCEPTED"
    live.cancel(order_id)
    live.pump(lambda: live.document(order_id)["status"] == "CANCELED")
    for one in (live, dry):
        one.runtime.close()


def test_an_amendment_is_a_cancel_and_a_further_attempt(desk: Desk) -> None:
    order_id = desk.limit("-100", quantity="0.2")
    desk.work(order_id)

    desk.amend(order_id, price=str(desk.bid() - D(200)))
    desk.pump(lambda: len(desk.children(order_id)) == 2 and desk.children(order_id)[1].status == "ACCEPTED")

    assert [child.status for child in desk.children(order_id)] == ["CANCELED", "ACCEPTED"]
    assert D(desk.document(order_id)["price"]) == desk.bid() - D(200)


def test_many_at_once_place_an_order_once_and_fill_it_once(desk: Desk, still: PaperProcess) -> None:
    gateway = desk.runtime.gateways.get("paper", "main")
    sent = NewOrder(
        symbol="BTC/USDT",
        side=Side.BUY,
        type=OrderType.LIMIT,
        quantity=D("0.5"),
        price=desk.bid() - D(100),
        time_in_force=TimeInForce.GTC,
        post_only=False,
        client_order_id="atonceatonceatonce",
        timestamp=gateway.estimated_time(),
        window_ms=600_000,
    )

    def place(_: int) -> str:
        try:
            return gateway.create_order(sent).venue_order_id
        except VenueError as error:
            return error.evidence.value

    with ThreadPoolExecutor(8) as threads:
        placed = sorted(threads.map(place, range(8)))
        still.set_price("BTC/USDT", "59000")
        list(threads.map(lambda _: gateway.open_orders("BTC/USDT"), range(8)))

    assert placed == ["dry-atonceatonceatonce", *["duplicate"] * 7]
    found = gateway.fetch_order("BTC/USDT", "dry-atonceatonceatonce")
    assert (found.filled_quantity, found.status) == (D("0.5"), VenueStatus.FILLED)
    assert sum(trade.quantity for trade in found.trades) == D("0.5")
    (bitcoin,) = [balance for balance in gateway.balances() if balance.asset == "BTC"]
    assert bitcoin.total == D("1.5") - sum(trade.fee for trade in found.trades)
