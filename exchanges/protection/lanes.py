"""Which lane the requests of this thread take, how long they may wait, and whether they were admitted already."""

from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar

from risk.lane import Lane

#: A longer wait goes back to a row instead of holding a worker.
PATIENCE_S = 0.2
#: Of that, what a step has that comes for the first time. Each return adds as much again.
FIRST_PATIENCE_S = 0.05

#: What a job of many requests has for each, that runs seldom and once at a time: its pages together are more than may leave
#: at once, and sent back it would begin with the first one again.
LONG_JOB_PATIENCE_S = 5.0

_lane: ContextVar[Lane] = ContextVar("lane", default=Lane.ORDINARY)
_admitted: ContextVar[bool] = ContextVar("admitted", default=False)
_patience_s: ContextVar[float] = ContextVar("patience_s", default=PATIENCE_S)


def current_lane() -> Lane:
    return _lane.get()


def current_patience_s() -> float:
    return _patience_s.get()


def is_admitted() -> bool:
    return _admitted.get()


def patience_after(returns: int) -> float:
    """Seconds that a step may wait for a slot which has been sent back to its row so often.

    This is what bounds unfairness: while a lane is full, a slot so near is left only to those who may wait longest, so
    that nobody overtakes an order which came back more often, up to the third time.
    """
    return min(PATIENCE_S, FIRST_PATIENCE_S * (1 + max(0, returns)))


@contextmanager
def in_lane(lane: Lane) -> Iterator[None]:
    """Requests made in the block, by this thread, take this lane. Also a decorator."""
    before = _lane.set(lane)
    try:
        yield
    finally:
        _lane.reset(before)


@contextmanager
def waiting_at_most(patience_s: float) -> Iterator[None]:
    """Each request made in the block, by this thread, waits no longer for its slot. Also a decorator."""
    before = _patience_s.set(patience_s)
    try:
        yield
    finally:
        _patience_s.reset(before)


@contextmanager
def admitted() -> Iterator[None]:
    """Requests in the block neither wait nor are refused: they were admitted before their intent was written."""
    before = _admitted.set(True)
    try:
        yield
    finally:
        _admitted.reset(before)
