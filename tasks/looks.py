"""Looks that were asked for, until they could be started: each place once, at its time."""

import time
from collections.abc import Callable, Iterable

from storage.attention import Watched
from tasks.look import look_now
from tasks.runtime import Runtime

#: A look may be under way that began before what one wants to see: the next is asked for again until it begins.
AGAIN_S = 0.25


class Looks:
    """For one thread."""

    def __init__(
        self, start: Callable[[Runtime, Watched], bool] = look_now, ticks: Callable[[], float] = time.monotonic
    ) -> None:
        self._start = start
        self._ticks = ticks
        #: place to when its look is due
        self._due: dict[Watched, float] = {}
        #: the same of looks that follow a first one
        self._second: dict[Watched, float] = {}

    def ask(self, places: Iterable[Watched], *, in_s: float = 0.0, again_in_s: float | None = None) -> None:
        """Look at these then, or sooner where a look was asked for sooner; and a second time ``again_in_s`` from now."""
        now = self._ticks()
        for place in places:
            self._due[place] = min(now + in_s, self._due.get(place, now + in_s))
            if again_in_s is not None:
                self._second[place] = max(now + again_in_s, self._second.get(place, now + again_in_s))

    def run(self, runtime: Runtime) -> int:
        """Start those that are due; returns how many began. Raises what the broker or database raises, and forgets nothing."""
        now, started = self._ticks(), 0
        for place in [place for place, at in self._second.items() if at <= now]:
            del self._second[place]
            self._due.setdefault(place, now)
        for place in sorted(place for place, at in self._due.items() if at <= now):
            if self._start(runtime, place):
                del self._due[place]
                started += 1
            else:
                self._due[place] = now + AGAIN_S
        return started

    @property
    def waiting(self) -> int:
        return len(self._due) + len(self._second)
