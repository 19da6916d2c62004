"""Percentage of volume: a fixed share of everything that trades, as it trades."""

from collections.abc import Mapping
from datetime import timedelta
from decimal import ROUND_FLOOR, Context, Decimal
from typing import Any

from algorithms.lots import in_lots, of_lots
from algorithms.parent import Market, Parent, Plan, PlannedSlice, Rules
from algorithms.schedule import Wave, with_left_over
from models.algorithm import MAX_SLICES, Pov, seconds
from models.money import ZERO, add, multiply, plain, round_up_to, subtract

#: The market is looked at this often: 60 times over the schedule, within these bounds.
LOOKS = 60
SHORTEST_LOOK = timedelta(seconds=1)
LONGEST_LOOK = timedelta(seconds=10)

_MICROSECOND = timedelta(microseconds=1)

#: rounds what counts of an old volume down, so that the rate is never exceeded by rounding
_DOWN = Context(prec=40, rounding=ROUND_FLOOR)


def plan_pov(pov: Pov, parent: Parent, rules: Rules, market: Market, wave: Wave) -> Plan:
    """Answer what others traded since the last look with rate / (1 - rate) times as much.

    The sum of all slices never exceeds that multiple of others' volume since the start, so that our part of
    the whole never exceeds the rate. What is allowed and below the smallest slice is carried to the next look; more
    than that never is, and volume of a time in which nobody looked counts for one look, so that no burst follows.
    """
    now, every = wave.now, look_every(pov)
    look = (now - parent.start_at) // every
    if now >= parent.start_at + seconds(pov.duration_s) or not (parent.to_plan or parent.live):
        return Plan(is_over=True, next_slot=parent.next_slot, notes=with_left_over(parent.notes, parent.to_plan))
    if now < parent.start_at:
        return Plan(look_again_at=parent.start_at, next_slot=parent.next_slot, notes=parent.notes)
    credit = add(_carried(parent), multiply(pov.participation, _counted(market, parent, wave, every)))
    rest_share = subtract(Decimal(1), pov.participation)
    left = in_lots(parent.to_plan, rules)
    least = _least(pov, parent, rules, market, left)
    lots = _answer(left, in_lots(_DOWN.divide(credit, rest_share), rules), least)
    kept = _kept_credit(credit, rest_share, left - lots, lots, least, rules)
    slot = max(parent.next_slot, look)
    notes = _notes(pov, parent, market, kept)
    following = parent.start_at + every * (look + 1)
    is_last = following >= parent.start_at + seconds(pov.duration_s)
    return Plan(
        slices=(PlannedSlice(slot=slot, quantity=of_lots(lots, rules), due_at=now, price=parent.price),)
        if lots
        else (),
        look_again_at=None if is_last else following,
        is_over=is_last,
        next_slot=slot + 1 if lots else parent.next_slot,
        notes=with_left_over(notes, of_lots(left - lots, rules)) if is_last else notes,
    )


def look_every(pov: Pov) -> timedelta:
    """No more looks than an order may have slices."""
    duration = seconds(pov.duration_s)
    return max(min(max(duration / LOOKS, SHORTEST_LOOK), LONGEST_LOOK), duration / MAX_SLICES)


def _carried(parent: Parent) -> Decimal:
    """Allowed and not yet used, as (1 - rate) × base: in that unit every step of the account is exact."""
    return Decimal(parent.notes.get("carried", "0"))


def _counted(market: Market, parent: Parent, wave: Wave, every: timedelta) -> Decimal:
    """Others' volume since the last look; of a longer time than a look takes only the part of one look.

    Below zero where fills of ours were told late: what they made look like others' volume before is taken back.
    """
    if market.others_volume is None:
        return ZERO
    volume = subtract(market.others_volume, _maybe_ours(parent))
    if volume <= 0:
        return volume
    since = wave.now - (parent.looked_at or parent.start_at)
    longest = every + wave.late_slice
    if since <= longest:
        return volume
    return _DOWN.divide(multiply(volume, Decimal(every // _MICROSECOND)), Decimal(since // _MICROSECOND))


def _maybe_ours(parent: Parent) -> Decimal:
    """By how much more of ours than at the last look may have traded without being booked.

    What is live counts as ours, so that a fill told late never looks like others' volume. What of it was booked since
    has been taken from others' volume again, and is given back; what ended without a trade is not.
    """
    more = subtract(parent.live, Decimal(parent.notes.get("live", "0")))
    booked = subtract(parent.filled, Decimal(parent.notes.get("filled", "0")))
    return max(more, subtract(ZERO, booked))


def _least(pov: Pov, parent: Parent, rules: Rules, market: Market, left: int) -> int:
    """The smallest slice in lots: the venue's, or ``min_slice`` where more than that is left."""
    venues = in_lots(rules.minimum_for(parent, market), rules)
    wished = in_lots(round_up_to(pov.min_slice or ZERO, rules.lot), rules)
    return max(venues, min(wished, left))


def _answer(left: int, allowed: int, least: int) -> int:
    """Lots to send: as many as are allowed, unless what then remains could not be sent any more."""
    if left < least or allowed < least:
        return 0
    if allowed >= left:
        return left
    if left - allowed >= least:
        return allowed
    return left - least if left >= 2 * least else 0


def _kept_credit(credit: Decimal, rest_share: Decimal, left: int, lots: int, least: int, rules: Rules) -> Decimal:
    """What the next look may use: no more than makes the smallest slice, or all of a rest that can't be divided."""
    unused = subtract(credit, multiply(of_lots(lots, rules), rest_share))
    most = multiply(of_lots(left if left < 2 * least else least, rules), rest_share)
    return min(unused, most)


def _notes(pov: Pov, parent: Parent, market: Market, carried: Decimal) -> Mapping[str, Any]:
    seen = add(Decimal(parent.notes.get("others_volume", "0")), market.others_volume or ZERO)
    notes = {
        "participation": plain(pov.participation),
        "others_volume": plain(seen),
        "carried": plain(carried),
        "live": plain(parent.live),
        "filled": plain(parent.filled),
    }
    if market.others_volume is None:
        notes["unknown_volume"] = "what others traded was not known at the last look, so nothing was sent for it"
    return notes
