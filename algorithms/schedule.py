"""Waves of a schedule: what the planners on a grid (twap, vwap, adaptive) share. Only the weights of slots differ."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any

from algorithms.apportion import apportion
from algorithms.grid import Grid
from algorithms.lots import in_lots, of_lots
from algorithms.parent import Market, Parent, Plan, PlannedSlice, Rules
from models.money import plain

#: How long before its time a slot is planned where its interval is shorter than twice that: time for the message, the
#: checks and the claim that come before the send.
LEAD = timedelta(seconds=5)


@dataclass(frozen=True, slots=True, kw_only=True)
class Wave:
    """How far a plan reaches, and what is too late for it."""

    now: datetime
    #: slots that are due until ``now + ahead`` are planned
    ahead: timedelta
    #: a slot that is further behind than this is left out
    late_slice: timedelta

    def lead(self, interval: timedelta) -> timedelta:
        """How long before a slot's time it is planned: late enough to know what the slices before it left."""
        return min(self.ahead / 2, max(interval / 2, LEAD))


def first_slot(grid: Grid, next_slot: int, wave: Wave) -> int:
    """The slot to go on with; ``grid.slots`` where none is left.

    Of several slots that are past, one at most is sent: the last of them if it is not too late, and the grid's last
    slot as long as the schedule's time lasts, since no other follows that could take its quantity.
    """
    if wave.now >= grid.end_at:
        return grid.slots
    slot = grid.first_due(wave.now, next_slot)
    if slot > next_slot and (slot == grid.slots or grid.due_at(slot - 1) >= wave.now - wave.late_slice):
        return slot - 1
    return slot


def plan_wave(
    grid: Grid,
    weights: Sequence[int],
    parent: Parent,
    rules: Rules,
    market: Market,
    wave: Wave,
    notes: Mapping[str, Any],
) -> Plan:
    """Share what is to plan among the slots left, and plan those that are due soon.

    ``weights``: one for each slot from ``first_slot`` on. What did not fill, and what slots would have sent that are
    too late, is in ``to_plan`` and so is spread over the slots left. The last slice waits until shortly before its
    time, so that it takes what came back from those before it.
    """
    base = first_slot(grid, parent.next_slot, wave)
    notes = _with_skipped(notes, parent, base - parent.next_slot)
    least = in_lots(rules.minimum_for(parent, market), rules)
    lead = wave.lead(grid.interval)
    left = in_lots(parent.to_plan, rules)
    next_slot = base
    slices: list[PlannedSlice] = []
    for portion in apportion(left, weights, least):
        slot = base + portion.index
        due_at = grid.due_at(slot)
        if due_at > wave.now + wave.ahead or (portion.lots == left and wave.now < due_at - lead):
            return Plan(slices=tuple(slices), look_again_at=due_at - lead, next_slot=next_slot, notes=notes)
        slices.append(
            PlannedSlice(
                slot=slot,
                quantity=of_lots(portion.lots, rules),
                due_at=wave.now if due_at < wave.now - wave.late_slice else due_at,
                price=parent.price,
            )
        )
        left -= portion.lots
        next_slot = base + portion.following
    look_again_at = _last_look(grid, parent, next_slot, wave.now, lead)
    return Plan(
        slices=tuple(slices),
        look_again_at=look_again_at,
        is_over=look_again_at is None,
        next_slot=next_slot,
        notes=with_left_over(notes, of_lots(left, rules)) if look_again_at is None else notes,
    )


def with_left_over(notes: Mapping[str, Any], left: Decimal) -> Mapping[str, Any]:
    """``left_over``: base that stays unsent, since the schedule is over or it is less than the venue takes."""
    return {**notes, "left_over": plain(left)} if left else notes


def _last_look(grid: Grid, parent: Parent, next_slot: int, now: datetime, lead: timedelta) -> datetime | None:
    """Everything is planned, or the rest is too little. While slots are left, something may come back until the last."""
    if next_slot >= grid.slots or (not parent.to_plan and not parent.live):
        return None
    look_at = grid.due_at(grid.slots - 1) - lead
    return look_at if look_at > now else None


def _with_skipped(notes: Mapping[str, Any], parent: Parent, skipped: int) -> Mapping[str, Any]:
    """``skipped_slots``: how many were too late so far."""
    before = int(parent.notes.get("skipped_slots", "0"))
    return {**notes, "skipped_slots": str(before + skipped)} if before + skipped else notes
