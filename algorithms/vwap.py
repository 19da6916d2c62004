"""Volume-weighted average price: slices as large as the volume that is expected around their times."""

from collections.abc import Sequence
from datetime import datetime, timedelta
from decimal import Decimal
from fractions import Fraction
from typing import Any

from algorithms.grid import Grid
from algorithms.jitter import PARTS
from algorithms.parent import Market, Parent, Plan, Rules
from algorithms.schedule import Wave, first_slot, plan_wave
from algorithms.twap import size_jitter
from algorithms.volume_curve import VolumeCurve
from models.algorithm import Vwap
from models.money import EXACT, multiply, plain

#: How far the observed volume may move the next slot's weight, as a factor and its inverse: one huge trade is no trend.
MOST_TILT = 2

#: what weights of a profile are read in: parts of 10⁻¹⁸, their smallest digit
_PROFILE_PARTS = Decimal(10**18)

#: what a tilt is rounded to: parts of the smallest weight
_PRECISION = 1 << 20

_MICROSECOND = timedelta(microseconds=1)


def plan_vwap(vwap: Vwap, parent: Parent, rules: Rules, market: Market, wave: Wave) -> Plan:
    grid = Grid.of(vwap, parent.order_id, parent.start_at)
    first = first_slot(grid, parent.next_slot, wave)
    weights, notes = _weights(vwap, grid, first, market, wave.now)
    weights = [weight * (PARTS + size_jitter(vwap, parent, first + index)) for index, weight in enumerate(weights)]
    return plan_wave(grid, weights, parent, rules, market, wave, {"slots": str(grid.slots), **notes})


def _weights(vwap: Vwap, grid: Grid, first: int, market: Market, now: datetime) -> tuple[list[int], dict[str, Any]]:
    """Weights of the slots from ``first`` on, and where they come from."""
    if vwap.profile is not None:
        return [int(multiply(weight, _PROFILE_PARTS)) for weight in vwap.profile[first:]], {"profile": "given"}
    curve = market.volume_curve
    if curve is None:
        reason = "the venue's volume history is not known: equal slices, as a twap"
        return [1] * (grid.slots - first), {"profile": "equal", "fallback": reason}
    weights = curve.weights([grid.begins_at(slot) for slot in range(first, grid.slots + 1)])
    tilt = observed_tilt(curve, grid, market.volume_since_start, now)
    notes = {"profile": "history", "curve_days": str(curve.days)}
    if tilt is not None:
        notes["observed_to_expected"] = plain(EXACT.scaleb(Decimal(round(tilt * 10_000)), -4))
    return tilted(weights, tilt or Fraction(1)), notes


def observed_tilt(curve: VolumeCurve, grid: Grid, observed: Decimal | None, now: datetime) -> Fraction | None:
    """How much busier than expected the market is since the start: 1 is as expected; None: not known.

    A short look says little: the ratio counts as elapsed / (elapsed + one interval), and within MOST_TILT.
    """
    if observed is None or now <= grid.start_at:
        return None
    expected = curve.expected_volume(grid.start_at, now)
    if expected is None or expected <= 0:
        return None
    elapsed = now - grid.start_at
    trust = Fraction(elapsed // _MICROSECOND, (elapsed + grid.interval) // _MICROSECOND)
    ratio = 1 + (Fraction(observed) / Fraction(expected) - 1) * trust
    return min(max(ratio, Fraction(1, MOST_TILT)), Fraction(MOST_TILT))


def tilted(weights: Sequence[int], tilt: Fraction) -> list[int]:
    """The next slot's weight times ``tilt``, the one after it half as far from 1, and so on: volume comes in bursts
    that fade, and the curve is right again after them."""
    numerator, denominator = (tilt - 1).as_integer_ratio()
    return [
        weight * _PRECISION + (weight * _PRECISION * numerator // denominator >> min(index, 64))
        for index, weight in enumerate(weights)
    ]
