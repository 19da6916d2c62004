"""Iceberg: one slice at a time, the next when it is gone, nothing left that could not be sent."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from decimal import Decimal

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from algorithms.parent import Plan, Rules
from models.algorithm import Iceberg
from tests.unit.algorithms.planning import START, D, Run, after, parent, totals

LOT = Rules(lot=D("0.00000001"))
LOTS = Rules(lot=D("0.001"))


def iceberg(display: str, **more: object) -> Iceberg:
    return Iceberg(display_quantity=D(display), **more)  # type: ignore[arg-type]


def melt(run: Run) -> Run:
    """Every slice fills, and the next one is shown, until nothing is left."""
    for second in range(100_000):
        made = run.look(after(second))
        if made.is_over:
            return run
        assert len(made.slices) == 1
        run.fill(after(second))
    raise AssertionError("it never ends")


@pytest.mark.parametrize(
    ("quantity", "display", "min_quantity", "slices"),
    [
        ("10", "2", "0", ["2"] * 5),
        ("1", "0.1", "0", ["0.1"] * 10),
        ("0.05", "0.1", "0", ["0.05"]),
        # what would be left after the slice can't be sent: the slice leaves enough, or takes all
        ("0.102", "0.1", "0.01", ["0.092", "0.01"]),
        ("0.105", "0.1", "0.1", ["0.105"]),
        ("2", "0.3", "0", ["0.3"] * 6 + ["0.2"]),
    ],
)
def test_slices(quantity: str, display: str, min_quantity: str, slices: list[str]) -> None:
    rules = Rules(lot=D("0.001"), min_quantity=D(min_quantity))

    run = melt(Run(iceberg(display), parent(quantity), rules=rules))

    assert [piece.quantity for piece in run.slices] == [D(text) for text in slices]


def test_a_single_lot_is_still_sent() -> None:
    run = melt(Run(iceberg("0.1"), parent("0.10000001"), rules=LOT))

    assert [piece.quantity for piece in run.slices] == [D("0.1"), D("0.00000001")]


def test_while_a_slice_is_live_nothing_else_is_shown() -> None:
    run = Run(iceberg("2"), parent("10"))
    run.look(START)

    assert run.look(after(60)) == Plan(next_slot=1, notes=run.notes), "no slice, no time, not over"
    run.children[0].filled = D("1.999")
    assert run.look(after(120)).slices == ()
    run.fill(after(120))
    assert [piece.slot for piece in run.look(after(180)).slices] == [1]


def test_a_slice_that_ended_without_a_fill_is_followed_after_a_pause_that_grows() -> None:
    run = Run(iceberg("2"), parent("10"))
    now, pauses = START, []
    run.look(now)
    for _ in range(12):
        run.fill(now, lambda _: D(0))
        made = run.look(now)
        assert made.slices == ()
        assert made.look_again_at is not None
        pauses.append((made.look_again_at - now).total_seconds())
        now = made.look_again_at
        assert len(run.look(now).slices) == 1

    assert pauses == [1, 2, 4, 8, 16, 32, 64, 128, 256, 300, 300, 300]
    run.fill(now, lambda _: D("0.5"))
    assert len(run.look(now).slices) == 1, "a fill ends the pauses"


def test_a_rest_under_the_minimum_is_left_over_and_said() -> None:
    run = Run(iceberg("2"), parent("4"), rules=Rules(lot=D("0.001"), min_notional=D(100)))
    run.look(START)
    run.fill(START, lambda _: D("0.5"))
    run.look(after(1))
    run.fill(after(1), lambda _: D("0.9"))
    run.look(after(2))
    run.fill(after(2), lambda _: D("0.99"))

    made = run.look(after(3))

    assert made.is_over
    assert D(made.notes["left_over"]) == run.parent.to_plan < 1


def test_the_venues_own_iceberg_gets_the_whole_order() -> None:
    native = replace(LOTS, native_iceberg=True)

    (piece,) = Run(iceberg("2.0005", native=True), parent("10"), rules=native).look(START).slices

    assert (piece.quantity, piece.display) == (D(10), D(2))


@pytest.mark.parametrize(("asked", "has"), [(True, False), (False, True)])
def test_without_both_the_wish_and_the_means_slices_are_ours(asked: bool, has: bool) -> None:
    rules = replace(LOTS, native_iceberg=has)

    (piece,) = Run(iceberg("2", native=asked), parent("10"), rules=rules).look(START).slices

    assert (piece.quantity, piece.display) == (D(2), None)


def test_a_native_iceberg_that_shows_all_of_it_is_an_ordinary_order() -> None:
    native = replace(LOTS, native_iceberg=True)

    (piece,) = Run(iceberg("10", native=True), parent("10"), rules=native).look(START).slices

    assert (piece.quantity, piece.display) == (D(10), None)


def test_jitter_varies_what_is_shown() -> None:
    run = melt(Run(iceberg("1", jitter=D("0.5")), parent("100")))

    shown = [piece.quantity for piece in run.slices[:-2]]
    assert len(set(shown)) > len(shown) * 0.8
    assert D("0.5") <= min(shown) < D("0.7")
    assert D("1.3") < max(shown) <= D("1.5")


@settings(deadline=None)
@given(
    st.integers(1, 10_000), st.integers(1, 30), st.integers(1, 2000), st.sampled_from([D(0), D("0.2"), D("0.5")]),
    st.lists(st.integers(0, 100), min_size=1, max_size=10),
)  # fmt: skip
def test_all_of_it_is_shown_in_turn_and_never_much_more_than_asked(
    lots: int, parts: int, least: int, jitter: Decimal, filled: list[int]
) -> None:
    rules = Rules(lot=D("0.001"), min_quantity=least * D("0.001"))
    display = max(-(-lots // parts), least)
    run = Run(iceberg(str(display * rules.lot), jitter=jitter), parent(lots * rules.lot), rules=rules)
    now = START
    for look in range(40):
        made = run.look(now)
        if made.is_over:
            break
        assert run.parent.live == totals(list(made.slices)), "one at a time"
        now = made.look_again_at or now + timedelta(milliseconds=1)
        run.fill(now, lambda _, look=look: D(filled[look % len(filled)]) / 100)
    else:
        assert set(filled) != {100} or jitter, "thirty slices and a rest, where every slice fills"

    for piece in run.slices:
        assert piece.quantity <= max(display * rules.lot * (1 + jitter), 2 * rules.minimum(D(100)))
    if run.plans[-1][1].is_over:
        assert run.parent.to_plan < rules.minimum(D(100))
