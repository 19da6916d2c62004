"""What a stretch of a tape says of its market: volume, volatility, spread, the volume curve, averages."""

from bisect import bisect_left
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta
from decimal import Decimal
from itertools import pairwise
from math import sqrt
from operator import mul, sub
from statistics import fmean, median

from algorithms.candle import Candle
from algorithms.impact import volatility
from algorithms.tape import NOT_SAID, Tape
from algorithms.volume_curve import VolumeCurve, volume_curve
from models.clock import from_micros, micros
from models.money import EXACT

DAY, HOUR = timedelta(days=1), timedelta(hours=1)
_MICROSECOND = timedelta(microseconds=1)

#: Candles that a volatility is taken from, the longest first of which there are enough: the first is what live planners
#: are shown. Short ones hold the jumps between bid and ask as well, and so make the volatility come out too high.
VOLATILITY_CANDLES = tuple(timedelta(seconds=length_s) for length_s in (300, 60, 10, 1))

#: changes of the taker's side, or price changes, that a spread is taken from at least
MIN_CHANGES = 20
#: trades that a spread is taken from at most
SPREAD_TRADES = 100_000
#: spreads are shown and used to a ten-thousandth of a basis point
_SPREAD_STEP = Decimal("0.0001")


@dataclass(frozen=True, slots=True, kw_only=True)
class Lately:
    """A stretch of time as one day: what live planners are told from candles."""

    #: base a day, as if the whole day were like the stretch
    daily_volume: Decimal | None
    #: standard deviation of the return over a day, as a fraction; None where trades are too few
    volatility: float | None
    #: of the candles that the volatility is from
    candle: timedelta | None


def lately(tape: Tape, until: datetime) -> Lately:
    """The day before ``until``, or as much of it as the tape has."""
    return stretch(tape, max(tape.first_at, until - DAY), until)


def stretch(tape: Tape, since: datetime, until: datetime) -> Lately:
    if until <= since:
        return Lately(daily_volume=None, volatility=None, candle=None)
    days = EXACT.divide(Decimal((until - since) // _MICROSECOND), Decimal(DAY // _MICROSECOND))
    daily_volume = EXACT.divide(tape.volume(since, until), days)
    for length in VOLATILITY_CANDLES:
        found = volatility(list(candles(tape, since, until, length)))
        if found is not None:
            return Lately(daily_volume=daily_volume, volatility=found, candle=length)
    return Lately(daily_volume=daily_volume, volatility=None, candle=None)


def candles(tape: Tape, since: datetime, until: datetime, length: timedelta) -> Iterator[Candle]:
    """The whole candles between two times, oldest first; spans without trades have none."""
    step = length // _MICROSECOND
    opens = -(-micros(since) // step) * step
    last = micros(until) // step * step
    index, stop = bisect_left(tape.at, opens), bisect_left(tape.at, last)
    while index < stop:
        opens = tape.at[index] // step * step
        following = bisect_left(tape.at, opens + step, index)
        yield Candle(
            opened_at=from_micros(opens),
            close=tape.decimal(tape.prices[following - 1]),
            volume=tape.decimal(tape.traded[following] - tape.traded[index]),
        )
        index = following


def curve_before(tape: Tape, now: datetime, days: int) -> VolumeCurve | None:
    """From the whole days before today, as live planners are told it; None where the tape has none."""
    today = now.replace(hour=0, minute=0, second=0, microsecond=0)
    since = max(today - DAY * days, tape.first_at)
    known = {candle.opened_at: candle for candle in candles(tape, since, today, HOUR)}
    opens = from_micros(-(-micros(since) // (HOUR // _MICROSECOND)) * (HOUR // _MICROSECOND))
    hours = []
    while opens < today:  # an hour of silence is known to have been one
        silence = Candle(opened_at=opens, close=Decimal(0), volume=Decimal(0))
        hours.append(known.get(opens, silence))
        opens += HOUR
    return volume_curve(hours)


def spread_bps(tape: Tape, first: int, stop: int) -> Decimal | None:
    """Between bid and ask, in basis points, from the trades of these indices; None where they are too few.

    Where the taker's side is said: the median step from a sale to the next trade if that is a purchase, and back. Else by
    Roll ("A simple implicit measure of the effective bid-ask spread in an efficient market", J. Finance 39(4), 1984):
    2 √(−covariance of consecutive price changes), or 0 where that is positive. Analysis in binary floating point.
    """
    first = max(first, stop - SPREAD_TRADES)
    prices, takers = tape.prices, tape.takers
    steps = [
        (prices[index] - prices[index - 1]) / prices[index] * (1 if takers[index] > takers[index - 1] else -1)
        for index in range(first + 1, stop)
        if takers[index] != takers[index - 1] and NOT_SAID not in (takers[index], takers[index - 1])
    ]
    if len(steps) >= MIN_CHANGES:
        return _bps(median(steps))
    changes = [(later - earlier) / later for earlier, later in pairwise(prices[first:stop])]
    if len(changes) <= MIN_CHANGES:
        return None
    products = [earlier * later for earlier, later in pairwise(changes)]
    covariance = fmean(products) - fmean(changes[:-1]) * fmean(changes[1:])
    return _bps(2 * sqrt(max(-covariance, 0.0)))


def _bps(share: float) -> Decimal:
    return EXACT.quantize(Decimal(max(share, 0.0) * 10_000), _SPREAD_STEP)


@dataclass(frozen=True, slots=True, kw_only=True)
class Interval:
    """What averages of a stretch are made of: exact sums, so that the quotients are rounded once."""

    #: base
    volume: Decimal
    #: quote
    cost: Decimal
    #: each price times the microseconds that it stood, and those microseconds; before the first trade no price stood
    weighted: Decimal
    weight: Decimal
    first_price: Decimal | None
    last_price: Decimal | None


def interval(tape: Tape, since: datetime, until: datetime) -> Interval:
    """The trades from ``since`` on and before ``until``."""
    first, stop = tape.seen(since), tape.seen(until)
    prices, quantities, at = tape.prices[first:stop], tape.quantities[first:stop], tape.at[first:stop]
    ends = [*at[1:], micros(until)]
    stood = list(map(sub, ends, at))
    cost = EXACT.scaleb(Decimal(sum(map(mul, prices, quantities))), -2 * tape.digits)
    return Interval(
        volume=tape.decimal(sum(quantities)),
        cost=cost,
        weighted=tape.decimal(sum(map(mul, prices, stood))),
        weight=Decimal(sum(stood)),
        first_price=tape.decimal(prices[0]) if prices else None,
        last_price=tape.decimal(prices[-1]) if prices else None,
    )
