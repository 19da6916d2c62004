"""``steadfill report`` beside a running deployment: the same figures as the order's document, and its parts."""

from __future__ import annotations

import csv
import io
import json
import subprocess
import sys
from decimal import Decimal
from pathlib import Path

import pytest

from tests.acceptance.deployment import Deployment
from tests.acceptance.stacks import RABBITMQ, SQLITE, on
from tests.support.processes import ROOT, clean_environment

pytestmark = [pytest.mark.acceptance, pytest.mark.timeout(600)]


def report(deployment: Deployment, *arguments: str) -> str:
    """What the command writes."""
    done = subprocess.run(
        [sys.executable, "-m", "cli.main", "report", *arguments],
        check=False,
        env={**clean_environment(), **deployment.env},
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=120,
    )
    assert (done.returncode, done.stderr) == (0, "")
    return done.stdout


@on(SQLITE, RABBITMQ)
def test_what_an_order_cost_is_reported_while_the_deployment_runs(deployment: Deployment, tmp_path: Path):
    client, page = deployment.client, tmp_path / "order.html"
    mark = client.new_id()
    placed = client.place(quantity="0.005", decision_price="61900", tags={"mark": mark})
    document = client.wait_for(placed["id"], "FILLED")

    found = json.loads(report(deployment, document["client_order_id"], "--json"))
    said = report(deployment, document["id"], "--html", str(page))
    (group,) = csv.DictReader(io.StringIO(report(deployment, "--by", "tag:mark", "--tag", f"mark={mark}", "--csv")))

    parts = found["shortfall"]
    assert (found["order_id"], found["slippage_bps"]) == (document["id"], document["slippage_bps"])
    assert found["average_price"] == document["average_price"]
    assert Decimal(parts["total"]) == sum(Decimal(parts[name]) for name in ("delay", "impact", "opportunity", "fees"))
    assert (group["tag:mark"], group["orders"], group["shortfall_total"]) == (mark, "1", parts["total"])
    assert str(page) in said
    assert page.read_text().count("<svg") == 2
