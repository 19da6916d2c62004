"""What an armed stage does: in real processes, since most of it ends them."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from failpoints import failpoint, inherit, register_fault
from tests.support.waiting import eventually

ROOT = Path(__file__).resolve().parents[3]
STAGE = "commit.begun"
PROGRAM = f"from failpoints import failpoint\nfor number in range(3):\n    failpoint({STAGE!r})\n    print(number, flush=True)"


def run(armed: str, directory: Path | None = None, program: str = PROGRAM) -> subprocess.CompletedProcess[str]:
    environment = {**os.environ, "STEADFILL_FAILPOINTS": armed}
    if directory is not None:
        environment["STEADFILL_FAILPOINTS_DIR"] = str(directory)
    return subprocess.run(
        [sys.executable, "-c", program],
        cwd=ROOT, env=environment, capture_output=True, text=True, timeout=60, check=False,
    )  # fmt: skip


@pytest.fixture
def disarmed() -> Iterator[None]:
    yield
    inherit({})


def test_kill_ends_the_process_as_a_kill_does() -> None:
    ended = run(f"{STAGE}=kill")

    assert (ended.returncode, ended.stdout) == (-signal.SIGKILL, "")


def test_a_chain_goes_on_when_the_first_is_used_up() -> None:
    ended = run(f"{STAGE}=1*off->1*print->kill")

    assert (ended.returncode, ended.stdout.split()) == (-signal.SIGKILL, ["0", "1"])
    assert ended.stderr.startswith(f"failpoint {STAGE} reached by ")


def test_a_chance_of_nothing_never_comes() -> None:
    assert run(f"{STAGE}=0%kill").returncode == 0


def test_counts_hold_for_all_processes_that_share_a_directory(tmp_path: Path) -> None:
    ends = [run(f"{STAGE}=2*kill", tmp_path).returncode for _ in range(4)]

    assert ends == [-signal.SIGKILL, -signal.SIGKILL, 0, 0]
    assert sorted(path.name for path in tmp_path.iterdir()) == [f"{STAGE}.1", f"{STAGE}.2"]


def test_raise_raises_what_is_registered(disarmed: None) -> None:
    register_fault("of its own", lambda: LookupError("as agreed"))
    inherit({"STEADFILL_FAILPOINTS": f"{STAGE}=raise(of its own)"})

    with pytest.raises(LookupError, match="as agreed"):
        failpoint(STAGE)


def test_term_reaches_the_process_that_can_shut_down() -> None:
    caught = "import signal\nsignal.signal(signal.SIGTERM, lambda *_: print('asked to end', flush=True))\n"

    assert run(f"{STAGE}=1*term", program=caught + PROGRAM).stdout.split("\n")[0] == "asked to end"


def test_stop_stops_until_somebody_lets_it_go_on(tmp_path: Path) -> None:
    process = subprocess.Popen(
        [sys.executable, "-c", PROGRAM],
        cwd=ROOT, env={**os.environ, "STEADFILL_FAILPOINTS": f"{STAGE}=1*stop"}, stdout=subprocess.PIPE, text=True,
    )  # fmt: skip
    try:
        stat = Path(f"/proc/{process.pid}/stat")
        if not stat.exists():
            pytest.skip("this system shows no process states under /proc")
        eventually(lambda: stat.read_text().rsplit(")", 1)[1].split()[0] == "T", within_s=60, describe="it stands")
        process.send_signal(signal.SIGCONT)
        said, _ = process.communicate(timeout=60)
    finally:
        process.kill()
    assert said.split() == ["0", "1", "2"]


def test_a_file_arms_a_running_process_anew(tmp_path: Path, disarmed: None) -> None:
    file = tmp_path / "failpoints"
    inherit({"STEADFILL_FAILPOINTS": f"@{file}"})
    failpoint(STAGE)  # nothing there: nothing happens

    file.write_text(f"{STAGE}=raise(io)")
    with pytest.raises(OSError, match="input/output"):
        failpoint(STAGE)
    file.write_text("settle.begun=kill")
    failpoint(STAGE)
