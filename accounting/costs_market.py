"""What everybody did at a venue over an interval, from its candles or its trades: the benchmark of what we did.

Conventions: the volume is everybody's, ours included. The time-weighted average gives each stretch of time the price
that stood then; where nobody traded that is the last price before.

From candles both averages are approximations, the usual ones: a candle's volume is taken to have traded at its typical
price (high + low + close) / 3, and a candle's time to have passed at (open + high + low + close) / 4. The interval is
made of whole candles (``whole_candles``): a candle is not taken apart, since nobody knows when in it the volume came.

Averages are rounded to 18 significant digits, everything else is exact.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from decimal import Decimal

from models.clock import from_micros, micros
from models.market_data import Candle, PublicTrade
from models.money import ZERO, add, average, multiply

#: Candles that venues have, the shortest first. Each must divide a day, so that candles begin where the venue's do.
CANDLES = tuple(timedelta(minutes=minutes) for minutes in (1, 5, 15, 60, 24 * 60))

#: the shortest candles are taken of which an interval has at most so many: four hours in minutes, ten days in hours
MOST_CANDLES = 240

_MICROSECOND = timedelta(microseconds=1)


@dataclass(frozen=True, slots=True, kw_only=True)
class IntervalMarket:
    """An interval's market. Prices are quote per base; None where nothing was traded, or nothing is known."""

    start_at: datetime
    end_at: datetime
    #: base; everybody's, ours included
    volume: Decimal | None = None
    #: volume-weighted average price
    vwap: Decimal | None = None
    #: time-weighted average price
    twap: Decimal | None = None
    first_price: Decimal | None = None
    last_price: Decimal | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class CandleSpan:
    """An interval widened to whole candles: ``start_at`` <= the interval's start, its end <= ``end_at``."""

    start_at: datetime
    end_at: datetime
    #: of one candle
    length: timedelta


def whole_candles(start_at: datetime, end_at: datetime) -> CandleSpan:
    """The whole candles that an interval touches; at least one, also of an interval of no length.

    Raises ValueError for an end before the start.
    """
    if end_at < start_at:
        raise ValueError(f"an interval ends after it starts, got {start_at.isoformat()} to {end_at.isoformat()}")
    span = CandleSpan(start_at=start_at, end_at=end_at, length=CANDLES[-1])
    for length in CANDLES:
        step = length // _MICROSECOND
        first = micros(start_at) // step * step
        last = micros(end_at) // step * step + step
        span = CandleSpan(start_at=from_micros(first), end_at=from_micros(last), length=length)
        if last - first <= MOST_CANDLES * step:
            break
    return span


def market_of_candles(candles: Sequence[Candle], span: CandleSpan) -> IntervalMarket:
    """``candles`` of ``span.length``, oldest first; those outside of ``span`` are left out, gaps are as they are."""
    inside = [candle for candle in candles if span.start_at <= candle.open_at < span.end_at]
    if not inside:
        return IntervalMarket(start_at=span.start_at, end_at=span.end_at)
    volume, thrice_cost, quarters, count = ZERO, ZERO, ZERO, 0
    for candle, following in zip(inside, [*inside[1:], None], strict=True):
        typical = add(add(candle.high, candle.low), candle.close)
        volume = add(volume, candle.volume)
        thrice_cost = add(thrice_cost, multiply(typical, candle.volume))
        # Nobody traded in the candles that are missing up to the following one: the price stayed at the close.
        until = span.end_at if following is None else following.open_at
        missing = max((until - candle.open_at) // span.length - 1, 0)
        quarters = add(quarters, add(typical, candle.open))
        quarters = add(quarters, multiply(multiply(Decimal(4), candle.close), Decimal(missing)))
        count += 1 + missing
    return IntervalMarket(
        start_at=span.start_at,
        end_at=span.end_at,
        volume=volume,
        vwap=average(thrice_cost, multiply(Decimal(3), volume)),
        twap=average(quarters, Decimal(4 * count)),
        first_price=inside[0].open,
        last_price=inside[-1].close,
    )


def market_of_trades(trades: Sequence[PublicTrade], start_at: datetime, end_at: datetime) -> IntervalMarket:
    """``trades``, oldest first; those outside of ``start_at`` (included) to ``end_at`` (not included) are left out.

    The time before the first trade has no price and counts for nothing.
    """
    inside = [trade for trade in trades if start_at <= trade.at < end_at]
    if not inside:
        return IntervalMarket(start_at=start_at, end_at=end_at, volume=ZERO)
    volume, cost, weighted, weight = ZERO, ZERO, ZERO, ZERO
    for trade, following in zip(inside, [*inside[1:], None], strict=True):
        volume = add(volume, trade.quantity)
        cost = add(cost, multiply(trade.quantity, trade.price))
        stood = Decimal(((end_at if following is None else following.at) - trade.at) // _MICROSECOND)
        weighted = add(weighted, multiply(stood, trade.price))
        weight = add(weight, stood)
    return IntervalMarket(
        start_at=start_at,
        end_at=end_at,
        volume=volume,
        vwap=average(cost, volume),
        twap=average(weighted, weight),
        first_price=inside[0].price,
        last_price=inside[-1].price,
    )
