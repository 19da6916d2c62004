"""Time-weighted average price: equal slices at equal distances."""

from algorithms.grid import Grid
from algorithms.jitter import PARTS, jitter_parts
from algorithms.parent import Market, Parent, Plan, Rules
from algorithms.schedule import Wave, first_slot, plan_wave
from models.algorithm import Twap, Vwap


def plan_twap(twap: Twap, parent: Parent, rules: Rules, market: Market, wave: Wave) -> Plan:
    grid = Grid.of(twap, parent.order_id, parent.start_at)
    slots = range(first_slot(grid, parent.next_slot, wave), grid.slots)
    weights = [PARTS + size_jitter(twap, parent, slot) for slot in slots]
    return plan_wave(grid, weights, parent, rules, market, wave, {"slots": str(grid.slots)})


def size_jitter(algorithm: Twap | Vwap, parent: Parent, slot: int) -> int:
    """What a slot's weight of ``PARTS`` is off by; above −PARTS, since a jitter is at most a half."""
    return jitter_parts(parent.order_id, "size", slot, algorithm.jitter)
