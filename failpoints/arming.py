"""Which stages are armed in this process, and the one call that stands at every stage."""

import os
import threading
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

from failpoints.acting import act
from failpoints.catalog import STAGES
from failpoints.grammar import Action, parse

#: what a stage calls; None while nothing is armed, which is the whole cost then
_hook: Callable[[str], None] | None = None


def failpoint(name: str) -> None:
    """The stage ``name`` is reached. Does nothing unless somebody armed something."""
    if _hook is not None:
        _hook(name)


def set_hook(hook: Callable[[str], None] | None) -> None:
    """Let every stage call ``hook`` with its name, in this process; None ends it. For simulations."""
    global _hook  # noqa: PLW0603 - one per process is the point
    _hook = hook


def inherit(environment: Mapping[str, str]) -> None:
    """Arm what the environment names; without it nothing is armed. Raises BadFailpoints."""
    text = environment.get("STEADFILL_FAILPOINTS", "").strip()
    directory = environment.get("STEADFILL_FAILPOINTS_DIR")
    shared = Path(directory) if directory else None
    if not text:
        set_hook(None)
    elif text.startswith("@"):
        set_hook(_FromFile(Path(text[1:]), shared))
    else:
        set_hook(_fixed(parse(text), shared))


def _fixed(armed: Mapping[str, Sequence[Action]], shared: Path | None) -> Callable[[str], None]:
    def reached(name: str) -> None:
        actions = armed.get(name)
        if actions:
            act(name, actions, shared)

    return reached


class _FromFile:
    """Armed by a file that is read again when it changes; while there is none, nothing is armed."""

    def __init__(self, path: Path, shared: Path | None) -> None:
        self._path = path
        self._shared = shared
        self._lock = threading.Lock()
        self._seen: tuple[int, int, int] | None = None
        self._armed: Mapping[str, Sequence[Action]] = {}

    def __call__(self, name: str) -> None:
        assert name in STAGES, f"{name} is not in failpoints/catalog.py"
        actions = self._current().get(name)
        if actions:
            act(name, actions, self._shared)

    def _current(self) -> Mapping[str, Sequence[Action]]:
        try:
            found = self._path.stat()
        except FileNotFoundError:
            return {}
        seen = (found.st_ino, found.st_mtime_ns, found.st_size)
        with self._lock:
            if seen != self._seen:
                self._armed = parse(self._path.read_text(encoding="utf-8"))
                self._seen = seen
            return self._armed


inherit(os.environ)
