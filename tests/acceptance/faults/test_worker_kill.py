"""Every worker dies while orders are on their way, some not taken in yet: each is sent once, and each ends."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping

import psycopg
import pytest
from pytest_celery import CeleryTestSetup

from tests.support.paper import PaperProcess
from tests.support.processes import Process
from tests.support.servers.postgres import libpq
from tests.support.waiting import eventually

pytestmark = [pytest.mark.acceptance, pytest.mark.timeout(600)]

ORDERS = 30
#: How many are answered before the venue answers no more, and how many have to be there before the kill.
ANSWERED = 5
AT_THE_VENUE = 8
#: A step that was cut off is taken over after 30 s; a net.
ENDED_WITHIN_S = 240


def test_orders_of_a_killed_worker_are_each_sent_once_and_filled(
    celery_setup: CeleryTestSetup, beat: Process, venue: PaperProcess, deployment: Mapping[str, str]
) -> None:
    eventually(lambda: _rows(deployment, INSTRUMENTS) > 0, within_s=60, describe="instruments are known")
    sends = {"kind": "latency", "when": "after", "method": "POST", "endpoint": "order"}
    venue.arm({**sends, "delay_ms": [300, 600], "count": ANSWERED}, {**sends, "delay_ms": 120_000})
    for number in range(ORDERS):
        request = {
            "client_order_id": f"kill-{number}", "venue": "paper", "symbol": "BTC/USDT",
            "side": "buy", "type": "market", "quantity": "0.001",
        }  # fmt: skip
        celery_setup.app.send_task("orders.submit", kwargs={"request": request}, queue="orders")

    eventually(lambda: len(venue.orders()) >= AT_THE_VENUE, within_s=60, describe="some orders are at the venue")
    assert _rows(deployment, FILLED) <= ANSWERED, "the others are in every step before that"
    celery_setup.worker.kill()
    venue.disarm()
    celery_setup.worker.restart()

    eventually(
        lambda: _rows(deployment, FILLED) == ORDERS,
        within_s=ENDED_WITHIN_S,
        describe=lambda: f"all are filled: {_statuses(deployment)}",
    )
    assert beat.is_running
    sent = Counter(order["client_order_id"] for order in venue.orders())
    assert len(sent) == ORDERS
    assert set(sent.values()) == {1}


INSTRUMENTS = "SELECT count(*) FROM instrument_sets"
FILLED = "SELECT count(*) FROM orders WHERE status = 'FILLED'"


def _rows(deployment: Mapping[str, str], count: str) -> int:
    with psycopg.connect(libpq(deployment["STEADFILL_DATABASE_URL"])) as connection:
        row = connection.execute(count).fetchone()
    return 0 if row is None else int(row[0])


def _statuses(deployment: Mapping[str, str]) -> dict[str, int]:
    with psycopg.connect(libpq(deployment["STEADFILL_DATABASE_URL"])) as connection:
        return dict(connection.execute("SELECT status, count(*) FROM orders GROUP BY status").fetchall())
