from __future__ import annotations

import threading
from collections.abc import Callable
from functools import partial

import pytest

from exchanges.request_queue import LineFull, RequestQueue, WaitedTooLong
from tests.support.waiting import eventually

#: a net under hangs, in seconds
SOON_S = 60.0


def start(work: Callable[[], None]) -> threading.Thread:
    thread = threading.Thread(target=work)
    thread.start()
    return thread


def test_no_more_than_allowed_are_in_at_once_and_all_get_through() -> None:
    queue = RequestQueue(at_once=3, most_waiting=100)
    lock = threading.Lock()
    inside: list[int] = []
    most, through = 0, 0

    def work() -> None:
        nonlocal most, through
        for _ in range(50):
            with queue.place(SOON_S):
                with lock:
                    inside.append(1)
                    most = max(most, len(inside))
                with lock:
                    inside.pop()
                    through += 1

    for thread in [start(work) for _ in range(12)]:
        thread.join(SOON_S)

    assert (most <= 3, through, queue.busy, queue.waiting) == (True, 600, 0, 0)


def test_a_full_line_turns_away_at_once() -> None:
    queue = RequestQueue(at_once=1, most_waiting=1)
    came_in, leave = threading.Event(), threading.Event()

    def stand() -> None:
        with queue.place(SOON_S):
            came_in.set()
            leave.wait(SOON_S)

    with queue.place(0):
        waiting = start(stand)
        eventually(lambda: queue.waiting == 1, within_s=SOON_S, describe="one stands in line")

        with pytest.raises(LineFull), queue.place(SOON_S):
            pass
        assert (queue.busy, queue.waiting) == (1, 1)
    assert came_in.wait(SOON_S)
    assert (queue.busy, queue.waiting) == (1, 0), "the place went on to the one in line"
    leave.set()
    waiting.join(SOON_S)
    assert queue.busy == 0


def test_who_waits_too_long_leaves_the_line() -> None:
    queue = RequestQueue(at_once=1, most_waiting=5)
    with queue.place(0):
        with pytest.raises(WaitedTooLong), queue.place(0.01):
            pass
        assert (queue.busy, queue.waiting) == (1, 0)
    with queue.place(0):
        assert queue.busy == 1


def test_who_came_first_is_next() -> None:
    queue = RequestQueue(at_once=1, most_waiting=5)
    order: list[int] = []

    def stand(number: int) -> Callable[[], None]:
        def work() -> None:
            with queue.place(SOON_S):
                order.append(number)

        return work

    threads = []
    with queue.place(0):
        for number in range(4):
            threads.append(start(stand(number)))
            eventually(partial(lambda n: queue.waiting > n, number), within_s=SOON_S, describe="they stand in line")
    for thread in threads:
        thread.join(SOON_S)

    assert order == [0, 1, 2, 3]


def test_a_failure_inside_gives_the_place_back() -> None:
    queue = RequestQueue(at_once=1, most_waiting=0)
    with pytest.raises(ZeroDivisionError), queue.place(0):
        1 / 0  # noqa: B018 - any failure

    with queue.place(0):
        assert queue.busy == 1
