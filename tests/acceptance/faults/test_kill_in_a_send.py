"""The worker dies while the venue works on its request: the order is found, and not sent again."""

from __future__ import annotations

from collections.abc import Mapping

import psycopg
import pytest
from pytest_celery import CeleryTestSetup

from tests.support.paper import PaperProcess
from tests.support.processes import Process
from tests.support.servers.postgres import libpq
from tests.support.waiting import eventually

pytestmark = [pytest.mark.acceptance, pytest.mark.timeout(600)]

KNOWN = "SELECT count(*) FROM instrument_sets"
STATUS = "SELECT status FROM orders"
CAUSES = "SELECT cause FROM transitions WHERE entity = 'child' ORDER BY id"


def test_order_whose_sender_was_killed_in_the_send_is_found_by_the_next(
    celery_setup: CeleryTestSetup, beat: Process, venue: PaperProcess, deployment: Mapping[str, str]
) -> None:
    eventually(lambda: _rows(deployment, KNOWN) != [(0,)], within_s=60, describe="instruments are known")
    venue.arm({"kind": "latency", "when": "after", "endpoint": "order", "method": "POST", "delay_ms": 120_000})
    request = {
        "client_order_id": "killed-in-the-send", "venue": "paper", "symbol": "BTC/USDT",
        "side": "buy", "type": "market", "quantity": "0.001",
    }  # fmt: skip
    celery_setup.app.send_task("orders.submit", kwargs={"request": request}, queue="orders")
    eventually(venue.orders, within_s=60, describe="the venue has the order, and nobody was told")

    celery_setup.worker.kill()
    venue.disarm()
    celery_setup.worker.restart()

    eventually(
        lambda: _rows(deployment, STATUS) == [("FILLED",)],
        within_s=180,
        describe=lambda: f"it is filled: {_rows(deployment, STATUS)} {_rows(deployment, CAUSES)}",
    )
    assert beat.is_running
    assert len(venue.orders()) == 1
    assert ("its sender is gone",) in _rows(deployment, CAUSES)


def _rows(deployment: Mapping[str, str], query: str) -> list[tuple[object, ...]]:
    with psycopg.connect(libpq(deployment["STEADFILL_DATABASE_URL"])) as connection:
        return connection.execute(query).fetchall()
