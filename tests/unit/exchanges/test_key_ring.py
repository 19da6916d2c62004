from __future__ import annotations

from collections import Counter
from contextlib import ExitStack

import pytest

from exchanges.config import ApiKey, Secret
from exchanges.key_ring import ASIDE_S, Aside, HeldKey, KeyRing


class Ticks:
    now_s = 1000.0

    def __call__(self) -> float:
        return self.now_s


def ring(count: int, ticks: Ticks | None = None) -> KeyRing:
    keys = [ApiKey(api_key=Secret(f"key-{number}"), secret=Secret("s")) for number in range(1, count + 1)]
    return KeyRing(keys, ticks=ticks or Ticks())


def taken(keys: KeyRing, times: int) -> list[int]:
    """One after the other, nothing else under way."""
    numbers = []
    for _ in range(times):
        with keys.one() as held:
            numbers.append(held.number)
    return numbers


def get(keys: KeyRing, number: int) -> HeldKey:
    return next(held for held in keys._keys if held.number == number)


def test_requests_one_after_the_other_go_round() -> None:
    assert taken(ring(3), 6) == [1, 2, 3, 1, 2, 3]


def test_requests_at_once_are_spread_evenly() -> None:
    keys = ring(3)
    with ExitStack() as under_way:
        numbers = [under_way.enter_context(keys.one()).number for _ in range(9)]

    assert Counter(numbers) == {1: 3, 2: 3, 3: 3}


def test_the_key_with_the_least_under_way_is_next() -> None:
    keys = ring(2)
    with keys.one(), keys.one() as second:
        with keys.one():
            pass
        assert second.number == 2
    with keys.one() as slow:
        assert set(taken(keys, 5)) == {3 - slow.number}


def test_a_request_that_fails_leaves_its_key() -> None:
    keys = ring(2)
    with pytest.raises(ZeroDivisionError), keys.one():
        1 / 0  # noqa: B018 - any failure

    assert all(held.busy == 0 for held in keys._keys)


def test_a_refused_key_is_left_out_until_its_time_is_over() -> None:
    ticks = Ticks()
    keys = ring(3, ticks)

    assert keys.set_aside(get(keys, 2)) is Aside.NEWS
    assert set(taken(keys, 6)) == {1, 3}
    assert keys.set_aside(get(keys, 2)) is Aside.KNOWN, "a request that was under way is no news"
    ticks.now_s += ASIDE_S + 1
    assert set(taken(keys, 6)) == {1, 2, 3}
    assert keys.set_aside(get(keys, 2)) is Aside.NEWS, "it is refused anew"


def test_the_last_key_in_use_is_not_set_aside() -> None:
    keys = ring(2)

    assert keys.set_aside(get(keys, 1)) is Aside.NEWS
    assert keys.set_aside(get(keys, 2)) is Aside.ALONE
    assert taken(keys, 3) == [2, 2, 2]
    only = ring(1)
    assert only.set_aside(get(only, 1)) is Aside.ALONE
