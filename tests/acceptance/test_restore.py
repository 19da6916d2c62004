"""A damaged database under `steadfill up`: set aside, restored, replayed, reconciled; nothing is lost and nothing twice."""

from __future__ import annotations

import contextlib
import random
import signal
import sqlite3
from collections import Counter
from collections.abc import Iterator
from decimal import Decimal
from pathlib import Path

import pytest
from sqlalchemy import func, select

from settings import PAPER_KEYS, load_settings
from storage.alerts import list_alerts
from storage.engine import make_engine, read
from storage.halts import active_halts
from storage.ledger import invariants
from storage.order_tables import sends
from tasks.backup import examine
from tasks.runtime import Runtime
from tests.acceptance.client import SOON_S, Client, Document
from tests.acceptance.test_up import Home
from tests.support.paper_api import PaperApi
from tests.support.waiting import eventually

pytestmark = [pytest.mark.acceptance, pytest.mark.sqlite_embedded, pytest.mark.timeout(900)]

PAGE = 4096


@pytest.fixture
def home(tmp_path: Path) -> Home:
    made = Home(tmp_path / "home")
    made.env |= {
        "STEADFILL_RECONCILIATION__SECOND_LOOK_S": "1",
        "STEADFILL_VENUES__PAPER__MARKET": "still",  # what rests goes on resting
    }
    return made


@pytest.fixture
def client(home: Home) -> Iterator[Client]:
    """A client of what a test starts, closed however that ends."""
    made = Client(f"http://127.0.0.1:{home.env['STEADFILL_API_PORT']}")
    yield made
    made.close()


def place_at_rest(client: Client) -> Document:
    """A limit order far from the market, once the venue has acknowledged it."""
    order_id = client.place(price="100", quantity="0.1")["id"]

    def acknowledged() -> Document | None:
        shown = client.show(order_id)
        return shown if any(child["venue_order_id"] for child in shown["child_orders"]) else None

    found = eventually(acknowledged, within_s=SOON_S, describe="it rests at the venue")
    assert found is not None
    return found


def overwrite_pages(database: Path) -> None:
    """Every third page of the file, and its log away: as a disk that has lost its mind."""
    for suffix in ("-wal", "-shm"):
        database.with_name(database.name + suffix).unlink(missing_ok=True)
    dice = random.Random(11)
    with database.open("r+b") as file:
        for page in range(1, database.stat().st_size // PAGE, 3):
            file.seek(page * PAGE)
            file.write(dice.randbytes(PAGE))


def test_what_was_answered_comes_back_from_backup_and_journal_and_goes_on(home: Home, client: Client) -> None:
    up = home.up()
    eventually(client.is_ready, within_s=SOON_S, describe="orders are taken")
    before_backup = client.wait_for(client.place()["id"], "FILLED")
    assert home.run("backup").returncode == 0
    resting = place_at_rest(client)
    cancelled = client.place(price="101", quantity="0.1")["id"]
    client.wait_for(cancelled, "WORKING")
    client.cancel(cancelled)
    client.wait_for(cancelled, "CANCELED")
    filled = [client.wait_for(client.place()["id"], "FILLED") for _ in range(3)]
    caught = [client.place() for _ in range(5)]  # on their way when everything ends
    up.kill(signal.SIGKILL, group=False)
    eventually(lambda: not home.pids(), within_s=SOON_S, describe="every piece is gone")
    overwrite_pages(home.folder / "steadfill.db")

    again = home.up()

    assert "is damaged" in again.logs()
    assert "transactions of its journal" in again.logs()
    assert list(home.folder.glob("steadfill.db.set-aside-*"))
    eventually(client.is_ready, within_s=SOON_S, describe="orders are taken")
    for order in [before_backup, *filled]:
        assert same(client.show(order["id"])) == same(order)
    assert (
        client.show(resting["id"])["child_orders"][0]["venue_order_id"] == resting["child_orders"][0]["venue_order_id"]
    )
    assert client.status(cancelled)["status"] == "CANCELED"
    for order in caught:
        client.wait_for(order["id"], "FILLED")
    client.wait_for(client.place()["id"], "FILLED")  # sending goes on by itself
    engine = make_engine(f"sqlite:///{home.folder}/steadfill.db")
    with read(engine) as conn:
        assert active_halts(conn) == []
        assert invariants(conn) == []
    engine.dispose()
    assert_venue_agrees(home, client)
    assert again.stop() == 0


def break_an_index(database: Path) -> None:
    """A page of a table that no order of this deployment needs: everything goes on as if nothing were wrong."""
    with contextlib.closing(sqlite3.connect(f"file:{database}?mode=ro", uri=True)) as connection:
        statement = "SELECT rootpage FROM sqlite_master WHERE type = 'index' AND tbl_name = 'dry_run_trades'"
        (page, *_) = connection.execute(statement).fetchone()
    with database.open("r+b") as file:
        file.seek((page - 1) * PAGE)
        file.write(b"\x5a" * PAGE)


def test_damage_under_a_running_deployment_stops_sends_until_it_is_restored(home: Home, client: Client) -> None:
    up = home.up()
    eventually(client.is_ready, within_s=SOON_S, describe="orders are taken")
    filled = client.wait_for(client.place()["id"], "FILLED")
    resting = place_at_rest(client)

    break_an_index(home.folder / "steadfill.db")
    beside = Runtime(load_settings(home.env))  # beat's own look is an hour away
    assert examine(beside).startswith("DATABASE_CORRUPT: ")
    beside.close()
    eventually(lambda: "is damaged" in halts_of(client), within_s=SOON_S, describe="new sends are halted")
    waiting = client.place()
    eventually(
        lambda: client.status(waiting["id"])["status"] == "VALIDATED", within_s=SOON_S, describe="an order waits"
    )
    assert client.status(resting["id"])["status"] == "WORKING"
    up.send(signal.SIGINT)
    up.wait(within_s=SOON_S)
    engine = make_engine(f"sqlite:///{home.folder}/steadfill.db")
    with read(engine) as conn:
        assert ("DATABASE_CORRUPT", "critical") in {(alert["kind"], alert["severity"]) for alert in list_alerts(conn)}
        assert conn.execute(select(func.count()).select_from(sends)).scalar_one() == 2, "nothing was sent after that"
    engine.dispose()

    again = home.up()

    assert "is damaged" in again.logs()
    assert "INCOMPLETE" not in again.logs()
    eventually(client.is_ready, within_s=SOON_S, describe="orders are taken")
    client.wait_for(waiting["id"], "FILLED")
    assert same(client.show(filled["id"])) == same(filled)
    assert (
        client.show(resting["id"])["child_orders"][0]["venue_order_id"] == resting["child_orders"][0]["venue_order_id"]
    )
    eventually(lambda: halts_of(client) == "none", within_s=SOON_S, describe="nothing is halted any more")
    assert_venue_agrees(home, client)
    assert again.stop() == 0


def halts_of(client: Client) -> str:
    return str(client.http.get("/health").json()["components"]["halts"]["detail"])


def same(document: Document) -> Document:
    return {name: value for name, value in document.items() if name not in ("updated_at", "version")}


def assert_venue_agrees(home: Home, client: Client) -> None:
    """One order at the venue per client id, each trade in one of our fills, and its balances are ours."""
    orders = list(client.orders())
    ours = {
        fill["venue_trade_id"]: Decimal(fill["quantity"])
        for order in orders
        for fill in client.show(order["id"])["fills"]
    }
    url = f"http://127.0.0.1:{home.paper_port}"
    with PaperApi(url, key=PAPER_KEYS["api_key"], secret=PAPER_KEYS["secret"]) as venue:
        theirs = venue.signed("GET", "allOrders", symbol="BTCUSDT").body
        trades = venue.signed("GET", "myTrades", symbol="BTCUSDT").body
        balances = venue.signed("GET", "account").body["balances"]
    assert max(Counter(order["clientOrderId"] for order in theirs).values()) == 1
    assert len(theirs) == len(orders)
    assert ours == {str(trade["id"]): Decimal(trade["qty"]) for trade in trades}
    totals = {found["asset"]: Decimal(found["free"]) + Decimal(found["locked"]) for found in balances}
    for held in client.balances():
        assert Decimal(held["total"]) == totals[held["asset"]], held
