"""What of the code is replaced while a simulation runs: clocks, dice, threads, the broker, logs. Nothing of the protocol.

Replaced is by identity, in every module of ours that holds the thing, so that a step which moves to another module, or
a new one, is met as well.
"""

from __future__ import annotations

import secrets
import sys
import threading
import time
import types
import uuid
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any

OUR_PACKAGES = ("tasks", "workflows", "storage", "telemetry", "exchanges.instruments")


class SimulatedTime(types.ModuleType):
    """Stands where the module ``time`` does."""

    def __init__(self, now_us: Callable[[], int], sleep: Callable[[float], None]) -> None:
        super().__init__("time")
        self.monotonic = lambda: now_us() / 1e6
        self.perf_counter = self.monotonic
        self.monotonic_ns = lambda: now_us() * 1000
        self.time = lambda: now_us() / 1e6
        self.time_ns = lambda: now_us() * 1000
        self.sleep = sleep


class Quiet:
    """A log that keeps only what must not happen."""

    def __init__(self, on_exception: Callable[[str], None]) -> None:
        self._on_exception = on_exception

    def exception(self, event: str, **_: Any) -> None:
        error = sys.exc_info()[1]
        self._on_exception(f"{event}: {type(error).__name__}: {error}")

    def bind(self, **_: Any) -> Quiet:
        return self

    def _nothing(self, *_: Any, **__: Any) -> None:
        pass

    debug = info = warning = error = critical = log = _nothing


class SimulatedThreading(types.ModuleType):
    """The module ``threading`` with other names for threads."""

    def __init__(self, ident: Callable[[], int]) -> None:
        super().__init__("threading")
        self._ident = ident

    def __getattr__(self, name: str) -> Any:
        return getattr(threading, name)

    def get_ident(self) -> int:
        return self._ident()


class SimulatedSecrets(types.ModuleType):
    """Random bytes that repeat with the seed."""

    def __init__(self, take: Callable[[int], bytes]) -> None:
        super().__init__("secrets")
        self.token_bytes = take
        self.token_hex = lambda count=16: take(count).hex()

    def __getattr__(self, name: str) -> Any:
        return getattr(secrets, name)


@contextmanager
def replaced(substitutes: Mapping[int, Any]) -> Iterator[None]:
    """Put something else in place of things, given by ``id``, wherever a module of ours holds them by a name."""
    undo: list[tuple[Any, str, Any]] = []
    for name, module in list(sys.modules.items()):
        if not name.startswith(OUR_PACKAGES):
            continue
        for attribute, value in list(vars(module).items()):
            substitute = substitutes.get(id(value))
            if substitute is not None:
                undo.append((module, attribute, value))
                setattr(module, attribute, substitute)
            elif attribute == "log" and hasattr(value, "bind"):
                undo.append((module, attribute, value))
                setattr(module, attribute, substitutes[id(Quiet)])
    try:
        yield
    finally:
        for module, attribute, value in undo:
            setattr(module, attribute, value)


REAL_TIME, REAL_THREADING, REAL_SECRETS, REAL_UUID4 = time, threading, secrets, uuid.uuid4
