"""Pov: a share of what others trade, never above the rate, without bursts."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime, timedelta
from decimal import Decimal

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from algorithms.parent import Market, Rules
from algorithms.pov import look_every
from models.algorithm import Pov
from tests.unit.algorithms.planning import QUIET, RULES, START, D, Run, after, parent, totals

Volumes = dict[datetime, Decimal | None]


def pov(participation: str, duration_s: int = 600, **more: object) -> Pov:
    return Pov(participation=D(participation), duration_s=D(duration_s), **more)  # type: ignore[arg-type]


def traded(*others: str | int | None, every_s: float = 10) -> list[tuple[datetime, Decimal | None]]:
    """What others traded until each look, the first one at the start, when nothing has."""
    return [(after(every_s * look), None if volume is None else D(volume)) for look, volume in enumerate([0, *others])]


def watch(run: Run, looks: list[tuple[datetime, Decimal | None]]) -> Run:
    volumes: Volumes = dict(looks)
    run.market = lambda now: replace(QUIET, others_volume=volumes[now])
    for at, _ in looks:
        run.fill(at)
        run.look(at)
    return run


@pytest.mark.parametrize(
    ("participation", "others", "slices"),
    [
        # our part of the whole: 5 of 50 is a tenth, so others' 45 get 5
        ("0.1", [45, 45], [5, 5]),
        ("0.10", [90], [10]),
        ("0.20", [40], [10]),
        ("0.5", [3, 4], [3, 4]),
        ("0.01", [4950], [10]),
    ],
)
def test_our_part_of_the_whole_is_the_rate(participation: str, others: list[int], slices: list[int]) -> None:
    run = watch(Run(pov(participation), parent("10")), traded(*others))

    assert [piece.quantity for piece in run.slices] == [D(quantity) for quantity in slices]


def test_no_more_than_is_left_of_the_order() -> None:
    run = watch(Run(pov("0.01"), parent("10")), traded(5000, 5000))

    assert [piece.quantity for piece in run.slices] == [D(10)]


def test_a_share_under_the_smallest_slice_waits_for_more_volume() -> None:
    # a hundredth of 50 is half a lot of 1
    lots = Rules(lot=D(1), min_quantity=D(1))
    run = watch(Run(pov("0.01"), parent("10"), rules=lots), traded(49, 49, 49))

    assert [(piece.quantity, piece.due_at) for piece in run.slices] == [(D(1), after(30))]


def test_a_wished_smallest_slice_is_kept_until_less_than_it_is_left() -> None:
    run = watch(Run(pov("0.5", min_slice=D(4)), parent("9")), traded(3, 3, 3, 3, 3, 3))

    # 6 would leave 3, which is less than wished: 5 leave enough
    assert [(piece.quantity, piece.due_at) for piece in run.slices] == [(D(5), after(20)), (D(4), after(30))]


def test_less_than_the_wished_smallest_slice_is_sent_where_no_more_came_back() -> None:
    run = watch(Run(pov("0.5", min_slice=D(4)), parent("4")), traded(4))
    run.fill(after(15), lambda _: D("0.5"))
    run.market = lambda _: replace(QUIET, others_volume=D(2))

    assert [piece.quantity for piece in run.look(after(20)).slices] == [D(2)]


def test_a_rest_that_could_not_be_sent_is_never_left() -> None:
    lots = Rules(lot=D(1), min_quantity=D(3))
    run = watch(Run(pov("0.5"), parent("10"), rules=lots), traded(8, 1, 1, 1, 1))

    assert [piece.quantity for piece in run.slices] == [D(7), D(3)]


def test_unused_allowance_lapses() -> None:
    """All of the order is out: what trades meanwhile is no allowance for what comes back later."""
    run = Run(pov("0.5"), parent("10"))
    volumes: Volumes = dict(traded(10, 1000, 1000))
    run.market = lambda now: replace(QUIET, others_volume=volumes[now])
    for at in volumes:
        run.look(at)
    run.fill(after(35), lambda _: D("0.1"))
    volumes[after(40)] = D(2)

    (piece,) = run.look(after(40)).slices

    assert D(2) <= piece.quantity <= D("3.001"), "2 of others, and the 1 of ours that was counted before it traded"


def test_volume_of_a_time_in_which_nobody_looked_counts_as_one_look() -> None:
    run = watch(Run(pov("0.5"), parent("1000")), traded(10))
    run.market = lambda _: replace(QUIET, others_volume=D(300))

    run.fill(after(10 + 300))
    (piece,) = run.look(after(10 + 300)).slices

    assert piece.quantity == D(10), "300 in 300 s is 10 in one look of 10 s"


def test_an_unknown_volume_sends_nothing_and_is_said() -> None:
    run = watch(Run(pov("0.5"), parent("10")), traded(2, None, 2))

    assert [piece.due_at for piece in run.slices] == [after(10), after(30)]
    assert "not known" in run.plans[2][1].notes["unknown_volume"]
    assert "unknown_volume" not in run.notes


def test_it_looks_on_a_grid_and_stops_at_the_end() -> None:
    run = Run(pov("0.1", 60), parent("10"), market=lambda _: replace(QUIET, others_volume=D(1)))
    run.look(START)

    made = run.look(after(7.25))
    assert made.look_again_at == after(8)
    last = run.look(after(59.5))
    assert (last.look_again_at, last.is_over) == (None, True)
    assert D(last.notes["left_over"]) == run.parent.to_plan
    assert run.look(after(60)).slices == ()


def test_a_filled_order_is_over() -> None:
    run = watch(Run(pov("0.5"), parent("2")), traded(2))
    run.fill(after(15))
    run.market = lambda _: QUIET

    assert run.look(after(20)).is_over


@pytest.mark.parametrize(
    ("duration_s", "every_s"), [(10, 1), (60, 1), (300, 5), (600, 10), (20_000, 10), (86_400, 43.2)]
)
def test_the_market_is_looked_at_sixty_times_within_bounds(duration_s: int, every_s: float) -> None:
    assert look_every(pov("0.1", duration_s)) == timedelta(seconds=every_s)


@settings(deadline=None)
@given(
    st.decimals(D("0.001"), D("0.95"), places=3),
    st.lists(st.tuples(st.decimals(0, 1000, places=5), st.integers(1, 40), st.integers(0, 100)), max_size=40),
    st.integers(1, 100_000),
    st.sampled_from([None, D("0.5"), D(20)]),
    st.sampled_from([D(0), D(10), D(333)]),
)
def test_the_rate_is_never_exceeded(
    participation: Decimal,
    looks: list[tuple[Decimal, int, int]],
    lots: int,
    min_slice: Decimal | None,
    min_notional: Decimal,
) -> None:
    """At every look: what was ever planned, as a part of it and of all that others traded, is the rate or less."""
    rules = Rules(lot=D("0.001"), min_notional=min_notional)
    run = Run(pov(str(participation), 600, min_slice=min_slice), parent(lots * rules.lot), rules=rules)
    seen: list[Decimal] = [D(0)]
    run.market = lambda _: Market(others_volume=seen[-1])
    now, others = START, D(0)
    run.look(now)
    for volume, seconds, filled in looks:
        now += timedelta(seconds=seconds)
        seen.append(volume)
        others += volume
        run.fill(now, lambda _, filled=filled: D(filled) / 100)
        run.look(now)
        own = totals(run.slices)
        assert own * (1 - participation) <= participation * others
        assert run.parent.filled + run.parent.live <= run.first.quantity


@settings(deadline=None)
@given(st.integers(1, 50_000), st.integers(1, 10**6))
def test_enough_volume_fills_all_of_it(lots: int, volume: int) -> None:
    run = Run(pov("0.1", 600), parent(lots * RULES.lot), market=lambda _: Market(others_volume=D(volume)))

    run.through()

    assert totals(run.slices) == min(run.first.quantity, totals(run.slices))
    if D(volume) / 9 * 59 >= run.first.quantity + 60 * RULES.lot:
        assert totals(run.slices) == run.first.quantity


def test_what_a_fill_told_late_made_look_like_others_volume_is_taken_back() -> None:
    """10 of 90 are ours and booked a look later: others' 90 and then 10 less make 80 in all, and not 90 + 0."""
    told_late = watch(Run(pov("0.5"), parent("1000")), traded(90, -10, 30))
    told_at_once = watch(Run(pov("0.5"), parent("1000")), traded(80, 0, 30))

    assert totals(told_late.slices) == totals(told_at_once.slices) == D(110)


def test_what_ended_without_a_trade_gives_no_allowance() -> None:
    """10 that were out at a look come back untraded: what was set aside for them is not others' volume now."""
    run = Run(pov("0.5"), parent("1000"))
    volumes: Volumes = dict(traded(10, 10, 0, 0, 5))
    run.market = lambda now: replace(QUIET, others_volume=volumes[now])
    _, first, second, third, fourth, fifth = volumes
    run.look(first)
    run.fill(after(15))
    run.look(second)
    run.look(third)
    run.fill(after(35), lambda _: D(0))

    assert run.look(fourth).slices == ()
    assert run.look(fifth).slices == ()
