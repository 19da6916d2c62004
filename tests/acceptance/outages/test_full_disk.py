"""The disk of an embedded deployment is full: database, broker and logs. It says so, and goes on when there is room."""

from __future__ import annotations

import contextlib
import shutil
import sys
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import httpx
import pytest

from storage.engine import make_engine
from tests.acceptance.audit import audit
from tests.acceptance.client import Client
from tests.acceptance.deployment import CONFIGURATION
from tests.acceptance.outages.conftest import PATIENCE_S
from tests.support.paper import PaperProcess
from tests.support.processes import Process, free_port
from tests.support.small_disk import SmallDisk, mounted
from tests.support.waiting import eventually

pytestmark = [pytest.mark.acceptance, pytest.mark.sqlite_embedded, pytest.mark.timeout(900)]

COPY = "import sqlite3, sys; sqlite3.connect(sys.argv[1]).execute('VACUUM INTO ?', sys.argv[2:])"

#: more than a fresh deployment takes, and little to fill
DISK_MB = 48


def test_full_disk_stops_intake_and_nothing_that_was_taken_is_lost(tmp_path: Path):
    home, port = tmp_path / "home", free_port()
    home.mkdir()
    (tmp_path / "steadfill.toml").write_text(CONFIGURATION)
    with PaperProcess(tmp_path / "venue") as venue:
        env = {
            "STEADFILL_HOME": str(home),
            "STEADFILL_CONFIG": str(tmp_path / "steadfill.toml"),
            "STEADFILL_API_PORT": str(port),
            "STEADFILL_VENUES__PAPER__BASE_URL": venue.url,
        }
        command = mounted(home, DISK_MB, ["steadfill", "up", "--only", "broker,worker,beat,api"])
        up = Process(command, log=tmp_path / "up.log", env=env)
        client = Client(f"http://127.0.0.1:{port}")
        client.http.timeout = httpx.Timeout(60.0)
        with up, contextlib.closing(client):
            up.wait_until(client.is_ready, within_s=PATIENCE_S, why="orders are taken")
            disk = SmallDisk(up, home)
            order_ids = [client.place()["id"]]

            disk.fill()
            refused, request, taken = place_until_refused(client)
            order_ids += taken
            eventually(lambda: "starting it again" in up.logs(), within_s=PATIENCE_S, describe="the broker gave up")
            disk.make_room()
            eventually(
                lambda: client.post(request).status_code in (200, 201),
                within_s=PATIENCE_S,
                describe=lambda: f"orders are taken again\n{up.logs()[-3000:]}",
            )
            order_ids.append(client.place()["id"])

            assert (refused.status_code, refused.headers["content-type"]) == (503, "application/problem+json")
            assert "retry-after" in refused.headers
            assert refused.json()["code"] in ("STORAGE_UNAVAILABLE", "OUTCOME_UNKNOWN")
            for order_id in order_ids:
                assert client.wait_for(order_id, within_s=PATIENCE_S)["status"] == "FILLED"
            disk.run(sys.executable, "-c", COPY, f"{home}/steadfill.db", f"{home}/copy.db")
            shutil.copy(disk.path / "copy.db", tmp_path)
            engine = make_engine(f"sqlite:///{tmp_path}/copy.db")
            audit(SimpleNamespace(client=client, venue=venue, engine=engine), within_s=PATIENCE_S)  # type: ignore[arg-type]
            engine.dispose()
            up.stop(within_s=PATIENCE_S)


def place_until_refused(client: Client) -> tuple[httpx.Response, dict[str, Any], list[str]]:
    """What still fits into the pages of the write-ahead log is taken, and has to be kept."""
    taken: list[str] = []
    while True:
        request = client.request(quantity="0.0002")
        answer = client.post(request)
        if answer.status_code != 201:
            return answer, request, taken
        taken.append(answer.json()["id"])
