"""What a venue account showed last in this process, for those who only want to look: each with its age.

Nothing that decides on an order reads this. A gateway notes here what it was just told, whoever asked for it.
"""

import threading
import time
from collections import OrderedDict
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from models.market_data import OrderBook
from models.reports import Quote, VenueBalance

#: symbols and kinds kept until they are told on; beyond it the oldest go
MOST_KEPT = 1_000

#: what can be looked at: a quote or a book of a symbol, or the account's balances
Shown = Quote | OrderBook | tuple[VenueBalance, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Noted:
    #: of the quote or book; empty for balances
    symbol: str
    value: Shown
    #: when the venue was asked for it, by the ticks of its LastShown
    asked_at: float


class LastShown:
    """Thread-safe, of one venue account. ``note`` waits for nothing."""

    def __init__(self, *, ticks: Callable[[], float] = time.monotonic) -> None:
        self._ticks = ticks
        self._lock = threading.Lock()
        self._noted: OrderedDict[tuple[type, str], tuple[Shown, float]] = OrderedDict()

    def asking(self) -> float:
        """The moment, for ``note``: what the venue answers may be as old as the question."""
        return self._ticks()

    def note(self, value: Quote | OrderBook | Sequence[VenueBalance], asked_at: float) -> None:
        shown: Shown = value if isinstance(value, (Quote, OrderBook)) else tuple(value)
        key = type(shown), shown.symbol if isinstance(shown, (Quote, OrderBook)) else ""
        with self._lock:
            known = self._noted.pop(key, None)
            newest = known if known is not None and known[1] > asked_at else (shown, asked_at)
            self._noted[key] = newest
            if len(self._noted) > MOST_KEPT:
                self._noted.popitem(last=False)

    def take(self) -> list[Noted]:
        """What was noted since the last ``take``, the last of each kind and symbol only."""
        with self._lock:
            taken, self._noted = self._noted, OrderedDict()
        return [
            Noted(symbol=symbol, value=value, asked_at=asked_at) for (_, symbol), (value, asked_at) in taken.items()
        ]

    def age_s(self, noted: Noted) -> float:
        """Seconds since the venue was asked for it."""
        return self._ticks() - noted.asked_at

    def give_back(self, noted: Sequence[Noted]) -> None:
        """What was taken could not be told on: it is taken again, where nothing newer has come."""
        for entry in noted:
            self.note(entry.value, entry.asked_at)
