"""PostgreSQL's own tools: pg_dump for a consistent copy while others write, pg_restore into an empty database."""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Sequence
from pathlib import Path

from sqlalchemy.engine import URL

from storage.backup.errors import BackupError, Corrupt

FILE = "steadfill.dump"

#: seconds for a dump or a restore: a net under a server that went away, not a measure of speed
LONGEST_S = 6 * 3600

_ADVICE = (
    "Install PostgreSQL's client tools of the server's version or newer (Debian: postgresql-client), or set "
    "[backup] nightly = false where the server is backed up otherwise."
)


def dump(url: URL, target: Path) -> None:
    """One moment of the database in PostgreSQL's custom format, which has a checksum of none: the manifest is it."""
    _run(["pg_dump", "--format=custom", "--no-password", f"--file={target}", *_address(url)], url, "dumped")


def listed(path: Path) -> int:
    """How many items a dump holds. Raises Corrupt for one that can't be read."""
    try:
        said = _run(["pg_restore", "--list", str(path)], None, "read")
    except BackupError as error:
        raise Corrupt(str(error)) from error
    return sum(1 for line in said.splitlines() if line and not line.startswith(";"))


def restore(path: Path, into: URL) -> None:
    """All of a dump or nothing, in one transaction. The database must be empty."""
    options = ["--no-owner", "--no-privileges", "--exit-on-error", "--single-transaction", "--no-password"]
    _run(["pg_restore", *options, *_address(into), str(path)], into, "restored")


def _address(url: URL) -> list[str]:
    """Without the password, which every user of the machine could read in the list of processes."""
    plain = url.set(drivername="postgresql", password=None).render_as_string(hide_password=False)
    return [f"--dbname={plain}"]


def _run(command: Sequence[str], url: URL | None, done: str) -> str:
    program = shutil.which(command[0])
    if program is None:
        raise BackupError(f"{command[0]} is not on this machine, so the database can't be {done}. {_ADVICE}")
    environ = dict(os.environ)
    if url is not None and url.password is not None:
        environ["PGPASSWORD"] = str(url.password)
    try:
        ended = subprocess.run(  # noqa: S603 - found by its name, and its arguments are ours
            [program, *command[1:]],
            env=environ, stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=LONGEST_S, check=False,
        )  # fmt: skip
    except subprocess.TimeoutExpired:
        raise BackupError(
            f"{command[0]} did not end within {LONGEST_S // 3600} h and was stopped. Look at the server."
        ) from None
    if ended.returncode != 0:
        said = " ".join(ended.stderr.split()) or f"exit status {ended.returncode}"
        if url is not None and url.password:
            said = said.replace(str(url.password), "***")
        advice = f" {_ADVICE}" if "version mismatch" in said else ""
        raise BackupError(f"the database can't be {done}: {said[:600]}.{advice} Earlier backups are untouched.")
    return ended.stdout
