"""The times of a schedule: slots of equal length, exact to the microsecond, with an optional jitter."""

from dataclasses import dataclass
from datetime import datetime, timedelta
from decimal import Decimal

from algorithms.jitter import PARTS, jitter_parts
from models.algorithm import Scheduled, Twap, Vwap, seconds, slots_of
from models.money import ZERO

_MICROSECOND = timedelta(microseconds=1)


@dataclass(frozen=True, slots=True, kw_only=True)
class Grid:
    """``slots`` equal parts of ``duration`` from ``start_at`` on. Slot i is due at start + i · duration / slots."""

    order_id: str
    start_at: datetime
    duration: timedelta
    slots: int
    #: 0 to 0.5: share of half an interval by which a slot may be due earlier or later, so that the order is kept
    jitter: Decimal = ZERO

    @classmethod
    def of(cls, algorithm: Scheduled, order_id: str, start_at: datetime) -> "Grid":
        return cls(
            order_id=order_id,
            start_at=start_at,
            duration=seconds(algorithm.duration_s),
            slots=slots_of(algorithm),
            jitter=algorithm.jitter if isinstance(algorithm, (Twap, Vwap)) else ZERO,
        )

    @property
    def end_at(self) -> datetime:
        return self.start_at + self.duration

    @property
    def interval(self) -> timedelta:
        return self.duration / self.slots

    def begins_at(self, slot: int) -> datetime:
        """Where a slot begins on the grid, jitter apart; ``slots`` itself begins at the end."""
        return self.start_at + timedelta(microseconds=self._micros * slot // self.slots)

    def due_at(self, slot: int) -> datetime:
        """When a slot's slice is sent: rising with the slot, never before the start, always before the end."""
        parts = jitter_parts(self.order_id, "time", slot, self.jitter)
        if slot == 0:
            parts = abs(parts)  # nothing is due before the start
        return self.begins_at(slot) + timedelta(microseconds=self._micros * parts // (2 * PARTS * self.slots))

    def first_due(self, at: datetime, first: int) -> int:
        """The first slot from ``first`` on that is due at ``at`` or later; ``slots`` where there is none."""
        low, high = first, max(first, self.slots)
        while low < high:
            middle = (low + high) // 2
            if self.due_at(middle) < at:
                low = middle + 1
            else:
                high = middle
        return low

    @property
    def _micros(self) -> int:
        return self.duration // _MICROSECOND
