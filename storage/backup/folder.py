"""Where backups are kept: a folder each, named by its time; what is not finished has another name."""

from __future__ import annotations

import fcntl
import shutil
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

from storage.backup.errors import BackupError
from storage.backup.rotation import superfluous

_STAMP = "%Y%m%dT%H%M%S.%fZ"

#: how a backup is named while it is being made; one that is left over was cut short
PARTIAL = ".partial"


@dataclass(frozen=True, slots=True, kw_only=True)
class Kept:
    """A finished backup."""

    name: str
    made_at: datetime
    path: Path


def name_of(made_at: datetime) -> str:
    return made_at.astimezone(UTC).strftime(_STAMP)


def kept(folder: Path) -> list[Kept]:
    """The finished backups, oldest first."""
    found = []
    for path in sorted(folder.iterdir()) if folder.is_dir() else ():
        made_at = _time_of(path.name)
        if made_at is not None and path.is_dir():
            found.append(Kept(name=path.name, made_at=made_at, path=path))
    return found


def _time_of(name: str) -> datetime | None:
    try:
        return datetime.strptime(name, _STAMP).replace(tzinfo=UTC)
    except ValueError:
        return None  # somebody else's


def after_all(folder: Path, now: datetime) -> datetime:
    """The time by which a backup made now is named: after every other, though the clock was set back since.

    What is newest is so by its name, and neither a restore nor the rotation may take an older one for it.
    """
    latest = kept(folder)[-1:]
    return max(now, latest[0].made_at + timedelta(microseconds=1)) if latest else now


def find(folder: Path, name: str | None) -> Kept:
    """The backup of this name, or the newest. Raises BackupError where there is none."""
    found = kept(folder)
    if not found:
        raise BackupError(f"{folder} holds no backup. `steadfill backup` makes one.")
    if name is None:
        return found[-1]
    for one in found:
        if one.name == name:
            return one
    raise BackupError(f"{folder} holds no backup named {name}; the newest is {found[-1].name}.")


@contextmanager
def alone(folder: Path) -> Iterator[None]:
    """Hold the folder while a backup is made or removed. Raises BackupError while another process does that."""
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    with (folder / ".lock").open("a") as handle:
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            raise BackupError(
                f"another process is making a backup in {folder} now. Wait for it, then try again."
            ) from None
        yield


@contextmanager
def undisturbed(folder: Path) -> Iterator[None]:
    """As ``alone``, for one who only reads: a folder that nobody may write to is as it is."""
    with ExitStack() as held:
        with suppress(OSError):
            held.enter_context(alone(folder))
        yield


def remove_partial(folder: Path) -> None:
    """What a killed process left; the caller holds the folder."""
    for path in folder.glob(f"*{PARTIAL}"):
        if _time_of(path.name.removesuffix(PARTIAL)) is not None:
            shutil.rmtree(path, ignore_errors=True)


def rotate(folder: Path, *, keep_daily: int, keep_weekly: int) -> list[str]:
    """Remove what the rotation lets go; returns the names. Call it after a newer backup is finished and checked."""
    found = {one.made_at: one for one in kept(folder)}
    gone = superfluous(list(found), keep_daily=keep_daily, keep_weekly=keep_weekly)
    for made_at in gone:
        path = found[made_at].path
        # under another name first: one that is half removed must not pass for a backup
        doomed = path.rename(path.with_name(path.name + PARTIAL))
        shutil.rmtree(doomed, ignore_errors=True)
    return [found[made_at].name for made_at in gone]
