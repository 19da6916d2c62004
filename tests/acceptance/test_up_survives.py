"""`steadfill up` under load: each of its processes is killed, and it itself; every order ends, and is at the venue once."""

from __future__ import annotations

import os
import signal
import sys
from collections.abc import Iterable, Iterator
from itertools import count
from pathlib import Path
from typing import Any

import httpx
import pytest

from tests.acceptance.audit import differences
from tests.acceptance.client import FINAL, Document
from tests.acceptance.test_up import Home, alive, gone
from tests.support.processes import Process
from tests.support.stacks import Stack
from tests.support.waiting import eventually

pytestmark = [pytest.mark.acceptance, pytest.mark.timeout(600)]

#: seconds for what takes a few on an idle machine
SOON_S = 120.0

ROLES = {"paper", "worker-steps", "worker-venue", "worker-urgent", "beat", "api"}


class Trading:
    """A caller that sends the same request until it is answered, and the venue's own account of what came of it."""

    def __init__(self, home: Home) -> None:
        self._api = httpx.Client(base_url=f"http://127.0.0.1:{home.env['STEADFILL_API_PORT']}", timeout=60)
        self._venue = httpx.Client(base_url=f"http://127.0.0.1:{home.paper_port}/paper", timeout=60)
        self._numbers = count(1)
        self.placed: list[str] = []

    def close(self) -> None:
        self._api.close()
        self._venue.close()

    def place(self, orders: int) -> None:
        for _ in range(orders):
            self.placed.append(self._placed())

    def _placed(self) -> str:
        request = {
                "client_order_id": f"up-{next(self._numbers)}", "venue": "paper", "symbol": "BTC/USDT", "side": "buy",
                "type": "market", "quantity": "0.0005",
            }  # fmt: skip
        document = eventually(lambda: self._taken(request), within_s=SOON_S, describe="the order is taken")
        return str(document["id"])

    def all_filled_once(self) -> None:
        eventually(
            lambda: all(order["status"] in FINAL for order in self._orders()),
            within_s=SOON_S,
            describe=lambda: f"all have ended: {[(order['id'], order['status']) for order in self._orders()]}",
        )
        ours = self._orders()
        assert {order["id"] for order in ours} == set(self.placed)
        assert {order["status"] for order in ours} == {"FILLED"}
        assert list(differences(ours, self._venue.get("/orders").json())) == []

    def _taken(self, request: dict[str, str]) -> Document | None:
        try:
            answer = self._api.post("/v1/orders", json=request)
        except httpx.TransportError:
            return None
        return answer.json() if answer.status_code in (200, 201) else None

    def _orders(self) -> list[Document]:
        """As the API has them; none while it is down."""
        try:
            answer = self._api.get("/v1/orders", params={"limit": 500})
        except httpx.TransportError:
            return [{"id": "unknown", "status": "the API is down"}]
        if answer.status_code != 200:
            return [{"id": "unknown", "status": f"the API answers {answer.status_code}"}]
        items: list[dict[str, Any]] = answer.json()["items"]
        return items


@pytest.fixture
def home(stack: Stack, tmp_path: Path) -> Home:
    """On one of the three stacks."""
    made = Home(tmp_path / "home")
    made.env.update(stack.env)
    return made


def pieces_of(home: Home) -> set[str]:
    return ROLES | (set() if "STEADFILL_BROKER_URL" in home.env else {"broker"})


def up(home: Home) -> Process:
    """Started, and everything answers: however long that takes on a machine that is busy."""
    process = home.begin()
    process.wait_until(lambda: " ready: " in process.logs(), within_s=2 * SOON_S, why="up is ready")
    return process


@pytest.fixture
def trading(home: Home) -> Iterator[Trading]:
    made = Trading(home)
    yield made
    made.close()


def replaced(home: Home, before: dict[str, int], names: Iterable[str]) -> None:
    """Wait until everything runs, these in new processes."""
    wanted = set(names)

    def back() -> bool:
        now = home.pids()
        return set(now) == set(before) and all(now[name] != before[name] for name in wanted)

    eventually(back, within_s=SOON_S, describe=lambda: f"{wanted} again: {before} {home.pids()}")


def test_each_piece_is_killed_in_turn_and_no_order_is_lost_or_doubled(home: Home, trading: Trading) -> None:
    running = up(home)
    assert set(home.pids()) == pieces_of(home)
    for name in sorted(pieces_of(home)):
        trading.place(3)
        before = home.pids()

        os.kill(before[name], signal.SIGKILL)

        trading.place(2)
        replaced(home, before, [name])
    trading.all_filled_once()
    assert running.stop(within_s=SOON_S) == 0


@pytest.mark.parametrize("stack", ["sqlite-embedded", "postgres-redis"], indirect=True)
def test_all_pieces_are_killed_at_once_with_orders_in_every_step(home: Home, trading: Trading) -> None:
    running = up(home)
    trading.place(8)
    before = home.pids()

    for pid in before.values():
        os.kill(pid, signal.SIGKILL)

    replaced(home, before, before)
    trading.place(2)
    trading.all_filled_once()
    assert running.stop(within_s=SOON_S) == 0


@pytest.mark.skipif(
    sys.platform != "linux", reason="elsewhere nothing ends the pieces of a killed `up` before the next"
)
@pytest.mark.parametrize("stack", ["sqlite-embedded", "postgres-redis"], indirect=True)
def test_up_that_is_killed_leaves_no_second_set_when_the_next_starts_at_once(home: Home, trading: Trading) -> None:
    first = up(home)
    trading.place(6)
    before = home.pids()

    first.kill(signal.SIGKILL, group=False)
    second = up(home)

    after = home.pids()
    assert set(after) == pieces_of(home)
    assert not set(before.values()) & set(after.values()) - {before.get("broker")}
    gone(*(pid for name, pid in before.items() if after[name] != pid))
    assert all(alive(pid) for pid in after.values())
    trading.place(2)
    trading.all_filled_once()
    assert second.stop(within_s=SOON_S) == 0
    gone(*after.values())
