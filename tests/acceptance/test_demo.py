"""`steadfill demo`: its verdict is good on a correct system, and nothing of it is left, however it ends."""

from __future__ import annotations

import json
import re
import signal
import sys
from pathlib import Path

import pytest

from ops import state
from ops.process import start_marker
from tests.support.processes import Process
from tests.support.waiting import eventually

pytestmark = [pytest.mark.acceptance, pytest.mark.sqlite_embedded, pytest.mark.timeout(600)]

DEMO = [sys.executable, "-m", "cli.main", "demo"]

#: a net under start, 88 s of trading at most, and the end, in seconds
WHOLE_DEMO_S = 480.0


@pytest.fixture
def demo(tmp_path):
    """A demo with its temporary folder below the test's, and a configuration that it has to leave alone."""
    folder = tmp_path / "tmp"
    folder.mkdir()
    elsewhere = {
        "STEADFILL_HOME": str(tmp_path / "real"),
        "STEADFILL_API_PORT": "1",
        "STEADFILL_BROKER_URL": "redis://127.0.0.1:1/0",
    }

    def begin(*options: str) -> Process:
        return Process([*DEMO, *options], log=tmp_path / "demo.log", env={"TMPDIR": str(folder), **elsewhere}).start()

    yield begin
    assert not (tmp_path / "real").exists()


def home_of(demo: Process) -> Path:
    found = eventually(
        lambda: re.search(r"deployment of its own in (\S+)", demo.logs()),
        within_s=120,
        describe="the demo names its folder",
    )
    return Path(found[1])


def test_demo_ends_with_a_good_verdict_and_leaves_nothing(demo, tmp_path):
    running = demo("--json")

    status = running.wait(within_s=WHOLE_DEMO_S)

    output = running.logs()
    verdict = json.loads(output[output.index("{") :])
    assert (status, verdict["good"]) == (0, True), output
    figures = {check["name"]: check["figure"] for check in verdict["checks"]}
    assert figures["orders sent twice"].startswith("0 (of ")
    assert figures["orders lost"] == "0 (of 48 accepted)"
    booked, traded = figures["fills booked = fills at the venue"].split(" = ")
    assert int(booked) == int(traded) >= 20
    assert all(status in figures["final statuses agree"] for status in ("FILLED", "CANCELED", "DENIED", "REJECTED"))
    assert figures["trouble survived"].startswith("1 worker killed with SIGKILL; faults: ")
    assert list((tmp_path / "tmp").iterdir()) == []


def test_ctrl_c_ends_a_demo_and_everything_it_started(demo, tmp_path):
    running = demo()
    home = home_of(running)
    running.wait_until(lambda: "demo-003" in running.logs(), within_s=120, why="orders are traded")
    records = state.records(home)

    running.send(signal.SIGINT)

    assert running.wait(within_s=120) == 1
    assert "Traceback" not in running.logs()
    assert len(records) == 7
    assert not any(record.running for record in records)
    assert list((tmp_path / "tmp").iterdir()) == []


@pytest.mark.skipif(sys.platform != "linux", reason="needs PR_SET_PDEATHSIG")
def test_kill_9_of_a_demo_leaves_no_process(demo):
    running = demo()
    home = home_of(running)
    records = eventually(
        lambda: found if len(found := state.records(home)) == 7 else None, within_s=120, describe="every piece started"
    )

    running.kill(signal.SIGKILL, group=False)

    pids = {record.pid for record in records} | {record.supervisor for record in records}
    eventually(
        lambda: all(start_marker(pid) is None for pid in pids), within_s=120, describe="the end of what it started"
    )
