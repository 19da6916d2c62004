"""A process dies at a stage, under `steadfill up`: the order goes on and ends, sent once, on every stack.

How soon it goes on is measured by tests/bench/bench_recovery.py; here only that it does.
"""

from __future__ import annotations

import contextlib
import os
import signal
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

from tests.acceptance.client import Document
from tests.support.recovery import Watched
from tests.support.stacks import STACKS, Stack
from tests.support.waiting import eventually

pytestmark = [pytest.mark.acceptance, pytest.mark.timeout(900)]

#: a net under hangs, in seconds
ENDED_S = 180.0

SQLITE, REDIS, _ = STACKS

#: A short lease, so that less has to be waited out; and no order gets too old to be sent, however slow the machine.
SHORT_WINDOWS = "[execution]\nlease_ms = 1000\nmax_age_s = 3600\n"

#: stage → how the process dies there: a pool's child, the prefork worker, the workers with threads
KILLS = {
    "validate.checked": "1*kill",
    "validate.committed": "1*kill_parent",
    "prepare.held": "1*kill",
    "commit.intent.committed": "1*kill",
    "venue.post.written": "1*kill",
    "settle.fill.posted": "1*kill",
}


@pytest.fixture
def deployment(stack: Stack, tmp_path: Path) -> Iterator[Watched]:
    made = Watched(tmp_path / "deployment", stack.env, configuration=SHORT_WINDOWS)
    try:
        made.start()
        made.wait_until_ready()
        yield made
    finally:
        made.stop()


def test_each_process_is_killed_in_turn_and_every_order_ends_filled_once(deployment: Watched) -> None:
    for stage, how in KILLS.items():
        deployment.arm({stage: how})
        order_id = str(deployment.client.place()["id"])
        deployment.wait_for(stage)
        _assert_ended(deployment, order_id, "FILLED")

    deployment.arm({"intake.committed": "1*kill"})
    request = deployment.client.request()
    with contextlib.suppress(httpx.HTTPError):  # the API dies before its answer
        deployment.client.post(request)
    deployment.wait_for("intake.committed")
    deployment.wait_until_ready()
    again = deployment.client.post(request)
    assert again.status_code == 200, again.text
    _assert_ended(deployment, again.json()["id"], "FILLED")


def test_a_cancel_goes_on_when_the_one_who_cancels_dies(deployment: Watched) -> None:
    for stage in ("withdraw.claimed", "withdraw.canceled"):
        order_id = str(deployment.client.place(price="1000", quantity="0.01")["id"])
        deployment.client.wait_for(order_id, "WORKING", within_s=ENDED_S)
        deployment.arm({stage: "1*kill"})
        deployment.client.cancel(order_id)
        deployment.wait_for(stage)
        _assert_ended(deployment, order_id, "CANCELED")


def test_a_send_without_an_answer_is_found_when_the_relay_and_the_one_who_looks_die(deployment: Watched) -> None:
    for stage in ("publish.claimed", "lookup.timed"):
        lost = {"kind": "drop", "when": "after", "endpoint": "order", "method": "POST", "count": 1}
        deployment.venue.arm(lost)
        deployment.arm({stage: "1*kill"})
        order_id = str(deployment.client.place()["id"])
        deployment.wait_for(stage)
        _assert_ended(deployment, order_id, "FILLED")


def test_a_power_cut_leaves_nothing_behind(deployment: Watched) -> None:
    for stage in ("prepare.quoted", "commit.sending"):
        deployment.arm({stage: "1*sleep(600000)"})
        order_id = str(deployment.client.place()["id"])
        deployment.wait_for(stage)
        deployment.kill_everything()
        deployment.disarm()
        deployment.start()
        deployment.wait_until_ready()
        _assert_ended(deployment, order_id, "FILLED")


@pytest.mark.parametrize("stack", [SQLITE, REDIS], indirect=True)
def test_a_worker_that_was_stopped_in_a_send_wakes_up_and_does_no_harm(stack: Stack, tmp_path: Path) -> None:
    """Its message and its claim are another's by then; its request, signed long ago, is refused by the venue."""
    deployment = Watched(tmp_path / "deployment", stack.env, configuration=SHORT_WINDOWS, venue_workers=2)
    try:
        deployment.start()
        deployment.wait_until_ready()
        # Both wait for messages, so that either may be the one that goes on.
        deployment.client.wait_for(deployment.client.place()["id"], within_s=ENDED_S)
        deployment.arm({"commit.sending": "1*stop->print", "commit.failed": "print", "commit.answered": "print"})

        order_id = str(deployment.client.place()["id"])
        stopped = deployment.wait_for("commit.sending")
        document = deployment.client.wait_for(order_id, within_s=ENDED_S)
        assert document["status"] == "FILLED"
        os.kill(stopped.pid, signal.SIGCONT)
        eventually(
            lambda: any(hit.pid == stopped.pid for hit in deployment.hits("commit.failed", "commit.answered")),
            within_s=ENDED_S,
            describe="the one that was stopped has its answer",
        )

        assert _assert_ended(deployment, order_id, "FILLED")["fills"] == document["fills"]
    finally:
        deployment.stop()


def _assert_ended(deployment: Watched, order_id: str, status: str) -> Document:
    """It ends like this, and the venue has one order of it."""
    document = deployment.client.wait_for(order_id, within_s=ENDED_S)
    assert document["status"] == status, deployment.client.story(order_id)
    (child,) = document["child_orders"]
    client_id = child["venue_client_order_id"]
    at_venue = [order for order in deployment.venue.orders() if order["client_order_id"] == client_id]
    assert len(at_venue) == 1, deployment.client.story(order_id)
    return document
