"""Something held open by a thread of its own."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager

#: a net under what hangs, in seconds
SOON_S = 60.0


@contextmanager
def in_thread(make: Callable[[], AbstractContextManager[object]]) -> Iterator[None]:
    """``make()`` is entered by another thread, and left by it at the end of the block."""
    entered, leave = threading.Event(), threading.Event()

    def hold() -> None:
        with make():
            entered.set()
            leave.wait(SOON_S)

    thread = threading.Thread(target=hold, daemon=True)
    thread.start()
    assert entered.wait(SOON_S), "it was not let in"
    try:
        yield
    finally:
        leave.set()
        thread.join(SOON_S)
        assert not thread.is_alive()
