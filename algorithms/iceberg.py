"""Iceberg: the book sees one slice at a time; the next one follows when it is gone."""

from collections.abc import Mapping
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any

from algorithms.apportion import without_dust
from algorithms.jitter import PARTS, jitter_parts
from algorithms.lots import in_lots, of_lots
from algorithms.parent import Market, Parent, Plan, PlannedSlice, Rules
from algorithms.schedule import with_left_over
from models.algorithm import Iceberg
from models.clock import format_time, parse_time
from models.money import multiply, plain, round_down_to

#: A slice that ended without any fill (rejected, cancelled by the venue) is followed by the next one only after a
#: pause, doubled each time: else a venue that refuses it would be asked without end.
FIRST_PAUSE = timedelta(seconds=1)
LONGEST_PAUSE = timedelta(minutes=5)


def plan_iceberg(iceberg: Iceberg, parent: Parent, rules: Rules, market: Market, now: datetime) -> Plan:
    """Show the next slice if none is live. A fill is the reason to look again, not a time."""
    if now < parent.start_at:
        return Plan(look_again_at=parent.start_at, next_slot=parent.next_slot, notes=parent.notes)
    if parent.live:
        return Plan(next_slot=parent.next_slot, notes=parent.notes)
    left = in_lots(parent.to_plan, rules)
    least = in_lots(rules.minimum_for(parent, market), rules)
    if left < least:
        return Plan(is_over=True, next_slot=parent.next_slot, notes=with_left_over(parent.notes, parent.to_plan))
    idle = _idle(parent)
    shown_at = parent.notes.get("shown_at")
    if idle and shown_at is not None:
        again_at = parse_time(shown_at) + min(FIRST_PAUSE * 2 ** min(idle - 1, 20), LONGEST_PAUSE)
        if now < again_at:
            return Plan(look_again_at=again_at, next_slot=parent.next_slot, notes=parent.notes)
    return Plan(
        slices=(_slice(iceberg, parent, rules, left, least, now),),
        next_slot=parent.next_slot + 1,
        notes=_notes(iceberg, parent, rules, idle, now),
    )


def _slice(iceberg: Iceberg, parent: Parent, rules: Rules, left: int, least: int, now: datetime) -> PlannedSlice:
    slot = parent.next_slot
    if iceberg.native and rules.native_iceberg:
        display = round_down_to(iceberg.display_quantity, rules.lot)
        whole = of_lots(left, rules)
        return PlannedSlice(
            slot=slot, quantity=whole, due_at=now, price=parent.price, display=display if display < whole else None
        )
    parts = PARTS + jitter_parts(parent.order_id, "size", slot, iceberg.jitter)
    wanted = in_lots(multiply(iceberg.display_quantity, Decimal(parts)), rules) // PARTS
    lots = without_dust(left, max(wanted, least), least)
    return PlannedSlice(slot=slot, quantity=of_lots(lots, rules), due_at=now, price=parent.price)


def _idle(parent: Parent) -> int:
    """How many slices in a row, the last one included, ended without any fill."""
    if parent.notes.get("filled_before") != plain(parent.filled):
        return 0
    return int(parent.notes.get("idle", "0")) + 1


def _notes(iceberg: Iceberg, parent: Parent, rules: Rules, idle: int, now: datetime) -> Mapping[str, Any]:
    kind = "native" if iceberg.native and rules.native_iceberg else "slices"
    return {"iceberg": kind, "filled_before": plain(parent.filled), "idle": str(idle), "shown_at": format_time(now)}
