"""The lines of a log that are worth a place on the console."""

import contextlib
import json
import re
import time
from pathlib import Path

_WORTH_SHOWING = re.compile(r"\b(WARNING|ERROR|CRITICAL)\b|^Traceback |^\w*(Error|Exception)\b")
#: parts of a structured line that the console shows otherwise, or not at all
_UNSHOWN = frozenset({"event", "level", "timestamp", "logger", "exception"})
_LEVELS = frozenset({"warning", "error", "critical"})

#: characters of a line that are shown; the log holds the rest
LINE_LENGTH = 160

#: lines of one log shown in so many seconds, so that a storm leaves the console readable
LINES_PER_WINDOW = 5
WINDOW_S = 2.0

_READ_BYTES = 256_000


class Tail:
    """Reads what was appended since the last look."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._offset = path.stat().st_size if path.exists() else 0
        self._window_began = 0.0
        self._shown = 0

    def lines(self, *, everything: bool) -> list[str]:
        try:
            size = self._path.stat().st_size
            if size < self._offset:  # set aside at a restart
                self._offset = 0
            if size == self._offset:
                return []
            with self._path.open("rb") as log:
                log.seek(self._offset)
                block = log.read(_READ_BYTES)
        except OSError:
            return []
        complete = block[: block.rfind(b"\n") + 1] or (block if len(block) == _READ_BYTES else b"")
        self._offset += len(complete)
        lines = complete.decode(errors="replace").splitlines()
        if everything:
            return lines
        return self._few([shown for line in lines if (shown := worth_showing(line))])

    def _few(self, lines: list[str]) -> list[str]:
        now = time.monotonic()
        if now - self._window_began >= WINDOW_S:
            self._window_began, self._shown = now, 0
        shown = lines[: max(0, LINES_PER_WINDOW - self._shown)]
        told = self._shown > LINES_PER_WINDOW
        self._shown += len(lines)
        return shown if told or len(shown) == len(lines) else [*shown, f"… more such lines are in {self._path}"]


def worth_showing(line: str) -> str:
    """The line as the console has it; empty for one that belongs in the log only."""
    if line.startswith("{"):
        with contextlib.suppress(ValueError):
            entry = json.loads(line)
            if entry.get("level") not in _LEVELS:
                return ""
            facts = " ".join(f"{name}={value}" for name, value in entry.items() if name not in _UNSHOWN)
            return f"{entry['level']}: {entry.get('event', '')} {facts}"[:LINE_LENGTH]
    return line[:LINE_LENGTH] if _WORTH_SHOWING.search(line) else ""


def last_lines(path: Path, count: int) -> list[str]:
    """The end of a log, for the message that a piece would not start."""
    try:
        with path.open("rb") as log:
            log.seek(max(0, path.stat().st_size - 8_000))
            return log.read().decode(errors="replace").splitlines()[-count:]
    except OSError:
        return []
