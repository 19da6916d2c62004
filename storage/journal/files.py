"""The journal's files: a folder beside the database, a segment from backup to backup, appended to by every process."""

from __future__ import annotations

import os
import re
import threading
from collections.abc import Iterator
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from pathlib import Path

from storage.journal.record import Record, parse

_NAME = re.compile(r"(?P<chain>[0-9TZ.]+)-(?P<segment>[0-9]{8})\.changes")
_STAMP = "%Y%m%dT%H%M%S.%fZ"

#: how far back a look for the last record begins; doubled until one is found
_TAIL_BYTES = 1 << 16


def folder_of(database: Path) -> Path:
    return database.with_name(f"{database.name}.changes")


def segment_path(database: Path, chain: str, segment: int) -> Path:
    return folder_of(database) / f"{chain}-{segment:08d}.changes"


def segments(database: Path, chain: str, first: int = 0) -> list[Path]:
    """The segments of a chain from ``first`` on, in order."""
    return [path for name, number, path in _named(database) if name == chain and number >= first]


def chains(database: Path) -> set[str]:
    """Every chain that has a file; a later one has a greater name."""
    return {name for name, _, _ in _named(database)}


def missing_segment(database: Path, chain: str, first: int, last: int) -> Path | None:
    """The first of these segments whose file is not there."""
    present = {number for name, number, _ in _named(database) if name == chain}
    gone = next((number for number in range(first, last + 1) if number not in present), None)
    return None if gone is None else segment_path(database, chain, gone)


def next_chain(database: Path, now: datetime) -> str:
    """A name for a chain that begins now: greater than every other one, though the clock was set back."""
    latest = max(chains(database), default="")
    name = now.astimezone(UTC).strftime(_STAMP)
    if name > latest:
        return name
    return (datetime.strptime(latest, _STAMP).replace(tzinfo=UTC) + timedelta(microseconds=1)).strftime(_STAMP)


def lay_out(database: Path, chain: str, segment: int) -> None:
    """Make the file of a segment, empty, where there is none; durable once it returns. So a file that is not there was removed."""
    path = segment_path(database, chain, segment)
    if not path.exists():
        Appender(path).close()


def set_aside(database: Path, folder: Path) -> None:
    """Give every file a second name in ``folder``, which no rotation touches: a person may still read what no replay could."""
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    for _, _, path in _named(database):
        with suppress(FileExistsError):
            (folder / path.name).hardlink_to(path)
    _sync_folder(folder)


def _named(database: Path) -> Iterator[tuple[str, int, Path]]:
    for path in sorted(folder_of(database).glob("*.changes")):
        match = _NAME.fullmatch(path.name)
        if match:
            yield match["chain"], int(match["segment"]), path


def remove_unneeded(database: Path, needed: dict[str, int]) -> int:
    """Delete the segments of other chains, and those before the first that is needed by chain; returns how many."""
    gone = [path for chain, number, path in _named(database) if number < needed.get(chain, 1 << 31)]
    for path in gone:
        path.unlink(missing_ok=True)
    return len(gone)


def records(path: Path) -> Iterator[Record | None]:
    """Every line of a segment; None for one that is torn or damaged."""
    with path.open("rb") as source:
        for text in source:
            if text != b"\n":
                yield parse(text.removesuffix(b"\n")) if text.endswith(b"\n") else None


def first_record(path: Path) -> Record | None:
    """The first sound record of a segment; None where there is none."""
    return next((record for record in records(path) if record is not None), None)


def last_record(path: Path) -> Record | None:
    """The last sound record of a segment; None where there is none."""
    try:
        size = path.stat().st_size
    except FileNotFoundError:
        return None
    window = _TAIL_BYTES
    while size:
        with path.open("rb") as source:
            source.seek(max(size - window, 0))
            lines = source.read().split(b"\n")
        whole = lines if window >= size else lines[1:]  # the first may be cut by the window
        for text in reversed(whole):
            found = parse(text)
            if found is not None:
                return found
        if window >= size:
            break
        window *= 8
    return None


class Appender:
    """One segment as this process writes it. Appends come under the database's write lock, so they are in order."""

    def __init__(self, path: Path) -> None:
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        new = not path.exists()
        self._handle = os.open(path, os.O_CREAT | os.O_RDWR | os.O_APPEND, 0o600)
        if new:
            _sync_folder(path.parent)
        self.path = path
        self._lock = threading.Lock()
        self._synced = 0

    def is_there(self) -> bool:
        """Whether the file still has its name: what is appended to one that somebody removed is in no journal."""
        try:
            found = self.path.stat()
        except FileNotFoundError:
            return False
        mine = os.fstat(self._handle)
        return (found.st_dev, found.st_ino) == (mine.st_dev, mine.st_ino)

    def append(self, text: bytes) -> int:
        """Write a line after whatever is there; returns where it ends. Not on disk before ``sync``. Raises OSError."""
        size = os.fstat(self._handle).st_size
        if size and os.pread(self._handle, 1, size - 1) != b"\n":
            text = b"\n" + text  # a process died in the middle of a line
        written = os.write(self._handle, text)
        if written != len(text):
            written += os.write(self._handle, text[written:])  # says why there was no room for the rest
        return size + written

    def sync(self, until: int) -> None:
        """On disk up to there once it returns; threads that wait share one call. Raises OSError."""
        with self._lock:
            if self._synced >= until:
                return
            end = os.fstat(self._handle).st_size
            os.fdatasync(self._handle) if hasattr(os, "fdatasync") else os.fsync(self._handle)
            self._synced = end

    def close(self) -> None:
        os.close(self._handle)


def _sync_folder(path: Path) -> None:
    handle = os.open(path, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
