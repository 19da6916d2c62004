"""Instruments held in the process, shared between processes through a store, asked of the venue only on refresh."""

import threading
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Protocol

from models.instrument import Instrument

#: how long a process trusts what it holds before it looks into the store again, in seconds
RECHECK_S = 30.0
#: the same while nothing is known of a venue: somebody is probably asking it at this moment
RECHECK_EMPTY_S = 0.25


class InstrumentStore(Protocol):
    """What the processes of a deployment share."""

    def load(self, venue: str, known: datetime | None = None) -> tuple[Sequence[Instrument], datetime | None] | None:
        """What was saved last, and when the venue said so; an empty list and None where nothing was.

        None where the venue said it at ``known``: who holds that need not read thousands of them again.
        """
        ...

    def save(self, venue: str, instruments: Sequence[Instrument]) -> None:
        """Replace everything of ``venue``."""
        ...


@dataclass(frozen=True, slots=True)
class _Held:
    by_symbol: Mapping[str, Instrument]
    fetched_at: datetime | None
    #: by ``time.monotonic``
    checked_at: float


class InstrumentCache:
    """Thread-safe. ``peek`` reads memory only, ``get`` may read the store, ``refresh`` asks the venue."""

    def __init__(
        self,
        store: InstrumentStore,
        fetch: Callable[[str], Sequence[Instrument]],
        *,
        recheck_s: float = RECHECK_S,
        ticks: Callable[[], float] = time.monotonic,
    ) -> None:
        """``fetch(venue)`` asks the venue; its errors come out of ``refresh`` as they are."""
        self._store = store
        self._fetch = fetch
        self._recheck_s = recheck_s
        self._ticks = ticks
        self._held: dict[str, _Held] = {}
        self._lock = threading.Lock()

    def peek(self, venue: str, symbol: str) -> Instrument | None:
        """What this process holds now, without waiting for anything."""
        held = self._held.get(venue)
        return None if held is None else held.by_symbol.get(symbol)

    def get(self, venue: str, symbol: str) -> Instrument | None:
        """As ``peek``, after a look into the store when what is held is old or lacks the symbol; never the venue."""
        return self.all_of(venue).get(symbol)

    def all_of(self, venue: str) -> Mapping[str, Instrument]:
        """Every instrument of ``venue`` by symbol, as ``get`` would find them; empty when nothing is known."""
        held = self._held.get(venue)
        if held is None or self._is_old(held):
            held = self._reload(venue)
        return held.by_symbol

    def known(self, venue: str) -> bool:
        """Whether anything is held of ``venue``: without it nothing can be said of a symbol."""
        held = self._held.get(venue)
        return held is not None and bool(held.by_symbol)

    def symbols(self, venue: str) -> list[str]:
        held = self._held.get(venue)
        return sorted(held.by_symbol) if held is not None else []

    def age_s(self, venue: str, now: datetime) -> float | None:
        """Seconds since the venue said so; None when nothing is held."""
        held = self._held.get(venue)
        if held is None or held.fetched_at is None:
            return None
        return (now - held.fetched_at).total_seconds()

    def refresh(self, venue: str) -> Sequence[Instrument]:
        """Ask the venue, save for the others, hold. What was held stays when the venue fails."""
        found = self._fetch(venue)
        self._store.save(venue, found)
        self._hold(venue, found, max((entry.fetched_at for entry in found), default=None))
        return found

    def _is_old(self, held: _Held) -> bool:
        recheck_s = self._recheck_s if held.by_symbol else min(self._recheck_s, RECHECK_EMPTY_S)
        return self._ticks() - held.checked_at > recheck_s

    def _reload(self, venue: str) -> _Held:
        with self._lock:
            held = self._held.get(venue)
            if held is not None and not self._is_old(held):
                return held
            loaded = self._store.load(venue, None if held is None else held.fetched_at)
            if loaded is not None:
                return self._hold(venue, *loaded)
            assert held is not None
            self._held[venue] = still = replace(held, checked_at=self._ticks())
            return still

    def _hold(self, venue: str, found: Sequence[Instrument], fetched_at: datetime | None) -> _Held:
        held = _Held({entry.symbol: entry for entry in found}, fetched_at, self._ticks())
        self._held[venue] = held
        return held
