"""Waiting for a condition with a deadline, in place of sleeping and hoping."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import TypeVar

T = TypeVar("T")

#: Probes start close together, for what is nearly there, and spread out so that a long wait costs little.
FIRST_PAUSE_S = 0.01
LONGEST_PAUSE_S = 0.25


def eventually(probe: Callable[[], T], *, within_s: float, describe: str | Callable[[], str]) -> T:
    """The first truthy answer of `probe`; AssertionError with `describe` after `within_s` seconds.

    An AssertionError inside the probe counts as "not yet" and is quoted when time runs out. `describe` says what was
    waited for; as a callable it is asked at the end, for the state of things then.
    """
    deadline = time.monotonic() + within_s
    pause_s = FIRST_PAUSE_S
    while True:
        is_last = time.monotonic() >= deadline  # before the look: whoever stood still all the while looks once more
        last_error: AssertionError | None = None
        try:
            answer: T | None = probe()
        except AssertionError as error:
            answer, last_error = None, error
        if answer:
            return answer
        if is_last:
            said = describe() if callable(describe) else describe
            seen = f" The last look failed with: {last_error}" if last_error else f" The last look saw: {answer!r}"
            raise AssertionError(f"Not within {within_s:g} s: {said}.{seen}") from last_error
        time.sleep(min(pause_s, max(0.0, deadline - time.monotonic())))
        pause_s = min(pause_s * 1.5, LONGEST_PAUSE_S)
