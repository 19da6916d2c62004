"""Which backups stay: one a day for some days, one a week for some weeks, and always the two newest."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import datetime

#: Whatever day they are of: should the newest turn out to be damaged, there is another, and the journal goes on from it.
ALWAYS_KEPT = 2


def superfluous(made: Sequence[datetime], *, keep_daily: int, keep_weekly: int) -> list[datetime]:
    """The times of those that may go, oldest first.

    Of each of the last ``keep_daily`` days and ``keep_weekly`` ISO weeks *on which there is one* the newest stays: a
    machine that was off for a month has not lost its history by that.
    """
    newest_first = sorted(made, reverse=True)
    kept = set(newest_first[:ALWAYS_KEPT])
    kept.update(_newest_of_each(newest_first, lambda at: at.date().toordinal(), keep_daily))
    kept.update(_newest_of_each(newest_first, lambda at: (at.date().toordinal() - 1) // 7, keep_weekly))
    return [at for at in reversed(newest_first) if at not in kept]


def _newest_of_each(newest_first: Sequence[datetime], period: Callable[[datetime], int], count: int) -> list[datetime]:
    chosen: dict[int, datetime] = {}
    for at in newest_first:
        chosen.setdefault(period(at), at)
    return list(chosen.values())[:count]
