"""What deliveries are counted under."""

from __future__ import annotations

from tasks.tracking_subjects import subject_of


def test_slices_of_one_order_are_counted_apart() -> None:
    """A killed worker gives back many at once: five deliveries of five slices are no poison."""
    keys = {subject_of({"order_id": "o", "child_id": f"o-{number}-1"}).key for number in range(5)}

    assert len(keys) == 5


def test_a_step_of_the_whole_order_is_counted_under_the_order() -> None:
    assert subject_of({"order_id": "o"}).key == "o"
    assert subject_of({"child_id": "o-0-1"}).key == "o-0-1"
