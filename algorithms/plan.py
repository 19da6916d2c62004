"""One door to all planners: live trading and simulation go through it alike."""

from datetime import datetime, timedelta

from algorithms.adaptive import plan_adaptive
from algorithms.iceberg import plan_iceberg
from algorithms.parent import Market, Parent, Plan, PlannedSlice, Rules
from algorithms.pov import plan_pov
from algorithms.schedule import Wave
from algorithms.twap import plan_twap
from algorithms.vwap import plan_vwap
from models.algorithm import Adaptive, Algorithm, Iceberg, Pov, Single, Twap, Vwap
from models.money import ZERO, add

#: A slot that is further behind than this is not sent any more: its quantity goes to later slots.
LATE_SLICE = timedelta(seconds=5)


def plan(
    algorithm: Algorithm,
    parent: Parent,
    rules: Rules,
    market: Market,
    now: datetime,
    *,
    ahead: timedelta,
    late_slice: timedelta = LATE_SLICE,
) -> Plan:
    """The slices that are due until ``now + ahead``, and when to ask again.

    ``next_slot``, ``notes`` and the slices of a plan are kept in one transaction; a plan that was not kept never was.
    The slices never sum to more than ``parent.to_plan``. It may be asked at any time, more often than it wants to be
    and later: what it then answers depends on nothing but its arguments.
    """
    if ahead <= timedelta(0) or late_slice < timedelta(0):
        raise ValueError(f"ahead is {ahead} and late_slice {late_slice}: a plan must reach into the future")
    wave = Wave(now=now, ahead=ahead, late_slice=late_slice)
    planned = _planned(algorithm, parent, rules, market, wave)
    _assert_within(planned, parent)
    return planned


def _planned(algorithm: Algorithm, parent: Parent, rules: Rules, market: Market, wave: Wave) -> Plan:
    match algorithm:
        case Single():
            return _plan_single(parent, wave.now)
        case Twap():
            return plan_twap(algorithm, parent, rules, market, wave)
        case Vwap():
            return plan_vwap(algorithm, parent, rules, market, wave)
        case Iceberg():
            return plan_iceberg(algorithm, parent, rules, market, wave.now)
        case Pov():
            return plan_pov(algorithm, parent, rules, market, wave)
        case Adaptive():
            return plan_adaptive(algorithm, parent, rules, market, wave)


def _plan_single(parent: Parent, now: datetime) -> Plan:
    """The whole order at once, and once."""
    if parent.next_slot or not parent.to_plan:
        return Plan(is_over=True, next_slot=1)
    whole = PlannedSlice(slot=0, quantity=parent.to_plan, due_at=now, price=parent.price)
    return Plan(slices=(whole,), is_over=True, next_slot=1)


def _assert_within(planned: Plan, parent: Parent) -> None:
    """Promise 1 begins here: a planner that planned too much must not get it into a row."""
    total = ZERO
    for piece in planned.slices:
        if piece.quantity <= 0:
            raise AssertionError(f"order {parent.order_id}: slot {piece.slot} was planned with {piece.quantity}")
        total = add(total, piece.quantity)
    if total > parent.to_plan:
        raise AssertionError(f"order {parent.order_id}: {total} was planned and only {parent.to_plan} is left to plan")
