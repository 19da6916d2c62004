"""``steadfill reconcile`` and ``breaks`` against a running deployment: a run over beat, broker, workers and the venue."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from tests.acceptance.deployment import Deployment
from tests.acceptance.stacks import RABBITMQ, SQLITE, on
from tests.support.processes import ROOT, clean_environment

pytestmark = [pytest.mark.acceptance, pytest.mark.timeout(600)]

#: one that nothing else trades, so that its freeze meets no other test
ASSET = "DOGE"


def command(deployment: Deployment, *arguments: str) -> str:
    done = subprocess.run(
        [sys.executable, "-m", "cli.main", *arguments],
        check=False,
        env={**clean_environment(), **deployment.env},
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=400,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


def reconcile(deployment: Deployment, *more: str) -> dict[str, Any]:
    arguments = ("--venue", "paper", "--account", "main", "--wait-s", "300", "--json", *more)
    document: dict[str, Any] = json.loads(command(deployment, "reconcile", *arguments))
    (account,) = document["accounts"]
    assert (document["status"], account["stage"]) == ("done", "done"), document
    return {one["asset"]: one for one in document["breaks"]}


@on(SQLITE, RABBITMQ)
def test_a_difference_is_found_frozen_accepted_and_gone(deployment: Deployment, tmp_path: Path) -> None:
    client, page = deployment.client, tmp_path / "report.html"
    client.wait_for(client.place(quantity="0.005")["id"], "FILLED")
    deployment.venue.deposit("main", ASSET, "7")

    one = reconcile(deployment, "--html", str(page))[ASSET]
    listed = json.loads(command(deployment, "breaks", "list", "--json"))["items"]
    accepted = json.loads(command(deployment, "breaks", "accept", one["id"], "--note", "a gift", "--json"))
    again = reconcile(deployment)

    assert (one["kind"], one["difference"], one["severity"], one["frozen"]) == ("balance", "7", "critical", True)
    assert one["id"] in {each["id"] for each in listed}
    assert one["id"] in page.read_text()
    assert (accepted["status"], accepted["decision"]["note"], accepted["frozen"]) == ("accepted", "a gift", False)
    assert [(row["asset"], row["amount"]) for row in accepted["posted"]] == [(ASSET, "7")]
    assert ASSET not in again
    (held,) = [held for held in client.balances() if (held["account"], held["asset"]) == ("main", ASSET)]
    assert (held["total"], held["available"]) == ("7", "7")
    assert "accepted" in command(deployment, "breaks", "show", one["id"])
