"""Streams with real processes: fills are heard, a listener that is killed or cut off costs nothing, and it comes back."""

from __future__ import annotations

import os
import signal
from collections.abc import Iterator
from itertools import count
from pathlib import Path
from typing import Any

import httpx
import pytest

from ops.state import records
from settings.keys import PAPER_KEYS
from tests.acceptance.audit import differences
from tests.acceptance.client import FINAL, Document
from tests.acceptance.test_up import Home
from tests.support.waiting import eventually

pytestmark = [pytest.mark.acceptance, pytest.mark.sqlite_embedded, pytest.mark.timeout(900)]

#: seconds for what takes a few on an idle machine
SOON_S = 120.0
#: Orders until one fill is heard before polling finds it: a machine that stands still may let polling go first.
MOST_TRIES = 40


class Streamed:
    """A deployment whose paper venue streams, and hardly polls while that is healthy."""

    def __init__(self, home: Home) -> None:
        self.home = home
        self.api = httpx.Client(base_url=f"http://127.0.0.1:{home.env['STEADFILL_API_PORT']}", timeout=60)
        self.venue = httpx.Client(base_url=f"http://127.0.0.1:{home.paper_port}/paper", timeout=60)
        self._numbers = count(1)

    def close(self) -> None:
        self.api.close()
        self.venue.close()

    def admin(self, page: str, **body: Any) -> None:
        self.venue.post(f"/{page}", json=body).raise_for_status()

    def stream(self) -> dict[str, Any]:
        (item,) = self.api.get("/v1/venues").raise_for_status().json()["items"]
        found: dict[str, Any] = item["stream"]
        return found

    def is_healthy(self) -> bool:
        return bool(self.stream()["healthy"])

    def rest(self) -> str:
        """An order that rests below the market; its id."""
        request = {
            "client_order_id": f"streamed-{next(self._numbers)}", "venue": "paper", "symbol": "BTC/USDT",
            "side": "buy", "type": "limit", "price": "61000", "quantity": "0.001",
        }  # fmt: skip
        taken = eventually(
            lambda: answer if (answer := self.api.post("/v1/orders", json=request)).is_success else None,
            within_s=SOON_S,
            describe="the order is taken",
        )
        order_id = str(taken.json()["id"])
        eventually(
            lambda: [child["status"] for child in self.document(order_id)["child_orders"]] == ["ACCEPTED"],
            within_s=SOON_S,
            describe=lambda: f"it rests: {self.document(order_id)}",
        )
        return order_id

    def fill(self) -> None:
        """The market comes down to what rests, and goes back."""
        self.admin("price", symbol="BTC/USDT", price="60990")
        self.admin("price", symbol="BTC/USDT", price="62000")

    def filled(self, order_id: str) -> str:
        """Wait for its fill; what told of it."""
        eventually(
            lambda: self.document(order_id)["status"] == "FILLED",
            within_s=SOON_S,
            describe=lambda: f"it is filled: {self.document(order_id)} {self.stream()}",
        )
        moves = self.api.get(f"/v1/orders/{order_id}/timeline").json()
        moves = moves["items"] if isinstance(moves, dict) else moves
        (told,) = [move["cause"] for move in moves if move["entity"] == "child" and move["to"] == "FILLED"]
        return str(told)

    def hear_a_fill(self) -> None:
        """Fill orders until one of their fills came by the stream before a poll."""
        for _ in range(MOST_TRIES):
            eventually(self.is_healthy, within_s=SOON_S, describe=lambda: f"the stream is healthy: {self.stream()}")
            order_id = self.rest()
            self.fill()
            if self.filled(order_id).startswith("stream"):
                return
        raise AssertionError(f"no fill was heard in {MOST_TRIES} orders: {self.stream()}")

    def document(self, order_id: str) -> Document:
        found: Document = self.api.get(f"/v1/orders/{order_id}").raise_for_status().json()
        return found

    def orders(self) -> list[Document]:
        found: list[Document] = self.api.get("/v1/orders", params={"limit": 500}).raise_for_status().json()["items"]
        return found


def pids(streamed: Streamed) -> dict[str, int]:
    """As `ps` says, without a process for each look."""
    return {record.name: record.pid for record in records(streamed.home.folder) if record.running}


@pytest.fixture
def streamed(tmp_path: Path) -> Iterator[Streamed]:
    home = Home(tmp_path / "home")
    home.env |= {"STEADFILL_VENUES__PAPER__STREAMS": "true", "STEADFILL_VENUES__PAPER__STREAM_POLL_MS": "60000"}
    made = Streamed(home)
    yield made
    made.close()


def test_fills_are_heard_and_none_is_lost_when_the_listener_is_killed_or_cut_off(streamed: Streamed):
    up = streamed.home.begin()
    up.wait_until(lambda: " ready: " in up.logs(), within_s=2 * SOON_S, why="up is ready")
    streamed.admin("pause-market", paused=True)
    eventually(lambda: "stream" in pids(streamed), within_s=SOON_S, describe="the piece that listens")

    streamed.hear_a_fill()

    # Killed between the order and its fill: whoever is faster, a poll or the next listener, books it once.
    killed = pids(streamed)["stream"]
    order_id = streamed.rest()
    os.kill(killed, signal.SIGKILL)
    streamed.fill()
    streamed.filled(order_id)
    eventually(lambda: pids(streamed).get("stream", killed) != killed, within_s=SOON_S, describe="another listener")
    streamed.hear_a_fill()

    # Cut off instead of the event of the fill: nobody ever tells of it again, and it is polled at once.
    streamed.admin(
        "faults", arm=[{"kind": "stream", "form": "drop", "endpoint": "executionReport", "skip": 1, "count": 1}]
    )
    order_id = streamed.rest()
    streamed.fill()
    streamed.filled(order_id)
    streamed.hear_a_fill()
    eventually(
        lambda: (
            streamed.api.get("/health").json()["components"]["streams"]["status"] == "ok"
            and 'steadfill_stream_connected{account="main",venue="paper"} 1.0' in streamed.api.get("/metrics").text
        ),
        within_s=SOON_S,
        describe=lambda: f"health and metrics say that it is up: {streamed.stream()}",
    )

    ours = streamed.orders()
    assert {order["status"] for order in ours} <= FINAL
    assert list(differences(ours, streamed.venue.get("/orders").json())) == []
    log = (streamed.home.folder / "logs" / "stream.log").read_text()
    assert not any(key in log for key in PAPER_KEYS.values())
    up.stop()
