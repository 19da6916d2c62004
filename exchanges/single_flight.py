"""Several threads that want the same answer ask once: one asks, the others get what it got."""

import copy
import threading
from collections.abc import Callable
from typing import Generic, TypeVar

from exchanges.evidence import VenueError

T = TypeVar("T")


class _Flight(Generic[T]):
    def __init__(self) -> None:
        self.landed = threading.Event()
        self.result: list[T] = []
        self.failure: VenueError | None = None


class SingleFlight(Generic[T]):
    """``work`` must end by itself: it runs under the deadlines of its own requests."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._flight: _Flight[T] | None = None

    @property
    def under_way(self) -> bool:
        return self._flight is not None

    def run(self, work: Callable[[], T]) -> T:
        """What ``work`` returns or the VenueError that it raises, here or in the thread that was first."""
        with self._lock:
            flight, first = self._flight, self._flight is None
            if flight is None:
                flight = self._flight = _Flight()
        if first:
            return self._lead(flight, work)
        flight.landed.wait()
        if flight.result:
            return flight.result[0]
        if flight.failure is not None:
            raise copy.copy(flight.failure) from None
        return self.run(work)

    def _lead(self, flight: _Flight[T], work: Callable[[], T]) -> T:
        try:
            result = work()
            flight.result.append(result)
            return result
        except VenueError as error:
            flight.failure = error
            raise
        finally:
            with self._lock:
                self._flight = None
            flight.landed.set()
