"""The venue's own log: one JSON line per operation, written before the operation is answered.

All of an operation's events stand on one line, so a line that a kill tore off is an operation that was never
acknowledged: readers leave it out, and the next start cuts it away.
"""

import fcntl
import json
import os
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from exchanges.paper.amounts import parse_e8, text_e8
from exchanges.paper.events import (
    Accepted,
    Amended,
    Deposited,
    Ended,
    Event,
    FaultFired,
    Listed,
    Moved,
    MovementEnded,
    Priced,
    RefusedRequest,
    Traded,
)

FILE_NAME = "journal.jsonl"

_NAMES: dict[type[Event], str] = {
    Listed: "listed",
    Deposited: "deposit",
    Moved: "movement",
    MovementEnded: "movement_end",
    Accepted: "order",
    Traded: "trade",
    Amended: "amend",
    Ended: "end",
    RefusedRequest: "refused",
    FaultFired: "fault",
    Priced: "price",
}
_TYPES = {name: type_ for type_, name in _NAMES.items()}


class JournalInUse(RuntimeError):
    """Another process writes this journal."""


class Journal:
    """Append-only writer. Holds the file's lock until ``close`` or the end of the process."""

    def __init__(self, home: Path, *, fsync: bool = False) -> None:
        home.mkdir(parents=True, exist_ok=True)
        self.path = home / FILE_NAME
        self._fsync = fsync
        self._fd = os.open(self.path, os.O_RDWR | os.O_CREAT | os.O_APPEND, 0o600)
        try:
            fcntl.flock(self._fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as error:
            os.close(self._fd)
            raise JournalInUse(
                f"{self.path} is written by another paper venue; stop that one or choose another --home"
            ) from error
        self._cut_torn_line()

    def append(self, events: Sequence[tuple[int, Event]]) -> None:
        """Write one operation, as (milliseconds, event). Raises OSError when it can't; then nothing may be acknowledged."""
        line = json.dumps([_encode(at_ms, event) for at_ms, event in events], separators=(",", ":"))
        data = line.encode() + b"\n"
        while data:
            data = data[os.write(self._fd, data) :]
        if self._fsync:
            os.fsync(self._fd)

    def close(self) -> None:
        os.close(self._fd)

    def _cut_torn_line(self) -> None:
        """Drop what a kill left behind the last line end."""
        content_end = os.fstat(self._fd).st_size
        position = content_end
        while position > 0:
            start = max(0, position - 65_536)
            newline = os.pread(self._fd, position - start, start).rfind(b"\n")
            if newline >= 0:
                position = start + newline + 1
                break
            position = start
        if position != content_end:
            os.ftruncate(self._fd, position)


def read_events(path: Path) -> Iterator[tuple[int, Event]]:
    """(milliseconds, event) in order, from a journal file or the home that holds it. A torn last line is left out."""
    file = path / FILE_NAME if path.is_dir() else path
    if not file.exists():
        return
    with file.open("rb") as lines:
        for line in lines:
            if not line.endswith(b"\n"):
                return
            yield from events_of(line)


def events_of(line: bytes) -> Iterator[tuple[int, Event]]:
    """(milliseconds, event) of one whole line, for who follows a journal that grows."""
    for fields in json.loads(line):
        yield fields.pop("at"), _decode(fields)


def _encode(at_ms: int, event: Event) -> dict[str, Any]:
    fields: dict[str, Any] = {"at": at_ms, "event": _NAMES[type(event)]}
    for name in type(event).__dataclass_fields__:
        value = getattr(event, name)
        if name.endswith("_e8"):
            fields[name[:-3]] = text_e8(value)
        else:
            fields[name] = value
    return fields


def _decode(fields: dict[str, Any]) -> Event:
    type_ = _TYPES[fields.pop("event")]
    names = type_.__dataclass_fields__
    values: dict[str, Any] = {
        f"{name}_e8" if f"{name}_e8" in names else name: parse_e8(value) if f"{name}_e8" in names else value
        for name, value in fields.items()
    }
    return type_(**values)
