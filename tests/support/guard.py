"""Outlives a killed pytest for a moment and ends what it left behind.

Run as a process of its own with a mark as its argument. It reads lines from its input: `group N` and `ended N` keep the
list of process groups, `watch PATH` names a folder in which only the test's processes work, `remove PATH` one that is
to go as well. When the input closes, pytest is gone, however it went: the guard kills the listed groups and every
process whose environment carries the mark or whose working directory lies in one of the folders (servers that rename
themselves wipe their environment).
"""

from __future__ import annotations

import os
import shutil
import signal
import sys
from pathlib import Path

#: Present in the environment of everything that a test starts, and of what that starts in turn.
MARK_VARIABLE = "TEST_PROCESS_MARK"


def marked(mark: str, folders: tuple[Path, ...] = ()) -> list[int]:
    """The processes, this one apart, that carry `mark` or work in one of `folders`. Empty where there is no /proc."""
    wanted = f"{MARK_VARIABLE}={mark}".encode()
    found = []
    for entry in Path("/proc").glob("[0-9]*"):
        if int(entry.name) == os.getpid():
            continue
        try:
            is_ours = wanted in (entry / "environ").read_bytes().split(b"\0")
            cwd = (entry / "cwd").readlink()
            is_zombie = (entry / "stat").read_text().rpartition(")")[2].split()[0] == "Z"
        except OSError:
            continue  # gone meanwhile, or not ours to look at
        if (is_ours or any(cwd.is_relative_to(folder) for folder in folders)) and not is_zombie:
            found.append(int(entry.name))
    return found


def kill(pid: int, *, group: bool = False) -> None:
    """SIGKILL to a process or a group; one that is gone is fine."""
    try:
        (os.killpg if group else os.kill)(pid, signal.SIGKILL)
    except (ProcessLookupError, PermissionError):
        return


def main() -> None:
    """Listen until the input closes, then clean up."""
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, signal.SIG_IGN)  # a Ctrl-C is for pytest; the guard ends after it
    groups: set[int] = set()
    watched: set[Path] = set()
    removed: set[Path] = set()
    for line in sys.stdin:
        word, _, value = line.strip().partition(" ")
        if word == "group":
            groups.add(int(value))
        elif word == "ended":
            groups.discard(int(value))
        elif word == "watch":
            watched.add(Path(value))
        elif word == "remove":
            removed.add(Path(value))
    for group in groups:
        kill(group, group=True)
    for pid in marked(sys.argv[1], tuple(watched | removed)):
        kill(pid)
    for folder in removed:
        shutil.rmtree(folder, ignore_errors=True)


if __name__ == "__main__":
    main()
