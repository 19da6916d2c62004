"""What the venue acknowledged survives kill -9, and its log says what happened."""

from __future__ import annotations

import json
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
import requests

from exchanges.paper.journal import (
    FILE_NAME,
    read_balances,
    read_orders,
    read_requests,
    read_state,
    read_trades,
    sent_twice,
)
from tests.support.paper import ROOT, PaperProcess
from tests.support.paper_api import PaperApi


def trade_a_little(venue: PaperProcess, api: PaperApi) -> None:
    """A fill, a partial fill, a resting order, a cancelled one, an expired one and a refused one."""
    api.order("BUY", "0.5", newClientOrderId="filled")
    api.order("SELL", "1", "63000", newClientOrderId="partial")
    venue.set_price("BTCUSDT", "63500", quantity="0.25")
    venue.set_price("BTCUSDT", "62000")
    api.order("BUY", "0.01", "50000", newClientOrderId="resting")
    api.order("BUY", "0.01", "50000", newClientOrderId="cancelled")
    api.cancel("cancelled")
    api.order("BUY", "0.01", "40000", newClientOrderId="expired", timeInForce="IOC")
    api.order("BUY", "0.01", "50000", newClientOrderId="resting")


def everything(venue: PaperProcess, api: PaperApi) -> dict[str, Any]:
    """What a customer can see of the past, times included."""
    return {
        "orders": api.signed("GET", "allOrders", symbol="BTCUSDT").body,
        "open": api.signed("GET", "openOrders").body,
        "trades": api.my_trades(),
        "balances": api.signed("GET", "account").body["balances"],
        "admin": venue.orders(),
    }


def test_kill_and_restart_keeps_everything(venue: PaperProcess, api: PaperApi) -> None:
    trade_a_little(venue, api)
    before = everything(venue, api)

    venue.restart()
    venue.pause_market()

    assert everything(venue, api) == before
    assert api.order("BUY", "0.01", "50000").body["orderId"] == len(before["orders"]) + 1
    assert api.order("BUY", "0.01").body["fills"][0]["tradeId"] == before["trades"][-1]["id"] + 1


def test_resting_order_fills_after_a_restart_in_its_old_priority(venue: PaperProcess, api: PaperApi) -> None:
    api.order("BUY", "0.1", "50000", newClientOrderId="early")
    api.order("BUY", "0.1", "50000", newClientOrderId="late")
    venue.restart()
    venue.pause_market()

    venue.set_price("BTCUSDT", "49000", quantity="0.15")

    assert [api.find(name).body["executedQty"] for name in ("early", "late")] == ["0.10000000", "0.05000000"]


def test_torn_last_line_is_left_out_and_cut_away(venue: PaperProcess, api: PaperApi) -> None:
    trade_a_little(venue, api)
    before = everything(venue, api)
    venue.kill()
    journal = venue.home / FILE_NAME
    with journal.open("ab") as file:
        file.write(b'[{"at":1,"event":"order","symb')

    assert len(read_orders(venue.home)) == len(before["orders"])
    venue.start()
    venue.pause_market()

    assert everything(venue, api) == before
    assert all(json.loads(line) for line in journal.read_text().splitlines())


def test_every_acknowledged_order_is_in_the_journal_after_a_kill_under_load(venue: PaperProcess) -> None:
    acknowledged: list[str] = []

    def place(worker: int) -> None:
        with PaperApi(venue.url) as api:
            for number in range(2000):
                try:
                    answer = api.order("BUY", "0.001", newClientOrderId=f"w{worker}-{number}")
                except requests.exceptions.RequestException:
                    return
                if answer.status == 200:
                    acknowledged.append(answer.body["clientOrderId"])

    workers = [threading.Thread(target=place, args=(worker,)) for worker in range(3)]
    for worker in workers:
        worker.start()
    while len(acknowledged) < 100:
        assert any(worker.is_alive() for worker in workers)
    venue.kill()
    for worker in workers:
        worker.join()

    orders = read_orders(venue.home)
    assert set(acknowledged) <= {order.client_order_id for order in orders}
    assert sent_twice(orders) == []
    assert len(orders) - len(acknowledged) <= len(workers)


def test_journal_readers_tell_the_whole_story(venue: PaperProcess, api: PaperApi) -> None:
    trade_a_little(venue, api)

    orders = {order.client_order_id: order for order in read_orders(venue.home)}
    trades = read_trades(venue.home)

    assert {name: order.status for name, order in orders.items()} == {
        "filled": "FILLED",
        "partial": "PARTIALLY_FILLED",
        "resting": "NEW",
        "cancelled": "CANCELED",
        "expired": "EXPIRED",
    }
    assert orders["partial"].executed == Decimal("0.25")
    assert orders["partial"].executed_quote == Decimal(15750)
    assert sum(trade.quantity for trade in trades if trade.client_order_id == "filled") == Decimal("0.5")
    assert [trade for order in orders.values() for trade in order.trades] == trades
    assert {(trade.fee_asset, trade.is_maker) for trade in trades} == {("BTC", False), ("USDT", True)}
    refused = [request for request in read_requests(venue.home) if request.code]
    assert [(request.client_order_id, request.code, request.message) for request in refused] == [
        ("resting", -2010, "Duplicate order sent.")
    ]
    balances = venue.state()["balances"]["main"]
    free, locked = read_balances(venue.home)["main", "USDT"]
    assert (str(free), str(locked)) == (balances["USDT"]["free"], balances["USDT"]["locked"])


def test_client_id_sent_twice_is_found(start_venue: Callable[..., PaperProcess]) -> None:
    venue = start_venue()
    with PaperApi(venue.url) as api:
        for name in ("once", "twice", "twice"):
            api.order("BUY", "0.01", newClientOrderId=name)

    assert sent_twice(read_orders(venue.home)) == ["twice"]


def test_no_key_or_secret_reaches_the_journal_or_the_admin_side(venue: PaperProcess, api: PaperApi) -> None:
    trade_a_little(venue, api)
    PaperApi(venue.url, "paper-key", "wrong").order("BUY", "1")

    seen = (venue.home / FILE_NAME).read_text() + json.dumps([venue.health(), venue.state(), venue.orders()])

    assert "paper-key" not in seen
    assert "paper-secret" not in seen
    assert "signature" not in seen


def test_stop_is_clean_and_leaves_no_port_file(start_venue: Callable[..., PaperProcess]) -> None:
    venue = start_venue()
    assert int((venue.home / "port").read_text()) == venue.port

    assert venue.stop() == 0
    assert not (venue.home / "port").exists()


def test_two_venues_do_not_share_a_journal(venue: PaperProcess, capfd: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(AssertionError, match="did not start"):
        PaperProcess(venue.home).start()

    assert "is written by another paper venue" in capfd.readouterr().err
    assert venue.alive


def test_reader_of_a_missing_journal_finds_nothing(tmp_path: Path) -> None:
    assert read_orders(tmp_path) == []
    assert read_state(tmp_path / FILE_NAME).balances == {}


def test_venue_ends_with_whoever_started_it(tmp_path: Path) -> None:
    program = (
        "import os, signal, sys\n"
        "from pathlib import Path\n"
        "from tests.support.paper import PaperProcess\n"
        f"venue = PaperProcess(Path({str(tmp_path)!r})).start()\n"
        "print(venue.port, flush=True)\n"
        "os.kill(os.getpid(), signal.SIGKILL)\n"
    )
    starter = subprocess.run([sys.executable, "-c", program], cwd=ROOT, stdout=subprocess.PIPE, text=True, check=False)
    port = int(starter.stdout)

    def listens() -> bool:
        with socket.socket() as probe:
            return probe.connect_ex(("127.0.0.1", port)) == 0

    deadline = time.monotonic() + 60
    while listens():
        assert time.monotonic() < deadline, "the venue outlived its starter"
        time.sleep(0.02)
