"""Which lane the requests of this thread take, and whether they were admitted already."""

from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar

from risk.lane import Lane

_lane: ContextVar[Lane] = ContextVar("lane", default=Lane.ORDINARY)
_admitted: ContextVar[bool] = ContextVar("admitted", default=False)


def current_lane() -> Lane:
    return _lane.get()


def is_admitted() -> bool:
    return _admitted.get()


@contextmanager
def in_lane(lane: Lane) -> Iterator[None]:
    """Requests made in the block, by this thread, take this lane. Also a decorator."""
    before = _lane.set(lane)
    try:
        yield
    finally:
        _lane.reset(before)


@contextmanager
def admitted() -> Iterator[None]:
    """Requests in the block neither wait nor are refused: they were admitted before their intent was written."""
    before = _admitted.set(True)
    try:
        yield
    finally:
        _admitted.reset(before)
