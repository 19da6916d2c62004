"""What trading costs and what waiting risks, estimated from what the venue showed lately.

Analysis in binary floating point. Units: time in days, prices in quote per base, quantities in base.
"""

import itertools
from collections.abc import Mapping, Sequence
from decimal import Decimal
from math import isfinite, log, sqrt
from typing import Any

from algorithms.candle import Candle
from algorithms.parent import Market
from algorithms.trajectory import Degenerate, Impact
from models.money import plain

_DAY_S = 86_400

#: Almgren and Chriss, section 4: trading 1 % of a day's volume over a day costs one spread more on average …
TEMPORARY_VOLUME_SHARE = 0.01
#: … and 10 % of a day's volume moves the price by one spread for good.
PERMANENT_VOLUME_SHARE = 0.1

#: returns that a volatility needs at least
MIN_RETURNS = 10


def volatility(candles: Sequence[Candle]) -> float | None:
    """Standard deviation of the return over a day, as a fraction, from consecutive closes in order of time.

    Each squared log return counts by the time it took (realized variance / time), so that gaps do no harm. None with
    fewer than MIN_RETURNS returns.
    """
    squares, days, count = 0.0, 0.0, 0
    for earlier, later in itertools.pairwise(candles):
        took_s = (later.opened_at - earlier.opened_at).total_seconds()
        if took_s <= 0 or earlier.close <= 0 or later.close <= 0:
            continue
        squares += log(float(later.close) / float(earlier.close)) ** 2
        days += took_s / _DAY_S
        count += 1
    return sqrt(squares / days) if count >= MIN_RETURNS else None


def estimate(market: Market, tau: float) -> Impact:
    """Parameters of the trajectory for slices ``tau`` days apart. Raises Degenerate that names what is not known.

    Temporary impact from the book where its depth is known: every slice meets a book that is full again and evenly
    deep, so that a slice of n pays band · n / (2 · depth) on average, which is eta / tau · n. Without it, from spread
    and daily volume by the rule of Almgren and Chriss. Permanent impact by theirs, or none where the volume is not
    known.
    """
    if market.bid is None or market.ask is None or not 0 < market.bid <= market.ask:
        raise Degenerate("bid and ask are not known")
    bid, ask = float(market.bid), float(market.ask)
    middle, spread = (bid + ask) / 2, ask - bid
    if market.volatility is None or not isfinite(market.volatility):
        raise Degenerate("the volatility is not known")
    daily = _daily_volume(market)
    gamma = spread / (PERMANENT_VOLUME_SHARE * daily) if daily else 0.0
    if market.depth is not None and market.depth > 0 and market.depth_bps is not None and market.depth_bps > 0:
        eta = middle * float(market.depth_bps) / 10_000 * tau / (2 * float(market.depth))
    elif daily:
        eta = spread / (TEMPORARY_VOLUME_SHARE * daily)
    else:
        raise Degenerate("neither the book's depth nor the daily volume is known")
    return Impact(sigma=market.volatility * middle, epsilon=spread / 2, gamma=gamma, eta=eta)


def impact_to_json(impact: Impact) -> Mapping[str, str]:
    return {name: plain_float(getattr(impact, name)) for name in ("sigma", "epsilon", "gamma", "eta")}


def impact_from_json(notes: Mapping[str, Any]) -> Impact | None:
    """What an earlier plan noted; None if it noted none."""
    try:
        return Impact(
            sigma=float(notes["sigma"]),
            epsilon=float(notes["epsilon"]),
            gamma=float(notes["gamma"]),
            eta=float(notes["eta"]),
        )
    except (KeyError, TypeError, ValueError):
        return None


def plain_float(number: float) -> str:
    """The shortest digits that are read back as the same float, in plain notation."""
    return plain(Decimal(repr(number))) if number >= 0 else f"-{plain(Decimal(repr(-number)))}"


def _daily_volume(market: Market) -> float | None:
    curve = market.volume_curve
    volume = market.daily_volume if market.daily_volume is not None else curve.daily_volume if curve else None
    return float(volume) if volume is not None and volume > 0 else None
