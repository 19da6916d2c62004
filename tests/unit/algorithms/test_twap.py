"""Twap: the grid of the contract, exact sums, minima, lateness, carry-over and restarts."""

from __future__ import annotations

from datetime import timedelta
from decimal import Decimal

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from algorithms.parent import Market, Rules
from models.algorithm import Twap
from tests.unit.algorithms.planning import MINUTE, QUIET, RULES, START, D, Run, after, offsets, parent, totals

HOUR = timedelta(hours=1)


def twap(duration_s: float | str, slices: int | None = None, **more: object) -> Twap:
    return Twap(duration_s=D(str(duration_s)), slices=slices, **more)  # type: ignore[arg-type]


def whole(algorithm: Twap, quantity: str, rules: Rules = RULES) -> Run:
    return Run(algorithm, parent(quantity), rules=rules).through()


@pytest.mark.parametrize(
    ("quantity", "duration_s", "interval_s", "slices"),
    [
        ("1", 3, "0.5", ["0.167", "0.167", "0.167", "0.166", "0.167", "0.166"]),
        ("1", 2, "1", ["0.500", "0.500"]),
        ("1.2", 60, "30", ["0.600", "0.600"]),
        ("1.2", 60, "20", ["0.4", "0.4", "0.4"]),
        ("0.005", 60, "10", ["0.001"] * 5),
        # does not divide: three slots, stretched; no extra slice at the end
        ("1", 10, "3", ["0.333", "0.334", "0.333"]),
    ],
)
def test_slices_are_equal_to_a_lot_and_sum_exactly(
    quantity: str, duration_s: int, interval_s: str, slices: list[str]
) -> None:
    run = whole(twap(duration_s, interval_s=D(interval_s)), quantity)

    assert [piece.quantity for piece in run.slices] == [D(text) for text in slices]
    assert totals(run.slices) == D(quantity)


@pytest.mark.parametrize(("quantity", "slices"), [("10", 6), ("100", 60), ("1", 3), ("0.061", 61)])
def test_no_slice_of_the_remainder_comes_at_or_after_the_end(quantity: str, slices: int) -> None:
    run = whole(twap(3600, slices), quantity)

    assert len(run.slices) == slices
    assert totals(run.slices) == D(quantity)
    assert max(offsets(run.slices)) == pytest.approx(3600 - 3600 / slices)


def test_the_grid_begins_at_the_start_and_ends_one_interval_before_the_end() -> None:
    run = whole(twap(10, 5), "10")

    assert list(offsets(run.slices)) == [0, 2, 4, 6, 8]
    assert {piece.quantity for piece in run.slices} == {D(2)}


def test_fewer_lots_than_slots_still_trade() -> None:
    lots = Rules(lot=D(1), min_quantity=D(1))

    assert [piece.quantity for piece in whole(twap("0.5", interval_s=D("0.1")), "2", lots).slices] == [D(1), D(1)]
    assert totals(whole(twap(60, interval_s=D(10)), "2", lots).slices) == D(2)


def test_slices_too_small_for_the_venue_become_fewer_and_larger() -> None:
    # 1 at 100 is worth 100; 20 each makes five slices of the twenty asked for
    run = whole(twap(200, 20), "1", Rules(lot=D("0.001"), min_notional=D(20)))

    assert [piece.quantity for piece in run.slices] == [D("0.2")] * 5
    assert list(offsets(run.slices)) == [0, 40, 80, 120, 160]


def test_a_quantity_under_the_minimum_is_left_over_and_said() -> None:
    run = whole(twap(60, 6), "0.1", Rules(lot=D("0.001"), min_notional=D(20)))

    assert run.slices == []
    assert run.plans[-1][1].is_over
    assert run.notes["left_over"] == "0.1"


def test_a_market_slice_is_worth_more_than_the_minimum_at_the_worse_price() -> None:
    rules = Rules(lot=D("0.0001"), min_notional=D(10))
    run = Run(twap(100, 100), parent("1", price=None), rules=rules).through()

    assert all(piece.quantity * D("99.99") > D(10) for piece in run.slices)
    assert totals(run.slices) == D(1)
    assert all(piece.price is None for piece in run.slices)


def test_without_any_price_the_smallest_quantity_alone_bounds_a_market_slice() -> None:
    rules = Rules(lot=D("0.01"), min_quantity=D("0.05"), min_notional=D(10))
    run = Run(twap(100, 10), parent("0.5", price=None), rules=rules, market=lambda _: Market())

    assert [piece.quantity for piece in run.through().slices] == [D("0.05")] * 10


def test_every_slice_has_the_orders_limit() -> None:
    assert {piece.price for piece in whole(twap(10, 5), "10").slices} == {D(100)}


# ------------------------------------------------------------------------------------------------------------- waves


def test_only_what_is_due_soon_becomes_rows() -> None:
    run = Run(twap(3600, 60), parent("60"), ahead=timedelta(minutes=5))

    made = run.look(START)

    assert [piece.slot for piece in made.slices] == [0, 1, 2, 3, 4, 5]
    assert made.look_again_at is not None
    assert after(360) - timedelta(minutes=5) < made.look_again_at < after(360)


def test_a_schedule_that_begins_later_waits() -> None:
    run = Run(twap(60, 6), parent("6", start_at=START + HOUR))

    made = run.look(START)

    assert (made.slices, made.is_over) == ((), False)
    assert made.look_again_at is not None
    assert START < made.look_again_at < START + HOUR
    assert run.look(made.look_again_at).slices[0].due_at == START + HOUR


def test_the_last_slice_takes_what_came_back_from_those_before_it() -> None:
    run = Run(twap(60, 6), parent("6")).through(lambda piece: D(0) if piece.slot < 2 else D(1))

    assert [piece.quantity for piece in run.slices] == [D(1)] * 5 + [D(3)]
    assert sum(child.filled for child in run.children) == D(6)


def test_what_did_not_fill_is_spread_over_the_slots_left() -> None:
    run = Run(twap(600, 10), parent("10"), ahead=timedelta(seconds=10))

    run.through(lambda piece: D(0) if piece.slot == 0 else D(1))

    assert run.slices[0].quantity == D(1)
    assert totals(run.slices[1:]) == D(10)
    assert max(piece.quantity for piece in run.slices) < D("1.2"), "spread, not sent again at once"


def test_after_the_last_slot_nothing_follows() -> None:
    run = Run(twap(60, 6), parent("6")).through(lambda piece: D(0) if piece.slot == 5 else D(1))

    made = run.look(after(59))

    assert (made.slices, made.is_over, made.look_again_at) == ((), True, None)
    assert made.notes["left_over"] == "1"


def test_a_slice_in_doubt_counts_whole_and_stalls_no_other() -> None:
    run = Run(twap(60, 6), parent("6"))
    now = START
    while (made := run.look(now)).look_again_at is not None:  # nothing ever ends: every child stays live
        now = made.look_again_at

    assert [piece.quantity for piece in run.slices] == [D(1)] * 6


def test_what_comes_back_once_all_is_out_is_looked_for_at_the_last_slot() -> None:
    run = Run(twap(300, interval_s=D(30)), parent("1"), rules=Rules(lot=D(1)))
    run.through(lambda piece: D(0) if piece.slot < 9 else D(1))

    assert [(piece.slot, piece.quantity) for piece in run.slices] == [(0, D(1)), (9, D(1))]
    assert sum(child.filled for child in run.children) == D(1)


def test_an_order_that_was_amended_below_what_is_out_plans_nothing_more() -> None:
    run = Run(twap(60, 6), parent("6"), ahead=timedelta(seconds=15))
    run.look(START)
    run.first = parent("1")

    assert run.ask(after(15)).slices == ()


def test_an_order_that_was_amended_upward_spreads_the_rest() -> None:
    run = Run(twap(60, 6), parent("6"), ahead=timedelta(seconds=15))
    first = run.look(START)
    run.first = parent("10")
    run.through()

    assert totals(list(first.slices)) == D(2)
    assert totals(run.slices) == D(10)
    assert max(piece.quantity for piece in run.slices) <= D("2.001")


# ---------------------------------------------------------------------------------------------------------- lateness


def test_late_slots_are_never_sent_in_a_burst() -> None:
    run = Run(twap(600, 10), parent("10"), ahead=timedelta(seconds=30), late_slice=timedelta(seconds=5))
    run.look(START)
    run.fill(START)

    made = run.look(after(302))  # down for five minutes: slots 1 to 4 are over, slot 5 is 2 s late

    assert [(piece.slot, piece.due_at) for piece in made.slices] == [(5, after(300))]
    assert made.slices[0].quantity == D("1.8"), "the nine that are left, over the five slots that are left"
    assert made.notes["skipped_slots"] == "4"


def test_a_slot_that_is_too_late_goes_to_later_ones() -> None:
    run = Run(twap(600, 10), parent("10"), ahead=timedelta(seconds=30), late_slice=timedelta(seconds=5))
    run.look(START)
    run.fill(START)

    made = run.look(after(306))

    assert made.slices == ()
    assert made.next_slot == 6
    assert made.look_again_at is not None
    assert after(306) < made.look_again_at < after(360)


def test_several_slots_that_are_a_little_late_give_one_slice() -> None:
    run = Run(twap(10, 10), parent("10"), late_slice=timedelta(seconds=5))

    made = run.look(after(4.5))

    assert [piece.slot for piece in made.slices][:2] == [4, 5]
    assert made.slices[0].due_at == after(4)


def test_the_last_slot_is_kept_while_the_schedule_lasts() -> None:
    run = Run(twap(3600, 2), parent("2"))
    run.look(START)
    run.fill(START)

    made = run.look(after(3000))  # 20 minutes late, and no slot follows

    assert [(piece.slot, piece.quantity, piece.due_at) for piece in made.slices] == [(1, D(1), after(3000))]


@pytest.mark.parametrize("late_s", [60, 61, 3600])
def test_nothing_is_planned_after_the_horizon(late_s: int) -> None:
    run = Run(twap(60, 6), parent("6"))

    made = run.look(after(late_s))

    assert (made.slices, made.is_over) == ((), True)
    assert made.notes["left_over"] == "6"


# ------------------------------------------------------------------------------------------------------------ jitter


def test_jitter_moves_times_and_sizes_within_its_bounds() -> None:
    run = whole(twap(6000, 100, jitter=D("0.5")), "100")

    for piece, offset in zip(run.slices, offsets(run.slices), strict=True):
        assert abs(offset - piece.slot * 60) <= 15
    sizes = [piece.quantity for piece in run.slices[:-10]]
    assert len(set(sizes)) > 50
    assert len(set(offsets(run.slices))) == 100
    assert all(offset != piece.slot * 60 for piece, offset in zip(run.slices, offsets(run.slices), strict=True))
    assert totals(run.slices) == D(100)


def test_jitter_is_another_for_another_order() -> None:
    one = Run(twap(600, 10, jitter=D("0.3")), parent("10")).through()
    other = Run(twap(600, 10, jitter=D("0.3")), parent("10", order_id="01hqother")).through()

    assert list(offsets(one.slices)) != list(offsets(other.slices))
    assert [piece.quantity for piece in one.slices] != [piece.quantity for piece in other.slices]


# -------------------------------------------------------------------------------------------------------- properties

algorithms = st.builds(
    lambda duration_s, slices, jitter: twap(duration_s, min(slices, int(duration_s * 10)), jitter=jitter),
    st.integers(1, 20_000),
    st.integers(1, 150),
    st.sampled_from([D(0), D("0.1"), D("0.5")]),
)
rules = st.builds(
    Rules,
    lot=st.sampled_from([D("0.001"), D("0.00000001"), D("0.25"), D(1)]),
    min_quantity=st.sampled_from([D(0), D("0.01"), D(2)]),
    min_notional=st.sampled_from([D(0), D(10), D(333)]),
)
lots = st.integers(1, 100_000)
aheads = st.sampled_from([timedelta(seconds=seconds) for seconds in (1, 7, 60, 600, 100_000)])


@settings(deadline=None)
@given(algorithms, rules, lots, aheads)
def test_all_of_it_is_planned_exactly_once(algorithm: Twap, rules: Rules, lots: int, ahead: timedelta) -> None:
    run = Run(algorithm, parent(lots * rules.lot), rules=rules, ahead=ahead).through()

    quantity = run.first.quantity
    assert totals(run.slices) == (quantity if quantity >= rules.minimum(D(100)) else 0)
    assert all(START <= piece.due_at < START + timedelta(seconds=int(algorithm.duration_s)) for piece in run.slices)
    assert len(run.slices) <= (algorithm.slices or 0)


@settings(deadline=None)
@given(algorithms, rules, lots, aheads, aheads)
def test_the_length_of_waves_changes_nothing(
    algorithm: Twap, rules: Rules, lots: int, one: timedelta, other: timedelta
) -> None:
    quantity = lots * rules.lot

    runs = [Run(algorithm, parent(quantity), rules=rules, ahead=ahead).through() for ahead in (one, other)]

    assert runs[0].slices == runs[1].slices


@settings(deadline=None)
@given(algorithms, rules, lots, st.lists(st.integers(0, 4), max_size=30), st.integers(0, 10))
def test_a_restart_at_any_slice_plans_the_same(
    algorithm: Twap, rules: Rules, lots: int, extra_looks_s: list[int], seed: int
) -> None:
    """Plans that were made and lost, looks that come too early and twice: the slices are those of the quiet run."""
    quiet = Run(algorithm, parent(lots * rules.lot), rules=rules).through()
    shaken = Run(algorithm, parent(lots * rules.lot), rules=rules)
    looks, now = list(extra_looks_s), START

    while (made := shaken.look(now)).look_again_at is not None:
        shaken.ask(now)  # planned by a process that died before it kept the plan
        early = timedelta(seconds=looks.pop()) if looks else MINUTE
        now = min(made.look_again_at, now + max(early, timedelta(milliseconds=1)))
        shaken.fill(now)

    assert shaken.slices == quiet.slices


@settings(deadline=None)
@given(
    algorithms, rules, lots, st.lists(st.integers(0, 100), min_size=1, max_size=20),
    st.lists(st.integers(0, 400), min_size=1, max_size=20),
)  # fmt: skip
def test_whatever_fills_and_however_late_it_is_looked_at_the_order_is_never_exceeded(
    algorithm: Twap, rules: Rules, lots: int, filled: list[int], late_s: list[int]
) -> None:
    run = Run(algorithm, parent(lots * rules.lot), rules=rules)
    run.through(
        lambda piece: Decimal(filled[piece.slot % len(filled)]) / 100,
        late=lambda look: timedelta(seconds=late_s[look % len(late_s)]),
    )

    assert run.parent.filled + run.parent.live <= run.first.quantity
    assert all(piece.due_at < START + timedelta(seconds=int(algorithm.duration_s)) for piece in run.slices)


def test_the_market_may_be_unknown() -> None:
    assert Run(twap(60, 6), parent("6"), market=lambda _: Market()).through().slices == whole(twap(60, 6), "6").slices
    assert QUIET.volume_curve is None
