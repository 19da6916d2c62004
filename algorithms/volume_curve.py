"""How a day's volume is spread over its hours, from candles.

Crypto venues never close: there is no rush at an opening or a closing, but a rhythm of the world's working hours and a
peak at 00:00 UTC. So the curve is the venue's own, and where little is known of it, flat.
"""

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from decimal import ROUND_HALF_EVEN, Context, Decimal
from itertools import accumulate, pairwise

from algorithms.candle import Candle
from models.clock import micros
from models.money import ZERO

#: An expectation, not money: 18 digits are far beyond what volumes repeat.
_ESTIMATE = Context(prec=18, rounding=ROUND_HALF_EVEN)

#: Days of a flat curve that the measured days are weighed against: two days of history count for half.
FLAT_DAYS = 2

HOURLY = 24

#: what shares are measured in: 12 digits of a day's volume are beyond any estimate
_PARTS = Decimal(10**12)

_DAY = timedelta(days=1)
_DAY_MICROS = 86_400_000_000


@dataclass(frozen=True, slots=True, kw_only=True)
class VolumeCurve:
    """The usual volume by time of day in UTC: bins of equal length from midnight."""

    #: expected share of the day's volume in each bin; they sum to about 1
    shares: tuple[Decimal, ...]
    #: base that trades in a day on average; None: not known
    daily_volume: Decimal | None = None
    #: whole days of candles that it was made of
    days: int

    def weights(self, times: Sequence[datetime]) -> list[int]:
        """What usually trades between each time and the next: only the ratios of weights mean anything.

        Within a bin volume is taken as even. ``times`` rise.
        """
        parts = [int(_ESTIMATE.multiply(share, _PARTS)) for share in self.shares]
        before = [0, *accumulate(parts)]
        marks = [_until(micros(at), parts, before) for at in times]
        return [later - earlier for earlier, later in pairwise(marks)]

    def expected_volume(self, begins_at: datetime, ends_at: datetime) -> Decimal | None:
        """Base that usually trades between two times; None where the daily volume is not known."""
        if self.daily_volume is None:
            return None
        (whole_day,) = self.weights((_MIDNIGHT, _MIDNIGHT + _DAY))
        (between,) = self.weights((begins_at, ends_at))
        share = _ESTIMATE.divide(Decimal(between), Decimal(whole_day))
        return _ESTIMATE.multiply(share, self.daily_volume)


def _until(at: int, parts: Sequence[int], before: Sequence[int]) -> int:
    """The weight of all time up to ``at``, microseconds since a midnight: exact, in bin shares × bins × microseconds."""
    days, rest = divmod(at, _DAY_MICROS)
    index, into = divmod(rest * len(parts), _DAY_MICROS)
    return (days * before[-1] + before[index]) * _DAY_MICROS + parts[index] * into


def volume_curve(candles: Sequence[Candle], *, bins: int = HOURLY) -> VolumeCurve | None:
    """The average share of each bin in its day, drawn toward a flat curve where days are few.

    ``candles`` are at most as long as a bin, in any order. Days that lack a bin (the first and the current one) do not
    count, so that half a day does not pass for the rhythm of a whole one. None where no whole day has any volume.
    """
    by_day: dict[date, dict[int, Decimal]] = defaultdict(dict)
    for candle in candles:
        opened_at = candle.opened_at.astimezone(UTC)
        index = (opened_at - datetime.combine(opened_at.date(), _MIDNIGHT.timetz())) * bins // _DAY
        day = by_day[opened_at.date()]
        day[index] = _ESTIMATE.add(day.get(index, ZERO), candle.volume)
    totals = {
        day: total for day, volumes in by_day.items() if len(volumes) == bins and (total := _sum(volumes.values())) > 0
    }
    if not totals:
        return None
    return VolumeCurve(
        shares=_average_shares(by_day, totals, bins),
        daily_volume=_ESTIMATE.divide(_sum(totals.values()), Decimal(len(totals))),
        days=len(totals),
    )


def _average_shares(
    by_day: Mapping[date, Mapping[int, Decimal]], totals: Mapping[date, Decimal], bins: int
) -> tuple[Decimal, ...]:
    """(measured days × their average share + FLAT_DAYS × an even share) / (measured days + FLAT_DAYS)."""
    flat = _ESTIMATE.divide(Decimal(FLAT_DAYS), Decimal(bins))
    days = Decimal(len(totals) + FLAT_DAYS)
    return tuple(
        _ESTIMATE.divide(
            _ESTIMATE.add(flat, _sum(_ESTIMATE.divide(by_day[day][index], total) for day, total in totals.items())),
            days,
        )
        for index in range(bins)
    )


def _sum(numbers: Iterable[Decimal]) -> Decimal:
    total = ZERO
    for number in numbers:
        total = _ESTIMATE.add(total, number)
    return total


_MIDNIGHT = datetime(2000, 1, 1, tzinfo=UTC)
