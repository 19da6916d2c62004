"""Adaptive: along the trajectory of Almgren and Chriss, planned again from what is left with each wave."""

from collections.abc import Mapping, Sequence
from datetime import timedelta
from math import sqrt
from typing import Any

from algorithms.grid import Grid
from algorithms.impact import estimate, impact_from_json, impact_to_json, plain_float
from algorithms.parent import Market, Parent, Plan, Rules
from algorithms.schedule import Wave, first_slot, plan_wave
from algorithms.trajectory import Degenerate, Impact, expected_cost, kappa, trade_weights, trades, variance
from models.algorithm import Adaptive

_DAY = timedelta(days=1)


def plan_adaptive(adaptive: Adaptive, parent: Parent, rules: Rules, market: Market, wave: Wave) -> Plan:
    """With figures that give no trajectory the slices are equal, as a twap's, and ``fallback`` in the notes says why."""
    grid = Grid.of(adaptive, parent.order_id, parent.start_at)
    slots_left = grid.slots - first_slot(grid, parent.next_slot, wave)
    tau = grid.interval / _DAY
    weights: Sequence[int]
    try:
        impact = _impact(market, parent, tau)
        urgency = kappa(impact, float(adaptive.risk_aversion), tau)
        weights = trade_weights(urgency, tau, slots_left)
        notes = {**impact_to_json(impact), **_forecast(impact, urgency, tau, slots_left, float(parent.to_plan))}
    except (Degenerate, OverflowError, ZeroDivisionError) as reason:
        weights = [1] * slots_left
        notes = {"fallback": f"{reason}: equal slices, as a twap"}
    return plan_wave(grid, weights, parent, rules, market, wave, {"slots": str(grid.slots), **notes})


def _impact(market: Market, parent: Parent, tau: float) -> Impact:
    """From the market as it is, or as it was when it was last known."""
    try:
        return estimate(market, tau)
    except Degenerate:
        noted = impact_from_json(parent.notes)
        if noted is None:
            raise
        return noted


def _forecast(impact: Impact, urgency: float, tau: float, slots: int, quantity: float) -> Mapping[str, Any]:
    """What the part that is not planned yet is expected to cost, for the order's document."""
    quantities = [quantity * share for share in trades(urgency, tau, slots)] if slots else []
    return {
        "kappa": plain_float(urgency),
        "expected_cost": plain_float(expected_cost(impact, tau, quantities)),
        "risk": plain_float(sqrt(variance(impact, tau, quantities))),
    }
