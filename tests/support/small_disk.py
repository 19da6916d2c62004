"""A disk of a few megabytes that a test can fill: a tmpfs that only one process and its children see.

In a mount namespace of its own it needs root, or a kernel that lets users make namespaces, and it is gone with the
process. From outside its files are reached through the process.
"""

from __future__ import annotations

import contextlib
import os
import shutil
import subprocess
from pathlib import Path

import pytest

from tests.support.processes import Process

_CHUNKS = (1 << 20, 1 << 12, 1)


def mounted(folder: Path, megabytes: int, command: list[str]) -> list[str]:
    """The command, run with a tmpfs on ``folder``. Skips the test where that is not possible, with the reason."""
    unshare = _unshare()
    script = 'mount -t tmpfs -o size="$1" tmpfs "$2" && shift 2 && exec "$@"'
    return [*unshare, "sh", "-c", script, "sh", f"{megabytes}m", str(folder), *command]


def _unshare() -> list[str]:
    if shutil.which("unshare") is None:
        pytest.skip("NO SMALL DISK, so this test proves nothing here: there is no unshare(1)")
    flags = "-m" if os.geteuid() == 0 else "-rm"
    tried = subprocess.run(
        ["unshare", flags, "sh", "-c", "mount -t tmpfs tmpfs /mnt"], capture_output=True, text=True, check=False
    )
    if tried.returncode != 0:
        pytest.skip(f"NO SMALL DISK, so this test proves nothing here: {tried.stderr.strip()}")
    return ["unshare", flags]


class SmallDisk:
    """What the process of ``mounted`` sees at the folder."""

    def __init__(self, process: Process, folder: Path) -> None:
        self.path = Path(f"/proc/{process.pid}/root{folder.resolve()}")
        self._filler = self.path / "filler"
        self._enter = ["nsenter", "-t", str(process.pid), "-m"]
        if os.geteuid() != 0:
            self._enter += ["-U", "--preserve-credentials"]

    def run(self, *command: str) -> None:
        """Run a command that sees the disk too: SQLite looks through the links of ``path`` and would not find it."""
        subprocess.run([*self._enter, *command], check=True, cwd="/", timeout=120)

    def fill(self) -> None:
        """To the last byte."""
        with self._filler.open("ab", buffering=0) as file:
            for size in _CHUNKS:
                with contextlib.suppress(OSError):
                    while True:
                        file.write(b"x" * size)

    def make_room(self) -> None:
        self._filler.unlink(missing_ok=True)
