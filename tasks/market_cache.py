"""What changes slowly at a venue, asked once for many orders: kept in the process for a while, per gateway."""

import threading
import time
from collections.abc import Callable
from typing import Any
from weakref import WeakKeyDictionary

from exchanges.gateway import Gateway
from exchanges.single_flight import SingleFlight

#: answers kept of one gateway; beyond it the oldest go
MAX_KEPT = 1_000


class MarketCache:
    """Thread-safe. Threads that want the same at once ask once; what a gateway told is forgotten with the gateway."""

    def __init__(self, ticks: Callable[[], float] = time.monotonic) -> None:
        self._ticks = ticks
        self._lock = threading.Lock()
        #: by gateway: key to (answer, until when it is kept)
        self._kept: WeakKeyDictionary[Gateway, dict[object, tuple[Any, float]]] = WeakKeyDictionary()
        self._asking: WeakKeyDictionary[Gateway, dict[object, SingleFlight[Any]]] = WeakKeyDictionary()

    def get(self, gateway: Gateway, key: object, keep_s: float, ask: Callable[[], Any]) -> Any:
        """What is kept under ``key``, or what ``ask`` returns now. A VenueError of ``ask`` goes through and keeps nothing."""
        with self._lock:
            kept = self._kept.setdefault(gateway, {})
            found = kept.get(key)
            if found is not None and self._ticks() < found[1]:
                return found[0]
            flight = self._asking.setdefault(gateway, {}).setdefault(key, SingleFlight())

        def ask_and_keep() -> Any:
            # Who comes just after the flight has landed finds here what it brought.
            found = kept.get(key)
            if found is not None and self._ticks() < found[1]:
                return found[0]
            answer = ask()
            with self._lock:
                kept.pop(key, None)
                kept[key] = (answer, self._ticks() + keep_s)
                while len(kept) > MAX_KEPT:
                    oldest = next(iter(kept))
                    kept.pop(oldest)
                    self._asking[gateway].pop(oldest, None)
            return answer

        return flight.run(ask_and_keep)
