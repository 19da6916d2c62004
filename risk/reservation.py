"""Slots of a venue account's rate, given one after the other: whoever comes gets the next one and waits for it.

Each lane is a bucket that leaks at an even rate (the generic cell rate algorithm), kept as one time: when the lane would
be idle again. No window of the length that the venue counts in, wherever it begins, holds more than the limit, even
where requests leave up to ``spread_us`` after their slot. Times are microseconds since the epoch, weights are units.
"""

import math
from dataclasses import dataclass, replace

from risk.lane import Lane

SECOND_US = 1_000_000
#: what a plain request weighs; venues have lighter ones (an order at Binance: 2) and much heavier ones
UNITS = 10
#: parts of a hundred that only urgent requests get
URGENT_SHARE = 20
#: of a lane's limit, what may go out at once after a rest: for even pace, and for a storm of cancels
ORDINARY_BURST, URGENT_BURST = 10, 2
#: how far requests that had the same slot may be apart when they reach the venue, at most
LONGEST_SPREAD_US = SECOND_US // 2
#: No slot is given further ahead. A lane that is taken for longer was left by a clock that has been set back since.
LONGEST_AHEAD_US = 600 * SECOND_US


@dataclass(frozen=True, slots=True, kw_only=True)
class LanePlan:
    #: weight in any window of the venue's
    limit: int
    #: weight at once
    burst: int
    #: from one unit of weight to the next, once the burst is used up
    interval_us: int


@dataclass(frozen=True, slots=True, kw_only=True)
class RatePlan:
    """What ``limit`` weight in ``window_us`` means for the lanes."""

    limit: int
    window_us: int
    #: a slot is good for so long
    spread_us: int
    ordinary: LanePlan
    #: None where the limit is too small to be shared
    urgent: LanePlan | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Reserved:
    """What is given out. The zero of everything is a venue account that was never used."""

    #: when the lane would be idle
    ordinary_us: int = 0
    urgent_us: int = 0
    #: nothing ordinary before this: the venue has counted more than we have
    held_until_us: int = 0
    #: nothing at all before this: the venue has asked for it
    closed_until_us: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Slot:
    #: when the request may leave; where none is given, when one would have been
    at_us: int
    #: the clock that the slot was given by
    now_us: int
    granted: bool
    #: whose budget it is from; an urgent request may use either
    lane: Lane
    #: the venue wants to be left alone until then
    closed: bool = False

    @property
    def wait_us(self) -> int:
        return self.at_us - self.now_us


def units(weight: float) -> int:
    """From plain requests, as ccxt and the configuration count them; rounded up, and never nothing."""
    return max(1, math.ceil(round(weight * UNITS, 6)))


def rate_plan(requests: int, per_s: int) -> RatePlan:
    """At most ``requests`` plain requests, or what weighs as much, in any ``per_s`` seconds. Raises ValueError."""
    if requests < 1 or per_s < 1:
        raise ValueError(f"a rate needs at least 1 request in at least 1 s, not {requests} in {per_s} s")
    limit, window_us = requests * UNITS, per_s * SECOND_US
    spread_us = min(LONGEST_SPREAD_US, window_us // 4)
    # A lane that can't hold one plain request would let it pass at a part of its weight.
    urgent = max(UNITS, limit * URGENT_SHARE // 100) if requests > 1 else 0
    return RatePlan(
        limit=limit,
        window_us=window_us,
        spread_us=spread_us,
        ordinary=_lane(limit - urgent, ORDINARY_BURST, window_us + spread_us),
        urgent=_lane(urgent, URGENT_BURST, window_us + spread_us) if urgent else None,
    )


def _lane(limit: int, share: int, span_us: int) -> LanePlan:
    burst = max(1, limit // share)
    # A window holds less than burst + span/interval units: this makes that limit + 1.
    return LanePlan(limit=limit, burst=burst, interval_us=-(-span_us // (limit - burst + 1)))


def reserve(
    state: Reserved, plan: RatePlan, lane: Lane, weight: int, *, now_us: int, latest_us: int
) -> tuple[Reserved, Slot]:
    """The next slot for ``weight``, given if it is not after ``latest_us``; else ``state`` stays as it is.

    A weight above a lane's whole limit takes all of that. Slots are given in the order of the calls.
    """
    # `storage/redis_reservations.py` holds the same rule in Redis's own language; a test compares the two.
    state = _without_leap(state, plan, now_us)
    open_us = max(now_us, state.closed_until_us)
    at_us = max(open_us, state.held_until_us, _earliest_us(state.ordinary_us, plan.ordinary, weight))
    chosen = Lane.ORDINARY
    if lane is Lane.URGENT and plan.urgent is not None:
        urgent_at_us = max(open_us, _earliest_us(state.urgent_us, plan.urgent, weight))
        if urgent_at_us < at_us:  # the reserve is spared while there is room beside it
            at_us, chosen = urgent_at_us, Lane.URGENT
    granted = at_us <= min(latest_us, now_us + LONGEST_AHEAD_US)
    slot = Slot(at_us=at_us, now_us=now_us, granted=granted, lane=chosen, closed=state.closed_until_us > now_us)
    if not granted:
        return state, slot
    if chosen is Lane.URGENT:
        assert plan.urgent is not None
        return replace(state, urgent_us=_idle_us(state.urgent_us, plan.urgent, weight, at_us)), slot
    return replace(state, ordinary_us=_idle_us(state.ordinary_us, plan.ordinary, weight, at_us)), slot


def room(state: Reserved, plan: RatePlan, lane: Lane, now_us: int) -> int:
    """Weight that a lane of its own would let out at once; what is urgent may use the ordinary lane beside that."""
    of_lane = plan.ordinary if lane is Lane.ORDINARY else plan.urgent
    held_us = max(state.closed_until_us, state.held_until_us if lane is Lane.ORDINARY else 0)
    if of_lane is None or held_us > now_us:
        return 0
    idle_us = state.ordinary_us if lane is Lane.ORDINARY else state.urgent_us
    return max(0, of_lane.burst - -(-max(0, idle_us - now_us) // of_lane.interval_us))


def close(state: Reserved, until_us: int) -> Reserved:
    """Nothing leaves before ``until_us``; a shorter word never opens what a longer one closed."""
    return replace(state, closed_until_us=max(state.closed_until_us, until_us))


def hold(state: Reserved, until_us: int) -> Reserved:
    """Nothing ordinary leaves before ``until_us``."""
    return replace(state, held_until_us=max(state.held_until_us, until_us))


def _without_leap(state: Reserved, plan: RatePlan, now_us: int) -> Reserved:
    furthest_us = now_us + LONGEST_AHEAD_US + 2 * plan.window_us
    if state.ordinary_us <= furthest_us and state.urgent_us <= furthest_us:
        return state
    return replace(state, ordinary_us=min(state.ordinary_us, now_us), urgent_us=min(state.urgent_us, now_us))


def _earliest_us(idle_us: int, lane: LanePlan, weight: int) -> int:
    return idle_us - (lane.burst - min(weight, lane.limit)) * lane.interval_us


def _idle_us(idle_us: int, lane: LanePlan, weight: int, at_us: int) -> int:
    return max(idle_us, at_us) + min(weight, lane.limit) * lane.interval_us
